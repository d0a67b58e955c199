"""The unroll: runs an update rule on an optimizee inside one while loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from l2l_tf.core import compilation
from l2l_tf.core import randomness
from l2l_tf.meta_gradients import loop as loop_lib
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


def draw_start(
    problem: problems.Problem, seed: tf.Tensor
) -> tuple[problems.Nest, list[tf.Tensor], problems.Nest]:
    """Draws a function and a start.

    Args:
        problem: The problem to draw from.
        seed: The run's seed, see `l2l_tf.core.randomness.run_seed`.

    Returns:
        The task, the parameters theta_0 and the model's state.
    """
    task = problem.sample_task(randomness.stream(seed, "task"))
    params = problem.initial_params(task, randomness.stream(seed, "params"))
    model_state = problem.initial_model_state(
        task, randomness.stream(seed, "model_state")
    )
    return task, params, model_state


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
    task, params, model_state = draw_start(problem, seed)
    return Run(
        seed=seed,
        step=tf.constant(0, tf.int32),
        task=task,
        params=params,
        rule_state=rule.initial_state_of_functions(
            params, problem.num_functions
        ),
        model_state=model_state,
    )


class Trajectory(NamedTuple):
    """What an unroll gives.

    Attributes:
        losses: f(theta_0), ..., f(theta_T), shape [num_steps + 1, ...].
        run: The run after the last update.
        gradients: The optimizee's gradients at theta_0, ..., theta_T, for
            each parameter a tensor of shape [num_steps + 1, ...]; an empty
            list unless they were asked for.
        records: What the rule recorded beside them for its replay, a nest of
            tensors of shape [num_steps, ...]; `()` if it recorded nothing.
        metrics: What else was measured at theta_0, ..., theta_T, by name,
            shape [num_steps + 1, ...]; empty unless it was asked for.
    """

    losses: tf.Tensor
    run: Run
    gradients: list[tf.Tensor]
    records: problems.Nest
    metrics: dict[str, tf.Tensor]


def unroll(
    rule: rules.UpdateRule,
    problem: problems.Problem,
    run: Run,
    num_steps: int,
    second_derivatives: bool = False,
    keep_gradients: bool = False,
    jit_compile: bool = False,
    keep_metrics: bool = False,
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
        keep_gradients: Whether to return the optimizee's gradients and the
            rule's records.
        jit_compile: Whether XLA compiles the loop, or the rule alone where
            the optimizee is faster without, see
            `l2l_tf.core.compilation.favours_xla`. All minibatches of a loop
            that XLA compiles are drawn beforehand, since XLA draws other
            random numbers.
        keep_metrics: Whether to return the problem's metrics.

    Returns:
        Losses, where the run stands afterwards, and what else was asked for.
    """

    def draw(step):
        stream = randomness.stream(run.seed, "batch")
        return problem.sample_batch(run.task, randomness.fold_in(stream, step))

    batch = loop_lib.specs(loop_lib.trace(draw, run.step).structured_outputs)
    evaluation = loop_lib.trace(
        problem.loss, run.params, run.model_state, run.task, batch, run.seed
    )
    outcome = loop_lib.specs(evaluation.structured_outputs)
    if not isinstance(outcome, problems.Outcome):
        raise TypeError(
            f"The loss of {type(problem).__name__} must return an Outcome, see "
            f"l2l_tf.problems.base; received {outcome!r}."
        )
    functions = problem.num_functions
    is_fit = outcome.loss.shape.is_compatible_with([functions])
    if functions is not None and not is_fit:
        raise ValueError(
            f"{type(problem).__name__} says that it holds {functions} "
            "functions (num_functions), so that its loss must be of shape "
            f"{[functions]}; received {outcome.loss.shape.as_list()}."
        )
    compiles_all = jit_compile and compilation.favours_xla(evaluation.graph)
    advance = rule.record if keep_gradients else _without_record(rule)
    if jit_compile and not compiles_all:
        advance = tf.function(advance, jit_compile=True, autograph=False)
    loop = loop_lib.Loop(
        advance,
        num_steps,
        second_derivatives,
        keep_gradients,
        keep_metrics,
        outcome,
    )

    def advance_from(run, batch_at):
        def evaluate(params, model_state, index):
            stream = randomness.stream(run.seed, "loss")
            seed = randomness.fold_in(stream, run.step + index)
            return problem.loss(
                params, model_state, run.task, batch_at(index), seed
            )

        start = loop_lib.Position(run.params, run.rule_state, run.model_state)
        return loop.run(evaluate, start)

    def advance_on(run, batches):
        return advance_from(
            run,
            lambda index: tf.nest.map_structure(lambda b: b[index], batches),
        )

    if compiles_all:
        batches = _map(draw, run.step + tf.range(num_steps + 1), batch)
        result = tf.function(advance_on, jit_compile=True, autograph=False)(
            run, batches
        )
    else:
        result = advance_from(run, lambda index: draw(run.step + index))
    end, seen, records = result
    run = run._replace(step=run.step + num_steps, **end._asdict())
    return Trajectory(run=run, records=records, **seen._asdict())


def _without_record(rule: rules.UpdateRule) -> loop_lib.Advance:
    return lambda gradients, state: (*rule(gradients, state), ())


def _map(
    function: Callable[[tf.Tensor], problems.Nest],
    elements: tf.Tensor,
    signature: problems.Nest,
) -> problems.Nest:
    """`tf.map_fn`, also of a function that returns ()."""
    if not tf.nest.flatten(signature):
        return signature
    return tf.map_fn(function, elements, fn_output_signature=signature)
