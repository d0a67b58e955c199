"""The programs in docs/keras.md and docs/inside.md run."""

import re

import pytest

from tests import processes

pytestmark = pytest.mark.slow

ROOT = processes.ROOT
GUIDE = (ROOT / "docs" / "keras.md").read_text()
INSIDE = (ROOT / "docs" / "inside.md").read_text()


def _run(text, tmp_path):
    """Returns what a document's snippets print."""
    snippets = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    program = tmp_path / "guide.py"
    program.write_text("\n".join(snippets))
    done = processes.run(
        program,
        cwd=tmp_path,
        environment={"PATH": "", "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_snippets_run_in_their_order(tmp_path):
    assert GUIDE.count("```python") >= 12
    printed = _run(GUIDE, tmp_path)
    assert "Trained on digits" in printed
    assert "['LearnedOptimizer', 'Adam']" in printed
    assert "refused: [1. 1.]" in printed


def test_first_updates_are_those_in_the_document(tmp_path):
    first, *parts = _run(INSIDE, tmp_path).splitlines()
    assert first == "[0.036, -0.21, -0.474, -0.801]"
    with_sign = [float(line.split()[4]) for line in parts]
    without = [float(line.split()[6]) for line in parts]
    row = re.findall(r"^\| with(?: the sign|out).*\|$", INSIDE, re.M)
    for numbers, shown in zip((with_sign, without), row, strict=True):
        shown = [float(x) for x in re.findall(r"[+-]\d\.\d+", shown)]
        for number, expected in zip(
            numbers, [*shown[:3], shown[4]], strict=True
        ):
            assert abs(number - expected) <= 0.0011


def test_nothing_is_left_to_fill_in():
    for file in (*(ROOT / "docs").glob("*.md"), ROOT / "README.md"):
        left = re.findall(r"\b[A-Z]{4,}_[A-Z]{4,}\b", file.read_text())
        assert set(left) <= {"OUTPUT_DIR"}, (file, left)
