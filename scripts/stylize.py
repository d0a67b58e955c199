r"""Paints a photo in the style of a painting.

  python scripts/stylize.py --content=photo.jpg --style=great_wave \
      --output=styled.png

The picture's pixels are optimized for features of the photo and correlations
of features of the painting; --optimizer says by what.
"""

from __future__ import annotations

import math
import os

import _command_line as command_line
import _flags as command_flags
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_string("content", None, "The photo: a file of any common format.")
flags.DEFINE_string(
    "style",
    "starry_night",
    "The painting: starry_night, great_wave, or a file.",
)
flags.DEFINE_string(
    "output", None, "The file to write, .png or .jpg among others."
)
flags.DEFINE_string(
    "optimizer",
    "neural-art",
    "A learned optimizer: the name of a bundled one, or the path of a folder; "
    "or lbfgs, or adam, sgd, momentum, nag, rmsprop, adagrad, rprop.",
)
flags.DEFINE_float(
    "learning_rate", 0.05, "Learning rate of a hand-designed optimizer."
)
command_flags.define_integer(
    "size", 256, "The longer side of the picture, in pixels."
)
command_flags.define_integer(
    "steps", 128, "Updates; of lbfgs, evaluations of the loss."
)
flags.DEFINE_string(
    "features",
    "small",
    "What looks at the images: small, which comes along, or vgg19, whose "
    "weights are downloaded on first use.",
)
flags.DEFINE_float("content_weight", None, "How much the photo counts.")
flags.DEFINE_float("style_weight", None, "How much the painting counts.")
flags.DEFINE_float("smoothness_weight", None, "How much smoothness counts.")
flags.DEFINE_string(
    "start", "grey", "What to start from: grey, noise, content."
)
command_flags.define_integer("seed", 0, "Seed of the start.")
flags.DEFINE_bool(
    "side_by_side", False, "Show the photo and the painting beside the picture."
)

_LBFGS = "lbfgs"
_LBFGS_COPIES = 50
"""Numbers of 32 bits that L-BFGS keeps of each parameter."""

_CHUNK = 8
"""Updates between two looks at the progress bar."""


def main(argv: list[str]) -> None:
    """Paints as the flags say."""
    del argv
    import numpy as np
    import tqdm

    from l2l_tf.meta_training import problem_interface
    from l2l_tf.meta_training import rule_interface
    from l2l_tf.problems import images
    from l2l_tf.problems import paintings

    for name in ("content", "output"):
        if not FLAGS[name].value:
            raise command_line.UsageError(f"--{name} is missing; see --help.")
    command_line.check_at_least(1, "size", "steps")
    command_line.checked(images.check_suffix, FLAGS.output)
    command_line.check_output("output")
    for name in ("content", "style"):
        if os.path.realpath(FLAGS[name].value) == os.path.realpath(
            FLAGS.output
        ):
            raise command_line.UsageError(
                f"--output={FLAGS.output!r} is --{name} itself, which would "
                "be lost; choose another name."
            )
    content = command_line.checked(images.read, FLAGS.content)
    style = command_line.checked(paintings.read, FLAGS.style)
    rule = _rule()
    problem, content, style = _problem(content, style, rule)
    if rule is not None:
        params = command_line.checked(problem_interface.check, problem)
        command_line.checked(rule_interface.check, rule, params)
    height, width = content.shape[:2]
    beside = max(1, round(style.shape[1] * height / len(style)))
    if FLAGS.side_by_side:
        width += beside + width
    command_line.checked(images.check_sides, FLAGS.output, height, width)
    with tqdm.tqdm(total=FLAGS.steps, unit="step") as bar:
        recording = _record(problem, rule, bar.update)
    losses = recording.losses[0]
    print(f"Loss: {losses[0]:.4g} at first, {losses[-1]:.4g} in the end")
    if not math.isfinite(losses[-1]):
        raise command_line.UsageError(
            f"--optimizer={FLAGS.optimizer} diverges here; choose another one, "
            "or of a hand-designed one a smaller --learning_rate."
        )
    [picture] = images.to_pixels(recording.params[0])
    if FLAGS.side_by_side:
        style = images.resize(style, height, beside)
        picture = np.concatenate([content, style, picture], axis=1)
    written = command_line.checked(images.write, FLAGS.output, picture)
    print(f"Picture: {written}")


def _rule():
    """Returns the rule that --optimizer asks for, None for L-BFGS."""
    from l2l_tf.rules import hand_designed
    from l2l_tf.rules import registry
    from l2l_tf.saving import saved_optimizer

    name = FLAGS.optimizer
    if name not in hand_designed.names() and FLAGS["learning_rate"].present:
        raise command_line.UsageError(
            "--learning_rate is for hand-designed optimizers; "
            f"--optimizer={name} chooses its own step sizes."
        )
    if name == _LBFGS:
        return None
    if name in hand_designed.names():
        if not 0 < FLAGS.learning_rate < math.inf:
            raise command_line.UsageError(
                f"--learning_rate must be above 0; received "
                f"{FLAGS.learning_rate}."
            )
        return registry.RULES.get(name)(FLAGS.learning_rate)
    try:
        return saved_optimizer.load(name, ["image"])
    except ValueError as error:
        raise command_line.UsageError(
            f"--optimizer={name} is neither lbfgs, nor one of "
            f"{', '.join(hand_designed.names())}, nor a learned one: {error}"
        ) from error


def _problem(content, style, rule):
    """Returns the problem, and the photo and the painting as it has them."""
    from l2l_tf.problems import feature_networks
    from l2l_tf.problems import images
    from l2l_tf.problems import style_problems

    network = command_line.checked(feature_networks.load, FLAGS.features)
    height, width = images.fitted(content.shape[:2], FLAGS.size)
    # The painting's features are computed once, and stay until they are summed.
    features = network.memory(height, width) + network.memory(
        *images.fitted(style.shape[:2], FLAGS.size)
    )
    _check_memory(height, width, features, rule)
    content = images.resize(content, height, width)
    style = images.fit(style, FLAGS.size)
    problem = command_line.checked(
        style_problems.from_pair,
        content,
        style,
        features=FLAGS.features,
        start=FLAGS.start,
        content_weight=FLAGS.content_weight,
        style_weight=FLAGS.style_weight,
        smoothness_weight=FLAGS.smoothness_weight,
    )
    return problem, content, style


def _check_memory(height: int, width: int, features: int, rule) -> None:
    """Refuses a picture that does not fit, before anything is allocated."""
    import tensorflow as tf

    from l2l_tf.keras_optimizers import memory

    numbers = 3 * height * width * _LBFGS_COPIES
    if rule is not None:
        image = tf.TensorSpec([height, width, 3])
        state = tf.function(
            rule.initial_state, autograph=False
        ).get_concrete_function([image])
        # Before and after a step, and as much on the way.
        numbers = 3 * sum(
            spec.shape.num_elements()
            for spec in tf.nest.flatten(state.structured_outputs)
        )
    needed, available = features + 4 * numbers, memory.available_bytes()
    if available is not None and needed > available:
        gib = 2.0**30
        raise command_line.UsageError(
            f"A picture of {width} x {height} pixels needs some "
            f"{needed / gib:.1f} GiB ({features / gib:.1f} for features, "
            f"{4 * numbers / gib:.1f} for --optimizer={FLAGS.optimizer}); "
            f"{available / gib:.1f} GiB are available. Choose a smaller --size."
        )


def _record(problem, rule, progress):
    """Returns a recording of one run, its parameters included."""
    from l2l_tf.evaluation import learning_curves
    from l2l_tf.evaluation import quasi_newton
    from l2l_tf.rules import hand_designed

    if rule is None:
        return quasi_newton.record(
            problem, FLAGS.steps, FLAGS.seed, num_runs=1, progress=progress
        )
    recorder = learning_curves.Recorder(
        lambda rate: rule,
        problem,
        FLAGS.steps,
        jit_compile=FLAGS.optimizer not in hand_designed.names(),
        chunk=_CHUNK,
    )
    return recorder.record(
        FLAGS.seed, num_runs=1, keep_params=True, progress=progress
    )


if __name__ == "__main__":
    command_line.run(main)
