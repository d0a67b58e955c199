"""Tests of l2l_tf/core/registry.py."""

import sys

import pytest

from l2l_tf.core import registry


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A package of two files that register things, and its registry."""
    folder = tmp_path / "some_room"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "inner" / "__init__.py").write_text("")
    (folder / "things.py").write_text(
        "from l2l_tf.core import registry\n"
        "THINGS = registry.Registry('thing', 'some_room')\n"
    )
    lines = "from some_room import things\n@things.THINGS.register({!r})\n{}\n"
    (folder / "zero.py").write_text(
        lines.format("zero", "def zero(given, /, a, b=2): return given, a, b")
    )
    (folder / "inner" / "one.py").write_text(
        lines.format("one", "class One:\n  def __init__(self): self.made = 1")
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield __import__("some_room.things").things.THINGS
    for name in [n for n in sys.modules if n.split(".")[0] == "some_room"]:
        del sys.modules[name]


def test_a_file_in_the_room_is_found_without_mention(room):
    assert "some_room.zero" not in sys.modules
    assert room.names() == ["one", "zero"]
    assert "one" in room and "two" not in room
    assert room.get("one")().made == 1


def test_items_come_in_the_order_of_registration():
    things = registry.Registry("thing", "l2l_tf.core")
    for name in ("b", "c", "a"):
        things.register(name)(type(name, (), {}))
    assert [name for name, _ in things.items()] == ["b", "c", "a"]
    assert things.names() == ["a", "b", "c"]


def test_what_is_registered_outside_is_found(room):
    @room.register("mine")
    def mine(x=1):
        return x

    assert "mine" in room.names()
    assert room.build("mine", x=3) == 3
    assert mine() == 1  # The decorator returns what it got.


def test_a_name_is_taken_once(room):
    def other():
        pass

    room.get("zero")
    with pytest.raises(ValueError, match="thing 'zero'.*some_room.zero.zero"):
        room.register("zero")(other)
    assert room.get("zero") is not other


def test_a_module_may_be_executed_again(room):
    first = room.get("zero")
    module = sys.modules["some_room.zero"]
    exec(open(module.__file__).read(), module.__dict__)
    assert room.get("zero") is not first
    assert room.get("zero")(1, 2) == (1, 2, 2)


@pytest.mark.parametrize("name", ["two", "", None, 3, ["zero"], {}])
def test_unknown_names_are_refused_with_those_that_are_accepted(room, name):
    with pytest.raises(ValueError, match="thing .*; accepted: one, zero") as e:
        room.get(name)
    assert repr(name) in str(e.value)


def test_it_builds_with_options_and_with_what_the_library_gives(room):
    assert room.build("zero", "given", a=1) == ("given", 1, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"a": 1, "c": 1}, r"\['c'\] for thing 'zero'; accepted: \['a', 'b'\]"),
        ({"a": 1, "given": 1}, r"\['given'\]"),
        ({}, "Cannot build thing 'zero': missing.*'a'"),
    ],
)
def test_bad_options_are_refused(room, options, message):
    with pytest.raises(ValueError, match=message):
        room.build("zero", "given", **options)


def test_errors_inside_what_is_built_are_not_hidden(room):
    @room.register("fails")
    def fails():
        raise TypeError("own fault")

    with pytest.raises(TypeError, match="own fault"):
        room.build("fails")


def test_options_of_a_base_class_count_where_they_are_passed_on():
    class Base:
        def __init__(self, given, /, a=1, *, b=2):
            pass

    class PassesOn(Base):
        def __init__(self, c=3, **options):
            super().__init__(0, **options)

    class Closed(PassesOn):
        def __init__(self, d=4):
            super().__init__()

    class Inherits(PassesOn):
        pass

    assert registry.accepted(Base) == ["a", "b"]
    assert registry.accepted(PassesOn) == ["a", "b", "c"]
    assert registry.accepted(Closed) == ["d"]
    assert registry.accepted(Inherits) == ["a", "b", "c"]
    assert registry.accepted(lambda x, /, y: None) == ["y"]
