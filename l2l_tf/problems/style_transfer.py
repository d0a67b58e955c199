"""Painting an image in the style of another: its pixels are the parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.core import randomness
from l2l_tf.problems import arrays
from l2l_tf.problems import base
from l2l_tf.problems import feature_networks
from l2l_tf.problems import style_losses
from l2l_tf.problems import style_options

_GREY_STD = 0.01


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
        self._terms = style_options.terms(
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
            "loss_factors": style_options.loss_factors(loss_factors),
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


def _mirror(image: tf.Tensor, mirrored: tf.Tensor) -> tf.Tensor:
    return tf.where(mirrored, 1.0 - image, image)


def _to_numbers(pixels: tf.Tensor) -> tf.Tensor:
    return tf.cast(pixels, tf.float32) / 255.0
