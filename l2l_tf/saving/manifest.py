"""Which files a saved optimizer consists of, and their SHA-256.

The digests tell damage, not intent: whoever changes a file on purpose can
write its new digest beside it.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping

from l2l_tf.core import files

MAX_ENTRIES = 1000
MAX_BYTES = 2**28


def list_files(folder: pathlib.Path) -> list[str]:
    """Returns the names of all files in a folder, with forward slashes.

    Raises:
        ValueError: If it holds a link, a pipe, a device, or more than is
            accepted.
        OSError: If it cannot be read.
    """
    names = []
    waiting = [folder]
    num_entries = num_bytes = 0
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                path = pathlib.Path(entry.path)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(path)
                elif entry.is_file(follow_symlinks=False):
                    num_bytes += entry.stat(follow_symlinks=False).st_size
                    names.append(path.relative_to(folder).as_posix())
                else:
                    raise ValueError(
                        f"{path} is a link or a device; accepted: plain files "
                        "and folders."
                    )
                num_entries += 1
                if num_entries > MAX_ENTRIES or num_bytes > MAX_BYTES:
                    raise ValueError(
                        f"{folder} holds more than {MAX_ENTRIES} files or "
                        f"{MAX_BYTES:,} bytes."
                    )
    return sorted(names)


def digests(folder: pathlib.Path, leave_out: str) -> dict[str, str]:
    """Returns the SHA-256 of every file in a folder but one, by name."""
    return {
        name: files.sha256(folder / name, MAX_BYTES)
        for name in list_files(folder)
        if name != leave_out
    }


def check(
    folder: pathlib.Path, expected: Mapping[str, str], leave_out: str
) -> None:
    """Compares a folder with the digests of its files.

    Args:
        folder: The folder.
        expected: The SHA-256 of each file.
        leave_out: The name of a file that is not among them.

    Raises:
        ValueError: If a file is missing, was added or was changed; or see
            `list_files`.
        OSError: If it cannot be read.
    """
    # Names are compared before anything is opened, so that only what lies in
    # the folder is read.
    present = set(list_files(folder)) - {leave_out}
    added = sorted(present - expected.keys())
    if added:
        raise ValueError(
            f"{folder} holds files that its metadata does not list: "
            f"{added[:5]}."
        )
    for name, digest in expected.items():
        file = folder / name
        if name not in present or files.sha256(file, MAX_BYTES) != digest:
            raise ValueError(
                f"{str(file)!r} is missing or was changed since its export: "
                "its SHA-256 differs from the metadata's. Export it again."
            )
