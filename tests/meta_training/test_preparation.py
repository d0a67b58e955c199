"""Tests of l2l_tf/meta_training/preparation.py."""

import pytest
import tensorflow as tf

from l2l_tf.meta_training import experiment
from l2l_tf.meta_training import preparation
from l2l_tf.problems import quadratic
from l2l_tf.problems import simple


def test_the_seed_draws_phi_unless_the_rule_says_otherwise():
    def seeds(rule, problem=None):
        made = preparation.complete_rule(
            rule, problem or quadratic.Quadratic(), seed=7
        )
        parts = made["routes"].values() if "routes" in made else [made]
        return [part.get("seed") for part in parts]

    assert seeds(None) == seeds({"layers": [3]}) == [7]
    assert seeds({"seed": 2}) == [2]
    assert seeds(None, simple.SimpleMulti()) == [7, None]


class _Nothing(simple.Simple):
    """Has parameters, but no coordinates."""

    def __init__(self, shapes):
        super().__init__()
        self.shapes = shapes

    def initial_params(self, task, seed):
        return [tf.zeros(shape) for shape in self.shapes]


@pytest.mark.parametrize("shapes", [[], [[0]], [[0, 3], [2, 0]]])
def test_a_problem_without_coordinates_is_refused(shapes, tmp_path):
    with pytest.raises(ValueError, match=f"nothing to opt.*{len(shapes)} par"):
        experiment.meta_train(_Nothing(shapes), tmp_path / "run")
    assert not list(tmp_path.iterdir())


class _Refused(simple.Simple):
    """Has a loss of a shape that makes no sense, or none."""

    def __init__(self, loss):
        super().__init__()
        self._make_loss = loss

    def loss(self, params, *others):
        outcome = super().loss(params, *others)
        return outcome._replace(loss=self._make_loss())


@pytest.mark.parametrize("meta_gradient", ["autodiff", "replay", "es"])
@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (
            lambda: tf.zeros([2]) + tf.zeros([3]),
            "evaluated: Dimensions must be",
        ),
        (lambda: tf.zeros([2, 3]), r"shape \(2, 3\)"),
    ],
)
def test_a_loss_that_makes_no_sense_is_refused(
    loss, message, meta_gradient, tmp_path
):
    with pytest.raises(ValueError, match=message):
        experiment.meta_train(
            _Refused(loss), tmp_path / "run", meta_gradient=meta_gradient
        )
    assert not list(tmp_path.iterdir())
