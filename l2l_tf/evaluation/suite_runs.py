"""Training runs of Keras optimizers on Keras models, compiled once.

Runs are paired: those of one seed begin at the same values and see the same
minibatches, whatever the optimizer.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from l2l_tf.core import compilation
from l2l_tf.evaluation import suite_problems

_CHUNK = 50
"""Steps that one call makes."""


class Candidate(NamedTuple):
    """An optimizer to run.

    Attributes:
        name: What it is called.
        make: Returns a new one for runs of so many steps.
        key: Plain values that decide what it does, its rate apart.
        knows_length: Whether the number of steps makes a difference to it.
        schedule: Maps the share of the run that is over to a factor of its
            rate.
    """

    name: str
    make: Callable[[int], keras.optimizers.Optimizer]
    key: Mapping[str, Any]
    knows_length: bool = False
    schedule: Callable[[tf.Tensor], tf.Tensor] | None = None


class Starts:
    """The starts and minibatches of a problem's runs, by seed."""

    def __init__(self, problem: suite_problems.SuiteProblem):
        """Takes the problem."""
        self._problem = problem
        self._values: dict[int, list[np.ndarray]] = {}
        self._losses: dict[int, float] = {}
        self._data = zlib.crc32(
            np.ascontiguousarray(problem.targets).tobytes(),
            zlib.crc32(np.ascontiguousarray(problem.inputs).tobytes()),
        )

    def values(self, seed: int) -> list[np.ndarray]:
        """Returns the values of all variables that a fresh model has."""
        if seed not in self._values:
            keras.utils.set_random_seed(seed)
            model = self._problem.make_model()
            self._values[seed] = [v.numpy() for v in model.variables]
            self._num_parameters = sum(
                math.prod(v.shape) for v in model.trainable_variables
            )
            [batch] = self.batches(seed, 1)
            outputs = model(self._problem.inputs[batch], training=True)
            loss = self._problem.loss(self._problem.targets[batch], outputs)
            self._losses[seed] = float(loss)
        return self._values[seed]

    def num_parameters(self) -> int:
        """Returns how many numbers an optimizer of the problem moves."""
        self.values(0)
        return self._num_parameters

    def batches(self, seed: int, num_steps: int) -> np.ndarray:
        """Returns the examples of each minibatch, drawn with replacement.

        A longer run begins as a shorter one does.
        """
        rng = np.random.default_rng(seed)
        shape = [num_steps, self._problem.batch_size]
        size = len(self._problem.inputs)
        return rng.integers(0, size, shape, dtype=np.int32)

    def key(self, seed: int) -> dict[str, Any]:
        """Returns plain values that decide what a run meets."""
        digest = 0
        for value in self.values(seed):
            digest = zlib.crc32(np.ascontiguousarray(value).tobytes(), digest)
        return {
            "seed": seed,
            "data": self._data,
            "start": digest,
            # Tells other activations and other losses.
            "first_loss": f"{self._losses[seed]:.3g}",
            "batch_size": self._problem.batch_size,
        }


class Runner:
    """Runs one optimizer on one problem, from any seed and at any rate.

    All runs have one compiled step: variables are set back in between.
    """

    def __init__(
        self,
        problem: suite_problems.SuiteProblem,
        starts: Starts,
        candidate: Candidate,
        num_steps: int,
    ):
        """Builds the model and the optimizer.

        Args:
            problem: The problem.
            starts: Its starts.
            candidate: What makes the optimizer.
            num_steps: The steps of a run, where the optimizer knows them.
        """
        self._starts = starts
        self._model = problem.make_model()
        self._loss = problem.loss
        self._inputs = tf.constant(problem.inputs)
        self._targets = tf.constant(problem.targets)
        self._optimizer = candidate.make(num_steps)
        self._schedule = candidate.schedule
        self._num_steps = num_steps
        self._rate = tf.Variable(0.0, trainable=False)
        self._optimizer.build(self._model.trainable_variables)
        self._fresh = [v.numpy() for v in self._optimizer.variables]
        batch = tf.TensorSpec([problem.batch_size], tf.int32)
        traced = tf.function(self._step, autograph=False)
        favours_xla = compilation.favours_xla(
            traced.get_concrete_function(batch).graph
        )
        self._advance = tf.function(
            self._steps, autograph=False, jit_compile=favours_xla
        )

    def losses(
        self, seed: int, num_steps: int, learning_rate: float | None = None
    ) -> np.ndarray:
        """Returns the loss of each step's minibatch, before its update.

        Args:
            seed: Which start and minibatches.
            num_steps: Steps.
            learning_rate: The rate; the optimizer's own by default.

        Returns:
            float32 of shape [num_steps].
        """
        _assign(self._model.variables, self._starts.values(seed))
        _assign(self._optimizer.variables, self._fresh)
        if learning_rate is not None:
            self._optimizer.learning_rate = learning_rate
            self._rate.assign(learning_rate)
        batches = self._starts.batches(seed, num_steps)
        # A chunk that is not full is padded, and its last steps thrown away.
        parts = [
            self._advance(
                tf.constant(np.resize(part, [_CHUNK, part.shape[1]])),
                tf.constant(len(part)),
            )
            for part in np.split(batches, range(_CHUNK, num_steps, _CHUNK))
        ]
        return np.concatenate(parts)[:num_steps]

    def _steps(self, batches: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        def body(index, losses):
            loss = self._step(batches[index])
            return index + 1, losses.write(index, loss)

        _, losses = tf.while_loop(
            lambda index, _: index < count,
            body,
            (0, tf.TensorArray(tf.float32, _CHUNK, element_shape=[])),
            maximum_iterations=_CHUNK,
            parallel_iterations=1,
        )
        return losses.stack()

    def _step(self, batch: tf.Tensor) -> tf.Tensor:
        """Makes the step that `Model.fit` would make."""
        if self._schedule is not None:
            step = tf.cast(self._optimizer.iterations.value, tf.float32)
            factor = self._schedule(step / float(self._num_steps))
            self._optimizer.learning_rate.assign(self._rate * factor)
        inputs = tf.gather(self._inputs, batch)
        targets = tf.gather(self._targets, batch)
        variables = self._model.trainable_variables
        with tf.GradientTape() as tape:
            outputs = self._model(inputs, training=True)
            loss = self._loss(targets, outputs)
            scaled = self._optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, [v.value for v in variables])
        self._optimizer.apply(gradients, variables)
        return loss


def _assign(variables: list[Any], values: list[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
