"""The README's code runs as it stands, and its commands use real flags."""

import re

import pytest

from l2l_tf.figures import catalogue
from l2l_tf.saving import metadata
from tests import processes
from tests.repository import markdown

README = (markdown.ROOT / "README.md").read_text()
PROGRAMS = [b for b in markdown.blocks(README, "python") if "import" in b]
COMMANDS = markdown.python_commands(README)


@pytest.mark.slow
@pytest.mark.parametrize("index", range(len(PROGRAMS)))
def test_program_runs(index, tmp_path):
    # The same program, with fewer runs of meta-training.
    program = re.sub(r"num_epochs=\d+", "num_epochs=4", PROGRAMS[index])
    program = re.sub(r"evaluation_period=\d+", "evaluation_period=2", program)
    (tmp_path / "program.py").write_text(program)
    done = processes.run(
        tmp_path / "program.py",
        cwd=tmp_path,
        environment={"PATH": "", "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_there_are_programs_and_commands():
    assert len(PROGRAMS) == 2 and len(COMMANDS) >= 3
    assert all(len(words) > 2 for words in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_command_uses_flags_that_exist(command):
    markdown.assert_command_is_accepted(command)


@pytest.mark.parametrize("target", markdown.make_targets(README))
def test_make_target_exists(target):
    markdown.assert_target_exists(target)


def test_every_figure_is_named():
    [listed] = re.findall(r"^`--figure` is (.*?);", README, re.M | re.S)
    names = re.findall(r"`([^`]+)`", listed)
    assert sorted(names) == sorted([*catalogue.FIGURES, "all"])


def test_every_bundled_optimizer_is_named():
    [_, after] = README.split("These are bundled:\n\n")
    rows = after.split("\n\n")[0].splitlines()[2:]
    names = [
        n for row in rows for n in re.findall("`([^`]+)`", row.split("|")[1])
    ]
    assert sorted(names) == metadata.bundled_names()


def test_linked_files_exist():
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (markdown.ROOT / link).is_file(), link
