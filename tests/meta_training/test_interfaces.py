"""Tests of l2l_tf/meta_training/interfaces.py."""

import pytest
import tensorflow as tf

from l2l_tf.meta_training import experiment
from l2l_tf.meta_training import interfaces
from l2l_tf.problems import base
from l2l_tf.problems import simple
from l2l_tf.rules import hand_designed


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


def _to(change):
    return lambda outcome: outcome._replace(loss=change(outcome.loss))


def _measuring(metrics):
    return lambda outcome: outcome._replace(metrics=metrics)


def _raise(error):
    raise error


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
        (lambda _: {}["a"], r"'a' .KeyError, test_interfaces.py, line"),
        (lambda _: 1 / 0, "evaluated: division by zero"),
        (lambda _: _raise(NotImplementedError), "evaluated: NotImplementedE"),
        (
            lambda _: _raise(tf.errors.InternalError(None, None, "lost")),
            "evaluated: lost",
        ),
        (lambda _: _raise(SystemExit), "evaluated: SystemExit"),
        (_to(lambda loss: tf.cast(loss, tf.int32)), r"int32 of shape \(\)"),
        (_to(lambda loss: loss > 0), "floating point type.*bool"),
        (_to(lambda loss: tf.cast(loss, tf.complex64)), "complex64"),
        (_to(lambda loss: 1.0), "one number.*received 1.0"),
        (_to(lambda loss: tf.constant("a")), "one number.*string of shape"),
        (_to(lambda loss: tf.reduce_sum(tf.unique([loss])[0])), "Unique"),
        (_measuring({"name": "text"}), "metrics .* numbers by name.*text"),
        (_measuring({"name": tf.constant("text")}), "metrics.*string of shape"),
        (_measuring([1.0]), r"metrics .* by name; received \[1.0\]"),
        (
            lambda outcome: outcome._replace(model_state=[outcome.loss]),
            r"model state .* structure.*received \(\), and \[float32 of shape",
        ),
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
        interfaces.check(Conditional(), simple.Simple())


class _Stateful(simple.Simple):
    """Carries a state, which its loss changes."""

    def __init__(self, change):
        super().__init__()
        self._change = change

    def initial_model_state(self, task, seed):
        return {"sums": tf.zeros([3]), "count": 0}

    def loss(self, params, model_state, task, batch, seed):
        loss = tf.square(params[0])
        return base.Outcome(loss, self._change(model_state))


@pytest.mark.parametrize(
    "change",
    [
        lambda state: {**state, "sums": tf.zeros([4])},
        lambda state: {**state, "sums": tf.zeros([3], tf.float64)},
        lambda state: {**state, "count": 0.5},
        lambda state: {**state, "more": 1},
        lambda state: list(state.values()),
        lambda state: None,
    ],
)
def test_a_model_state_that_changes_its_kind_is_refused(change):
    interfaces.check_problem(_Stateful(lambda state: {**state, "count": 1}))
    with pytest.raises(ValueError, match="model state .* keep their struct"):
        interfaces.check_problem(_Stateful(change))


class _Starting(simple.Simple):
    """Has the parameters that are asked for."""

    parameter_names = ["x"]

    def __init__(self, params):
        super().__init__()
        self._params = params

    def initial_params(self, task, seed):
        return self._params()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (lambda: None, "must be a list of tensors.*None"),
        (lambda: tf.ones([1]), r"a list of tensors.*float32 of shape \(1,\)"),
        (lambda: [1.0], r"a list of tensors.*\[1.0\]"),
        (lambda: [tf.constant(1)], "floating point types.*int32 of shape"),
        (lambda: [tf.constant("a")], "floating point types.*string of shape"),
        (lambda: [tf.ones([])] * 2, r"parameter_names .* 2 param.*\['x'\]"),
        (lambda: [tf.ones([2])], r"one number.*shape \(2, 3\)"),
        (lambda: _raise(KeyError("a")), "draw of .* fails: 'a' .KeyError"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(params, message):
    problem = _Starting(params)
    if "2, 3" in message:
        problem.loss = lambda params, *_: base.Outcome(
            params[0][:, tf.newaxis] * tf.ones([3])
        )
    with pytest.raises(ValueError, match=message) as error:
        interfaces.check_problem(problem)
    assert "\n" not in str(error.value)


class _Rule(hand_designed.SGD):
    """Makes the step that is asked for, from a state of two numbers."""

    def __init__(self, change):
        super().__init__()
        self._change = change

    def initial_state(self, params):
        return {"sums": tf.zeros([2])}

    def __call__(self, gradients, state):
        return self._change(gradients, state)


_CHANGES = r"The state of the rule _Rule must be tensors that keep"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g, state: None, "must return updates and the next.*None"),
        (lambda g, state: g, "must return updates and the next.*float32"),
        (lambda g, state: (None, state), "one update for each of 1.*None"),
        (lambda g, state: (g * 2, state), r"one update for each of 1.*\["),
        (lambda g, state: (g[0], state), "one update for each of 1.*float32"),
        (lambda g, state: ([None], state), "shapes and types.*None"),
        (
            lambda g, state: ([tf.ones([2])], state),
            r"float32 of shape \(\) as number 0; received .* shape \(2,\)",
        ),
        (
            lambda g, state: ([tf.ones([], tf.float64)], state),
            "as number 0; received float64",
        ),
        (lambda g, state: (g, None), f"{_CHANGES}.*None after a step"),
        (lambda g, state: (g, [state["sums"]]), _CHANGES),
        (lambda g, state: (g, {"sums": tf.zeros([3])}), _CHANGES),
        (lambda g, state: (g, {"sums": tf.zeros([2], tf.int32)}), _CHANGES),
        (lambda g, state: {}["a"], r"evaluated: 'a' \(KeyError"),
    ],
)
def test_a_rule_whose_steps_make_no_sense_is_refused(change, message):
    interfaces.check(
        _Rule(lambda gradients, state: (gradients, state)), _PROBLEM
    )
    with pytest.raises(ValueError, match=message) as error:
        interfaces.check(_Rule(change), _PROBLEM)
    assert "\n" not in str(error.value)


_PROBLEM = simple.Simple()
