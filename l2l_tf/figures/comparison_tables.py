"""Tables of comparisons: the paper's numbers, ours, the baselines'.

A panel is a mapping, as `l2l_tf.figures.comparisons.Comparisons.run` returns
it or as it was read from JSON, which has null for NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from l2l_tf.evaluation import plot_styles
from l2l_tf.figures import markdown

Panel = Mapping[str, Any]

_EARLY_STEP = 20
"""A step at which the paper's curves are far apart."""


def tables(
    panels: Sequence[Panel], reference: str, steps: Sequence[int] = ()
) -> str:
    """Returns all tables of a figure.

    Args:
        panels: Its panels.
        reference: A baseline to compare with all along the run.
        steps: Steps at which everything is told, too.
    """
    parts = [
        summary(panels, reference),
        "Losses of all optimizers in the last tenth, and baselines' rates:",
        losses(panels),
    ]
    for metric in _metrics(panels):
        parts += [
            f"The same for {metric}:",
            _of_all(panels, lambda found, m=metric: _metric(found, m)),
        ]
    if steps:
        parts += [
            "Means over the tenth of the steps that ends with the one named:",
            at_steps(panels, steps),
        ]
    return "\n\n".join(parts)


def summary(panels: Sequence[Panel], reference: str) -> str:
    """Returns a table of the learned optimizers beside the best baseline."""
    metrics = _metrics(panels)
    head = [
        *("", "split", "runs", "optimizer", f"step {_EARLY_STEP}"),
        *("last tenth", *metrics, "paper", "best baseline (rate)"),
        *(*(f"its {metric}" for metric in metrics), "ratio"),
        f"worst tenth to {plot_styles.label(reference)}'s",
        "paper's best baseline",
    ]
    rows = []
    for panel in panels:
        optimizers = panel["results"]["optimizers"]
        best = optimizers.get(best_baseline(optimizers))
        for name, found in optimizers.items():
            if not found["learned"]:
                continue
            rows.append(
                [
                    *_where(panel),
                    name,
                    _early(found),
                    markdown.loss_and_error(
                        found["last_tenth"], found["last_tenth_sem"]
                    ),
                    *(_metric(found, metric) for metric in metrics),
                    markdown.number(panel["paper"]),
                    _baseline(optimizers),
                    *(_metric(best, metric) for metric in metrics),
                    markdown.ratio(
                        found["last_tenth"], best and best["last_tenth"]
                    ),
                    markdown.ratio(
                        *worst_tenth(found, optimizers.get(reference))
                    ),
                    markdown.number(panel["paper_baseline"]),
                ]
            )
    return markdown.table(head, rows)


def losses(panels: Sequence[Panel]) -> str:
    """Returns a table of every optimizer's loss in the last tenth."""

    def cell(found: Mapping[str, Any]) -> str:
        rate = found["learning_rate"]
        loss = markdown.loss(found["last_tenth"])
        return loss if rate is None else f"{loss} ({rate:.2g})"

    return _of_all(panels, cell)


def at_steps(panels: Sequence[Panel], steps: Sequence[int]) -> str:
    """Returns a table of every optimizer's loss and metrics along the run.

    Args:
        panels: Panels.
        steps: The ends of the tenths over which means are taken.
    """
    metrics = _metrics(panels)
    named = [(name, step) for name in ("loss", *metrics) for step in steps]
    head = ["", "split", "runs", "optimizer"]
    head += [f"{name}, step {step}" for name, step in named]
    rows = []
    for panel in panels:
        for label, found in panel["results"]["optimizers"].items():
            curves = {"loss": found, **found.get("metrics", {})}
            cells = [
                _mean_until(curves.get(name, {}).get("mean", ()), step)
                for name, step in named
            ]
            rows.append([*_where(panel), label, *cells])
    return markdown.table(head, rows)


def numbers(panel: Panel, name: str) -> dict[str, Any]:
    """Returns what a panel shows of an optimizer and the best baseline."""
    optimizers = panel["results"]["optimizers"]
    found = optimizers[name]
    baseline = best_baseline(optimizers)
    best = optimizers.get(baseline, {})
    return {
        **{k: panel["results"][k] for k in ("split", "num_steps", "num_runs")},
        "step_20": _at(found["mean"], _EARLY_STEP),
        "last_step": found["mean"][-1],
        "last_tenth": found["last_tenth"],
        "last_tenth_sem": found["last_tenth_sem"],
        "best_baseline": baseline,
        "baseline_rate": best.get("learning_rate"),
        "baseline_last_tenth": best.get("last_tenth"),
        "paper": panel["paper"],
        "metrics": {
            metric: {
                "last_tenth": values["last_tenth"],
                "last_tenth_sem": values["last_tenth_sem"],
                "baseline_last_tenth": best.get("metrics", {})
                .get(metric, {})
                .get("last_tenth"),
            }
            for metric, values in found.get("metrics", {}).items()
        },
    }


def best_baseline(optimizers: Mapping[str, Any]) -> str | None:
    """Returns the baseline of the least loss; diverged ones come last.

    References are no baselines.

    Args:
        optimizers: Results by name.

    Returns:
        Its name, None if there are no baselines.
    """
    found = {
        name: result["last_tenth"]
        if markdown.is_finite(result["last_tenth"])
        else np.inf
        for name, result in optimizers.items()
        if not (result["learned"] or result.get("reference"))
    }
    return min(found, key=found.get) if found else None


def worst_tenth(
    found: Mapping[str, Any], reference: Mapping[str, Any] | None
) -> tuple[float | None, float | None]:
    """Compares two mean curves in every tenth of the steps but the first.

    Returns:
        Both losses in the tenth where their ratio is greatest; None where a
        curve diverged or there is no reference.
    """
    if reference is None:
        return None, None
    curves = np.array([found["mean"], reference["mean"]], float)[:, 1:]
    tenths = np.array_split(curves, 10, axis=1)[1:]
    pairs = [tuple(np.mean(part, axis=1)) for part in tenths if part.size]
    if not np.all(np.isfinite(curves)) or not pairs:
        return None, None
    return max(pairs, key=lambda pair: pair[0] / pair[1])


def _of_all(panels: Sequence[Panel], cell) -> str:
    """Returns a table of all optimizers, each described by `cell`."""
    names = list(
        dict.fromkeys(n for p in panels for n in p["results"]["optimizers"])
    )
    rows = []
    for panel in panels:
        optimizers = panel["results"]["optimizers"]
        cells = [cell(optimizers[n]) if n in optimizers else "" for n in names]
        rows.append([*_where(panel), *cells])
    return markdown.table(["", "split", "runs", *names], rows)


def _where(panel: Panel) -> list[str]:
    results = panel["results"]
    return [panel["label"], results["split"], str(results["num_runs"])]


def _metrics(panels: Sequence[Panel]) -> list[str]:
    """Returns the names of all metrics that any optimizer has."""
    return sorted(
        {
            metric
            for panel in panels
            for found in panel["results"]["optimizers"].values()
            for metric in found.get("metrics", {})
        }
    )


def _metric(found: Mapping[str, Any] | None, metric: str) -> str:
    values = (found or {}).get("metrics", {}).get(metric)
    return markdown.loss(values["last_tenth"]) if values else ""


def _baseline(optimizers: Mapping[str, Any]) -> str:
    name = best_baseline(optimizers)
    if name is None:
        return ""
    best = optimizers[name]
    loss, rate = markdown.loss(best["last_tenth"]), best["learning_rate"]
    return f"{loss} ({name}, {rate:.3g})"


def _early(found: Mapping[str, Any]) -> str:
    if len(found["mean"]) <= _EARLY_STEP:
        return ""
    return markdown.loss(found["mean"][_EARLY_STEP])


def _mean_until(curve: Sequence[float | None], step: int) -> str:
    """Returns a curve's mean over the tenth of the steps that ends there."""
    values = curve[step + 1 - max(1, step // 10) : step + 1]
    if len(curve) <= step:
        return ""
    is_finite = all(map(markdown.is_finite, values))
    return markdown.loss(sum(values) / len(values) if is_finite else None)


def _at(curve: Sequence[float | None], step: int) -> float | None:
    return curve[step] if step < len(curve) else None
