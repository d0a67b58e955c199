"""Tests of l2l_tf/saving/saved_optimizer.py."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.evaluation import learning_curves as evaluation
from l2l_tf.problems import registry as problems
from l2l_tf.rules import registry
from l2l_tf.saving import metadata as metadata_lib
from l2l_tf.saving import saved_optimizer
from l2l_tf.saving import verification
from tests import processes

pytestmark = pytest.mark.slow

CONFIGS = {
    "default": ({"rule": "coordinatewise"}, [[3, 4], [], [2, 1, 5]]),
    "linear": ({"layers": [], "preprocessing": "clamp"}, [[3], [2, 2]]),
    "smooth": ({"preprocessing": "log_and_sign_smooth"}, [[7]]),
    "float64": ({"layers": [3], "dtype": "float64"}, [[4, 2]]),
    "kernelwise": (
        {"rule": "kernelwise", "kernel_shape": [3, 2]},
        [[3, 2, 2, 4], [3, 2, 1, 1]],
    ),
    "vectorwise": (
        {"rule": "vectorwise", "size": 5, "preprocessing": "rescale"},
        [[7, 5], [5]],
    ),
    "moments": (
        {"preprocessing": "identity", "inputs": "rnnprop", "outputs": "rms"},
        [[3, 4], [5]],
    ),
    "normalised kernels": (
        {
            "rule": "kernelwise",
            "kernel_shape": [2, 2],
            "inputs": "rms",
            "outputs": "clip",
        },
        [[2, 2, 3, 1]],
    ),
}


def _gradients(shapes, step):
    return [
        tf.random.stateless_normal(shape, [step, index])
        for index, shape in enumerate(shapes)
    ]


def _assert_same(first, second, shapes, num_steps=4):
    """Both rules give the same bits, eagerly and in a graph."""
    params = [tf.zeros(shape) for shape in shapes]
    for wrap in (lambda f: f, tf.function):
        states = [first.initial_state(params), second.initial_state(params)]
        calls = [
            wrap(lambda g, s: first(g, s)),
            wrap(lambda g, s: second(g, s)),
        ]
        for step in range(num_steps):
            gradients = _gradients(shapes, step)
            results = [
                call(gradients, state)
                for call, state in zip(calls, states, strict=True)
            ]
            states = [state for _, state in results]
            for a, b in zip(*map(tf.nest.flatten, results), strict=True):
                np.testing.assert_array_equal(a, b)
        assert any(np.any(u != 0) for u in results[0][0])


@pytest.mark.parametrize("name", CONFIGS)
def test_restored_rule_gives_the_same_bits(name, tmp_path):
    config, shapes = CONFIGS[name]
    rule = registry.make_rule(config)
    path = saved_optimizer.export(rule, tmp_path / "rule", {})
    restored = saved_optimizer.load(path)
    assert restored.config() == rule.config()
    _assert_same(rule, restored, shapes)


def test_routed_rule_is_restored_with_all_its_parts(tmp_path):
    names = ["conv/w", "dense/w", "dense/b"]
    rule = registry.make_rule(
        {
            "rule": "routed",
            "routes": {
                "conv": {"rule": "kernelwise", "kernel_shape": [2, 2]},
                "dense/w": {"layers": [4]},
                ".*": {"rule": "adam", "learning_rate": 0.1},
            },
        },
        names,
    )
    path = saved_optimizer.export(rule, tmp_path / "rule", {})
    restored = saved_optimizer.load(path, names)
    _assert_same(rule, restored, [[2, 2, 1, 3], [4, 2], [3]])
    unbound = saved_optimizer.load(path)
    assert unbound.config() == rule.config()
    _assert_same(rule, unbound.bind(names), [[2, 2, 1, 3], [4, 2], [3]])


def test_routes_may_nest(tmp_path):
    names = ["conv/w", "dense/w", "dense/b"]
    rule = registry.make_rule(
        {
            "rule": "routed",
            "routes": {
                "conv": {"rule": "sgd"},
                "dense": {
                    "rule": "routed",
                    "routes": {
                        "w$": {"layers": [3]},
                        ".*": {"rule": "vectorwise", "size": 3, "layers": [2]},
                    },
                },
            },
        },
        names,
    )
    path = saved_optimizer.export(rule, tmp_path / "rule", {})
    restored = saved_optimizer.load(path, names)
    assert restored.config() == rule.config()
    _assert_same(rule, restored, [[2, 2, 1, 3], [4, 2], [3]])


def test_names_that_do_not_suit_are_refused(tmp_path):
    rule = registry.make_rule({"rule": "routed", "routes": {"w": {}}})
    path = saved_optimizer.export(rule, tmp_path / "rule", {})
    with pytest.raises(ValueError, match="matches"):
        saved_optimizer.load(path, ["w", "b"])


def test_tensorflow_alone_runs_it_for_any_number_of_coordinates(exported):
    program = f"""
import sys
for name in ("sonnet", "keras", "l2l_tf", "tensorflow_datasets"):
    sys.modules[name] = None
import tensorflow as tf
module = tf.saved_model.load({str(exported)!r})
for n in (1, 3, 1000):
    state = module.initial_state(n)
    for _ in range(2):
        updates, state = module.update(tf.ones([n]), state)
    assert updates.shape == [n] and float(tf.reduce_max(abs(updates))) > 0
    assert float(tf.math.reduce_std(updates)) < 1e-6
print("done")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert done.stdout.strip() == "done", done.stderr


def test_metadata_is_kept_and_lists_every_file(exported):
    metadata = json.loads((exported / "metadata.json").read_text())
    assert metadata["problem"] == {"name": "none"}
    assert metadata["rule"]["layers"] == [6, 5]
    files = {
        file.relative_to(exported).as_posix()
        for file in exported.rglob("*")
        if file.is_file()
    }
    assert set(metadata["files"]) == files - {"metadata.json"}


@pytest.mark.parametrize("damage", ["change", "remove"])
def test_damaged_file_is_refused(damage, exported, tmp_path):
    copy = shutil.copytree(exported, tmp_path / "copy")
    file = copy / "variables" / "variables.data-00000-of-00001"
    if damage == "remove":
        file.unlink()
    else:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    with pytest.raises(metadata_lib.SavedOptimizerError, match="SHA-256"):
        saved_optimizer.load(copy)


def test_unknown_optimizer_is_refused_with_the_bundled_names():
    with pytest.raises(metadata_lib.SavedOptimizerError) as error:
        saved_optimizer.load("nonesuch")
    for name in metadata_lib.bundled_names():
        assert name in str(error.value)


def test_other_format_version_is_refused(exported, tmp_path):
    copy = shutil.copytree(exported, tmp_path / "copy")
    metadata = json.loads((copy / "metadata.json").read_text())
    metadata["format_version"] = 99
    (copy / "metadata.json").write_text(json.dumps(metadata))
    with pytest.raises(metadata_lib.SavedOptimizerError, match="99"):
        saved_optimizer.load(copy)


def test_existing_folder_is_replaced_only_when_asked(tmp_path):
    first = registry.make_rule({"layers": [2]})
    second = registry.make_rule({"layers": [3]})
    path = saved_optimizer.export(first, tmp_path / "rule", {})
    with pytest.raises(FileExistsError):
        saved_optimizer.export(second, path, {})
    assert saved_optimizer.load(path).config()["layers"] == [2]
    saved_optimizer.export(second, path, {}, overwrite=True)
    assert saved_optimizer.load(path).config()["layers"] == [3]
    assert [p.name for p in tmp_path.iterdir()] == ["rule"]


def test_folder_of_something_else_is_never_replaced(tmp_path):
    rule = registry.make_rule({"layers": [2]})
    (tmp_path / "thesis.tex").write_text("years of work")
    for path in (tmp_path, tmp_path / "thesis.tex"):
        with pytest.raises(FileExistsError, match="not a saved optimizer"):
            saved_optimizer.export(rule, path, {}, overwrite=True)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_failed_export_leaves_the_old_one(tmp_path):
    rule = registry.make_rule({"layers": [2]})
    path = saved_optimizer.export(rule, tmp_path / "rule", {})
    with pytest.raises(TypeError):
        saved_optimizer.export(rule, path, {"bad": object()}, overwrite=True)
    assert saved_optimizer.load(path).config() == rule.config()
    assert [p.name for p in tmp_path.iterdir()] == ["rule"]


def test_what_appears_during_an_export_is_kept(tmp_path, monkeypatch):
    rule = registry.make_rule({"layers": [2]})
    check = verification.check

    def appear(*args):
        check(*args)
        (tmp_path / "rule").mkdir()
        (tmp_path / "rule" / "thesis.tex").write_text("years of work")

    monkeypatch.setattr(verification, "check", appear)
    with pytest.raises(FileExistsError, match="exists"):
        saved_optimizer.export(rule, tmp_path / "rule", {})
    shutil.rmtree(tmp_path / "rule")
    with pytest.raises(FileExistsError, match="not to be lost"):
        saved_optimizer.export(rule, tmp_path / "rule", {}, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["rule"]
    assert [p.name for p in (tmp_path / "rule").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_not_exported(value, tmp_path):
    rule = registry.make_rule({"layers": [2]})
    variable = rule.trainable_variables[0]
    variable.assign(tf.fill(variable.shape, value))
    with pytest.raises(metadata_lib.SavedOptimizerError, match="finite"):
        saved_optimizer.export(rule, tmp_path / "rule", {})
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_exported_is_known_before(tmp_path):
    saved_optimizer.check_exportable(registry.make_rule({"layers": [2]}))
    with pytest.raises(ValueError, match="learned"):
        saved_optimizer.check_exportable(registry.make_rule({"rule": "adam"}))


def test_metadata_do_not_change_the_rule(tmp_path):
    rule = registry.make_rule({"layers": [2]})
    other = registry.make_rule({"layers": [3]}).config()
    path = saved_optimizer.export(rule, tmp_path / "rule", {"rule": other})
    assert saved_optimizer.load(path).config() == rule.config()


def test_metadata_come_with_the_rule_they_belong_to(exported):
    rule, metadata = saved_optimizer.load_with_metadata(exported)
    assert metadata == metadata_lib.read(exported)
    assert rule.config() == metadata["rule"]


@pytest.mark.parametrize("name", metadata_lib.bundled_names())
def test_a_bundled_optimizer_gives_the_updates_of_its_own_graph(name):
    whole = saved_optimizer.load(name)
    # What those who have TensorFlow alone run: a graph for each part.
    for rule, folder in whole.saved_parts(metadata_lib.find(name)):
        module = tf.saved_model.load(str(folder))
        states = [
            module.initial_state(35),
            rule.initial_state([tf.zeros([35])]),
        ]
        for step in range(4):
            draw = tf.random.stateless_normal([2, 35], [step, 0])
            gradients = draw[0] * 10.0 ** (4 * draw[1] - 2)
            theirs, states[0] = module.update(gradients, states[0])
            [ours], states[1] = rule([gradients], states[1])
            np.testing.assert_array_equal(ours, theirs)


_EXPORT_UNTIL_KILLED = """
import sys
from l2l_tf.rules import registry
from l2l_tf.saving import saved_optimizer
rules = [registry.make_rule({"layers": [n]}) for n in (3, 2)]
while True:
    for rule in rules:
        saved_optimizer.export(rule, sys.argv[1], {}, overwrite=True)
        print("exported", flush=True)
"""


def _kill_exports(program, path, num_kills):
    """Kills processes that export to a path, at random moments."""
    draw = random.Random(0)
    for _ in range(num_kills):
        with processes.start(program, path) as running:
            assert running.stdout.readline() == "exported\n"
            time.sleep(draw.uniform(0, 0.8))
            os.kill(running.process.pid, signal.SIGKILL)
            running.finish()


def test_kills_amid_exports_harm_no_reader(tmp_path):
    path, program = tmp_path / "runs" / "rule", tmp_path / "program.py"
    program.write_text(_EXPORT_UNTIL_KILLED)
    saved_optimizer.export(registry.make_rule({"layers": [2]}), path, {})
    done, errors, loaded = threading.Event(), [], []

    def read():
        while not done.is_set():
            try:
                loaded.append(saved_optimizer.load(path).config()["layers"])
            except Exception as error:
                errors.append(error)
            time.sleep(0.01)  # Leaves the machine to the others.

    reader = threading.Thread(target=read)
    reader.start()
    _kill_exports(program, path, 10)
    done.set()
    reader.join()
    assert not errors, errors
    assert [2] in loaded and [3] in loaded
    saved_optimizer.export(
        registry.make_rule({"layers": [4]}), path, {}, overwrite=True
    )
    assert [p.name for p in path.parent.iterdir()] == ["rule"]
    assert saved_optimizer.load(path).config()["layers"] == [4]


def test_hand_designed_rule_is_not_exported(tmp_path):
    rule = registry.make_rule({"rule": "adam"})
    with pytest.raises(ValueError, match="learned"):
        saved_optimizer.export(rule, tmp_path / "rule", {})


@pytest.mark.parametrize("name", metadata_lib.bundled_names())
def test_bundled_optimizer_is_small_complete_and_says_how_it_was_made(name):
    folder = metadata_lib.find(name)
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    assert size < 1_000_000
    metadata = metadata_lib.read(name)
    assert metadata["command"].startswith("python scripts/train.py")
    training = metadata["training"]
    if metadata["problem"]["name"] == "sampled-tasks":
        # What it was trained on says little; models that it never saw do.
        assert metadata["suite"]["problems"] >= 12
    elif metadata["test"] is None:
        # It comes when all runs are done.
        assert training["epochs_done"] < training["num_epochs"]
    else:
        assert {"adam", "sgd", "L2L"} <= set(metadata["test"]["optimizers"])
    assert "tensorflow" in metadata["versions"]


# What needs no data from elsewhere, and little time.
_STAND_INS = {
    "ensemble": ("digits", {}),
    "cifar10": ("image_convnet", {"dataset": "digits", "channels": [8, 8]}),
    "style_transfer": ("style_transfer", {"size": 32}),
    "sampled-tasks": ("digits", {}),
}


@pytest.mark.parametrize("name", metadata_lib.bundled_names())
def test_bundled_optimizer_optimizes(name):
    trained_on = metadata_lib.read(name)["problem"]
    problem, options = _STAND_INS.get(
        trained_on["name"], (trained_on["name"], trained_on["options"])
    )
    problem = problems.make_problem(problem, split="test", **options)
    # Losses of one example each have noise that stays; the optimizer for all
    # problems is no specialist of this one.
    parts = {"online-regression": 0.2, "sampled-tasks": 0.5}
    part = parts.get(trained_on["name"], 0.1)
    rule = saved_optimizer.load(name, problem.parameter_names)
    recorder = evaluation.Recorder(lambda rate: rule, problem, 100)
    curves = recorder.curves(seed=0, num_runs=4)
    assert curves[:, -10:].mean() < part * curves[:, 0].mean()


def test_the_three_promised_optimizers_are_bundled():
    promised = {"quadratic", "digits", "mnist"}
    assert promised <= set(metadata_lib.bundled_names())
