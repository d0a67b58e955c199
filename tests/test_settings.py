"""Tests of l2l_tf/settings.py."""

import dataclasses
import math

import pytest

from l2l_tf import settings as settings_lib

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
