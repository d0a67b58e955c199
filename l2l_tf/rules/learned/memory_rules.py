"""Learned rules with a shared memory: NTM-BFGS and NTM-L-BFGS."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.rules import base
from l2l_tf.rules import registry
from l2l_tf.rules.learned import arrangements
from l2l_tf.rules.learned import averaging
from l2l_tf.rules.learned import deep_lstm_rules
from l2l_tf.rules.learned import memory as memory_lib
from l2l_tf.rules.learned import preprocessing as preprocessing_lib

_MAX_HEADS = 1_000


class MemoryRule(deep_lstm_rules.DeepLSTMRule):
    """An LSTM with averaging cells on every coordinate, and a memory for all.

        v_t, r_t, a_t, b_t, h_{t+1} = LSTM(preprocess(x_t), i_{t-1}, h_t)
        i_t = M_t r_t                      for each read head
        M_{t+1} = M_t + sum a_t b_t^T      over the write heads
        u_t = outputs(scale * v_t)

    Each coordinate gives one number of each of the vectors r, a and b, and gets
    one of each i. There is one memory for each function.

    Source: Andrychowicz et al. 2016, appendix B.2.
    """

    def __init__(
        self,
        averaging_cells: int | Sequence[int] = 5,
        read_heads: int = 1,
        write_heads: int = 3,
        identity: float = 0.0,
        head_scale: float = 1.0,
        read_preprocessing: str = "identity",
        read_preprocessing_options: Mapping[str, float] | None = None,
        **options,
    ):
        """Creates the rule and its weights.

        Args:
            averaging_cells: How many cells of each layer are averaging ones.
            read_heads: How many vectors are multiplied by M at each step.
            write_heads: How many products `a b^T` are added to M.
            identity: M_0 is this multiple of the identity.
            head_scale: Factor on what the network gives to the heads.
            read_preprocessing: A name in `preprocessing.PREPROCESSING`, for
                what is read. What is read may grow from step to step with
                what was written; "clamp" bounds what the network gets of it.
            read_preprocessing_options: Its options.
            **options: Others as in `DeepLSTMRule`.

        Raises:
            ValueError: If a value is refused.
        """
        read_heads = checks.integer(
            "read_heads", read_heads, maximum=_MAX_HEADS
        )
        write_heads = checks.integer(
            "write_heads", write_heads, maximum=_MAX_HEADS
        )
        read_preprocess = preprocessing_lib.PREPROCESSING.build(
            read_preprocessing,
            **deep_lstm_rules.checked_options(
                "read_preprocessing_options", read_preprocessing_options
            ),
        )
        super().__init__(
            arrangements.Coordinates(),
            read_heads * read_preprocess.num_features,
            read_heads + 2 * write_heads,
            averaging_cells=averaging_cells,
            **options,
        )
        self.independent_columns = False
        self.read_heads, self.write_heads = read_heads, write_heads
        self.identity = checks.number_of("identity", identity, self.dtype)
        self.head_scale = checks.number_of("head_scale", head_scale, self.dtype)
        if not self.head_scale:
            raise ValueError(
                "head_scale must not be 0, with which nothing is ever written; "
                f"received {head_scale!r}."
            )
        self._read_preprocess = read_preprocess
        self._read_config = lambda: {
            "read_heads": read_heads,
            "write_heads": write_heads,
            "identity": identity,
            "head_scale": head_scale,
            "read_preprocessing": read_preprocessing,
            "read_preprocessing_options": dict(
                read_preprocessing_options or {}
            ),
        }
        self.memory = self._make_memory()
        self._start_empty()

    @abc.abstractmethod
    def _make_memory(self) -> memory_lib.Memory:
        """Returns the memory."""

    def initial_columns(self, num_columns: int | tf.Tensor) -> base.State:
        """See base class."""
        return self.initial_columns_of_functions(num_columns, 1)

    def initial_columns_of_functions(
        self, num_columns: int | tf.Tensor, num_functions: int
    ) -> base.State:
        """See base class.

        Returns:
            The states of the LSTM and of its frame; what the memory is held
            by; what was read, shape [read_heads, functions, coordinates].
        """
        size = num_columns // num_functions
        shape = tf.stack([self.read_heads, num_functions, size])
        return {
            "lstm": self.network.initial_state(num_columns, num_functions),
            "frame": self.frame.initial(
                (self.inputs.num_features, num_functions, size), self.dtype
            ),
            "memory": self.memory.initial(num_functions, size),
            "read": tf.zeros(shape, self.dtype),
        }

    def num_functions_of(self, state: base.State) -> int | tf.Tensor:
        """See base class."""
        return averaging.size(state["read"], 1)

    def update_columns(
        self, gradients: tf.Tensor, state: base.State
    ) -> tuple[tf.Tensor, base.State]:
        """See base class."""
        num_functions = self.num_functions_of(state)
        read = tf.reshape(state["read"], [self.read_heads, -1])
        given, known = self.frame.enter(gradients, state["frame"])
        features = [self._preprocess(given), self._read_preprocess(read)]
        outputs, lstm = self.network(tf.concat(features, 0), state["lstm"])
        writes = self.write_heads
        values, *heads = tf.split(
            outputs, [1, self.read_heads, writes, writes], axis=0
        )
        reads, left, right = (
            tf.reshape(head, [head.shape[0], num_functions, -1])
            * tf.constant(self.head_scale, self.dtype)
            for head in heads
        )
        values *= tf.constant(self.scale, self.dtype)
        updates, around = self.frame.leave(values, known)
        held = state["memory"]
        state = {
            "lstm": lstm,
            "frame": around,
            "memory": self.memory.write(held, left, right),
            "read": self.memory.read(held, reads),
        }
        return updates, state

    def replay_columns(
        self, gradients: tf.Tensor, state: base.State, cotangents: tf.Tensor
    ) -> list[tf.Tensor]:
        """See base class."""
        return self._replay_step_by_step(gradients, state, cotangents)

    def _start_empty(self) -> None:
        """Makes the first write heads write zeros, until training moves them.

        A memory of random vectors would grow with the steps.
        """
        first = 1 + self.read_heads
        for variable in (self.network.weights[-1], self.network.biases[-1]):
            rows = tf.range(variable.shape[0])[:, tf.newaxis]
            is_left = (rows >= first) & (rows < first + self.write_heads)
            variable.assign(
                tf.where(is_left, tf.zeros_like(variable), variable)
            )

    def config(self) -> dict[str, Any]:
        """See base class."""
        return {**super().config(), **self._read_config()}

    def describe(self) -> str:
        """See base class."""
        return (
            f"{super().describe()} A memory of all coordinates with "
            f"{self.read_heads} read and {self.write_heads} write heads "
            f"{self._describe_memory()}"
        )

    @abc.abstractmethod
    def _describe_memory(self) -> str:
        """Returns in a few words how large the memory is."""


@registry.register_rule("ntm-bfgs")
class NTMBFGS(MemoryRule):
    """The memory is a matrix of a row and a column for each coordinate.

    Source: Andrychowicz et al. 2016, appendix B.2.
    """

    def _make_memory(self) -> memory_lib.Memory:
        return memory_lib.Full(self.write_heads, self.identity, self.dtype)

    def _describe_memory(self) -> str:
        return "holds n x n numbers for n coordinates."


@registry.register_rule("ntm-l-bfgs")
class NTMLBFGS(MemoryRule):
    """The memory is what was written in the last steps.

    Source: Andrychowicz et al. 2016, appendix B.2.
    """

    def __init__(self, history: int = 10, **options):
        """Takes the steps to remember; other options as in `MemoryRule`."""
        self._history = history
        super().__init__(**options)

    def _make_memory(self) -> memory_lib.Memory:
        return memory_lib.Limited(
            self.write_heads, self.identity, self.dtype, self._history
        )

    def config(self) -> dict[str, Any]:
        """See base class."""
        return {**super().config(), "history": self._history}

    def _describe_memory(self) -> str:
        numbers = 2 * self._history * self.write_heads
        return (
            f"holds what was written in the last {self._history} steps, "
            f"{numbers} numbers for each coordinate."
        )
