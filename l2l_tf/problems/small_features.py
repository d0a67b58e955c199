"""The embedded feature network: small, trained on CIFAR-10.

`scripts/train_features.py` trains it; `small_features.json` beside its weights
tells how that went.
"""

from __future__ import annotations

import io
import os
import pathlib
import zipfile
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from l2l_tf.core import files
from l2l_tf.problems import feature_networks

WEIGHTS = pathlib.Path(__file__).with_suffix(".npz")
METADATA = WEIGHTS.with_suffix(".json")

CHANNELS = ((16, 32), (48, 48), (96, 96), (128,))
"""Channels of the 3x3 convolutions of each block."""

# Chosen by eye, see docs/neural_art.md.
_TERMS = feature_networks.Terms(
    content_layer="conv3_1",
    style_layers=("conv1_1", "conv1_2", "conv2_1", "conv3_1"),
    content_weight=1.0,
    style_weight=2000.0,
    smoothness_weight=1.0,
)
_MAX_BYTES = 2**20

Arrays = Mapping[str, np.ndarray]
"""Weights by name: for each layer `NAME/kernel` and `NAME/bias`, the pixels'
`mean` and `std` by channel, and `logits/kernel` and `logits/bias`."""


def layer_names() -> list[list[str]]:
    """Returns the names of the convolutions of each block."""
    return [
        [f"conv{block}_{layer}" for layer in range(1, len(channels) + 1)]
        for block, channels in enumerate(CHANNELS, start=1)
    ]


@feature_networks.FEATURE_NETWORKS.register("small")
def small() -> feature_networks.FeatureNetwork:
    """Loads the embedded network; pixels need not be prepared for it."""
    return network(read(WEIGHTS))


def network(weights: Arrays) -> feature_networks.FeatureNetwork:
    """Builds the network from weights of any floating type."""
    constants = {
        name: tf.constant(values, tf.float32)
        for name, values in weights.items()
    }
    return feature_networks.FeatureNetwork(
        [
            [
                feature_networks.Layer(
                    name, constants[f"{name}/kernel"], constants[f"{name}/bias"]
                )
                for name in names
            ]
            for names in layer_names()
        ],
        # Smoother gradients than of maxima, see Gatys et al. 2015, section 2.
        tf.nn.avg_pool2d,
        lambda images: (images - constants["mean"]) / constants["std"],
        _TERMS,
    )


def logits(weights: Arrays, images: tf.Tensor) -> tf.Tensor:
    """Returns what the network says of images that it was trained to classify.

    Args:
        weights: Its weights.
        images: Pixels in [0, 1], shape [images, 32, 32, 3].

    Returns:
        Logits of CIFAR-10's classes, shape [images, 10].
    """
    last = layer_names()[-1][-1]
    features = network(weights)(images, [last])[last]
    kernel, bias = (
        tf.constant(weights[f"logits/{part}"], tf.float32)
        for part in ("kernel", "bias")
    )
    return tf.reduce_mean(features, [1, 2]) @ kernel + bias


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Reads weights.

    Args:
        path: An .npz file.

    Returns:
        The arrays.

    Raises:
        ValueError: If it is damaged, or holds something else.
        OSError: If it cannot be read.
    """
    content = files.read_bytes(path, _MAX_BYTES)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            weights = dict(archive)
        network(weights)
    except (
        *(AttributeError, EOFError, KeyError, TypeError, ValueError),
        zipfile.BadZipFile,
    ) as error:
        raise ValueError(
            f"{str(path)!r} is damaged, or holds no weights of the embedded "
            "feature network; scripts/train_features.py writes them."
        ) from error
    return weights


def write(path: str | os.PathLike, weights: Arrays) -> pathlib.Path:
    """Writes weights as float16, all or nothing, always to the same bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, **{name: np.float16(values) for name, values in weights.items()}
    )
    return files.write_bytes(path, buffer.getvalue())
