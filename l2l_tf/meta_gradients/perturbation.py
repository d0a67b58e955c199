"""Rules with other weights than their own: phi +- sigma eps."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.rules import base as rules


def draw(rule: rules.UpdateRule, seed: tf.Tensor) -> list[tf.Tensor]:
    """Draws eps, independent standard normal numbers.

    Args:
        rule: The rule to be perturbed.
        seed: A seed, int32 of shape [2].

    Returns:
        One tensor for each trainable variable of the rule.
    """
    return [
        tf.random.stateless_normal(
            variable.shape,
            randomness.fold_in(seed, index),
            dtype=variable.dtype,
        )
        for index, variable in enumerate(rule.trainable_variables)
    ]


def check(
    rule: rules.UpdateRule,
    params: Sequence[tf.Tensor],
    num_functions: int | None = None,
) -> None:
    """Refuses a rule whose weights cannot be perturbed.

    Args:
        rule: The rule.
        params: Parameters of the optimizee; only shapes and types matter.
        num_functions: How many independent functions they belong to, see
            `l2l_tf.problems.base.Problem`.

    Raises:
        ValueError: If the rule cannot be copied, or if a copy would still read
            the rule's own weights, as where a function's closure holds them.
    """
    copied = perturbed(
        rule, [tf.zeros_like(v) for v in rule.trainable_variables], 1.0
    )
    read: list[tf.Variable] = []

    def update(params):
        with tf.GradientTape() as tape:
            state = copied.initial_state_of_functions(params, num_functions)
            copied(params, state)
        read.extend(tape.watched_variables())

    # Traced, not run.
    tf.function(update, autograph=False).get_concrete_function(params)
    if read:
        raise ValueError(
            f"The weights {[variable.name for variable in read]} of the "
            f"{type(rule).__name__} are read where they cannot be perturbed; "
            "keep them as attributes of the rule or of modules in it."
        )


def perturbed(
    rule: rules.UpdateRule, noise: Sequence[tf.Tensor], scale: float
) -> rules.UpdateRule:
    """Returns a rule whose weights are `phi + scale eps`.

    It holds tensors where the rule holds trainable variables, so that it is a
    pure function of both; the rule itself stays as it is.

    Args:
        rule: The rule, with weights phi.
        noise: eps, see `draw`.
        scale: The factor on it.

    Raises:
        ValueError: If the rule cannot be copied.
    """
    # What is in the memo counts as copied: trainable variables by their values
    # plus noise, other variables by themselves.
    memo = {id(variable): variable for variable in rule.variables}
    for variable, eps in zip(rule.trainable_variables, noise, strict=True):
        memo[id(variable)] = variable + tf.cast(scale, eps.dtype) * eps
    try:
        return copy.deepcopy(rule, memo)
    except (TypeError, NotImplementedError) as error:
        raise ValueError(
            "Evolution strategies need a rule that copy.deepcopy can copy; "
            f"received the rule {type(rule).__name__}: {error}."
        ) from error
