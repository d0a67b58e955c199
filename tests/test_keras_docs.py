"""The program in docs/keras.md runs."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
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


def test_linked_files_exist():
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", GUIDE):
        assert (ROOT / "docs" / link).is_file(), link
