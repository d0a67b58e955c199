"""Tests of l2l_tf/problems/registry.py."""

import sys

import pytest
import tensorflow as tf

from l2l_tf.core import registry as core
from l2l_tf.problems import datasets
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
    assert isinstance(problem, image_classification.ImageClassification)
    assert problem.config() == {
        "name": "digits",
        "options": {
            "hidden_layers": [3],
            "activation": "sigmoid",
            "batch_size": 128,
            "initial_values": 0.01,
            "dtype": "float32",
        },
    }
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
    assert problem.factors == [1.0, 2.0]


def test_accepted_options_are_all_but_name_and_split():
    def accepted(name):
        return core.accepted(registry.PROBLEMS.get(name))

    assert accepted("simple") == ["dtype"]
    assert "hidden_layers" in accepted("digits")
    assert not {"dataset", "split"} & set(accepted("digits"))
    assert "dataset" in accepted("image_classification")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nope", {}, "'nope'.*digits.*quadratic"),
        ("quadratic", {"dims": 3}, r"\['dims'\].*'quadratic'.*'num_dims'"),
        ("quadratic", {"num_functions": 0}, "num_functions.*0"),
        ("quadratic", {"sampling": ["x"]}, "sampling must.*received 'x'"),
        (
            "digits",
            {"activation": ["relu"]},
            r"activation must.*received \['relu'\]",
        ),
        ("quadratic", {"num_dims": 0}, "num_dims.*0"),
        ("quadratic", {"initial_std": "a"}, "initial_std.*'a'"),
        ("quadratic", {"dtype": "a"}, "dtype.*'a'"),
        ("digits", {"dataset": "mnist"}, r"\['dataset'\].*'digits'"),
        ("digits", {"hidden_layers": 3}, "hidden_layers.*3"),
        ("digits", {"split": "nope"}, "'validation'.*'nope'"),
        ("quadratic", {"split": ["test"]}, r"split must.*\['test'\]"),
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
        (
            "ensemble",
            {"problems": [{"problem": "simple", "split": "test"}]},
            "split is not an option of the problem 'simple'.*'test'",
        ),
    ],
    ids=str,
)
def test_bad_problems_are_refused_in_one_line(name, options, message):
    with pytest.raises(ValueError, match=message) as error:
        registry.make_problem(name, **options)
    assert "\n" not in str(error.value)


_OWN = """
from l2l_tf.problems import quadratic

def parabola(split, num_dims=1, num_functions=2):
    return quadratic.Quadratic(
        split, num_dims=num_dims, num_functions=num_functions
    )

def number(split):
    return 3

def no_split():
    return quadratic.Quadratic()

VALUE = 3
"""


@pytest.fixture(name="own")
def _own(tmp_path, monkeypatch):
    """Makes a module `own_problems` and a broken one importable."""
    (tmp_path / "own_problems.py").write_text(_OWN)
    (tmp_path / "broken_problems.py").write_text("import no_such_thing")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("own_problems", None)


def test_a_users_own_function_makes_a_problem(own):
    name = "own_problems:parabola"
    problem = registry.import_problem(name, "test", num_dims=3)
    assert type(problem) is quadratic.Quadratic
    assert (problem.split, problem.num_dims) == ("test", 3)
    config = {"name": name, "options": {"num_dims": 3}}
    assert problem.config() == config
    assert problem.with_split("train").config() == config


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("own_problems:nope", {}, "'own_problems' has no function 'nope'"),
        ("own_problems:VALUE", {}, "'own_problems' has no function 'VALUE'"),
        ("no_problems:parabola", {}, "no module 'no_problems'"),
        ("own_problems.sub:parabola", {}, "no module 'own_problems.sub'"),
        ("own_problems:number", {}, "'own_problems:number' must return.*int"),
        ("own_problems:no_split", {}, "'split'"),
        ("own_problems:parabola", {"dims": 3}, "'own_problems:parabola'.*dims"),
        ("own_problems:parabola", {"num_dims": 0}, "num_dims.*0"),
        (":parabola", {}, "package.module:function.*':parabola'"),
        ("own_problems:", {}, "package.module:function.*'own_problems:'"),
        ("a:b:c", {}, "package.module:function.*'a:b:c'"),
    ],
)
def test_what_cannot_be_imported_is_refused_in_one_line(
    own, name, options, message
):
    with pytest.raises(ValueError, match=message) as error:
        registry.import_problem(name, **options)
    assert "\n" not in str(error.value)


def test_what_a_users_module_lacks_is_told_by_python(own):
    with pytest.raises(ModuleNotFoundError, match="no_such_thing"):
        registry.import_problem("broken_problems:parabola")


def test_a_function_that_fails_is_refused_in_one_line(own, tmp_path):
    (tmp_path / "failing_problems.py").write_text(
        "def absent(split): return {}[split]\n"
        "def exiting(split): raise SystemExit(3)\n"
        "def without_data(split):\n"
        "    from l2l_tf.problems import datasets\n"
        "    raise datasets.DataNotFoundError('no data')\n"
    )
    for name, message in (
        ("absent", r"'train' \(KeyError, failing_problems\.py, line 1\)"),
        ("exiting", r"3 \(SystemExit, failing_problems\.py, line 2\)"),
    ):
        with pytest.raises(ValueError, match=f"{name}' fails: {message}"):
            registry.import_problem(f"failing_problems:{name}")
    with pytest.raises(datasets.DataNotFoundError, match="^no data$"):
        registry.import_problem("failing_problems:without_data")


def test_the_split_is_no_option_that_a_user_gives(own):
    for name, options in (
        ("own_problems:parabola", {"num_dims": 3}),
        ("quadratic", {"num_dims": 3}),
    ):
        problem = registry.from_options(name, options, "test", may_import=True)
        assert problem.split == "test" and problem.num_dims == 3
        with pytest.raises(ValueError, match=f"split .* '{name}'.*'test'"):
            registry.from_options(
                name, {**options, "split": "test"}, may_import=True
            )
    with pytest.raises(ValueError, match="code to be imported"):
        registry.from_options("own_problems:parabola", {})


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("own_problems:parabola", {}),
        ("own_problems:parabola", {"allow_import": True}),
        ("ensemble", {"problems": [{"problem": "own_problems:parabola"}]}),
    ],
)
def test_nothing_is_imported_unless_asked_for(own, name, options):
    with pytest.raises(ValueError, match="'own_problems:parabola'.*imported"):
        registry.make_problem(name, **options)
    assert "own_problems" not in sys.modules
