"""Tests of l2l_tf/saving/schema.py."""

import copy

import pytest

from l2l_tf.core import files
from l2l_tf.saving import metadata
from l2l_tf.saving import schema

_SUITE = {
    "problems": 14,
    "max_parameters": 100,
    "max_steps": 200,
    "ratios": {"200": 0.5, "1000": None},
}

_GOOD = {
    "format_version": 1,
    "rule": {"rule": "coordinatewise", "layers": [20, 20]},
    "files": {"saved_model.pb": "0" * 64},
    "problem": {"name": "quadratic", "options": {"num_dims": 10}},
    "horizon": 100,
    "training": {"num_steps": 100},
    "validation": {"loss": 0.5, "runs": 3},
    "test": {"optimizers": {"L2L": {"final": 0.5}, "sgd": {"final": None}}},
    "suite": _SUITE,
    "figures": {"quadratic": {"L2L": {"last_tenth": 0.1}}},
    "command": "python scripts/train.py",
    "earlier_commands": ["python scripts/train.py"],
    "versions": {"tensorflow": "2.21.0"},
    "notes": [1, 2, "anything else"],
}


def test_good_metadata_passes():
    schema.check(_GOOD)
    schema.check({k: _GOOD[k] for k in ("format_version", "rule", "files")})
    schema.check({**_GOOD, "horizon": None, "test": None, "command": None})


@pytest.mark.parametrize("name", metadata.bundled_names())
def test_bundled_metadata_passes(name):
    schema.check(files.read_json(metadata.find(name) / metadata.METADATA))


@pytest.mark.parametrize("name", ["format_version", "rule", "files"])
def test_what_is_missing_is_named(name):
    values = copy.deepcopy(_GOOD)
    del values[name]
    with pytest.raises(ValueError, match=name):
        schema.check(values)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format_version", True),
        ("format_version", "1"),
        ("rule", []),
        ("rule", {"layers": [20]}),
        ("rule", {"rule": ["coordinatewise"]}),
        ("rule", {"rule": "x", "layers": [1] * 1000}),
        ("rule_sha256", 5),
        ("files", ["saved_model.pb"]),
        ("files", {"saved_model.pb": None}),
        ("files", {"saved_model.pb": "0" * 63}),
        ("files", {"saved_model.pb": "0" * 63 + "\n"}),
        ("problem", "mnist"),
        ("problem", {"name": 5}),
        ("problem", {"name": "mnist", "options": [1]}),
        ("horizon", 0),
        ("horizon", 1.5),
        ("horizon", True),
        ("horizon", 2**31),
        ("training", None),
        ("test", {"optimizers": []}),
        ("test", {"optimizers": {"L2L": 0.5}}),
        ("test", {"optimizers": {"L2L": {"final": "0.5"}}}),
        ("figures", {"mnist": []}),
        ("suite", {}),
        ("suite", {**_SUITE, "max_steps": 0}),
        ("suite", {**_SUITE, "ratios": {"200": "0.5"}}),
        ("suite", {**_SUITE, "ratios": {"many": 0.5}}),
        ("suite", {**_SUITE, "ratios": {"²": 0.5}}),
        ("suite", {**_SUITE, "ratios": {}}),
        ("figures", {"mnist": {"L2L": None}}),
        ("figures", {"mnist": {"L2L": {"last_tenth": "0.1"}}}),
        ("figures", {"mnist": {"L2L": {"last_tenth": 10**400}}}),
        ("figures", {"mnist": {"L2L": {"best_baseline": 3}}}),
        ("test", {"optimizers": {"L2L": {"final": 10**400}}}),
        ("command", ["python"]),
        ("earlier_commands", "python"),
        ("earlier_commands", [None]),
        ("versions", []),
    ],
)
def test_what_is_not_as_it_should_be_is_named(name, value):
    with pytest.raises(ValueError, match=name) as error:
        schema.check({**_GOOD, name: value})
    assert len(str(error.value)) < 300
