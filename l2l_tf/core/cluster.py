"""The machines of a training, as the environment's TF_CONFIG names them."""

from __future__ import annotations

import dataclasses
import json
import re
import socket
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

TF_CONFIG = "TF_CONFIG"

_EXAMPLE = (
    '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
# In the order of TensorFlow's: the chief first, where there is one.
_JOBS = ("chief", "worker")
_SECONDS = 2.0

# What others get when a worker is gone: TensorFlow does not settle for one.
_OF_LOSS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The addresses of all workers.

    Attributes:
        workers: The addresses, host:port, by the worker's name, the chief's
            first; none where there is one process.
        own: The name of the worker that this process is.
    """

    workers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    own: str = ""

    def lost_workers(self, error: tf.errors.OpError) -> list[str]:
        """Returns which workers are gone, as an error suggests.

        Args:
            error: What a step has failed with.

        Returns:
            Their names and addresses; none if it failed of something else.
        """
        if not isinstance(error, _OF_LOSS):
            return []
        others = {n: a for n, a in self.workers.items() if n != self.own}
        lost = [name for name in others if not _is_listening(others[name])]
        # One that was started again listens, but has left the others.
        for job, index in re.findall(r"/job:(\w+)/\S*?task:(\d+)", str(error)):
            name = f"{job} {index}"
            if not lost and name in others:
                lost.append(name)
        return [f"{name} ({others[name]})" for name in lost]


def read(text: str | None) -> Cluster:
    """Returns what TF_CONFIG says.

    Args:
        text: Its value, as TensorFlow documents it; None where it is not set.

    Raises:
        ValueError: If it does not name the workers, and one of them as this
            process.
    """
    try:
        values = json.loads(text or "")
        jobs = values["cluster"]
        task = values["task"]
        _check_jobs(jobs)
        workers = {
            f"{job} {index}": address
            for job in _JOBS
            for index, address in enumerate(jobs.get(job, ()))
        }
        own = f"{task['type']} {int(task['index'])}"
        if own not in workers:
            raise ValueError(f"there is no {own}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        said = f" ({error})" if text and isinstance(error, ValueError) else ""
        raise ValueError(
            "strategy='multi_worker' needs the environment's TF_CONFIG, which "
            f"names all workers and this one, such as {_EXAMPLE}; received "
            f"{text or 'none'}{said}."
        ) from error
    return Cluster(workers, own)


def _check_jobs(jobs: Any) -> None:
    others = sorted(set(jobs) - set(_JOBS))
    if others:
        raise ValueError(f"{', '.join(others)}: a job that nobody has here")
    for job, addresses in jobs.items():
        for address in addresses:
            if not re.fullmatch(r"\S+:\d+", address):
                raise ValueError(f"{address!r} of {job} is not host:port")


def _is_listening(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _SECONDS):
            return True
    except OSError:
        return False
