"""Parameters of any shape as one matrix of columns, and back.

A learned rule runs one network on every column of a matrix. What a column
is, one coordinate, one convolution kernel or one vector, is the only thing
in which the learned rules differ.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.core import checks


class Arrangement(abc.ABC):
    """How a parameter becomes columns.

    Attributes:
        rows: Numbers per column.
        unit: What a column is, in words.
    """

    rows: int
    unit: str

    def to_columns(self, tensor: tf.Tensor) -> tf.Tensor:
        """Returns a parameter's numbers as a matrix, shape [rows, columns]."""
        return self.arrange(tensor, [])

    def stack_columns(self, tensors: tf.Tensor) -> tf.Tensor:
        """Returns the matrices of all steps, shape [steps, rows, columns].

        Args:
            tensors: What a parameter has at each step, shape [steps, ...].
        """
        return self.arrange(tensors, [tensors.shape[0] or tf.shape(tensors)[0]])

    @abc.abstractmethod
    def arrange(
        self, tensors: tf.Tensor, leading: Sequence[int | tf.Tensor]
    ) -> tf.Tensor:
        """Returns matrices, shape `[*leading, rows, columns]`.

        Args:
            tensors: The numbers of a parameter, shape `[*leading, ...]`.
            leading: Sizes of axes that stay as they are.
        """

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

    @abc.abstractmethod
    def example_shape(self) -> list[int]:
        """Returns the shape of a parameter that makes a few columns."""

    def num_columns(self, shape: Sequence[int]) -> int:
        """Returns how many columns a parameter of a fitting shape makes."""
        shape = tuple(shape)
        self.check_shape(shape)
        return math.prod(shape) // self.rows

    def config(self) -> dict[str, Any]:
        """Returns the options that it is made of."""
        return {}


class Coordinates(Arrangement):
    """One column for each coordinate."""

    rows = 1
    unit = "coordinate"

    def arrange(self, tensors, leading):
        """See base class."""
        return tf.reshape(tensors, [*leading, 1, -1])

    def check_shape(self, shape: Sequence[int]) -> None:
        """See base class; every shape fits."""
        del shape

    def example_shape(self) -> list[int]:
        """See base class."""
        return [3, 4]


class Kernels(Arrangement):
    """One column for each pair of input and output channel: a k x k kernel."""

    def __init__(self, kernel_shape: Sequence[int]):
        """Takes the spatial shape of the kernels, such as [5, 5]."""
        height, width = checks.integers("kernel_shape", kernel_shape, 2)
        self.kernel_shape = (height, width)
        self.rows = height * width
        self.unit = f"{height} x {width} kernel"

    def arrange(self, tensors, leading):
        """See base class."""
        return tf.reshape(tensors, [*leading, self.rows, -1])

    def check_shape(self, shape: Sequence[int]) -> None:
        """See base class."""
        if len(shape) != 4 or tuple(shape[:2]) != self.kernel_shape:
            raise ValueError(
                f"A kernelwise rule for kernels of shape {self.kernel_shape} "
                "takes parameters of shape [*kernel_shape, in, out]; received "
                f"one of shape {shape}. Route other parameters to another rule."
            )

    def example_shape(self) -> list[int]:
        """See base class."""
        return [*self.kernel_shape, 2, 3]

    def config(self) -> dict[str, Any]:
        """See base class."""
        return {"kernel_shape": list(self.kernel_shape)}


class Vectors(Arrangement):
    """One column for each vector along a parameter's last axis."""

    def __init__(self, size: int):
        """Takes the length of the vectors."""
        self.rows = checks.integer("size", size)
        self.unit = f"vector of length {self.rows}"

    def arrange(self, tensors, leading):
        """See base class."""
        return tf.linalg.matrix_transpose(
            tf.reshape(tensors, [*leading, -1, self.rows])
        )

    def check_shape(self, shape: Sequence[int]) -> None:
        """See base class."""
        if (tuple(shape) or (1,))[-1] != self.rows:
            raise ValueError(
                f"A vectorwise rule of size {self.rows} takes parameters of "
                f"shape [..., {self.rows}]; received one of shape {shape}."
            )

    def example_shape(self) -> list[int]:
        """See base class."""
        return [5, self.rows]

    def from_columns(
        self, columns: tf.Tensor, shape: Sequence[int]
    ) -> tf.Tensor:
        """See base class."""
        return tf.reshape(tf.transpose(columns), shape)

    def config(self) -> dict[str, Any]:
        """See base class."""
        return {"size": self.rows}
