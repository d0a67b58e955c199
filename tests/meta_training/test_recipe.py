"""Tests of l2l_tf/meta_training/recipe.py."""

import json

import pytest

from l2l_tf.meta_training import recipe as recipe_lib
from l2l_tf.meta_training import settings as settings_lib
from l2l_tf.saving import metadata

_STAGE = {"name": "one", "problem": "quadratic"}


def _stage_of(recipe, values):
    """Returns the stage that gave an optimizer, and those before it."""
    _, _, name = values["recipe"].partition("/")
    names = [stage.name for stage in recipe.stages]
    last = names.index(name) if name else len(names) - 1
    return recipe.stages[last], recipe.stages[:last]


@pytest.mark.parametrize("name", metadata.bundled_names())
def test_a_bundled_optimizer_has_a_recipe_that_gives_its_training(name):
    recipe = recipe_lib.load(name)
    values = metadata.read(name)
    assert values["recipe"].split("/")[0] == recipe.name == name
    last, earlier = _stage_of(recipe, values)
    expected = dict(values["training"])
    is_fresh = expected.pop("initial_optimizer") is None
    assert (last.start_from is None) == is_fresh
    for result in ("epochs_done", "best_epoch", "skipped_updates"):
        del expected[result]
    if "num_lanes" not in last.settings:
        expected.pop("num_lanes", None)  # As many as that machine had cores.
    for key, value in vars(settings_lib.make(expected)).items():
        assert vars(settings_lib.make(last.settings))[key] == value, key
    # Each stage from the one before, the first from scratch or a bundled one.
    source, *starts = [stage.start_from for stage in (*earlier, last)]
    assert starts == [stage.name for stage in earlier]
    commands = [*values.get("earlier_commands", []), values["command"]]
    if source is not None:
        known = metadata.read(source)
        known = [*known["earlier_commands"], known["command"]]
        assert commands[: len(known)] == known
        commands = commands[len(known) :]
    if f"--recipe={name} " in commands[0]:
        assert len(commands) == 1
        return
    # As many stages as commands.
    for stage, command in zip(recipe.stages, commands, strict=True):
        assert f"--problem={stage.problem} " in command
        num_runs = stage.settings["num_epochs"]
        assert f"--num_epochs={num_runs} " in command


def test_recipes_are_those_of_the_bundled_optimizers():
    assert recipe_lib.names() == metadata.bundled_names()


def test_a_stage_of_another_recipe_is_the_same_stage():
    mnist, robust = (recipe_lib.load(n) for n in ("mnist", "mnist-robust"))
    assert mnist.stages[:2] == robust.stages[:2]


def test_a_recipe_is_read_from_a_file(tmp_path):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"stages": [_STAGE]}))
    recipe = recipe_lib.load(file)
    assert recipe.name == "mine" and recipe.stages[0].problem == "quadratic"
    assert not recipe.may_import
    again = recipe_lib.from_json(recipe.to_json(), "mine")
    assert again == recipe


def test_a_program_is_run_where_that_is_asked_for_only(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w')\n"
        "RECIPE = {'stages': [{'name': 'one', 'problem': 'quadratic',"
        " 'settings': {'num_epochs': 2 + 3, 'step_weights': (1, 2)}}]}\n"
    )
    with pytest.raises(ValueError, match="mine.py' is a program"):
        recipe_lib.load(file)
    assert not (tmp_path / "ran").exists()
    recipe = recipe_lib.load(file, allow_python=True)
    assert recipe.stages[0].settings == {
        "num_epochs": 5,
        "step_weights": [1, 2],
    }
    assert recipe.may_import


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1], ["'mine'", "stages", "[1]"]),
        ({"stages": []}, ["'mine'", "list of stages", "[]"]),
        ({"steps": [_STAGE]}, ["stages", "steps"]),
        ({"stages": [_STAGE], "x": 1}, ["'x'", "accepted", "stages"]),
        ({"stages": [_STAGE, _STAGE]}, ["two stages 'one'"]),
        ({"stages": [_STAGE, 7]}, ["Stage 2", "RECIPE/STAGE", "7"]),
        ({"stages": ["mnist/none"]}, ["'mnist/none'", "bundled"]),
        ({"stages": ["mnist"]}, ["'mnist'", "slash"]),
        ({"stages": [{"problem": "digits"}]}, ["Stage 1", "name", "None"]),
        ({"stages": [{**_STAGE, "name": "../x"}]}, ["Stage 1", "'../x'"]),
        ({"stages": [{**_STAGE, "name": "x" * 61}]}, ["Stage 1", "60 letters"]),
        ({"stages": [{"name": "a"}]}, ["Stage 1", "'a'", "no problem"]),
        ({"stages": [{**_STAGE, "setings": {}}]}, ["setings", "settings"]),
        ({"stages": [{**_STAGE, "settings": 3}]}, ["'one'", "settings", "3"]),
        ({"stages": [{**_STAGE, "rule": "adam"}]}, ["rule", "'adam'"]),
        ({"stages": [{**_STAGE, "start_from": 1}]}, ["start_from", "1"]),
        ({"stages": [{**_STAGE, "rule": {"x": {1}}}]}, ["'one'", "JSON"]),
    ],
)
def test_what_is_no_recipe_is_refused_and_quoted(values, words):
    with pytest.raises(ValueError) as error:
        recipe_lib.from_json(values, "mine")
    for word in words:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\0"])
def test_what_is_no_json_is_refused(text, tmp_path):
    (tmp_path / "mine.json").write_text(text)
    with pytest.raises(ValueError, match="not valid JSON"):
        recipe_lib.load(tmp_path / "mine.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("RECIPE = {", "SyntaxError"),
        ("import sys; sys.exit()", "mine.py' fails: SystemExit, mine.py, line"),
        ("RECIPE = nonesuch", "NameError, mine.py, line 1"),
    ],
)
def test_a_program_that_fails_is_refused_in_one_line(text, message, tmp_path):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        recipe_lib.load(tmp_path / "mine.py", allow_python=True)
    assert "\n" not in str(error.value)


def test_a_recipe_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="'nonesuch'.*'mnist-robust'"):
        recipe_lib.load("nonesuch")
