"""Tests of l2l_tf/meta_training/problem_interface.py."""

import keras
import pytest
import tensorflow as tf

from l2l_tf.core import compilation
from l2l_tf.meta_training import experiment
from l2l_tf.meta_training import problem_interface
from l2l_tf.problems import base
from l2l_tf.problems import simple


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
        (lambda _: {}["a"], r"'a' .KeyError, test_problem_interface.py, line"),
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
        (_with(lambda: tf.zeros([0])), r"one number.*\(0,\)"),
        (
            _measuring({"a": tf.zeros([3])}),
            r"metric 'a' .* one number, or of the shape of its loss, \(\); "
            r"received float32 of shape \(3,\)",
        ),
        (
            _measuring({"a": tf.ragged.constant([[1.0], []])}),
            "metrics .* numbers by name.*RaggedTensor",
        ),
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
        lambda state: {**state, "sums": tf.sparse.from_dense([0.0] * 3)},
        lambda state: list(state.values()),
        lambda state: None,
    ],
)
def test_a_model_state_that_changes_its_kind_is_refused(change):
    problem_interface.check(_Stateful(lambda state: {**state, "count": 1}))
    with pytest.raises(ValueError, match="model state .* keep their struct"):
        problem_interface.check(_Stateful(change))


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
        (
            lambda: [tf.ragged.constant([[1.0], []])],
            "floating point types.*tensorflow's RaggedTensor of shape",
        ),
        (
            lambda: [tf.sparse.from_dense([1.0, 0.0])],
            "floating point types.*tensorflow's SparseTensor of shape",
        ),
        (
            lambda: [keras.Variable([1.0])],
            r"floating point types.*keras's Variable of shape \(1,\)",
        ),
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
        problem_interface.check(problem)
    assert "\n" not in str(error.value)


def test_metrics_of_the_losss_shape_and_scalars_are_accepted():
    problem = _Starting(lambda: [tf.ones([2])])
    problem.loss = lambda params, *_: base.Outcome(
        params[0], metrics={"each": params[0], "all": tf.constant(1)}
    )
    problem_interface.check(problem)


@pytest.mark.parametrize("method", ["sample_batch", "sample_task"])
@pytest.mark.parametrize(
    ("drawn", "message"),
    [
        (lambda: (tf.zeros([]) for _ in range(2)), "received <generator"),
        (object, "received <object"),
        (
            lambda: (tf.zeros([2]), None),
            r"received \(float32 of shape \(2,\), N",
        ),
    ],
)
def test_draws_that_are_no_tensors_are_refused(method, drawn, message):
    problem = simple.Simple()
    setattr(problem, method, lambda *_: drawn())
    with pytest.raises(ValueError, match=f"What {method} .* {message}"):
        problem_interface.check(problem)


def test_draws_may_be_ragged_and_variables():
    problem = simple.Simple()
    batch = [tf.ragged.constant([[1.0], []]), tf.Variable(1), 2.0, "a"]
    problem.sample_batch = lambda *_: batch
    problem_interface.check(problem)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda split: None, r"'train'\) of .* must return a problem.*None"),
        (lambda split: {}["a"], r"'train'\) of .* fails: 'a' \(KeyError"),
        (
            lambda split: {"train": simple.Simple()}[split],
            r"with_split\('validation'\) of .* fails",
        ),
    ],
)
def test_a_problem_without_its_splits_is_refused(other, message, tmp_path):
    problem = simple.Simple()
    problem.with_split = other
    with pytest.raises(ValueError, match=message):
        experiment.meta_train(problem, tmp_path / "run")
    assert not list(tmp_path.iterdir())


def _assert(outcome):
    tf.debugging.assert_greater(outcome.loss, 9.0, message="It is too small.")
    return outcome


def test_a_loss_that_fails_in_a_step_is_told_in_one_sentence(tmp_path):
    with pytest.raises(compilation.StepError, match="It is too small") as error:
        experiment.meta_train(
            _Refused(_assert),
            tmp_path / "run",
            num_steps=2,
            unroll_length=1,
            jit_compile=False,
        )
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())
