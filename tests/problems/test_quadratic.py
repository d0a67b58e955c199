"""Tests of l2l_tf/problems/quadratic.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.problems import quadratic

_SEED = tf.constant([1, 2])


def test_it_is_the_squared_norm_of_the_residual():
    problem = quadratic.Quadratic(num_functions=3, num_dims=4, dtype="float64")
    w, y = problem.sample_task(_SEED)
    theta = tf.random.stateless_normal([3, 4], [3, 4], dtype=tf.float64)
    expected = [
        np.sum((w[i].numpy() @ theta[i].numpy() - y[i].numpy()) ** 2)
        for i in range(3)
    ]
    outcome = problem.loss([theta], (), (w, y), (), _SEED)
    np.testing.assert_allclose(outcome.loss, expected)
    assert outcome.model_state == () and outcome.metrics == {}


def test_every_function_has_its_own_gradient():
    problem = quadratic.Quadratic(num_functions=3, num_dims=4, dtype="float64")
    w, y = problem.sample_task(_SEED)
    theta = tf.random.stateless_normal([3, 4], [3, 4], dtype=tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(theta)
        loss = problem.loss([theta], (), (w, y), (), _SEED).loss
    expected = [
        2 * w[i].numpy().T @ (w[i].numpy() @ theta[i].numpy() - y[i].numpy())
        for i in range(3)
    ]
    np.testing.assert_allclose(tape.gradient(loss, theta), expected)


@pytest.mark.parametrize(
    ("sampling", "mean", "std", "low", "first_loss"),
    [
        ("gaussian", 0.0, 1.0, -np.inf, 10.0),
        ("uniform", 0.5, 12**-0.5, 0.0, 10 / 3),
    ],
)
def test_coefficients_are_distributed_as_announced(
    sampling, mean, std, low, first_loss
):
    problem = quadratic.Quadratic(num_functions=4000, sampling=sampling)
    task = problem.sample_task(_SEED)
    for tensor, shape in zip(task, [(4000, 10, 10), (4000, 10)], strict=True):
        assert tensor.shape == shape
        assert np.mean(tensor) == pytest.approx(mean, abs=0.02)
        assert np.std(tensor) == pytest.approx(std, rel=0.02)
        assert np.min(tensor) >= low
    # The paper's mean f(0), by which the two samplings are told apart.
    zeros = [tf.zeros([4000, 10])]
    loss = problem.loss(zeros, (), task, (), _SEED).loss
    assert np.mean(loss) == pytest.approx(first_loss, rel=0.03)


def test_coefficients_are_independent():
    problem = quadratic.Quadratic(num_functions=4000, num_dims=1)
    w, y = problem.sample_task(_SEED)
    columns = np.stack([np.ravel(w), np.ravel(y)])
    assert abs(np.corrcoef(columns)[0, 1]) < 0.08


@pytest.mark.parametrize("std", [0.01, 2.0])
def test_the_start_is_gaussian(std):
    problem = quadratic.Quadratic(num_functions=4000, initial_std=std)
    [theta] = problem.initial_params((), _SEED)
    assert theta.shape == (4000, 10)
    assert np.mean(theta) == pytest.approx(0.0, abs=0.02 * std)
    assert np.std(theta) == pytest.approx(std, rel=0.02)
    assert np.max(theta) > 3 * std


def test_an_unknown_sampling_is_refused():
    with pytest.raises(ValueError, match="'gaussian', 'uniform'.*'nope'"):
        quadratic.Quadratic(sampling="nope")


@pytest.mark.parametrize("condition_number", [1.0, 1000.0])
def test_conditioned_functions_have_one_condition_number(condition_number):
    problem = quadratic.Quadratic(
        num_functions=500,
        sampling="conditioned",
        condition_number=condition_number,
        dtype="float64",
    )
    w, y = problem.sample_task(_SEED)
    values = np.linalg.svd(w.numpy(), compute_uv=False)
    hessian = values**2
    np.testing.assert_allclose(hessian[:, 0] / hessian[:, -1], condition_number)
    # Evenly spaced in their logarithms, which sum to zero.
    steps = np.diff(np.log(values), axis=1)
    np.testing.assert_allclose(steps, steps[0, 0], atol=1e-9)
    np.testing.assert_allclose(np.prod(values, axis=1), 1.0)
    assert np.std(y) == pytest.approx(1.0, rel=0.05)


def test_conditioned_functions_have_random_directions():
    problem = quadratic.Quadratic(
        num_functions=4000, num_dims=3, sampling="conditioned", dtype="float64"
    )
    w, _ = problem.sample_task(_SEED)
    rotations = [np.linalg.svd(w.numpy())[k] for k in (0, 2)]
    for rotation in rotations:
        # Every direction is as likely: squares of 1/3, products of 0.
        directions = rotation[:, :, 0]
        second = directions.T @ directions / 4000
        np.testing.assert_allclose(second, np.eye(3) / 3, atol=0.03)


def test_a_list_of_samplings_shares_the_functions():
    problem = quadratic.Quadratic(
        num_functions=7,
        sampling=["uniform", "conditioned", "gaussian"],
        condition_number=100,
        dtype="float64",
    )
    w, y = problem.sample_task(_SEED)
    assert w.shape == (7, 10, 10) and y.shape == (7, 10)
    numbers = np.linalg.cond(w.numpy()) ** 2
    np.testing.assert_array_equal(
        np.isclose(numbers, 100), [False] * 2 + [True] * 2 + [False] * 3
    )
    assert np.min(w[:2]) >= 0 > np.min(w[4:])
    assert problem.options["condition_number"] == 100
    assert "condition_number" not in quadratic.Quadratic().options


def test_one_sampling_is_a_list_of_one():
    for name in ("gaussian", "conditioned"):
        for a, b in zip(
            quadratic.Quadratic(sampling=name).sample_task(_SEED),
            quadratic.Quadratic(sampling=[name]).sample_task(_SEED),
            strict=True,
        ):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"sampling": ["gaussian", "nope"]}, "'nope'"),
        ({"sampling": []}, "sampling"),
        ({"condition_number": 0.5}, "condition_number.*0.5"),
    ],
)
def test_bad_options_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        quadratic.Quadratic(**options)
