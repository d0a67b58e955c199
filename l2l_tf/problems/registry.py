"""Problems by name: those of this room, and functions of the user's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from l2l_tf.core import failures
from l2l_tf.core import imports
from l2l_tf.core import registry
from l2l_tf.problems import base
from l2l_tf.problems import datasets
from l2l_tf.problems import description

PROBLEMS: registry.Registry[Callable[..., base.Family]] = registry.Registry(
    "problem", "l2l_tf.problems"
)
"""Classes and functions that are given a split and options."""


def make_problem(
    name: str, /, split: str = "train", **options: Any
) -> base.Family:
    """Builds a problem.

    Args:
        name: One of `PROBLEMS`.
        split: The split of its data.
        **options: The problem's own options.

    Returns:
        The problem.

    Raises:
        ValueError: If the name or an option is unknown, or a value refused.
    """
    if is_import(name):
        raise ValueError(
            f"The problem {name!r} is code to be imported, which only "
            f"import_problem does, or a script with problem={name!r}."
        )
    # The first is about the options, and the others about data and packages.
    with failures.explained(
        f"The problem {name!r} cannot be built",
        ValueError,
        datasets.DataNotFoundError,
        OSError,
        ImportError,
    ):
        return PROBLEMS.build(name, split, **options)


def from_options(
    name: str,
    options: Mapping[str, Any],
    split: str = "train",
    may_import: bool = False,
) -> base.Family:
    """Builds a problem from options that a user wrote into a flag or a file.

    Args:
        name: One of `PROBLEMS`, or see `import_problem`.
        options: The problem's own options. The split is none of them: whoever
            trains or evaluates chooses it.
        split: The split of its data.
        may_import: Whether a name may be one that is imported.

    Returns:
        The problem.

    Raises:
        ValueError: As `make_problem` and `import_problem` do, or if the
            options hold a split.
    """
    if "split" in options:
        raise ValueError(
            f"The split is not an option of the problem {name!r}: training "
            "and evaluation choose it; received split="
            f"{options['split']!r}."
        )
    make = import_problem if may_import and is_import(name) else make_problem
    problem = make(name, split, **options)
    description.check(problem)
    return problem


def from_list(
    owner: str, problems: Sequence[Mapping[str, Any]], split: str
) -> list[base.Family]:
    """Builds the parts of a problem that is made of others.

    Args:
        owner: What it is called, for messages.
        problems: `[{"problem": name, ...options}, ...]`.
        split: The split of all parts' data.

    Returns:
        The parts.

    Raises:
        ValueError: If a part is refused.
    """
    parts = []
    for options in problems:
        if not isinstance(options, Mapping) or "problem" not in options:
            raise ValueError(
                f"The problems of {owner} are given as a list of "
                f'{{"problem": name, ...options}}; received {options!r}.'
            )
        rest = {k: v for k, v in options.items() if k != "problem"}
        parts.append(from_options(options["problem"], rest, split))
    return parts


def to_list(problems: Sequence[base.Family]) -> list[dict[str, Any]]:
    """Undoes `from_list`."""
    configs = [problem.config() for problem in problems]
    return [{"problem": c["name"], **c["options"]} for c in configs]


def is_import(name: Any) -> bool:
    """Whether a problem's name is that of a function to import."""
    return isinstance(name, str) and ":" in name


def import_problem(
    name: str, /, split: str = "train", **options: Any
) -> base.Family:
    """Builds a problem by a function of the user's own.

    It is a function of its own, since importing runs code: no option that is
    read from a file can make `make_problem` do it.

    Args:
        name: `"package.module:function"`; the function takes `split` and
            options, and returns a problem.
        split: The split of its data.
        **options: What else the function is given.

    Returns:
        The problem, whose configuration holds this name and these options.

    Raises:
        ValueError: If there is no such module or function, if it does not
            take the options, or if it returns something else.
    """
    function = _import_function(name)
    try:
        inspect.signature(function).bind(split=split, **options)
    except TypeError as error:
        raise ValueError(
            f"Cannot build the problem {name!r} with the options "
            f"{['split', *options]}: {error}."
        ) from error
    with failures.explained(
        f"The function {name!r} fails", datasets.DataNotFoundError
    ):
        problem = function(split=split, **options)
    if not isinstance(problem, base.Family):
        raise ValueError(
            f"The function {name!r} must return an l2l_tf.problems.base."
            f"Problem; received {type(problem).__name__}."
        )
    # Its configuration says how to build it again.
    problem.name, problem.options = name, dict(options)
    return problem


def _import_function(name: str) -> Callable[..., Any]:
    module_name, _, function_name = name.partition(":")
    if not all(
        part.isidentifier() for part in [*module_name.split("."), function_name]
    ):
        raise ValueError(
            "A problem of your own is named package.module:function; received "
            f"{name!r}."
        )
    module = imports.of_user(module_name, f"the problem {name!r}")
    function = getattr(module, function_name, None)
    if not callable(function):
        raise ValueError(
            f"The module {module_name!r} has no function {function_name!r} "
            f"for the problem {name!r}."
        )
    return function
