"""Paintings: those that come with the library, and files."""

from __future__ import annotations

import os
import pathlib

import numpy as np

from l2l_tf.problems import images

_STYLES = pathlib.Path(__file__).parent / "styles"


def names() -> list[str]:
    """Returns the names of the paintings that come with the library."""
    return sorted(file.stem for file in _STYLES.glob("*.jpg"))


def read(name_or_path: str | os.PathLike) -> np.ndarray:
    """Reads a painting, see `l2l_tf.problems.images.read`.

    Args:
        name_or_path: One of `names()`, or the path of an image.
    """
    if not isinstance(name_or_path, (str, os.PathLike)) or not str(
        name_or_path
    ):
        raise ValueError(
            f"style must be one of {', '.join(names())}, or the path of an "
            f"image; received {type(name_or_path).__name__}."
        )
    if str(name_or_path) in names():
        return images.read(_STYLES / f"{name_or_path}.jpg")
    try:
        exists = pathlib.Path(name_or_path).expanduser().exists()
    except (OSError, RuntimeError, ValueError):
        exists = False
    if not exists:
        raise ValueError(
            f"There is no painting {str(name_or_path)!r}; accepted: "
            f"{', '.join(names())}, or the path of an image."
        )
    return images.read(name_or_path)
