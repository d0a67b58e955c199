"""Tests of l2l_tf/evaluation/learning_curves.py."""

import json
import math

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.evaluation import learning_curves as evaluation
from l2l_tf.meta_gradients import unroll
from l2l_tf.problems import image_classification
from l2l_tf.problems import mixture
from l2l_tf.problems import quadratic
from l2l_tf.rules import hand_designed
from l2l_tf.rules.learned import deep_lstm_rules as learned

_QUADRATIC = quadratic.Quadratic(num_functions=3, num_dims=4)
_DIGITS = image_classification.ImageClassification(
    "digits", hidden_layers=[], batch_size=4, initial_values=0.5
)


def _curves(make_rule, problem, num_runs=2, rate=0.01, seed=0, num_steps=5):
    recorder = evaluation.Recorder(make_rule, problem, num_steps)
    return recorder.curves(seed, num_runs, rate)


@pytest.mark.parametrize("problem", [_QUADRATIC, _DIGITS])
def test_all_rules_see_the_same_functions_starts_and_minibatches(problem):
    rule = learned.CoordinatewiseDeepLSTM(layers=[2])
    still = learned.CoordinatewiseDeepLSTM(layers=[2], scale=0.0)
    sgd = _curves(hand_designed.SGD, problem)
    lstm = _curves(lambda rate: rule, problem)
    np.testing.assert_allclose(sgd[:, 0], lstm[:, 0], rtol=1e-6)
    assert not np.any(sgd[:, 1:] == lstm[:, 1:])
    # Where no rule moves, what remains is the same function at the same
    # start, on the same minibatches.
    np.testing.assert_allclose(
        _curves(hand_designed.Adam, problem, rate=0.0),
        _curves(lambda rate: still, problem),
        rtol=1e-6,
    )


@pytest.mark.parametrize("problem", [_QUADRATIC, _DIGITS])
def test_curves_are_those_of_unrolls(problem):
    rule = hand_designed.Momentum(0.01)

    @tf.function
    def losses(seed):
        start = unroll.start(rule, problem, seed)
        return unroll.unroll(rule, problem, start, 5).losses

    expected = [
        curve
        for index in range(2)
        for curve in np.reshape(
            losses(randomness.run_seed(7, "train", index)), [6, -1]
        ).T
    ]
    curves = _curves(hand_designed.Momentum, problem, seed=7)
    np.testing.assert_allclose(curves, expected, rtol=1e-4)


def test_every_run_and_function_has_a_curve():
    assert _curves(hand_designed.SGD, _QUADRATIC).shape == (6, 6)
    assert _curves(hand_designed.SGD, _DIGITS).shape == (2, 6)


def test_runs_differ_by_index_seed_and_split_but_not_by_their_number():
    three = _curves(hand_designed.SGD, _DIGITS, 3)
    assert len(set(three[:, 0])) == 3
    np.testing.assert_array_equal(
        _curves(hand_designed.SGD, _DIGITS), three[:2]
    )
    for other in (
        _curves(hand_designed.SGD, _DIGITS, 3, seed=1),
        _curves(hand_designed.SGD, _DIGITS.with_split("test"), 3),
    ):
        assert not np.any(other == three)


def test_one_recorder_serves_all_rates_and_the_present_weights():
    rule = learned.CoordinatewiseDeepLSTM(layers=[2])
    traces = []

    def make_rule(rate):
        traces.append(rate)
        return rule

    recorder = evaluation.Recorder(make_rule, _QUADRATIC, 5)
    num_traces = len(traces)
    before = recorder.curves(0, 1, 0.1)
    for variable in rule.trainable_variables:
        variable.assign(-variable)
    after = recorder.curves(0, 1, 0.2)
    assert len(traces) == num_traces
    np.testing.assert_array_equal(before[:, 0], after[:, 0])
    assert not np.any(before[:, 2:] == after[:, 2:])


def test_the_learning_rate_reaches_the_rule():
    recorder = evaluation.Recorder(hand_designed.SGD, _QUADRATIC, 5)
    low, high = (recorder.curves(0, 1, rate) for rate in (1e-4, 1e-2))
    assert np.all(high[:, -1] < low[:, -1])


@pytest.mark.parametrize(
    ("num_steps", "tail"), [(1, 1), (9, 1), (10, 1), (11, 2), (100, 10)]
)
def test_the_mean_of_the_last_tenth_is_that_of_its_steps(num_steps, tail):
    curves = np.random.default_rng(0).normal(size=(3, num_steps + 1))
    expected = np.mean([curve[num_steps + 1 - tail :] for curve in curves])
    assert evaluation.mean_of_last_tenth(curves) == pytest.approx(expected)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_the_mean_of_the_last_tenth_is_infinite_if_a_value_is_not_finite(bad):
    curves = np.ones([3, 101])
    curves[1, 90] = bad
    assert evaluation.mean_of_last_tenth(curves) == 1.0
    curves[1, 91] = bad
    assert evaluation.mean_of_last_tenth(curves) == math.inf


def test_a_summary_describes_the_curves():
    curves = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
    summary = evaluation.summarize(curves, 0.1)
    assert json.loads(json.dumps(summary)) == summary
    assert summary["learning_rate"] == 0.1
    for step in range(6):
        values = curves[:, step].astype("float64")
        assert summary["mean"][step] == pytest.approx(values.mean(), abs=1e-6)
        assert summary["std"][step] == pytest.approx(values.std(), abs=1e-6)
    assert summary["final"] == pytest.approx(summary["mean"][-1])
    # Of four curves, whose own mean takes one degree of freedom.
    sem = summary["std"][-1] / np.sqrt(3)
    assert summary["final_sem"] == pytest.approx(sem)
    # Five steps: the last tenth of them is the last one.
    assert summary["last_tenth"] == pytest.approx(summary["final"])
    assert summary["last_tenth_sem"] == pytest.approx(sem)
    assert summary["mean_over_steps"] == pytest.approx(
        np.mean(summary["mean"]), abs=1e-6
    )
    assert evaluation.summarize(curves, None)["learning_rate"] is None
    assert summary["metrics"] == {}
    metrics = evaluation.summarize(curves, 0.1, {"x": 2 * curves})["metrics"]
    assert set(metrics) == {"x"}
    twice = evaluation.summarize(2 * curves, None)
    assert metrics["x"] == {
        key: twice[key]
        for key in ("mean", "final", "final_sem")
        + ("last_tenth", "last_tenth_sem")
    }


@pytest.mark.parametrize("num_steps", [3, 4, 11])
def test_xla_records_the_same_curves_in_chunks(monkeypatch, num_steps):
    monkeypatch.setattr(evaluation, "_CHUNK", 4)
    problem = image_classification.ImageClassification(
        "digits", hidden_layers=[3], batch_size=4, initial_values=0.5
    )
    rule = learned.CoordinatewiseDeepLSTM(layers=[3])
    curves = [
        evaluation.Recorder(
            lambda rate: rule, problem, num_steps, jit_compile
        ).curves(0, 2)
        for jit_compile in (False, True)
    ]
    assert curves[1].shape == (2, num_steps + 1)
    np.testing.assert_allclose(*curves, rtol=1e-4)


def test_progress_is_told_chunk_by_chunk():
    whole = _curves(hand_designed.Adam, _DIGITS, rate=0.1, num_steps=7)
    made = []
    recorder = evaluation.Recorder(hand_designed.Adam, _DIGITS, 7, chunk=3)
    curves = recorder.record(0, 2, 0.1, progress=made.append).losses
    assert made == 2 * [3, 3, 1]
    np.testing.assert_allclose(curves, whole, rtol=1e-5)


def test_a_summary_has_the_last_tenth_of_the_steps():
    curves = np.arange(2 * 41.0).reshape(2, 41)
    summary = evaluation.summarize(curves, None)
    assert summary["last_tenth"] == np.mean(curves[:, 37:])
    of_each = np.mean(curves[:, 37:], axis=1)
    assert summary["last_tenth_sem"] == np.std(of_each, ddof=1) / np.sqrt(2)


def test_a_family_is_summarized_as_it_is_validated():
    """By geometric means over members, and errors within them."""
    family = mixture.Mixture(
        [_DIGITS, quadratic.Quadratic(num_functions=3, num_dims=2)]
    )
    recorder = evaluation.Recorder(hand_designed.Adam, family, 20)
    recording = recorder.record(0, 4, 0.01)
    assert recording.sizes == (4, 12)
    found = evaluation.summarize(recording.losses, 0.01, sizes=recording.sizes)
    curves = recording.losses
    assert found["last_tenth"] == pytest.approx(recorder.last_tenth(curves))
    assert found["final"] == pytest.approx(recorder.final(curves))
    parts = [
        evaluation.summarize(part, 0.01) for part in (curves[:4], curves[4:])
    ]
    np.testing.assert_allclose(
        np.array(found["mean"]) ** 2,
        np.multiply(parts[0]["mean"], parts[1]["mean"]),
    )
    relative = [part["final_sem"] / part["final"] for part in parts]
    expected = found["final"] * np.hypot(*relative) / 2
    assert found["final_sem"] == pytest.approx(expected)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_metrics_and_final_parameters_are_those_of_unrolls(
    monkeypatch, jit_compile
):
    monkeypatch.setattr(evaluation, "_CHUNK", 2)
    rule = hand_designed.Momentum(0.1)

    @tf.function
    def unrolled(seed):
        start = unroll.start(rule, _DIGITS, seed)
        return unroll.unroll(rule, _DIGITS, start, 5, keep_metrics=True)

    recorder = evaluation.Recorder(
        hand_designed.Momentum, _DIGITS, 5, jit_compile, keep_metrics=True
    )
    recording = recorder.record(7, 2, 0.1, keep_params=True)
    np.testing.assert_array_equal(recording.losses, recorder.curves(7, 2, 0.1))
    assert list(recording.metrics) == ["accuracy"]
    assert len(recording.params) == len(_DIGITS.parameter_names)
    for index in range(2):
        expected = unrolled(randomness.run_seed(7, "train", index))
        np.testing.assert_allclose(
            recording.losses[index], expected.losses, rtol=1e-4
        )
        np.testing.assert_allclose(
            recording.metrics["accuracy"][index], expected.metrics["accuracy"]
        )
        for ours, theirs in zip(
            recording.params, expected.run.params, strict=True
        ):
            np.testing.assert_allclose(
                ours[index], theirs, rtol=1e-4, atol=1e-6
            )


def test_metrics_and_parameters_are_left_out_unless_asked_for():
    recorder = evaluation.Recorder(hand_designed.SGD, _DIGITS, 2)
    recording = recorder.record(0, 1, 0.1)
    assert recording.metrics == {} and recording.params == []
