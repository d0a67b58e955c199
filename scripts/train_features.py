"""Trains the small network whose features tell content and style of images.

  python scripts/train_features.py --save_path=runs/features

A classifier of CIFAR-10. Run again with the same flags, an interrupted training
continues. The weights go to --output, what tells of them beside it.
"""

from __future__ import annotations

import pathlib
import platform
import shlex
import sys
import time

import _command_line as command_line
import _flags as command_flags
from absl import flags

FLAGS = flags.FLAGS

command_flags.define_integer(
    "num_epochs", 8, "Passes over the training images."
)
command_flags.define_integer("batch_size", 128, "Images per update.")
flags.DEFINE_float("peak_rate", 0.1, "Greatest learning rate of the cycle.")
command_flags.define_integer("seed", 0, "Seed of all randomness.")
flags.DEFINE_string(
    "dataset",
    "cifar10",
    "What to classify: an image classification set of TensorFlow Datasets "
    "with three channels.",
)
flags.DEFINE_string(
    "data_note", "", "What to say of the data in the metadata, if anything."
)
flags.DEFINE_string("save_path", "runs/features", "Folder of checkpoints.")
flags.DEFINE_string(
    "output",
    None,
    "The file for the weights, .npz. Default: weights.npz in SAVE_PATH.",
)
command_flags.define_integer(
    "checkpoint_period", 50, "Updates between checkpoints."
)
flags.DEFINE_string("data_dir", None, "Folder of prepared TFDS data sets.")


def main(argv: list[str]) -> None:
    """Trains as the flags say."""
    del argv
    import numpy as np
    import tensorflow as tf

    from l2l_tf.core import files
    from l2l_tf.problems import datasets
    from l2l_tf.problems import feature_training
    from l2l_tf.problems import small_features

    command_line.check_at_least(
        1, "num_epochs", "batch_size", "checkpoint_period"
    )
    command_line.check_at_least(0, "seed")
    command_line.check_output("output")
    command_line.set_data_dir(FLAGS.data_dir)
    data = command_line.checked(datasets.load, FLAGS.dataset)
    train = data.train._replace(
        images=np.concatenate([data.train.images, data.validation.images]),
        labels=np.concatenate([data.train.labels, data.validation.labels]),
    )
    per_epoch = len(train.labels) // FLAGS.batch_size
    if per_epoch == 0:
        raise command_line.UsageError(
            f"--batch_size must be at most {len(train.labels)}, the number of "
            f"training images; received {FLAGS.batch_size}."
        )
    plan = feature_training.Plan(
        FLAGS.num_epochs * per_epoch,
        FLAGS.batch_size,
        FLAGS.peak_rate,
        FLAGS.seed,
    )
    training = feature_training.Training(train, data.num_classes, plan)
    folder = pathlib.Path(FLAGS.save_path).expanduser()
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(training=training), str(folder), max_to_keep=2
    )
    manager.restore_or_initialize()
    if training.step > 0:
        print(f"Continues at step {int(training.step)}.", flush=True)
    began, losses = time.perf_counter(), []
    while (step := int(training.step)) < plan.num_steps:
        losses.append(training.advance())
        if (step + 1) % FLAGS.checkpoint_period == 0:
            manager.save(step + 1)
        if (step + 1) % 50 == 0:
            print(
                f"step {step + 1}/{plan.num_steps}  loss "
                f"{sum(losses) / len(losses):.3f}  "
                f"{time.perf_counter() - began:.0f} s",
                flush=True,
            )
            losses.clear()
    output = small_features.write(
        FLAGS.output or folder / "weights.npz", training.weights()
    )
    accuracy = feature_training.accuracy(small_features.read(output), data.test)
    files.write_json(
        output.with_suffix(".json"),
        {
            "channels": small_features.CHANNELS,
            "dataset": FLAGS.dataset,
            "data_note": FLAGS.data_note,
            "test_accuracy": accuracy,
            "training": plan._asdict(),
            "num_epochs": FLAGS.num_epochs,
            "command": shlex.join(["python", *sys.argv]),
            "sha256": files.sha256(output, output.stat().st_size),
            "versions": {
                "python": platform.python_version(),
                "tensorflow": tf.__version__,
                "numpy": np.__version__,
            },
        },
    )
    print(f"Test accuracy: {accuracy:.4f}\nWeights: {output}")


if __name__ == "__main__":
    command_line.run(main)
