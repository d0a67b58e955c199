"""The last states of training, in files."""

from __future__ import annotations

import functools
import pathlib
import time

import tensorflow as tf

from l2l_tf.core import siblings
from l2l_tf.meta_training import trainer as meta_training

_KEPT = 3
_SECONDS = 60.0
# What TensorFlow leaves when it is killed while it writes a checkpoint.
_UNFINISHED = ("ckpt-*_temp", "ckpt-*.tempstate*", "checkpoint.tmp*")


class Checkpoints:
    """The last checkpoints of a trainer, in a folder.

    Of several processes the chief alone reads and writes them; the others are
    told what it has read.
    """

    def __init__(
        self, folder: pathlib.Path, trainer: meta_training.MetaTrainer
    ):
        """Takes the folder; writes nothing."""
        self._folder = folder
        self._trainer = trainer
        self._checkpoint = tf.train.Checkpoint(**trainer.checkpointable())
        self._saved_at = time.monotonic()

    def restore(self) -> bool:
        """Restores the last checkpoint; returns whether there is one.

        Raises:
            MetaTrainingError: If there are checkpoints but none can be read.
        """
        distribution = self._trainer.distribution
        is_restored = distribution.any(distribution.is_chief and self._read())
        if is_restored:
            self._trainer.follow_chief()
        return is_restored

    def _read(self) -> bool:
        # By their names, not by the file that lists them: all may be damaged.
        found = sorted(
            (
                file
                for file in self._folder.glob("ckpt-*.index")
                if file.stem.removeprefix("ckpt-").isdecimal()
            ),
            key=lambda file: int(file.stem.removeprefix("ckpt-")),
        )
        errors = []
        for file in reversed(found):
            try:
                status = self._checkpoint.restore(str(file.with_suffix("")))
                status.assert_consumed()
                return True
            except (tf.errors.OpError, IndexError, ValueError) as error:
                errors.append(str(error).splitlines()[0])
            except AssertionError as error:
                errors.append(f"holds other variables: {error}".splitlines()[0])
        if errors:
            raise meta_training.MetaTrainingError(
                f"No checkpoint in {self._folder} can be read: "
                f"{'; '.join(errors)}."
            )
        return False

    def save(self, runs_done: int) -> None:
        """Writes a checkpoint, and removes the oldest.

        For the one who has locked the folder: what kills have left in it goes.
        """
        if not self._trainer.distribution.is_chief:
            return
        self._manager.save(runs_done)
        self._saved_at = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether the last one is old enough for another."""
        return time.monotonic() - self._saved_at > _SECONDS

    @functools.cached_property
    def _manager(self) -> tf.train.CheckpointManager:
        for pattern in _UNFINISHED:
            for path in self._folder.glob(pattern):
                siblings.discard(path)
        return tf.train.CheckpointManager(
            self._checkpoint, str(self._folder), max_to_keep=_KEPT
        )
