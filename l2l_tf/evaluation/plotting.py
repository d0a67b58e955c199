"""Learning curves as figures."""

from __future__ import annotations

import io
import itertools
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import figure as mpl_figure

from l2l_tf.core import files

_COLORS = {
    "L2L": "#d62728",
    "L2L robust": "#e377c2",
    "adam": "#1f77b4",
    "rmsprop": "#2ca02c",
    "nag": "#9467bd",
    "momentum": "#8c564b",
    "sgd": "#ff7f0e",
    "adagrad": "#17becf",
    "rprop": "#7f7f7f",
}
_LABELS = {
    "L2L": "LSTM (learned)",
    "L2L robust": "LSTM (robust)",
    "adam": "Adam",
    "rmsprop": "RMSprop",
    "nag": "NAG",
    "momentum": "Momentum",
    "sgd": "SGD",
    "adagrad": "Adagrad",
    "rprop": "Rprop",
}


def comparison(results: Mapping[str, Any]) -> mpl_figure.Figure:
    """Draws mean learning curves with their standard error, on a log axis.

    Args:
        results: What `l2l_tf.evaluation.comparison.compare` returned.

    Returns:
        The figure.
    """
    figure, axes = _axes()
    title = f"{results['problem']}, {results['split']} split"
    _draw_comparison(axes, results, title)
    return figure


def panels(
    results: Sequence[Mapping[str, Any]], titles: Sequence[str]
) -> mpl_figure.Figure:
    """Draws several comparisons side by side.

    Args:
        results: What `l2l_tf.evaluation.comparison.compare` returned for each.
        titles: Their titles.

    Returns:
        The figure.
    """
    num_rows, num_columns = -(-len(results) // 2), min(len(results), 2)
    figure = mpl_figure.Figure(
        figsize=(6.5 * num_columns, 4.5 * num_rows), dpi=110, layout="tight"
    )
    for index, (result, title) in enumerate(zip(results, titles, strict=True)):
        axes = figure.add_subplot(num_rows, num_columns, index + 1)
        _style(axes)
        _draw_comparison(axes, result, title)
    return figure


def architectures(
    losses: Mapping[str, Mapping[str, Sequence[float]]], units: Sequence[int]
) -> mpl_figure.Figure:
    """Draws final losses over the width of a network.

    Args:
        losses: For each kind of network, one number per width for each
            optimizer.
        units: The widths.

    Returns:
        The figure.
    """
    num_rows = -(-len(losses) // 2)
    figure = mpl_figure.Figure(
        figsize=(12, 4 * num_rows), dpi=110, layout="constrained"
    )
    for index, (title, curves) in enumerate(losses.items()):
        axes = figure.add_subplot(num_rows, 2, index + 1)
        _style(axes)
        for name in sorted(curves, key=_is_learned):
            axes.plot(
                units,
                curves[name],
                color=_COLORS.get(name),
                label=_LABELS.get(name, name),
                linestyle="-" if _is_learned(name) else "--",
                marker="o",
            )
        axes.set_xlabel("hidden units")
        axes.set_ylabel("final loss")
        axes.set_title(title)
    handles, _ = axes.get_legend_handles_labels()
    # Beside the panels: curves fill them.
    figure.legend(
        handles=handles[::-1], frameon=False, loc="outside right upper"
    )
    return figure


def validation(curves: np.ndarray, title: str) -> mpl_figure.Figure:
    """Draws the single and the mean learning curves of one validation.

    Args:
        curves: Shape [curves, steps + 1].
        title: The figure's title.

    Returns:
        The figure.
    """
    figure, axes = _axes()
    for curve in curves[:50]:
        axes.plot(curve, color=_COLORS["L2L"], alpha=0.15, linewidth=0.7)
    sem = curves.std(axis=0) / np.sqrt(len(curves))
    _curve(axes, curves.mean(axis=0), sem, _COLORS["L2L"], "mean")
    axes.set_title(title)
    return figure


def history(logs: Mapping[str, list[float]], ylabel: str) -> mpl_figure.Figure:
    """Draws one number per epoch for several optimizers.

    Args:
        logs: Values by label; the first one is drawn in the learned colour.
        ylabel: What the values are.

    Returns:
        The figure.
    """
    figure, axes = _axes()
    colors = [_COLORS[name] for name in ("L2L", "adam", "rmsprop", "nag")]
    for (label, values), color in zip(logs.items(), itertools.cycle(colors)):
        epochs = range(1, len(values) + 1)
        axes.plot(epochs, values, color=color, marker="o", label=label)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("epoch")
    axes.set_ylabel(ylabel)
    axes.legend(frameon=False)
    return figure


def to_array(figure: mpl_figure.Figure) -> np.ndarray:
    """Renders a figure.

    Args:
        figure: The figure.

    Returns:
        Pixels, uint8 of shape [height, width, 4].
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="rgba")
    width, height = map(round, figure.get_size_inches() * figure.dpi)
    return np.frombuffer(buffer.getvalue(), np.uint8).reshape(height, width, 4)


def save(figure: mpl_figure.Figure, path: str | os.PathLike) -> pathlib.Path:
    """Writes a figure, all or nothing.

    Args:
        figure: The figure.
        path: The file to write, a PNG unless its name ends in .pdf or .svg.

    Returns:
        The file.
    """
    suffix = pathlib.Path(path).suffix.lower()
    buffer = io.BytesIO()
    figure.savefig(
        buffer, format=suffix[1:] if suffix in (".pdf", ".svg") else "png"
    )
    return files.write_bytes(path, buffer.getvalue())


def _axes():
    figure = mpl_figure.Figure(figsize=(7, 4.5), dpi=120, layout="tight")
    axes = figure.add_subplot()
    _style(axes)
    return figure, axes


def _style(axes):
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _is_learned(name):
    return name.startswith("L2L")


def _draw_comparison(axes, results, title):
    starts, ends = [], []
    # Learned curves are drawn last, on top.
    for name in sorted(results["optimizers"], key=_is_learned):
        result = results["optimizers"][name]
        mean, std = np.array(result["mean"]), np.array(result["std"])
        # The number of curves behind the mean shows in its last error.
        sem = result["final_sem"]
        shrink = sem / std[-1] if std[-1] > 0 and sem == sem else 0.0
        label = _LABELS.get(name, name)
        if result["learning_rate"] is not None:
            label += f", rate {result['learning_rate']:.2g}"
        _curve(axes, mean, std * shrink, _COLORS.get(name), label)
        starts.append(mean[0])
        ends += [mean.min()] if np.all(np.isfinite(mean)) else []
    # A diverging curve would squeeze all others into a line.
    lowest = max(min(ends, default=0.1), 1e-12)
    axes.set_ylim(lowest * 0.8, max(max(starts), lowest) * 2.0)
    axes.set_title(title)
    handles, _ = axes.get_legend_handles_labels()
    axes.legend(handles=handles[::-1], frameon=False, fontsize=8)


def _curve(axes, mean, sem, color, label):
    steps = np.arange(len(mean))
    axes.plot(steps, mean, color=color, label=label, linewidth=1.6)
    low = np.maximum(mean - sem, mean * 0.01)
    axes.fill_between(
        steps, low, mean + sem, color=color, alpha=0.2, linewidth=0
    )
