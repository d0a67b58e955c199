"""Before training: a rule's configuration is completed, and checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from l2l_tf.core import distribution as distribution_lib
from l2l_tf.meta_training import config as config_lib
from l2l_tf.meta_training import problem_interface
from l2l_tf.meta_training import rule_interface
from l2l_tf.meta_training import trainer as meta_training
from l2l_tf.problems import base as problems
from l2l_tf.problems import description
from l2l_tf.rules import base as rules
from l2l_tf.rules import registry
from l2l_tf.saving import metadata as metadata_lib
from l2l_tf.saving import saved_optimizer


def complete_rule(
    rule: Mapping[str, Any] | None,
    problem: problems.Family,
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
    rule = registry.with_seed(rule or description.default_rule(problem), seed)
    for member in problem.members:
        made = registry.make_rule(rule, member.parameter_names)
    complete = registry.config_of(made)
    lost = sorted(set(rule) - set(complete))
    if lost:
        raise ValueError(
            f"The rule {rule.get('rule')!r} takes the options {lost}, but its "
            "config() leaves them out, so that it could not be built again; "
            "add them there."
        )
    return complete


def suited_rule(
    options: Mapping[str, Any], problem: problems.Family
) -> dict[str, Any]:
    """Returns a rule of given options, in all else as it suits the problem."""
    default = description.default_rule(problem)
    name = default.get("rule", registry.DEFAULT)
    if options.get("rule", name) == name:
        return {**default, **options}
    return dict(options)


def make_trainer(
    problem: problems.Family,
    config: config_lib.Config,
    distribution: distribution_lib.Distribution | None = None,
) -> meta_training.MetaTrainer:
    """Builds what trains the rule of a configuration, from fresh weights.

    Args:
        problem: The problem.
        config: What to train on it, and how.
        distribution: The replicas that share out the work; one by default.

    Raises:
        ValueError: If it makes no sense, or the rule could not be exported
            when it is trained. Nothing has been written or trained by then.
    """
    first, *_ = problem.members
    distribution = distribution or distribution_lib.Distribution()
    with distribution.scope():
        rule = registry.make_rule(config.rule, first.parameter_names)
    rule_interface.check_on(rule, problem)
    problem_interface.check_splits(problem)
    trainer = meta_training.MetaTrainer(
        rule, problem, config.settings, distribution
    )
    saved_optimizer.check_exportable(rule)
    return trainer


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
