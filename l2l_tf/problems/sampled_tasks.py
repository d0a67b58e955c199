"""Tasks of many kinds, sampled: what a general optimizer is trained on.

Architectures are drawn once, by a seed, since each is compiled once: kind of
network, widths, normalisation, batch size, data set. All else is drawn anew in
each run: the activation, the start, a subset of the data or a teacher, and
factors on the loss and on coordinates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.core import randomness
from l2l_tf.problems import base
from l2l_tf.problems import losses
from l2l_tf.problems import mixture
from l2l_tf.problems import registry
from l2l_tf.problems import sampled_data
from l2l_tf.problems import sampled_networks as networks

_NAME = "sampled-tasks"
_BATCH_SIZES = (16, 32, 64, 128)
_MIN_PARAMETERS = 200
_MAX_TRIES = 1_000
_MAX_ARCHITECTURES = 1_000  # each is compiled
_MAX_FACTOR = 1e6


class Architecture(NamedTuple):
    """What stays the same in all runs of a member.

    Attributes:
        title: What it is, in words.
        source: Where its examples come from.
        network: The network.
        batch_size: Examples per minibatch.
    """

    title: str
    source: sampled_data.Source
    network: networks.Layer
    batch_size: int


class SampledTask(base.Problem):
    """f(u) = c loss(network(s u)) on a random minibatch.

    The factors c, and s, one for each coordinate, are drawn once for a run;
    u is what an optimizer moves. Losses are measured in units of c times the
    loss of a constant output, so that no task counts more than another.

    Source: Lv, Jiang and Li 2017, arXiv 1703.03633, section 4 (factors on
    coordinates).
    """

    def __init__(
        self,
        architecture: Architecture,
        split: str,
        loss_factor: float,
        parameter_factor: float,
    ):
        """Takes what `sampled_tasks` has drawn; see there for the factors."""
        super().__init__(split)
        self.name = f"{_NAME}, {architecture.title}"
        self.architecture = architecture
        self._log_loss_factor = math.log(loss_factor)
        self._log_parameter_factor = math.log(parameter_factor)
        self._measure = losses.get(architecture.source.loss)

    @property
    def parameter_names(self) -> list[str]:
        """See base class."""
        return [p.name for p in self.architecture.network.parameters]

    def sample_task(self, seed):
        """Draws data, an activation and factors."""
        data = self.architecture.source.sample_task(
            randomness.stream(seed, "data")
        )
        coins = tf.random.stateless_uniform(
            [2], randomness.stream(seed, "factors")
        )
        spread = coins[1] * self._log_parameter_factor
        factor = tf.exp((2.0 * coins[0] - 1.0) * self._log_loss_factor)
        own = randomness.stream(seed, "coordinates")
        return {
            "data": data,
            "activation": tf.random.stateless_uniform(
                [],
                randomness.stream(seed, "activation"),
                0,
                len(networks.ACTIVATIONS),
                tf.int32,
            ),
            "loss_factor": factor,
            "unit": factor * data["unit"],
            "factors": [
                tf.exp(
                    spread
                    * tf.random.stateless_uniform(
                        p.shape, randomness.fold_in(own, index), -1.0, 1.0
                    )
                )
                for index, p in enumerate(self.architecture.network.parameters)
            ],
        }

    def initial_params(self, task, seed):
        """Draws theta_0 / s."""
        values = networks.draw_start(self.architecture.network.parameters, seed)
        return [
            value / factor
            for value, factor in zip(values, task["factors"], strict=True)
        ]

    def sample_batch(self, task, seed):
        """Draws inputs and targets, with replacement."""
        return self.architecture.source.sample_batch(
            self.split, task["data"], self.architecture.batch_size, seed
        )

    def loss(self, params, model_state, task, batch, seed):
        """See base class."""
        del seed
        inputs, targets = batch
        values = [
            param * factor
            for param, factor in zip(params, task["factors"], strict=True)
        ]
        outputs = self.architecture.network.apply(
            values, inputs, networks.activation(task["activation"])
        )
        loss = task["loss_factor"] * self._measure(outputs, targets)
        return base.Outcome(loss, model_state)

    def unit(self, task):
        """See base class."""
        return task["unit"]


@registry.PROBLEMS.register(_NAME)
def sampled_tasks(
    split: str = "train",
    /,
    num_architectures: int = 20,
    data: Sequence[str] = ("digits", sampled_data.SYNTHETIC),
    max_parameters: int = 4_000,
    architecture_seed: int = 0,
    loss_factor: float = 10.0,
    parameter_factor: float = 3.0,
) -> mixture.Mixture:
    """Returns a mixture of sampled architectures.

    Args:
        split: The part of the data from which minibatches come; teachers
            differ between splits, too.
        num_architectures: How many architectures; the first ones of a longer
            list are those of a shorter one. Kinds take turns; a convnet's
            turn is an MLP's where the data drawn for it have no images.
        data: Where examples come from: `"synthetic"`, `"digits"`, and, where
            they are prepared, `"mnist"` and `"cifar10"`.
        max_parameters: The most parameters that an architecture has.
        architecture_seed: Draws the architectures.
        loss_factor: Losses are multiplied by a factor from its inverse to
            itself, log-uniform; 1 for none.
        parameter_factor: Coordinates are multiplied by factors from its
            inverse to itself at most: how far they spread is drawn, too; 1
            for none.

    Returns:
        The mixture.

    Raises:
        ValueError: If a value is refused.
        DataNotFoundError: If data are not there and cannot be fetched.
    """
    count = checks.integer(
        "num_architectures", num_architectures, maximum=_MAX_ARCHITECTURES
    )
    checks.seed("architecture_seed", architecture_seed)
    checks.integer("max_parameters", max_parameters, 2 * _MIN_PARAMETERS)
    for name, factor in (
        ("loss_factor", loss_factor),
        ("parameter_factor", parameter_factor),
    ):
        if checks.number(name, factor, 1.0) > _MAX_FACTOR:
            raise ValueError(
                f"{name} must be at most {_MAX_FACTOR:g}; received {factor!r}."
            )
    accepted = [sampled_data.SYNTHETIC, *sampled_data.IMAGE_SIZES]
    is_list = isinstance(data, (list, tuple)) and len(data) > 0
    if not is_list or not all(name in accepted for name in data):
        raise ValueError(
            f"data must be a list of one or more of {accepted}; received "
            f"{data!r}."
        )
    problem = mixture.Mixture(
        [
            SampledTask(
                _draw(index, data, max_parameters, architecture_seed),
                split,
                loss_factor,
                parameter_factor,
            )
            for index in range(count)
        ]
    )
    problem.name = _NAME
    problem.options = {
        "num_architectures": count,
        "data": list(data),
        "max_parameters": max_parameters,
        "architecture_seed": architecture_seed,
        "loss_factor": loss_factor,
        "parameter_factor": parameter_factor,
    }
    return problem


def _draw(
    index: int, data: Sequence[str], max_parameters: int, seed: int
) -> Architecture:
    """Returns an architecture of a size in the range that is asked for."""
    rng = np.random.default_rng([seed, index])
    kind = _KINDS[index % len(_KINDS)]
    for _ in range(_MAX_TRIES):
        architecture = kind(rng, str(rng.choice(data)))
        if _MIN_PARAMETERS <= architecture.network.size <= max_parameters:
            return architecture
    raise ValueError(
        f"No {kind.__name__.strip('_')} of at most max_parameters="
        f"{max_parameters} was found; accepted: more of them."
    )


def _mlp(rng: np.random.Generator, data: str) -> Architecture:
    return _dense("MLP", _classes(rng, data), rng, data, 4)


def _regression(rng: np.random.Generator, data: str) -> Architecture:
    del data
    source = sampled_data.TeacherSource(
        (int(rng.integers(2, 17)),), int(rng.integers(1, 5)), False
    )
    return _dense("regression", source, rng, sampled_data.SYNTHETIC, 3)


def _autoencoder(rng: np.random.Generator, data: str) -> Architecture:
    source = _images(rng, data, str(rng.choice(["pixels", "coins"])))
    if source is None:
        # Without images, as many numbers are to be predicted from as many.
        size = int(rng.integers(8, 25))
        source = sampled_data.TeacherSource((size,), size, False)
    code = int(rng.integers(4, 17))
    outer = _widths(rng, int(rng.integers(0, 2)), code, 32)
    widths = [*outer, code, *reversed(outer)]
    return _of_widths(f"autoencoder, {data}", source, widths, rng)


def _convnet(rng: np.random.Generator, data: str) -> Architecture:
    source = _images(rng, data, "label")
    if source is None:
        return _mlp(rng, data)
    channels = _widths(rng, int(rng.integers(1, 4)), 4, 16)
    norm = _norm(rng)
    network = networks.convnet(source.shape, channels, source.num_outputs, norm)
    title = f"convnet {_listed(channels)}, {_said(norm)}, {data}"
    return _made(title, source, network, rng)


def _recurrent(rng: np.random.Generator, data: str) -> Architecture:
    source = _images(rng, data, "label")
    if source is None:
        shape = int(rng.integers(4, 11)), int(rng.integers(1, 7))
        is_classifier = bool(rng.integers(2))
        source = sampled_data.TeacherSource(
            shape, int(rng.integers(2, 6)), is_classifier
        )
    cell = str(rng.choice(networks.CELLS))
    units = int(rng.integers(6, 25))
    num_inputs = math.prod(source.shape[1:])
    network = networks.recurrent(num_inputs, units, source.num_outputs, cell)
    return _made(f"{cell} cells {units}, {data}", source, network, rng)


_KINDS: tuple[Callable[..., Architecture], ...] = (
    _mlp,
    _convnet,
    _autoencoder,
    _regression,
    _recurrent,
)


def _classes(rng: np.random.Generator, data: str) -> sampled_data.Source:
    return _images(rng, data, "label") or sampled_data.TeacherSource(
        (int(rng.integers(4, 33)),), int(rng.integers(2, 11)), True
    )


def _images(
    rng: np.random.Generator, data: str, target: str
) -> sampled_data.ImageSource | None:
    if data == sampled_data.SYNTHETIC:
        return None
    side = int(rng.choice(sampled_data.IMAGE_SIZES[data]))
    return sampled_data.ImageSource(data, side, target)


def _dense(
    kind: str,
    source: sampled_data.Source,
    rng: np.random.Generator,
    data: str,
    max_layers: int,
) -> Architecture:
    widths = _widths(rng, int(rng.integers(1, max_layers + 1)), 8, 48)
    return _of_widths(f"{kind}, {data}", source, widths, rng)


def _of_widths(
    title: str,
    source: sampled_data.Source,
    widths: Sequence[int],
    rng: np.random.Generator,
) -> Architecture:
    norm = _norm(rng)
    network = networks.mlp(
        math.prod(source.shape), widths, source.num_outputs, norm
    )
    title = f"{title}, layers {_listed(widths)}, {_said(norm)}"
    return _made(title, source, network, rng)


def _made(
    title: str,
    source: sampled_data.Source,
    network: networks.Layer,
    rng: np.random.Generator,
) -> Architecture:
    batch_size = int(rng.choice(_BATCH_SIZES))
    return Architecture(
        f"{title}, batches of {batch_size}", source, network, batch_size
    )


def _widths(
    rng: np.random.Generator, count: int, low: int, high: int
) -> list[int]:
    """Draws widths log-uniformly, some of them all alike."""
    draws = np.exp(rng.uniform(math.log(low), math.log(high), count))
    if rng.integers(2):
        draws[:] = draws[:1]
    return [int(round(width)) for width in draws]


def _norm(rng: np.random.Generator) -> str:
    """Draws a normalisation; half of the networks have none."""
    return str(rng.choice(networks.NORMALISATIONS, p=[0.5, 0.25, 0.25]))


def _listed(sizes: Sequence[Any]) -> str:
    return "-".join(map(str, sizes))


def _said(norm: str) -> str:
    return f"{'no' if norm == 'none' else norm} normalisation"
