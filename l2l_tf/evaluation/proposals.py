"""What update rules propose along one run, coordinate by coordinate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.meta_gradients import unroll
from l2l_tf.problems import base as problems
from l2l_tf.rules import base as rules


class Coordinate(NamedTuple):
    """One number of the optimizee's parameters.

    Attributes:
        parameter: The parameter's place in the problem's list.
        index: Its place in the parameter, flattened.
    """

    parameter: int
    index: int


class Proposals(NamedTuple):
    """What a rule would have done.

    Attributes:
        updates: For each parameter an array of shape [steps, ...].
        states: The states before the steps that were asked for, by step.
    """

    updates: list[np.ndarray]
    states: dict[int, Any]


def gradients_of(
    rule: rules.UpdateRule,
    problem: problems.Problem,
    num_steps: int,
    seed: int,
    index: int = 0,
) -> list[np.ndarray]:
    """Makes a run, and returns its gradients.

    Args:
        rule: The rule that moves the parameters.
        problem: The problem, on the split that the run is drawn from.
        num_steps: Updates, T.
        seed: The experiment's seed.
        index: The run's number, as in `learning_curves.Recorder.record`.

    Returns:
        For each parameter the gradients at theta_0, ..., theta_{T-1}, an array
        of shape [T, ...].
    """

    def make(run_seed):
        run = unroll.start(rule, problem, run_seed)
        return unroll.unroll(
            rule, problem, run, num_steps, keep_gradients=True
        ).gradients

    run_seed = randomness.run_seed(seed, problem.split, index)
    found = tf.function(make, autograph=False)(run_seed)
    return [gradient[:num_steps].numpy() for gradient in found]


class Follower:
    """A rule that is shown gradients, and moves nothing."""

    def __init__(self, rule: rules.UpdateRule):
        """Takes the rule, whose step is traced once."""
        self._rule = rule
        self._step = tf.function(
            rule.__call__, autograph=False, reduce_retracing=True
        )

    def follow(
        self,
        gradients: Sequence[np.ndarray],
        keep_states: Sequence[int] = (),
    ) -> Proposals:
        """Shows it the gradients of a run that something else may have made.

        Args:
            gradients: For each parameter an array of shape [T, ...].
            keep_states: Steps, counted from 0, whose states to keep.

        Returns:
            What it proposes at each step.
        """
        state = self._rule.initial_state([tf.constant(g[0]) for g in gradients])
        updates, states = [], {}
        for t in range(len(gradients[0])):
            if t in keep_states:
                states[t] = state
            update, state = self._step(
                [tf.constant(g[t]) for g in gradients], state
            )
            updates.append([u.numpy() for u in update])
        return Proposals(
            [np.stack(steps) for steps in zip(*updates, strict=True)], states
        )

    def sweep(
        self,
        gradients: Sequence[np.ndarray],
        state: Any,
        coordinate: Coordinate,
        values: np.ndarray,
    ) -> np.ndarray:
        """Returns the update as a function of one coordinate's gradient.

        The state, and the gradients of all other coordinates, stay as they
        are.

        Args:
            gradients: For each parameter its gradient at that step.
            state: The rule's state before the step.
            coordinate: Whose gradient to replace, and whose update to return.
            values: Gradients in its place, shape [n].

        Returns:
            Updates, shape [n].
        """
        parameter, index = coordinate
        changed = [np.array(g) for g in gradients]
        found = []
        for value in values:
            changed[parameter].flat[index] = value
            updates, _ = self._step([tf.constant(g) for g in changed], state)
            found.append(float(np.ravel(updates[parameter])[index]))
        return np.array(found)


def median_coordinates(gradients: Sequence[np.ndarray]) -> list[Coordinate]:
    """Chooses a coordinate of each parameter, by its gradients alone.

    It is the one whose mean absolute gradient over the run is the median of
    those that are not zero all along; of the lower half's end if their number
    is even.

    Args:
        gradients: For each parameter an array of shape [T, ...].

    Returns:
        A coordinate of each parameter that has such gradients.
    """
    chosen = []
    for parameter, values in enumerate(gradients):
        sizes = np.mean(np.abs(values.reshape(len(values), -1)), axis=0)
        order = np.argsort(sizes, kind="stable")
        moving = order[sizes[order] > 0]
        if len(moving):
            index = moving[(len(moving) - 1) // 2]
            chosen.append(Coordinate(parameter, int(index)))
    return chosen


def along(arrays: Sequence[np.ndarray], coordinate: Coordinate) -> np.ndarray:
    """Returns one coordinate's numbers, shape [steps]."""
    values = arrays[coordinate.parameter]
    return values.reshape(len(values), -1)[:, coordinate.index]
