"""The paper's figures: what each of them compares, and the paper's numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Panel:
    """One comparison of learned and hand-designed optimizers.

    Attributes:
        label: What it shows, for the table.
        optimizers: Bundled optimizers to show, the main one first.
        problem: Name of the problem.
        options: The problem's options.
        split: The split that runs are drawn from.
        num_steps: Updates per run.
        num_runs: Runs; a draw of quadratics counts as one run.
        paper: The paper's loss of its LSTM there, read from its plot.
        paper_baseline: The paper's best baseline there.
    """

    label: str
    optimizers: tuple[str, ...]
    problem: str
    options: Mapping[str, Any]
    split: str = "test"
    num_steps: int = 100
    num_runs: int = 100
    paper: float | None = None
    paper_baseline: float | None = None


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure of one or several panels.

    Attributes:
        name: What it is called on the command line.
        title: Its title.
        panels: Its panels.
    """

    name: str
    title: str
    panels: tuple[Panel, ...]


BASELINES = ("adam", "rmsprop", "nag", "sgd", "momentum", "adagrad", "rprop")

HIDDEN_UNITS = (5, 10, 15, 20, 30, 40, 50)
"""Widths of the architecture grid."""

_MNIST = ("mnist", "mnist-robust")


def _mnist(label: str, split: str = "test", **changes: Any) -> Panel:
    fields = {field.name for field in dataclasses.fields(Panel)}
    options = {k: v for k, v in changes.items() if k not in fields}
    rest = {k: v for k, v in changes.items() if k in fields}
    return Panel(label, _MNIST, "mnist", options, split, **rest)


def _grid() -> tuple[Panel, ...]:
    return tuple(
        _mnist(
            f"{activation}, {layers} layer{'s' * (layers > 1)} of {units}",
            num_runs=10,
            hidden_layers=[units] * layers,
            activation=activation,
        )
        for activation in ("sigmoid", "relu")
        for layers in (1, 2)
        for units in HIDDEN_UNITS
    )


FIGURES = {
    figure.name: figure
    for figure in (
        Figure(
            "quadratic",
            "Random quadratics of 10 dimensions",
            (
                Panel(
                    "Gaussian W, y",
                    ("quadratic",),
                    "quadratic",
                    {},
                    num_runs=80,
                    paper=0.041,
                    paper_baseline=0.051,
                ),
                Panel(
                    "uniform W, y (as released)",
                    ("quadratic-uniform",),
                    "quadratic",
                    {"sampling": "uniform"},
                    num_runs=80,
                ),
            ),
        ),
        Figure(
            "mnist",
            "MLP of 20 sigmoid units on MNIST",
            (
                _mnist(
                    "start 0.01, training split",
                    "train",
                    paper=0.255,
                    paper_baseline=0.326,
                ),
                _mnist("start 0.01, test split"),
                _mnist("start 0.1, test split", initial_values=0.1),
                _mnist(
                    "Glorot start, test split",
                    initial_values="glorot_uniform",
                ),
            ),
        ),
        Figure(
            "mnist-200",
            "The same, continued to step 200",
            (
                _mnist(
                    "training split",
                    "train",
                    num_steps=200,
                    paper=0.213,
                    paper_baseline=0.264,
                ),
                _mnist("test split", num_steps=200),
            ),
        ),
        Figure(
            "mnist-40",
            "MLP of 40 sigmoid units on MNIST",
            (
                _mnist(
                    "40 units, training split",
                    "train",
                    hidden_layers=[40],
                    paper=0.193,
                    paper_baseline=0.309,
                ),
                _mnist("40 units, test split", hidden_layers=[40]),
            ),
        ),
        Figure(
            "mnist-2layer",
            "MLP of two layers of 20 sigmoid units on MNIST",
            (
                _mnist(
                    "start 0.01, training split",
                    "train",
                    hidden_layers=[20, 20],
                    paper=0.33,
                    paper_baseline=0.71,
                ),
                _mnist(
                    "start 0.1, training split",
                    "train",
                    hidden_layers=[20, 20],
                    initial_values=0.1,
                ),
                _mnist(
                    "start 0.1, test split",
                    hidden_layers=[20, 20],
                    initial_values=0.1,
                ),
            ),
        ),
        Figure(
            "mnist-relu",
            "MLP of 20 ReLU units on MNIST",
            (
                _mnist(
                    "ReLU, training split",
                    "train",
                    activation="relu",
                    paper=2.6,
                    paper_baseline=0.36,
                ),
                _mnist("ReLU, test split", activation="relu"),
            ),
        ),
        Figure(
            "mnist-1000",
            "MLPs on MNIST, ten times beyond the trained horizon",
            (
                _mnist("20 sigmoid units", num_steps=1000, num_runs=20),
                _mnist(
                    "20 ReLU units",
                    num_steps=1000,
                    num_runs=20,
                    activation="relu",
                ),
            ),
        ),
        Figure("mnist-grid", "Architectures on MNIST", _grid()),
    )
}
"""All figures by name, in the paper's order."""
