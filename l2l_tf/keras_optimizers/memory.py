"""How much memory an optimizer's state takes, and what the machine has."""

from __future__ import annotations

import pathlib

import tensorflow as tf

_MEMINFO = pathlib.Path("/proc/meminfo")
_CGROUP_LIMIT = pathlib.Path("/sys/fs/cgroup/memory.max")
_CGROUP_USED = pathlib.Path("/sys/fs/cgroup/memory.current")


def available_bytes() -> int | None:
    """Returns the memory that new tensors can take, None if unknown."""
    if tf.config.list_physical_devices("GPU"):
        return None  # TensorFlow tells how much is used, not how much there is.
    try:
        free = [
            1024 * int(line.split()[1])
            for line in _MEMINFO.read_text().splitlines()
            if line.startswith("MemAvailable:")
        ]
        # A container may have less than the machine.
        limit, used = map(_read, (_CGROUP_LIMIT, _CGROUP_USED))
        if limit.isdigit() and used.isdigit():
            free.append(int(limit) - int(used))
        return min(free)
    except (OSError, ValueError):
        return None


def check(
    num_parameters: int,
    state_bytes: int,
    block_bytes: int,
    state_dtype: str,
    may_halve: bool = True,
) -> None:
    """Refuses a state that does not fit, before anything is allocated.

    Args:
        num_parameters: Parameters of the model.
        state_bytes: What the state takes.
        block_bytes: What one step takes on top of it.
        state_dtype: The type of the state.
        may_halve: Whether another type could be asked for.

    Raises:
        ValueError: If there is less memory than that.
    """
    available, needed = available_bytes(), state_bytes + block_bytes
    if available is None or needed <= available:
        return
    raise ValueError(
        f"A model of {num_parameters:,} parameters needs {_gib(needed)} for a "
        f"learned optimizer ({_gib(state_bytes)} of state in {state_dtype}, "
        f"{_gib(block_bytes)} for a step); {_gib(available)} are available. "
        + ("state_dtype='bfloat16' halves the state. " if may_halve else "")
        + "Routing the largest variables to another optimizer needs none for "
        "them."
    )


def _read(file: pathlib.Path) -> str:
    return file.read_text().strip() if file.is_file() else ""


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"
