"""The examples in CONTRIBUTING.md work, each in its one file.

They are written into a copy of the repository, where their tests and commands
are run.
"""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests import processes
from tests.repository import markdown

pytestmark = pytest.mark.slow

GUIDE = (markdown.ROOT / "CONTRIBUTING.md").read_text()
COMMANDS = markdown.python_commands(GUIDE)

COPIED = (
    "l2l_tf",
    "saved_optimizers",
    "scripts",
    ".ci",
    "pyproject.toml",
    "tests/conftest.py",
    "tests/in_process.py",
    "tests/run_pytest.py",
)

FILES = dict(
    re.findall(r"^`(\S+\.py)`:\n\n```python\n(.*?)^```", GUIDE, re.M | re.S)
)
ENTRIES = re.findall(
    r"^In `(\S+)`, a new entry:\n\n```python\n(.*?)^```", GUIDE, re.M | re.S
)

# The same commands, with less to do.
LESS = {
    "train": {
        "num_epochs": "2",
        "evaluation_period": "1",
        "evaluation_epochs": "1",
        "num_steps": "4",
        "unroll_length": "2",
        "test_epochs": "0",
    },
    "evaluate": {"num_epochs": "2", "num_steps": "4", "search_epochs": "1"},
    "reproduce": {},
}

# What runs them there: one process, since TensorFlow takes seconds to start.
TEST_COMMANDS = """\
import pytest

from tests import in_process


@pytest.mark.parametrize("words", {commands!r}, ids=" ".join)
def test_command(words):
    done = in_process.run_script(*words, cwd={root!r})
    assert done.returncode == 0, done.stderr
"""


def _with_less(words):
    """Returns a command's script and flags, with fewer runs and steps."""
    name = re.fullmatch(r"scripts/(\w+)\.py", words[1])[1]
    flags = [f"--{flag}={value}" for flag, value in LESS[name].items()]
    return [name, *words[2:], *flags]


def _run(*command, cwd):
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(cwd)},
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A copy of the repository with all examples in it."""
    root = tmp_path_factory.mktemp("contributing")
    for name in COPIED:
        source, copy = markdown.ROOT / name, root / name
        copy.parent.mkdir(exist_ok=True)
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, copy, ignore=ignored)
        else:
            shutil.copy(source, copy)
    for name, code in FILES.items():
        assert not (root / name).exists(), "an example must be a new file"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(code)
    for name, code in ENTRIES:
        text = (root / name).read_text()
        begin = re.search(r"^FIGURES\b.*\{\n", text, re.M)
        text = text[: begin.end()] + code + text[begin.end() :]
        (root / name).write_text(text)
    return root


def test_there_is_an_example_of_everything():
    rooms = {name.split("/")[1] for name in FILES if name.startswith("l2l_tf/")}
    assert rooms == {"rules", "problems", "meta_gradients"}
    assert [name for name, _ in ENTRIES] == ["l2l_tf/figures/catalogue.py"]
    # One file each, and its test.
    tests = {
        name.replace("l2l_tf/", "tests/").replace(
            name.split("/")[-1], f"test_{name.split('/')[-1]}"
        )
        for name in FILES
        if name.startswith("l2l_tf/")
    }
    assert {name for name in FILES if name.startswith("tests/")} == tests
    blocks = markdown.blocks(GUIDE, "python")
    assert len(blocks) == len(FILES) + len(ENTRIES)
    assert {words[1] for words in COMMANDS} == {
        "scripts/train.py",
        "scripts/evaluate.py",
        "scripts/reproduce.py",
    }


def test_examples_pass_their_tests_and_commands_run(repository):
    commands = [_with_less(words) for words in COMMANDS]
    (repository / "tests/test_commands.py").write_text(
        TEST_COMMANDS.format(commands=commands, root=str(repository))
    )
    done = processes.run(
        repository / "tests/run_pytest.py",
        "tests",
        "-q",
        path=repository,
        cwd=repository,
    )
    out = done.stdout
    assert done.returncode == 0, out[-6000:] + done.stderr[-3000:]
    num_tests = sum(code.count("\ndef test_") for code in FILES.values())
    assert f"{num_tests + len(commands)} passed" in out
    assert (repository / "runs/results/digits.png").is_file()
    for name in ("normalised", "convnet", "directions", "clipped"):
        folder = repository / "runs" / name / "optimizer"
        assert (folder / "metadata.json").is_file()


def test_examples_are_in_style_and_keep_to_the_rooms(repository):
    files = [*FILES, *(name for name, _ in ENTRIES)]
    _run("-m", "ruff", "check", *files, cwd=repository)
    _run("-m", "ruff", "format", "--check", *files, cwd=repository)
    _run(".ci/check_rooms.py", cwd=repository)
    _run(".ci/write_build.py", cwd=repository)
    for name in FILES:
        if name.startswith("l2l_tf/"):
            _, room, module = name.removesuffix(".py").split("/")
            build = (repository / "l2l_tf" / room / "BUILD").read_text()
            assert f'name = "{module}"' in build


@pytest.mark.parametrize("target", markdown.make_targets(GUIDE))
def test_make_target_exists(target):
    markdown.assert_target_exists(target)


def test_linked_files_exist():
    for link in re.findall(r"\]\((?!http)([^)#]+)(?:#\S*)?\)", GUIDE):
        assert (markdown.ROOT / link).is_file(), link
