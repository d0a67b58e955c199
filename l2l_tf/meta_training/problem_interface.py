"""Whether a problem keeps to its interface.

It may be the user's own. Its steps are traced and looked at, not run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.core import failures
from l2l_tf.meta_training import nests
from l2l_tf.problems import base as problems
from l2l_tf.problems import datasets
from l2l_tf.problems import description


def check(problem: problems.Problem) -> list[tf.TensorSpec]:
    """Refuses a problem that cannot be evaluated or differentiated.

    Args:
        problem: The problem.

    Returns:
        Shapes and types of its parameters.

    Raises:
        ValueError: If it does not keep to `l2l_tf.problems.base.Problem`.
    """
    description.check(problem)
    owner = f"the problem {problem.name!r}"

    def draw():
        seed = tf.constant([0, 0])
        task = problem.sample_task(seed)
        params = problem.initial_params(task, seed)
        return task, params, problem.initial_model_state(task, seed)

    drawn = []

    def evaluate():
        task, params, model_state = draw()
        seed = tf.constant([0, 0])
        batch = problem.sample_batch(task, seed)
        drawn.extend([task, batch])
        with tf.GradientTape() as tape:
            tape.watch(params)
            outcome = problem.loss(params, model_state, task, batch, seed)
        if nests.is_floating(getattr(outcome, "loss", None)):
            tape.gradient(outcome.loss, params)
        return outcome

    with failures.explained(f"A draw of {owner} fails"):
        _, params, model_state = draw()
    params = _check_params(owner, params, problem.parameter_names)
    loss = f"The loss of {owner}"
    outcome = nests.trace(loss, evaluate)
    for method, nest in zip(
        ("sample_task", "sample_batch"), drawn, strict=True
    ):
        _check_drawn(f"What {method} of {owner} returns", nest)
    if not isinstance(outcome, problems.Outcome):
        raise ValueError(
            f"{loss} must be a l2l_tf.problems.base.Outcome; received "
            f"{nests.said(outcome)}."
        )
    if not nests.is_floating(outcome.loss) or not _is_for_functions(
        outcome.loss.shape
    ):
        raise ValueError(
            f"{loss} must be one number, or one for each of several "
            "independent functions, of a floating point type; received "
            f"{nests.said(outcome.loss)}."
        )
    _check_metrics(owner, outcome)
    nests.check_same(
        f"The model state of {owner}",
        model_state,
        outcome.model_state,
        "its loss",
    )
    return params


def check_splits(problem: problems.Family) -> None:
    """Refuses a family without the splits that training draws from.

    Args:
        problem: The problem, or several.

    Raises:
        ValueError: If its `with_split` gives something else.
    """
    for split in ("train", "validation"):
        what = f"with_split({split!r}) of the problem {problem.name!r}"
        with failures.explained(f"{what} fails", datasets.DataNotFoundError):
            other = problem.with_split(split)
        if not isinstance(other, problems.Family):
            raise ValueError(
                f"{what} must return a problem; received {nests.said(other)}."
            )


def _check_params(
    owner: str, params: Any, names: Sequence[str]
) -> list[tf.TensorSpec]:
    is_list = isinstance(params, (list, tuple))
    if not is_list or not all(map(nests.is_floating, params)):
        raise ValueError(
            f"The parameters of {owner} must be a list of tensors of floating "
            f"point types; received {nests.said(params)}."
        )
    specs = [nests.spec(param) for param in params]
    if not any(spec.shape.num_elements() for spec in specs):
        raise ValueError(
            f"There is nothing to optimize: {owner} has {len(specs)} "
            "parameters, all of them without coordinates."
        )
    if len(names) != len(specs):
        raise ValueError(
            f"The parameter_names of {owner} must be one for each of its "
            f"{len(specs)} parameters; received {names!r}."
        )
    return specs


def _check_metrics(owner: str, outcome: problems.Outcome) -> None:
    metrics, loss = outcome.metrics, outcome.loss.shape
    specs = {}
    if isinstance(metrics, Mapping):
        specs = {name: nests.spec(value) for name, value in metrics.items()}
    is_fit = isinstance(metrics, Mapping) and all(
        isinstance(name, str)
        and spec is not None
        and (spec.dtype.is_floating or spec.dtype.is_integer)
        for name, spec in specs.items()
    )
    if not is_fit:
        raise ValueError(
            f"The metrics of {owner} must be numbers by name; received "
            f"{nests.said(metrics)}."
        )
    for name, spec in specs.items():
        if spec.shape.rank != 0 and not spec.shape.is_compatible_with(loss):
            raise ValueError(
                f"The metric {name!r} of {owner} must be one number, or of the "
                f"shape of its loss, {loss}; received {nests.said(spec)}."
            )


def _is_for_functions(shape: tf.TensorShape) -> bool:
    """Whether a shape is that of a number, or of one for each function."""
    return (shape.rank or 0) <= 1 and shape.num_elements() != 0


def _check_drawn(what: str, nest: Any) -> None:
    leaves = tf.nest.flatten(nest, expand_composites=True)
    if any(nests.spec(leaf) is None for leaf in leaves):
        raise ValueError(
            f"{what} must be a nest of tensors; received {nests.said(nest)}."
        )
