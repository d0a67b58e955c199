"""Tests of l2l_tf/meta_training/preparation.py."""

import numpy as np
import pytest

from l2l_tf.meta_training import preparation
from l2l_tf.problems import quadratic
from l2l_tf.problems import simple
from l2l_tf.rules import hand_designed
from l2l_tf.rules import registry


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


@registry.register_rule("test_unsteady")
class _Unsteady(hand_designed.SGD):
    """Has the configuration that is asked for, or one of several in turn."""

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
