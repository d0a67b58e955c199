"""Marks of tests that need data sets which are prepared beforehand."""

import os
import pathlib

import pytest


def needs(name: str) -> pytest.MarkDecorator:
    """Skips a test where `TFDS_DATA_DIR` holds no such data set."""
    folder = os.environ.get("TFDS_DATA_DIR")
    return pytest.mark.skipif(
        folder is None or not pathlib.Path(folder, name).is_dir(),
        reason=f"TFDS_DATA_DIR holds no {name}",
    )
