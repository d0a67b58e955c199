"""Tests of l2l_tf/figures/base.py."""

import numpy as np
import pytest
from matplotlib import figure as mpl_figure

from l2l_tf.figures import base
from l2l_tf.figures import catalogue
from l2l_tf.figures import markdown
from l2l_tf.figures import report
from l2l_tf.figures import reproduction
from l2l_tf.saving import metadata


class Updates(base.Figure):
    """A kind of its own: an image of what an optimizer makes of gradients."""

    title = "Updates"

    def run(self, context):
        """See base class."""
        rule = context.load("quadratic", ["theta"])
        gradients = [np.linspace(-1.0, 1.0, 8, dtype=np.float32)]
        updates, _ = rule(gradients, rule.initial_state(gradients))
        return {"updates": [updates[0].numpy().tolist()]}

    def draw(self, result):
        """See base class."""
        figure = mpl_figure.Figure()
        figure.add_subplot().imshow(result["updates"])
        return figure

    def tables(self, result):
        """See base class."""
        rows = [[f"{value:.1f}" for value in row] for row in result["updates"]]
        return markdown.table([str(i) for i in range(8)], rows)


def test_a_context_notes_the_digests_of_what_it_loads(context):
    rule = context.load("quadratic", ["theta"])
    assert rule.trainable_variables
    files = metadata.read("quadratic")["files"]
    assert context.saved_optimizers == {"quadratic": files}
    assert all(len(digest) == 64 for digest in files.values())


def test_a_figure_needs_a_run_a_drawing_and_tables():
    with pytest.raises(TypeError, match="draw.*run.*tables"):
        base.Figure()


def test_any_kind_is_one_entry(context, tmp_path, monkeypatch):
    monkeypatch.setitem(catalogue.FIGURES, "updates", Updates())
    result = reproduction.reproduce("updates", context.rates)
    assert list(result["saved_optimizers"]) == ["quadratic"]
    assert np.ptp(result["updates"]) > 0
    reproduction.write(result, tmp_path)
    assert (tmp_path / "updates.png").read_bytes().startswith(b"\x89PNG")
    text = report.report(tmp_path)
    assert "## Updates" in text and "| 0 | 1 | 2 |" in text
    # It has no numbers to be noted.
    before = metadata.read("quadratic")
    reproduction.record(result)
    assert metadata.read("quadratic") == before
