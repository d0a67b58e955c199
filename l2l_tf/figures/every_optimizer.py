"""What the matrix of all bundled optimizers compares."""

from __future__ import annotations

from typing import Any

from l2l_tf.figures import comparisons
from l2l_tf.figures import no_free_lunch

_OTHERS = {
    "quadratic": "quadratic",
    "quadratic, uniform": "quadratic-uniform",
    "regression": "online-regression",
    "digits": "digits",
    "MNIST": "mnist",
    "MNIST, robust": "mnist-robust",
    "CIFAR-10": "cifar10",
    "neural art": "neural-art",
    "general": "general",
}
_SHARING = {
    "sharing: LSTM": "quadratic-lstm",
    "sharing: relative": "quadratic-relative",
    "sharing: GAC": "quadratic-gac",
    "sharing: NTM-L-BFGS": "quadratic-ntm-l-bfgs",
}
# Its memory grows with the square of the coordinates.
_ON_FEW_COORDINATES = {"sharing: NTM-BFGS": "quadratic-ntm-bfgs"}

_TRAINED_ON_QUADRATICS = (*_SHARING, *_ON_FEW_COORDINATES)
_TRAINED_ON_MNIST = ("MNIST", "MNIST, robust")


def _panel(
    label: str, problem: str, num_runs: int, few: bool = False, **fields: Any
) -> comparisons.Panel:
    """Returns a column: all optimizers on one problem of few coordinates."""
    more = _ON_FEW_COORDINATES if few else {}
    optimizers = {**_OTHERS, **_SHARING, **more}
    return comparisons.Panel(
        label, optimizers, problem, num_runs=num_runs, **fields
    )


FIGURE = no_free_lunch.NoFreeLunch(
    "No free lunch: every optimizer on every problem",
    (
        _panel("x², one number", "simple", 5, few=True),
        _panel("x², two numbers", "simple-multi", 5, few=True),
        _panel("quadratics", "quadratic", 10, few=True),
        _panel(
            "quadratics, uniform",
            "quadratic",
            10,
            few=True,
            options={"sampling": "uniform"},
        ),
        _panel(
            "quadratics, condition 1,000",
            "quadratic",
            10,
            few=True,
            options={"sampling": "conditioned"},
        ),
        _panel("online regression", "online-regression", 8, few=True),
        _panel("digits MLP", "digits", 20, few=True),
        _panel("MNIST MLP", "mnist", 20),
        _panel("MNIST MLP, ReLU", "mnist", 20, options={"activation": "relu"}),
        _panel(
            "MNIST convnet",
            "image_convnet",
            5,
            options={"dataset": "mnist", "channels": [8, 8], "kernel_size": 3},
            search="halving",
        ),
        _panel("CIFAR-10 convnet", "cifar10", 4, search="halving"),
        _panel(
            "style transfer",
            "style_transfer",
            4,
            options={"style": "starry_night", "size": 64},
            num_steps=128,
            search_runs=4,
        ),
    ),
    trained_on={
        "quadratics": ("quadratic", *_TRAINED_ON_QUADRATICS),
        "quadratics, uniform": ("quadratic, uniform",),
        "quadratics, condition 1,000": _TRAINED_ON_QUADRATICS,
        "online regression": ("regression",),
        "digits MLP": ("digits",),
        "MNIST MLP": _TRAINED_ON_MNIST,
        "MNIST MLP, ReLU": ("MNIST, robust",),
        "CIFAR-10 convnet": ("CIFAR-10",),
        "style transfer": ("neural art",),
    },
    note="The best baseline is the best of all on these very runs, which "
    "favours it. Losses below 1e-12 count as 1e-12. NTM-BFGS is left out "
    "where its memory, which grows with the square of the coordinates, would "
    "take gigabytes. Left out, too: `fashion_mnist`, the same networks as on "
    "MNIST; `ensemble`, which is made of others.",
)
