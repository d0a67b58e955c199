"""The forerunner: an LSTM whose state learns, while its weights stay.

It is given x(j) and the target y(j - 1) of the example before, and predicts
y(j). Trained by gradient descent over sequences from many functions, it learns
a new one as it reads examples of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.meta_training import meta_optimizer
from l2l_tf.problems import base as problems
from l2l_tf.rules.learned import deep_lstm


class SequenceLearner(tf.Module):
    """Predicts what comes next in sequences of examples.

    Source: Hochreiter, Younger and Conwell 2001.
    """

    def __init__(
        self,
        problem: problems.Problem,
        num_examples: int,
        layers: Sequence[int] = (48, 48),
        seed: int = 0,
    ):
        """Creates the network.

        Args:
            problem: Gives examples: its minibatches are inputs of shape
                [functions, inputs] and targets of shape [functions].
            num_examples: Examples in a sequence.
            layers: Cells of each LSTM layer.
            seed: Seed of the weights, and of training.
        """
        super().__init__()
        self._problem = problem
        self._num_examples = num_examples
        self._seed = seed
        x, _ = self._example(self._task(_seed(seed, "train", 0)), 0)
        self._network = deep_lstm.DeepLSTM(x.shape[1] + 1, 1, layers, seed=seed)
        self._errors = tf.function(
            self._squared_errors, jit_compile=True, autograph=False
        )
        self._optimizer = meta_optimizer.MetaOptimizer(
            self.trainable_variables, gradient_clip_norm=1.0
        )
        self._update = tf.function(self._take_step, autograph=False)

    def train(self, num_updates: int, learning_rate: float = 0.003) -> float:
        """Trains on as many draws of the train split.

        Args:
            num_updates: Steps of Adam; the rate falls to zero as a cosine.
            learning_rate: The rate to begin with.

        Returns:
            The mean squared error of the last tenth of the draws.
        """
        losses = []
        for step in range(num_updates):
            cosine = 0.5 + 0.5 * math.cos(math.pi * step / num_updates)
            rate = tf.constant(learning_rate * cosine, tf.float32)
            seed = _seed(self._seed, "train", step)
            losses.append(self._update(seed, rate))
        last = losses[-max(1, num_updates // 10) :]
        return float(tf.reduce_mean(last))

    def errors(self, split: str, seed: int, num_runs: int) -> tf.Tensor:
        """Returns squared errors by position, on functions that are new to it.

        They are of the same functions and examples as those that
        `l2l_tf.evaluation.learning_curves.Recorder` records.

        Args:
            split: The split of the problem.
            seed: The experiment's seed.
            num_runs: Draws of functions.

        Returns:
            Shape [runs * functions, num_examples].
        """
        found = [
            self._errors(*self._sequence(_seed(seed, split, index)))
            for index in range(num_runs)
        ]
        return tf.concat([tf.transpose(f) for f in found], axis=0)

    def _take_step(self, seed: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        sequence = self._sequence(seed)
        variables = self.trainable_variables
        loss, gradients = tf.function(
            self._differentiate, jit_compile=True, autograph=False
        )(variables, *sequence)
        self._optimizer.apply(loss, gradients, rate)
        return loss

    def _differentiate(self, variables, inputs, targets):
        with tf.GradientTape() as tape:
            errors = self._squared_errors(inputs, targets)
            loss = tf.reduce_mean(errors)
        return loss, tape.gradient(loss, variables)

    def _squared_errors(
        self, inputs: tf.Tensor, targets: tf.Tensor
    ) -> tf.Tensor:
        """Returns errors of shape [examples, functions]."""
        before = tf.concat([tf.zeros_like(targets[:1]), targets[:-1]], axis=0)
        features = tf.concat([inputs, before[..., tf.newaxis]], axis=2)
        features = tf.transpose(features, [0, 2, 1])

        def body(index, state, predictions):
            outputs, state = self._network(features[index], state)
            return index + 1, state, predictions.write(index, outputs[0])

        count = self._num_examples
        _, _, predictions = tf.while_loop(
            lambda index, *_: index < count,
            body,
            (
                0,
                self._network.initial_state(targets.shape[1]),
                tf.TensorArray(
                    targets.dtype, count, element_shape=targets.shape[1:]
                ),
            ),
            maximum_iterations=count,
        )
        return tf.square(predictions.stack() - targets)

    @tf.function
    def _sequence(self, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Draws inputs [examples, functions, inputs], and targets."""
        task = self._task(seed)
        stream = randomness.stream(seed, "batch")
        return tf.map_fn(
            lambda index: self._problem.sample_batch(
                task, randomness.fold_in(stream, index)
            ),
            tf.range(self._num_examples),
            fn_output_signature=(tf.float32, tf.float32),
        )

    def _task(self, seed: tf.Tensor) -> problems.Nest:
        return self._problem.sample_task(randomness.stream(seed, "task"))

    def _example(self, task: problems.Nest, index: int):
        return self._problem.sample_batch(task, tf.constant([index, 0]))


def _seed(seed: int, split: str, index: int) -> tf.Tensor:
    return randomness.run_seed(seed, split, index)
