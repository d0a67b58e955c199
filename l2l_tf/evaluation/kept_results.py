"""Results that are not computed twice: a file for each, named by its key."""

from __future__ import annotations

import hashlib
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from l2l_tf.core import files


class KeptResults:
    """Results by what decides them, in a folder.

    Each is written all or nothing when it is there: whoever is killed goes on
    from the last one, and two processes may share the folder.
    """

    def __init__(self, folder: str | os.PathLike):
        """Takes the folder; writes nothing."""
        self._folder = pathlib.Path(folder).expanduser()

    def get(
        self,
        key: Mapping[str, Any],
        compute: Callable[[], Any],
        is_acceptable: Callable[[Any], bool] = lambda result: True,
    ) -> Any:
        """Returns what is kept for a key, or else computes and keeps it.

        Args:
            key: Plain values.
            compute: Returns plain values.
            is_acceptable: Whether what is kept can be such a result.

        Returns:
            The result.

        Raises:
            ValueError: If there is a file that holds something else.
        """
        text = files.to_json(files.plain(dict(sorted(key.items()))))
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        path = self._folder / f"{name}.json"
        if path.is_file():
            kept = files.read_json(path, files.MAX_CURVES_BYTES)
            is_ours = kept.get("key") == files.plain(dict(key))
            if not is_ours or not is_acceptable(kept.get("result")):
                raise ValueError(
                    f"{path} does not hold the result that its name says; "
                    "remove it."
                )
            return kept["result"]
        result = compute()
        files.write_json(path, {"key": key, "result": result}, indent=None)
        return result
