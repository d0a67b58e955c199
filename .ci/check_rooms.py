"""Checks that no room imports a room that it may not import.

An import counts wherever it stands, in a function too, and so does a string
that names a module of the repository.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import imports
import rooms


def violations(root: Path) -> Iterator[str]:
    """Yields a line for each import that is not allowed, and stray file."""
    for file in sorted((root / rooms.PACKAGE).rglob("*.py")):
        path = file.relative_to(root)
        room = rooms.room_of(path)
        if room is not None:
            yield from _forbidden(root, path, room)
        elif path != Path(rooms.PACKAGE, "__init__.py"):
            yield (
                f"{path}: lies in no room; the rooms are "
                f"{', '.join(rooms.ORDER)}"
            )


def _forbidden(root: Path, path: Path, room: str) -> Iterator[str]:
    found = {*imports.imports(root, path), *imports.module_names(root, path)}
    allowed = rooms.importable(room)
    for name, line in sorted(found, key=lambda found: (found.line, found.name)):
        top, _, rest = name.partition(".")
        if top not in imports.FOLDERS:
            continue
        if top == rooms.PACKAGE and rest.partition(".")[0] in (room, *allowed):
            continue
        yield (
            f"{path}:{line}: imports {name}, but {room} may import "
            f"{', '.join(allowed) or 'no other room'}"
        )


def main() -> None:
    """Checks the repository, or the folder named."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "root",
        type=Path,
        nargs="?",
        default=Path(__file__).resolve().parent.parent,
    )
    found = list(violations(parser.parse_args().root))
    print("\n".join(found) or "All imports keep to the order of the rooms.")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
