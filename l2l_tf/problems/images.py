"""Images in files that anybody may have made."""

from __future__ import annotations

import io
import os
import pathlib
import warnings
from collections.abc import Sequence

import numpy as np
import PIL
from PIL import Image
from PIL import ImageOps

from l2l_tf.core import files

MAX_BYTES = 2**26
MAX_PIXELS = 2**26

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
"""What names of image files end in, capitals apart."""

# Others may start programs, as Ghostscript for EPS.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
_MAX_SIDES = {".webp": 16_383, ".jpg": 65_535, ".jpeg": 65_535, ".gif": 65_535}
"""The longest side that a format has numbers for, in pixels."""


def read(path: str | os.PathLike) -> np.ndarray:
    """Reads an image: upright, in colours, on white where it is transparent.

    Args:
        path: The file; of an animation, its first picture is taken.

    Returns:
        Pixels, uint8 of shape [height, width, 3].

    Raises:
        ValueError: If it is not there, no image, damaged or too large; one
            sentence.
    """
    try:
        # A link to a photo is fine, but a pipe would make us wait.
        real = pathlib.Path(path).expanduser().resolve()
        content = files.read_bytes(real, MAX_BYTES)
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        said = getattr(error, "strerror", None) or error
        raise ValueError(f"{str(path)!r} cannot be read: {said}.") from error
    with warnings.catch_warnings():
        # The limit is ours; and damaged tags do not matter.
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
                width, height = image.size
                if width * height <= MAX_PIXELS:
                    return np.array(_upright(image))
        except Image.DecompressionBombError as error:
            raise ValueError(
                f"{str(path)!r} has too many pixels; accepted: "
                f"{MAX_PIXELS:,} in all."
            ) from error
        except Exception as error:  # Decoders raise all kinds.
            raise ValueError(
                f"{str(path)!r} is no image, or damaged ({_said(error)})."
            ) from error
    raise ValueError(
        f"{str(path)!r} has {width} x {height} pixels; accepted: "
        f"{MAX_PIXELS:,} in all."
    )


def square(pixels: np.ndarray, size: int) -> np.ndarray:
    """Returns the greatest square in the middle, resized.

    Args:
        pixels: uint8 of shape [height, width, 3].
        size: The side to resize it to, in pixels.

    Returns:
        uint8 of shape [size, size, 3].
    """
    height, width, _ = pixels.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resize(pixels[top : top + side, left : left + side], size, size)


def resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns an image of another size; see `square`."""
    image = Image.fromarray(pixels)
    return np.array(image.resize((width, height), Image.Resampling.LANCZOS))


def fit(pixels: np.ndarray, size: int) -> np.ndarray:
    """Returns an image whose longer side has a number of pixels.

    Args:
        pixels: uint8 of shape [height, width, 3].
        size: The longer side.

    Returns:
        uint8 of shape [height, width, 3].
    """
    return resize(pixels, *fitted(pixels.shape[:2], size))


def fitted(shape: Sequence[int], size: int) -> tuple[int, int]:
    """Returns the height and width of an image whose longer side is `size`."""
    height, width = (max(1, round(s * size / max(shape))) for s in shape)
    return height, width


def to_pixels(values: np.ndarray) -> np.ndarray:
    """Returns numbers, 0 for black and 1 for white, as pixels.

    What is blacker than black or whiter than white is clipped.
    """
    return np.uint8(np.round(np.clip(values, 0.0, 1.0) * 255.0))


def write(path: str | os.PathLike, pixels: np.ndarray) -> pathlib.Path:
    """Writes an image, all or nothing.

    Args:
        path: The file; its name ends in one of `SUFFIXES`.
        pixels: uint8 of shape [height, width, 3].

    Returns:
        The file.

    Raises:
        ValueError: If the name ends in something else, the format cannot hold
            so large an image, or the file cannot be written.
    """
    suffix = check_suffix(path)
    check_sides(path, *pixels.shape[:2])
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(
        buffer, Image.registered_extensions()[suffix], quality=95
    )
    try:
        return files.write_bytes(path, buffer.getvalue())
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise ValueError(f"{str(path)!r} cannot be written: {said}.") from error


def check_sides(path: str | os.PathLike, height: int, width: int) -> None:
    """Refuses an image that the format of a file cannot hold.

    Args:
        path: The file; its name ends in one of `SUFFIXES`.
        height: The image's height, in pixels.
        width: The image's width.

    Raises:
        ValueError: If a side is too long.
    """
    suffix = check_suffix(path)
    if height * width > MAX_PIXELS:
        raise ValueError(
            f"An image of {width} x {height} pixels is too large to be "
            f"written; accepted: {MAX_PIXELS:,} pixels in all."
        )
    most = _MAX_SIDES.get(suffix, MAX_PIXELS)
    if max(height, width) > most:
        raise ValueError(
            f"An image of {width} x {height} pixels does not go into "
            f"{str(path)!r}; {suffix} takes {most:,} along each side."
        )


def check_suffix(path: str | os.PathLike) -> str:
    """Returns what a file's name ends in, if images have such names.

    Raises:
        ValueError: If it is something else.
    """
    suffix = pathlib.Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(
            f"An image's name must end in one of {', '.join(SUFFIXES)}; "
            f"received {str(path)!r}."
        )
    if "\0" in str(path):
        raise ValueError(f"{str(path)!r} holds a null byte.")
    return suffix


def _said(error: Exception) -> str:
    if isinstance(error, PIL.UnidentifiedImageError):
        return "of no known format"
    return " ".join(str(error).split()) or type(error).__name__


def _upright(image: Image.Image) -> Image.Image:
    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise ValueError("it has floating point pixels, not 8 or 16 bits")
    if image.mode.startswith("I"):
        return _from_large_numbers(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _from_large_numbers(image: Image.Image) -> Image.Image:
    """Returns a grey image of 16 bits per pixel, which Pillow would clip."""
    values = np.asarray(image).astype(np.float32)
    # 32 bits may hold anything; what fits into 8 is taken for 8.
    if image.mode == "I" and not 255 < values.max() < 2**16:
        return image.convert("RGB")
    values = np.clip(values, 0, 2**16 - 1)
    return Image.fromarray(np.uint8(values / 257.0 + 0.5)).convert("RGB")
