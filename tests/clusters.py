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
        ports = free_ports(num_workers)
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


def free_ports(number):
    """Returns ports of this machine that nobody listens on."""
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def config(ports, index):
    """Returns a worker's TF_CONFIG."""
    workers = [f"localhost:{port}" for port in ports]
    return json.dumps(
        {
            "cluster": {"worker": workers},
            "task": {"type": "worker", "index": index},
        }
    )
