"""Names that are told apart by numbers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable


def names(given: Iterable[str]) -> list[str]:
    """Returns names of which no two are alike.

        ["a", "a", "a_1"]  ->  ["a", "a_2", "a_1"]

    Args:
        given: The names; the first of each stays as it is.
    """
    given = list(given)
    taken, found = set(given), []
    seen: set[str] = set()
    for name in given:
        if name in seen:
            candidates = (f"{name}_{number}" for number in itertools.count(1))
            name = next(other for other in candidates if other not in taken)
            taken.add(name)
        seen.add(name)
        found.append(name)
    return found
