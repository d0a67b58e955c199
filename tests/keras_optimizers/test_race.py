"""Tests of l2l_tf/keras_optimizers/race.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.keras_optimizers import race
from l2l_tf.keras_optimizers import trial


def _run(learned, fallback, num_steps, **settings):
    """Returns what happened in a run: (who, how many steps), and a record.

    Args:
        learned: The learned run's loss at its own step t.
        fallback: The fallback's.
        num_steps: Steps of both.
        **settings: Those that are not the default.
    """
    settings = trial.make_settings(settings)
    judge = tf.function(lambda *args: race.judge(*args, settings))
    record, turns, kept = race.begin(settings), [], []
    for _ in range(num_steps):
        is_learned = float(record.turn) == race.LEARNED
        step = record.learned_steps if is_learned else record.fallback_steps
        loss = (learned if is_learned else fallback)(int(step))
        before = record.turn
        record, verdict = judge(record, tf.constant(loss, tf.float32))
        assert bool(verdict.changes) == (float(before) != float(record.turn))
        who = "L" if is_learned else "F"
        if not turns or turns[-1][0] != who:
            turns.append([who, 0])
        turns[-1][1] += bool(verdict.moves)
        if verdict.keeps:
            kept.append(int(record.learned_steps))
    return [tuple(turn) for turn in turns], kept, record


def test_turns_double_until_a_difference_is_clear():
    turns, _, _ = _run(
        lambda t: 1.1 - 1e-4 * t, lambda t: 1.0 - 1e-4 * t, 700, steps=40
    )
    assert turns[:8] == [
        (who, n) for n in (20, 20, 40, 80) for who in ("L", "F")
    ]
    # What a longer look would cost exceeds what it may.
    assert turns[8:] == [("L", 160), ("F", 700 - 480)]


@pytest.mark.parametrize(
    "level, turns",
    [
        (0.1, [("L", 20), ("F", 20), ("L", 260)]),
        (0.8, [("L", 20), ("F", 20), ("L", 20), ("F", 20), ("L", 220)]),
        (1.2, [("L", 20), ("F", 20), ("L", 20), ("F", 240)]),
        (5.0, [("L", 20), ("F", 280)]),
    ],
)
def test_lower_loss_wins_at_once_where_it_is_obvious(level, turns):
    assert _run(lambda t: level, lambda t: 1.0, 300)[0] == turns


def test_losses_that_fall_fast_are_not_compared_for_long():
    turns, _, _ = _run(lambda t: 0.95**t, lambda t: 1.01 * 0.95**t, 200)
    assert turns == [("L", 20), ("F", 20), ("L", 20), ("F", 20), ("L", 120)]


def test_run_that_falls_faster_wins_if_it_gets_ahead_soon():
    turns, _, _ = _run(
        lambda t: min(1.0, 0.25 * (40 / (t + 1)) ** 3), lambda t: 0.3, 200
    )
    assert turns == [("L", 20), ("F", 20), ("L", 20), ("F", 20), ("L", 120)]


def test_negative_losses_are_compared_too():
    turns, _, _ = _run(lambda t: -1.0 - t, lambda t: -1.0 - 2 * t, 200)
    assert turns[-1][0] == "F" and len(turns) == 4
    turns, _, _ = _run(lambda t: -1.0 - 2 * t, lambda t: -1.0 - t, 200)
    assert turns[-1][0] == "L"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_learned_loss_that_is_not_finite_loses_without_a_step(bad):
    turns, _, record = _run(lambda t: bad if t == 3 else 0.1, lambda t: 1.0, 50)
    assert turns == [("L", 3), ("F", 46)]
    assert record.is_over and record.turn == race.FALLBACK


def test_fallback_whose_loss_is_not_finite_loses():
    turns, _, _ = _run(lambda t: 5.0, lambda t: np.nan if t else 1.0, 90)
    assert turns == [("L", 20), ("F", 20), ("L", 50)]


def test_learned_run_that_gets_worse_than_the_fallback_was_hands_over():
    turns, _, record = _run(
        lambda t: 0.1 if t < 100 else 3.0, lambda t: 1.0, 200, patience=10
    )
    # A running mean of 0.1 and 3.0 exceeds 1 after four steps.
    assert turns == [("L", 20), ("F", 20), ("L", 92), ("F", 67)]
    assert record.turn == race.FALLBACK


def test_run_that_falls_behind_what_the_fallback_would_be_hands_over():
    def learned(step):
        return 0.08 if step < 50 else 0.16

    turns, kept, record = _run(learned, lambda t: (t + 1) ** -0.5, 300)
    # The fallback's loss was about 0.3 after 20 steps and 0.17 after 40; 0.1
    # would be next.
    assert turns == [
        *(("L", 20), ("F", 20), ("L", 20), ("F", 20)),
        *(("L", 39), ("F", 180)),
    ]
    assert kept == [] and record.turn == race.FALLBACK
    # Beside a fallback that does not fall it goes on.
    turns, kept, _ = _run(learned, lambda t: 0.2, 500)
    assert turns[-1][0] == "L" and kept == [320]


def test_trusted_run_returns_to_a_point_of_its_own():
    turns, kept, _ = _run(
        lambda t: 1.0 / (t + 1) if t < 450 else 0.01, lambda t: 1.0, 600
    )
    assert kept == [320]
    assert turns[-1][0] == "F"
    # Below the limit, which is twice the loss at step 320, it goes on.
    turns, kept, _ = _run(
        lambda t: 1.0 / (t + 1) if t < 450 else 0.0045, lambda t: 1.0, 600
    )
    assert turns[-1][0] == "L"


def test_running_mean_is_that_of_the_definition():
    losses = np.random.RandomState(0).rand(20)
    settings = trial.make_settings({"smoothing": 0.8, "steps": 100})
    record = race.begin(settings)
    for count, loss in enumerate(losses, start=1):
        record, _ = race.judge(record, tf.constant(loss, tf.float32), settings)
        weights = 0.8 ** np.arange(count)[::-1]
        np.testing.assert_allclose(
            race.levels(record, settings)[0],
            weights @ losses[:count] / np.sum(weights),
            rtol=1e-5,
        )


def _record(learned, fallback, **changes):
    """Returns what is known after some losses of each run."""
    settings = trial.make_settings({"steps": 4})
    record = race.begin(settings)
    for turn, losses in ((race.LEARNED, learned), (race.FALLBACK, fallback)):
        for loss in losses:
            record = record._replace(
                turn=tf.constant(turn), goal=tf.constant(99.0)
            )
            record, _ = race.judge(record, tf.constant(loss), settings)
    return record._replace(**changes), settings


@pytest.mark.parametrize(
    "learned, fallback, expected",
    [
        ([1.0, 0.9], [], race.LEARNED),
        ([1.0, 0.9], [1.0], race.LEARNED),
        ([1.0, 0.9], [1.0, 0.8], race.FALLBACK),
        ([1.0, 0.9], [0.8, 0.8, 0.8], race.FALLBACK),
        ([1.0, float("nan")], [1.0], race.FALLBACK),
    ],
)
def test_run_with_the_lower_losses_leads(learned, fallback, expected):
    assert race.leader(*_record(learned, fallback)) == expected


@pytest.mark.parametrize("turn", [race.LEARNED, race.FALLBACK])
def test_race_that_is_over_has_its_leader(turn):
    record = _record([1.0], [0.5], is_over=1.0, turn=turn)
    assert race.leader(*record) == turn


@pytest.mark.parametrize("at", range(1, 8))
def test_runs_that_change_places_between_steps_are_still_compared(at):
    settings = trial.make_settings({"steps": 4})
    record, makes = race.begin(settings), []
    for step in range(30):
        if step == at:
            record = record._replace(turn=1 - record.turn)
        is_learned = bool(record.turn == race.LEARNED)
        makes.append("L" if is_learned else "F")
        loss = tf.constant(1.0 if is_learned else 0.8)
        record, _ = race.judge(record, loss, settings)
    assert record.is_over and record.turn == race.FALLBACK
    assert 2 <= makes.count("L") <= 5 and makes[-8:] == ["F"] * 8
