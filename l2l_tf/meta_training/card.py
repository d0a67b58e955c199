"""What TensorBoard says of a training in words, and in columns."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams

from l2l_tf.meta_training import config as config_lib
from l2l_tf.meta_training import provenance

_SETTINGS = (
    "learning_rate",
    "learning_rate_schedule",
    "num_epochs",
    "num_steps",
    "unroll_length",
)

METRICS = (
    hparams.Metric("validation/loss", display_name="validation loss"),
    hparams.Metric("validation/final_loss", display_name="final loss"),
    hparams.Metric("training/meta_loss", display_name="meta-loss"),
    hparams.Metric("seconds/run", display_name="seconds per run"),
)
"""What trainings are compared by."""


def text(config: config_lib.Config, data: str = "") -> str:
    """Returns a list in Markdown: what is trained, on what, how, with what.

    What has no value, such as the recipe of a training without one, is left
    out.

    Args:
        config: What is trained, and how.
        data: The problem's `data`.
    """
    versions = provenance.versions().items()
    facts = {
        "problem": config.problem["name"],
        "data": data,
        "options": _code(config.problem["options"]),
        "rule": _code(config.rule),
        "recipe": config.recipe,
        "starts from": config.initial_optimizer or "fresh weights",
        "command": config.command and f"`{config.command}`",
        "versions": ", ".join(
            f"{name} {version}" for name, version in versions
        ),
    }
    for name, value in dataclasses.asdict(config.settings).items():
        facts[name] = _code(value)
    return "\n".join(
        f"- **{name}**: {value}" for name, value in facts.items() if value
    )


def columns(config: config_lib.Config) -> dict[str, str | float]:
    """Returns what tells a training from others, as the HParams tab takes it.

    Args:
        config: What is trained, and how.
    """
    return {
        "problem": config.problem["name"],
        "rule": str(config.rule.get("rule", "")),
        "meta_gradient": config.settings.estimator,
        **{name: getattr(config.settings, name) for name in _SETTINGS},
    }


def describe_search(
    folder: str | os.PathLike, lowest: float, highest: float
) -> None:
    """Writes what the HParams tab shows of a search: its rates and results.

    Args:
        folder: The folder for TensorBoard's file.
        lowest: The least meta learning rate.
        highest: The greatest one.
    """
    rates = hparams.HParam(
        "learning_rate", hparams.RealInterval(lowest, highest)
    )
    writer = tf.summary.create_file_writer(os.fspath(folder))
    with writer.as_default():
        hparams.hparams_config([rates], METRICS)
    writer.close()


def _code(value: Any) -> str:
    plain = dict(value) if isinstance(value, Mapping) else value
    return f"`{json.dumps(plain, default=str)}`"
