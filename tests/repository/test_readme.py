"""The README's code runs as it stands, and its commands use real flags."""

import dataclasses
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

from l2l_tf.meta_training import settings

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def _blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)


def _commands():
    text = "\n".join(_blocks("sh")).replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [line for line in lines if line and line[0] == "python"]


PROGRAMS = [block for block in _blocks("python") if "import" in block]


@pytest.mark.parametrize("index", range(len(PROGRAMS)))
def test_program_runs(index, tmp_path):
    # The same program, with fewer epochs of meta-training.
    program = re.sub(r"num_epochs=\d+", "num_epochs=4", PROGRAMS[index])
    program = re.sub(r"evaluation_period=\d+", "evaluation_period=2", program)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_there_are_programs_and_commands():
    assert len(PROGRAMS) == 2 and len(_commands()) >= 3


@pytest.mark.parametrize("command", _commands(), ids=" ".join)
def test_command_uses_flags_that_exist(command):
    source = (ROOT / command[1]).read_text()
    known = re.findall(r'flags\.DEFINE_\w+\(\s*"(\w+)"', source)
    if "define_settings()" in source:
        known += [field.name for field in dataclasses.fields(settings.Settings)]
    used = [flag.lstrip("-").partition("=")[0] for flag in command[2:]]
    assert used and set(used) <= set(known)


TARGETS = re.findall(r"(?:^|`)make ([a-z-]+)", README, re.M)


@pytest.mark.parametrize("target", TARGETS)
def test_make_target_exists(target):
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(rf"^{target}:", makefile, re.M)


def test_linked_files_exist():
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / link).is_file(), link
