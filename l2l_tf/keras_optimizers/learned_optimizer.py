"""Trained rules as Keras optimizers."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.keras_optimizers import diagnostics as diagnostics_lib
from l2l_tf.keras_optimizers import guard
from l2l_tf.keras_optimizers import keras_part
from l2l_tf.keras_optimizers import losses
from l2l_tf.keras_optimizers import parts
from l2l_tf.keras_optimizers import reports
from l2l_tf.keras_optimizers import routes as routes_lib
from l2l_tf.keras_optimizers import trial as trial_lib
from l2l_tf.rules import base

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "LearnedOptimizer runs on Keras's TensorFlow backend; received the "
        f"backend {keras.backend.backend()!r}. Set KERAS_BACKEND=tensorflow."
    )

losses.pass_on()

_STATE_DTYPES = (None, "float32", "bfloat16", "float64")
_NONFINITE = ("skip", "raise")
_LIKE_ADAM = 0.01
_UNKNOWN = float("-inf")  # No loss; NaN is one.


@keras.saving.register_keras_serializable(package="l2l_tf")
class LearnedOptimizer(keras.optimizers.Optimizer):
    """A trained update rule, used like any Keras optimizer.

        [g_t, h_{t+1}] = m(grad f(theta_t), h_t)
        theta += learning_rate * (g_t - weight_decay * theta)

    Several rules and Keras optimizers may share the variables, and a fallback
    may run beside them. They are parts of this one optimizer: it clips,
    averages, accumulates and counts for all of them, and their state is among
    its variables, which are saved and restored together.

    Example:
    >>> model = keras.Sequential([keras.layers.Dense(1)])
    >>> model.compile(optimizer=LearnedOptimizer(steps=500), loss="mse")

    Source: Andrychowicz et al. 2016, section 2.
    """

    def __init__(
        self,
        optimizer: str | os.PathLike | Mapping[str, Any] = "general",
        learning_rate: float
        | keras.optimizers.schedules.LearningRateSchedule = 1.0,
        name: str | None = None,
        *,
        routes: Mapping[str, str] | None = None,
        fallback: str | keras.optimizers.Optimizer | None = None,
        trial: Mapping[str, float] | None = None,
        state_dtype: str | None = None,
        nonfinite: str = "skip",
        jit_compile: bool = True,
        steps: int | None = None,
        **kwargs: Any,
    ):
        """Loads what will move the variables.

        Args:
            optimizer: The name of a bundled optimizer, or the path of a
                folder that `scripts/train.py` or `scripts/export.py` wrote.
                The default was trained on many kinds of small networks. Also
                names, paths, Keras optimizers or their names by regular
                expressions over variables' paths, of which the first counts
                that is found in a path.
            learning_rate: Factor on the learned rules' updates. A rule chooses
                its step sizes itself, so that 1 is right unless there is a
                reason.
            name: The optimizer's name.
            routes: For a saved optimizer with several rules: patterns over
                variables' paths, each with the saved pattern whose rule it
                gets. By default the saved patterns themselves.
            fallback: A Keras optimizer, or the name of one, that trains beside
                the learned rule at first, and goes on where that is worse.
            trial: How they are compared, see
                `l2l_tf.keras_optimizers.trial.Settings`.
            state_dtype: In what an LSTM's state is kept between steps; by
                default the rule's own type. "bfloat16" halves it.
            nonfinite: What a gradient that is not finite does: "skip" warns
                once, "raise" raises, where XLA compiles the training step at
                the end of `fit` only.
            jit_compile: Whether XLA compiles the update, also in a training
                step that it does not compile; not for several replicas.
            steps: How many steps training will take. A rule that follows a
                schedule, as the default does, is done after so many; without
                it goes on for ever, by smaller and smaller steps. Others make
                no use of it.
            **kwargs: Further arguments of `keras.optimizers.Optimizer`.

        Raises:
            SavedOptimizerError: If a saved optimizer is missing, damaged or
                not to be trusted.
            ValueError: If an argument is not accepted.
        """
        super().__init__(
            learning_rate=_check_rate(learning_rate), name=name, **kwargs
        )
        checks.one_of("state_dtype", state_dtype, _STATE_DTYPES)
        checks.one_of("nonfinite", nonfinite, _NONFINITE)
        self.state_dtype = state_dtype
        self.nonfinite = nonfinite
        self.jit_compile = jit_compile
        self._steps = None if steps is None else checks.integer("steps", steps)
        self._saved_routes = None if routes is None else dict(routes)
        self._part = routes_lib.make_part(
            optimizer,
            parts.Options(state_dtype, nonfinite, jit_compile, self._steps),
            self.weight_decay,
            routes,
        )
        settings = trial_lib.make_settings(trial)
        if fallback is not None:
            self._part = guard.Guard(
                self._part,
                keras_part.KerasPart("fallback", fallback, self.weight_decay),
                settings,
            )
        self._reporter = reports.Reporter(self.name, nonfinite == "raise")
        # The loss may come before the variables that it is the loss of.
        self._loss = self.add_variable(
            (),
            initializer=keras.initializers.Constant(_UNKNOWN),
            dtype="float32",
            aggregation="only_first_replica",
            name="loss",
        )
        self._was_told = False

    @property
    def rule(self) -> base.UpdateRule:
        """The update rule.

        Raises:
            ValueError: If there is not exactly one; see `rule_parts`.
        """
        rules = [part.rule for part in self.rule_parts]
        if len(rules) != 1:
            raise ValueError(
                f"{self.name} has {len(rules)} rules; rule_parts lists them."
            )
        return rules[0]

    @property
    def rule_parts(self) -> list[parts.Part]:
        """What runs the learned rules, each with its `rule` and `state`."""
        return self._part.rules()

    @property
    def steps(self) -> int | None:
        """How many steps training will take, if that was told."""
        return self._steps

    @property
    def fallback(self) -> keras.optimizers.Optimizer | None:
        """The fallback, if there is one."""
        part = self._part.fallback
        return None if part is None else part.optimizer

    @property
    def fell_back(self) -> bool:
        """Whether the fallback has taken over."""
        return self.fallback is not None and self._part.fell_back

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """This optimizer and those that it routes variables to.

        Keras's callbacks schedule and swap each of them.

        Raises:
            AttributeError: If there is none but this one; callbacks then take
                it itself.
        """
        routed = [o for o in self._part.optimizers() if o is not self.fallback]
        if not routed:
            raise AttributeError(f"{self.name} has no routes to optimizers.")
        return [self, *routed]

    @property
    def learning_rate(self):
        """That of what is at work: the fallback's, once it has taken over.

        Setting it sets the factor on the learned rules' updates only.
        """
        # Inside a graph nobody can know; what asks there are learned rules.
        if tf.executing_eagerly() and self.fell_back:
            return self.fallback.learning_rate
        return self._get_current_learning_rate()

    @learning_rate.setter
    def learning_rate(self, value):
        keras.optimizers.Optimizer.learning_rate.fset(self, value)
        if tf.executing_eagerly() and self.fell_back:
            self._reporter.say(
                "rate",
                f"{self.name}: learning_rate is that of the learned rule, and "
                "the fallback is at work; its own is fallback.learning_rate.",
            )

    @property
    def diagnostics(self) -> dict[str, tf.Tensor]:
        """Numbers about the last step, and how many steps were skipped.

        `update_norm` is the proposed update's, before the learning rate;
        `cosine` is that of the angle between it and the gradient. Once the
        fallback has taken over, they tell of what it does.
        """
        self._check_built()
        values = tf.unstack(self._part.diagnostics())
        return dict(zip(diagnostics_lib.NAMES, values, strict=True))

    @property
    def state(self) -> list[keras.Variable]:
        """The learned rules' state, columns along the last axis."""
        self._check_built()
        return [variable for part in self.rule_parts for variable in part.state]

    def describe(self) -> str:
        """Returns what the optimizer is, was trained on, and beat."""
        return self._part.describe()

    def also_restore(self, variables: Sequence[keras.Variable]) -> None:
        """Takes further variables that each of the two runs has for itself.

        Give it `model.non_trainable_variables` where batch normalisation keeps
        moving statistics, and there is a fallback. A model from a `.keras`
        file needs them once more, before it goes on training.

        Args:
            variables: Variables of floating point numbers; others are left as
                they are.

        Raises:
            ValueError: If training has begun, or there is no fallback.
        """
        if self.fallback is None:
            raise ValueError(f"{self.name} has no fallback.")
        self._part.also_restore(self, list(variables))

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Creates the state of all parts.

        Args:
            variables: The model's trainable variables.

        Raises:
            ValueError: If a variable's shape does not fit its rule, a variable
                has no route or a route no variable, or the state does not fit
                into memory.
        """
        if self.built:
            return
        variables = list(variables)
        self._part.build(self, variables)
        super().build(variables)
        self._losses = self.add_variable(
            (3,),
            dtype="float32",
            aggregation="only_first_replica",
            name="losses",
        )
        self._part.begin(self, variables)
        if self.fallback is None:
            self._reporter.warn_beyond(self.rule_parts, self.steps or 0)

    def add_variable(self, *args, name=None, **kwargs) -> keras.Variable:
        """See base class; parts may ask for the same name."""
        return super().add_variable(*args, name=self._unique(name), **kwargs)

    def get_config(self) -> dict[str, Any]:
        """See base class."""
        fallback, settings = self._part.fallback, self._part.settings
        return {
            **super().get_config(),
            "optimizer": self._part.config(),
            "routes": self._saved_routes and dict(self._saved_routes),
            "fallback": fallback and fallback.config(),
            "trial": settings and settings._asdict(),
            "state_dtype": self.state_dtype,
            "nonfinite": self.nonfinite,
            "jit_compile": self.jit_compile,
            "steps": self.steps,
        }

    def scale_loss(self, loss: tf.Tensor) -> tf.Tensor:
        """Takes note of the loss; see base class."""
        self.take_note(loss)
        return super().scale_loss(loss)

    def take_note(self, loss: tf.Tensor) -> None:
        """Takes the loss that the next gradients are those of."""
        # What has several losses is differentiated as their sum.
        self._loss.assign(tf.reduce_sum(tf.cast(loss, "float32")))
        self._was_told = True

    def settle(self) -> None:
        """Ends a step, also one that an optimizer around this left out."""
        loss, is_known = self.loss()
        if self.built:
            self._part.leave_out(tf.where(is_known, loss, 0.0))
        self._loss.assign(_UNKNOWN)

    def loss(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the loss of the step that is made, and whether it is known.

        It may come from another graph than the one that makes the step.
        """
        loss = tf.convert_to_tensor(self._loss.value)
        return loss, tf.not_equal(loss, _UNKNOWN)

    def apply(self, grads, trainable_variables=None) -> None:
        """See base class."""
        grads = list(grads)
        if trainable_variables is not None:
            trainable_variables = list(trainable_variables)
        _check_shapes(grads, trainable_variables or self._trainable_variables)
        is_told = self._was_told
        if tf.executing_eagerly():
            is_told = is_told and bool(self.loss()[1])
        if grads and self.fallback is not None and not is_told:
            self._reporter.say(
                "loss",
                f"{self.name}: the fallback is not at work, since it needs the "
                "loss of each step: call loss = optimizer.scale_loss(loss) "
                "under the tape, as fit does.",
            )
        super().apply(grads, trainable_variables)
        # What is left of a loss tells that a step was left out.
        self._loss.assign(_UNKNOWN)
        if tf.executing_eagerly():
            self.report()

    def exclude_from_weight_decay(self, var_list=None, var_names=None) -> None:
        """See base class; holds for all parts."""
        for optimizer in (super(), *self._part.optimizers()):
            optimizer.exclude_from_weight_decay(var_list, var_names)

    def finalize_variable_values(self, var_list) -> None:
        """See base class; called at the end of `fit`."""
        self._part.end(self)
        super().finalize_variable_values(var_list)
        self.report()

    def load_own_variables(self, store) -> None:
        """See base class; another optimizer's variables are left out."""
        ours = [tuple(variable.shape) for variable in self.variables]
        names = sorted(store.keys(), key=int)
        theirs = [tuple(store[name].shape) for name in names]
        if len(ours) == len(theirs) and ours != theirs:
            warnings.warn(
                f"Skipping variable loading for optimizer {self.name!r}: the "
                "saved variables have other shapes, as those of another "
                "optimizer have.",
                stacklevel=2,
            )
            return
        has_two = self.built and self.fallback is not None
        more = theirs[len(ours) :] if has_two else []
        if more and theirs[: len(ours)] == ours:
            more = [np.asarray(store[name]) for name in names[len(ours) :]]
            self._part.await_more(more)
            store = {name: store[name] for name in names[: len(ours)]}
            warnings.warn(
                f"{self.name}: each run had {len(more)} further variables of "
                "its own; give them to also_restore before training goes on.",
                stacklevel=2,
            )
        super().load_own_variables(store)
        if self.built:
            self._reporter.forget(
                int(self.diagnostics["skipped_steps"]), self.fell_back
            )

    def report(self) -> None:
        """Warns, once, of what a user should know about the run so far.

        That is of skipped steps, a run far beyond the horizon, a loss that
        explodes, and a fallback that has taken over. Called at the end of
        `fit`, in loops that run eagerly and by `LearnedOptimizerMonitor`; a
        compiled loop of your own calls it.

        Raises:
            FloatingPointError: If steps were skipped since the last report,
                and `nonfinite` is "raise".
        """
        if self.built:
            seen = self.diagnostics
            self._reporter.report(
                reports.Run(
                    steps=int(keras.ops.convert_to_numpy(self.iterations)),
                    skipped=int(seen["skipped_steps"]),
                    rules=self.rule_parts,
                    losses=keras.ops.convert_to_numpy(self._losses),
                    fallback=self.fallback and self.fallback.name,
                    fell_back=self.fell_back,
                    told=self.steps,
                    update_norm=float(seen["update_norm"]),
                )
            )

    def key_of(self, variable) -> Any:
        """Returns what stands for a variable in dictionaries."""
        return self._var_key(variable)

    def decay_of(self, variable) -> float | None:
        """Returns the weight decay of a variable, None if it has none."""
        return self.weight_decay if self._use_weight_decay(variable) else None

    def adopt(self, variable: keras.Variable) -> None:
        """Takes a variable of an optimizer inside as one of its own."""
        self._track_variable(variable)

    def forget_gradients(self) -> None:
        """Drops the gradients of a step that is accumulated in part."""
        if self.gradient_accumulation_steps:
            self._backend_reset_gradient_accumulators()

    def moving_averages(self) -> list[keras.Variable | None]:
        """Returns the variables' moving averages, if there are any."""
        return getattr(self, "_model_variables_moving_average", [])

    def __dir__(self):
        # Keras saves the optimizers that it finds here once more.
        return sorted({*super().__dir__()} - {"fallback", "optimizers"})

    # A checkpoint of TensorFlow knows objects by their names. Those of another
    # optimizer, or of one made otherwise, are none of ours: its state is left
    # out, where it would not fit or, worse, would.
    def _trackable_children(self, save_type="checkpoint", **kwargs):
        """Returns what a checkpoint holds, by names of this kind alone."""
        children = super()._trackable_children(save_type, **kwargs)
        if save_type != "checkpoint":
            return children
        kind = self._kind()
        return {f"{name}_{kind}": child for name, child in children.items()}

    def _kind(self) -> str:
        """Returns a digest of what decides which state there is."""
        made_of = [
            [part.rule.config() for part in self.rule_parts],
            [type(optimizer).__name__ for optimizer in self._part.optimizers()],
            self.fallback is not None,
            self.state_dtype,
        ]
        text = json.dumps(made_of, sort_keys=True, default=repr)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def _unique(self, name: str | None) -> str | None:
        """Returns a name that no variable has; HDF5 needs such."""
        taken = {variable.name for variable in self.variables}
        candidates = (f"{name}_{number}" for number in itertools.count(1))
        while name in taken:
            name = next(candidates)
        return name

    def _check_built(self) -> None:
        if not self.built:
            raise ValueError(
                f"{self.name} has no state before its first step; call "
                "build(model.trainable_variables) to make one."
            )

    def _apply_weight_decay(self, variables) -> None:
        """Leaves the decay to the parts, which may skip a step."""

    def _backend_apply_gradients(self, grads, trainable_variables) -> None:
        """Ends the step after Keras has averaged parameters."""
        super()._backend_apply_gradients(grads, trainable_variables)
        self._part.finish()

    # Keras has no public hook for all variables at once: `update_step` gets
    # one of them.
    def _backend_update_step(
        self, grads, trainable_variables, learning_rate
    ) -> None:
        """Moves all variables."""
        loss, is_known = self.loss()
        before = tf.convert_to_tensor(self._losses.value)
        self._losses.assign(
            tf.where(is_known, losses.follow(before, loss), before)
        )
        self._part.step(self, grads, trainable_variables, learning_rate)


def _check_rate(value: Any) -> Any:
    """Returns a learning rate as Keras takes it."""
    if callable(value) or isinstance(value, str):
        return value
    checks.number("learning_rate", value, 0)
    if 0 < value <= _LIKE_ADAM:
        warnings.warn(
            f"learning_rate is a factor on the rule's own step sizes, not a "
            f"rate like Adam's; received {value!r}, where 1.0 is usual.",
            stacklevel=3,
        )
    return float(value)


def _check_shapes(gradients: Sequence[Any], variables: Sequence[Any]) -> None:
    if variables and len(gradients) not in (0, len(variables)):
        raise ValueError(
            "Each variable needs one gradient, or None; received "
            f"{len(gradients)} gradients for {len(variables)} variables."
        )
    for gradient, variable in zip(gradients, variables, strict=False):
        shape = tf.TensorShape(getattr(gradient, "shape", None))
        if gradient is not None and not shape.is_compatible_with(
            variable.shape
        ):
            raise ValueError(
                f"The gradient of {parts.path_of(variable)!r} must have the "
                f"variable's shape, {tuple(variable.shape)}; received one of "
                f"shape {shape}."
            )
