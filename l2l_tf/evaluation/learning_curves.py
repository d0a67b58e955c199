"""Learning curves of update rules, paired: same functions, starts, batches."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from l2l_tf.core import compilation
from l2l_tf.core import distribution as distribution_lib
from l2l_tf.core import randomness
from l2l_tf.meta_gradients import unroll as unroll_lib
from l2l_tf.problems import base as problems
from l2l_tf.rules import base as rules

_CHUNK = 50
"""Updates that XLA makes in one call."""

_LEAST = 0.01
"""The least loss of a member that counts in a mean over members."""


class Recording(NamedTuple):
    """What runs of a rule have given.

    Attributes:
        losses: f(theta_0), ..., f(theta_T), shape [curves, T + 1]: one curve
            for each run and each of its independent functions.
        metrics: The problem's metrics by name, shape [curves, T + 1]; empty
            unless they were asked for.
        params: For each parameter the values theta_T of all runs, shape
            [runs, ...]; an empty list unless they were asked for.
        sizes: How many of the curves are each member's, one after the other;
            empty where there is one.
    """

    losses: np.ndarray
    metrics: dict[str, np.ndarray]
    params: list[np.ndarray]
    sizes: tuple[int, ...] = ()


class Recorder:
    """Runs a rule on a problem again and again; compiled once.

    Two recorders of the same problem record runs of the same functions from
    the same starts on the same minibatches, whatever their rules. Only what a
    loss itself draws (dropout) differs if XLA compiles one of them alone.

    Of a family, each run is one of every member. Replicas make runs side by
    side; each of their processes gets all results.
    """

    def __init__(
        self,
        make_rule: Callable[[tf.Tensor], rules.UpdateRule],
        problem: problems.Family,
        num_steps: int,
        jit_compile: bool = False,
        keep_metrics: bool = False,
        chunk: int | None = None,
        distribution: distribution_lib.Distribution | None = None,
    ):
        """Prepares the runs.

        Args:
            make_rule: Builds the rule for a learning rate, a scalar tensor; a
                learned rule may ignore it.
            problem: The problem, on the split to be evaluated.
            num_steps: Updates per run, T.
            jit_compile: Whether XLA compiles them, which pays for learned
                rules; see `l2l_tf.meta_gradients.unroll.unroll`.
            keep_metrics: Whether to record the problem's metrics; of a family
                those that all members have.
            chunk: Updates made in one call; by default all, or as many as
                XLA takes well.
            distribution: The replicas that share out the runs; one by
                default.
        """
        self._members = [
            _MemberRecorder(
                make_rule,
                member,
                num_steps,
                jit_compile,
                keep_metrics,
                chunk,
                distribution or distribution_lib.Distribution(),
            )
            for member in problem.members
        ]

    def record(
        self,
        seed: int,
        num_runs: int,
        learning_rate: float = 1.0,
        keep_params: bool = False,
        progress: Callable[[int], Any] = lambda num_steps: None,
    ) -> Recording:
        """Records fresh runs.

        Args:
            seed: The experiment's seed.
            num_runs: Number of runs; run i is the same for every rule.
            learning_rate: What `make_rule` gets.
            keep_params: Whether to return the parameters that runs end with.
            progress: Called with the number of updates that each replica has
                just made.

        Returns:
            Learning curves and what else was asked for, one member's after
            the other's.
        """
        parts = [
            member.record(seed, num_runs, learning_rate, keep_params, progress)
            for member in self._members
        ]
        shared = [
            name
            for name in parts[0].metrics
            if all(name in part.metrics for part in parts)
        ]
        return Recording(
            np.concatenate([part.losses for part in parts]),
            {
                name: np.concatenate([part.metrics[name] for part in parts])
                for name in shared
            },
            [values for part in parts for values in part.params],
            tuple(len(part.losses) for part in parts),
        )

    def curves(
        self, seed: int, num_runs: int, learning_rate: float = 1.0
    ) -> np.ndarray:
        """Records the losses alone, see `record`."""
        return self.record(seed, num_runs, learning_rate).losses

    def last_tenth(self, curves: np.ndarray) -> float:
        """Returns the loss over the last tenth of the steps.

        Of a family it is the geometric mean of its members' mean losses: a
        member counts by the factor between two of its losses, whatever their
        size, so that none dominates; losses below a hundredth, in the
        problem's units, count as a hundredth.

        Args:
            curves: What `curves` returned.

        Returns:
            The loss, infinite if any that it is made of is not finite.
        """
        return self._of_members(curves, mean_of_last_tenth)

    def final(self, curves: np.ndarray) -> float:
        """Returns the mean of f(theta_T); of a family as `last_tenth`."""
        return self._of_members(curves, lambda own: np.mean(own[:, -1]))

    def _of_members(
        self,
        curves: np.ndarray,
        measure: Callable[[np.ndarray], float],
    ) -> float:
        counts = [member.num_curves for member in self._members]
        num_runs = len(curves) // sum(counts)
        sizes = [count * num_runs for count in counts]
        found = [measure(part) for part in _of_sizes(curves, sizes)]
        return float(found[0] if len(found) == 1 else _over_members(found))


def mean_of_last_tenth(curves: np.ndarray) -> float:
    """Returns the mean loss over the last tenth of the steps.

    It stands for the final loss where runs are compared, with less of the
    last minibatch's noise.

    Args:
        curves: Shape [curves, T + 1].

    Returns:
        The mean, infinite if any value is not finite.
    """
    tail = _tail(curves)
    return float(np.mean(tail)) if np.all(np.isfinite(tail)) else math.inf


def summarize(
    curves: np.ndarray,
    learning_rate: float | None,
    metrics: Mapping[str, np.ndarray] | None = None,
    sizes: Sequence[int] = (),
) -> dict[str, Any]:
    """Describes learning curves by numbers that JSON can hold.

    Losses of a family are geometric means over members, as those that
    `Recorder.last_tenth` gives; metrics are plain means.

    Args:
        curves: Losses, shape [curves, T + 1].
        learning_rate: The rate of a hand-designed rule.
        metrics: What else was recorded, by name, of that shape.
        sizes: How many curves are each member's, see `Recording`.

    Returns:
        `mean` and `std` over curves for each step 0, ..., T; `final`, the
        mean of f(theta_T), and its standard error `final_sem`, which is NaN
        for a single curve; `last_tenth`, the mean over the last tenth of the
        steps, and `last_tenth_sem`; `mean_over_steps`; and `metrics`, which
        holds `mean`, `final`, `final_sem`, `last_tenth` and `last_tenth_sem`
        for each metric.
    """
    # A curve that overflows has no mean: that is a result, not an error.
    with np.errstate(over="ignore", invalid="ignore"):
        return {
            "learning_rate": learning_rate,
            **_describe_members(curves, sizes),
            "std": np.std(curves, axis=0).tolist(),
            "mean_over_steps": float(np.mean(curves)),
            "metrics": {
                name: _describe(values)
                for name, values in (metrics or {}).items()
            },
        }


def _describe_members(
    curves: np.ndarray, sizes: Sequence[int]
) -> dict[str, Any]:
    if len(sizes) < 2:
        return _describe(curves)
    parts = [_describe(part) for part in _of_sizes(curves, sizes)]
    described: dict[str, Any] = {}
    for name in ("mean", "final", "last_tenth"):
        values = np.array([part[name] for part in parts])
        described[name] = _over_members(values).tolist()
        if name != "mean":
            # That of a mean of logarithms, to first order.
            errors = [part[f"{name}_sem"] for part in parts]
            relative = np.where(values > _LEAST, errors / values, 0.0)
            share = np.sqrt(np.sum(relative**2)) / len(parts)
            described[f"{name}_sem"] = float(described[name] * share)
    return described


def _of_sizes(curves: np.ndarray, sizes: Sequence[int]) -> list[np.ndarray]:
    """Returns each member's curves."""
    return np.split(curves, np.cumsum(sizes)[:-1])


def _over_members(values: Any) -> np.ndarray:
    """Returns the geometric mean over the first axis."""
    # One member that reaches zero must not outweigh all others.
    with np.errstate(over="ignore"):
        floored = np.maximum(np.asarray(values, np.float64), _LEAST)
        return np.exp(np.mean(np.log(floored), axis=0))


def _describe(curves: np.ndarray) -> dict[str, Any]:
    final = curves[:, -1]
    last_tenth = np.mean(_tail(curves), axis=1)
    return {
        "mean": np.mean(curves, axis=0).tolist(),
        "final": float(np.mean(final)),
        "final_sem": _standard_error(final),
        "last_tenth": float(np.mean(last_tenth)),
        "last_tenth_sem": _standard_error(last_tenth),
    }


def _tail(curves: np.ndarray) -> np.ndarray:
    return curves[:, -math.ceil((curves.shape[1] - 1) / 10) :]


def _standard_error(values: np.ndarray) -> float:
    if len(values) < 2:
        return math.nan
    return float(np.std(values, ddof=1) / math.sqrt(len(values)))


class _MemberRecorder:
    """Runs a rule on one member of a family.

    Attributes:
        num_curves: How many independent functions a run has.
    """

    def __init__(
        self,
        make_rule: Callable[[tf.Tensor], rules.UpdateRule],
        problem: problems.Problem,
        num_steps: int,
        jit_compile: bool,
        keep_metrics: bool,
        chunk: int | None,
        distribution: distribution_lib.Distribution,
    ):
        """Prepares the runs, see `Recorder`."""

        def bound(learning_rate):
            return make_rule(learning_rate).bind(problem.parameter_names)

        def start(seeds, learning_rate):
            return unroll_lib.start(
                bound(learning_rate),
                problem,
                seeds[distribution_lib.own_index()],
                num_steps,
            )

        def advance(num_steps, run, learning_rate):
            trajectory = unroll_lib.unroll(
                bound(learning_rate),
                problem,
                run,
                num_steps,
                jit_compile=jit_compile,
                keep_metrics=keep_metrics,
            )
            curves = tf.nest.map_structure(
                lambda values: tf.reshape(values, [num_steps + 1, -1]),
                (trajectory.losses, trajectory.metrics),
            )
            return curves, trajectory.run

        def advance_all(num_steps, run, learning_rate):
            curves, run = distribution.run(
                functools.partial(advance, num_steps), run, learning_rate
            )
            return distribution.gather(curves), run

        self._split = problem.split
        self._jit_compile = jit_compile
        self._distribution = distribution
        # Traced here, once: TensorFlow would take the traces of many
        # recorders for retracing, and warn of it.
        rate = tf.TensorSpec([], tf.float32)
        self._start = tf.function(
            functools.partial(distribution.run, start), autograph=False
        ).get_concrete_function(
            tf.TensorSpec([distribution.count, 2], tf.int32), rate
        )
        run = tf.nest.map_structure(
            tf.type_spec_from_value, self._start.structured_outputs
        )
        # XLA is given the minibatches of a whole chunk at once.
        chunk = chunk or (_CHUNK if jit_compile else num_steps)
        sizes = [chunk] * (num_steps // chunk)
        if num_steps % chunk:
            sizes.append(num_steps % chunk)
        advances = {
            size: tf.function(
                functools.partial(advance_all, size), autograph=False
            ).get_concrete_function(run, rate)
            for size in set(sizes)
        }
        self._advances = [(size, advances[size]) for size in sizes]
        self._params = tf.function(
            lambda run: distribution.gather(run.params), autograph=False
        )
        (losses, _), _ = advances[sizes[0]].structured_outputs
        self.num_curves = losses.shape[-1]

    def record(
        self,
        seed: int,
        num_runs: int,
        learning_rate: float,
        keep_params: bool,
        progress: Callable[[int], Any],
    ) -> Recording:
        """Records fresh runs, see `Recorder`."""
        rate = tf.constant(learning_rate, tf.float32)
        width = self._distribution.count
        curves, params = [], []
        for first in range(0, num_runs, width):
            # Where replicas outnumber the runs that are left, the last one is
            # made again, and not kept.
            indices = [min(first + i, num_runs - 1) for i in range(width)]
            seeds = tf.stack(
                [randomness.run_seed(seed, self._split, i) for i in indices]
            )
            with (
                compilation.explained(self._jit_compile),
                self._distribution.watched(),
            ):
                found, last = self._run(seeds, rate, progress)
                if keep_params:
                    ends = [value.numpy() for value in self._params(last)]
            for replica in range(min(width, num_runs - first)):
                curves.append(
                    tf.nest.map_structure(lambda c, r=replica: c[r], found)
                )
                if keep_params:
                    params.append([values[replica] for values in ends])
        losses, metrics = tf.nest.map_structure(
            lambda *runs: np.concatenate(runs, axis=1).T, *curves
        )
        values = [np.stack(runs) for runs in zip(*params, strict=True)]
        return Recording(losses, metrics, values)

    def _run(
        self,
        seeds: tf.Tensor,
        rate: tf.Tensor,
        progress: Callable[[int], Any],
    ) -> tuple[Any, unroll_lib.Run]:
        """Makes one run on each replica.

        Args:
            seeds: Their seeds, shape [replicas, 2].
            rate: The learning rate.
            progress: See `Recorder.record`.

        Returns:
            Losses and metrics, shape [replicas, T + 1, ...], and the runs.
        """
        parts = []
        run = self._start(seeds, rate)
        for size, advance in self._advances:
            part, run = advance(run, rate)
            parts.append(part)
            progress(size)
        # A chunk begins with the evaluation that the one before ends with.
        curves = tf.nest.map_structure(
            lambda *chunks: np.concatenate(
                [*(chunk[:, :-1] for chunk in chunks), chunks[-1][:, -1:]],
                axis=1,
            ),
            *parts,
        )
        return curves, run
