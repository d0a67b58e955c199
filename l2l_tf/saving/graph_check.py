"""Refuses SavedModels that could do more than arithmetic.

A SavedModel is a program: its graph could read, write or run anything that
TensorFlow can. An optimizer needs a few dozen operations; a folder that asks
for others is not loaded.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

from google.protobuf import message
from tensorflow.core.framework import function_pb2
from tensorflow.core.framework import node_def_pb2
from tensorflow.core.protobuf import saved_model_pb2

ALLOWED_OPS = frozenset(
    """
    Abs AddN AddV2 BatchMatMulV2 BiasAdd Cast ClipByValue ConcatV2 Const Equal
    Erf Exp ExpandDims Fill FloorDiv GatherV2 Greater GreaterEqual Identity
    IdentityN Less LessEqual Log Log1p LogicalAnd LogicalNot LogicalOr MatMul
    Max Maximum Mean Min Minimum Mul Neg NoOp OnesLike Pack PartitionedCall
    Placeholder Pow Prod Range Rank ReadVariableOp RealDiv Reciprocal Relu
    Reshape ReverseV2 Rsqrt Select SelectV2 Shape Sigmoid Sign Slice Split
    SplitV Sqrt Square Squeeze StatefulPartitionedCall StatelessWhile
    StopGradient StridedSlice Sub Sum Tanh TensorListFromTensor
    TensorListGetItem TensorListReserve TensorListSetItem TensorListStack Tile
    Transpose Unpack While ZerosLike
    """.split()
)
_ALLOWED_OBJECTS = frozenset(
    ["user_object", "function", "bare_concrete_function", "variable"]
)


def check(folder: str | os.PathLike) -> None:
    """Raises an error if a SavedModel asks for more than arithmetic.

    Args:
        folder: The folder of the SavedModel.

    Raises:
        ValueError: If it cannot be read, or holds what is not allowed.
    """
    path = pathlib.Path(folder, "saved_model.pb")
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(path.read_bytes())
    except (OSError, message.DecodeError) as error:
        raise ValueError(f"{path} cannot be read as a SavedModel.") from error
    if len(model.meta_graphs) != 1:
        raise ValueError(
            f"{path} holds {len(model.meta_graphs)} graphs; expected one."
        )
    for graph in model.meta_graphs:
        objects = graph.object_graph_def
        kinds = {node.WhichOneof("kind") for node in objects.nodes}
        library = graph.graph_def.library
        functions = {f.signature.name: f for f in library.function}
        names = list(objects.concrete_functions)
        for node in objects.nodes:
            names += node.function.concrete_functions
            bare = node.bare_concrete_function.concrete_function_name
            names += [bare] if bare else []
        if not names or not functions.keys() >= set(names):
            raise ValueError(
                f"{path} lacks the functions of a TensorFlow 2 SavedModel."
            )
        refused = sorted(
            (kinds - _ALLOWED_OBJECTS)
            | (_reachable_ops(names, functions) - ALLOWED_OPS)
            | _substitutions(library)
        )
        if refused:
            raise ValueError(
                f"{path} is not loaded: a saved optimizer holds arithmetic "
                f"only, and this one asks for {refused}."
            )


def _reachable_ops(
    names: list[str], functions: dict[str, function_pb2.FunctionDef]
) -> set[str]:
    """Collects the operations of functions and of all that they call."""
    ops: set[str] = set()
    seen: set[str] = set()
    while names:
        name = names.pop()
        if name in seen:
            continue
        seen.add(name)
        for node in functions[name].node_def:
            # A function can be called by using its name as an operation.
            called = [n for n in _references(node) if n in functions]
            if node.op not in functions:
                ops.add(node.op)
            names += called
    return ops


def _substitutions(library: function_pb2.FunctionDefLibrary) -> set[str]:
    """Names the ways in which a function runs that nothing refers to."""
    found = {"a gradient function"} if library.registered_gradients else set()
    for function in library.function:
        if "api_implements" in function.attr:
            found.add("a substitute function")
    return found


def _references(node: node_def_pb2.NodeDef) -> Iterator[str]:
    yield node.op
    for attribute in node.attr.values():
        yield attribute.func.name
        yield from (function.name for function in attribute.list.func)
