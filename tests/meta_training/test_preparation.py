"""Tests of l2l_tf/meta_training/preparation.py."""

import pytest
import tensorflow as tf

from l2l_tf.meta_training import experiment
from l2l_tf.meta_training import preparation
from l2l_tf.problems import quadratic
from l2l_tf.problems import simple
from l2l_tf.rules import hand_designed


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
    """Has a loss that makes no sense."""

    def __init__(self, change):
        super().__init__()
        self._change = change

    def loss(self, params, *others):
        outcome = super().loss(params, *others)
        return self._change(outcome)


def _with(loss):
    return lambda outcome: outcome._replace(loss=loss())


def _fail(*said):
    raise ValueError(*said)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            _with(lambda: tf.zeros([2]) + tf.zeros([3])),
            "evaluated: Dimensions must be",
        ),
        (_with(lambda: tf.zeros([2, 3])), r"one number.*\(2, 3\)"),
        (_with(lambda: None), "one number.*None"),
        (lambda outcome: outcome.loss, "must be a.*Outcome"),
        (lambda outcome: None, "must be a.*Outcome.*None"),
        (lambda outcome: outcome.nothing, "evaluated: .*nothing"),
        (lambda _: _fail(), "evaluated: ValueError"),
        (lambda _: _fail("\n"), "evaluated: ValueError"),
        (lambda o: o if o.loss > 0 else o, "evaluated: Using a symbolic"),
    ],
)
def test_a_loss_that_makes_no_sense_is_refused(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        experiment.meta_train(_Refused(change), tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_a_rule_that_cannot_be_traced_is_refused():
    class Conditional(hand_designed.SGD):
        def __call__(self, gradients, state):
            if gradients[0] > 0:
                return gradients, state
            return super().__call__(gradients, state)

    with pytest.raises(ValueError, match="The rule Conditional cannot be eval"):
        preparation.check_fit(Conditional(), simple.Simple())
