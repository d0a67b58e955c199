"""The one interface of optimizee problems."""

from __future__ import annotations

import abc
import copy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from l2l_tf.core import checks

Nest = Any
"""A nest of tensors; `()` where there is nothing."""

SPLITS = ("train", "validation", "test")


def check_split(split: str) -> str:
    """Returns the split if it is one; otherwise raises a ValueError."""
    return checks.one_of("split", split, SPLITS)


class Outcome(NamedTuple):
    """What one evaluation of a function gives.

    Attributes:
        loss: f(theta), a scalar, or shape [num_functions] for independent
            functions.
        model_state: The state that the next evaluation starts from.
        metrics: What else is measured on the same minibatch, by name, such as
            `"accuracy"`: scalars, or shape [num_functions]. No gradient is
            taken of them.
    """

    loss: tf.Tensor
    model_state: Nest = ()
    metrics: Mapping[str, tf.Tensor] = {}


class Family(abc.ABC):
    """What runs are drawn from: one problem, or several in turn.

    Attributes:
        name: What it is called.
        split: The data that it draws from, one of `SPLITS`.
        options: What tells it from others of its name, as plain values.
        data: The name, version and sizes of its data set; empty if it has
            none, or none that is known.
    """

    name = "family"
    options: Mapping[str, Any] = {}
    data: str = ""
    split: str

    @property
    @abc.abstractmethod
    def members(self) -> Sequence[Problem]:
        """The problems, each with parameters of shapes of its own."""

    @abc.abstractmethod
    def with_split(self, split: str) -> Family:
        """Returns the same on another split of its data."""

    @abc.abstractmethod
    def default_rule(self) -> dict[str, Any]:
        """Configuration of the learned rule that suits it.

        Without a name it is that of the paper's rule.
        """

    def config(self) -> dict[str, Any]:
        """Returns its name and options, but not where data lie."""
        return {"name": self.name, "options": dict(self.options)}


class Problem(Family):
    """A distribution of functions f to be optimized, f ~ p(f).

    It is a family of one. All methods are pure functions of tensors and seeds,
    so that one traced graph serves any number of draws. One draw may hold
    several independent functions; its loss then has one number for each.

    Attributes:
        num_functions: How many independent functions a draw holds, counted by
            the first axis of each parameter; None for a single function, whose
            parameters have no such axis. Rules that share information between
            coordinates share it within a function only.
    """

    name = "problem"
    num_functions: int | None = None

    def __init__(self, split: str = "train"):
        """Draws from one of the splits."""
        self.split = check_split(split)

    @property
    def members(self) -> Sequence[Problem]:
        """See base class: itself alone."""
        return [self]

    def with_split(self, split: str) -> Problem:
        """See base class."""
        other = copy.copy(self)
        other.split = check_split(split)
        return other

    @property
    @abc.abstractmethod
    def parameter_names(self) -> list[str]:
        """Names of the parameters, in the order of `initial_params`."""

    @abc.abstractmethod
    def initial_params(self, task: Nest, seed: tf.Tensor) -> list[tf.Tensor]:
        """Draws the parameters to start from, theta_0.

        Args:
            task: What `sample_task` returned.
            seed: A seed, int32 of shape [2].

        Returns:
            A list of tensors.
        """

    @abc.abstractmethod
    def loss(
        self,
        params: list[tf.Tensor],
        model_state: Nest,
        task: Nest,
        batch: Nest,
        seed: tf.Tensor,
    ) -> Outcome:
        """Evaluates the function, f(theta).

        Args:
            params: The parameters, as `initial_params` returns them.
            model_state: What `initial_model_state` or the evaluation before
                returned.
            task: What `sample_task` returned.
            batch: What `sample_batch` returned.
            seed: Draws what the function itself leaves to chance, such as the
                masks of dropout; int32 of shape [2].

        Returns:
            The loss, the next model state (`model_state` itself where the
            function has none) and metrics.
        """

    def sample_task(self, seed: tf.Tensor) -> Nest:
        """Draws what stays the same during a run, such as coefficients."""
        del seed
        return ()

    def sample_batch(self, task: Nest, seed: tf.Tensor) -> Nest:
        """Draws what changes from step to step, such as a minibatch."""
        del task, seed
        return ()

    def initial_model_state(self, task: Nest, seed: tf.Tensor) -> Nest:
        """Draws state that the function carries but no gradient changes.

        Moving averages of batch normalisation are an example.
        """
        del task, seed
        return ()

    def unit(self, task: Nest) -> float | tf.Tensor:
        """Returns the size of a loss that the task's losses are measured in.

        Unrolls divide by it what counts and what is reported, the meta-loss
        among it, and leave the gradients that a rule sees as they are.
        """
        del task
        return 1.0

    def example_params(self) -> list[tf.Tensor]:
        """Returns parameters to start from, one draw of all."""
        seed = tf.constant([0, 0])
        return self.initial_params(self.sample_task(seed), seed)

    def default_rule(self) -> dict[str, Any]:
        """See base class."""
        return {}
