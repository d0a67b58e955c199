"""Tests of l2l_tf/evaluation/plot_styles.py."""

from l2l_tf.evaluation import plot_styles
from l2l_tf.rules import hand_designed


def test_learned_optimizers_are_thick_and_no_two_look_the_same():
    names = [*hand_designed.names(), *(f"learned {i}" for i in range(4))]
    looks = plot_styles.styles(
        {name: {"learned": name.startswith("learned")} for name in names}
    )
    assert list(looks)[:4] == [f"learned {i}" for i in range(4)]
    widths = [look["linewidth"] for look in looks.values()]
    assert min(widths[:4]) > 1.5 * max(widths[4:])
    drawn = {
        (look["color"], look["linestyle"], look["linewidth"])
        for look in looks.values()
    }
    assert len(drawn) == len(names) == 11
    assert len({look["color"] for look in list(looks.values())[4:]}) == 7


def test_an_optimizer_looks_the_same_in_all_panels():
    one = {"a": {"learned": True}, "adam": {"learned": False}}
    two = {"b": {"learned": True}, "sgd": {"learned": False}, **one}
    looks = plot_styles.styles(one, two)
    assert list(looks) == ["a", "b", "adam", "sgd"]
    alone = plot_styles.styles(one)
    assert all(looks[name] == alone[name] for name in one)


def test_hand_designed_rules_are_written_as_in_the_literature():
    assert plot_styles.label("adam") == "Adam"
    assert plot_styles.label("rmsprop") == "RMSprop"
    assert plot_styles.label("LSTM, robust") == "LSTM, robust"
