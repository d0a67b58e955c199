"""What a problem says of itself: its name, its options, its parameters' names.

A problem may be the user's own, and say anything.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

from l2l_tf.core import failures
from l2l_tf.core import files
from l2l_tf.problems import base


def check(problem: base.Family) -> None:
    """Refuses a problem, or a family, that a file could not describe.

    Args:
        problem: The problem.

    Raises:
        ValueError: If its name, configuration or parameters' names are none.
    """
    name = problem.name
    if not isinstance(name, str) or not name:
        raise ValueError(
            f"The name of the problem {type(problem).__name__} must be text; "
            f"received {reprlib.repr(name)}."
        )
    _check_config(f"config() of the problem {name!r}", problem)
    for member in problem.members:
        _check_names(member)


def default_rule(problem: base.Family) -> Mapping[str, Any]:
    """Returns the configuration of the rule that suits a problem.

    Raises:
        ValueError: If the problem gives none.
    """
    what = f"default_rule() of the problem {problem.name!r}"
    with failures.explained(f"{what} fails"):
        rule = problem.default_rule()
    if not isinstance(rule, Mapping):
        raise ValueError(
            f"{what} must return a rule's configuration, such as {{'rule': "
            f"'coordinatewise'}}, or {{}}; received {reprlib.repr(rule)}."
        )
    return rule


def _check_config(what: str, problem: base.Family) -> None:
    with failures.explained(f"{what} fails"):
        config = problem.config()
    is_fit = (
        isinstance(config, Mapping)
        and set(config) == {"name", "options"}
        and isinstance(config["name"], str)
        and isinstance(config["options"], Mapping)
    )
    if not is_fit:
        raise ValueError(
            f"{what} must return {{'name': ..., 'options': {{...}}}}; received "
            f"{reprlib.repr(config)}."
        )
    with failures.explained(
        f"{what} must hold what JSON does: {reprlib.repr(config)}"
    ):
        files.check_plain(config)


def _check_names(problem: base.Problem) -> None:
    what = f"parameter_names of the problem {problem.name!r}"
    with failures.explained(f"The {what} fail"):
        names = problem.parameter_names
    is_list = isinstance(names, Sequence) and not isinstance(
        names, (str, bytes)
    )
    if not is_list or not all(isinstance(each, str) for each in names):
        raise ValueError(
            f"The {what} must be a list of text; received "
            f"{reprlib.repr(names)}."
        )
