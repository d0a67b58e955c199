"""Saved optimizers by name or path: checked and rebuilt once per process."""

from __future__ import annotations

import functools
import os
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from l2l_tf.rules import base
from l2l_tf.saving import metadata as metadata_lib
from l2l_tf.saving import saved_optimizer

_KEPT = 32


class Loaded(NamedTuple):
    """A saved optimizer.

    Attributes:
        label: Its name, or its absolute path: what finds it again from any
            working directory.
        metadata: What is written beside it.
        rule: The rule. It is shared by all who load it, and never changes.
    """

    label: str
    metadata: Mapping[str, Any]
    rule: base.UpdateRule


def load(optimizer: str | os.PathLike) -> Loaded:
    """Returns a saved optimizer.

    Args:
        optimizer: A name or a path, see `l2l_tf.saving.metadata.find`.

    Raises:
        SavedOptimizerError: If it is missing, damaged or not to be trusted.
    """
    folder = metadata_lib.find(optimizer).resolve()
    label = metadata_lib.spell(optimizer)
    status = (folder / metadata_lib.METADATA).stat()
    # A folder that was written anew is read anew.
    version = (status.st_mtime_ns, status.st_size, status.st_ino)
    metadata, rule = _read(folder, version)
    return Loaded(label, metadata, rule)


@functools.lru_cache(_KEPT)
def _read(
    folder: pathlib.Path, version: tuple[int, ...]
) -> tuple[Mapping[str, Any], base.UpdateRule]:
    del version
    rule, metadata = saved_optimizer.load_with_metadata(folder)
    return metadata, rule
