"""Ends this process and everything it started when the server dies, even while user code holds the interpreter.

Standard input is the reading end of a pipe that only the server holds open and never writes to. The kernel is asked to
send SIGKILL to our process group when it hangs up; where that is not possible a thread watches the pipe instead.
"""

import fcntl
import os
import select
import signal
import threading


def hold(descriptor):
    """Ties this process group's life to the other end of the pipe `descriptor`."""
    if not _ask_the_kernel(descriptor):
        threading.Thread(target=_watch, args=(descriptor,), daemon=True, name="lifeline").start()


def _ask_the_kernel(descriptor):
    set_signal = getattr(fcntl, "F_SETSIG", None)
    if set_signal is None:
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(descriptor, set_signal, int(signal.SIGKILL))
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_ASYNC)
        honoured = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ASYNC
    except (OSError, AttributeError):
        return False
    if not honoured:
        return False
    # it may have hung up before we asked
    if _hung_up(descriptor, 0):
        _end()
    return True


def _hung_up(descriptor, timeout_ms):
    poller = select.poll()
    poller.register(descriptor, 0)
    return any(event & (select.POLLHUP | select.POLLERR) for _, event in poller.poll(timeout_ms))


def _watch(descriptor):
    while not _hung_up(descriptor, None):
        pass
    _end()


def _end():
    os.killpg(os.getpgrp(), signal.SIGKILL)
