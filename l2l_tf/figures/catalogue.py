"""All figures: what each of them compares, and the paper's numbers."""

from __future__ import annotations

import dataclasses

from l2l_tf.evaluation import quasi_newton
from l2l_tf.figures import architecture_grid
from l2l_tf.figures import base
from l2l_tf.figures import comparisons
from l2l_tf.figures import curvatures
from l2l_tf.figures import every_optimizer
from l2l_tf.figures import forerunner
from l2l_tf.figures import histories
from l2l_tf.figures import learning_curves
from l2l_tf.figures import look_back
from l2l_tf.figures import pictures
from l2l_tf.figures import proposal_sweeps
from l2l_tf.figures import update_scales

_Panel = comparisons.Panel
_LearningCurves = learning_curves.LearningCurves

_MNIST = {"LSTM": "mnist", "LSTM, robust": "mnist-robust"}

_SHARING = {
    "LSTM": "quadratic-lstm",
    "LSTM, relative": "quadratic-relative",
    "LSTM + GAC": "quadratic-gac",
    "NTM-BFGS": "quadratic-ntm-bfgs",
    "NTM-L-BFGS": "quadratic-ntm-l-bfgs",
}
_EXACT = ("L-BFGS, exact line search",)

_ONE_RUN = _Panel(
    "MLP of 20 sigmoid units on MNIST",
    {"LSTM": "mnist"},
    "mnist",
    num_runs=1,
    baselines=("adam", "sgd"),
    search_runs=10,
)

_ONE_CIFAR_RUN = _Panel(
    "convnet on CIFAR-10",
    {"LSTM": "cifar10"},
    "cifar10",
    num_runs=1,
    baselines=("adam", "sgd"),
    search="halving",
    search_runs=4,
)

_RULES_ALONG = ("adam", "nag", "sgd")
_MNIST_ALONG = dataclasses.replace(
    _ONE_RUN, optimizers=_MNIST, baselines=_RULES_ALONG
)
_CIFAR_ALONG = dataclasses.replace(
    _ONE_CIFAR_RUN, baselines=_RULES_ALONG, quick=False
)
_QUADRATICS_ALONG = _Panel(
    "quadratics of 10 dimensions",
    {"LSTM": "quadratic"},
    "quadratic",
    num_runs=1,
    baselines=_RULES_ALONG,
    search_runs=10,
)
_INSIDE = (_MNIST_ALONG, _QUADRATICS_ALONG, _CIFAR_ALONG)

_UNITS = (5, 10, 15, 20, 30, 40, 50)
_QUICK_UNITS = (5, 20, 50)

_NEURAL_ART = (
    _Panel(
        "64x64, the style of training",
        {"LSTM": "neural-art"},
        "style_transfer",
        {"style": "starry_night", "size": 64},
        num_steps=128,
        num_runs=20,
        search_runs=4,
        references=(quasi_newton.NAME,),
    ),
    _Panel(
        "128x128, another style",
        {"LSTM": "neural-art"},
        "style_transfer",
        {"style": "great_wave", "size": 128},
        num_steps=128,
        num_runs=10,
        search_runs=4,
        references=(quasi_newton.NAME,),
    ),
)

FIGURES: dict[str, base.Figure] = {
    "quadratic": _LearningCurves(
        "Random quadratics of 10 dimensions",
        (
            _Panel(
                "Gaussian W, y",
                {"LSTM": "quadratic"},
                "quadratic",
                num_runs=80,
                paper=0.041,
                paper_baseline=0.051,
            ),
            _Panel(
                "uniform W, y (as released)",
                {"LSTM": "quadratic-uniform"},
                "quadratic",
                {"sampling": "uniform"},
                num_runs=80,
            ),
        ),
        note="A run is one of 128 functions, 10,240 in all. Gaussian functions "
        "begin at 9.9 here, the paper's curve at 2.7, so that its sampling is "
        "another one.",
    ),
    "information-sharing": _LearningCurves(
        "Optimizers whose coordinates share information, on quadratics",
        (
            _Panel(
                "Gaussian W, y",
                _SHARING,
                "quadratic",
                num_runs=80,
                references=_EXACT,
            ),
            _Panel(
                "condition number 1,000",
                _SHARING,
                "quadratic",
                {"sampling": "conditioned"},
                num_runs=80,
                references=_EXACT,
            ),
        ),
        note="All were trained on both kinds of functions, half of each. The "
        "first LSTM is the paper's; the second, and all below, see gradients "
        "in units of their size over all coordinates, and were trained at a "
        "lower rate, NTM-BFGS twice as long. The second LSTM and the one with "
        "averaging cells (GAC) differ in nothing else. L-BFGS searches the "
        "minimum along each direction, which takes a second gradient at each "
        "step, and is shown to measure others by. Its curve leaves the "
        "picture where it reaches the minimum.",
    ),
    "mnist": _LearningCurves(
        "MLP of 20 sigmoid units on MNIST",
        (
            _Panel(
                "start 0.01, training split",
                _MNIST,
                "mnist",
                split="train",
                paper=0.255,
                paper_baseline=0.326,
            ),
            _Panel("start 0.01, test split", _MNIST, "mnist"),
            _Panel(
                "start 0.1, test split",
                _MNIST,
                "mnist",
                {"initial_values": 0.1},
            ),
            _Panel(
                "Glorot start, test split",
                _MNIST,
                "mnist",
                {"initial_values": "glorot_uniform"},
            ),
        ),
    ),
    "mnist-200": _LearningCurves(
        "The same, continued to step 200",
        (
            _Panel(
                "training split",
                _MNIST,
                "mnist",
                split="train",
                num_steps=200,
                paper=0.213,
                paper_baseline=0.264,
            ),
            _Panel("test split", _MNIST, "mnist", num_steps=200),
        ),
    ),
    "mnist-40": _LearningCurves(
        "MLP of 40 sigmoid units on MNIST",
        (
            _Panel(
                "40 units, training split",
                _MNIST,
                "mnist",
                {"hidden_layers": [40]},
                split="train",
                paper=0.193,
                paper_baseline=0.309,
            ),
            _Panel(
                "40 units, test split", _MNIST, "mnist", {"hidden_layers": [40]}
            ),
        ),
    ),
    "mnist-2layer": _LearningCurves(
        "MLP of two layers of 20 sigmoid units on MNIST",
        (
            _Panel(
                "start 0.01, training split",
                _MNIST,
                "mnist",
                {"hidden_layers": [20, 20]},
                split="train",
                paper=0.33,
                paper_baseline=0.71,
            ),
            _Panel(
                "start 0.1, training split",
                _MNIST,
                "mnist",
                {"hidden_layers": [20, 20], "initial_values": 0.1},
                split="train",
            ),
            _Panel(
                "start 0.1, test split",
                _MNIST,
                "mnist",
                {"hidden_layers": [20, 20], "initial_values": 0.1},
            ),
        ),
    ),
    "mnist-relu": _LearningCurves(
        "MLP of 20 ReLU units on MNIST",
        (
            _Panel(
                "ReLU, training split",
                _MNIST,
                "mnist",
                {"activation": "relu"},
                split="train",
                paper=2.6,
                paper_baseline=0.36,
            ),
            _Panel("ReLU, test split", _MNIST, "mnist", {"activation": "relu"}),
        ),
    ),
    "mnist-1000": _LearningCurves(
        "MLPs on MNIST, ten times beyond the trained horizon",
        (
            _Panel(
                "20 sigmoid units", _MNIST, "mnist", num_steps=1000, num_runs=20
            ),
            _Panel(
                "20 ReLU units",
                _MNIST,
                "mnist",
                {"activation": "relu"},
                num_steps=1000,
                num_runs=20,
            ),
        ),
    ),
    "mnist-grid": architecture_grid.ArchitectureGrid(
        "Architectures on MNIST",
        tuple(
            _Panel(
                f"{activation}, {layers} layer{'s' * (layers > 1)} of {units}",
                _MNIST,
                "mnist",
                {"activation": activation, "hidden_layers": [units] * layers},
                num_runs=10,
                quick=units in _QUICK_UNITS,
            )
            for activation in ("sigmoid", "relu")
            for layers in (1, 2)
            for units in _UNITS
        ),
    ),
    "forerunner": forerunner.Forerunner(
        "An LSTM that learns quadratic functions by reading examples",
        "online-regression",
        "online-regression",
        note="The LSTM is given an input and the target of the example before, "
        "and its weights do not change; the small networks learn from one "
        "example at a time. Functions, starts and examples are the same.",
    ),
    "histories": histories.Histories(
        "Updates along one run on MNIST, and what others would have proposed",
        _ONE_RUN,
        note="The LSTM makes the run. Of each parameter that coordinate is "
        "shown whose mean absolute gradient is the median of those that are "
        "not zero all along.",
    ),
    "proposals": proposal_sweeps.ProposalSweeps(
        "Proposed updates over the current gradient, its history held fixed",
        _ONE_RUN,
        note="The same run and coordinates. The vertical line is the gradient "
        "that was met.",
    ),
    "histories-cifar": histories.Histories(
        "Updates along one run on CIFAR-10, beside what others propose",
        _ONE_CIFAR_RUN,
        "w$|norm|logits",
        note="As on MNIST. Biases before a normalisation, whose gradient is "
        "zero but for rounding, are left out.",
    ),
    "proposals-cifar": proposal_sweeps.ProposalSweeps(
        "Proposed updates over the current gradient, on CIFAR-10",
        _ONE_CIFAR_RUN,
        parameters="convolution_0/w|convolution_norm_0/scale|dense_0/w",
        note="The same run; some of the same coordinates.",
    ),
    "look-back": look_back.LookBack(
        "How far back update rules look",
        _INSIDE,
        note="Derivatives of updates by the gradients of earlier steps, "
        "through the state, times those gradients: where gradients were "
        "larger before, so are their effects.",
    ),
    "update-scales": update_scales.UpdateScales(
        "How updates scale with gradients",
        _INSIDE,
        note="All gradients of a run of the LSTM times a factor.",
    ),
    "curvature": curvatures.Curvatures(
        "Updates beside the curvature that they meet",
        (
            _MNIST_ALONG,
            dataclasses.replace(
                _QUADRATICS_ALONG,
                label="one quadratic of 10 dimensions",
                options={"num_functions": 1},
            ),
            _CIFAR_ALONG,
        ),
        note="A point is a step of one of three runs. Curvature is that of "
        "the minibatch's loss in the direction of the update; steps where it "
        "is negative are not drawn.",
    ),
    "no-free-lunch": every_optimizer.FIGURE,
    "neural-art": _LearningCurves(
        "Style transfer: the pixels of an image are the parameters",
        _NEURAL_ART,
        steps=(10, 40, 128),
        note="Contents are parts of scikit-learn's photos that no training "
        "has seen. L-BFGS is drawn over evaluations of the loss and its "
        "gradient, the least loss of all so far.",
    ),
    "neural-art-images": pictures.Pictures(
        "What they paint in 128 steps",
        tuple(
            dataclasses.replace(
                panel, options={**panel.options, "contents": "whole_photos"}
            )
            for panel in _NEURAL_ART
        ),
        num_pictures=2,
        note="The photos are those of docs/neural_art.md, under CC BY 2.0.",
    ),
}
"""All figures by name, in the paper's order."""
