"""Before training: a rule's configuration is completed, and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from l2l_tf.meta_training import config as config_lib
from l2l_tf.meta_training import trainer as meta_training
from l2l_tf.problems import base as problems
from l2l_tf.rules import base as rules
from l2l_tf.rules import registry
from l2l_tf.saving import metadata as metadata_lib
from l2l_tf.saving import saved_optimizer


def complete_rule(
    rule: Mapping[str, Any] | None,
    problem: problems.Problem,
    initial_optimizer: str | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Returns a rule's configuration with all defaults written out.

    Args:
        rule: The configuration; None for that of the optimizer to start from,
            or else for what suits the problem.
        problem: The problem.
        initial_optimizer: The saved optimizer to start from.
        seed: Draws phi, where the configuration does not say otherwise.

    Returns:
        The configuration.
    """
    if rule is None and initial_optimizer is not None:
        rule = metadata_lib.read(initial_optimizer)["rule"]
    rule = registry.with_seed(rule or problem.default_rule(), seed)
    complete = registry.make_rule(rule, problem.parameter_names).config()
    lost = sorted(set(rule) - set(complete))
    if lost:
        raise ValueError(
            f"The rule {rule.get('rule')!r} takes the options {lost}, but its "
            "config() leaves them out, so that it could not be built again; "
            "add them there."
        )
    return complete


def suited_rule(
    options: Mapping[str, Any], problem: problems.Problem
) -> dict[str, Any]:
    """Returns a rule of given options, in all else as it suits the problem."""
    default = problem.default_rule()
    name = default.get("rule", registry.DEFAULT)
    if options.get("rule", name) == name:
        return {**default, **options}
    return dict(options)


def make_trainer(
    problem: problems.Problem, config: config_lib.Config
) -> meta_training.MetaTrainer:
    """Builds what trains the rule of a configuration, from fresh weights.

    Raises:
        ValueError: If it makes no sense, or the rule could not be exported
            when it is trained. Nothing has been written or trained by then.
    """
    rule = registry.make_rule(config.rule, problem.parameter_names)
    check_fit(rule, problem)
    trainer = meta_training.MetaTrainer(rule, problem, config.settings)
    saved_optimizer.check_exportable(rule)
    return trainer


def check_fit(rule: rules.UpdateRule, problem: problems.Problem) -> None:
    """Raises a ValueError if a rule cannot serve a problem's parameters."""
    params = problem.example_params()
    if not any(param.shape.num_elements() for param in params):
        raise ValueError(
            f"The problem {problem.name!r} has nothing to optimize: "
            f"{len(params)} parameters, all of them without coordinates."
        )
    state = rule.initial_state(params)
    _trace(f"The rule {type(rule).__name__}", lambda: rule(params, state)[0])
    what = f"The loss of the problem {problem.name!r}"
    outcome = _trace(what, lambda: _evaluate(problem))
    if not isinstance(outcome, problems.Outcome):
        raise ValueError(
            f"{what} must be a l2l_tf.problems.base.Outcome; received "
            f"{outcome!r}."
        )
    shape = getattr(outcome.loss, "shape", None)
    if shape is None or (shape.rank is not None and shape.rank > 1):
        raise ValueError(
            f"{what} must be one number, or one for each of several "
            f"independent functions; received {outcome.loss!r}."
        )


def _evaluate(problem: problems.Problem) -> problems.Outcome:
    seed = tf.constant([0, 0])
    task = problem.sample_task(seed)
    return problem.loss(
        problem.initial_params(task, seed),
        problem.initial_model_state(task, seed),
        task,
        problem.sample_batch(task, seed),
        seed,
    )


def _trace(what: str, function: Callable[[], Any]) -> Any:
    """Returns what a function does, which is traced and not run.

    Raises:
        ValueError: If that fails, as with a condition on tensors.
    """
    traced = tf.function(function, autograph=False)
    try:
        return traced.get_concrete_function().structured_outputs
    except (ValueError, TypeError, AttributeError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(
            f"{what} cannot be evaluated: {lines[0].rstrip('.')}."
        ) from error


def start_weights(
    optimizer: str, source: rules.UpdateRule, rule: rules.UpdateRule
) -> list[tuple[tf.Variable, tf.Variable]]:
    """Returns a rule's weights, each with the one that it starts from.

    Args:
        optimizer: What the rule to start from is called.
        source: The rule to start from.
        rule: The rule to train.

    Raises:
        ValueError: If it cannot start from that one.
    """
    try:
        return rule.weights_from(source)
    except ValueError as error:
        raise ValueError(
            f"The optimizer {optimizer!r} is another rule than the one to "
            f"train: {source.config()} and {rule.config()}."
        ) from error
