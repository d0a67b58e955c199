"""Tests of l2l_tf/figures/catalogue.py."""

import pytest

from l2l_tf.figures import catalogue as figures
from l2l_tf.problems import registry
from l2l_tf.rules import hand_designed


@pytest.mark.parametrize("name", figures.FIGURES)
def test_panels_ask_for_options_that_their_problems_accept(name):
    figure = figures.FIGURES[name]
    assert figure.name == name and figure.panels
    for panel in figure.panels:
        accepted = registry.accepted_options(panel.problem)
        assert set(panel.options) <= set(accepted)
        assert panel.split in ("train", "test")


def test_labels_tell_panels_apart():
    for figure in figures.FIGURES.values():
        labels = [panel.label for panel in figure.panels]
        assert len(set(labels)) == len(labels)


def test_all_hand_designed_rules_are_baselines():
    assert set(figures.BASELINES) == set(hand_designed.names())


def test_the_grid_has_every_architecture_once():
    panels = figures.FIGURES["mnist-grid"].panels
    kinds = {
        (p.options["activation"], *p.options["hidden_layers"]) for p in panels
    }
    assert len(kinds) == len(panels) == 2 * 2 * len(figures.HIDDEN_UNITS)
