"""Flags: made of the library's settings, and said where it says arguments."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from absl import flags

# Flags that are defined here are those of the script that asks for them.
flags.disclaim_key_flags()

_OLDER_NAMES: set[str] = set()


def as_flags(text: str) -> str:
    """Says flags where the library says arguments.

    `resume=True` becomes `--resume`, and `learning_rate` `--learning_rate`.
    Plain words, such as seed, are meant only before an equals sign, and what
    is quoted is a value.
    """
    return re.sub(
        r"(?<!\w)('[^']*'|\"[^\"]*\")"
        r"|(?<![\w'\"./\[{-])(?P<name>\w+)(?P<value>=(True\b|False\b)?)?",
        _as_flag,
        text,
    )


def own_flags() -> list[str]:
    """Returns the names of the script's flags, without those of old."""
    defined_by = flags.FLAGS.find_module_defining_flag
    return [
        name
        for name in flags.FLAGS
        if name not in _OLDER_NAMES and not defined_by(name).startswith("absl.")
    ]


def _as_flag(match: re.Match) -> str:
    name, value = match["name"], match["value"]
    if name is None or name not in own_flags() or not ("_" in name or value):
        return match[0]
    if value == "=False":
        return f"--no{name}"
    return f"--{name}{'=' if value == '=' else ''}"


class _IntegerParser(flags.IntegerParser):
    """Takes 100.0 for 100, as the settings do."""

    def convert(self, argument: Any) -> int:
        """See base class."""
        try:
            return super().convert(argument)
        except ValueError:
            if float(argument).is_integer():
                return int(float(argument))
            raise


_PARSERS = {
    "bool": flags.BooleanParser,
    "float": flags.FloatParser,
    "int": _IntegerParser,
    "str": flags.ArgumentParser,
}


def define_integer(name: str, default: int, help_text: str) -> None:
    """Makes a flag of whole numbers, converted as those of settings are."""
    flags.DEFINE(
        _IntegerParser(),
        name,
        default,
        help_text,
        serializer=flags.ArgumentSerializer(),
    )


def define_imports() -> None:
    """Makes the flag of modules that register things of the user's own."""
    flags.DEFINE_list(
        "imports",
        [],
        "Modules of your own, package.module,..., imported first from the "
        "working directory or from what is installed: what they register, such "
        "as rules, can then be named like the library's own.",
    )


def define_strategy() -> None:
    """Makes the flags of what shares out work to replicas."""
    flags.DEFINE_string(
        "strategy",
        None,
        "Share out runs: mirrored, to the devices of this machine, or "
        "multi_worker, to the machines that the environment's TF_CONFIG names; "
        "see docs/scaling.md. Default: one process does all of them.",
    )
    flags.DEFINE(
        _IntegerParser(),
        "num_devices",
        None,
        "Devices that mirrored uses: GPUs, or else parts of the CPU. Default: "
        "all GPUs, or the CPU as one.",
        serializer=flags.ArgumentSerializer(),
    )


def define_settings() -> None:
    """Makes a flag of every setting of meta-training."""
    from l2l_tf.meta_training import settings

    for field in dataclasses.fields(settings.Settings):
        # A type such as `int | None`.
        kind = field.type.split(" | ")[0]
        flags.DEFINE(
            _PARSERS[kind](),
            field.name,
            field.default,
            field.metadata["help"],
            serializer=flags.ArgumentSerializer(),
            boolean=kind == "bool",
        )
        if field.metadata["alias"]:
            flags.DEFINE_alias(field.metadata["alias"], field.name)
            _OLDER_NAMES.add(field.metadata["alias"])
