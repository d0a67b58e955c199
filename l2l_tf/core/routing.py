"""Parameters to the first pattern that they match."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

_MAX_LENGTH = 200
_MAX_PATTERNS = 100
_MAX_REPEATS = 4
_MAX_LONG_REPEATS = 2
_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\??|\{\d*,?\d*\}|.", re.DOTALL
)
_REPEAT = re.compile(r"[*+?]|\{.*\}")
_SHORT_REPEAT = re.compile(r"\?|\{\d+\}")
_REFERENCE = re.compile(r"\\[1-9]")
_RANK = re.compile(r"rank=(\d+)")


def route(
    patterns: Sequence[str],
    names: Sequence[str],
    ranks: Sequence[int | None] | None = None,
) -> list[list[int]]:
    """Assigns every parameter to the first pattern that it matches.

    A pattern is a regular expression, searched for anywhere in a name, or
    `rank=N`, for parameters with N axes: `rank=4` takes the kernels of
    two-dimensional convolutions, whatever they are called.

    Args:
        patterns: The patterns, in order of precedence.
        names: Names of parameters.
        ranks: Their numbers of axes; only `rank=N` asks for them.

    Returns:
        For each pattern, the positions of its parameters.

    Raises:
        ValueError: If a parameter is matched by no pattern, a pattern that
            asks for a name gets none, or a pattern is refused.
    """
    if len(patterns) > _MAX_PATTERNS:
        raise ValueError(
            f"There may be at most {_MAX_PATTERNS} patterns; received "
            f"{len(patterns)}."
        )
    for pattern in patterns:
        check_pattern(pattern)
    if ranks is None:
        ranks = [None] * len(names)
    positions: list[list[int]] = [[] for _ in patterns]
    unmatched: list[int] = []
    for position, (name, rank) in enumerate(zip(names, ranks, strict=True)):
        takers = (
            found
            for found, pattern in zip(positions, patterns, strict=True)
            if _matches(pattern, name, rank)
        )
        next(takers, unmatched).append(position)
    unused = [
        pattern
        for pattern, found in zip(patterns, positions, strict=True)
        if not found and not _may_get_none(pattern)
    ]
    if unmatched:
        raise ValueError(
            f"No pattern of {list(patterns)} matches the parameters "
            f"{[names[position] for position in unmatched]}; add a pattern "
            "for them, such as '.*' at the end."
        )
    if unused:
        raise ValueError(
            f"The patterns {unused} get none of the parameters {list(names)}; "
            "remove them, or move them before a pattern that takes their "
            "parameters."
        )
    return positions


def asks_rank(pattern: str) -> bool:
    """Whether a pattern asks for a parameter's rank, not for its name."""
    return _RANK.fullmatch(pattern) is not None


def _may_get_none(pattern: str) -> bool:
    """Whether a pattern is no name that might be mistyped."""
    return asks_rank(pattern) or re.search(pattern, "") is not None


def _matches(pattern: str, name: str, rank: int | None) -> bool:
    asked = _RANK.fullmatch(pattern)
    if asked is None:
        return re.search(pattern, name) is not None
    if rank is None:
        raise ValueError(
            f"The pattern {pattern!r} asks for the number of axes of the "
            f"parameter {name!r}, of which only the name is known here."
        )
    return rank == int(asked[1])


def check_pattern(pattern: str) -> None:
    """Refuses what is no regular expression, or might search without end.

    A search takes a time that is exponential in the name's length where a
    repeated group holds a choice, and grows by one power with each repeat.

    Raises:
        ValueError: If the pattern is refused.
    """
    if not isinstance(pattern, str) or len(pattern) > _MAX_LENGTH:
        raise ValueError(
            "A pattern must be a regular expression of at most "
            f"{_MAX_LENGTH} characters; received {pattern!r}."
        )
    try:
        with warnings.catch_warnings():
            # As of what may come to mean something else, such as [[:alpha:]].
            warnings.simplefilter("error", FutureWarning)
            re.compile(pattern)
    except (re.error, OverflowError, FutureWarning) as error:
        raise ValueError(
            f"{pattern!r} is not a regular expression: {error}."
        ) from error
    if not _is_simple(pattern):
        raise ValueError(
            f"The pattern {pattern!r} may take too long to search for; give "
            f"one with at most {_MAX_REPEATS} repeats, {_MAX_LONG_REPEATS} of "
            "them without '?' or a fixed number, none of a group that holds a "
            "repeat or '|', and no flags, comments or references to groups."
        )


def _is_simple(pattern: str) -> bool:
    """Returns whether repeats are few, none of a choice, and nothing hidden."""
    num_repeats = num_long = 0
    holds_choice = [False]  # Of each open group, from the outermost.
    after_repeat = after_choice = False
    before = ""
    for token in _TOKEN.findall(pattern):
        if before == "(?" and token in "#aiLmsux-":
            return False  # Comments and flags would hide what is repeated.
        if _REFERENCE.match(token) or (before, token) == ("P", "="):
            return False
        before = token
        # After a repeat, '?' and '+' tell how greedy it is.
        is_repeat = _REPEAT.fullmatch(token) is not None and not after_repeat
        if is_repeat and after_choice and token != "?":
            return False
        num_repeats += is_repeat
        num_long += is_repeat and not _SHORT_REPEAT.fullmatch(token)
        holds_choice[-1] |= is_repeat or token == "|"
        after_repeat, after_choice = is_repeat, False
        if token.startswith("("):
            holds_choice.append(False)
        elif token == ")" and len(holds_choice) > 1:
            after_choice = holds_choice.pop()
            holds_choice[-1] |= after_choice
    return num_repeats <= _MAX_REPEATS and num_long <= _MAX_LONG_REPEATS
