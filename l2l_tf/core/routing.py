"""Names to the first pattern that they match."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MAX_LENGTH = 200
_MAX_REPEATS = 4
_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\??|\{\d*,?\d*\}|.", re.DOTALL
)
_REPEAT = re.compile(r"[*+?]|\{.*\}")


def route(patterns: Sequence[str], names: Sequence[str]) -> list[list[int]]:
    """Assigns every name to the first pattern that it matches.

    Args:
        patterns: Regular expressions, searched for anywhere in a name, in
            order of precedence.
        names: Names of parameters.

    Returns:
        For each pattern, the positions of its names.

    Raises:
        ValueError: If a name is matched by no pattern, a pattern gets no
            name, or a pattern is refused.
    """
    for pattern in patterns:
        check_pattern(pattern)
    positions: list[list[int]] = [[] for _ in patterns]
    unmatched = []
    for position, name in enumerate(names):
        for found, pattern in zip(positions, patterns, strict=True):
            if re.search(pattern, name):
                found.append(position)
                break
        else:
            unmatched.append(name)
    unused = [
        p for p, found in zip(patterns, positions, strict=True) if not found
    ]
    if unmatched:
        raise ValueError(
            f"No pattern of {list(patterns)} matches the parameters "
            f"{unmatched}; add a pattern for them, such as '.*' at the end."
        )
    if unused:
        raise ValueError(
            f"The patterns {unused} get none of the parameters {list(names)}; "
            "remove them, or move them before a pattern that takes their "
            "parameters."
        )
    return positions


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
        re.compile(pattern)
    except (re.error, OverflowError) as error:
        raise ValueError(
            f"{pattern!r} is not a regular expression: {error}."
        ) from error
    if not _is_simple(pattern):
        raise ValueError(
            f"The pattern {pattern!r} may take too long to search for; give "
            f"one with at most {_MAX_REPEATS} repeats, none of them of a "
            "group that holds a repeat or '|', and no flags or comments."
        )


def _is_simple(pattern: str) -> bool:
    """Returns whether repeats are few, none of a choice, and nothing hidden."""
    num_repeats = 0
    holds_choice = [False]  # Of each open group, from the outermost.
    after_repeat = after_choice = False
    before = ""
    for token in _TOKEN.findall(pattern):
        if before == "(?" and token in "#aiLmsux-":
            return False  # Comments and flags would hide what is repeated.
        before = token
        # After a repeat, '?' and '+' tell how greedy it is.
        is_repeat = _REPEAT.fullmatch(token) is not None and not after_repeat
        if is_repeat and after_choice and token != "?":
            return False
        num_repeats += is_repeat
        holds_choice[-1] |= is_repeat or token == "|"
        after_repeat, after_choice = is_repeat, False
        if token.startswith("("):
            holds_choice.append(False)
        elif token == ")" and len(holds_choice) > 1:
            after_choice = holds_choice.pop()
            holds_choice[-1] |= after_choice
    return num_repeats <= _MAX_REPEATS
