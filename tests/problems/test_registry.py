"""Tests of l2l_tf/problems/registry.py."""

import pytest
import tensorflow as tf

from l2l_tf.problems import ensemble
from l2l_tf.problems import image_classification
from l2l_tf.problems import quadratic
from l2l_tf.problems import registry
from l2l_tf.problems import simple


def test_names_and_options_make_problems():
    made = registry.make_problem("quadratic", split="test", num_functions=7)
    assert type(made) is quadratic.Quadratic
    assert (made.split, made.num_functions) == ("test", 7)
    assert type(registry.make_problem("simple")) is simple.Simple
    assert type(registry.make_problem("simple-multi")) is simple.SimpleMulti


@pytest.mark.parametrize(
    ("name", "options"),
    [("digits", {}), ("image_classification", {"dataset": "digits"})],
)
def test_data_sets_make_image_classification(name, options):
    problem = registry.make_problem(name, hidden_layers=[3], **options)
    assert type(problem) is image_classification.ImageClassification
    assert problem.name == "digits"
    params = problem.initial_params((), tf.constant([0, 0]))
    assert sorted(tuple(p.shape) for p in params) == [
        (3,), (3, 10), (10,), (64, 3),
    ]  # fmt: skip


def test_an_ensemble_is_made_of_its_parts():
    problem = registry.make_problem(
        "ensemble",
        split="validation",
        problems=[
            {"problem": "quadratic", "num_dims": 3},
            {"problem": "simple"},
        ],
        weights=[1.0, 2.0],
    )
    assert type(problem) is ensemble.Ensemble
    first, second = problem.problems
    assert (first.num_dims, first.split) == (3, "validation")
    assert type(second) is simple.Simple
    assert problem.weights == [1.0, 2.0]


def test_accepted_options_are_all_but_name_and_split():
    assert registry.accepted_options("simple") == ["dtype"]
    digits = registry.accepted_options("digits")
    assert "hidden_layers" in digits
    assert not {"dataset", "split"} & set(digits)
    assert "dataset" in registry.accepted_options("image_classification")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nope", {}, "'nope'.*quadratic.*digits"),
        ("quadratic", {"dims": 3}, r"\['dims'\].*'quadratic'.*'num_dims'"),
        ("quadratic", {"num_functions": 0}, "num_functions.*0"),
        ("quadratic", {"num_dims": 0}, "num_dims.*0"),
        ("quadratic", {"initial_std": "a"}, "initial_std.*'a'"),
        ("quadratic", {"dtype": "a"}, "dtype.*'a'"),
        ("digits", {"dataset": "mnist"}, r"\['dataset'\].*'digits'"),
        ("digits", {"hidden_layers": 3}, "hidden_layers.*3"),
        ("digits", {"split": "nope"}, "'nope'.*'validation'"),
        ("image_classification", {}, "'image_classification'.*dataset"),
        ("simple", {"dtype": "int32"}, "dtype.*'int32'"),
        ("ensemble", {}, "'ensemble'.*problems"),
        (
            "ensemble",
            {"problems": [{"problem": "simple"}], "weights": ["a"]},
            "weight.*'a'",
        ),
        ("ensemble", {"problems": ["simple"]}, "\"problem\": name.*'simple'"),
        ("ensemble", {"problems": [{"problem": "nope"}]}, "'nope'"),
        (
            "ensemble",
            {"problems": [{"problem": "simple", "a": 1}]},
            r"\['a'\].*'simple'",
        ),
    ],
    ids=str,
)
def test_bad_problems_are_refused_in_one_line(name, options, message):
    with pytest.raises(ValueError, match=message) as error:
        registry.make_problem(name, **options)
    assert "\n" not in str(error.value)
