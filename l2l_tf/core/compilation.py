"""What XLA should compile, and what fails then, said in one sentence."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import tensorflow as tf


class CompilationError(RuntimeError):
    """XLA cannot compile a computation."""


class StepError(RuntimeError):
    """The problem, or the rule, fails in a step."""


@contextlib.contextmanager
def explained(jit_compile: bool) -> Iterator[None]:
    """Says in one sentence what TensorFlow refuses of the steps run inside.

    Args:
        jit_compile: Whether XLA compiles them.

    Raises:
        CompilationError: If XLA cannot compile them.
        StepError: If they fail.
    """
    try:
        yield
    except tf.errors.OpError as error:
        said = [line for line in error.message.splitlines() if "XLA" in line]
        if jit_compile and said and isinstance(error, _REFUSALS):
            raise CompilationError(
                "XLA cannot compile this problem, or the rule; use "
                f"jit_compile=False. XLA says: {said[0]}"
            ) from error
        raise StepError(
            "The problem, or the rule, fails in a step: "
            f"{_sentence(error.message)} ({type(error).__name__})."
        ) from error


_REFUSALS = (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError)
# Lines before the one that says what is wrong: where its node was made.
_WHERE = ("Graph execution error", "Detected at", "File ", "<stack traces")


def _sentence(message: str) -> str:
    for line in message.splitlines():
        # A line may begin with a node's name, or the number of the error.
        line = re.sub(r"\{\{.*?\}\}|^\s*\(\d+\) [A-Z_]+:", "", line).strip()
        is_count = re.match(r"\d+ root error", line)
        if line and not is_count and not line.startswith(_WHERE):
            return line.rstrip(".:")
    return "TensorFlow does not say why"


_CONVOLUTIONS = (
    "Conv",
    "Conv2D",
    "Conv2DBackpropInput",
    "Conv3D",
    "Conv3DBackpropInputV2",
    "DepthwiseConv2dNative",
)


def favours_xla(graph: tf.Graph) -> bool:
    """Whether XLA makes a traced computation faster on the device at hand.

    It does, but for convolutions on a CPU: those of the plain graph, oneDNN's,
    take half the time. The answer depends on the graph and the devices alone,
    never on a measurement, so that it is the same whenever a run is resumed.

    Args:
        graph: The graph of the computation.

    Returns:
        Whether to have XLA compile it.
    """
    definition = graph.as_graph_def()
    nodes = [
        *definition.node,
        *(node for f in definition.library.function for node in f.node_def),
    ]
    return not any(
        node.op in _CONVOLUTIONS and _is_on_cpu(node.device) for node in nodes
    )


def _is_on_cpu(device: str) -> bool:
    """Whether an operation with this device, if any, runs on a CPU."""
    kind = tf.DeviceSpec.from_string(device).device_type
    if kind is None:
        return not tf.config.list_logical_devices("GPU")
    return kind == "CPU"
