"""The scoring worker: one Python process that holds one model and answers one request at a time.

The server embeds these files in its binary, writes them beside a deployment and starts them with the interpreter of the
deployment's environment, so nothing but the standard library may be imported here before the user's own code is.
"""
