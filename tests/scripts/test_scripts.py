"""Tests of the scripts, as a user runs them.

Most run in the process of the tests, what depends on it (a start from
nothing, a quiet standard error) in one of its own.
"""

import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from l2l_tf.meta_training import settings
from tests import in_process
from tests import processes

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]
SMALL = ["--problem_options=num_functions=2,num_dims=2", "--num_steps=4"]


_run = in_process.run_script


def _start(script, *flags, cwd=None):
    """Runs a script in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / f"{script}.py"), *flags],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
    )


def _assert_refused(done, *words):
    """One line on standard error, no traceback, exit code 1."""
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Returns the folder of a small experiment."""
    folder = tmp_path_factory.mktemp("scripts") / "run"
    done = processes.run(
        ROOT / "scripts/train.py",
        "--problem=quadratic",
        f"--save_path={folder}",
        *SMALL,
        "--unroll_length=2",
        "--num_epochs=3",
        "--evaluation_period=1",
        "--evaluation_epochs=1",
        "--log_period=1",
        "--rule_options=layers=[3],preprocessing_options.p=5",
        "--seed=3",
        "--profile=1",
        "--test_epochs=0",
    )
    assert done.returncode == 0, done.stderr
    assert "run 3/3" in done.stdout and str(folder) in done.stdout
    assert done.stderr == ""
    return folder


@pytest.mark.parametrize(
    "script",
    [
        *("train", "evaluate", "export", "reproduce", "search", "demo"),
        *("stylize", "train_features"),
    ],
)
def test_help_explains_every_flag(script):
    done = _start(script, "--help")
    text = (ROOT / "scripts" / f"{script}.py").read_text()
    names = re.findall(r'flags\.(?:DEFINE|define)_\w+\(\s*"(\w+)"', text)
    assert names
    if script in ("train", "search"):
        names += [f.name for f in dataclasses.fields(settings.Settings)]
        names.append("batch_size")
    for name in names:
        assert re.search(rf"--(\[no\])?{name}: \w+", done.stdout), name


@pytest.mark.parametrize(
    ("script", "flag", "words"),
    [
        ("train", "--num_epochs=0", ["num_epochs", "1 or more"]),
        ("evaluate", "--optimizer=lion", ["lion", "adam"]),
        ("export", "--path=x", ["--save_path"]),
        ("reproduce", "--figure=imagenet", ["imagenet", "quadratic", "all"]),
        ("search", "--resume", ["--resume", "train.py"]),
        ("demo", "--num_epochs=0", ["num_epochs", "at least 1"]),
    ],
)
def test_process_ends_with_one_line(script, flag, words, tmp_path):
    file = ROOT / "scripts" / f"{script}.py"
    done = processes.run(file, flag, cwd=tmp_path)
    _assert_refused(done, *words)
    assert _run(script, flag, cwd=tmp_path).stderr == done.stderr
    assert not list(tmp_path.iterdir())


def test_to_import_tensorflow_adds_no_line(tmp_path):
    done = _start("train", "--num_epochs=0", cwd=tmp_path)
    _assert_refused(done, "num_epochs", "1 or more")


def test_train_profiles_a_run_on_request(trained):
    (trace,) = (trained / "logs/plugins/profile").glob("*/*.xplane.pb")
    assert trace.stat().st_size > 0


def test_train_writes_what_the_flags_say(trained):
    config = json.loads((trained / "config.json").read_text())
    assert config["rule"]["layers"] == [3]
    assert config["rule"]["preprocessing_options"] == {"p": 5}
    options = config["problem"]["options"]
    assert options["num_functions"] == options["num_dims"] == 2
    assert config["settings"]["seed"] == config["rule"]["seed"] == 3
    metadata = json.loads((trained / "optimizer/metadata.json").read_text())
    assert metadata["command"].startswith("python ")
    assert "--problem=quadratic" in metadata["command"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--problem=nope"], ["nope", "quadratic", "mnist", "digits"]),
        (["--num_epochs=many"], ["num_epochs", "many"]),
        (["--num_epochs=0"], ["num_epochs", "0", "1 or more"]),
        (["--problme=simple"], ["problme"]),
        (["simple"], ["simple", "--name=value"]),
        (["--problem_options=depth=3"], ["depth", "accepted"]),
        (["--problem_options=[1"], ["problem_options", "[1"]),
        (["--rule_options={1}"], ["rule_options", "JSON"]),
        (["--rule_options=rule=newton"], ["newton", "coordinatewise"]),
        (["--unroll_length=30"], ["multiple", "30"]),
        (["--step_weights=first"], ["first", "constant", "last"]),
        (["--learning_rate_schedule=step"], ["step", "cosine"]),
        (["--resume", "--overwrite"], ["--resume", "--overwrite"]),
        (["--test_epochs=-1"], ["test_runs", "-1"]),
        (["--profile=-1"], ["--profile", "-1"]),
        (["--notensorboard", "--profile=2"], ["profile of 2 runs"]),
        (["--save_path=~nobodyx/x"], ["~", "no user"]),
        (["--step_weights=5"], ["5", "constant"]),
        (["--gradient_clip_norm=nan"], ["gradient_clip_norm", "nan"]),
        (["--coordinate_fraction=2"], ["coordinate_fraction", "2"]),
        (
            ["--meta_gradient=replay", "--second_derivatives"],
            ["meta_gradient", "held constant", "autodiff"],
        ),
        (["--problem_options=name=x"], ["name", "accepted"]),
        (["--problem_options=split=test"], ["split"]),
        (["--rule_options=rule=[1]"], ["[1]", "accepted"]),
        (["--rule_options=rule=adam"], ["adam", "no weights"]),
        (["--rule_options=rule=vectorwise,size=7"], ["size 7", "()"]),
        (["--meta_gradient=magic"], ["--meta_gradient", "magic", "pes"]),
        (
            ["--meta_gradient=es", "--second_derivatives"],
            ["--second_derivatives", "--meta_gradient='es'", "autodiff"],
        ),
        (["--num_pairs=3"], ["--num_pairs=3", "'es' or 'pes'"]),
        (
            ["--meta_gradient_options=size=3"],
            ["'size'", "--meta_gradient='replay'"],
        ),
        (["--imports=nonesuch"], ["no module 'nonesuch'", "--imports="]),
        (["--num_steps=30.0", "--unroll_length=7"], ["--unroll_length", "7"]),
        (["--num_epochs=4294967296"], ["--num_epochs", "4294967296"]),
        (
            ["--num_steps=2147483647", "--unroll_length=2147483647"],
            ["--num_steps", "at most 2147483646"],
        ),
        (["--log_dir=/dev/null/logs"], ["--log_dir=", "/dev/null", "a file"]),
        (["--save_path=" + "x" * 300], ["--save_path=", "too long"]),
        (["--test_runs=4294967296"], ["--test_runs", "4294967296"]),
        (["--gradient_clip_norm=1e-60"], ["--gradient_clip_norm", "float32"]),
        (
            ["--rule_options=dtype=bfloat16"],
            ["bfloat16", "cannot be trained", "float32"],
        ),
        (["--recipe=nonesuch"], ["nonesuch", "mnist-robust"]),
        (
            ["--recipe=quadratic", "--num_epochs=3", "--batch_size=2"],
            ["--num_epochs", "--num_optimizees", "--recipe"],
        ),
        (["--recipe=quadratic", "--resume", "--overwrite"], ["--overwrite"]),
    ],
)
def test_train_refuses_bad_flags_in_one_line(flags, words, tmp_path):
    _assert_refused(_run("train", *flags, cwd=tmp_path), *words)
    assert not list(tmp_path.iterdir())


def test_older_names_of_flags_are_accepted(tmp_path):
    done = _run(
        "train",
        f"--save_path={tmp_path / 'run'}",
        "--num_epochs=1.0",
        "--num_steps=2",
        "--unroll_length=1",
        "--batch_size=2",
        "--evaluation_epochs=1",
        "--test_epochs=0",
        "--meta_gradient=pes",
        "--num_pairs=2",
    )
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["settings"]["num_optimizees"] == 2
    assert config["settings"]["num_epochs"] == 1


def test_damaged_experiments_are_refused_in_one_line(trained, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    (folder / "config.json").write_text('{"problem": 1}')
    for script, flag in (("train", "--resume"), ("export", "--path=x")):
        done = _run(script, f"--save_path={folder}", flag, cwd=tmp_path)
        _assert_refused(done, "config.json", "not the configuration")


def test_code_that_a_folder_names_is_not_imported(trained, tmp_path):
    (tmp_path / "mine.py").write_text(
        "open('imported', 'w')\n"
        "from l2l_tf import make_problem\n"
        "def problem(split):\n"
        "    options = {'num_functions': 2, 'num_dims': 2}\n"
        "    return make_problem('quadratic', split, **options)\n"
    )
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    config = json.loads((folder / "config.json").read_text())
    config["problem"] = {"name": "mine:problem", "options": {}}
    (folder / "config.json").write_text(json.dumps(config))
    flags = [f"--save_path={folder}", "--test_runs=0"]
    path = f"--path={tmp_path / 'exported'}"
    for script, *more in (("train", "--resume"), ("export", path)):
        done = _run(script, *flags, *more, cwd=tmp_path)
        _assert_refused(done, "--problem=mine:problem")
    assert not (tmp_path / "imported").exists()
    done = _run("export", *flags, path, "--problem=quadratic", cwd=tmp_path)
    _assert_refused(done, "mine:problem", "quadratic")
    done = _run("export", *flags, path, "--problem=mine:problem", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "imported").exists()


def test_train_refuses_a_save_path_that_exists(trained):
    done = _run("train", f"--save_path={trained}")
    _assert_refused(done, str(trained), "--resume", "--overwrite")


def test_train_says_at_once_that_data_are_missing(tmp_path):
    done = _run(
        "train", "--problem=mnist", f"--data_dir={tmp_path}", cwd=tmp_path
    )
    if done.returncode:
        _assert_refused(done, "TFDS_DATA_DIR", "--data_dir", "--problem=digits")


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/results"])
def test_reproduce_refuses_folders_that_cannot_be_written(place, tmp_path):
    (tmp_path / "file").touch()
    folder = tmp_path / place
    done = _run(
        "reproduce", "--figure=quadratic", "--quick", f"--output_dir={folder}"
    )
    _assert_refused(done, "--output_dir", str(folder), "cannot be written")
    assert done.stdout == ""


def test_reproduce_refuses_to_draw_what_was_never_run(tmp_path):
    folder = tmp_path / "results"
    done = _run(
        "reproduce", "--figure=mnist", "--redraw", f"--output_dir={folder}"
    )
    _assert_refused(done, "mnist.json")


@pytest.mark.parametrize("flag", ["--quick", "--seed=1", "--redraw"])
def test_reproduce_records_full_runs_only(flag):
    done = _run("reproduce", "--figure=mnist", "--record", flag)
    _assert_refused(done, "--record", "seed 0")


def test_evaluate_prints_a_table_and_writes_json_and_plot(trained, tmp_path):
    done = processes.run(
        ROOT / "scripts/evaluate.py",
        "--problem=quadratic",
        "--optimizer=L2L",
        f"--path={trained / 'optimizer'}",
        *SMALL,
        "--num_epochs=3",
        "--search_epochs=1",
        "--compare=adam,sgd",
        "--split=validation",
        "--seed=5",
        f"--json_path={tmp_path / 'out' / 'result.json'}",
        f"--plot_path={tmp_path / 'out' / 'plot.png'}",
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert re.search(r"^Log Mean Final Error: -?\d+\.\d\d$", done.stdout, re.M)
    results = json.loads((tmp_path / "out" / "result.json").read_text())
    assert {k: v for k, v in results.items() if k != "optimizers"} == {
        "problem": "quadratic",
        "split": "validation",
        "num_steps": 4,
        "num_runs": 3,
        "seed": 5,
        "search_steps": {"adam": 60, "sgd": 60},
    }
    assert list(results["optimizers"]) == ["L2L", "adam", "sgd"]
    for result in results["optimizers"].values():
        assert set(result) == {
            "learned",
            "learning_rate",
            "mean",
            "std",
            "final",
            "final_sem",
            "last_tenth",
            "last_tenth_sem",
            "mean_over_steps",
            "metrics",
        }
    assert (tmp_path / "out" / "plot.png").read_bytes()[1:4] == b"PNG"


def test_evaluate_takes_a_hand_designed_optimizer_with_a_rate():
    done = _run(
        "evaluate",
        "--problem=simple",
        "--optimizer=Momentum",
        "--learning_rate=0.05",
        "--num_epochs=2",
        "--num_steps=20",
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^momentum +0\.05 ", done.stdout, re.M)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--optimizer=lion"], ["lion", "L2L", "adam", "rprop"]),
        (["--optimizer=L2L"], ["--path", "quadratic"]),
        (["--path=nonesuch"], ["nonesuch", "quadratic"]),
        (["--optimizer=adam", "--compare=lion"], ["lion", "adam"]),
        (["--optimizer=adam", "--split=dev"], ["dev", "validation"]),
        (["--optimizer=adam", "--num_steps=0"], ["num_steps", "0"]),
        (["--optimizer=adam", "--learning_rate=-1"], ["learning_rate", "-1"]),
        (["--optimizer=adam", "--path=mnist"], ["--path", "L2L"]),
        (["--path=mnist", "--learning_rate=1"], ["--learning_rate"]),
        (["--optimizer=adam", "--json_path=/"], ["json_path", "folder"]),
    ],
)
def test_evaluate_refuses_bad_flags_in_one_line(flags, words):
    _assert_refused(_run("evaluate", *flags), *words)


def test_export_writes_the_same_optimizer(trained, tmp_path):
    path = tmp_path / "exported"
    done = _run(
        "export", f"--save_path={trained}", f"--path={path}", "--test_epochs=1"
    )
    assert done.returncode == 0, done.stderr
    assert "Testing: 1 runs, also of 7 baselines" in done.stdout
    ours = json.loads((path / "metadata.json").read_text())
    theirs = json.loads((trained / "optimizer/metadata.json").read_text())
    assert ours["rule"] == theirs["rule"]
    assert ours["command"] == theirs["command"]
    assert ours["test"]["optimizers"]["adam"]["learning_rate"] > 0
    again = _run("export", f"--save_path={trained}", f"--path={path}")
    _assert_refused(again, str(path), "exists")


def test_export_refuses_what_is_no_experiment(tmp_path):
    _assert_refused(_run("export", "--path=x"), "--save_path")
    done = _run("export", f"--save_path={tmp_path}", "--path=x", cwd=tmp_path)
    _assert_refused(done, str(tmp_path), "no experiment")


def test_search_tries_rates_and_continues(tmp_path):
    flags = [
        "--problem=quadratic",
        *SMALL,
        "--unroll_length=2",
        "--num_epochs=2",
        "--evaluation_period=1",
        "--evaluation_epochs=1",
        "--nojit_compile",
        f"--save_path={tmp_path / 'search'}",
    ]
    first = _run("search", *flags, "--num_trials=1")
    assert first.returncode == 0, first.stderr
    second = _run("search", *flags, "--num_trials=2")
    assert second.returncode == 0, second.stderr
    assert second.stdout.count("Trained 2 runs") == 1
    assert "Best: rate" in second.stdout
    assert "Testing" not in first.stdout + second.stdout
    _assert_refused(
        _run("search", *flags, "--num_trials=2", "--unroll_length=4"),
        "another search",
    )
    _assert_refused(_run("search", *flags, "--resume"), "--resume", "train.py")


def test_reproduce_refuses_figures_that_there_are_not(tmp_path):
    _assert_refused(
        _run("reproduce", "--figure=imagenet", f"--output_dir={tmp_path}"),
        "imagenet",
        "quadratic",
        "all",
    )
