"""Tests of l2l_tf/saving/graph_check.py."""

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from l2l_tf.rules import registry
from l2l_tf.rules.learned import preprocessing
from l2l_tf.saving import graph_check
from l2l_tf.saving import saved_optimizer

_RULES = [
    *(
        {"layers": [3], "preprocessing": name}
        for name in preprocessing.PREPROCESSING.names()
    ),
    {"layers": [], "dtype": "float64"},
    {"rule": "kernelwise", "kernel_shape": [3, 3], "layers": [3, 3]},
    {"rule": "vectorwise", "size": 4, "layers": [3]},
]


@pytest.mark.parametrize("config", _RULES, ids=str)
def test_exported_rules_pass(config, tmp_path):
    rule = registry.make_rule(config)
    graph_check.check(saved_optimizer.export(rule, tmp_path / "rule", {}))


def _write(x):
    tf.io.write_file("/nowhere", "x")
    return x


def _write_in_nested_functions(x):
    inner = tf.function(_write, autograph=False)
    return tf.function(lambda y: inner(y) + 1.0, autograph=False)(x)


def _write_in_while_body(x):
    return tf.while_loop(lambda y: y < 1.0, lambda y: [_write(y) + 1.0], [x])[0]


def _write_in_while_condition(x):
    return tf.while_loop(lambda y: _write(y) < 1.0, lambda y: [y + 1.0], [x])[0]


def _write_in_a_branch(x):
    return tf.cond(x < 1.0, lambda: _write(x), lambda: x)


def _save(folder, function):
    module = tf.Module()
    module.update = tf.function(
        function,
        input_signature=[tf.TensorSpec([])],
        autograph=False,
    )
    tf.saved_model.save(module, str(folder))
    return folder


@pytest.mark.parametrize(
    "function",
    [
        _write,
        _write_in_nested_functions,
        _write_in_while_body,
        _write_in_while_condition,
        _write_in_a_branch,
    ],
)
def test_a_graph_that_writes_a_file_is_refused(function, tmp_path):
    with pytest.raises(ValueError, match="arithmetic only.*'WriteFile'"):
        graph_check.check(_save(tmp_path, function))


def test_only_what_is_not_allowed_is_named(tmp_path):
    def function(x):
        return _write(tf.tanh(x) * 2.0)

    with pytest.raises(ValueError) as error:
        graph_check.check(_save(tmp_path, function))
    assert "Tanh" not in str(error.value) and "Mul" not in str(error.value)


def _edit(folder, change):
    file = folder / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    change(model)
    file.write_bytes(model.SerializeToString())


def test_a_function_that_is_called_by_its_name_is_searched(tmp_path):
    def call_by_name(model):
        for function in model.meta_graphs[0].graph_def.library.function:
            for node in function.node_def:
                if node.op == "StatefulPartitionedCall":
                    node.op = node.attr["f"].func.name
                    del node.attr["f"]

    _save(tmp_path, _write_in_nested_functions)
    _edit(tmp_path, call_by_name)
    with pytest.raises(ValueError, match="'WriteFile'"):
        graph_check.check(tmp_path)


def test_assets_and_tables_are_refused(tmp_path):
    module = tf.Module()
    initializer = tf.lookup.KeyValueTensorInitializer(["a"], [1.0])
    module.table = tf.lookup.StaticHashTable(initializer, 0.0)
    tf.saved_model.save(module, str(tmp_path / "table"))
    with pytest.raises(ValueError, match="resource"):
        graph_check.check(tmp_path / "table")

    (tmp_path / "file").write_text("x")
    module = tf.Module()
    module.file = tf.saved_model.Asset(str(tmp_path / "file"))
    tf.saved_model.save(module, str(tmp_path / "asset"))
    with pytest.raises(ValueError, match="asset"):
        graph_check.check(tmp_path / "asset")


@pytest.mark.parametrize("content", [None, b"", b"\xff\xff no model", b"\x08"])
def test_a_damaged_model_is_refused(content, tmp_path):
    if content is not None:
        (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(ValueError, match="saved_model.pb"):
        graph_check.check(tmp_path)


def test_a_model_whose_functions_are_missing_is_refused(tmp_path):
    def forget_functions(model):
        del model.meta_graphs[0].graph_def.library.function[:]

    _save(tmp_path, lambda x: x + 1.0)
    _edit(tmp_path, forget_functions)
    with pytest.raises(ValueError, match="saved_model.pb"):
        graph_check.check(tmp_path)


def test_a_tf1_model_is_refused(tmp_path):
    # Loading it would run its main operation.
    folder = tmp_path / "model"
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        builder = tf.compat.v1.saved_model.Builder(str(folder))
        write = tf.raw_ops.WriteFile(filename="/nowhere", contents="x")
        builder.add_meta_graph_and_variables(session, ["serve"], main_op=write)
        builder.save()
    with pytest.raises(ValueError, match="saved_model.pb"):
        graph_check.check(folder)


def test_a_function_that_could_replace_another_is_searched(tmp_path):
    # TensorFlow swaps a called function for one that says to implement the
    # same interface on the device at hand, although nothing refers to it.
    inner = tf.function(lambda x: x + 1.0, autograph=False)
    _save(tmp_path / "writer", _write)
    _save(tmp_path / "model", lambda x: inner(x) * 2.0)
    data = (tmp_path / "writer" / "saved_model.pb").read_bytes()
    writer = saved_model_pb2.SavedModel.FromString(data).meta_graphs[0]
    [function] = [
        function
        for function in writer.graph_def.library.function
        if any(node.op == "WriteFile" for node in function.node_def)
    ]

    def add_replacement(model):
        functions = model.meta_graphs[0].graph_def.library.function
        for existing in functions:
            existing.attr["api_implements"].s = b"update"
            existing.attr["api_preferred_device"].s = b"GPU"
        function.attr["api_implements"].s = b"update"
        function.attr["api_preferred_device"].s = b"CPU"
        functions.append(function)

    _edit(tmp_path / "model", add_replacement)
    with pytest.raises(ValueError, match="saved_model.pb"):
        graph_check.check(tmp_path / "model")


def test_a_gradient_that_writes_a_file_is_refused(tmp_path):
    @tf.custom_gradient
    def function(x):
        return x + 1.0, _write

    def hide_gradient(model):
        graph = model.meta_graphs[0]
        [gradient] = graph.graph_def.library.registered_gradients
        del graph.object_graph_def.concrete_functions[gradient.gradient_func]

    _save(tmp_path, lambda x: function(x))
    with pytest.raises(ValueError, match="'WriteFile'"):
        graph_check.check(tmp_path)
    _edit(tmp_path, hide_gradient)
    with pytest.raises(ValueError, match="saved_model.pb"):
        graph_check.check(tmp_path)
