"""Painting an image in the style of another: its pixels are the parameters."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.core import randomness
from l2l_tf.problems import arrays
from l2l_tf.problems import base
from l2l_tf.problems import content_images
from l2l_tf.problems import feature_networks
from l2l_tf.problems import images
from l2l_tf.problems import registry
from l2l_tf.problems import style_losses

_GREY_STD = 0.01
_MAX_WEIGHT = 1e12

_STYLES = pathlib.Path(__file__).parent / "styles"


def _grey(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    noise = tf.random.stateless_normal(tf.shape(image), seed)
    return 0.5 + _GREY_STD * noise


def _noise(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    return tf.random.stateless_uniform(tf.shape(image), seed)


def _content(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    del seed
    return image


STARTS = {"grey": _grey, "noise": _noise, "content": _content}
"""What theta_0 is: a medium grey with Gaussian noise of standard deviation
0.01, as small as all of the paper's starts; white noise, uniform in [0, 1); or
the content image."""


class StyleTransfer(base.Problem):
    """f(theta) = a content(c, theta) + b style(s, theta) + g smoothness(theta).

    theta is an image of shape [height, width, 3], 0 for black and 1 for white.
    Nothing keeps it in that range while it is optimized; what lies outside is
    clipped where it is shown, see `l2l_tf.problems.images.to_pixels`.

    A task is a content image c, drawn from the split, its features, which
    colours are mirrored (there theta is 0 for white and 1 for black), and a
    factor on the loss.
    Content and smoothness are sums over the image. The style, which is a mean
    over places, is multiplied by the number of pixels: neither the balance nor
    the gradient at a pixel depends on the image's size.

    Source: Andrychowicz et al. 2016, section 3.4; Gatys et al. 2015.
    """

    name = "style_transfer"
    parameter_names = ["image"]

    def __init__(
        self,
        contents: Mapping[str, np.ndarray],
        style: np.ndarray,
        split: str = "train",
        features: str = "small",
        content_weight: float | None = None,
        style_weight: float | None = None,
        smoothness_weight: float | None = None,
        content_layer: str | None = None,
        style_layers: Sequence[str] | None = None,
        start: str = "grey",
        mirror_colors: bool = False,
        loss_factors: Sequence[float] = (1.0, 1.0),
    ):
        """Creates the problem and computes the style's features.

        Args:
            contents: Content images by split, uint8 of shape
                [images, height, width, 3].
            style: The painting, uint8 of shape [height, width, 3].
            split: The split that content images are drawn from.
            features: One of
                `l2l_tf.problems.feature_networks.FEATURE_NETWORKS`.
            content_weight: The factor a; the network's own by default, as all
                that follow.
            style_weight: The factor b, per pixel.
            smoothness_weight: The factor g.
            content_layer: The layer that tells the content.
            style_layers: The layers that tell the style.
            start: One of `STARTS`.
            mirror_colors: Whether a coin is thrown for each colour of each
                task whether it is mirrored. A learned optimizer then learns
                nothing of the painting's own colours.
            loss_factors: Each task's loss is multiplied by a number between
                these two, uniform in its logarithm. A learned optimizer then
                learns no size that the painting's gradients have.

        Raises:
            ValueError: If a value is refused, or the split has no image.
        """
        self._contents = arrays.Examples(
            {split: contents[split] for split in base.SPLITS}, _to_numbers
        )
        super().__init__(self._check_images(split))
        self._start = STARTS[checks.one_of("start", start, list(STARTS))]
        self._network = feature_networks.load(features)
        self._terms = _terms(
            self._network.terms,
            content_layer=content_layer,
            style_layers=style_layers,
            content_weight=content_weight,
            style_weight=style_weight,
            smoothness_weight=smoothness_weight,
        )
        self.options = {
            "features": features,
            **self._terms._asdict(),
            "start": start,
            "mirror_colors": checks.boolean("mirror_colors", mirror_colors),
            "loss_factors": _range(loss_factors),
        }
        self._check_sizes(contents["train"].shape[1:3], style.shape[:2])
        height, width = contents["train"].shape[1:3]
        self._factors = (
            self._terms.content_weight,
            self._terms.style_weight * height * width,
            self._terms.smoothness_weight,
        )
        self._style = style_losses.gram_matrices(
            self._network(
                _to_numbers(style[np.newaxis]), self._terms.style_layers
            )
        )

    def with_split(self, split: str) -> StyleTransfer:
        """See base class; refuses a split without images."""
        other = super().with_split(split)
        self._check_images(split)
        return other

    def sample_task(self, seed):
        """Draws a content image, [height, width, 3], and what belongs to it.

        Returns:
            The image, its features, which colours are mirrored, [3], and the
            factor on the loss.
        """
        image = self._contents.sample(self.split, 1, seed)
        layer = self._terms.content_layer
        coins = tf.random.stateless_uniform(
            [image.shape[-1]], randomness.stream(seed, "mirror_colors")
        )
        mirrored = (coins < 0.5) & self.options["mirror_colors"]
        least, most = np.log(self.options["loss_factors"])
        where = tf.random.stateless_uniform(
            [], randomness.stream(seed, "loss_factors")
        )
        factor = tf.exp(least + (most - least) * where)
        return image[0], self._network(image, [layer])[layer], mirrored, factor

    def initial_params(self, task, seed):
        """See base class."""
        image, _, mirrored, _ = task
        return [_mirror(self._start(image, seed), mirrored)]

    def loss(self, params, model_state, task, batch, seed):
        """See base class."""
        del batch, seed
        content, mirrored, factor = task[1:]
        image = _mirror(params[0], mirrored)
        layer, styles = self._terms.content_layer, self._terms.style_layers
        features = self._network(image[tf.newaxis], [layer, *styles])
        terms = (
            style_losses.content_loss(features[layer], content),
            style_losses.style_loss(features, self._style),
            style_losses.total_variation(image),
        )
        loss = tf.add_n(
            [f * term for f, term in zip(self._factors, terms, strict=True)]
        )
        return base.Outcome(factor * loss, model_state)

    def default_rule(self) -> dict[str, Any]:
        """See base class; gradients are logarithmic, their scale is lost."""
        return {"rule": "coordinatewise", "preprocessing": "log_and_sign"}

    def _check_images(self, split: str) -> str:
        if len(self._contents.splits[base.check_split(split)]) == 0:
            raise ValueError(
                f"There is no content image for the split {split!r}; add "
                "images to the folder: a tenth of them are for validation and "
                "as many for testing, told by their names."
            )
        return split

    def _check_sizes(self, *sizes: tuple[int, int]) -> None:
        names = [self._terms.content_layer, *self._terms.style_layers]
        least = 2 ** max(self._network.depth(name) for name in names)
        for height, width in sizes:
            if min(height, width) < least:
                raise ValueError(
                    f"The layers {', '.join(dict.fromkeys(names))} need images "
                    f"of {least} x {least} pixels or more; received {width} x "
                    f"{height}. Choose a larger size."
                )


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
) -> StyleTransfer:
    """Builds the problem of one painting and a set of content images.

    Args:
        split: The split that content images are drawn from.
        style: One of `styles()`, or the path of a painting.
        contents: One of `l2l_tf.problems.content_images.CONTENTS`.
        size: The side of all images, which are cut to squares, in pixels.
        image_dir: The folder of `contents="folder"`; it is no option of the
            problem's configuration, but where its data lie.
        features: See `StyleTransfer`, here and below.
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
    problem = StyleTransfer(
        content_images.CONTENTS.get(contents)(size, image_dir),
        images.square(read_style(style), size),
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


def from_images(folder: str | os.PathLike, **options: Any) -> StyleTransfer:
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
) -> StyleTransfer:
    """Returns the problem of a single content image, the same in all splits.

    Args:
        content: uint8 of shape [height, width, 3].
        style: The painting, of any size.
        **options: See `StyleTransfer`.
    """
    contents = {split: content[np.newaxis] for split in base.SPLITS}
    return StyleTransfer(contents, style, **options)


def styles() -> list[str]:
    """Returns the names of the paintings that come with the library."""
    return sorted(file.stem for file in _STYLES.glob("*.jpg"))


def read_style(name_or_path: str | os.PathLike) -> np.ndarray:
    """Reads a painting, see `l2l_tf.problems.images.read`.

    Args:
        name_or_path: One of `styles()`, or the path of an image.
    """
    if not isinstance(name_or_path, (str, os.PathLike)) or not str(
        name_or_path
    ):
        raise ValueError(
            f"style must be one of {', '.join(styles())}, or the path of an "
            f"image; received {type(name_or_path).__name__}."
        )
    if str(name_or_path) in styles():
        return images.read(_STYLES / f"{name_or_path}.jpg")
    try:
        exists = pathlib.Path(name_or_path).expanduser().exists()
    except (OSError, RuntimeError, ValueError):
        exists = False
    if not exists:
        raise ValueError(
            f"There is no painting {str(name_or_path)!r}; accepted: "
            f"{', '.join(styles())}, or the path of an image."
        )
    return images.read(name_or_path)


def _mirror(image: tf.Tensor, mirrored: tf.Tensor) -> tf.Tensor:
    return tf.where(mirrored, 1.0 - image, image)


def _range(factors: Sequence[float]) -> list[float]:
    if (
        not isinstance(factors, (list, tuple))
        or len(factors) != 2
        or not all(checks.is_number(factor) for factor in factors)
        or not 0 < factors[0] <= factors[1] < np.inf
    ):
        raise ValueError(
            "loss_factors must be two numbers above 0, the lesser one first; "
            f"received {factors!r}."
        )
    return [float(factor) for factor in factors]


def _to_numbers(pixels: tf.Tensor) -> tf.Tensor:
    return tf.cast(pixels, tf.float32) / 255.0


def _terms(
    defaults: feature_networks.Terms, **given: Any
) -> feature_networks.Terms:
    """Returns terms, with what is not None in place of the defaults."""
    terms = defaults._replace(
        **{name: value for name, value in given.items() if value is not None}
    )
    layers = terms.style_layers
    if not isinstance(layers, (list, tuple)) or not layers:
        raise ValueError(
            f"style_layers must be a list of layers; received {layers!r}."
        )
    names = ("content_weight", "style_weight", "smoothness_weight")
    weights = [checks.number(name, getattr(terms, name), 0.0) for name in names]
    for name, weight in zip(names, weights, strict=True):
        # Times the number of pixels, and squares of features.
        if weight > _MAX_WEIGHT:
            raise ValueError(
                f"{name} must be at most {_MAX_WEIGHT:g}; received {weight!r}."
            )
    if not any(weights):
        raise ValueError(
            f"One of {', '.join(names)} must be above 0; received {weights}."
        )
    return terms._replace(style_layers=list(layers))
