"""The unroll: runs an update rule on an optimizee inside one while loop."""

from __future__ import annotations

import math
from typing import NamedTuple

import tensorflow as tf

from l2l_tf import randomness
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
        seed: The run's seed, see `l2l_tf.randomness.run_seed`.

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


def unroll(
    rule: rules.UpdateRule,
    problem: problems.Problem,
    run: Run,
    num_steps: int,
    second_derivatives: bool = False,
) -> tuple[tf.Tensor, Run]:
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
            paper, gradients pass through `tf.stop_gradient`.

    Returns:
        The losses f(theta_0), ..., f(theta_T), shape [num_steps + 1, ...],
        and the run after the last update.
    """

    def evaluate(params, model_state, step):
        seed = randomness.fold_in(randomness.stream(run.seed, "batch"), step)
        batch = problem.sample_batch(run.task, seed)
        return problem.stateful_loss(params, model_state, run.task, batch)

    def body(index, losses, params, rule_state, model_state):
        with tf.GradientTape() as tape:
            tape.watch(params)
            loss, model_state = evaluate(params, model_state, run.step + index)
        # The sum over independent functions, hence each its own gradient.
        gradients = tape.gradient(
            loss, params, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        if not second_derivatives:
            gradients = [tf.stop_gradient(gradient) for gradient in gradients]
        updates, rule_state = rule(gradients, rule_state)
        params = [p + u for p, u in zip(params, updates, strict=True)]
        return (
            index + 1,
            losses.write(index, loss),
            params,
            rule_state,
            model_state,
        )

    loss_spec = _loss_spec(evaluate, run)
    losses = tf.TensorArray(
        loss_spec.dtype, num_steps + 1, element_shape=loss_spec.shape
    )
    _, losses, params, rule_state, model_state = tf.while_loop(
        lambda index, *_: index < num_steps,
        body,
        (0, losses, run.params, run.rule_state, run.model_state),
        maximum_iterations=num_steps,
    )
    final = run._replace(
        step=run.step + num_steps,
        params=params,
        rule_state=rule_state,
        model_state=model_state,
    )
    # The next unroll begins with this same evaluation and advances the
    # model's state by it; here it only measures.
    last, _ = evaluate(final.params, final.model_state, final.step)
    return losses.write(num_steps, last).stack(), final


def step_weights(weights: str | list[float], num_steps: int) -> tf.Tensor:
    """Returns the weights w_t of the losses of one unroll.

    Args:
        weights: `"constant"` for ones, `"last"` for the last step only, or
            one number for each of f(theta_0), ..., f(theta_T).
        num_steps: The number of updates T.

    Returns:
        A float32 tensor of shape [num_steps + 1].

    Raises:
        ValueError: If the weights are none of these.
    """
    if isinstance(weights, str):
        if weights == "constant":
            return tf.ones([num_steps + 1])
        if weights == "last":
            return tf.one_hot(num_steps, num_steps + 1)
    elif (
        isinstance(weights, (list, tuple))
        and len(weights) == num_steps + 1
        and all(isinstance(weight, (int, float)) for weight in weights)
    ):
        if 0 <= min(weights) and 0 < sum(weights) < math.inf:
            return tf.constant(weights, tf.float32)
    raise ValueError(
        f"Step weights {weights!r} are not accepted; give 'constant', 'last' "
        f"or {num_steps + 1} numbers of 0 or more, not all of them 0."
    )


def meta_loss(losses: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Sums the losses of one unroll: `L = sum_t w_t f(theta_t)`.

    Source: Andrychowicz et al. 2016, equation 3.

    Args:
        losses: Shape [steps, ...]; independent functions are averaged.
        weights: The weights w_t, shape [steps].

    Returns:
        A scalar.
    """
    functions = tf.range(1, tf.rank(losses))
    per_step = tf.reduce_mean(losses, axis=functions)
    return tf.reduce_sum(tf.cast(weights, losses.dtype) * per_step)


def _loss_spec(evaluate, run: Run) -> tf.TensorSpec:
    # Traced once, aside: a call would leave its operations in the graph.
    traced = tf.function(evaluate).get_concrete_function(
        *tf.nest.map_structure(
            tf.TensorSpec.from_tensor,
            (run.params, run.model_state, run.step),
        )
    )
    return traced.structured_outputs[0]
