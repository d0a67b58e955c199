"""Tests of scripts/evaluate.py with --suite."""

import json
import shutil
import socket

import pytest

from tests import in_process


def _suite(*flags):
    return in_process.run_script("evaluate", "--suite=general", *flags)


def test_tables_results_and_plot_are_written(tmp_path, exported):
    mine = tmp_path / "mine"
    shutil.copytree(exported, mine)
    flags = [
        f"--optimizers={mine}",
        "--without_steps",
        "--suite_problems=diabetes-mlp",
        "--steps=10",
        "--rates=0.001,0.01",
        "--seeds=1",
        f"--kept_dir={tmp_path / 'kept'}",
        f"--json_path={tmp_path / 'suite.json'}",
        f"--markdown_path={tmp_path / 'suite.md'}",
        f"--plot_path={tmp_path / 'suite.png'}",
    ]
    done = _suite(*flags)
    assert done.returncode == 0, done.stderr
    assert "diabetes-mlp: 80 steps made" in done.stdout
    results = json.loads((tmp_path / "suite.json").read_text())
    entrants = results["lengths"]["10"]
    assert entrants[str(mine)]["learned"] and len(entrants) == 9
    untold = entrants[f"{mine} without steps="]["problems"]
    assert untold == entrants[str(mine)]["problems"]
    assert (tmp_path / "suite.md").read_text().strip() in done.stdout
    assert (tmp_path / "suite.png").read_bytes().startswith(b"\x89PNG")
    again = _suite(*flags)
    assert "diabetes-mlp: 0 steps made" in again.stdout
    assert json.loads((tmp_path / "suite.json").read_text()) == results


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--suite=special"], ["'special'", "general"]),
        (["--suite_problems=nope"], ["'nope'", "diabetes-mlp"]),
        (["--steps=10,many"], ["--steps", "'many'"]),
        (["--steps=9"], ["--steps", "'9'"]),
        (["--seeds=0"], ["--seeds", "0"]),
        (["--rates=0.001,fast"], ["rates", "'fast'"]),
        (["--rates=0.01"], ["0.001", "0.01"]),
        (["--optimizers=nowhere"], ["'nowhere'"]),
        (["--problem=quadratic"], ["--problem", "--suite"]),
        (["--record", "--suite_problems=mnist-mlp"], ["--record", "all"]),
        (
            ["--suite_problems=mnist-mlp", "--data_dir=/nowhere"],
            ["'mnist'", "/nowhere"],
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    flags, words, tmp_path, monkeypatch
):
    def refuse(*arguments, **options):
        raise OSError("no network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    done = _suite(f"--kept_dir={tmp_path / 'kept'}", *flags)
    assert done.returncode == 1
    [line] = done.stderr.strip().splitlines()
    assert all(word in line for word in words), line


def test_flags_of_the_suite_are_refused_without_it():
    done = in_process.run_script(
        "evaluate", "--problem=quadratic", "--optimizer=sgd", "--seeds=2"
    )
    assert done.returncode == 1
    assert "--seeds cannot be given without --suite" in done.stderr
