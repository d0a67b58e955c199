"""What XLA should compile, and what it cannot, said in one sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf


class CompilationError(RuntimeError):
    """XLA cannot compile a computation."""


@contextlib.contextmanager
def explained(jit_compile: bool) -> Iterator[None]:
    """Turns XLA's refusal of what runs inside into advice.

    Args:
        jit_compile: Whether XLA compiles it; if not, errors pass.

    Raises:
        CompilationError: If XLA refuses.
    """
    try:
        yield
    except (
        tf.errors.InvalidArgumentError,
        tf.errors.UnimplementedError,
    ) as error:
        said = [line for line in error.message.splitlines() if "XLA" in line]
        if not (jit_compile and said):
            raise
        raise CompilationError(
            "XLA cannot compile this problem, or the rule; use "
            f"jit_compile=False. XLA says: {said[0]}"
        ) from error


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
