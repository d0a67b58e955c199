"""Parameters of any shape as one matrix of columns, and back.

A learned rule runs one network on every column of a matrix. What a column
is, one coordinate, one convolution kernel or one vector, is the only thing
in which the learned rules differ.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.rules import base


class Arrangement(abc.ABC):
    """How a parameter becomes columns.

    Attributes:
        name: What the arrangement is called in configurations.
        rows: Numbers per column.
    """

    name: str
    rows: int

    @abc.abstractmethod
    def to_columns(self, tensor: tf.Tensor) -> tf.Tensor:
        """Returns a parameter's numbers as a matrix, shape [rows, columns]."""

    def from_columns(
        self, columns: tf.Tensor, shape: Sequence[int]
    ) -> tf.Tensor:
        """Undoes `to_columns` for a parameter of the given shape."""
        return tf.reshape(columns, shape)

    @abc.abstractmethod
    def check_shape(self, shape: Sequence[int]) -> None:
        """Refuses a parameter's shape that does not make columns.

        Raises:
            ValueError: If the shape does not fit.
        """

    def num_columns(self, shape: Sequence[int]) -> int:
        """Returns how many columns a parameter of a fitting shape makes."""
        shape = tuple(shape)
        self.check_shape(shape)
        return math.prod(shape) // self.rows

    def config(self) -> dict[str, Any]:
        """Returns what `make_arrangement` rebuilds the arrangement from."""
        return {"rule": self.name}


class Coordinates(Arrangement):
    """One column for each coordinate."""

    name = "coordinatewise"
    rows = 1

    def to_columns(self, tensor: tf.Tensor) -> tf.Tensor:
        """See base class."""
        return tf.reshape(tensor, [1, -1])

    def check_shape(self, shape: Sequence[int]) -> None:
        """See base class; every shape fits."""
        del shape


class Kernels(Arrangement):
    """One column for each pair of input and output channel: a k x k kernel."""

    name = "kernelwise"

    def __init__(self, kernel_shape: Sequence[int]):
        """Takes the spatial shape of the kernels, such as [5, 5]."""
        height, width = checks.integers("kernel_shape", kernel_shape, 2)
        self.kernel_shape = (height, width)
        self.rows = height * width

    def to_columns(self, tensor: tf.Tensor) -> tf.Tensor:
        """See base class."""
        return tf.reshape(tensor, [self.rows, -1])

    def check_shape(self, shape: Sequence[int]) -> None:
        """See base class."""
        if len(shape) != 4 or tuple(shape[:2]) != self.kernel_shape:
            raise ValueError(
                f"A kernelwise rule for kernels of shape {self.kernel_shape} "
                "takes parameters of shape [*kernel_shape, in, out]; received "
                f"one of shape {shape}. Route other parameters to another rule."
            )

    def config(self) -> dict[str, Any]:
        """See base class."""
        return {"rule": self.name, "kernel_shape": list(self.kernel_shape)}


class Vectors(Arrangement):
    """One column for each vector along a parameter's last axis."""

    name = "vectorwise"

    def __init__(self, size: int):
        """Takes the length of the vectors."""
        self.rows = checks.integer("size", size)

    def to_columns(self, tensor: tf.Tensor) -> tf.Tensor:
        """See base class."""
        return tf.transpose(tf.reshape(tensor, [-1, self.rows]))

    def check_shape(self, shape: Sequence[int]) -> None:
        """See base class."""
        if (tuple(shape) or (1,))[-1] != self.rows:
            raise ValueError(
                f"A vectorwise rule of size {self.rows} takes parameters of "
                f"shape [..., {self.rows}]; received one of shape {shape}."
            )

    def from_columns(
        self, columns: tf.Tensor, shape: Sequence[int]
    ) -> tf.Tensor:
        """See base class."""
        return tf.reshape(tf.transpose(columns), shape)

    def config(self) -> dict[str, Any]:
        """See base class."""
        return {"rule": self.name, "size": self.rows}


def make_arrangement(config: Mapping[str, Any]) -> Arrangement:
    """Builds the arrangement that a learned rule's configuration asks for."""
    if config["rule"] == Kernels.name:
        return Kernels(config["kernel_shape"])
    if config["rule"] == Vectors.name:
        return Vectors(config["size"])
    return Coordinates()


class ColumnwiseRule(base.UpdateRule):
    """A rule that sees all parameters as one matrix, in one call."""

    def __init__(self, arrangement: Arrangement, dtype: str):
        """Takes the arrangement and the type of state and arithmetic."""
        super().__init__()
        self.arrangement = arrangement
        self.dtype = tf.as_dtype(dtype)

    @abc.abstractmethod
    def initial_columns(self, num_columns: int | tf.Tensor) -> base.State:
        """Returns the state of a number of columns before the first step.

        Columns are the last axis of each of its tensors.
        """

    @abc.abstractmethod
    def update_columns(
        self, gradients: tf.Tensor, state: base.State
    ) -> tuple[tf.Tensor, base.State]:
        """Proposes updates for gradients that are arranged as columns.

        A column's update and state depend on that column alone.

        Args:
            gradients: Shape [rows, columns].
            state: The state that the previous step returned.

        Returns:
            Updates of shape [rows, columns], and the next state.
        """

    def replay_columns(
        self, gradients: tf.Tensor, state: base.State, cotangents: tf.Tensor
    ) -> list[tf.Tensor]:
        """Differentiates `sum_t <u_t, c_t>` over recorded gradients.

        Args:
            gradients: Shape [steps, rows, columns].
            state: The state before the first step.
            cotangents: The c_t, shape [steps, rows, columns].

        Returns:
            One tensor for each trainable variable.
        """

        def step(gradients, state):
            updates, state = self.update_columns(gradients[0], state)
            return [updates], state

        return base.replay(
            step, self.trainable_variables, [gradients], state, [cotangents]
        )

    def initial_state(self, params: Sequence[tf.Tensor]) -> base.State:
        """See base class."""
        return self.initial_columns(
            sum(self.arrangement.num_columns(param.shape) for param in params)
        )

    def __call__(
        self, gradients: Sequence[tf.Tensor], state: base.State
    ) -> tuple[list[tf.Tensor], base.State]:
        """See base class."""
        arrange = self.arrangement
        sizes = [arrange.num_columns(gradient.shape) for gradient in gradients]
        columns = [
            tf.cast(arrange.to_columns(gradient), self.dtype)
            for gradient in gradients
        ]
        updates, state = self.update_columns(tf.concat(columns, 1), state)
        parts = tf.split(updates, sizes, axis=1)
        return [
            tf.cast(arrange.from_columns(part, g.shape), g.dtype)
            for part, g in zip(parts, gradients, strict=True)
        ], state
