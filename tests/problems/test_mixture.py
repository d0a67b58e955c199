"""Tests of l2l_tf/problems/mixture.py."""

import pytest

from l2l_tf.problems import mixture
from l2l_tf.problems import registry
from l2l_tf.problems import simple

_PARTS = [
    {"problem": "simple"},
    {"problem": "quadratic", "num_dims": 2, "num_functions": 3},
]


def test_members_are_the_problems_on_the_split():
    problem = registry.make_problem("mixture", "validation", problems=_PARTS)
    assert [member.name for member in problem.members] == [
        "simple",
        "quadratic",
    ]
    other = problem.with_split("test")
    for each, split in ((problem, "validation"), (other, "test")):
        assert {each.split, *(m.split for m in each.members)} == {split}


def test_configuration_builds_it_again():
    problem = registry.make_problem("mixture", problems=_PARTS)
    config = problem.config()
    again = registry.make_problem(config["name"], **config["options"])
    assert again.config() == config
    assert [m.config() for m in again.members] == [
        m.config() for m in problem.members
    ]


def test_members_of_a_mixture_are_members():
    inner = mixture.Mixture([simple.Simple(), simple.SimpleMulti()])
    outer = mixture.Mixture([inner, simple.Simple()])
    assert [member.name for member in outer.members] == [
        "simple",
        "simple-multi",
        "simple",
    ]


def test_nothing_makes_no_mixture():
    with pytest.raises(ValueError, match="at least one problem"):
        mixture.Mixture([])


def test_an_ensemble_takes_no_mixture_as_a_part():
    with pytest.raises(ValueError, match="'mixture', which has 2"):
        registry.make_problem(
            "ensemble", problems=[{"problem": "mixture", "problems": _PARTS}]
        )
