"""Tests of l2l_tf/saving/loading.py."""

import json
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from l2l_tf.rules import registry
from l2l_tf.saving import metadata as metadata_lib
from l2l_tf.saving import saved_optimizer
from tests.saving import hostile_folders


def _updates(rule):
    """Returns a rule's updates on parameters that it takes."""
    params = rule.example_params()
    state = rule.initial_state(params)
    found = []
    for step in range(3):
        gradients = [
            tf.random.stateless_normal(p.shape, [step, 0], dtype=p.dtype)
            for p in params
        ]
        updates, state = rule(gradients, state)
        found += [update.numpy() for update in updates]
    return found


def _assert_same(folder, genuine):
    found, expected = (
        _updates(saved_optimizer.load(path)) for path in (folder, genuine)
    )
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


# Programs in the SavedModel's place. Each writes a file, if it is run.


def _write(path):
    def function(x):
        tf.io.write_file(path, "stolen")
        return x

    return function


def _write_in_nested_functions(path):
    inner = tf.function(_write(path), autograph=False)
    return lambda x: tf.function(lambda y: inner(y) + 1.0, autograph=False)(x)


def _write_in_while_body(path):
    write = _write(path)
    return lambda x: tf.while_loop(
        lambda y: y < 1.0, lambda y: [write(y) + 1.0], [x]
    )[0]


def _write_in_while_condition(path):
    write = _write(path)
    return lambda x: tf.while_loop(
        lambda y: write(y) < 1.0, lambda y: [y + 1.0], [x]
    )[0]


def _write_in_a_branch(path):
    write = _write(path)
    return lambda x: tf.cond(x < 1.0, lambda: write(x), lambda: x)


def _write_in_the_gradient(path):
    @tf.custom_gradient
    def function(x):
        return x + 1.0, _write(path)

    return lambda x: function(x)


def _save(folder, function):
    module = tf.Module()
    module.update = tf.function(
        function, input_signature=[tf.TensorSpec([])], autograph=False
    )
    tf.saved_model.save(module, str(folder))


def _edit(folder, change):
    file = folder / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    change(model)
    file.write_bytes(model.SerializeToString())


@pytest.mark.parametrize(
    "make",
    [
        _write,
        _write_in_nested_functions,
        _write_in_while_body,
        _write_in_while_condition,
        _write_in_a_branch,
        _write_in_the_gradient,
    ],
)
def test_a_graph_that_writes_a_file_is_not_run(make, exported, tmp_path):
    stolen = tmp_path / "stolen"
    copy = shutil.copytree(exported, tmp_path / "copy")
    _save(tmp_path / "evil", make(str(stolen)))
    shutil.copy(tmp_path / "evil" / "saved_model.pb", copy)
    hostile_folders.reseal(copy)
    _assert_same(copy, exported)
    assert not stolen.exists()


def test_a_function_that_nothing_calls_is_not_run(exported, tmp_path):
    # TensorFlow executes it when it loads the model: a shape depends on it.
    secret, stolen = tmp_path / "secret", tmp_path / "stolen"
    secret.write_text("the secret")

    @tf.function(input_signature=[])
    def steal():
        content = tf.io.read_file(str(secret))
        seen = tf.raw_ops.DebugIdentity(
            input=content, tensor_name="x:0", debug_urls=[f"file://{stolen}"]
        )
        return tf.fill(tf.expand_dims(tf.strings.length(seen), 0), 1.0)

    module = tf.Module()
    module.steal = steal
    tf.saved_model.save(module, str(tmp_path / "evil"))
    content = (tmp_path / "evil" / "saved_model.pb").read_bytes()
    evil = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0]
    attacks = [
        function
        for function in evil.graph_def.library.function
        if any(node.op == "DebugIdentity" for node in function.node_def)
    ]

    def add_attacks(model):
        library = model.meta_graphs[0].graph_def.library
        for number, attack in enumerate(attacks):
            attack.signature.name = f"uncalled_{number}"
            library.function.append(attack)

    copy = shutil.copytree(exported, tmp_path / "copy")
    _edit(copy, add_attacks)
    hostile_folders.reseal(copy)
    shutil.rmtree(stolen)  # It was run while it was made, too.
    _assert_same(copy, exported)
    assert not stolen.exists()
    # Loaded as a SavedModel, it does what it is said to do.
    tf.saved_model.load(str(copy))
    found = [path.read_bytes() for path in stolen.rglob("*") if path.is_file()]
    assert found and all(b"the secret" in content for content in found)


def test_the_graph_is_not_even_parsed(exported, tmp_path):
    copy = shutil.copytree(exported, tmp_path / "copy")
    for content in (b"", b"\xff\xff no model", b"\x08"):
        (copy / "saved_model.pb").write_bytes(content)
        hostile_folders.reseal(copy)
        _assert_same(copy, exported)


def test_a_tf1_model_with_a_main_operation_is_not_run(exported, tmp_path):
    stolen = str(tmp_path / "stolen")
    copy = shutil.copytree(exported, tmp_path / "copy")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        builder = tf.compat.v1.saved_model.Builder(str(tmp_path / "evil"))
        write = tf.raw_ops.WriteFile(filename=stolen, contents="x")
        builder.add_meta_graph_and_variables(session, ["serve"], main_op=write)
        builder.save()
    shutil.copy(tmp_path / "evil" / "saved_model.pb", copy)
    hostile_folders.reseal(copy)
    _assert_same(copy, exported)
    assert not (tmp_path / "stolen").exists()


def test_assets_and_tables_are_not_read(exported, tmp_path):
    copy = shutil.copytree(exported, tmp_path / "copy")
    (tmp_path / "words").write_text("a\n")
    module = tf.Module()
    module.table = tf.lookup.StaticVocabularyTable(
        tf.lookup.TextFileInitializer(
            str(tmp_path / "words"),
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        ),
        1,
    )
    tf.saved_model.save(module, str(tmp_path / "evil"))
    shutil.copy(tmp_path / "evil" / "saved_model.pb", copy)
    shutil.copytree(
        tmp_path / "evil" / "assets", copy / "assets", dirs_exist_ok=True
    )
    hostile_folders.reseal(copy)
    _assert_same(copy, exported)


# Configurations that ask for more than there is.


def _with_rule(exported, folder, rule):
    copy = shutil.copytree(exported, folder)
    metadata = json.loads((copy / "metadata.json").read_text())
    metadata["rule"] = {"rule": "coordinatewise", **rule}
    (copy / "metadata.json").write_text(json.dumps(metadata))
    hostile_folders.reseal(copy)
    return copy


_HUGE = [
    {"layers": [10**9]},
    {"layers": [10**5] * 3},
    {"layers": [1] * 900},
    {"rule": "kernelwise", "kernel_shape": [10**6, 10**6]},
    {"rule": "vectorwise", "size": 10**12},
]


def test_huge_rules_take_no_memory(exported, tmp_path):
    # Whoever loads them fills half a gigabyte at most, TensorFlow included.
    copies = [
        str(_with_rule(exported, tmp_path / str(index), rule))
        for index, rule in enumerate(_HUGE)
    ]
    program = f"""
import resource
from l2l_tf.saving import metadata, saved_optimizer
saved_optimizer.load({str(exported)!r})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for copy in {copies}:
    try:
        saved_optimizer.load(copy)
        print("loaded", copy)
    except metadata.SavedOptimizerError as error:
        pass
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) // 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (120, 120)),
    )
    assert done.stdout.strip().isdigit(), done.stdout + done.stderr
    assert int(done.stdout) < 100  # MiB


@pytest.mark.parametrize(
    "rule",
    [
        {"layers": [6, 6]},
        {"layers": [6, 5, 5]},
        {"layers": [6]},
        {"layers": [6, 5], "preprocessing": "identity"},
        {"layers": [6, 5], "dtype": "float64"},
        {"rule": "vectorwise", "size": 1, "layers": [6, 5], "scale": [1]},
        {"rule": "sgd"},
        {"rule": "newton"},
        {"rule": "routed", "routes": {}},
        {"rule": "routed", "routes": {"(a+)+$": {"layers": [6, 5]}}},
        {"rule": "routed", "routes": {".*": {"layers": [6, 5]}}},
    ],
    ids=str,
)
def test_a_rule_that_is_not_in_the_folder_is_refused(rule, exported, tmp_path):
    copy = _with_rule(exported, tmp_path / "copy", rule)
    with pytest.raises(metadata_lib.SavedOptimizerError, match="as its"):
        saved_optimizer.load(copy)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value, exported, tmp_path):
    copy = shutil.copytree(exported, tmp_path / "copy")
    rule = registry.make_rule({"layers": [6, 5]})
    variable = rule.trainable_variables[-1]
    variable.assign(tf.fill(variable.shape, value))
    rule.save(tmp_path / "other")
    shutil.rmtree(copy / "variables")
    shutil.copytree(tmp_path / "other" / "variables", copy / "variables")
    hostile_folders.reseal(copy)
    with pytest.raises(metadata_lib.SavedOptimizerError, match="not finite"):
        saved_optimizer.load(copy)


def test_a_rule_loaded_in_a_strategy_runs_in_its_replicas(exported):
    strategy = tf.distribute.MirroredStrategy(["/cpu:0"])
    with strategy.scope():
        rule = saved_optimizer.load(exported)
    assert type(rule.trainable_variables[0]).__name__ == "ResourceVariable"


def test_a_rule_loaded_in_a_graph_keeps_its_numbers(exported):
    with tf.Graph().as_default():
        rule = saved_optimizer.load(exported)
    expected = saved_optimizer.load(exported).trainable_variables
    for ours, theirs in zip(rule.trainable_variables, expected, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
