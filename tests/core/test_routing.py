"""Tests of l2l_tf/core/routing.py."""

import re
import time

import pytest

from l2l_tf.core import routing

_NAMES = ["conv/w", "conv/b", "dense/w", "dense/b"]


def test_the_first_pattern_that_matches_takes_a_name():
    assert routing.route(["conv", "w$", ".*"], _NAMES) == [[0, 1], [2], [3]]
    assert routing.route(["w$", "conv", ".*"], _NAMES) == [[0, 2], [1], [3]]


def test_names_without_a_pattern_are_listed():
    with pytest.raises(ValueError, match=r"\['conv/b', 'dense/b'\]") as error:
        routing.route(["w$"], _NAMES)
    assert "'conv/w'" not in str(error.value)


def test_patterns_without_a_name_are_listed():
    with pytest.raises(ValueError, match=r"patterns \['norm', 'conv'\]"):
        routing.route(["norm", ".*", "conv"], _NAMES)


@pytest.mark.parametrize(
    "pattern", ["(", "[a", "*", "a{99999999999}", "[[:alpha:]]+", "[a--b]"]
)
@pytest.mark.filterwarnings("error")
def test_what_is_no_regular_expression_is_refused(pattern):
    with pytest.raises(ValueError, match="not a regular expression") as error:
        routing.route([pattern], _NAMES)
    assert repr(pattern) in str(error.value)


@pytest.mark.parametrize("pattern", [3, None, "a" * 201])
def test_what_is_no_short_text_is_refused(pattern):
    with pytest.raises(ValueError, match="at most 200 characters; received"):
        routing.route([pattern], _NAMES)


_ENDLESS = [
    "(a+)+$",
    "(a*b?)*$",
    "((a+)b?)+$",
    "(?:a|a)*$",
    "(?:a|aa){2,}$",
    "(a?){20}$",
    ".*.*.*.*.*$",
    "a?a?a?a?a?aaaaa$",
    "a*?a*?a*?a*?a*?$",
    r"(\(a+)+$",
    "(?P<name>[)]?a+)+$",
    "a{,9}a{,9}a{,9}a{1,}a{3}$",
    r"(?x)(\w+) +!",
    r"(\w+)(?#x)+!",
    r"(?:\w+)(?#)*!",
    r"(?x-i:(\w+) +)!",
    ".*.*.*!",
    r"(.)\1",
    "(?P<name>.)(?P=name)",
]


@pytest.mark.parametrize("pattern", _ENDLESS)
def test_patterns_that_may_search_without_end_are_refused(pattern):
    re.compile(pattern)
    with pytest.raises(ValueError, match="may take too long") as error:
        routing.check_pattern(pattern)
    assert repr(pattern) in str(error.value)


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        ".*",
        "conv|dense",
        r"^layers?/conv2d(_\d+)?/kernel$",
        "^(?!.*bias).*$",
        "(conv|dense)?/[+*?|]*",
        r"\(a+\)+",
        "{}+",
        r"[^]a+]+[\]+]+",
        "a*?b+?c{2}?d",
    ],
)
def test_patterns_in_use_are_taken(pattern):
    re.compile(pattern)
    routing.check_pattern(pattern)


def test_the_slowest_pattern_that_is_taken_ends():
    start = time.perf_counter()
    with pytest.raises(ValueError, match="No pattern"):
        routing.route(["a?a?.*.*!"] * 100, ["a" * 60])
    assert time.perf_counter() - start < 20.0


def test_patterns_are_not_without_number():
    with pytest.raises(ValueError, match="at most 100 patterns; received 101"):
        routing.route(["a"] * 101, _NAMES)


def test_a_rank_takes_parameters_with_that_number_of_axes():
    patterns, ranks = ["dense", "rank=4", ".*"], [4, 1, 4, 1]
    found = routing.route(patterns, _NAMES, ranks)
    assert found == [[2, 3], [0], [1]]
    assert routing.asks_rank("rank=4") and not routing.asks_rank("rank=4|a")
    with pytest.raises(ValueError, match=r"'rank=4'.*'conv/w'.*only the name"):
        routing.route(patterns, _NAMES)


def test_a_rank_and_what_takes_every_name_may_get_none():
    assert routing.route(["rank=4", ".*"], _NAMES, [2] * 4) == [[], [*range(4)]]
    assert routing.route(["rank=4", ""], ["a"], [4]) == [[0], []]
