"""How to meta-train: plain values, checked."""

from __future__ import annotations

import dataclasses
import math

from l2l_tf.core import checks
from l2l_tf.meta_gradients import meta_loss

SCHEDULES = ("constant", "cosine")
META_GRADIENTS = ("replay", "autodiff")


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to meta-train. An epoch is one run of `num_steps` updates.

    Attributes:
        num_epochs: Epochs in all.
        num_steps: Updates of the optimizee per run.
        unroll_length: Updates per unroll; phi takes one step after each.
        learning_rate: Adam's learning rate on phi.
        learning_rate_schedule: `"constant"`, or `"cosine"` for a decay to
            zero at the last epoch.
        gradient_clip_norm: Greatest norm of the meta-gradient; None for none.
        batch_size: Optimizees per meta-step, whose gradients are averaged.
        second_derivatives: Whether to differentiate through the optimizee's
            gradients.
        meta_gradient: `"replay"` or `"autodiff"`, see
            `l2l_tf.meta_gradients`; None for replay wherever it is valid.
        coordinate_fraction: The share of coordinates that replay draws for
            each unroll; with less than 1 meta-gradients are estimates.
        jit_compile: Whether XLA compiles replay and validation.
        step_weights: The weights w_t, see `l2l_tf.meta_gradients.meta_loss`.
        evaluation_period: Epochs between two validations.
        evaluation_epochs: Runs per validation.
        log_period: Epochs between two log lines.
        patience: Validations without a new best after which training stops;
            None for never.
        max_skips_in_a_row: Updates with a meta-loss that is not finite, one
            after the other, that end training with an error.
        seed: Seed of all randomness.
    """

    num_epochs: int = 10_000
    num_steps: int = 100
    unroll_length: int = 20
    learning_rate: float = 0.001
    learning_rate_schedule: str = "constant"
    gradient_clip_norm: float | None = None
    batch_size: int = 1
    second_derivatives: bool = False
    meta_gradient: str | None = None
    coordinate_fraction: float = 1.0
    jit_compile: bool = True
    step_weights: str | tuple[float, ...] = "constant"
    evaluation_period: int = 1_000
    evaluation_epochs: int = 20
    log_period: int = 100
    patience: int | None = None
    max_skips_in_a_row: int = 100
    seed: int = 0

    def __post_init__(self):
        """Refuses what makes no sense."""
        for name in (
            "num_epochs",
            "num_steps",
            "unroll_length",
            "batch_size",
            "evaluation_period",
            "evaluation_epochs",
            "log_period",
            "max_skips_in_a_row",
        ):
            checks.integer(name, getattr(self, name))
        checks.integer("seed", self.seed, minimum=0)
        checks.number("learning_rate", self.learning_rate, minimum=0.0)
        if self.gradient_clip_norm is not None:
            checks.number(
                "gradient_clip_norm", self.gradient_clip_norm, 0.0, above=True
            )
        if self.patience is not None:
            checks.integer("patience", self.patience)
        if self.num_steps % self.unroll_length:
            raise ValueError(
                "num_steps must be a multiple of unroll_length; received "
                f"{self.num_steps} and {self.unroll_length}."
            )
        if self.learning_rate_schedule not in SCHEDULES:
            raise ValueError(
                f"Unknown learning_rate_schedule "
                f"{self.learning_rate_schedule!r}; accepted: {list(SCHEDULES)}."
            )
        meta_loss.step_weights(self.step_weights, self.unroll_length)
        self._check_meta_gradient()

    @property
    def uses_replay(self) -> bool:
        """Whether meta-gradients are replayed."""
        if self.meta_gradient is None:
            return not self.second_derivatives
        return self.meta_gradient == "replay"

    def _check_meta_gradient(self) -> None:
        if self.meta_gradient not in (None, *META_GRADIENTS):
            raise ValueError(
                f"Unknown meta_gradient {self.meta_gradient!r}; accepted: "
                f"{list(META_GRADIENTS)}."
            )
        if self.uses_replay and self.second_derivatives:
            raise ValueError(
                "meta_gradient='replay' with second_derivatives is not "
                "possible: replay rests on the optimizee's gradients being "
                "held constant; use meta_gradient='autodiff'."
            )
        checks.number(
            "coordinate_fraction", self.coordinate_fraction, 0.0, above=True
        )
        if self.coordinate_fraction > 1.0:
            raise ValueError(
                "coordinate_fraction must be at most 1; received "
                f"{self.coordinate_fraction!r}."
            )
        if self.coordinate_fraction < 1.0 and not self.uses_replay:
            raise ValueError(
                f"coordinate_fraction={self.coordinate_fraction!r} needs "
                "meta_gradient='replay'; autodiff takes all coordinates."
            )

    def learning_rate_at(self, epoch: int) -> float:
        """Returns Adam's learning rate during an epoch, counted from 0."""
        if self.learning_rate_schedule == "constant":
            return self.learning_rate
        phase = math.pi * epoch / self.num_epochs
        return self.learning_rate * 0.5 * (1.0 + math.cos(phase))
