//! A closure on its way from the caller to a database thread and its answer on the way back.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use crate::{StoreError, Tx};

/// What the threads know of a closure: run it inside a transaction, then tell its caller how that transaction ended.
pub(crate) trait Work: Send {
    /// Runs the closure. True when its work should be kept.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Answers the caller; `ended` is the transaction's own fate.
    fn finish(self: Box<Self>, ended: Result<(), StoreError>);
}

/// What travels through the queues.
pub(crate) enum Message {
    /// A closure to run.
    Work(Box<dyn Work>),
    /// Finish what came before, close the connection and drop the sender.
    Stop(oneshot::Sender<()>),
}

struct Item<F, T, E> {
    body: Option<F>,
    outcome: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

/// Packs a closure; its answer arrives on the receiver.
pub(crate) fn pack<F, T, E>(body: F) -> (Box<dyn Work>, oneshot::Receiver<Result<T, E>>)
where
    F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let (answer, receiver) = oneshot::channel();
    (
        Box::new(Item {
            body: Some(body),
            outcome: None,
            answer,
        }),
        receiver,
    )
}

impl<F, T, E> Work for Item<F, T, E>
where
    F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let Some(body) = self.body.take() else {
            return false;
        };
        // Unwind safety: the transaction is rolled back after a panic, and nothing else is shared with the closure.
        let outcome = catch_unwind(AssertUnwindSafe(|| body(tx)))
            .unwrap_or_else(|payload| Err(StoreError::panicked(payload.as_ref()).into()));
        let outcome = match (outcome, tx.take_failure()) {
            (Ok(_), Some(failure)) => Err(failure.into()),
            (outcome, _) => outcome,
        };
        let keep = outcome.is_ok();
        self.outcome = Some(outcome);
        keep
    }

    fn finish(mut self: Box<Self>, ended: Result<(), StoreError>) {
        let outcome = match (self.outcome.take(), ended) {
            // The closure's own error is more precise than what became of the transaction it gave up.
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(error.into()),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(StoreError::Closed.into()),
        };
        // The caller may have gone away; the work is done all the same.
        drop(self.answer.send(outcome));
    }
}
