"""Tests of l2l_tf/evaluation/plot_styles.py."""

import itertools

import numpy as np
import pytest
from matplotlib import colors

from l2l_tf.evaluation import plot_styles
from l2l_tf.rules import hand_designed

# Linear RGB as those see it who lack a kind of cones (Machado et al. 2009).
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}
# Linear RGB to XYZ over its white, of sRGB.
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def _lab(color, vision):
    """Returns a colour as it is seen, in CIELAB."""
    rgb = np.array(colors.to_rgb(color))
    linear = np.where(
        rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4
    )
    xyz = TO_XYZ @ np.clip(np.array(vision) @ linear, 0, 1) / TO_XYZ.sum(1)
    x, y, z = np.where(
        xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29
    )
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def _first(looks, number):
    return list(itertools.islice(looks, number))


@pytest.mark.parametrize("vision", VISION)
def test_colours_are_told_apart_by_the_colour_blind(vision):
    looks = [
        *_first(plot_styles.learned(), 4),
        *_first(plot_styles.hand_designed_ones(), 7),
    ]
    seen = {
        color: _lab(color, VISION[vision])
        for color in (look["color"] for look in looks)
    }
    assert len(seen) == 9
    distances = {
        pair: np.linalg.norm(seen[pair[0]] - seen[pair[1]])
        for pair in itertools.combinations(seen, 2)
    }
    # 2.3 is just noticeable, side by side.
    assert min(distances.values()) > 15, min(distances, key=distances.get)


def test_nobody_needs_colours():
    """Five learned optimizers and eight others are told apart by lines."""
    lines = [
        (look["linestyle"], look["linewidth"])
        for look in (
            *_first(plot_styles.learned(), 5),
            *_first(plot_styles.hand_designed_ones(), 8),
        )
    ]
    dashes = [dashes for dashes, _ in lines]
    assert len(set(dashes[:5])) == 5 and len(set(dashes[5:])) == 8
    assert all(width > 1.5 * lines[-1][1] for _, width in lines[:5])


def test_learned_optimizers_are_thick_and_no_two_look_the_same():
    names = [*hand_designed.names(), *(f"learned {i}" for i in range(4))]
    looks = plot_styles.styles(
        {name: {"learned": name.startswith("learned")} for name in names}
    )
    assert list(looks)[:4] == [f"learned {i}" for i in range(4)]
    widths = [look["linewidth"] for look in looks.values()]
    assert min(widths[:4]) > 1.5 * max(widths[4:])
    drawn = {
        (look["color"], look["linestyle"], look["linewidth"])
        for look in looks.values()
    }
    assert len(drawn) == len(names) == 11
    assert len({look["color"] for look in list(looks.values())[4:]}) == 7


def test_an_optimizer_looks_the_same_in_all_panels():
    one = {"a": {"learned": True}, "adam": {"learned": False}}
    two = {"b": {"learned": True}, "sgd": {"learned": False}, **one}
    looks = plot_styles.styles(one, two)
    assert list(looks) == ["a", "b", "adam", "sgd"]
    alone = plot_styles.styles(one)
    assert all(looks[name] == alone[name] for name in one)


def test_hand_designed_rules_are_written_as_in_the_literature():
    assert plot_styles.label("adam") == "Adam"
    assert plot_styles.label("rmsprop") == "RMSprop"
    assert plot_styles.label("LSTM, robust") == "LSTM, robust"
