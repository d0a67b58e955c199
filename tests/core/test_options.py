"""Tests of l2l_tf/core/options.py."""

import pytest

from l2l_tf.core import options


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ('{"a": [2, 3], "b": 0.1}', {"a": [2, 3], "b": 0.1}),
        ("a=[2,3],b=0.1", {"a": [2, 3], "b": 0.1}),
        (" a = 1 , b = x y ", {"a": 1, "b": "x y"}),
        ("a=true,b=null,c=-1e-3", {"a": True, "b": None, "c": -1e-3}),
        ("a=relu", {"a": "relu"}),
        ('a="1"', {"a": "1"}),
        ("a=", {"a": ""}),
        ("a=b=c", {"a": "b=c"}),
        ("a.p=5,a.q=6,b=1", {"a": {"p": 5, "q": 6}, "b": 1}),
        ('a={"b": [1, {"c": 2}]},d=3', {"a": {"b": [1, {"c": 2}]}, "d": 3}),
        ('a="x,y",b="[",c=1', {"a": "x,y", "b": "[", "c": 1}),
    ],
)
def test_options_are_parsed(text, expected):
    assert options.parse(text, "flag") == expected


@pytest.mark.parametrize(
    "text",
    ["a", "=1", "a=1,b", "[1]", '{"a": 1', "{'a': 1}", "a=1,a.b=2", ".=1"],
)
def test_what_is_no_option_is_refused_by_name_and_text(text):
    with pytest.raises(ValueError, match="^optimizer_options") as error:
        options.parse(text, "optimizer_options")
    assert repr(text) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": ' + "[" * 3000 + "]" * 3000 + "}",
        '{"a": ' * 3000 + "1" + "}" * 3000,
        "a=" + "[" * 100_000 + "]" * 100_000,
        "a=" + "[" * 40 + "]" * 40,
        ".".join("a" * 40) + "=1",
        ".".join("a" * 3000) + "=1",
        "a=" + "9" * 5000,
    ],
)
def test_what_is_too_deep_or_too_long_is_refused_in_one_sentence(text):
    with pytest.raises(ValueError, match="^rule_options") as error:
        options.parse(text, "rule_options")
    assert len(str(error.value)) < 600
