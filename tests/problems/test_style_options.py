"""Tests of l2l_tf/problems/style_options.py."""

import numpy as np
import pytest

from l2l_tf.problems import registry


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": 3}, "4 x 4.*3 x 3"),
        ({"size": 2.5}, "size.*2.5"),
        ({"contents": "web"}, "'web'.*folder, photos"),
        ({"features": "vgg"}, "'vgg'.*small, vgg19"),
        ({"features": ["small"]}, "small, vgg19"),
        ({"style": 3}, "style must be.*received int"),
        ({"style": "~nosuchuser/a"}, "nosuchuser"),
        ({"style_weight": 1e300}, "style_weight must be at most.*1e.300"),
        ({"style_weight": -1}, "style_weight.*-1"),
        ({"content_layer": "conv9"}, "'conv9'.*conv1_1"),
        ({"style_layers": "conv1_1"}, "style_layers.*'conv1_1'"),
    ],
)
def test_what_is_refused_is_quoted(options, said):
    with pytest.raises(ValueError, match=said):
        registry.make_problem("style_transfer", **options)


@pytest.mark.parametrize(
    "factors", [[1.0], [2.0, 1.0], [0, 1], 1.0, "12", [1, None], [1, np.inf]]
)
def test_bad_factors_are_refused(factors):
    with pytest.raises(ValueError, match="loss_factors must be two numbers"):
        registry.make_problem("style_transfer", size=16, loss_factors=factors)
