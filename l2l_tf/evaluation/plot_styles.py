"""How optimizers look in figures.

Learned ones are told from hand-designed ones by thick lines against thin
dashed ones, optimizers from each other by their dashes and, besides, by colours
that the colour-blind can tell apart (Okabe and Ito 2008).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from l2l_tf.rules import hand_designed
from l2l_tf.rules import registry

Style = dict[str, Any]
"""Arguments of `matplotlib.axes.Axes.plot`."""

_BLACK, _ORANGE, _SKY_BLUE, _GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
_BLUE, _VERMILLION, _PURPLE = "#0072B2", "#D55E00", "#CC79A7"
# In the place of their yellow, which is hardly seen on white. A lighter grey
# would be the green and the purple of those who do not see red or green.
_GREY, _BROWN = "#5A5A5A", "#6B4E16"

# As many lines as a figure has optimizers, so that none needs its colour.
# Colours are of another number, so that no two of many more look the same.
_LEARNED_COLORS = (_VERMILLION, _BLACK, _PURPLE, _BLUE)
# Later ones are drawn on top, and let the earlier ones be seen.
_LEARNED_LINES = (
    ("-", 3.2),
    ((0, (4, 2)), 1.9),
    ((0, (4, 1.5, 1, 1.5)), 1.9),
    ((0, (1, 1)), 2.2),
    ((0, (8, 1.5, 1, 1.5, 1, 1.5)), 1.9),
)
_COLORS = (_BLUE, _GREEN, _ORANGE, _SKY_BLUE, _PURPLE, _GREY, _BROWN)
_DASHES = (
    (0, (6, 1.5)),
    (0, (3, 1)),
    (0, (6, 1, 1, 1)),
    (0, (1.5, 1)),
    (0, (12, 2)),
    (0, (6, 1, 1, 1, 1, 1)),
    (0, (1.5, 2.5)),
    (0, (3, 1, 1, 1)),
)


def label(name: str) -> str:
    """Returns how an optimizer is written in figures."""
    is_hand_designed = name in hand_designed.names()
    return registry.RULES.get(name).__name__ if is_hand_designed else name


def styles(*comparisons: Mapping[str, Any]) -> dict[str, Style]:
    """Chooses how to draw optimizers, the same way wherever they appear.

    Args:
        *comparisons: For each comparison its results by optimizer, which say
            in `learned` what was learned.

    Returns:
        Styles by optimizer, in the order of the legend: learned ones first.
    """
    is_learned = {
        name: result["learned"]
        for results in comparisons
        for name, result in results.items()
    }
    looks = {True: learned(), False: hand_designed_ones()}
    return {
        name: {**next(looks[is_learned[name]]), "label": label(name)}
        for name in sorted(is_learned, key=lambda name: not is_learned[name])
    }


def learned() -> Iterator[Style]:
    """Yields styles of learned optimizers, the main one's first."""
    for (dashes, width), color in _cycles(_LEARNED_LINES, _LEARNED_COLORS):
        # Above the others.
        yield _style(color, dashes, width, 3.0)


def hand_designed_ones() -> Iterator[Style]:
    """Yields styles of hand-designed optimizers."""
    for dashes, color in _cycles(_DASHES, _COLORS):
        yield _style(color, dashes, 1.2, 2.0)


def _style(color: str, dashes: Any, width: float, zorder: float) -> Style:
    return {
        "color": color,
        "linestyle": dashes,
        "linewidth": width,
        "zorder": zorder,
    }


def _cycles(*choices: tuple) -> Iterator[tuple]:
    return zip(*map(itertools.cycle, choices), strict=True)
