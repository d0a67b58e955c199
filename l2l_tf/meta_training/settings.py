"""How to meta-train: plain values, each with its help text and its check.

Scripts make their flags from these fields. Nothing here imports TensorFlow
before values are checked, so that `--help` need not wait for it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
from collections.abc import Mapping
from typing import Any

from l2l_tf.core import checks
from l2l_tf.core import registry
from l2l_tf.meta_gradients import registry as meta_gradients
from l2l_tf.meta_training import conversions

_MAX_LANES = 16


def _setting(
    default: Any,
    help_text: str,
    convert: conversions.Convert,
    alias: str | None = None,
    of_estimator: bool = False,
) -> Any:
    """Returns a dataclass field.

    Args:
        default: The value where none is given.
        help_text: What the setting is, in a sentence for users.
        convert: Called with the name and a value; returns the value to keep,
            or raises a ValueError.
        alias: An older name, still accepted.
        of_estimator: Whether it is an option of estimators of the
            meta-gradient, and refused where the chosen one lacks it.
    """
    return dataclasses.field(
        default=default,
        metadata={
            "help": help_text,
            "convert": convert,
            "alias": alias,
            "of_estimator": of_estimator,
        },
    )


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to meta-train. A run is `num_steps` updates of an optimizee.

    Each field's metadata holds its help text (`help`).
    """

    num_epochs: int = _setting(10_000, "Number of runs.", checks.integer)
    num_steps: int = _setting(
        100,
        "Updates of the optimizee per run.",
        # An int32 counts the evaluations, one more.
        functools.partial(checks.integer, maximum=checks.MAX_INT32 - 1),
    )
    unroll_length: int = _setting(
        20, "Updates per unroll; divides num_steps.", checks.integer
    )
    min_steps: int | None = _setting(
        None,
        "Least updates per run, a multiple of unroll_length: the length of "
        "each run is drawn between it and num_steps, log-uniformly. Default: "
        "always num_steps.",
        conversions.optional(checks.integer),
    )
    max_unrolls: int | None = _setting(
        None,
        "Most unrolls of a run that are trained on, from a place in the run "
        "that is drawn; the steps before it are made without. Default: all.",
        conversions.optional(checks.integer),
    )
    learning_rate: float = _setting(
        0.001,
        "Adam's learning rate on phi.",
        functools.partial(conversions.float32, zero=True),
    )
    learning_rate_schedule: str = _setting(
        "constant",
        "constant, or cosine: decay to zero at the last run.",
        conversions.schedule,
    )
    gradient_clip_norm: float | None = _setting(
        None,
        "Greatest norm of the meta-gradient. Default: no limit.",
        conversions.optional(conversions.float32),
    )
    num_optimizees: int = _setting(
        1,
        "Optimizees per meta-step, whose meta-gradients are averaged.",
        checks.integer,
        alias="batch_size",
    )
    second_derivatives: bool = _setting(
        False,
        "Differentiate through the optimizee's gradients.",
        checks.boolean,
        of_estimator=True,
    )
    meta_gradient: str | None = _setting(
        None,
        "How the meta-gradient is estimated, such as autodiff, replay (as "
        "exact, faster, less memory) or es (evolution strategies; an unknown "
        "name prints the list). Default: replay, and autodiff with "
        "second_derivatives.",
        conversions.optional(conversions.meta_gradient),
    )
    meta_gradient_options: str | Mapping[str, Any] = _setting(
        "",
        "Options that the estimator of the meta-gradient has beside these "
        "settings, as JSON or key=value pairs separated by commas.",
        conversions.options,
    )
    coordinate_fraction: float = _setting(
        1.0,
        "Share of the coordinates that replay draws for each unroll; with less "
        "than 1 meta-gradients are unbiased estimates.",
        conversions.fraction,
        of_estimator=True,
    )
    num_lanes: int | None = _setting(
        None,
        "Shares of the coordinates that are replayed side by side; kept with "
        "the experiment, since sums differ in rounding with their number. "
        f"Default: one for each core of the machine, at most {_MAX_LANES}; one "
        "on a GPU.",
        conversions.optional(checks.integer),
        of_estimator=True,
    )
    num_pairs: int = _setting(
        16,
        "Pairs of perturbed rules, phi + e and phi - e, per unroll of es and "
        "pes.",
        checks.integer,
        of_estimator=True,
    )
    perturbation_std: float = _setting(
        0.01,
        "Standard deviation of the perturbations e of es and pes.",
        conversions.float32,
        of_estimator=True,
    )
    jit_compile: bool = _setting(
        True,
        "Let XLA compile unrolls, replay and validation; false for an "
        "optimizee that XLA cannot compile.",
        checks.boolean,
    )
    step_weights: str | tuple[float, ...] = _setting(
        "constant",
        "Factors w_t of the losses of one unroll: constant, rising, last, or a "
        "list of unroll_length + 1 numbers.",
        conversions.step_weights,
    )
    evaluation_period: int = _setting(
        1_000, "Runs between two validations.", checks.integer
    )
    evaluation_epochs: int = _setting(
        20, "Runs per validation.", checks.integer
    )
    log_period: int = _setting(
        100, "Runs between two log lines.", checks.integer
    )
    patience: int | None = _setting(
        None,
        "Stop after this many validations without a new best. Default: never.",
        conversions.optional(checks.integer),
    )
    max_skips_in_a_row: int = _setting(
        100,
        "Updates skipped one after the other, since the meta-loss or its "
        "gradient was not finite, that end training with an error.",
        checks.integer,
    )
    seed: int = _setting(0, "Seed of all randomness.", checks.seed)

    def __post_init__(self):
        """Converts values, and refuses what makes no sense."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            value = field.metadata["convert"](field.name, value)
            object.__setattr__(self, field.name, value)
        if self.num_steps % self.unroll_length:
            raise ValueError(
                "num_steps must be a multiple of unroll_length; received "
                f"{self.num_steps} and {self.unroll_length}."
            )
        if self.min_steps is not None and (
            self.min_steps % self.unroll_length
            or self.min_steps > self.num_steps
        ):
            raise ValueError(
                "min_steps must be a multiple of unroll_length, at most "
                f"num_steps; received {self.min_steps}, {self.unroll_length} "
                f"and {self.num_steps}."
            )
        from l2l_tf.meta_gradients import meta_loss

        meta_loss.step_weights(self.step_weights, self.unroll_length)
        self._check_estimator_options()

    @property
    def estimator(self) -> str:
        """The name of the estimator of the meta-gradient."""
        default = "autodiff" if self.second_derivatives else "replay"
        return self.meta_gradient or default

    @property
    def estimator_options(self) -> dict[str, Any]:
        """The settings that are options of the estimator, and its own."""
        accepted = registry.accepted(
            meta_gradients.ESTIMATORS.get(self.estimator)
        )
        names = [field.name for field in dataclasses.fields(self)]
        settings = {n: getattr(self, n) for n in names if n in accepted}
        return {**settings, **self.meta_gradient_options}

    def resolved(self) -> Settings:
        """Returns the same settings with what depends on the machine fixed."""
        options = self.estimator_options
        if options.get("num_lanes", 1) is not None:
            return self
        import tensorflow as tf

        # A GPU works at all coordinates side by side by itself.
        has_gpu = bool(tf.config.list_physical_devices("GPU"))
        cores = 1 if has_gpu else min(os.cpu_count() or 1, _MAX_LANES)
        return dataclasses.replace(self, num_lanes=cores)

    def learning_rate_at(self, run: int) -> float:
        """Returns Adam's learning rate during a run, counted from 0."""
        if self.learning_rate_schedule == "constant":
            return self.learning_rate
        phase = math.pi * run / self.num_epochs
        return self.learning_rate * 0.5 * (1.0 + math.cos(phase))

    def _check_estimator_options(self) -> None:
        estimators = meta_gradients.ESTIMATORS
        chosen = estimators.get(self.estimator)
        accepted = registry.accepted(chosen)
        given = self.meta_gradient_options
        fields = {field.name for field in dataclasses.fields(self)}
        for name in sorted(fields & set(given)):
            raise ValueError(
                f"{name} is a setting of its own, and no option in "
                f"meta_gradient_options; received {given!r}."
            )
        registry.check_options(
            f"meta_gradient={self.estimator!r}",
            given,
            sorted(set(accepted) - fields),
        )
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            is_lacking = (
                field.metadata["of_estimator"] and field.name not in accepted
            )
            if is_lacking and value != field.default:
                takers = [
                    name
                    for name in estimators.names()
                    if field.name in registry.accepted(estimators.get(name))
                ]
                reason = chosen.reasons.get(field.name)
                raise ValueError(
                    f"{field.name}={value!r} does not go with meta_gradient="
                    f"{self.estimator!r}{f': {reason}' if reason else ''}; use "
                    f"meta_gradient={' or '.join(map(repr, takers))}."
                )


def make(values: Mapping[str, Any]) -> Settings:
    """Returns settings from names and values, older names included.

    Raises:
        ValueError: If a name is unknown or given twice, or a value is refused.
    """
    names = [field.name for field in dataclasses.fields(Settings)]
    aliases = {
        field.metadata["alias"]: field.name
        for field in dataclasses.fields(Settings)
        if field.metadata["alias"]
    }
    registry.check_options("meta-training", values, [*names, *aliases])
    for alias, name in aliases.items():
        if alias in values and name in values:
            raise ValueError(
                f"{alias} is an older name of {name}; give one of them."
            )
    return Settings(**{aliases.get(k, k): v for k, v in values.items()})
