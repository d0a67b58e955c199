"""Tests of l2l_tf/core/distinct.py."""

import pytest

from l2l_tf.core import distinct


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["b", "a"], ["b", "a"]),
        (["a", "a", "a"], ["a", "a_1", "a_2"]),
        (["a", "a", "a_1"], ["a", "a_2", "a_1"]),
        (["a", "a", "a_1", "a_1"], ["a", "a_2", "a_1", "a_1_1"]),
        ([], []),
    ],
)
def test_names_are_numbered_until_they_are_free(given, expected):
    assert distinct.names(iter(given)) == expected
