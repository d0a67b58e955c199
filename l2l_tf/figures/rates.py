"""Learning rates that were searched for baselines, kept in a file."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from l2l_tf.core import files
from l2l_tf.problems import base as problems


class RateCache:
    """Rates of baselines by problem and number of steps, in a JSON file.

    A problem is known by its configuration, which is complete, so that it
    does not matter in which words it was asked for.

    Attributes:
        steps: Updates that were made to find the rates put so far.
    """

    def __init__(self, path: str | os.PathLike, search_anew: bool = False):
        """Reads the file, if there is one.

        Args:
            path: The file.
            search_anew: Whether rates that it holds count as unknown, until
                they have been put again.

        Raises:
            ValueError: If the file is not one of these.
        """
        self.steps = 0
        self._path = pathlib.Path(path)
        self._entries: list[dict[str, Any]] = []
        if self._path.is_file():
            self._entries = _read(self._path)
        self._stale = list(self._entries) if search_anew else []

    def get(
        self, problem: problems.Problem, num_steps: int
    ) -> dict[str, float]:
        """Returns the known rates by baseline.

        Args:
            problem: The problem, on any split.
            num_steps: Updates per run.
        """
        found = self._find(problem, num_steps)
        return {} if found is None or found in self._stale else found["rates"]

    def put(
        self,
        problem: problems.Problem,
        num_steps: int,
        rates: Mapping[str, float],
        steps: int = 0,
    ) -> None:
        """Keeps rates, in memory and in the file.

        Args:
            problem: See `get`.
            num_steps: See `get`.
            rates: The rates by baseline.
            steps: Updates made to find those that are new.
        """
        self.steps += steps
        found = self._find(problem, num_steps)
        for entries in (self._entries, self._stale):
            if found in entries:
                entries.remove(found)
        entry = {**_key(problem, num_steps), "rates": dict(rates)}
        self._entries.append(entry)
        self._entries.sort(key=json.dumps)
        files.write_json(self._path, self._entries)

    def _find(
        self, problem: problems.Problem, num_steps: int
    ) -> dict[str, Any] | None:
        key = _key(problem, num_steps)
        for entry in self._entries:
            # Values are compared, not texts: 1 is 1.0.
            if {**entry, **key} == entry:
                return entry
        return None


def _key(problem: problems.Problem, num_steps: int) -> dict[str, Any]:
    config = files.plain(problem.config())
    return {"problem": config, "num_steps": num_steps}


def _read(path: pathlib.Path) -> list[dict[str, Any]]:
    try:
        entries = files.read_json(path, kind=list)
        for entry in entries:
            entry["problem"], entry["num_steps"], entry["rates"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} does not hold learning rates of baselines; move it away "
            "to have them searched anew."
        ) from error
    return entries
