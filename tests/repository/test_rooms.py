"""No room imports one that it may not import, and the check of it works."""

from __future__ import annotations

import pathlib
import re
import runpy
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROOMS = runpy.run_path(str(ROOT / ".ci" / "rooms.py"))

# What each room may import, spelled out.
MAY_IMPORT = {
    "core": "no other room",
    "problems": "core",
    "rules": "core",
    "meta_gradients": "core, problems, rules",
    "saving": "core, rules",
    "evaluation": "core, problems, rules, meta_gradients, saving",
    "keras_optimizers": (
        "core, problems, rules, meta_gradients, saving, evaluation"
    ),
    "meta_training": (
        "core, problems, rules, meta_gradients, saving, evaluation, "
        "keras_optimizers"
    ),
    "figures": (
        "core, problems, rules, meta_gradients, saving, evaluation, "
        "keras_optimizers, meta_training"
    ),
}


def _check(root):
    return subprocess.run(
        [sys.executable, ROOT / ".ci" / "check_rooms.py", root],
        capture_output=True,
        text=True,
    )


@pytest.fixture
def tree(tmp_path):
    """A library of nine rooms with one module each, which imports nothing."""
    (tmp_path / "l2l_tf").mkdir()
    (tmp_path / "l2l_tf/__init__.py").write_text("import l2l_tf.figures.m\n")
    for room in MAY_IMPORT:
        (tmp_path / "l2l_tf" / room).mkdir()
        (tmp_path / "l2l_tf" / room / "__init__.py").touch()
        (tmp_path / "l2l_tf" / room / "m.py").touch()
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/train.py").write_text("from l2l_tf.figures import m\n")
    return tmp_path


def test_imports_keep_to_the_order_of_the_rooms():
    done = _check(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_order_is_that_of_the_folders_and_of_the_readme():
    folders = (ROOT / "l2l_tf").glob("*/__init__.py")
    assert sorted(ROOMS["ORDER"]) == sorted(f.parent.name for f in folders)
    assert list(ROOMS["ORDER"]) == list(MAY_IMPORT)
    readme = (ROOT / "README.md").read_text()
    for room in ROOMS["ORDER"]:
        assert re.search(rf"^{room}/ ", readme, re.M), "the drawing lacks it"
        assert re.search(rf"^\*\*`{room}`\*\* ", readme, re.M), "no paragraph"


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_room_may_import_what_it_may(tree, room):
    lines = [f"from l2l_tf.{room} import m"]
    if MAY_IMPORT[room] != "no other room":
        lines += [
            f"from l2l_tf.{other} import m"
            for other in MAY_IMPORT[room].split(", ")
        ]
    (tree / "l2l_tf" / room / "m.py").write_text("\n".join(lines))
    done = _check(tree)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_room_may_import_no_other(tree, room):
    others = [
        other
        for other in MAY_IMPORT
        if other != room and other not in MAY_IMPORT[room].split(", ")
    ]
    lines = [f"from l2l_tf.{other} import m" for other in others]
    (tree / "l2l_tf" / room / "m.py").write_text("\n".join(lines))
    done = _check(tree)
    assert done.returncode == bool(others)
    if others:
        assert done.stdout.splitlines() == [
            f"l2l_tf/{room}/m.py:{number}: imports l2l_tf.{other}.m, but "
            f"{room} may import {MAY_IMPORT[room]}"
            for number, other in enumerate(others, 1)
        ]


@pytest.mark.parametrize(
    ("source", "line", "name"),
    [
        ("import l2l_tf.figures.m", 1, "l2l_tf.figures.m"),
        ("import l2l_tf.figures.m as f", 1, "l2l_tf.figures.m"),
        ("from l2l_tf import figures", 1, "l2l_tf.figures"),
        ("from l2l_tf.figures.m import x, y", 1, "l2l_tf.figures.m.x"),
        ("from ..figures import m", 1, "l2l_tf.figures.m"),
        ("from .. import figures", 1, "l2l_tf.figures"),
        ("def f():\n    from l2l_tf.figures import m", 2, "l2l_tf.figures.m"),
        ("try:\n  import l2l_tf.figures\nfinally: pass", 2, "l2l_tf.figures"),
        # The package itself has the names of all rooms.
        ("from l2l_tf import LearnedOptimizer", 1, "l2l_tf.LearnedOptimizer"),
        ("from l2l_tf import *", 1, "l2l_tf.*"),
        ("import l2l_tf", 1, "l2l_tf"),
        ("import importlib as i\ni.import_module('l2l_tf')", 2, "l2l_tf"),
        (
            "import importlib\nimportlib.import_module('l2l_tf.figures.m')",
            2,
            "l2l_tf.figures.m",
        ),
        (
            "from importlib import import_module\n"
            "import_module('..figures.m', __package__)",
            2,
            "l2l_tf.figures.m",
        ),
        ("__import__('l2l_tf.figures')", 1, "l2l_tf.figures"),
        # What is imported by a name from elsewhere.
        ("TABLE = {\n  'x': 'l2l_tf.figures.m'}", 2, "l2l_tf.figures.m"),
        ("REGISTRY = R('figure', 'l2l_tf.figures')", 1, "l2l_tf.figures"),
        ("NAME = 'l2l_tf.figures.m:make'", 1, "l2l_tf.figures.m"),
        ("from scripts import train", 1, "scripts.train"),
    ],
)
def test_every_form_of_import_is_seen(tree, source, line, name):
    (tree / "l2l_tf/saving/m.py").write_text(source)
    done = _check(tree)
    assert done.returncode == 1
    found = done.stdout.splitlines()
    assert found[0] == (
        f"l2l_tf/saving/m.py:{line}: imports {name}, but saving may import "
        "core, rules"
    )


@pytest.mark.parametrize(
    "source",
    [
        '"""Words such as l2l_tf.figures.m in a docstring are none."""',
        "NAME = 'l2l_tf.figures.nonesuch'",
        "SERIALIZED_AS = 'l2l_tf'",
        "import tensorflow as tf\nfrom numpy import figures",
        "from . import m\nfrom ..rules import m as n",
    ],
)
def test_what_is_no_import_is_none(tree, source):
    (tree / "l2l_tf/saving/m.py").write_text(source)
    done = _check(tree)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_file_in_no_room_is_found(tree):
    (tree / "l2l_tf/helpers").mkdir()
    (tree / "l2l_tf/helpers/m.py").touch()
    (tree / "l2l_tf/unroll.py").touch()
    done = _check(tree)
    assert done.returncode == 1
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == [
        "l2l_tf/helpers/m.py",
        "l2l_tf/unroll.py",
    ]
    assert "the rooms are core, problems, rules" in done.stdout


def test_make_lint_checks_the_rooms():
    makefile = (ROOT / "Makefile").read_text()
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.M)[1]
    assert ".ci/check_rooms.py" in lint
