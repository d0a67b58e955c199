"""The replicas that share a computation: devices, machines, or just one.

TensorFlow's strategies do the work; all that is asked of one is here, so that
who shares out work need not know which it is. Without any there is one replica,
and the path is the same.
"""

from __future__ import annotations

import contextlib
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.core import cluster as cluster_lib

Nest = Any
"""A nest of tensors."""

_LINGER_SECONDS = 5.0


class LostWorkerError(RuntimeError):
    """A worker that others wait for is gone."""


class Distribution:
    """The replicas of a strategy.

        result = distribution.run(function, *arguments)  # on every replica
        total = distribution.sum(result)                 # the same everywhere

    `run`, `sum` and `gather` are called inside a `tf.function`, outside of
    which replicas of one process take turns.

    Attributes:
        count: The number of replicas, on all machines together.
        is_chief: Whether this process writes files and speaks to people.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy | None = None,
        cluster: cluster_lib.Cluster | None = None,
    ):
        """Takes a strategy.

        Args:
            strategy: The strategy; by default the one in whose scope this is,
                which is TensorFlow's for one replica unless there is another.
            cluster: The machines, where there are several.
        """
        self._strategy = strategy or tf.distribute.get_strategy()
        self._cluster = cluster or cluster_lib.Cluster()
        self.count = self._strategy.num_replicas_in_sync
        self.is_chief = self._strategy.extended.should_checkpoint
        self._total = tf.function(
            lambda value: self.sum(self.run(tf.identity, value)),
            autograph=False,
        )
        self._values_of_chief = tf.function(
            lambda values: self.sum(self.run(_of_first_replica, values)),
            autograph=False,
        )

    def scope(self) -> contextlib.AbstractContextManager:
        """Returns a context; a variable made inside has a copy on each device.

        A rule that replicas run is made or loaded there.
        """
        # The default strategy refuses to be entered inside of another.
        if self._strategy is tf.distribute.get_strategy():
            return contextlib.nullcontext()
        return self._strategy.scope()

    def run(self, function: Callable[..., Nest], *arguments: Nest) -> Nest:
        """Calls a function on every replica, see `own_index`.

        Args:
            function: The function, of tensors.
            *arguments: What another `run` returned, of which each replica
                gets its own, or tensors that all of them get.

        Returns:
            What the replicas returned.
        """
        return self._strategy.run(function, args=arguments)

    def sum(self, nest: Nest) -> Nest:
        """Returns the sum over replicas of tensors that `run` returned.

        Tensors of one type travel together.
        """
        if self.count == 1:
            return nest
        flat = tf.nest.flatten(nest)
        specs = tf.nest.flatten(self.first(nest))
        sums = {}
        for dtype in dict.fromkeys(spec.dtype for spec in specs):
            places = [i for i, spec in enumerate(specs) if spec.dtype == dtype]
            packed = self.run(_pack, [flat[place] for place in places])
            total = self._strategy.reduce(
                tf.distribute.ReduceOp.SUM, packed, axis=None
            )
            parts = _unpack(total, [specs[place].shape for place in places])
            sums |= zip(places, parts, strict=True)
        return tf.nest.pack_sequence_as(
            nest, [sums[place] for place in range(len(flat))]
        )

    def gather(self, nest: Nest) -> Nest:
        """Returns tensors of all replicas, along a new leading axis."""
        return tf.nest.map_structure(self._gather, nest)

    def first(self, nest: Nest) -> Nest:
        """Returns what the first replica of this process returned."""
        return tf.nest.map_structure(lambda t: self._copies(t)[0], nest)

    def follow_first(self, variables: Sequence[tf.Variable]) -> None:
        """Gives each variable's copies the value that its first copy has."""
        for variable in variables:
            first, *others = self._copies(variable)
            for other in others:
                other.assign(first)

    def follow_chief(self, variables: Sequence[tf.Variable]) -> None:
        """Gives variables the values that they have in the chief's process."""
        if self.count == 1:
            return
        with self.watched():
            values = self._values_of_chief([tf.identity(v) for v in variables])
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    def any(self, flag: bool) -> bool:
        """Returns whether a flag is true in any process."""
        if self.count == 1:
            return flag
        with self.watched():
            total = self._total(tf.constant(int(flag)))
        return int(total) > 0

    def check_same(self, what: str, text: str) -> None:
        """Refuses processes that do not all have the same text.

        Args:
            what: What the text says, for the message.
            text: The text.

        Raises:
            ValueError: If any has another one.
        """
        if self.count == 1:
            return
        own = zlib.crc32(text.encode())
        with self.watched():
            total = self._total(tf.constant(own, tf.int64))
        if int(total) != self.count * own:
            raise ValueError(
                f"All workers must be started with the same command, but "
                f"{what} of some are different."
            )

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Names a worker that is lost while others wait for it.

        Raises:
            LostWorkerError: If one is.
        """
        try:
            yield
        except tf.errors.OpError as error:
            lost = self._cluster.lost_workers(error)
            if not lost:
                raise
            # Were this process gone at once, others would take it for lost.
            time.sleep(_LINGER_SECONDS)
            raise LostWorkerError(
                f"Lost {' and '.join(lost)}, so that this process ends, too; "
                "start all of them again to go on from the last checkpoint."
            ) from error

    def _gather(self, tensor: Any) -> tf.Tensor:
        stacked = self._strategy.gather(
            self.run(lambda own: own[tf.newaxis], tensor), axis=0
        )
        # Several machines do not tell each other the shape.
        return tf.ensure_shape(stacked, [self.count, *self.first(tensor).shape])

    def _copies(self, value: Any) -> tuple:
        return self._strategy.experimental_local_results(value)


def own_index() -> tf.Tensor:
    """Returns the number of the replica that this is called on."""
    return tf.distribute.get_replica_context().replica_id_in_sync_group


def own_share(total: int) -> tuple[tf.Tensor, int]:
    """Returns which of a number of equal things a replica takes.

    Args:
        total: How many there are, a multiple of the number of replicas.

    Returns:
        The first one, and how many.
    """
    count = total // tf.distribute.get_replica_context().num_replicas_in_sync
    return own_index() * count, count


def check_share(name: str, total: int, num_replicas: int) -> None:
    """Refuses what cannot be shared out evenly.

    Raises:
        ValueError: If the replicas would not have the same number each.
    """
    if total % num_replicas:
        raise ValueError(
            f"{name} must be a multiple of the number of replicas, which "
            f"share them out; received {total} for {num_replicas} replicas."
        )


def _pack(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns tensors of one type as one vector."""
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)


def _unpack(
    vector: tf.Tensor, shapes: Sequence[tf.TensorShape]
) -> list[tf.Tensor]:
    """Undoes `_pack`."""
    sizes = [shape.num_elements() for shape in shapes]
    return [
        tf.reshape(part, shape)
        for part, shape in zip(tf.split(vector, sizes), shapes, strict=True)
    ]


def _of_first_replica(values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Returns values on the first replica, the chief's, and zeros elsewhere."""
    is_first = own_index() == 0
    return [tf.where(is_first, v, tf.zeros_like(v)) for v in values]
