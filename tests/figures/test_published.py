"""The published figures can be read at the width that a README shows."""

import itertools
import pathlib

import numpy as np
import pytest
from matplotlib import text
from matplotlib import ticker
from PIL import Image

from l2l_tf.evaluation import plotting
from l2l_tf.figures import catalogue
from l2l_tf.figures import reproduction

RESULTS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "results"
PUBLISHED = [
    name for name in catalogue.FIGURES if (RESULTS / f"{name}.json").is_file()
]
WIDTH = 830  # pixels
MOST_DIFFERENT = 0.1  # of 255, a mean over pixels
SMALLEST = 9  # pixels of a letter, with the room above and below it


@pytest.fixture(scope="module", params=PUBLISHED)
def drawn(request):
    """A figure's name, and the figure, drawn from its JSON."""
    result = reproduction.read(request.param, RESULTS)
    figure = catalogue.FIGURES[request.param].draw(result)
    figure.canvas.draw()
    return request.param, figure


def _numbers(axis):
    """Returns the numbers that are shown along an axis, but no names."""
    if isinstance(axis.get_major_locator(), ticker.FixedLocator):
        return []
    low, high = sorted(axis.get_view_interval())
    labels = zip(axis.get_majorticklocs(), axis.get_ticklabels(), strict=True)
    return [label for place, label in labels if low <= place <= high]


def test_there_are_figures():
    assert len(PUBLISHED) >= 12


def test_published_image_is_what_is_drawn(drawn):
    name, figure = drawn
    with Image.open(RESULTS / f"{name}.png") as image:
        published = np.asarray(image.convert("RGB"), float)
    ours = plotting.to_array(figure)[..., :3].astype(float)
    assert published.shape == ours.shape
    difference = np.abs(published - ours)
    assert difference.mean() < MOST_DIFFERENT


def test_text_is_large_enough(drawn):
    _, figure = drawn
    shrink = min(1.0, WIDTH / (figure.get_size_inches()[0] * figure.dpi))
    points = min(
        found.get_fontsize()
        for found in figure.findobj(text.Text)
        if found.get_text()
    )
    assert points * figure.dpi / 72 * shrink > SMALLEST


def test_numbers_are_plain(drawn):
    _, figure = drawn
    shown = [
        label.get_text()
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for label in _numbers(axis)
    ]
    assert not [s for s in shown if "10^" in s or "times" in s or "e" in s]


def test_numbers_do_not_touch(drawn):
    _, figure = drawn
    for axes in figure.axes:
        boxes = [n.get_window_extent() for n in _numbers(axes.xaxis)]
        for left, right in itertools.pairwise(boxes):
            assert left.x1 < right.x0
        boxes = [n.get_window_extent() for n in _numbers(axes.yaxis)]
        for low, high in itertools.pairwise(boxes):
            assert low.y1 < high.y0


def test_no_two_lines_need_their_colours(drawn):
    _, figure = drawn
    for axes in figure.axes:
        looks = [
            (
                line.get_linewidth(),
                line._unscaled_dash_pattern,
                line.get_marker(),
            )
            for line in axes.lines
            if not line.get_label().startswith("_")
        ]
        assert len({str(look) for look in looks}) == len(looks)
