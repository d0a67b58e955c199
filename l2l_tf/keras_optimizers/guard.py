"""Two runs of one model: a learned one, and that of a fallback."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from l2l_tf.keras_optimizers import diagnostics as diagnostics_lib
from l2l_tf.keras_optimizers import keras_part
from l2l_tf.keras_optimizers import parts
from l2l_tf.keras_optimizers import race
from l2l_tf.keras_optimizers import trial

_KEPT = 16


class Guard(parts.Part):
    """Gives each step to one of two parts, as `race` decides.

    Each run has parameters of its own: the model holds those of one, and the
    guard those of the other, or a point to return to.

    Source: the safeguard of Heaton et al. 2020, arXiv 2003.01880, with
    observed losses in place of bounds.
    """

    def __init__(
        self,
        learned: parts.Part,
        fallback: keras_part.KerasPart,
        settings: trial.Settings,
    ):
        """Takes both, and how they are compared.

        Raises:
            ValueError: If training is spread over replicas.
        """
        _check_strategy()
        self.learned, self.fallback = learned, fallback
        self.settings = settings
        self._record = None
        self._more: list[keras.Variable] = []
        self._waiting: list[np.ndarray] = []

    @property
    def fell_back(self) -> bool:
        """Whether the fallback has taken over."""
        record = self._read()
        return bool((record.is_over > 0) & (record.turn == race.FALLBACK))

    def also_restore(self, owner, variables: Sequence[keras.Variable]) -> None:
        """Takes further variables that each run has for itself.

        Raises:
            ValueError: If training has begun, and they are none that a file
                holds numbers of.
        """
        more = {id(v): v for v in (*self._more, *variables)}
        self._more = [
            v for v in more.values() if tf.as_dtype(v.dtype).is_floating
        ]
        if self._record is not None:
            self._continue(owner, variables)

    def await_more(self, values: Sequence[np.ndarray]) -> None:
        """Takes what further variables are in the other run, from a file."""
        self._waiting = list(values)

    def build(self, owner, variables) -> None:
        """See base class."""
        _check_strategy()
        self.learned.build(owner, variables)
        self.fallback.build(owner, variables)

    def begin(self, owner, variables) -> None:
        """See base class."""
        first = tf.stack(race.begin(self.settings))
        self._record = owner.add_variable(
            tuple(first.shape),
            initializer=lambda *_, **__: first,
            dtype="float32",
            name="race",
        )
        # What is due once a step is complete: a change, a point to keep.
        self._due = owner.add_variable((2,), dtype="bool", name="due")
        self._diagnostics = owner.add_variable(
            (len(diagnostics_lib.NAMES),), name="diagnostics", dtype="float32"
        )
        # Each run has moving averages of its own, which begin where it does.
        averages = zip(owner.moving_averages(), variables, strict=False)
        own = [
            *zip(variables, variables, strict=True),
            *((mean, v) for mean, v in averages if mean is not None),
        ]
        self._held = [_hold(owner, *pair) for pair in own]
        self._hold_more(owner)

    def step(self, owner, gradients, variables, learning_rate) -> None:
        """See base class."""
        turn, verdict = self._judge(*owner.loss())
        # The gradients of a step that is not made belong to parameters from
        # which nothing goes on.
        tf.switch_case(
            tf.where(verdict.moves, tf.cast(turn, tf.int32), 2),
            [
                lambda: self._learn(owner, gradients, variables, learning_rate),
                lambda: self._fall_back(
                    owner, gradients, variables, learning_rate
                ),
                _nothing,
            ],
        )

    def leave_out(self, loss) -> None:
        """See base class; a run whose loss is not finite does not go on."""

        def judge():
            self._judge(loss, tf.constant(True))
            self.finish()
            return _nothing()

        tf.cond(tf.math.is_finite(loss), _nothing, judge)

    def finish(self) -> None:
        """See base class."""
        changes, keeps = tf.unstack(tf.convert_to_tensor(self._due.value))
        tf.cond(changes, self._change, _nothing)
        tf.cond(keeps, self._keep, _nothing)
        self._due.assign([False, False])

    def end(self, owner) -> None:
        """See base class; while both are compared, those of the better run.

        Not after a single step: where each `fit` makes one, the run that is
        behind would never have its turn.
        """
        if self._record is None:
            return
        record = self._read()
        steps = int(record.learned_steps + record.fallback_steps)
        best = race.leader(record, self.settings)
        if steps - record.ended_at > 1 and best != record.turn:
            self._change()
            record = record._replace(turn=best)
            # Those of a part of a step are gradients at other parameters.
            owner.forget_gradients()
        self._record.assign(tf.stack(record._replace(ended_at=float(steps))))

    def diagnostics(self) -> tf.Tensor:
        """See base class; those of the run at work."""
        if self.fell_back:
            return tf.convert_to_tensor(self._diagnostics.value)
        return self.learned.diagnostics()

    def describe(self) -> str:
        """See base class."""
        run = self.fallback if self.fell_back else self.learned
        return (
            f"{self.learned.describe()}\nFallback: {self.fallback.describe()}, "
            f"compared by {self.settings._asdict()}; at work: "
            f"{'the fallback' if run is self.fallback else 'the learned rule'}."
        )

    def config(self) -> Any:
        """See base class."""
        return self.learned.config()

    def rules(self) -> list[parts.Part]:
        """See base class."""
        return self.learned.rules()

    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """See base class."""
        return [*self.learned.optimizers(), *self.fallback.optimizers()]

    def _read(self) -> race.Record:
        if self._record is None:
            return race.begin(self.settings)
        return race.Record(*keras.ops.convert_to_numpy(self._record))

    def _judge(self, loss, is_known) -> tuple[tf.Tensor, race.Verdict]:
        """Returns whose turn it was, and what to do with this step."""
        numbers = tf.convert_to_tensor(self._record.value)
        record = race.Record(*tf.unstack(numbers))
        is_first = record.learned_steps + record.fallback_steps == 0
        tf.cond(is_first & is_known, self._copy_start, _nothing)
        after, verdict = _make_judge(self.settings)(numbers, loss)
        # A step whose loss nobody told is made, and tells nothing.
        moves, changes, keeps = verdict
        verdict = race.Verdict(
            moves | ~is_known, changes & is_known, keeps & is_known
        )
        self._record.assign(tf.where(is_known, after, numbers))
        self._due.assign(tf.stack([verdict.changes, verdict.keeps]))
        return record.turn, verdict

    def _hold_more(self, owner) -> None:
        self._held += [_hold(owner, v, v) for v in self._further()]

    def _further(self) -> list[keras.Variable]:
        """Returns the further variables that are not held yet."""
        held = {id(pair.variable) for pair in self._held}
        return [v for v in self._more if id(v) not in held]

    def _continue(self, owner, variables) -> None:
        """Gives further variables the numbers that wait for them."""
        before = len(self._held)
        shapes = [value.shape for value in self._waiting]
        given = [tuple(v.shape) for v in self._further()]
        if not shapes or shapes != given:
            raise ValueError(
                "Variables to restore are given before training, or those of "
                f"shapes {shapes} that wait for numbers from a file; received "
                f"{[*map(parts.path_of, variables)]} of shapes {given} after "
                "it began."
            )
        self._hold_more(owner)
        for held, value in zip(self._held[before:], self._waiting, strict=True):
            held.other.assign(value)
        self._waiting = []

    def _learn(self, owner, gradients, variables, learning_rate):
        self.learned.step(owner, gradients, variables, learning_rate)
        return _nothing()

    def _fall_back(self, owner, gradients, variables, learning_rate):
        before = [tf.identity(parts.native(variable)) for variable in variables]
        self.fallback.step(owner, gradients, variables, learning_rate)
        measured = [
            diagnostics_lib.measure(
                tf.cast(tf.convert_to_tensor(gradient), old.dtype),
                parts.native(variable) - old,
            )
            for gradient, variable, old in zip(
                gradients, variables, before, strict=True
            )
        ]
        self._diagnostics.assign(
            diagnostics_lib.after(
                tf.convert_to_tensor(self._diagnostics.value),
                diagnostics_lib.combine(measured),
                tf.constant(True),
            )
        )
        return _nothing()

    def _copy_start(self):
        for held in self._held:
            held.other.assign(held.begins_as)
        return _nothing()

    def _change(self):
        for held in self._held:
            mine = tf.identity(parts.native(held.variable))
            held.variable.assign(held.other)
            held.other.assign(mine)
        return _nothing()

    def _keep(self):
        for held in self._held:
            held.other.assign(held.variable)
        return _nothing()


class _Held(NamedTuple):
    """A variable that each run has for itself.

    Attributes:
        variable: That of the run whose turn it is.
        other: What it is in the other run.
        begins_as: What it begins as.
    """

    variable: keras.Variable
    other: keras.Variable
    begins_as: keras.Variable


def _hold(owner, variable, begins_as) -> _Held:
    other = owner.add_variable_from_reference(variable, name="other")
    return _Held(variable, other, begins_as)


def _check_strategy() -> None:
    """Raises an error where a step cannot depend on the loss."""
    strategy = tf.distribute.get_strategy()
    is_single = isinstance(strategy, tf.distribute.OneDeviceStrategy)
    if tf.distribute.has_strategy() and not is_single:
        raise ValueError(
            "A fallback needs the loss of the whole batch, hence no strategy, "
            f"or OneDeviceStrategy; received {type(strategy).__name__} with "
            f"{strategy.num_replicas_in_sync} replicas."
        )


@functools.lru_cache(_KEPT)
def _make_judge(settings: trial.Settings):
    """Returns `race.judge` of a record's numbers, traced once for all."""
    size = len(race.Record._fields)

    def judge(numbers, loss):
        record = race.Record(*tf.unstack(numbers, size))
        after, verdict = race.judge(record, loss, settings)
        return tf.stack(after), verdict

    return tf.function(judge, autograph=False)


def _nothing() -> tf.Tensor:
    return tf.constant(True)
