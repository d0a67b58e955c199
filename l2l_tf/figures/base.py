"""What every figure is: it is run, drawn and told in tables."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

from matplotlib import figure as mpl_figure

from l2l_tf.figures import kept_runs
from l2l_tf.figures import rates as rates_lib
from l2l_tf.rules import base as rules
from l2l_tf.saving import metadata
from l2l_tf.saving import saved_optimizer

Result = Mapping[str, Any]
"""What a figure's runs gave, as plain values that JSON can hold."""


class Context:
    """What figures are run with.

    Attributes:
        rates: Known learning rates of baselines; searched ones are put there.
        seed: Seed of the runs.
        quick: Whether to make few runs, for a first look.
        kept: Results that need not be made again.
        saved_optimizers: SHA-256 of the files of every saved optimizer that
            was loaded, by its name and theirs.
    """

    def __init__(
        self,
        rates: rates_lib.RateCache,
        seed: int = 0,
        quick: bool = False,
        kept: kept_runs.KeptRuns | None = None,
    ):
        """Stores what it is given; nothing is loaded yet."""
        self.rates = rates
        self.seed = seed
        self.quick = quick
        self.kept = kept or kept_runs.KeptRuns()
        self.saved_optimizers: dict[str, dict[str, str]] = {}

    def load(
        self, optimizer: str, parameter_names: list[str]
    ) -> rules.UpdateRule:
        """Loads a saved optimizer and notes its digests.

        Args:
            optimizer: The name of a bundled one, or a path.
            parameter_names: Names of the optimizee's parameters.

        Returns:
            The rule.
        """
        self.saved_optimizers[optimizer] = metadata.read(optimizer)["files"]
        return saved_optimizer.load(optimizer, parameter_names)


class Figure(abc.ABC):
    """A figure: what is run for it, how it is drawn, what its tables tell.

    Drawing and tables need nothing but the result, which may come from a file.

    Attributes:
        title: Its title.
        note: What a reader should know beside it, in Markdown.
    """

    title: str
    note: str = ""

    @abc.abstractmethod
    def run(self, context: Context) -> Result:
        """Makes the runs.

        Args:
            context: What to run with.

        Returns:
            A mapping of plain values, to be written as JSON.
        """

    @abc.abstractmethod
    def draw(self, result: Result) -> mpl_figure.Figure:
        """Draws what `run` returned, read from JSON: null stands for NaN."""

    @abc.abstractmethod
    def tables(self, result: Result) -> str:
        """Returns what `run` returned as tables in Markdown."""

    def numbers(self, result: Result, optimizer: str) -> dict[str, Any]:
        """Returns what to note in a saved optimizer's metadata.

        Args:
            result: What `run` returned.
            optimizer: The name it was loaded by.

        Returns:
            Numbers by label, such as a panel's; nothing by default.
        """
        del result, optimizer
        return {}
