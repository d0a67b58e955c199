"""Memories that a function's coordinates share: matrices, read and written.

    i = M r                       for each read head
    M' = M + sum_heads a b^T      over the write heads

Each function has a memory of its own. Vectors have a number for each coordinate
of the function: tensors of shape [heads, functions, coordinates].

Source: Andrychowicz et al. 2016, appendix B.2.
"""

from __future__ import annotations

import abc

import tensorflow as tf

from l2l_tf.core import checks

# A matrix of 8,192 coordinates in float32.
_MAX_BYTES = 2**28
_MAX_HISTORY = 10_000
# What is remembered of ten million coordinates, by default.
_MAX_LIMITED_BYTES = 2**32


class Memory(abc.ABC):
    """A matrix for each function. What it holds is passed in and returned."""

    def __init__(self, num_writes: int, identity: float, dtype: tf.DType):
        """Takes what it depends on.

        Args:
            num_writes: Pairs of vectors that are written at each step.
            identity: M_0 is this multiple of the identity.
            dtype: The type of its numbers.
        """
        self.num_writes = num_writes
        self.identity = identity
        self.dtype = dtype

    @abc.abstractmethod
    def initial(
        self, num_functions: int | tf.Tensor, num_coordinates: int | tf.Tensor
    ) -> list[tf.Tensor]:
        """Returns what M_0 is held by.

        Args:
            num_functions: The number of functions.
            num_coordinates: The coordinates of each.

        Returns:
            Tensors whose first axis counts functions.

        Raises:
            ValueError: If it would be too large.
        """

    @abc.abstractmethod
    def read(self, held: list[tf.Tensor], vectors: tf.Tensor) -> tf.Tensor:
        """Returns `M r` for each vector r, in their shape.

        Args:
            held: What M is held by.
            vectors: Shape [heads, functions, coordinates].
        """

    @abc.abstractmethod
    def write(
        self, held: list[tf.Tensor], left: tf.Tensor, right: tf.Tensor
    ) -> list[tf.Tensor]:
        """Adds `a b^T` for each pair of vectors a and b.

        Args:
            held: What M is held by.
            left: The a, shape [num_writes, functions, coordinates].
            right: The b, likewise.

        Returns:
            What the sum is held by.
        """


class Full(Memory):
    """The matrices themselves, in O(n^2) of time and memory."""

    def initial(self, num_functions, num_coordinates):
        """See base class."""
        if isinstance(num_coordinates, int):
            is_known = isinstance(num_functions, int)
            self._check(num_coordinates, num_functions if is_known else 1)
        eye = tf.eye(num_coordinates, dtype=self.dtype) * self.identity
        shape = [num_functions, num_coordinates, num_coordinates]
        return [tf.broadcast_to(eye, tf.stack(shape))]

    def read(self, held, vectors):
        """See base class."""
        return tf.einsum("fij,hfj->hfi", held[0], vectors)

    def write(self, held, left, right):
        """See base class."""
        return [held[0] + tf.einsum("hfi,hfj->fij", left, right)]

    def _check(self, n: int, num_functions: int) -> None:
        limit = int((_MAX_BYTES / self.dtype.size / num_functions) ** 0.5)
        if n > limit:
            size = num_functions * n * n * self.dtype.size
            of_each = f" of each of {num_functions} functions"
            raise ValueError(
                f"A full memory takes {limit:,} coordinates"
                f"{of_each if num_functions > 1 else ''} at most; received "
                f"{n:,}, whose matrix of {n:,} x {n:,} numbers would take "
                f"{size / 1e9:.2g} GB. Take the rule "
                f"'ntm-l-bfgs', whose memory holds "
                f"{2 * self.num_writes} x {n:,} numbers for each step that it "
                "remembers."
            )


class Limited(Memory):
    """What was written in the last K steps, in O(nK) of time and memory.

    M r = m r + sum_k a_k (b_k^T r),   where M_0 = m I
    """

    def __init__(
        self,
        num_writes: int,
        identity: float,
        dtype: tf.DType,
        num_steps: int,
    ):
        """Takes the steps K to remember; else as in the base class."""
        super().__init__(num_writes, identity, dtype)
        self.num_steps = checks.integer(
            "history", num_steps, maximum=_MAX_HISTORY
        )

    def initial(self, num_functions, num_coordinates):
        """See base class."""
        pairs = self.num_steps * self.num_writes
        if isinstance(num_coordinates, int) and isinstance(num_functions, int):
            self._check(2 * pairs * num_functions * num_coordinates)
        shape = tf.stack([num_functions, pairs, num_coordinates])
        return [tf.zeros(shape, self.dtype) for _ in ("left", "right")]

    def read(self, held, vectors):
        """See base class."""
        left, right = held
        products = tf.einsum("fkj,hfj->hfk", right, vectors)
        found = tf.einsum("fki,hfk->hfi", left, products)
        return found + tf.constant(self.identity, self.dtype) * vectors

    def write(self, held, left, right):
        """See base class; the oldest pairs make room."""
        return [
            tf.concat(
                [
                    old[:, self.num_writes :],
                    tf.transpose(new, [1, 0, 2]),
                ],
                axis=1,
            )
            for old, new in zip(held, (left, right), strict=True)
        ]

    def _check(self, numbers: int) -> None:
        if numbers * self.dtype.size > _MAX_LIMITED_BYTES:
            raise ValueError(
                f"A limited memory takes {_MAX_LIMITED_BYTES / 1e9:.2g} GB at "
                f"most; a history of {self.num_steps:,} steps of "
                f"{self.num_writes:,} write heads would take "
                f"{numbers * self.dtype.size / 1e9:.2g} GB. Choose a shorter "
                "history or fewer write heads."
            )
