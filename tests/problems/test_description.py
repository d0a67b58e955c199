"""Tests of l2l_tf/problems/description.py."""

import pytest

from l2l_tf.meta_training import experiment
from l2l_tf.problems import description
from l2l_tf.problems import simple


def _made(**attributes):
    """Returns a problem that says something else of itself."""
    return type("Mine", (simple.Simple,), attributes)()


def _raising(*_):
    raise KeyError("a")


def _config(**changes):
    return lambda self: {"name": "mine", "options": {}, **changes}


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"name": None}, "The name of the problem Mine must be text.*None"),
        ({"name": ""}, "name of the problem Mine must be text.*''"),
        ({"name": 3}, "name of the problem Mine must be text.*3"),
        ({"config": lambda self: None}, r"config\(\) .* must return .*None"),
        ({"config": lambda self: {}}, r"config\(\) .* must return .*{}"),
        ({"config": _config(more=1)}, r"config\(\) .* must return .*'more'"),
        ({"config": _config(options=1)}, r"config\(\) .* must return"),
        ({"config": _raising}, r"config\(\) .* fails: 'a' \(KeyError"),
        ({"config": _config(options={"a": object()})}, "not JSON serializable"),
        ({"config": _config(options={1: 2})}, "the name 1 is no text"),
        *(
            ({"parameter_names": names}, "parameter_names .* a list of text")
            for names in (None, 3, "x", b"x", {"x"}, [None], iter(["x"]))
        ),
        (
            {"parameter_names": property(_raising)},
            r"parameter_names .* fail: 'a' \(KeyError",
        ),
    ],
)
def test_what_could_not_be_written_down_is_refused(
    attributes, message, tmp_path
):
    with pytest.raises(ValueError, match=message) as error:
        experiment.meta_train(_made(**attributes), tmp_path / "run")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_tuples_and_plain_options_are_accepted():
    names = property(lambda self: ("x",))
    options = _config(options={"sizes": (1, 2), "rate": 0.5, "more": None})
    description.check(_made(parameter_names=names, config=options))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda self: None, "must return a rule's configuration.*None"),
        (lambda self: ["rule"], r"must return a rule's conf.*\['rule'\]"),
        (lambda self: "adam", "must return a rule's configuration.*'adam'"),
        (_raising, r"fails: 'a' \(KeyError"),
    ],
)
def test_a_default_rule_that_is_none_is_refused(rule, message, tmp_path):
    problem = _made(default_rule=rule)
    with pytest.raises(ValueError, match=rf"default_rule\(\) .* {message}"):
        experiment.meta_train(problem, tmp_path / "run")
    # It is asked for only where no rule is given.
    description.check(problem)
    assert not list(tmp_path.iterdir())
