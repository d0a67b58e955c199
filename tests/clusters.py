"""Starts a program as several workers, which find each other by TF_CONFIG."""

import contextlib
import json
import os
import socket

from tests import processes


@contextlib.contextmanager
def start(num_workers, program, *arguments):
    """Starts a program on free ports of this machine; kills it at the end.

    Args:
        num_workers: How many processes run it.
        program: The file.
        *arguments: Functions of a worker's number, or arguments.

    Yields:
        What runs, see `processes.start`.
    """
    with contextlib.ExitStack() as stack:
        sockets = [socket.socket() for _ in range(num_workers)]
        for free in sockets:
            free.bind(("localhost", 0))
        ports = [free.getsockname()[1] for free in sockets]
        for free in sockets:
            free.close()
        yield [
            stack.enter_context(
                processes.start(
                    program,
                    *(a(i) if callable(a) else a for a in arguments),
                    environment={**os.environ, "TF_CONFIG": config(ports, i)},
                )
            )
            for i in range(num_workers)
        ]


def config(ports, index):
    """Returns a worker's TF_CONFIG."""
    workers = [f"localhost:{port}" for port in ports]
    return json.dumps(
        {
            "cluster": {"worker": workers},
            "task": {"type": "worker", "index": index},
        }
    )
