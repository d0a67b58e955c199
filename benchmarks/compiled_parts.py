"""Times what XLA may compile of a run: nothing, the rule, or the whole loop.

  python benchmarks/compiled_parts.py

Prints a table for an MLP and one for the paper's convnet, and in both what is
chosen by `l2l_tf.core.compilation` for the device at hand: it should be within
10 % of the better of the other two. Data are random numbers. All variants
alternate in one process; JSON follows with the machine and versions.
"""

from __future__ import annotations

from unittest import mock

import _measure
from absl import app
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_list("networks", ["mlp", "convnet"], "Of mlp and convnet.")
flags.DEFINE_integer("num_steps", 20, "Steps per run.")
flags.DEFINE_integer("repetitions", 7, "Timed runs of each variant.")


def main(argv: list[str]) -> None:
    """Measures and prints."""
    del argv
    everything = {}
    for name in FLAGS.networks:
        variants = _variants({"mlp": _mlp, "convnet": _convnet}[name]())
        results = _measure.alternate(variants, FLAGS.repetitions)
        _measure.print_table(
            f"{name}: seconds per run of {FLAGS.num_steps} steps",
            results,
            "chosen",
        )
        seconds = {key: row["median_s"] for key, row in results.items()}
        best = min(seconds["the rule"], seconds["the whole loop"])
        print(f"chosen / better of the two: {seconds['chosen'] / best:.2f}")
        everything[name] = results
    _measure.print_json({"num_steps": FLAGS.num_steps, "seconds": everything})


def _variants(problem):
    """Returns functions of a run's index, each one learning curve."""
    from l2l_tf.core import compilation
    from l2l_tf.evaluation import learning_curves
    from l2l_tf.rules import registry

    rule = registry.make_rule(problem.default_rule(), problem.parameter_names)

    def record(jit_compile, favours_xla):
        with mock.patch.object(compilation, "favours_xla", favours_xla):
            recorder = learning_curves.Recorder(
                lambda rate: rule, problem, FLAGS.num_steps, jit_compile
            )
        return lambda index: recorder.curves(index, 1)

    return {
        "nothing": record(False, compilation.favours_xla),
        "the rule": record(True, lambda graph: False),
        "the whole loop": record(True, lambda graph: True),
        "chosen": record(True, compilation.favours_xla),
    }


def _mlp():
    from l2l_tf.problems import networks

    return _problem([28, 28, 1], networks.mlp([20], 10))


def _convnet():
    from l2l_tf.problems import convnet

    return _problem([32, 32, 3], convnet.convnet(10))


def _problem(image_shape, make_module):
    import numpy as np

    from l2l_tf.problems import sonnet_model

    rng = np.random.default_rng(0)
    images = rng.normal(size=[600, *image_shape]).astype("float32")
    return sonnet_model.from_sonnet(
        make_module,
        "sparse_categorical_crossentropy",
        (images, np.arange(600) % 10),
    )


if __name__ == "__main__":
    app.run(main)
