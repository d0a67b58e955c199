"""The unroll: runs an update rule on an optimizee inside one while loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.problems import base as problems
from l2l_tf.rules import base as rules


class Run(NamedTuple):
    """Where a run of an optimizee stands.

    Attributes:
        seed: The run's seed, int32 of shape [2].
        step: Updates made so far, int32.
        task: What the run's function is made of.
        params: The parameters theta, a list of tensors.
        rule_state: The update rule's state h.
        model_state: State that the function carries from step to step.
    """

    seed: tf.Tensor
    step: tf.Tensor
    task: problems.Nest
    params: list[tf.Tensor]
    rule_state: rules.State
    model_state: problems.Nest


def start(
    rule: rules.UpdateRule, problem: problems.Problem, seed: tf.Tensor
) -> Run:
    """Draws a function and a start: everything before the first update.

    Args:
        rule: The update rule.
        problem: The problem to draw from.
        seed: The run's seed, see `l2l_tf.core.randomness.run_seed`.

    Returns:
        The run at step 0.
    """
    task = problem.sample_task(randomness.stream(seed, "task"))
    params = problem.initial_params(task, randomness.stream(seed, "params"))
    return Run(
        seed=seed,
        step=tf.constant(0, tf.int32),
        task=task,
        params=params,
        rule_state=rule.initial_state(params),
        model_state=problem.initial_model_state(
            task, randomness.stream(seed, "model_state")
        ),
    )


class Trajectory(NamedTuple):
    """What an unroll gives.

    Attributes:
        losses: f(theta_0), ..., f(theta_T), shape [num_steps + 1, ...].
        run: The run after the last update.
        gradients: The optimizee's gradients at theta_0, ..., theta_T, for
            each parameter a tensor of shape [num_steps + 1, ...]; an empty
            list unless they were asked for.
    """

    losses: tf.Tensor
    run: Run
    gradients: list[tf.Tensor]


def unroll(
    rule: rules.UpdateRule,
    problem: problems.Problem,
    run: Run,
    num_steps: int,
    second_derivatives: bool = False,
    keep_gradients: bool = False,
    jit_compile: bool = False,
) -> Trajectory:
    """Makes a number of updates, and records the loss before each.

        theta_{t+1} = theta_t + g_t,   [g_t, h_{t+1}] = m(grad f(theta_t), h_t)

    Every f(theta_t), the last one included, is taken on minibatch t of the
    run, so that a run in several unrolls sees the same as in one. Call it
    inside a `tf.function`.

    Source: Andrychowicz et al. 2016, section 2.

    Args:
        rule: The update rule m.
        problem: The problem that the run was drawn from.
        run: Where to start from.
        num_steps: The number of updates T.
        second_derivatives: Whether the dependence of the optimizee's
            gradients on earlier updates is differentiated. If not, as in the
            paper, gradients and the model's state pass through
            `tf.stop_gradient`.
        keep_gradients: Whether to return the optimizee's gradients.
        jit_compile: Whether XLA compiles the loop. All its minibatches are
            then drawn beforehand, since XLA draws other random numbers.

    Returns:
        Losses, where the run stands afterwards, and gradients.
    """

    def draw(step):
        stream = randomness.stream(run.seed, "batch")
        return problem.sample_batch(run.task, randomness.fold_in(stream, step))

    options = rule, problem, num_steps, second_derivatives, keep_gradients
    if jit_compile:
        steps = run.step + tf.range(num_steps + 1)
        batches = _map(draw, steps)
        loop = tf.function(
            lambda run, batches: _loop(
                *options,
                run,
                lambda index: tf.nest.map_structure(
                    lambda stacked: stacked[index], batches
                ),
            ),
            jit_compile=True,
        )
        losses, changes, gradients = loop(run, batches)
    else:
        losses, changes, gradients = _loop(
            *options, run, lambda index: draw(run.step + index)
        )
    run = run._replace(step=run.step + num_steps, **changes)
    return Trajectory(losses, run, gradients)


def _loop(
    rule: rules.UpdateRule,
    problem: problems.Problem,
    num_steps: int,
    second_derivatives: bool,
    keep_gradients: bool,
    run: Run,
    batch_at: Callable[[tf.Tensor], problems.Nest],
) -> tuple[tf.Tensor, dict[str, problems.Nest], list[tf.Tensor]]:
    """Returns losses, what the loop changed in the run, and gradients."""
    freeze = tf.identity if second_derivatives else tf.stop_gradient

    def evaluate(params, model_state, index):
        return problem.stateful_loss(
            params, model_state, run.task, batch_at(index)
        )

    def differentiate(params, model_state, index):
        with tf.GradientTape() as tape:
            tape.watch(params)
            loss, model_state = evaluate(params, model_state, index)
        # The sum over independent functions, hence each its own gradient.
        gradients = tape.gradient(
            loss, params, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return (
            loss,
            tf.nest.map_structure(freeze, gradients),
            tf.nest.map_structure(freeze, model_state),
        )

    def write(arrays, index, tensors):
        return [
            array.write(index, tensor)
            for array, tensor in zip(arrays, tensors, strict=True)
        ]

    def body(index, losses, kept, params, rule_state, model_state):
        loss, gradients, model_state = differentiate(params, model_state, index)
        updates, rule_state = rule(gradients, rule_state)
        params = [p + u for p, u in zip(params, updates, strict=True)]
        losses = losses.write(index, loss)
        if keep_gradients:
            kept = write(kept, index, gradients)
        return index + 1, losses, kept, params, rule_state, model_state

    def array(like):
        return tf.TensorArray(
            like.dtype, num_steps + 1, element_shape=like.shape
        )

    loss_spec, _ = _signature(evaluate, run.params, run.model_state, run.step)
    losses = array(loss_spec)
    kept = [array(param) for param in run.params] if keep_gradients else []
    _, losses, kept, params, rule_state, model_state = tf.while_loop(
        lambda index, *_: index < num_steps,
        body,
        (0, losses, kept, run.params, run.rule_state, run.model_state),
        maximum_iterations=num_steps,
    )
    # The next unroll begins with this same evaluation and advances the
    # model's state by it; here it only measures.
    if keep_gradients:
        last, gradients, _ = differentiate(params, model_state, num_steps)
        kept = write(kept, num_steps, gradients)
    else:
        last, _ = evaluate(params, model_state, num_steps)
    changes = {
        "params": params,
        "rule_state": rule_state,
        "model_state": model_state,
    }
    losses = losses.write(num_steps, last).stack()
    return losses, changes, [array.stack() for array in kept]


def _map(
    function: Callable[[tf.Tensor], problems.Nest], elements: tf.Tensor
) -> problems.Nest:
    """`tf.map_fn` of a function that tells no signature, or returns ()."""
    signature = _signature(function, elements[0])
    if not tf.nest.flatten(signature):
        return signature
    return tf.map_fn(function, elements, fn_output_signature=signature)


def _signature(function: Callable[..., problems.Nest], *arguments):
    """Returns the shapes and types of what a function returns."""
    # Traced aside: a call would leave its operations in the graph.
    traced = tf.function(function).get_concrete_function(
        *tf.nest.map_structure(tf.TensorSpec.from_tensor, arguments)
    )
    return tf.nest.map_structure(
        lambda output: tf.TensorSpec(output.shape, output.dtype),
        traced.structured_outputs,
    )
