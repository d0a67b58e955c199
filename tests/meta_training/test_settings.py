"""Tests of l2l_tf/meta_training/settings.py."""

import dataclasses
import json
import math
import subprocess
import sys

import pytest
import tensorflow as tf

from l2l_tf.meta_gradients import registry as meta_gradients
from l2l_tf.meta_training import settings as settings_lib

SETTINGS = settings_lib.Settings(num_steps=6, unroll_length=3)


def test_cosine_schedule_decays_to_zero():
    settings = dataclasses.replace(
        SETTINGS,
        num_epochs=10,
        learning_rate=0.01,
        learning_rate_schedule="cosine",
    )
    rates = [settings.learning_rate_at(run) for run in range(11)]
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
        {"gradient_clip_norm": 1e300},
        {"gradient_clip_norm": 1e-60},
        {"learning_rate": 1e39},
        {"perturbation_std": 1e-40, "meta_gradient": "es"},
        {"num_epochs": 2**31},
        {"num_pairs": 0, "meta_gradient": "es"},
        {"num_lanes": 0},
        {"num_optimizees": 1.5},
        {"jit_compile": 1},
        {"second_derivatives": "yes"},
        {"meta_gradient": ["es"]},
        {"step_weights": (1e38, 1e38, 1e38, 1e38)},
        {"step_weights": (1e-60, 0.0, 0.0, 0.0)},
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
    def estimator(**changes):
        return dataclasses.replace(SETTINGS, **changes).estimator

    assert estimator() == "replay"
    assert estimator(second_derivatives=True) == "autodiff"
    for name in ("replay", "autodiff", "es", "pes"):
        assert estimator(meta_gradient=name) == name


def test_replay_with_second_derivatives_is_refused_with_the_reason():
    with pytest.raises(ValueError, match="gradients being held constant"):
        dataclasses.replace(
            SETTINGS, meta_gradient="replay", second_derivatives=True
        )


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"second_derivatives": True, "meta_gradient": "es"}, "'autodiff'"),
        (
            {"coordinate_fraction": 0.5, "meta_gradient": "pes"},
            "'imitation' or 'replay'",
        ),
        (
            {"num_lanes": 2, "meta_gradient": "autodiff"},
            "'imitation' or 'replay'",
        ),
        ({"num_pairs": 4}, "'es' or 'pes'"),
        ({"perturbation_std": 0.1, "meta_gradient": "replay"}, "'es' or 'pes'"),
    ],
)
def test_options_of_another_estimator_are_refused_with_advice(changes, advice):
    option, value = next(iter(changes.items()))
    with pytest.raises(ValueError, match=f"use meta_gradient={advice}") as e:
        dataclasses.replace(SETTINGS, **changes)
    assert f"{option}={value}" in str(e.value)


def test_values_are_converted_whatever_they_come_as():
    settings = settings_lib.make(
        json.loads(
            '{"num_steps": 6.0, "unroll_length": 3, "learning_rate": 1,'
            ' "patience": 2.0, "step_weights": [1, 0, 0, 2]}'
        )
    )
    values = dataclasses.asdict(settings)
    for name, expected in {
        "num_steps": 6,
        "learning_rate": 1.0,
        "patience": 2,
        "step_weights": (1, 0, 0, 2),
    }.items():
        assert values[name] == expected
        assert type(values[name]) is type(expected), name


def test_an_older_name_is_accepted():
    assert settings_lib.make({"batch_size": 3}).num_optimizees == 3
    with pytest.raises(ValueError, match="older name of num_optimizees"):
        settings_lib.make({"batch_size": 3, "num_optimizees": 3})
    with pytest.raises(ValueError, match=r"\['batch_sise'\].*batch_size"):
        settings_lib.make({"batch_sise": 3})


def test_lanes_are_resolved_once_and_where_there_are_any():
    resolved = SETTINGS.resolved()
    assert resolved.num_lanes >= 1 and resolved.resolved() == resolved
    assert dataclasses.replace(SETTINGS, num_lanes=3).resolved().num_lanes == 3
    autodiff = dataclasses.replace(SETTINGS, meta_gradient="autodiff")
    assert autodiff.resolved() == autodiff


def test_a_gpu_has_one_lane(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert SETTINGS.resolved().num_lanes == 1


@meta_gradients.ESTIMATORS.register("test_scaled")
class _Scaled:
    """An estimator with an option that is no setting."""

    reasons = {}

    def __init__(self, rule, problem, weights, /, size=1.0, num_pairs=16):
        raise AssertionError("Settings build no estimators.")


def test_an_estimator_has_options_of_its_own_beside_the_settings():
    for given in ("size=2", '{"size": 2}', {"size": 2}):
        settings = dataclasses.replace(
            SETTINGS, meta_gradient="test_scaled", meta_gradient_options=given
        )
        assert settings.meta_gradient_options == {"size": 2}
        assert settings.estimator_options == {"size": 2, "num_pairs": 16}
        values = json.loads(json.dumps(dataclasses.asdict(settings)))
        assert settings_lib.make(values) == settings
    assert SETTINGS.meta_gradient_options == {}


@pytest.mark.parametrize(
    ("given", "name", "message"),
    [
        (
            {"size": 2},
            "es",
            r"\['size'\] for meta_gradient='es'.*accepted: \[\]",
        ),
        ({"sise": 2}, "test_scaled", r"\['sise'\].*accepted: \['size'\]"),
        (
            {"num_pairs": 2},
            "test_scaled",
            "num_pairs is a setting.*{'num_pairs'",
        ),
        ("size", "test_scaled", "meta_gradient_options takes.*'size'"),
        ([2], "test_scaled", r"meta_gradient_options must map.*\[2\]"),
    ],
)
def test_other_options_of_an_estimator_are_refused(given, name, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(
            SETTINGS, meta_gradient=name, meta_gradient_options=given
        )


def test_every_setting_is_explained():
    for field in dataclasses.fields(settings_lib.Settings):
        assert field.metadata["help"].endswith("."), field.name


def test_settings_do_not_wait_for_tensorflow():
    code = (
        "import sys; from l2l_tf.meta_training import settings; "
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
