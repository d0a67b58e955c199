"""What the suite's runs amount to: ratios, steps, wins; and their tables.

Everything is measured against Adam at Keras's own rate of 0.001, `REFERENCE`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from l2l_tf.evaluation import learning_curves

REFERENCE = "Adam at 0.001"
NOT_REACHED = 2.0
"""Stands for the share of a run where its end does not suffice."""

_EXPLAINED = (
    "Losses are those of the last tenth of the steps, ratios and shares "
    "geometric means over problems. The share of steps is what it takes until "
    f"the final loss of {REFERENCE} is reached; never counts as "
    f"{100 * NOT_REACHED:.0f} %."
)

_DIVERGED = 2.0  # times the reference's loss

Curves = Mapping[str, np.ndarray]
"""For each problem the losses of its runs, shape [seeds, steps]."""


def best_single(
    trials: Mapping[float, Curves], reference: Curves
) -> tuple[Curves, dict[str, float]]:
    """Chooses one rate for all problems: of the least geometric mean.

    Args:
        trials: The runs, by rate.
        reference: Those of `REFERENCE`.

    Returns:
        The runs at the rate, and the rate for each problem.
    """

    def score(rate):
        return geometric_mean(
            [
                _ratio(curves, reference[name])
                for name, curves in trials[rate].items()
            ]
        )

    rate = min(trials, key=score)
    return trials[rate], dict.fromkeys(trials[rate], rate)


def searched(
    trials: Mapping[float, Curves],
) -> tuple[Curves, dict[str, float]]:
    """Chooses a rate for each problem: that of the least final loss."""
    rates = {
        name: min(
            trials,
            key=lambda rate: learning_curves.mean_of_last_tenth(
                trials[rate][name]  # noqa: B023
            ),
        )
        for name in next(iter(trials.values()))
    }
    return {name: trials[rate][name] for name, rate in rates.items()}, rates


def measure(
    entrants: Mapping[str, Curves],
    rates: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    """Returns what entrants have reached after one number of steps.

    Args:
        entrants: Runs by entrant; `REFERENCE` is among them.
        rates: The rates of hand-designed ones by problem.

    Returns:
        Plain values, for each entrant: `learned`, False; `problems`, with
        `loss` (the mean over the last tenth and all seeds), `ratio` to the
        reference's, `share` of the run until that was reached (None if never),
        `diverged` (a ratio above 2, or a loss that is no number) and `rate`;
        `ratios`, the geometric means of its losses' ratios to those of each
        entrant; `won`, the share of problems with a lower loss than each
        entrant's; `share`, the geometric mean with `NOT_REACHED` for never;
        `reached` and `divergences`, numbers of problems.
    """
    reference = entrants[REFERENCE]
    losses = {
        entrant: {
            name: learning_curves.mean_of_last_tenth(curves[name])
            for name in reference
        }
        for entrant, curves in entrants.items()
    }
    results: dict[str, Any] = {}
    for entrant, curves in entrants.items():
        problems = {}
        for name in reference:
            ratio = _ratio(curves[name], reference[name])
            problems[name] = {
                "loss": losses[entrant][name],
                "ratio": ratio,
                "share": share_to_reach(curves[name], losses[REFERENCE][name]),
                "diverged": not (
                    np.all(np.isfinite(curves[name])) and ratio <= _DIVERGED
                ),
                "rate": rates.get(entrant, {}).get(name),
            }
        shares = [problem["share"] for problem in problems.values()]
        results[entrant] = {
            "learned": False,
            "problems": problems,
            "ratios": {
                other: geometric_mean(
                    [
                        _ratio(curves[name], entrants[other][name])
                        for name in reference
                    ]
                )
                for other in entrants
            },
            "won": {
                other: float(
                    np.mean(
                        [
                            losses[entrant][name] < losses[other][name]
                            for name in reference
                        ]
                    )
                )
                for other in entrants
            },
            "share": geometric_mean(
                [NOT_REACHED if share is None else share for share in shares]
            ),
            "reached": sum(share is not None for share in shares),
            "divergences": sum(p["diverged"] for p in problems.values()),
        }
    return results


def share_to_reach(curves: np.ndarray, loss: float) -> float | None:
    """Returns which share of a run it takes until a loss is reached.

    Args:
        curves: Shape [seeds, steps].
        loss: A final loss. It is reached where the mean of all seeds' losses,
            over as many steps as a final loss is a mean of, is as low.

    Returns:
        A share up to 1, or None if it is never reached.
    """
    mean = np.mean(curves, axis=0)
    steps = len(mean)
    width = math.ceil((steps - 1) / 10)
    # One at a time, since a sum over all would carry an infinity along.
    windows = np.lib.stride_tricks.sliding_window_view(mean, width)
    reached = np.flatnonzero(windows.mean(axis=1) <= loss * (1 + 1e-6))
    return float((reached[0] + width) / steps) if len(reached) else None


def geometric_mean(values: Sequence[float]) -> float:
    """Returns the geometric mean of numbers, none of them below 0."""
    with np.errstate(divide="ignore"):
        return float(np.exp(np.mean(np.log(values))))


def markdown(results: Mapping[str, Any]) -> str:
    """Returns the tables of all lengths, for people to read.

    Args:
        results: What `l2l_tf.evaluation.suite.run` returned.

    Returns:
        For each number of steps a table of entrants and one of problems.
    """
    return "\n\n".join(
        f"## {steps} steps, {results['num_seeds']} "
        f"{'seed' if results['num_seeds'] == 1 else 'seeds'}\n\n"
        f"{_summary(entrants)}\n\n{_EXPLAINED}\n\n{_problems(entrants)}"
        for steps, entrants in results["lengths"].items()
    )


def _summary(entrants: Mapping[str, Any]) -> str:
    others = [name for name in entrants if name.startswith("Adam at")]
    head = [
        "entrant",
        *(f"loss to {other}" for other in others),
        f"won against {REFERENCE}",
        "share of steps",
        "divergences",
    ]
    rows = []
    for name, found in entrants.items():
        count = len(found["problems"])
        won = round(found["won"][REFERENCE] * count)
        rows.append(
            [
                name,
                *(_number(found["ratios"][other]) for other in others),
                f"{won} of {count}",
                f"{_percent(found['share'])} ({found['reached']} reached)",
                str(found["divergences"]),
            ]
        )
    return _table(head, rows)


def _problems(entrants: Mapping[str, Any]) -> str:
    rows = []
    for name in entrants[REFERENCE]["problems"]:
        row = [name]
        for found in entrants.values():
            own = found["problems"][name]
            share = "never" if own["share"] is None else _percent(own["share"])
            rate = "" if own["rate"] is None else f", rate {own['rate']:g}"
            row.append(
                f"{_number(own['loss'], 4)} ({_number(own['ratio'])}, "
                f"{share}{rate})"
            )
        rows.append(row)
    return _table(["problem: loss (ratio, steps)", *entrants], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}g}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _ratio(curves: np.ndarray, reference: np.ndarray) -> float:
    ours, theirs = (
        # A loss of zero has no ratio.
        max(learning_curves.mean_of_last_tenth(c), 1e-12)
        for c in (curves, reference)
    )
    return ours / theirs if math.isfinite(ours) else math.inf
