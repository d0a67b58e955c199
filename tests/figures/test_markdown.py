"""Tests of l2l_tf/figures/markdown.py."""

import math

import pytest

from l2l_tf.figures import markdown


def test_tables_have_a_head_a_line_and_rows():
    text = markdown.table(["", "b"], [["1", "2"], ["3", ""]])
    assert text.splitlines() == ["|  | b |", "| --- | --- |"] + [
        "| 1 | 2 |",
        "| 3 |  |",
    ]


@pytest.mark.parametrize("failed", [None, math.nan, math.inf])
def test_what_is_not_finite_diverged(failed):
    assert markdown.loss(failed) == "diverged"
    assert markdown.ratio(failed, 1.0) == markdown.ratio(1.0, failed) == ""


def test_numbers():
    assert markdown.loss(0.12345) == "0.123"
    assert markdown.loss(5797973065728.0) == "5.8e+12"
    assert markdown.loss(0.000254937) == "0.000255"
    assert markdown.loss(0.0) == "0.000"
    assert markdown.loss(376907.7) == "376,908"
    assert markdown.loss(1238.302) == "1,238"


def test_errors_are_as_precise_as_the_losses():
    assert markdown.loss_and_error(0.151, 0.00509) == "0.151 ± 0.005"
    assert markdown.loss_and_error(0.00631, 9.16e-5) == "0.00631 ± 9.16e-05"
    assert markdown.loss_and_error(1238.3, 54.309) == "1,238 ± 54"
    assert markdown.loss_and_error(0.5, None) == "0.500 ± diverged"
    assert markdown.ratio(1.0, 3.0) == "0.333" and markdown.ratio(1, 0) == ""
    assert markdown.number(0.25) == "0.25" and markdown.number(None) == ""
