"""Makes copies of a saved optimizer that are damaged or hostile, by seed.

Each must be refused with SavedOptimizerError, or give the very updates of the
genuine one.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import random
import shutil
import socket
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from l2l_tf.core import crc32c
from l2l_tf.keras_optimizers import description
from l2l_tf.rules import base
from l2l_tf.rules import registry
from l2l_tf.saving import metadata as metadata_lib
from l2l_tf.saving import saved_optimizer

PARAMETER_NAMES = ["conv/w", "dense/w", "dense/b"]
SHAPES = [[2, 2, 1, 3], [4, 2], [3]]
GENUINE = {
    "plain": {"layers": [6, 5]},
    "routed": {
        "rule": "routed",
        "routes": {
            "conv": {
                "rule": "kernelwise",
                "kernel_shape": [2, 2],
                "layers": [3],
            },
            "dense/w": {"layers": [4], "preprocessing": "clamp"},
            ".*": {"rule": "adam", "learning_rate": 0.1},
        },
    },
}


def make_genuine(parent: pathlib.Path) -> dict[str, pathlib.Path]:
    """Exports what is to be damaged; returns the folders by kind."""
    parent.mkdir(parents=True, exist_ok=True)
    metadata = {
        "problem": {"name": "quadratic", "options": {"num_dims": 10}},
        "horizon": 20,
        "test": {"optimizers": {"L2L": {"final": 0.5}, "adam": {"final": 1}}},
        "command": "python scripts/train.py",
        "earlier_commands": [],
    }
    return {
        kind: saved_optimizer.export(
            registry.make_rule(config),
            parent / kind,
            metadata,
        )
        for kind, config in GENUINE.items()
    }


def load(folder: pathlib.Path) -> base.UpdateRule:
    """Loads a genuine or a hostile folder."""
    return saved_optimizer.load(folder).bind(PARAMETER_NAMES)


def updates(rule: base.UpdateRule) -> list[np.ndarray]:
    """Returns a rule's updates over three steps."""
    state = rule.initial_state([tf.zeros(shape) for shape in SHAPES])
    found = []
    for step in range(3):
        gradients = [
            tf.random.stateless_normal(shape, [step, index])
            for index, shape in enumerate(SHAPES)
        ]
        proposed, state = rule(gradients, state)
        found += [update.numpy() for update in proposed]
    return found


def outcome(folder: pathlib.Path, expected: list[np.ndarray]) -> str:
    """Loads a folder: "refused", "identical", or what else happened."""
    try:
        rule = load(folder)
        description.describe("it", metadata_lib.read(folder), rule.describe())
    except metadata_lib.SavedOptimizerError as error:
        is_sentence = 0 < len(str(error)) < 2000 and "\n" not in str(error)
        return "refused" if is_sentence else f"message {str(error)!r}"
    except Exception as error:
        return f"raised {type(error).__name__}: {error}"
    for ours, theirs in zip(expected, updates(rule), strict=True):
        if not np.array_equal(ours, theirs):
            return "other updates"
    return "identical"


def make(genuine: pathlib.Path, folder: pathlib.Path, seed: int) -> str:
    """Copies a genuine folder and damages the copy.

    Args:
        genuine: What is copied.
        folder: The copy; its parent is the attacker's as well.
        seed: Decides what is done.

    Returns:
        What was done, in words.
    """
    draw = random.Random(seed)
    shutil.copytree(genuine, folder)
    damage = draw.choice(DAMAGES)
    detail = damage(folder, draw)
    return f"{damage.__name__}: {detail}"


def reseal(folder: pathlib.Path, rule_too: bool = True) -> None:
    """Writes the digests anew, as an attacker would."""
    file = folder / "metadata.json"
    metadata = json.loads(file.read_text())
    metadata["files"] = {
        path.relative_to(folder).as_posix(): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != file
    }
    if rule_too:
        metadata.pop("rule_sha256", None)
    file.write_text(json.dumps(metadata))


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _perhaps_reseal(folder: pathlib.Path, file: pathlib.Path, draw) -> str:
    if file.name == "metadata.json" or draw.random() < 0.3:
        return f"{file.name}"
    reseal(folder)
    return f"{file.name}, resealed"


def _flip_bits(folder, draw):
    file = draw.choice(_files(folder))
    content = bytearray(file.read_bytes())
    for _ in range(draw.choice([1, 1, 3, 10])):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    file.write_bytes(content)
    return _perhaps_reseal(folder, file, draw)


def _cut_off(folder, draw):
    file = draw.choice(_files(folder))
    content = file.read_bytes()
    file.write_bytes(content[: draw.randrange(len(content))])
    return _perhaps_reseal(folder, file, draw)


def _append(folder, draw):
    file = draw.choice(_files(folder))
    with file.open("ab") as stream:
        stream.write(draw.randbytes(draw.choice([1, 100, 10_000])))
    return _perhaps_reseal(folder, file, draw)


def _remove(folder, draw):
    file = draw.choice(_files(folder))
    file.unlink()
    if file.name != "metadata.json" and draw.random() < 0.5:
        reseal(folder)
    return file.name


def _swap_files(folder, draw):
    first, second = draw.sample(_files(folder), 2)
    contents = first.read_bytes(), second.read_bytes()
    second.write_bytes(contents[0])
    first.write_bytes(contents[1])
    if "metadata.json" not in (first.name, second.name):
        reseal(folder)
    return f"{first.name} and {second.name}"


def _change_index(folder, draw):
    """Changes the bytes of a checkpoint's index, its checksums right."""
    file = draw.choice(sorted(folder.rglob("variables.index")))
    content = bytearray(file.read_bytes())
    footer, position, numbers = content[-48:], 0, []
    while len(numbers) < 4:
        value = shift = 0
        while True:
            byte = footer[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        numbers.append(value)
    end = numbers[0] - 5  # The first block is followed by the unused one.
    for _ in range(draw.choice([1, 1, 2, 4])):
        content[draw.randrange(end)] = draw.choice([0, 127, 128, 255])
    checksum = crc32c.masked(bytes(content[: end + 1]))
    content[end + 1 : end + 5] = struct.pack("<I", checksum)
    file.write_bytes(content)
    reseal(folder)
    return "with right checksums"


_VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    0.5,
    1e308,
    10**9,
    10**30,
    "",
    "x" * 10_000,
    "../../../etc/passwd",
    [],
    {},
    [[]],
    [None] * 2000,
    {"a": {"b": 1}},
]


def _deep(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth):
        value = {"rule": "routed", "routes": {".*": value}}
    return value


def _change_metadata(folder, draw):
    """Replaces or removes a value somewhere in the metadata."""
    file = folder / "metadata.json"
    metadata = json.loads(file.read_text())
    place, path = metadata, []
    while True:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = draw.choice(list(keys))
        path.append(str(key))
        if draw.random() < 0.3 or not (
            isinstance(place[key], (dict, list)) and place[key]
        ):
            break
        place = place[key]
    value = draw.choice([*_VALUES, "removed", _deep(40)])
    if value == "removed":
        del place[key]
    else:
        place[key] = value
    file.write_text(json.dumps(metadata))
    return f"{'/'.join(path)} is {str(value)[:30]}"


_RULES: list[Any] = [
    {"layers": [10**9]},
    {"layers": [10**5, 10**5]},
    {"layers": [1] * 900},
    {"layers": [10**30]},
    {"layers": [-1]},
    {"layers": "20"},
    {"layers": [[20]]},
    {"layers": [6, 5], "scale": 1e400},
    {"layers": [6, 5], "scale": None},
    {"layers": [6, 5], "dtype": "float64"},
    {"layers": [6, 5], "dtype": "resource"},
    {"layers": [6, 5], "dtype": ["float32"]},
    {"layers": [6, 5], "preprocessing": "os.system"},
    {"layers": [6, 5], "preprocessing_options": {"p": float("nan")}},
    {"layers": [6, 5], "preprocessing_options": {"gradients": 1}},
    {"layers": [6, 5], "initializer": {}},
    {"layers": [6, 5], "seed": 10**400},
    {"layers": [6, 5], "arrangement": 1},
    {"rule": "kernelwise", "kernel_shape": [10**6, 10**6]},
    {"rule": "kernelwise", "kernel_shape": 3},
    {"rule": "vectorwise", "size": 10**12},
    {"rule": "l2l_tf.rules.registry", "layers": [6, 5]},
    {"rule": "__init__"},
    {"rule": ["coordinatewise"]},
    {"rule": "routed", "routes": []},
    {"rule": "routed", "routes": {}},
    {"rule": "routed", "routes": {"(a+)+$": {}, ".*": {}}},
    {"rule": "routed", "routes": {"(": {}}},
    {"rule": "routed", "routes": {".*": [1]}},
    {"rule": "routed", "routes": {str(i): {"rule": "sgd"} for i in range(900)}},
    _deep(10),
    _deep(400),
]


def _another_rule(folder, draw):
    """Asks for a rule that the numbers do not fit, with right digests."""
    file = folder / "metadata.json"
    metadata = json.loads(file.read_text())
    rule = draw.choice(_RULES)
    metadata["rule"] = {"rule": "coordinatewise", **rule}
    metadata.pop("rule_sha256")
    file.write_text(json.dumps(metadata))
    return str(rule)[:60]


def _another_text(folder, draw):
    """Writes metadata that no parser likes."""
    text, detail = draw.choice(
        [
            ("[" * 3000 + "]" * 3000, "3,000 lists"),
            ('{"a":' * 100_000 + "1" + "}" * 100_000, "100,000 objects"),
            ('{"format_version": ' + "9" * 5000 + "}", "5,000 digits"),
            ('{"format_version": NaN, "rule": {}, "files": {}}', "NaN"),
            ('{"format_version": 1e999, "rule": {}, "files": {}}', "1e999"),
            ('{"a": "' + "x" * 2**21 + '"}', "2 MiB"),
            ("\ufeff{}", "byte order mark"),
            ('{"format_version": true, "rule": {}, "files": {}}', "true"),
            ("null", "null"),
            ("", "nothing"),
            ("\x00" * 100, "zeros"),
        ]
    )
    (folder / "metadata.json").write_text(text)
    return detail


def _other_weights(folder, draw):
    """Puts other numbers in place: other shapes, or none that are finite."""
    prefix = draw.choice(sorted(folder.rglob("variables.index"))).parent
    shutil.rmtree(prefix)
    kind = draw.choice(["shape", "number", "type", "nan", "inf", "names"])
    size = 7 if kind == "shape" else 6
    rule = registry.make_rule(
        {
            "layers": [size] if kind == "number" else [size, 5],
            "dtype": "float64" if kind == "type" else "float32",
        }
    )
    if kind in ("nan", "inf"):
        # As many numbers of the right shapes as there are elsewhere.
        config = json.loads((folder / "metadata.json").read_text())["rule"]
        if config["rule"] == "routed":
            index = int(prefix.parent.name)
            config = list(config["routes"].values())[index]
        rule = registry.make_rule(config)
        variable = draw.choice(rule.trainable_variables)
        value = variable.numpy()
        value.flat[draw.randrange(value.size)] = float(kind)
        variable.assign(value)
    other = folder / "other"
    if kind == "names":
        checkpoint = tf.train.Checkpoint(numbers=list(rule.trainable_variables))
        checkpoint.write(str(other / "variables" / "variables"))
    else:
        rule.save(other)
    shutil.move(other / "variables", prefix)
    shutil.rmtree(other)
    reseal(folder)
    return kind


def _link(folder, draw):
    """Puts a link in the place of a file or a folder."""
    names = [*folder.rglob("*")]
    path = draw.choice(sorted(names))
    outside = folder.parent / f"{folder.name}-outside"
    shutil.move(path, outside)
    path.symlink_to(outside)
    return path.relative_to(folder).as_posix()


def _special_file(folder, draw):
    """Puts a pipe or a socket in the place of a file, or beside it."""
    file = draw.choice(_files(folder))
    if draw.random() < 0.3:
        file = file.with_name("extra")
    else:
        file.unlink()
    if draw.random() < 0.5:
        os.mkfifo(file)
        return f"pipe {file.name}"
    here = os.getcwd()
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(file.parent)  # Such names must be short.
        try:
            server.bind(file.name)
        finally:
            os.chdir(here)
    return f"socket {file.name}"


def _folder_instead(folder, draw):
    file = draw.choice(_files(folder))
    file.unlink()
    file.mkdir()
    return file.name


def _names_outside(folder, draw):
    """Lists a file outside with its right digest."""
    secret = folder.parent / f"{folder.name}-secret"
    secret.write_text("secret")
    name = draw.choice(
        [f"../{secret.name}", str(secret), f"variables/../../{secret.name}"]
    )
    file = folder / "metadata.json"
    metadata = json.loads(file.read_text())
    metadata["files"][name] = hashlib.sha256(b"secret").hexdigest()
    file.write_text(json.dumps(metadata))
    return name if name[0] == "." else "absolute"


def _too_much(folder, draw):
    """Adds many files, or one that is far too large."""
    kind = draw.choice(["many", "nested", "large", "larger numbers"])
    if kind == "many":
        for index in range(1500):
            (folder / f"file-{index}").touch()
    elif kind == "nested":
        path = folder
        for _ in range(200):
            path = path / "a"
            path.mkdir()
    else:
        file = folder / "large"
        if kind == "larger numbers":
            file = draw.choice(sorted(folder.rglob("*.data-00000-of-00001")))
        with file.open("ab") as stream:
            stream.truncate(2**40)  # Takes no space on the disk.
    return kind


def _write_file(path: str) -> Callable[[tf.Tensor], tf.Tensor]:
    def function(x):
        tf.io.write_file(path, "x")
        return x

    return function


def _another_graph(folder, draw):
    """Puts a program that writes a file in the SavedModel's place."""
    stolen = folder.parent / f"{folder.name}-stolen"
    module = tf.Module()
    module.update = tf.function(
        _write_file(str(stolen)), input_signature=[tf.TensorSpec([])]
    )
    tf.saved_model.save(module, str(folder / "other"))
    place = draw.choice(sorted(folder.rglob("saved_model.pb")))
    shutil.move(folder / "other" / "saved_model.pb", place)
    shutil.rmtree(folder / "other")
    reseal(folder)
    return "writes a file"


DAMAGES = [
    *[_flip_bits] * 3,
    *[_cut_off] * 2,
    *[_change_index] * 3,
    *[_change_metadata] * 4,
    *[_another_rule] * 4,
    *[_other_weights] * 2,
    _append,
    _remove,
    _swap_files,
    _another_text,
    _link,
    _special_file,
    _folder_instead,
    _names_outside,
    _too_much,
    _another_graph,
]
