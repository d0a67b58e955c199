"""Learning curves as figures."""

from __future__ import annotations

import io
import itertools
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import axes as mpl_axes
from matplotlib import figure as mpl_figure
from matplotlib import ticker
from matplotlib.backends import backend_agg

from l2l_tf.core import files
from l2l_tf.evaluation import plot_styles

# Inches. A README shows a figure of two columns at some 800 pixels; the text of
# a third would be too small.
_COLUMN, _ROW, _SINGLE, _MAX_COLUMNS = 4.5, 3.1, (7.0, 5.0), 2
_LEGEND_LINE, _LEGEND_LETTER, _LEGEND_ROW = 0.7, 0.085, 0.2
_DPI = 160

_LEAST_PLAIN = 1e-6
"""The least number beside an axis that is written with all its zeros."""

_MAX_POINTS = 100
"""Points of a curve, beyond which it is smoothed."""


def grid(
    num_panels: int,
) -> tuple[mpl_figure.Figure, list[mpl_axes.Axes]]:
    """Makes a figure of panels, row by row.

    Args:
        num_panels: The number of panels.

    Returns:
        The figure and the axes of its panels.
    """
    num_columns = min(num_panels, _MAX_COLUMNS)
    num_rows = -(-num_panels // num_columns)
    figure = mpl_figure.Figure(
        figsize=(_COLUMN * num_columns, _ROW * num_rows),
        dpi=_DPI,
        layout="constrained",
    )
    axes = [
        figure.add_subplot(num_rows, num_columns, index + 1)
        for index in range(num_panels)
    ]
    for part in axes:
        part.grid(alpha=0.25)
        # More numbers like -0.003 would touch each other.
        part.locator_params(axis="x", nbins=6)
        part.spines[["top", "right"]].set_visible(False)
    return figure, axes


def draw_comparison(
    axes: mpl_axes.Axes,
    results: Mapping[str, Any],
    looks: Mapping[str, Mapping[str, Any]],
) -> None:
    """Draws mean learning curves with their standard error, on a log axis.

    Of long runs, means over several steps are drawn: the noise of minibatches
    would hide the lines.

    Args:
        axes: Where to draw.
        results: What `l2l_tf.evaluation.comparison.compare` returned, or what
            JSON made of it.
        looks: What `l2l_tf.evaluation.plot_styles.styles` returned.
    """
    starts, ends, width = [], [], 1
    for name, style in looks.items():
        if name not in results["optimizers"]:
            continue
        result = results["optimizers"][name]
        # JSON has null for NaN.
        mean, std = np.array([result["mean"], result["std"]], float)
        # The number of curves behind the mean shows in its last error.
        sem = np.array(result["final_sem"], float)
        shrink = sem / std[-1] if std[-1] > 0 and np.isfinite(sem) else 0.0
        width = _bin_width(mean)
        with np.errstate(invalid="ignore"):  # infinity times zero
            error = std * shrink
        steps, mean, error = (
            _binned(values, width)
            for values in (np.arange(len(mean)), mean, error)
        )
        curve(axes, steps, mean, error, **style)
        starts += [mean[0]] if np.isfinite(mean[0]) else []
        # A reference may leave the picture, where a minimum is reached.
        is_shown = np.all(np.isfinite(mean)) and not result.get("reference")
        ends += [mean.min()] if is_shown else []
    # A diverging curve would squeeze all others into a line.
    lowest = max(min(ends, default=0.1), 1e-12)
    axes.set_ylim(lowest * 0.8, max([lowest, *starts]) * 1.5)
    axes.set_xlabel(_step_label(width))
    axes.set_ylabel("loss")
    log_axis(axes)


def draw_metric(
    axes: mpl_axes.Axes,
    results: Mapping[str, Any],
    looks: Mapping[str, Mapping[str, Any]],
    metric: str,
) -> None:
    """Draws means of a metric, such as the accuracy; see `draw_comparison`."""
    width = 1
    for name, style in looks.items():
        found = _metrics(results["optimizers"].get(name, {})).get(metric)
        if found is None:
            continue
        mean = np.array(found["mean"], float)
        width = _bin_width(mean)
        steps = np.arange(len(mean))
        curve(axes, _binned(steps, width), _binned(mean, width), **style)
    axes.set_xlabel(_step_label(width))
    axes.set_ylabel(metric)


def curve(
    axes: mpl_axes.Axes,
    x: Sequence[float],
    mean: Sequence[float],
    error: Sequence[float] | None = None,
    **style: Any,
) -> None:
    """Draws a curve of means in a band of their errors.

    Args:
        axes: Where to draw.
        x: What it is drawn over.
        mean: The means, NaN where there is none.
        error: Their standard errors.
        **style: Arguments of `matplotlib.axes.Axes.plot`.
    """
    mean = np.array(mean, float)
    [line] = axes.plot(x, mean, **style)
    if error is not None:
        axes.fill_between(
            x,
            # On a logarithmic axis a band must not reach zero.
            np.maximum(mean - error, mean * 0.01),
            mean + error,
            color=line.get_color(),
            zorder=line.get_zorder(),
            alpha=0.15,
            linewidth=0,
        )


def log_axis(axes: mpl_axes.Axes, which: str = "y") -> None:
    """Makes an axis logarithmic, with numbers like 0.2 beside it.

    One on which no number is positive stays as it is.

    Args:
        axes: What it is an axis of.
        which: "x" or "y".
    """
    if not np.isfinite(getattr(axes.dataLim, f"minpos{which}")):
        return
    axes.set(**{f"{which}scale": "log"})
    axis = getattr(axes, f"{which}axis")
    low, high = axis.get_view_interval()
    # Over many decades, numbers between their powers would overlap.
    subs = (1, 2, 5) if high < 1e3 * low else (1,)
    axis.set_major_locator(ticker.LogLocator(subs=subs))
    axis.set_major_formatter(
        ticker.FuncFormatter(lambda value, position: _plain(value))
    )
    axis.set_minor_formatter(ticker.NullFormatter())


def _plain(value: float) -> str:
    """Returns a number without a power of ten, unless it has many zeros."""
    if not _LEAST_PLAIN <= abs(value) < 1.0:
        return f"{value:g}"
    return np.format_float_positional(value, precision=6, trim="-")


def legend_below(figure: mpl_figure.Figure) -> None:
    """Puts one legend for all panels below them, where no curve is.

    The figure grows by it, so that the panels stay as they are.
    """
    shown = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        shown.update(zip(labels, handles, strict=True))
    column = _LEGEND_LINE + _LEGEND_LETTER * max(map(len, shown), default=0)
    width, height = figure.get_size_inches()
    num_columns = max(1, int(width / column))
    num_rows = -(-len(shown) // num_columns)
    figure.set_size_inches(width, height + _LEGEND_ROW * num_rows)
    figure.legend(
        shown.values(),
        shown.keys(),
        loc="outside lower center",
        ncols=num_columns,
        frameon=False,
        handlelength=3.0,
    )


def comparison(results: Mapping[str, Any]) -> mpl_figure.Figure:
    """Draws one comparison: losses, and beside them each metric.

    Args:
        results: What `l2l_tf.evaluation.comparison.compare` returned.

    Returns:
        The figure, with the baselines' learning rates.
    """
    optimizers = results["optimizers"]
    metrics = sorted(
        {name for found in optimizers.values() for name in _metrics(found)}
    )
    looks = _with_rates(plot_styles.styles(optimizers), optimizers)
    figure, [axes, *others] = grid(1 + len(metrics))
    if not metrics:
        figure.set_size_inches(_SINGLE)
    draw_comparison(axes, results, looks)
    axes.set_title(f"{results['problem']}, {results['split']} split")
    for part, metric in zip(others, metrics, strict=True):
        draw_metric(part, results, looks, metric)
        part.set_title(f"{metric}, {results['split']} split")
    legend_below(figure)
    return figure


def validation(
    curves: np.ndarray,
    title: str,
    baselines: Mapping[str, Any] | None = None,
) -> mpl_figure.Figure:
    """Draws the single and the mean learning curves of one validation.

    Args:
        curves: Shape [curves, steps + 1].
        title: The figure's title.
        baselines: Hand-designed rules to draw beside them: by name whether it
            is `learned`, and what
            `l2l_tf.evaluation.learning_curves.summarize` says of the same
            runs.

    Returns:
        The figure.
    """
    figure, axes = _single()
    # Runs that overflow have no mean, which is no reason for a warning.
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = curves.mean(axis=0), curves.std(axis=0)
    learned = {
        "learned": True,
        "learning_rate": None,
        "mean": mean,
        "std": std,
        "final_sem": std[-1] / np.sqrt(len(curves)),
    }
    optimizers = {"learned": learned, **(baselines or {})}
    looks = _with_rates(plot_styles.styles(optimizers), optimizers)
    for single in curves[:50]:
        color = looks["learned"]["color"]
        axes.plot(single, color=color, alpha=0.15, linewidth=0.7)
    draw_comparison(axes, {"optimizers": optimizers}, looks)
    axes.set_title(title)
    if baselines:
        legend_below(figure)
    return figure


def history(logs: Mapping[str, list[float]], ylabel: str) -> mpl_figure.Figure:
    """Draws one number per epoch for several optimizers.

    Args:
        logs: Values by label; the first one is drawn as a learned optimizer.
        ylabel: What the values are.

    Returns:
        The figure.
    """
    figure, axes = _single()
    looks = itertools.chain(
        itertools.islice(plot_styles.learned(), 1),
        plot_styles.hand_designed_ones(),
    )
    for (name, values), style in zip(logs.items(), looks, strict=False):
        epochs = range(1, len(values) + 1)
        curve(axes, epochs, values, **style, label=name, marker="o")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("epoch")
    axes.set_ylabel(ylabel)
    log_axis(axes)
    axes.legend(frameon=False, handlelength=3.0)
    return figure


def to_array(figure: mpl_figure.Figure) -> np.ndarray:
    """Renders a figure.

    Args:
        figure: The figure.

    Returns:
        Pixels, uint8 of shape [height, width, 4].
    """
    # Drawn once, where `savefig` draws a first time for the layout alone.
    canvas = backend_agg.FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())


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


def _with_rates(
    looks: Mapping[str, Any], optimizers: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns styles whose labels tell the learning rates, where there are."""
    rates = {name: optimizers[name]["learning_rate"] for name in looks}
    return {
        name: style
        if rates[name] is None
        else {**style, "label": f"{style['label']}, rate {rates[name]:.2g}"}
        for name, style in looks.items()
    }


def _single() -> tuple[mpl_figure.Figure, mpl_axes.Axes]:
    figure, [axes] = grid(1)
    figure.set_size_inches(_SINGLE)
    return figure, axes


def _metrics(found: Mapping[str, Any]) -> Mapping[str, Any]:
    return found.get("metrics", {})


def _bin_width(curve_values: np.ndarray) -> int:
    return max(1, (len(curve_values) - 1) // _MAX_POINTS)


def _step_label(width: int) -> str:
    return "step" if width == 1 else f"step (means over {width})"


def _binned(values: np.ndarray, width: int) -> np.ndarray:
    """Returns the first value, and means over as many as `width` thereafter."""
    rest = values[1:]
    rest = rest[: len(rest) // width * width].reshape(-1, width)
    return np.concatenate([values[:1], rest.mean(axis=1)])
