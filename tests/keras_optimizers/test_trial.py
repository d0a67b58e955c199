"""Tests of l2l_tf/keras_optimizers/trial.py."""

import pytest

from l2l_tf.keras_optimizers import trial


def test_integers_are_numbers():
    settings = trial.make_settings({"obvious": 3, "clear": 0, "steps": 4})
    assert isinstance(settings.obvious, float)
    assert isinstance(settings.clear, float)
    assert isinstance(settings.steps, int)


@pytest.mark.parametrize(
    "settings, quoted",
    [
        ({"nonesuch": 1}, "nonesuch"),
        ({"steps": "long"}, "long"),
        ({"steps": 0}, "0"),
        ({"clear": -1}, "-1"),
        ({"smoothing": 1.0}, "1.0"),
        ({"patience": 0}, "0"),
        ({"run_length": 2.5}, "2.5"),
        (3, "3"),
    ],
)
def test_bad_settings_are_quoted(settings, quoted):
    with pytest.raises(ValueError, match=quoted):
        trial.make_settings(settings)
