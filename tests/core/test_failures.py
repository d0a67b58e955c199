"""Tests of l2l_tf/core/failures.py."""

import json

import pytest
import tensorflow as tf

from l2l_tf.core import failures


def _raise(error):
    raise error


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("a is 3."), r"It fails: a is 3 \(ValueError, "),
        (KeyError("a"), r"It fails: 'a' \(KeyError, "),
        (NotImplementedError(), "It fails: NotImplementedError, "),
        (ValueError("\n"), "It fails: ValueError, "),
        (RuntimeError("one\ntwo"), r"It fails: one \(RuntimeError, "),
        (
            tf.errors.InternalError(None, None, "lost"),
            r"It fails: lost \(InternalError, ",
        ),
        (SystemExit(3), r"It fails: 3 \(SystemExit, "),
    ],
)
def test_any_failure_becomes_one_sentence_with_its_place(error, sentence):
    place = r"test_failures\.py, line \d+\)?\.$"
    with pytest.raises(ValueError, match=f"^{sentence}{place}") as raised:
        with failures.explained("It fails"):
            _raise(error)
    assert raised.value.__cause__ is error


class _Mute(Exception):
    """Says what its argument does."""

    def __str__(self):
        return self.args[0]()


@pytest.mark.parametrize("said", [lambda: None, lambda: 1 / 0])
def test_a_failure_whose_message_fails_is_told_by_its_kind(said):
    with pytest.raises(ValueError, match="^It fails: _Mute, test_failures"):
        with failures.explained("It fails"):
            raise _Mute(said)


def test_the_place_is_the_last_line_of_the_users_own():
    with pytest.raises(ValueError, match=r"\(JSONDecodeError, test_fail"):
        with failures.explained("It fails"):
            json.loads("{")


def test_what_does_not_fail_and_an_interrupt_pass():
    with failures.explained("It fails"):
        pass
    with pytest.raises(KeyError), failures.explained("It fails", KeyError):
        _raise(KeyError("a"))
    with pytest.raises(KeyboardInterrupt):
        with failures.explained("It fails"):
            _raise(KeyboardInterrupt)
