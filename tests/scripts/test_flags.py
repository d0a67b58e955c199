"""Tests of scripts/_flags.py."""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# In a process of its own, since flags are defined once in each.
_PROGRAM = """
import json
import sys
import train
import _flags
assert "tensorflow" not in sys.modules
train.FLAGS(["train.py"])
print(json.dumps([_flags.as_flags(t) for t in json.load(sys.stdin)]))
"""
_TEXTS = {
    "num_steps must be a multiple of unroll_length; received 4 and 3.": (
        "--num_steps must be a multiple of --unroll_length; received 4 and 3."
    ),
    "continue it with resume=True, or use jit_compile=False.": (
        "continue it with --resume, or use --nojit_compile."
    ),
    "save_path='runs/a' exists": "--save_path='runs/a' exists",
    "second_derivatives=True with meta_gradient='es'": (
        "--second_derivatives with --meta_gradient='es'"
    ),
    # Plain words, quotations, paths, and what is an option of a problem.
    "seed must be 0 or more; the problem is to resume": None,
    "Unknown options ['num_steps']; accepted: ['learning_rate'].": None,
    "/home/save_path/settings.num_epochs --seed=3 {resume=True}": None,
    "batch_size must be an integer of 1 or more": None,
    "rule_options takes key=value pairs; received 'a=1,seed=2,num_steps'.": (
        "--rule_options takes key=value pairs; received 'a=1,seed=2,num_steps'."
    ),
    "Point data_dir to data; problem=digits needs none of the user's.": (
        "Point --data_dir to data; --problem=digits needs none of the user's."
    ),
}


@pytest.fixture(scope="module")
def as_flags():
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        input=json.dumps(list(_TEXTS)),
        cwd=ROOT / "scripts",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(_TEXTS, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("text", _TEXTS)
def test_arguments_are_said_as_flags(as_flags, text):
    assert as_flags[text] == (_TEXTS[text] or text)
