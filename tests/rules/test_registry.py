"""Tests of l2l_tf/rules/registry.py."""

import json

import pytest

from l2l_tf.core import registry as core
from l2l_tf.rules import base
from l2l_tf.rules import hand_designed
from l2l_tf.rules import registry
from l2l_tf.rules.learned import deep_lstm_rules as learned

_ROUTED = {
    "rule": "routed",
    "routes": {
        "kernel": {"rule": "coordinatewise", "layers": [3], "seed": 1},
        ".*": {"rule": "adam", "learning_rate": 0.5},
    },
}
_NAMES = ["kernel", "bias"]


@pytest.mark.parametrize("name", hand_designed.names())
def test_hand_designed_rules_are_rebuilt(name):
    config = {"rule": name, "learning_rate": 0.5}
    rule = registry.make_rule(config)
    assert type(rule) is registry.RULES.get(name)
    assert config.items() <= rule.config().items()
    again = registry.make_rule(json.loads(json.dumps(rule.config())))
    assert again.config() == rule.config()


def test_a_routed_rule_is_rebuilt():
    config = registry.make_rule(_ROUTED, _NAMES).config()
    assert list(config["routes"]) == ["kernel", ".*"]
    again = registry.make_rule(json.loads(json.dumps(config)), _NAMES)
    assert again.config() == config
    lstm, adam = again.rules.values()
    assert (lstm.config()["seed"], adam.config()["learning_rate"]) == (1, 0.5)


def test_the_default_is_the_papers_coordinatewise_lstm():
    rule = registry.make_rule({})
    assert type(rule) is learned.CoordinatewiseDeepLSTM
    config = rule.config()
    assert config["layers"] == [20, 20]
    assert config["preprocessing"] == "log_and_sign"
    assert config["scale"] == 0.1


def test_routes_may_be_nested():
    config = {"rule": "routed", "routes": {"ker": _ROUTED, ".*": {}}}
    names = ["kernel", "other_ker", "bias"]
    rule = registry.make_rule(config, names)
    inner, outer = rule.rules.values()
    assert rule.leaves([7, 8, 9]) == [
        (inner.rules["kernel"], [7]),
        (inner.rules[".*"], [8]),
        (outer, [9]),
    ]
    again = registry.make_rule(json.loads(json.dumps(rule.config())), names)
    assert again.config() == rule.config()


def test_a_rule_of_ones_own_is_registered_and_rebuilt():
    @registry.register_rule("only_here")
    class Mine(base.UpdateRule):
        def __init__(self, rate=0.5):
            super().__init__()
            self.rate = rate

        def initial_state(self, params):
            return ()

        def __call__(self, gradients, state):
            return [-self.rate * g for g in gradients], state

        def config(self):
            return {"rule": self.rule_name, "rate": self.rate}

    rule = registry.make_rule({"rule": "only_here", "rate": 0.25})
    assert isinstance(rule, Mine)
    assert rule.config() == {"rule": "only_here", "rate": 0.25}
    assert core.accepted(Mine) == ["rate"]
    with pytest.raises(
        ValueError, match="only_there.*--imports=package.module"
    ):
        registry.make_rule({"rule": "only_there"})
    # A subclass is another rule, and has no name before it is registered.
    assert type("Other", (Mine,), {})().config()["rule"] == ""


def test_the_configuration_is_not_changed():
    before = json.dumps(_ROUTED)
    registry.make_rule(_ROUTED, _NAMES)
    assert json.dumps(_ROUTED) == before


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"rule": "nope"}, "'nope'.*adam.*coordinatewise.*routed"),
        ({"layer": [20]}, r"\['layer'\].*'coordinatewise'.*'layers'"),
        ({"rule": "sgd", "momentum": 1}, r"\['momentum'\].*learning_rate"),
        ({"rule": "routed", "route": {}}, r"\['route'\].*'routed'.*'routes'"),
        ({"rule": "kernelwise"}, "'kernelwise'.*kernel_shape"),
        ({"rule": "vectorwise"}, "'vectorwise'.*size"),
        ({"rule": "kernelwise", "kernel_shape": [5]}, "kernel_shape"),
        ({"rule": "kernelwise", "kernel_shape": [0, 3]}, "kernel_shape"),
        ({"rule": "vectorwise", "size": 0}, "size"),
        ({"rule": "vectorwise", "size": "a"}, "size.*'a'"),
        ({"layers": [0]}, "layers"),
        ({"layers": ["a"]}, "layers.*'a'"),
        ({"scale": "a"}, "scale.*'a'"),
        ({"dtype": "a"}, "'a'"),
        ({"dtype": "int32"}, "int32"),
        ({"seed": "a"}, "seed.*'a'"),
        ({"initializer": "a"}, "initializer.*'a'"),
        ({"preprocessing": "a"}, "preprocessing.*'a'"),
        ({"preprocessing_options": {"q": 1}}, r"\['q'\].*'log_and_sign'.*'p'"),
        ({"preprocessing_options": {"p": "a"}}, "p.*'a'"),
        ({"preprocessing_options": {"p": 100}}, "p must be 80 at most.*100"),
        ({"preprocessing_options": 5}, "preprocessing_options.*5"),
        ({"rule": ["sgd"]}, "sgd"),
        ({"inputs": "a"}, "inputs 'a'.*gradient.*rnnprop"),
        ({"inputs": "rnnprop", "inputs_options": {"beta_1": 1}}, "beta_1.*1"),
        ({"inputs_options": {"q": 1}}, r"\['q'\].*'gradient'"),
        ({"outputs": "a"}, "outputs 'a'.*clip.*raw.*rms"),
        ({"outputs": "rms", "outputs_options": {"size": 0}}, "size.*0"),
        ({"outputs": "rms", "outputs_options": 5}, "outputs_options.*5"),
        ({"arrangement": 5}, r"\['arrangement'\]"),
        ({"rule": "sgd", "learning_rate": "a"}, "learning_rate.*'a'"),
        ({"rule": "routed", "routes": ["a"]}, "routes.*'a'"),
        ({"rule": "routed", "routes": {"(": {}}}, r"'\('"),
    ],
    ids=str,
)
def test_bad_configurations_are_refused_in_one_line(config, message):
    with pytest.raises(ValueError, match=message) as error:
        registry.make_rule(config, _NAMES)
    assert "\n" not in str(error.value)


def test_errors_inside_a_routed_rule_surface():
    routes = {"kernel": {"rule": "nope"}, ".*": {"rule": "sgd"}}
    with pytest.raises(ValueError, match="'nope'"):
        registry.make_rule({"rule": "routed", "routes": routes}, _NAMES)
    with pytest.raises(ValueError, match=r"\['scale'\]"):
        registry.make_rule(
            {**_ROUTED, "routes": {"kernel": {}, "bias": {}, "scale": {}}},
            _NAMES,
        )


def test_every_part_that_takes_a_seed_gets_one_unless_it_has_one():
    given = {
        "rule": "routed",
        "routes": {
            "a": {"layers": [2]},
            "b": {"rule": "adam"},
            "": {"rule": "routed", "routes": {"": {"seed": 5}}},
        },
    }
    seeded = registry.with_seed(given, 7)
    assert seeded["routes"] == {
        "a": {"layers": [2], "seed": 7},
        "b": {"rule": "adam"},
        "": {"rule": "routed", "routes": {"": {"seed": 5}}},
    }
    assert given["routes"]["a"] == {"layers": [2]}


def test_a_rule_starts_from_one_that_only_began_otherwise():
    def make(learning_rate, **initial):
        routes = {
            "a": {"layers": [2], **initial},
            "b": {"rule": "adam", "learning_rate": learning_rate},
        }
        return registry.make_rule({"rule": "routed", "routes": routes})

    rule = make(0.1)
    source = make(0.1, seed=7, initializer="zeros")
    found = [
        variable.ref()
        for pair in rule.weights_from(source)
        for variable in pair
    ]
    weights = zip(
        rule.trainable_variables, source.trainable_variables, strict=True
    )
    assert found == [variable.ref() for pair in weights for variable in pair]
    assert found
    with pytest.raises(ValueError, match="cannot start from the weights"):
        rule.weights_from(make(0.2, seed=7))


@pytest.mark.parametrize(
    "config", [None, [], {"rule": "nonesuch"}, {"rule": "routed", "routes": 3}]
)
def test_what_no_rule_is_made_from_is_left_for_make_rule_to_refuse(config):
    assert registry.with_seed(config, 7) == config
