"""Sets of images to be painted in another style, split for good.

A split is told by the file's name or by the place in the photo, so that adding
images moves none from one split to another.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pathlib

import numpy as np

from l2l_tf.core import registry
from l2l_tf.problems import base
from l2l_tf.problems import images

Splits = dict[str, np.ndarray]
"""Pixels by split, uint8 of shape [images, size, size, 3]."""

IMAGE_DIR = "L2L_IMAGE_DIR"
"""The variable of the environment that names a folder of images."""

# Of a hundred names, those with the least hashes are for training, and so on.
_SHARES = {"train": 80, "validation": 10, "test": 10}

# Columns of the photos, which have 640.
_COLUMNS = {"train": (0, 384), "validation": (384, 512), "test": (512, 640)}
_CROPS = (96, 128)
_PHOTOS = ("china.jpg", "flower.jpg")

_MAX_BYTES = 2**32

CONTENTS: registry.Registry = registry.Registry(
    "set of content images", "l2l_tf.problems"
)
"""Functions of the size and the folder, which may be None."""


@CONTENTS.register("photos")
def photos(size: int, image_dir: str | None = None) -> Splits:
    """Returns parts of the two photos that come with scikit-learn.

    Args:
        size: The side of the images, in pixels.
        image_dir: Must be None.

    Returns:
        Squares of 96 and 128 pixels, resized: from the left of the photos for
        training, from the middle for validation, from the right for testing.
    """
    _refuse_folder("photos", image_dir)
    return _photos(size)


@CONTENTS.register("whole_photos")
def whole_photos(size: int, image_dir: str | None = None) -> Splits:
    """Returns the middle of the two photos, the same in all splits: to look at.

    Args:
        size: The side of the images, in pixels.
        image_dir: Must be None.

    Returns:
        Two squares.
    """
    _refuse_folder("whole_photos", image_dir)
    _check_size(len(_PHOTOS), size)
    squares = np.stack([images.square(photo, size) for photo in _load_photos()])
    return dict.fromkeys(base.SPLITS, squares)


@CONTENTS.register("folder")
def folder(size: int, image_dir: str | None = None) -> Splits:
    """Returns the images in a folder, cut to squares.

    Args:
        size: The side of the images, in pixels.
        image_dir: The folder; by default the environment's `L2L_IMAGE_DIR`.
            Files in folders inside of it are not read.

    Returns:
        Images, some four fifths of them for training, a tenth for validation
        and a tenth for testing, told by the hash of the file's name.
    """
    path = os.environ.get(IMAGE_DIR) if image_dir is None else image_dir
    if not path or not isinstance(path, (str, os.PathLike)):
        raise ValueError(
            "contents='folder' needs a folder of images: set image_dir, or "
            f"the environment variable {IMAGE_DIR}; contents='photos' needs "
            f"none; received {path!r}."
        )
    return _read(size, pathlib.Path(path))


def split_of(name: str) -> str:
    """Returns the split of a file by its name, without its folder."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    rank = int.from_bytes(digest[:8], "big") % 100
    for split, share in _SHARES.items():
        if rank < share:
            return split
        rank -= share
    raise AssertionError("The shares must add up to 100.")


def _refuse_folder(contents: str, image_dir: str | None) -> None:
    if image_dir is not None:
        raise ValueError(
            f"contents={contents!r} needs no folder; image_dir goes with "
            f"contents='folder'; received {image_dir!r}."
        )


def _load_photos() -> list[np.ndarray]:
    from sklearn import datasets

    return [datasets.load_sample_image(name) for name in _PHOTOS]


@functools.cache
def _photos(size: int) -> Splits:
    photos = _load_photos()
    crops = {
        split: [
            crop
            for photo in photos
            for side in _CROPS
            for crop in _crops(photo[:, left:right], side)
        ]
        for split, (left, right) in _COLUMNS.items()
    }
    _check_size(sum(map(len, crops.values())), size)
    splits = {
        split: np.stack([images.square(crop, size) for crop in parts])
        for split, parts in crops.items()
    }
    for pixels in splits.values():
        pixels.flags.writeable = False  # They are handed out again.
    return splits


def _is_image(file: pathlib.Path) -> bool:
    """Whether a file's name is that of an image, and not one that is hidden."""
    return (
        file.suffix.lower() in images.SUFFIXES
        and not file.name.startswith(".")
        and not file.is_dir()
    )


def _check_size(number: int, size: int) -> None:
    """Refuses more pixels than are kept, before any is read."""
    needed = 3 * number * size * size
    if needed > _MAX_BYTES:
        raise ValueError(
            f"{number:,} images of {size} x {size} pixels would take "
            f"{needed / 1e9:.2g} GB; accepted: {_MAX_BYTES / 1e9:.2g} GB. "
            "Choose a smaller size."
        )


def _crops(photo: np.ndarray, side: int) -> list[np.ndarray]:
    """Returns squares of a photo, a quarter of their side apart."""
    height, width, _ = photo.shape
    return [
        photo[top : top + side, left : left + side]
        for top in range(0, height - side + 1, side // 4)
        for left in range(0, width - side + 1, side // 4)
    ]


def _read(size: int, path: pathlib.Path) -> Splits:
    try:
        files = sorted(filter(_is_image, path.expanduser().iterdir()))
    except (OSError, RuntimeError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise ValueError(
            f"The folder of images {str(path)!r} cannot be read: {said}."
        ) from error
    if not files:
        raise ValueError(
            f"The folder {str(path)!r} holds no images; accepted: files whose "
            f"names end in {', '.join(images.SUFFIXES)}."
        )
    _check_size(len(files), size)
    found: dict[str, list[np.ndarray]] = {split: [] for split in base.SPLITS}
    broken = []
    for file in files:
        try:
            pixels = images.square(images.read(file), size)
            found[split_of(file.name)].append(pixels)
        except ValueError as error:
            broken.append(str(error))
    if broken:
        raise ValueError(
            f"{len(broken)} of {len(files)} images in {str(path)!r} cannot be "
            f"read; remove them. The first: {broken[0]}"
        )
    return {
        split: np.stack(parts)
        if parts
        else np.zeros([0, size, size, 3], np.uint8)
        for split, parts in found.items()
    }
