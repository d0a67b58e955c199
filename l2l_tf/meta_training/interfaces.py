"""Whether a problem and an update rule keep to their interfaces.

Both may be the user's own. Their steps are traced and looked at, not run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.core import failures
from l2l_tf.problems import base as problems
from l2l_tf.rules import base as rules


def check(rule: rules.UpdateRule, problem: problems.Problem) -> None:
    """Refuses a problem, or a rule that cannot serve its parameters.

    Args:
        rule: The rule, which knows the parameters' names.
        problem: The problem.

    Raises:
        ValueError: If either does not keep to its interface; it is quoted.
    """
    check_rule(rule, check_problem(problem), problem.num_functions)


def check_problem(problem: problems.Problem) -> list[tf.TensorSpec]:
    """Refuses a problem that cannot be evaluated or differentiated.

    Args:
        problem: The problem.

    Returns:
        Shapes and types of its parameters.

    Raises:
        ValueError: If it does not keep to `l2l_tf.problems.base.Problem`.
    """
    owner = f"the problem {problem.name!r}"

    def draw():
        seed = tf.constant([0, 0])
        task = problem.sample_task(seed)
        params = problem.initial_params(task, seed)
        return task, params, problem.initial_model_state(task, seed)

    def evaluate():
        task, params, model_state = draw()
        seed = tf.constant([0, 0])
        batch = problem.sample_batch(task, seed)
        with tf.GradientTape() as tape:
            tape.watch(params)
            outcome = problem.loss(params, model_state, task, batch, seed)
        if _is_floating(getattr(outcome, "loss", None)):
            tape.gradient(outcome.loss, params)
        return outcome

    with failures.explained(f"A draw of {owner} fails"):
        _, params, model_state = draw()
    params = _check_params(owner, params, problem.parameter_names)
    loss = f"The loss of {owner}"
    outcome = _trace(loss, evaluate)
    if not isinstance(outcome, problems.Outcome):
        raise ValueError(
            f"{loss} must be a l2l_tf.problems.base.Outcome; received "
            f"{_said(outcome)}."
        )
    if not _is_floating(outcome.loss) or (outcome.loss.shape.rank or 0) > 1:
        raise ValueError(
            f"{loss} must be one number, or one for each of several "
            "independent functions, of a floating point type; received "
            f"{_said(outcome.loss)}."
        )
    _check_metrics(owner, outcome.metrics)
    _check_same(
        f"The model state of {owner}",
        model_state,
        outcome.model_state,
        "its loss",
    )
    return params


def check_rule(
    rule: rules.UpdateRule,
    params: Sequence[tf.TensorSpec],
    num_functions: int | None = None,
) -> None:
    """Refuses a rule whose steps do not suit some parameters.

    Args:
        rule: The rule, which knows the parameters' names.
        params: Their shapes and types.
        num_functions: Of how many independent functions they are.

    Raises:
        ValueError: If it does not keep to `l2l_tf.rules.base.UpdateRule`.
    """
    what = f"The rule {type(rule).__name__}"

    def step():
        gradients = [tf.zeros(param.shape, param.dtype) for param in params]
        state = rule.initial_state_of_functions(gradients, num_functions)
        return state, rule(gradients, state)

    state, result = _trace(what, step)
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise ValueError(
            f"{what} must return updates and the next state; received "
            f"{_said(result)}."
        )
    updates, next_state = result
    is_list = isinstance(updates, (tuple, list))
    if not is_list or len(updates) != len(params):
        raise ValueError(
            f"{what} must return a list of one update for each of "
            f"{len(params)} parameters; received {_said(updates)}."
        )
    for index, (update, param) in enumerate(zip(updates, params, strict=True)):
        if not _fits(param, _spec(update)):
            raise ValueError(
                f"{what} must return updates of the parameters' shapes and "
                f"types, {_said(param)} as number {index}; received "
                f"{_said(update)}."
            )
    _check_same(f"The state of {what[0].lower()}{what[1:]}", state, next_state)


def _check_params(
    owner: str, params: Any, names: Sequence[str]
) -> list[tf.TensorSpec]:
    is_list = isinstance(params, (list, tuple))
    if not is_list or not all(map(_is_floating, params)):
        raise ValueError(
            f"The parameters of {owner} must be a list of tensors of floating "
            f"point types; received {_said(params)}."
        )
    specs = [_spec(param) for param in params]
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


def _check_metrics(owner: str, metrics: Any) -> None:
    specs = {}
    if isinstance(metrics, Mapping):
        specs = {name: _spec(value) for name, value in metrics.items()}
    is_fit = isinstance(metrics, Mapping) and all(
        isinstance(name, str)
        and spec is not None
        and (spec.dtype.is_floating or spec.dtype.is_integer)
        for name, spec in specs.items()
    )
    if not is_fit:
        raise ValueError(
            f"The metrics of {owner} must be numbers by name; received "
            f"{_said(metrics)}."
        )


def _check_same(what: str, before: Any, after: Any, step: str = "a step"):
    """Refuses what changes structure, shapes or types from step to step."""
    try:
        tf.nest.assert_same_structure(before, after)
        is_same = all(
            _fits(_spec(old), _spec(new))
            for old, new in zip(
                tf.nest.flatten(before), tf.nest.flatten(after), strict=True
            )
        )
    except (ValueError, TypeError):
        is_same = False
    if not is_same:
        raise ValueError(
            f"{what} must be tensors that keep their structure, shapes and "
            f"types; received {_said(before)}, and {_said(after)} after {step}."
        )


def _trace(what: str, function: Callable[[], Any]) -> Any:
    """Returns what a function does, which is traced and not run.

    Raises:
        ValueError: If that fails, as with a condition on tensors.
    """
    results = []
    traced = tf.function(lambda: results.append(function()), autograph=False)
    with failures.explained(f"{what} cannot be evaluated"):
        traced.get_concrete_function()
    return results[-1]


def _is_floating(value: Any) -> bool:
    return tf.is_tensor(value) and value.dtype.is_floating


def _spec(value: Any) -> tf.TensorSpec | None:
    """Returns the shape and type of what is a tensor, or can be made one."""
    if isinstance(value, tf.TensorSpec):
        return value
    try:
        if not tf.is_tensor(value):
            value = tf.convert_to_tensor(value)
        return tf.TensorSpec(value.shape, value.dtype)
    except (ValueError, TypeError, AttributeError):
        return None


def _fits(old: tf.TensorSpec | None, new: tf.TensorSpec | None) -> bool:
    """Whether one tensor can take the place of another, in a loop."""
    if old is None or new is None or old.dtype != new.dtype:
        return False
    if old.shape.rank is None:
        return True
    return old.shape.rank == new.shape.rank and all(
        a is None or a == b for a, b in zip(old.shape, new.shape, strict=True)
    )


def _said(value: Any) -> str:
    """Describes a nest, its tensors by their shapes and types."""

    def said(leaf):
        if not (tf.is_tensor(leaf) or isinstance(leaf, tf.TensorSpec)):
            return leaf
        return _Words(f"{leaf.dtype.name} of shape {leaf.shape}")

    try:
        return repr(tf.nest.map_structure(said, value))
    except (ValueError, TypeError):
        return repr(value)


class _Words(str):
    """Text that is not quoted."""

    __repr__ = str.__str__
