"""Tests of l2l_tf/meta_training/settings.py."""

import dataclasses
import math

import pytest

from l2l_tf.meta_training import settings as settings_lib

SETTINGS = settings_lib.Settings(num_steps=6, unroll_length=3)


def test_cosine_schedule_decays_to_zero():
    settings = dataclasses.replace(
        SETTINGS,
        num_epochs=10,
        learning_rate=0.01,
        learning_rate_schedule="cosine",
    )
    rates = [settings.learning_rate_at(epoch) for epoch in range(11)]
    assert rates[0] == 0.01 and rates[5] == pytest.approx(0.005)
    assert rates[10] == pytest.approx(0.0) and rates == sorted(rates)[::-1]


@pytest.mark.parametrize(
    "changes",
    [
        {"num_epochs": 0},
        {"unroll_length": 4},
        {"learning_rate": -1.0},
        {"learning_rate": math.nan},
        {"learning_rate_schedule": "linear"},
        {"gradient_clip_norm": 0.0},
        {"patience": 0},
        {"step_weights": "first"},
        {"step_weights": (1.0, 1.0)},
        {"meta_gradient": "magic"},
        {"coordinate_fraction": 0.0},
        {"coordinate_fraction": 1.5},
        {"coordinate_fraction": 0.5, "meta_gradient": "autodiff"},
        {"coordinate_fraction": 0.5, "second_derivatives": True},
    ],
)
def test_bad_setting_is_refused_and_quoted(changes):
    with pytest.raises(ValueError) as error:
        dataclasses.replace(SETTINGS, **changes)
    value = next(iter(changes.values()))
    assert str(value) in str(error.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"gradient_clip_norm": math.inf},
        {"gradient_clip_norm": math.nan},
        {"num_epochs": 2.5},
        {"seed": -1},
        {"step_weights": 5},
        {"step_weights": (1.0, "a", 1.0, 1.0)},
    ],
)
def test_odd_setting_is_refused(changes):
    with pytest.raises(ValueError):
        dataclasses.replace(SETTINGS, **changes)


def test_replay_is_the_default_wherever_it_is_valid():
    def uses_replay(**changes):
        return dataclasses.replace(SETTINGS, **changes).uses_replay

    assert uses_replay()
    assert uses_replay(meta_gradient="replay")
    assert not uses_replay(meta_gradient="autodiff")
    assert not uses_replay(second_derivatives=True)


def test_replay_with_second_derivatives_is_refused_with_the_reason():
    with pytest.raises(ValueError, match="gradients being held constant"):
        dataclasses.replace(
            SETTINGS, meta_gradient="replay", second_derivatives=True
        )
