"""Tests of l2l_tf/saving/verification.py."""

import pytest
import sonnet as snt
import tensorflow as tf
from sonnet.src import base as snt_base

from l2l_tf.core import checks
from l2l_tf.rules import base
from l2l_tf.rules import registry
from l2l_tf.saving import metadata
from l2l_tf.saving import saved_optimizer


@registry.register_rule("test_averaging")
class _Averaging(base.UpdateRule):
    """A rule that is not columnwise: a step against the mean gradient."""

    def __init__(self, rate: float = 0.1, secret: float = 0.0):
        super().__init__()
        self._rate = checks.number("rate", rate)
        self._secret = 0.0
        self.factor = tf.Variable(float(rate))
        self.constant = tf.Variable(2.0, trainable=False)

    def initial_state(self, params):
        return [tf.zeros_like(param) for param in params]

    def __call__(self, gradients, state):
        state = [
            0.5 * old + tf.reduce_mean(gradient)
            for old, gradient in zip(state, gradients, strict=True)
        ]
        factor = self.factor * self.constant + self._secret
        return [-factor * new for new in state], state

    def config(self):
        return {"rule": self.rule_name, "rate": self._rate}


@registry.register_rule("test_picky")
class _Picky(_Averaging):
    """One that takes parameters of three axes only."""

    def initial_state(self, params):
        if any(param.shape.rank != 3 for param in params):
            raise ValueError("Three axes are needed.")
        return super().initial_state(params)


@registry.register_rule("test_forgetful")
class _Forgetful(_Averaging):
    """One whose configuration says too little."""

    def config(self):
        return {"rule": self.rule_name}


@registry.register_rule("test_sonnet")
class _Sonnet(base.UpdateRule):
    """One that is written with Sonnet."""

    def __init__(self):
        super().__init__()
        self._network = snt.Linear(1)
        self._network(tf.zeros([1, 1]))

    def initial_state(self, params):
        return ()

    def __call__(self, gradients, state):
        return [
            tf.reshape(self._network(tf.reshape(g, [-1, 1])), g.shape)
            for g in gradients
        ], state

    def config(self):
        return {"rule": self.rule_name}


def test_rules_may_be_written_with_sonnet(tmp_path):
    # As in a process in which nothing has made a Sonnet module yet.
    snt_base.assert_tf2.checked = False
    rule = _Sonnet()
    snt_base.assert_tf2.checked = False
    path = saved_optimizer.export(rule, tmp_path / "rule", {})
    for ours, theirs in zip(
        rule.trainable_variables,
        saved_optimizer.load(path).trainable_variables,
        strict=True,
    ):
        assert ours.numpy().tolist() == theirs.numpy().tolist()


@registry.register_rule("test_lying")
class _Lying(base.UpdateRule):
    """One that saves functions of another rule."""

    def __init__(self, factor: float = 1.0):
        super().__init__()
        self._factor = factor
        self.rate = tf.Variable(0.1)

    def initial_state(self, params):
        return tf.zeros([])

    def __call__(self, gradients, state):
        return [-self._factor * self.rate * g for g in gradients], state + 1

    def config(self):
        return {"rule": self.rule_name}

    def save(self, folder):
        _Lying(2.0 * self._factor).save_as_it_is(folder)

    def save_as_it_is(self, folder):
        super().save(folder)


@pytest.mark.parametrize("name", ["test_averaging", "test_picky"])
def test_rules_of_other_kinds_are_saved(name, tmp_path):
    rule = registry.make_rule({"rule": name, "rate": 0.3})
    rule.factor.assign(0.7)
    path = saved_optimizer.export(rule, tmp_path / "rule", {})
    loaded = saved_optimizer.load(path)
    assert loaded.config() == rule.config()
    assert float(loaded.factor) == float(rule.factor)


def test_a_rule_that_is_not_registered_is_refused(tmp_path):
    class Unknown(_Averaging):
        pass

    with pytest.raises(metadata.SavedOptimizerError):
        saved_optimizer.export(Unknown(), tmp_path / "rule", {})
    assert not list(tmp_path.iterdir())


def test_what_the_configuration_does_not_say_is_found(tmp_path):
    rule = _Averaging(0.3)
    rule._secret = 0.01  # Neither a weight nor an option.
    with pytest.raises(metadata.SavedOptimizerError, match="differs"):
        saved_optimizer.export(rule, tmp_path / "rule", {})
    assert not list(tmp_path.iterdir())


def test_functions_that_do_something_else_are_found(tmp_path, monkeypatch):
    with pytest.raises(metadata.SavedOptimizerError, match="differs"):
        saved_optimizer.export(_Lying(), tmp_path / "rule", {})
    monkeypatch.setattr(_Lying, "save", _Lying.save_as_it_is)
    saved_optimizer.export(_Lying(), tmp_path / "rule", {})


def test_weights_that_are_drawn_anew_are_no_matter(tmp_path):
    # The numbers are in the folder, whatever the configuration starts from.
    path = saved_optimizer.export(_Forgetful(0.3), tmp_path / "rule", {})
    assert float(saved_optimizer.load(path).factor) == pytest.approx(0.3)
