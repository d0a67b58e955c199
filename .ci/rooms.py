"""The rooms of the library, and which room may import which.

The only place where this is written down: the visibility of Bazel's targets
and the check of the imports follow from it.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = "l2l_tf"

# A room may import those that come earlier in this list, and no later one.
ORDER = (
    "core",
    "problems",
    "rules",
    "meta_gradients",
    "saving",
    "evaluation",
    "keras_optimizers",
    "meta_training",
    "figures",
)

# These it may not, though they come earlier: an update rule knows nothing of
# what it optimizes, and a saved one needs neither a problem nor its training.
APART = {
    "rules": ("problems",),
    "saving": ("problems", "meta_gradients"),
}


def importable(room: str) -> tuple[str, ...]:
    """Returns the rooms that a room may import, itself not among them."""
    earlier = ORDER[: ORDER.index(room)]
    return tuple(r for r in earlier if r not in APART.get(room, ()))


def importers(room: str) -> tuple[str, ...]:
    """Returns the rooms that may import a room."""
    return tuple(r for r in ORDER if room in importable(r))


def room_of(path: Path) -> str | None:
    """Returns the room that a file of the repository lies in, if any."""
    match path.parts:
        case (package, room, _, *_) if package == PACKAGE and room in ORDER:
            return room
    return None
