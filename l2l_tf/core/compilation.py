"""What XLA cannot compile, said in one sentence."""

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
            "XLA cannot compile this problem; use jit_compile=False. XLA "
            f"says: {said[0]}"
        ) from error
