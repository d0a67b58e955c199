"""The replay identity: dL/dphi without differentiating the optimizee twice.

With the optimizee's gradients held constant, parameters enter the meta-loss
only through theta_{t+1} = theta_t + g_t, so that

    dL/dg_t  =  c_t  =  sum_{s>t} w_s grad f(theta_s),
    dL/dphi  =  d/dphi sum_t <g_t(phi; grad_0, ..., grad_t), c_t>,

where all of grad_0, ..., grad_T were computed on the way forward. A columnwise
rule is replayed in blocks of columns, or on a sample of them; any other rule,
and one that overrides how a columnwise rule is called, on all parameters
together.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.core import randomness
from l2l_tf.meta_gradients import base
from l2l_tf.meta_gradients import meta_loss
from l2l_tf.meta_gradients import registry
from l2l_tf.meta_gradients import unroll
from l2l_tf.rules import base as rules
from l2l_tf.rules import routed
from l2l_tf.rules.learned import columns

# Blocks whose states of 20 steps fit the second-level cache, and one lane of
# blocks for each core: smaller than what XLA would share out by itself.
_BLOCK = 256
_LANES = min(os.cpu_count() or 1, 16)
_VECTOR = 16


@registry.ESTIMATORS.register("replay")
class Replay(base.Estimator):
    """Differentiates the rule alone, replayed over what the unroll recorded.

    Equal to `autodiff` without second derivatives, to rounding; in a fraction
    of its time and memory.
    """

    reasons = {
        "second_derivatives": (
            "replay rests on the optimizee's gradients being held constant"
        ),
    }

    def __init__(
        self,
        rule,
        problem,
        step_weights,
        /,
        coordinate_fraction: float = 1.0,
        num_lanes: int | None = None,
        jit_compile: bool = True,
    ):
        """Takes the options.

        Args:
            rule: See base class.
            problem: See base class.
            step_weights: See base class.
            coordinate_fraction: The share of coordinates to replay, drawn
                uniformly for each unroll; with less than 1 the gradients are
                unbiased estimates.
            num_lanes: Shares of the coordinates that are replayed side by
                side; None for one for each of the machine's cores, at most 16.
                Sums differ in rounding with their number.
            jit_compile: Whether XLA compiles the unroll and the replay.
        """
        super().__init__(rule, problem, step_weights)
        self._fraction = checks.number(
            "coordinate_fraction", coordinate_fraction, 0.0, above=True
        )
        self._num_lanes = num_lanes
        self._jit_compile = jit_compile

    def __call__(self, run, state):
        """See base class."""
        seed = randomness.fold_in(
            randomness.stream(run.seed, "coordinates"), run.step
        )
        losses, after, gradients = unroll.unroll(
            self._rule,
            self._problem,
            run,
            self._num_steps,
            keep_gradients=True,
            jit_compile=self._jit_compile,
        )
        # The optimizee's gradients are those of the sum of its functions.
        num_functions = tf.cast(tf.size(losses[0]), tf.float64)
        step_weights = tf.cast(self._step_weights, tf.float64)
        phi_gradients = weights_gradient(
            self._rule,
            gradients,
            run.rule_state,
            step_weights / num_functions,
            self._fraction,
            seed,
            self._jit_compile,
        )
        loss = meta_loss.meta_loss(losses, step_weights)
        return base.Estimate(loss, phi_gradients, losses, after, state)


def weights_gradient(
    rule: rules.UpdateRule,
    gradients: Sequence[tf.Tensor],
    state: rules.State,
    weights: tf.Tensor,
    fraction: float = 1.0,
    seed: tf.Tensor | None = None,
    jit_compile: bool = True,
) -> list[tf.Tensor]:
    """Returns dL/dphi of an unroll from the gradients that it recorded.

    Args:
        rule: The update rule.
        gradients: For each parameter, grad f(theta_0), ..., grad f(theta_T),
            shape [steps + 1, ...].
        state: The rule's state before the first step.
        weights: The weights w_t of f(theta_t), shape [steps + 1].
        fraction: The share of columns to replay; with less than 1 the result
            is an unbiased estimate.
        seed: Draws the columns, int32 of shape [2].
        jit_compile: Whether XLA compiles the replay.

    Returns:
        One tensor for each trainable variable of the rule.

    Raises:
        ValueError: If a fraction is asked of a rule that needs all columns.
    """
    found: dict = {}
    for index, (part, chosen, part_state) in enumerate(
        _parts(rule, gradients, state)
    ):
        if not part.trainable_variables:
            continue
        if type(part).__call__ is columns.ColumnwiseRule.__call__:
            results = _replay_columns(
                part,
                _as_columns(part, chosen),
                part_state,
                weights,
                fraction,
                None if seed is None else randomness.fold_in(seed, index),
                jit_compile,
            )
        elif fraction < 1.0:
            raise ValueError(
                "A fraction of coordinates can be replayed of coordinatewise, "
                "kernelwise and vectorwise rules only; received a "
                f"{type(part).__name__}."
            )
        else:
            results = rules.replay(
                part,
                part.trainable_variables,
                [gradient[:-1] for gradient in chosen],
                part_state,
                [cotangents(gradient, weights) for gradient in chosen],
            )
        for variable, result in zip(
            part.trainable_variables, results, strict=True
        ):
            key = variable.ref()
            found[key] = found[key] + result if key in found else result
    return [found[v.ref()] for v in rule.trainable_variables]


def cotangents(gradients: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Returns `c_t = sum_{s>t} w_s grad f(theta_s)`.

    Args:
        gradients: At theta_0, ..., theta_T, shape [steps + 1, ...].
        weights: The weights w_t, shape [steps + 1].

    Returns:
        c_0, ..., c_{T-1}, shape [steps, ...].
    """
    size = weights.shape[0]
    later = tf.linalg.band_part(tf.ones([size, size]), 0, -1)[1:]
    later = tf.cast(later, gradients.dtype)
    return tf.tensordot(later * tf.cast(weights, gradients.dtype), gradients, 1)


def _parts(rule, gradients, state):
    """Yields each rule that is not routed, its gradients and its state."""
    if type(rule).__call__ is not routed.Routed.__call__:
        yield rule, gradients, state
        return
    for part, positions, part_state in zip(
        rule.rules.values(), rule.positions, state, strict=True
    ):
        yield from _parts(part, [gradients[p] for p in positions], part_state)


def _as_columns(rule, gradients):
    parts = [
        tf.cast(
            tf.vectorized_map(rule.arrangement.to_columns, gradient),
            rule.dtype,
        )
        for gradient in gradients
    ]
    return tf.concat(parts, axis=2)


def _replay_columns(
    rule, gradients, state, weights, fraction, seed, jit_compile
):
    """Replays a rule on columns of gradients, [steps + 1, rows, columns]."""
    if fraction < 1.0:
        num_columns = gradients.shape[-1]
        num_samples = max(1, round(fraction * num_columns))
        chosen = randomness.sample_positions(num_columns, num_samples, seed)
        gradients, state = tf.nest.map_structure(
            lambda tensor: tf.gather(tensor, chosen, axis=-1),
            (gradients, state),
        )
        weights *= num_columns / num_samples
    return _replay_lanes(rule, gradients, state, weights, jit_compile)


def _replay_lanes(rule, gradients, state, weights, jit_compile):
    """Replays lanes of columns side by side, each lane block by block."""
    num_lanes, num_blocks, block = _divide(gradients.shape[-1])
    lane = num_blocks * block
    padding = num_lanes * lane - gradients.shape[-1]
    # Where all gradients are zero, so are the weights'.
    recorded = tf.nest.map_structure(
        lambda t: tf.pad(t, [[0, 0]] * (t.shape.rank - 1) + [[0, padding]]),
        (gradients, state),
    )

    @tf.function(jit_compile=jit_compile)
    def replay_lane(recorded, weights):
        def body(index, sums):
            part, part_state = _cut(recorded, index * block, block)
            results = rule.replay_columns(
                part[:-1], part_state, cotangents(part, weights)
            )
            return index + 1, [
                total + result
                for total, result in zip(sums, results, strict=True)
            ]

        return tf.while_loop(
            lambda index, _: index < num_blocks,
            body,
            (0, [tf.zeros_like(v) for v in rule.trainable_variables]),
            maximum_iterations=num_blocks,
        )[1]

    results = [
        replay_lane(_cut(recorded, index * lane, lane), weights)
        for index in range(num_lanes)
    ]
    return [tf.add_n(parts) for parts in zip(*results, strict=True)]


def _divide(num_columns: int) -> tuple[int, int, int]:
    """Returns how many lanes, blocks in each, and columns in each of those."""
    lane = -(-num_columns // _LANES)
    num_blocks = -(-lane // _BLOCK)
    block = -(-lane // num_blocks)
    if block > _VECTOR:
        block = -(-block // _VECTOR) * _VECTOR
    return -(-num_columns // (num_blocks * block)), num_blocks, block


def _cut(nest, start, size):
    """Cuts columns out of tensors that have them along their last axis."""

    def cut(tensor):
        head = tensor.shape[:-1]
        return tf.slice(tensor, [0] * len(head) + [start], [*head, size])

    return tf.nest.map_structure(cut, nest)
