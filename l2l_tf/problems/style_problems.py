"""Style transfer by name, of a folder of photos, or of a single one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from l2l_tf.core import checks
from l2l_tf.problems import base
from l2l_tf.problems import content_images
from l2l_tf.problems import images
from l2l_tf.problems import paintings
from l2l_tf.problems import registry
from l2l_tf.problems import style_transfer as style_transfer_lib


@registry.PROBLEMS.register("style_transfer")
def style_transfer(
    split: str = "train",
    /,
    style: str = "starry_night",
    contents: str = "photos",
    size: int = 64,
    image_dir: str | None = None,
    features: str = "small",
    content_weight: float | None = None,
    style_weight: float | None = None,
    smoothness_weight: float | None = None,
    content_layer: str | None = None,
    style_layers: Sequence[str] | None = None,
    start: str = "grey",
    mirror_colors: bool = False,
    loss_factors: Sequence[float] = (1.0, 1.0),
) -> style_transfer_lib.StyleTransfer:
    """Builds the problem of one painting and a set of content images.

    Args:
        split: The split that content images are drawn from.
        style: One of `l2l_tf.problems.paintings.names()`, or the path of a
            painting.
        contents: One of `l2l_tf.problems.content_images.CONTENTS`.
        size: The side of all images, which are cut to squares, in pixels.
        image_dir: The folder of `contents="folder"`; it is no option of the
            problem's configuration, but where its data lie.
        features: See `l2l_tf.problems.style_transfer.StyleTransfer`, here and
            below.
        content_weight: The factor a.
        style_weight: The factor b.
        smoothness_weight: The factor g.
        content_layer: The layer that tells the content.
        style_layers: The layers that tell the style.
        start: The start.
        mirror_colors: Whether colours are mirrored.
        loss_factors: The range of factors on the loss.

    Returns:
        The problem.

    Raises:
        ValueError: If a value is refused, or an image cannot be read.
    """
    size = checks.integer("size", size)
    problem = style_transfer_lib.StyleTransfer(
        content_images.CONTENTS.get(contents)(size, image_dir),
        images.square(paintings.read(style), size),
        split,
        features,
        content_weight,
        style_weight,
        smoothness_weight,
        content_layer,
        style_layers,
        start,
        mirror_colors,
        loss_factors,
    )
    problem.options = {
        "style": str(style),
        "contents": contents,
        "size": size,
        **problem.options,
    }
    return problem


def from_images(
    folder: str | os.PathLike, **options: Any
) -> style_transfer_lib.StyleTransfer:
    """Makes an optimizee of a folder of photos, to meta-train a painter.

        from_images("photos", style="painting.jpg", size=64)

    Args:
        folder: The folder. Its images are split by their names, see
            `l2l_tf.problems.content_images.folder`.
        **options: See `style_transfer`; all but `contents` and `image_dir`.

    Returns:
        The problem, on the training split.

    Raises:
        ValueError: If a value is refused, or an image cannot be read.
    """
    return registry.make_problem(
        "style_transfer",
        contents="folder",
        image_dir=os.fspath(folder),
        **options,
    )


def from_pair(
    content: np.ndarray, style: np.ndarray, **options: Any
) -> style_transfer_lib.StyleTransfer:
    """Returns the problem of a single content image, the same in all splits.

    Args:
        content: uint8 of shape [height, width, 3].
        style: The painting, of any size.
        **options: See `l2l_tf.problems.style_transfer.StyleTransfer`.
    """
    contents = {split: content[np.newaxis] for split in base.SPLITS}
    return style_transfer_lib.StyleTransfer(contents, style, **options)
