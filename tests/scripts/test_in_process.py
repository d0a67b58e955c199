"""A script that runs in this process leaves no trace in it."""

import logging
import os
import sys

import pytest
from absl import flags
from absl import logging as absl_logging

from tests import in_process

SCRIPT = """
import os
import pathlib
import sys

import _shared
import other
from absl import app
from absl import flags
from absl import logging

flags.DEFINE_integer("size", 1, "A number.")
flags.DEFINE_string("end", "", "How to end.")


def main(argv):
    os.environ["IN_PROCESS"] = "changed"
    os.chdir("/")
    sys.path.insert(0, "nowhere")
    logging.set_verbosity("debug")
    print(pathlib.Path(sys.argv[0]).name, flags.FLAGS.size, _shared.runs)
    _shared.runs += 1
    print("oh", file=sys.stderr)
    if flags.FLAGS.end == "raise":
        raise RuntimeError("unexpected")
    if flags.FLAGS.end:
        sys.exit(flags.FLAGS.end)


if __name__ == "__main__":
    app.run(main)
"""


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """A folder of scripts that change much in their process."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    (folder / "_shared.py").write_text("runs = 0\n")
    (folder / "other.py").write_text(
        "from absl import flags\nflags.DEFINE_bool('other', True, 'A flag.')\n"
    )
    (folder / "script.py").write_text(SCRIPT)
    monkeypatch.setattr(in_process, "SCRIPTS", folder)
    return folder


def _state():
    return (
        os.getcwd(),
        dict(os.environ),
        [*sys.argv],
        [*sys.path],
        set(flags.FLAGS),
        absl_logging.get_verbosity(),
        logging.root.level,
        [*logging.root.handlers],
        {"_shared", "other", "script"} & {*sys.modules},
    )


def test_each_run_starts_anew_and_leaves_nothing(scripts, tmp_path):
    before = _state()
    for size in (3, 4):
        done = in_process.run_script("script", f"--size={size}", cwd=tmp_path)
        assert done.returncode == 0
        assert done.stdout == f"script.py {size} 0\n"
        assert done.stderr == "oh\n"
        assert _state() == before
    assert in_process.run_script("script").stdout == "script.py 1 0\n"


def test_every_end_is_told_as_a_process_tells_it(scripts):
    done = in_process.run_script("script", "--end=words")
    assert done.returncode == 1 and done.stderr == "oh\nwords\n"
    done = in_process.run_script("script", "--end=raise")
    assert done.returncode == 1
    assert "Traceback" in done.stderr and "unexpected" in done.stderr
