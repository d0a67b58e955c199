"""Programs and commands in Markdown files, and what commands accept."""

import functools
import pathlib
import re
import shlex

from tests import in_process

ROOT = pathlib.Path(__file__).resolve().parents[2]


def blocks(text, language):
    """Returns the code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def commands(text):
    """Returns the commands in shell blocks, as lists of words."""
    lines = "\n".join(blocks(text, "sh")).replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [each for each in words if each]


def python_commands(text):
    """Returns the commands that run a Python file."""
    return [words for words in commands(text) if words[0] == "python"]


def make_targets(text):
    """Returns the targets that a text would have make make."""
    return re.findall(r"(?:^|`)make ([a-z-]+)", text, re.M)


def assert_command_is_accepted(words):
    """Checks that a command's script exists and takes all of its flags."""
    script = pathlib.Path(words[1])
    assert script.parent.name == "scripts" and (ROOT / script).is_file()
    used = {flag.lstrip("-").partition("=")[0] for flag in words[2:]}
    assert used <= _flags(script.stem), used - _flags(script.stem)


def assert_target_exists(target):
    """Checks that the Makefile has a target."""
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(rf"^{target}:", makefile, re.M), target


@functools.cache
def _flags(script):
    """Returns the names of the flags that a script explains."""
    text = in_process.run_script(script, "--help").stdout
    return set(re.findall(r"^ +--(?:\[no\])?(\w+): ", text, re.M))
