"""VGG19 with ImageNet weights, as Keras has it.

Source: Simonyan and Zisserman 2014, arXiv:1409.1556; its layers for content
and style are those of Gatys et al. 2015.
"""

from __future__ import annotations

import os
import pathlib

import tensorflow as tf

from l2l_tf.problems import connection
from l2l_tf.problems import feature_networks

FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
"""What Keras calls the file with the weights."""

_LAYERS_PER_BLOCK = (2, 2, 4, 4, 4)
# The weights' ratio is 1e-3, as in figure 2 of Gatys et al., for an image of
# 512 x 512 pixels; they have no term of smoothness.
_TERMS = feature_networks.Terms(
    content_layer="block4_conv2",
    style_layers=tuple(f"block{block}_conv1" for block in range(1, 6)),
    content_weight=1.0,
    style_weight=1e3 / 512**2,
    smoothness_weight=0.0,
)

# The means of ImageNet's pixels, blue, green and red.
_MEANS = (103.939, 116.779, 123.68)


@feature_networks.FEATURE_NETWORKS.register("vgg19")
def vgg19() -> feature_networks.FeatureNetwork:
    """Loads the network; Keras downloads its 80 MB of weights on first use.

    Raises:
        DataNotFoundError: If they are not there, nor a network.
        ValueError: If the file is damaged.
    """
    import keras

    path = weights_path()
    if not path.is_file():
        connection.check(
            f"The weights of VGG19 are not in {str(path)!r} and cannot be "
            "downloaded without a network. Put the file there, or connect to "
            "the internet once; without either, features='small' needs no "
            "download."
        )
    try:
        model = keras.applications.VGG19(
            include_top=False,
            weights=str(path) if path.is_file() else "imagenet",
        )
    except (OSError, ValueError, KeyError) as error:
        said = " ".join(str(error).split()).rstrip(".")
        raise ValueError(
            f"{str(path)!r} does not hold the weights of VGG19; remove it to "
            f"have them downloaded anew, or use features='small'. Keras says: "
            f"{said}."
        ) from error
    return feature_networks.FeatureNetwork(
        [
            [
                _layer(model, f"block{block}_conv{layer}")
                for layer in range(1, number + 1)
            ]
            for block, number in enumerate(_LAYERS_PER_BLOCK, start=1)
        ],
        tf.nn.max_pool2d,
        lambda images: 255.0 * images[..., ::-1] - tf.constant(_MEANS),
        _TERMS,
    )


def weights_path() -> pathlib.Path:
    """Returns where Keras keeps the weights."""
    home = os.environ.get("KERAS_HOME") or "~/.keras"
    return pathlib.Path(home).expanduser() / "models" / FILE


def _layer(model, name: str) -> feature_networks.Layer:
    kernel, bias = model.get_layer(name).get_weights()
    return feature_networks.Layer(name, tf.constant(kernel), tf.constant(bias))
