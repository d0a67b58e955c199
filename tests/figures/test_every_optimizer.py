"""Tests of l2l_tf/figures/every_optimizer.py."""

from l2l_tf.figures import every_optimizer
from l2l_tf.problems import registry
from l2l_tf.saving import metadata

_PANELS = every_optimizer.FIGURE.panels

# Others under another name, or made of others.
_NO_COLUMNS = {"ensemble", "fashion_mnist", "image_classification"}


def test_every_bundled_optimizer_has_a_row():
    shown = {name for panel in _PANELS for name in panel.optimizers.values()}
    assert shown == set(metadata.bundled_names())


def test_every_problem_has_a_column():
    shown = {panel.problem for panel in _PANELS}
    assert shown | _NO_COLUMNS == set(registry.PROBLEMS.names())


def test_what_was_trained_on_a_problem_is_shown_there():
    panels = {panel.label: panel for panel in _PANELS}
    for label, names in every_optimizer.FIGURE.trained_on.items():
        panel = panels[label]
        for name in names:
            trained = metadata.read(panel.optimizers[name])["problem"]
            assert panel.problem in str(trained)
