"""Tests of l2l_tf/figures/catalogue.py."""

import pytest

from l2l_tf.core import registry as core
from l2l_tf.figures import base
from l2l_tf.figures import catalogue
from l2l_tf.figures import comparisons
from l2l_tf.problems import registry
from l2l_tf.rules import hand_designed
from l2l_tf.saving import metadata

_COMPARISONS = {
    name: figure
    for name, figure in catalogue.FIGURES.items()
    if isinstance(figure, comparisons.Comparisons)
}


def test_every_entry_is_a_figure_with_a_title():
    assert len(_COMPARISONS) >= 8
    for figure in catalogue.FIGURES.values():
        assert isinstance(figure, base.Figure) and figure.title


@pytest.mark.parametrize("name", _COMPARISONS)
def test_panels_ask_for_what_there_is(name):
    assert _COMPARISONS[name].panels
    for panel in _COMPARISONS[name].panels:
        accepted = core.accepted(registry.PROBLEMS.get(panel.problem))
        assert set(panel.options) <= set(accepted)
        assert panel.split in ("train", "test")
        assert set(panel.optimizers.values()) <= set(metadata.bundled_names())


def test_labels_tell_panels_apart():
    for figure in _COMPARISONS.values():
        labels = [panel.label for panel in figure.panels]
        assert len(set(labels)) == len(labels)


def test_all_hand_designed_rules_are_baselines():
    assert set(comparisons.BASELINES) == set(hand_designed.names())


def test_the_grid_has_every_architecture_once():
    panels = catalogue.FIGURES["mnist-grid"].panels
    kinds = {
        (p.options["activation"], *p.options["hidden_layers"]) for p in panels
    }
    assert len(kinds) == len(panels) == 2 * 2 * 7
    assert sum(panel.quick for panel in panels) == 2 * 2 * 3
