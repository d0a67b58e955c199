"""Tests of l2l_tf/core/checks.py."""

import math

import pytest
import tensorflow as tf

from l2l_tf.core import checks


@pytest.mark.parametrize("value", [1, 2.0, 10**9])
def test_integer_is_accepted(value):
    accepted = checks.integer("n", value)
    assert accepted == value and isinstance(accepted, int)


@pytest.mark.parametrize("value", [0, 1.5, "3", None, True, math.nan, [1]])
def test_what_is_no_positive_integer_is_refused(value):
    with pytest.raises(ValueError, match="n must be an integer of 1") as error:
        checks.integer("n", value)
    assert repr(value) in str(error.value)


def test_integer_that_no_int32_holds_is_refused():
    assert checks.integer("n", 2**31 - 1) == 2**31 - 1
    for refused in (2**31, 1e300, 10**400):
        with pytest.raises(ValueError, match="n must be at most 2147483647"):
            checks.integer("n", refused)
    with pytest.raises(ValueError, match="layers must be at most 2147483647"):
        checks.integers("layers", [3, 2**40])
    assert checks.seed("seed", 2**40) == 2**40
    with pytest.raises(ValueError, match="seed must be at most"):
        checks.seed("seed", 2**62)


def test_integers_are_a_list_of_the_right_length():
    assert checks.integers("n", (3, 2.0)) == [3, 2]
    assert checks.integers("n", []) == []
    for value in (3, "34", [1, 0], [1, "a"], None):
        with pytest.raises(ValueError, match="n must be a list of positive"):
            checks.integers("n", value)
    with pytest.raises(ValueError, match=r"a list of 2 .*\[1\]"):
        checks.integers("n", [1], length=2)


def test_number_obeys_its_bounds():
    assert checks.number("x", -2) == -2
    assert checks.number("x", 0.0, minimum=0.0) == 0.0
    for value in ("a", None, math.inf, math.nan, True, [1.0], 10**400):
        with pytest.raises(ValueError, match="x must be a number; received"):
            checks.number("x", value)
    with pytest.raises(ValueError, match="of 0 or more; received -1"):
        checks.number("x", -1, minimum=0.0)
    with pytest.raises(ValueError, match="above 0; received 0"):
        checks.number("x", 0, minimum=0.0, above=True)


def test_only_floating_types_are_accepted():
    assert checks.floating_dtype("dtype", "float64") == "float64"
    with pytest.raises(ValueError, match="dtype.*float32.*'int32'"):
        checks.floating_dtype("dtype", "int32")


def test_one_of_quotes_what_is_accepted():
    assert checks.one_of("kind", None, [None, "a"]) is None
    with pytest.raises(ValueError, match=r"kind.*\['a', 'b'\].*\[1\]"):
        checks.one_of("kind", [1], ["a", "b"])


def test_truth_values_are_true_or_false():
    assert checks.boolean("skip", True) is True
    for refused in (1, 0, "true", None):
        with pytest.raises(ValueError, match=f"skip .* {refused!r}"):
            checks.boolean("skip", refused)


def test_a_number_must_fit_into_its_type():
    assert checks.number_of("scale", 1e39, tf.float64) == 1e39
    with pytest.raises(ValueError, match=r"scale .* float32 holds; .* 1e\+39"):
        checks.number_of("scale", 1e39, tf.float32)
    with pytest.raises(ValueError, match="scale must be a number; received 'a"):
        checks.number_of("scale", "a", tf.float32)
