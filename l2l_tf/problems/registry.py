"""Builds problems from names and plain options, and checks these."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from l2l_tf.problems import base
from l2l_tf.problems import ensemble
from l2l_tf.problems import image_classification
from l2l_tf.problems import quadratic
from l2l_tf.problems import simple


def _images(dataset: str) -> Callable[..., base.Problem]:
    return functools.partial(
        image_classification.ImageClassification, dataset=dataset
    )


def _ensemble(
    problems: Sequence[Mapping[str, Any]],
    weights: Sequence[float] | None = None,
    split: str = "train",
) -> ensemble.Ensemble:
    """Builds an ensemble from `[{"problem": name, ...options}, ...]`."""
    parts = []
    for options in problems:
        if not isinstance(options, Mapping) or "problem" not in options:
            raise ValueError(
                "The problems of an ensemble are given as a list of "
                f'{{"problem": name, ...options}}; received {options!r}.'
            )
        rest = {k: v for k, v in options.items() if k != "problem"}
        parts.append(make_problem(options["problem"], split, **rest))
    return ensemble.Ensemble(parts, weights)


PROBLEMS: dict[str, Callable[..., base.Problem]] = {
    "simple": simple.Simple,
    "simple-multi": simple.SimpleMulti,
    "quadratic": quadratic.Quadratic,
    **{
        dataset: _images(dataset)
        for dataset in image_classification.NAMED_DATASETS
    },
    "image_classification": image_classification.ImageClassification,
    "ensemble": _ensemble,
}
"""Every problem that a name can ask for.

`image_classification` takes the name of any TFDS set as `dataset`.
"""


def make_problem(
    name: str, /, split: str = "train", **options: Any
) -> base.Problem:
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
    if name not in PROBLEMS:
        raise ValueError(
            f"Unknown problem {name!r}; accepted: {', '.join(PROBLEMS)}."
        )
    accepted = accepted_options(name)
    unknown = sorted(set(options) - set(accepted))
    if unknown:
        raise ValueError(
            f"Unknown options {unknown} for problem {name!r}; accepted: "
            f"{accepted}."
        )
    try:
        return PROBLEMS[name](split=split, **options)
    except TypeError as error:
        raise ValueError(f"Cannot build problem {name!r}: {error}.") from error


def accepted_options(name: str) -> list[str]:
    """Returns the names of the options that a problem accepts."""
    factory = PROBLEMS[name]
    bound = getattr(factory, "keywords", {})
    names = inspect.signature(factory).parameters
    return sorted(n for n in names if n not in bound and n != "split")
