"""Tests of l2l_tf/meta_training/preparation.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.meta_training import experiment
from l2l_tf.meta_training import preparation
from l2l_tf.problems import quadratic
from l2l_tf.problems import simple
from l2l_tf.rules import base
from l2l_tf.rules import hand_designed
from l2l_tf.rules import registry
from l2l_tf.saving import saved_optimizer


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


def _nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@registry.register_rule("test_unsteady")
class _Unsteady(hand_designed.SGD):
    """Has the configuration that is asked for, or one of several in turn."""

    is_baseline = False
    configs = [{}]

    def config(self):
        self.configs.append(self.configs.pop(0))
        return self.configs[-1]


@pytest.mark.parametrize(
    ("configs", "message"),
    [
        ([None], r"config\(\) of the rule _Unsteady must return.*None"),
        ([[1]], r"must return.*\[1\]"),
        ([{"rate": np.float32(0.5)}], "what JSON does.*0.5.*float32"),
        ([{"rate": float("nan")}], "what JSON does.*Out of range float"),
        ([{"rate": [[]] * 3, "a": _nested(40)}], "JSON does.*32 deep"),
        ([{"rate": _nested(100_000)}], "what JSON does.*nested more than 32"),
        ([{1: 0.5}], "what JSON does.*the name 1 is no text"),
        ([{"rate": {1: 0.5}}], "what JSON does.*the name 1 is no text"),
        ([{"rate": 0.5}, {"rate": 0.25}], "same each time.*0.5.*0.25"),
    ],
)
def test_a_configuration_that_no_file_can_hold_is_refused(
    configs, message, monkeypatch
):
    monkeypatch.setattr(_Unsteady, "configs", configs)
    with pytest.raises(ValueError, match=message) as error:
        preparation.complete_rule({"rule": "test_unsteady"}, simple.Simple())
    assert "\n" not in str(error.value)


@registry.register_rule("test_sized")
class _Sized(base.UpdateRule):
    """Learns one number, and has an option that is a tuple."""

    fails = False

    def __init__(self, sizes=(1, 2)):
        super().__init__()
        if self.fails:
            raise KeyError("a")
        self.factor = tf.Variable(-0.1)
        self._sizes = tuple(sizes)

    def initial_state(self, params):
        return ()

    def __call__(self, gradients, state):
        return [self.factor * gradient for gradient in gradients], state

    def config(self):
        return {"rule": self.rule_name, "sizes": self._sizes}


def _train(path):
    return experiment.meta_train(
        simple.Simple(),
        path,
        rule={"rule": "test_sized"},
        num_epochs=1,
        num_steps=2,
        unroll_length=1,
        evaluation_epochs=1,
        jit_compile=False,
    )


def test_a_rule_whose_configuration_holds_a_tuple_is_trained(tmp_path):
    made = saved_optimizer.load(_train(tmp_path / "run"))
    assert made.config() == {"rule": "test_sized", "sizes": (1, 2)}


def _fail(*_):
    raise KeyError("a")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("fails", True, "rule 'test_sized' cannot be built: 'a' .KeyError"),
        ("bind", _fail, "rule 'test_sized' cannot be built: 'a' .KeyError"),
        ("bind", lambda *_: None, r"bind\(\) of .* must return a rule.*None"),
        ("example_params", _fail, "_Sized cannot be exported: 'a' .KeyError"),
        ("functions", _fail, "_Sized cannot be exported: 'a' .KeyError"),
        ("functions", lambda _: None, "_Sized cannot be exported: 'NoneType'"),
        ("save", _fail, "rule _Sized cannot be exported: 'a' .KeyError"),
    ],
)
def test_a_rule_whose_methods_fail_is_refused_before_training(
    name, value, message, tmp_path, monkeypatch
):
    monkeypatch.setattr(_Sized, name, value)
    with pytest.raises(ValueError, match=message) as error:
        _train(tmp_path / "run")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())
