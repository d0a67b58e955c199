"""How a learned run is compared with a fallback's: what a user may set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from l2l_tf.core import checks


class Settings(NamedTuple):
    """How two runs are compared.

    Attributes:
        steps: Steps of each after which runs are compared.
        obvious: Difference of the losses, relative to the lower one, that
            decides at half of these steps.
        clear: Difference that decides from then on; also how far the learned
            run may later be above what is expected of the fallback.
        run_length: Steps that training is thought to take at least.
        price: What a comparison may cost, as a share of the final loss; while
            it costs less, and is not clear, both make as many steps again.
        smoothing: Weight of the past in the running means of the losses.
        trusted: Steps after which the learned run counts as one that fits the
            problem, if it is not behind what is expected of the fallback: it
            then returns to a point of its own, if it fails.
        tolerance: How far its loss may be above that point's, relative to it.
        patience: Steps in a row that it may be.
    """

    steps: int = 40
    obvious: float = 3.0
    clear: float = 0.15
    run_length: int = 1000
    price: float = 0.03
    smoothing: float = 0.9
    trusted: int = 200
    tolerance: float = 1.0
    patience: int = 20


def make_settings(values: Mapping[str, Any] | Settings | None) -> Settings:
    """Returns settings, after checking them.

    Raises:
        ValueError: If one is unknown or out of range.
    """
    if isinstance(values, Settings):
        values = values._asdict()
    if not isinstance(values, (Mapping, type(None))):
        raise ValueError(
            f"trial must map names to numbers; received {values!r}."
        )
    unknown = sorted(set(values or {}) - set(Settings._fields))
    if unknown:
        raise ValueError(
            f"Unknown settings {unknown} for trial; accepted: "
            f"{list(Settings._fields)}."
        )
    settings = Settings(**(values or {}))
    checked: dict[str, float] = {}
    for name in ("steps", "run_length", "trusted", "patience"):
        checked[name] = checks.integer(name, getattr(settings, name))
    for name in ("obvious", "clear", "price", "smoothing", "tolerance"):
        checked[name] = float(checks.number(name, getattr(settings, name), 0))
    settings = Settings(**checked)
    if settings.smoothing >= 1:
        raise ValueError(
            f"smoothing must be below 1; received {settings.smoothing!r}."
        )
    return settings
