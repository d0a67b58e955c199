"""The program in docs/keras.md runs."""

import pathlib
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "keras.md").read_text()


def test_snippets_run_in_their_order(tmp_path):
    snippets = re.findall(r"^```python\n(.*?)^```", GUIDE, re.M | re.S)
    assert len(snippets) >= 12
    program = tmp_path / "guide.py"
    program.write_text("\n".join(snippets))
    done = subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Trained on digits" in done.stdout
    assert "['LearnedOptimizer', 'Adam']" in done.stdout
    assert "refused: [1. 1.]" in done.stdout


def test_nothing_is_left_to_fill_in():
    for file in (*(ROOT / "docs").glob("*.md"), ROOT / "README.md"):
        left = re.findall(r"\b[A-Z]{4,}_[A-Z]{4,}\b", file.read_text())
        assert set(left) <= {"OUTPUT_DIR"}, (file, left)
