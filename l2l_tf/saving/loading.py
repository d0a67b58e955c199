"""Rebuilds a rule from its configuration and its numbers, and nothing else.

The SavedModel in a folder serves those who have TensorFlow alone. Here it is
neither run nor parsed, so that it does not matter who wrote it.
"""

from __future__ import annotations

import concurrent.futures
import functools
import json
import math
import pathlib
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from l2l_tf.core import checkpoints
from l2l_tf.rules import base
from l2l_tf.rules import registry
from l2l_tf.saving import manifest
from l2l_tf.saving import metadata as metadata_lib

_INDEX = ".index"
_MAX_NUMBERS = checkpoints.MAX_DATA_BYTES // 4


def load_once(
    folder: pathlib.Path,
) -> tuple[base.UpdateRule, dict[str, Any]]:
    """Loads a rule from a folder that nobody replaces meanwhile.

    Args:
        folder: The folder.

    Returns:
        The rule, and the folder's metadata.

    Raises:
        SavedOptimizerError: If it is damaged or not to be trusted.
    """
    metadata = metadata_lib.read_once(folder)
    # A `tf.distribute` strategy's scope belongs to the thread that entered it,
    # and so does a graph: in another thread variables are plain ones, which
    # can be used everywhere.
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        rule = pool.submit(_rebuild, folder, metadata["rule"]).result()
    return rule, metadata


def _rebuild(
    folder: pathlib.Path, config: Mapping[str, Any]
) -> base.UpdateRule:
    try:
        _check_size(folder, config)
        rule = registry.make_rule(config)
        rule.restore(folder)
        _check_finite(rule)
    # Rules may come from outside of the package, and raise whatever comes to
    # their authors' minds when a configuration is not theirs.
    except Exception as error:
        raise metadata_lib.SavedOptimizerError(
            f"{folder} does not hold a rule as its metadata describe it: "
            f"{_first_sentence(error)}"
        ) from error
    return rule


def _check_size(folder: pathlib.Path, config: Mapping[str, Any]) -> None:
    """Refuses a rule with more weights than its folder holds, or fewer.

    A configuration of a few bytes could ask for all memory there is.
    """
    tensors = [
        spec
        for name in manifest.list_files(folder)
        if name.endswith(_INDEX)
        for spec in checkpoints.list_tensors(
            folder / name.removesuffix(_INDEX)
        ).values()
    ]
    _build_within(
        json.dumps(config),
        len(tensors),
        sum(math.prod(spec.shape) for spec in tensors),
    )


@functools.lru_cache(maxsize=128)
def _build_within(config_json: str, num_weights: int, numbers: int) -> None:
    """Builds a rule in a graph, where weights are described but take nothing.

    That takes several times as long as to build it in earnest, hence the
    cache.
    """
    limit = _Limit(num_weights, numbers)
    registry.RULES.names()  # Imports what registers rules, before the graph.
    # For rules that are written with Sonnet: it looks, once, for TensorFlow 2,
    # and would not find it there.
    sonnet = sys.modules.get("sonnet")
    if sonnet is not None:
        sonnet.Module()
    with (
        tf.Graph().as_default(),
        # Inside of another, a scope's name may begin as a class's may.
        tf.name_scope("rule"),
        tf.variable_creator_scope(limit.create),
    ):
        registry.make_rule(json.loads(config_json))
    limit.check_all_used()


class _Limit:
    """Counts variables as they are made, and stops at too many."""

    def __init__(self, num_weights: int, numbers: int):
        self._num_weights = num_weights
        self._numbers = numbers
        # For what is not trained, and not in the folder.
        self._other_numbers = _MAX_NUMBERS
        if not num_weights:
            raise ValueError("there are no weights in it.")

    def create(self, create_next, **arguments) -> tf.Variable:
        # Not all names that variables may have suit a graph.
        variable = create_next(**{**arguments, "name": "weight"})
        size = variable.shape.num_elements()
        if size is None:
            raise ValueError("its weights have no shapes.")
        if variable.trainable:
            self._num_weights -= 1
            self._numbers -= size
        else:
            self._other_numbers -= size
        if min(self._num_weights, self._numbers, self._other_numbers) < 0:
            raise ValueError("they ask for more weights than there are in it.")
        return variable

    def check_all_used(self) -> None:
        """Refuses a rule with fewer weights."""
        if self._num_weights or self._numbers:
            raise ValueError("they ask for fewer weights than there are in it.")


def _check_finite(rule: base.UpdateRule) -> None:
    for variable in rule.variables:
        value = variable.numpy()
        if not np.all(np.isfinite(value.astype(np.float64))):
            raise ValueError(f"{variable.name} is not finite.")


def _first_sentence(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:500]
