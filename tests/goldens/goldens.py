"""Updates of the bundled optimizers on fixed gradients, kept in a file.

    python tests/goldens/goldens.py

adds those of the bundled optimizers that the file does not have yet; what it
has stays, since it is what later versions are compared with.
"""

from __future__ import annotations

import json
import os
import pathlib
import platform

import numpy as np
import tensorflow as tf

from l2l_tf.saving import metadata
from l2l_tf.saving import saved_optimizer

FILE = pathlib.Path(__file__).with_name("updates.json")

SHAPE = (5, 7)

# The instructions that kernels are chosen by, as Linux's names of them begin.
_FEATURES = ("avx", "fma", "amx")

# Variables of the environment that choose other kernels.
_SETTINGS = ("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA")


def made_on() -> dict[str, object]:
    """Returns what decides about the last bits of a result."""
    return {
        "tensorflow": tf.__version__,
        "machine": platform.machine(),
        "features": sorted(f for f in _cpu_flags() if f.startswith(_FEATURES)),
        "settings": {k: os.environ[k] for k in _SETTINGS if k in os.environ},
    }


def gradients() -> list[np.ndarray]:
    """Returns the gradients of four steps: many decades, zeros among them."""
    return [from_hex(values) for values in read()["gradients"]]


def names() -> list[str]:
    """Returns the bundled optimizers; of those with several rules each part.

    A part is called after its folder, such as `cifar10/routes/0`.
    """
    found = []
    for name in metadata.bundled_names():
        folder = metadata.find(name)
        found += [
            str(pathlib.Path(name, path.relative_to(folder)))
            for _, path in saved_optimizer.load(name).saved_parts(folder)
        ]
    return found


def updates(name: str, steps: list[np.ndarray]) -> list[np.ndarray]:
    """Returns the updates of one of `names`, step by step."""
    # GPUs multiply in other ways.
    with tf.device("CPU"):
        optimizer, _, _ = name.partition("/")
        parts = saved_optimizer.load(optimizer).saved_parts(
            metadata.find(optimizer)
        )
        [rule] = [rule for rule, folder in parts if folder == _folder(name)]
        state = rule.initial_state([tf.zeros(SHAPE)])
        found = []
        for gradient in steps:
            [update], state = rule([tf.constant(gradient)], state)
            found.append(update.numpy())
    return found


def graph_updates(name: str, steps: list[np.ndarray]) -> list[np.ndarray]:
    """Returns the updates that the graph in an optimizer's folder gives."""
    with tf.device("CPU"):
        graph = tf.saved_model.load(str(_folder(name)))
        state = graph.initial_state(steps[0].size)
        found = []
        for gradient in steps:
            flat = tf.constant(gradient.ravel())
            update, state = graph.update(flat, state)
            found.append(tf.reshape(update, SHAPE).numpy())
    return found


def read() -> dict:
    """Returns what the file has."""
    return json.loads(FILE.read_text())


def from_hex(values: list[str]) -> np.ndarray:
    """Returns the array that hexadecimal floats stand for."""
    numbers = [float.fromhex(value) for value in values]
    return np.array(numbers, np.float32).reshape(SHAPE)


def to_hex(array: np.ndarray) -> list[str]:
    """Returns an array as hexadecimal floats, which lose no bit."""
    return [float(value).hex() for value in array.ravel()]


def _folder(name: str) -> pathlib.Path:
    optimizer, _, part = name.partition("/")
    return pathlib.Path(metadata.find(optimizer), part)


def _cpu_flags() -> set[str]:
    path = pathlib.Path("/proc/cpuinfo")
    if not path.is_file():
        return set()
    lines = path.read_text().splitlines()
    flags = [line for line in lines if line.startswith("flags")]
    return {*flags[0].partition(":")[2].split()} if flags else set()


def main() -> None:
    """Adds the updates of the bundled optimizers that are missing."""
    goldens = read()
    steps = gradients()
    for name in names():
        if name not in goldens["updates"]:
            found = updates(name, steps)
            goldens["made_on"][name] = made_on()
            goldens["updates"][name] = [to_hex(update) for update in found]
            print(f"Added {name}.")
    FILE.write_text(json.dumps(goldens, indent=1) + "\n")


if __name__ == "__main__":
    main()
