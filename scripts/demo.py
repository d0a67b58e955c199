"""Shows everything once: meta-train, export, compare, use in Keras.

Needs no data set and about four minutes on two cores.
"""

from __future__ import annotations

import pathlib
import re

import _command_line as command_line
import _flags as command_flags
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_string("output", "demo_output", "Folder to write to.")
command_flags.define_integer("num_epochs", 500, "Runs of meta-training.")

_KERAS_EPOCHS = 10
_ADAM_RATES = (0.001, 0.01, 0.1)


def main(argv: list[str]) -> None:
    """Runs the demonstration."""
    del argv
    command_line.check_at_least(1, "num_epochs")
    output = pathlib.Path(FLAGS.output)
    optimizer = _meta_train(output / "quadratic")
    curves = _compare(optimizer, output / "quadratic.png")
    digits = _train_in_keras(output / "digits.png", output / "digits")
    print(
        f"\nLearning curves:    {curves}"
        f"\nKeras on digits:    {digits}"
        f"\nSavedModel:         {optimizer}"
        f"\nTensorBoard:        tensorboard --logdir {output}"
    )


def _meta_train(save_path: pathlib.Path) -> pathlib.Path:
    print("1. Meta-training an LSTM on random quadratic functions", flush=True)
    from l2l_tf import make_problem
    from l2l_tf.meta_training import experiment

    return experiment.meta_train(
        make_problem("quadratic"),
        save_path,
        overwrite=True,
        num_epochs=FLAGS.num_epochs,
        learning_rate=0.01,
        learning_rate_schedule="cosine",
        evaluation_period=max(1, FLAGS.num_epochs // 10),
        evaluation_epochs=5,
        log_period=max(1, FLAGS.num_epochs // 10),
        profile=1,
    )


def _compare(optimizer: pathlib.Path, plot: pathlib.Path) -> pathlib.Path:
    print(
        "\n2. The exported optimizer on freshly drawn functions, beside "
        "hand-designed ones\n   at their best learning rates",
        flush=True,
    )
    from l2l_tf import make_problem
    from l2l_tf.evaluation import comparison
    from l2l_tf.evaluation import plotting
    from l2l_tf.rules import hand_designed
    from l2l_tf.saving import saved_optimizer

    results = comparison.compare(
        make_problem("quadratic"),
        "test",
        num_steps=100,
        num_runs=20,
        seed=1,
        learned={comparison.LEARNED: saved_optimizer.load(optimizer)},
        baselines=hand_designed.names(),
        search_runs=20,
    )
    print(comparison.table(results), flush=True)
    return plotting.save(plotting.comparison(results), plot)


def _train_in_keras(plot: pathlib.Path, logs: pathlib.Path) -> pathlib.Path:
    print(
        "\n3. A Keras classifier of handwritten digits with "
        'LearnedOptimizer("mnist"),\n   '
        "which needs no learning rate, beside Adam with three",
        flush=True,
    )
    import shutil

    import keras

    from l2l_tf import LearnedOptimizer
    from l2l_tf.evaluation import plotting
    from l2l_tf.problems import datasets as data

    digits = data.load("digits")
    optimizers = {'LearnedOptimizer("mnist")': LearnedOptimizer("mnist")} | {
        f"Adam({rate:g})": keras.optimizers.Adam(rate) for rate in _ADAM_RATES
    }
    shutil.rmtree(logs, ignore_errors=True)
    _describe_logs(logs)
    losses = {}
    print(f"{'optimizer':<26} {'loss':>8} {'test loss':>10} {'accuracy':>9}")
    for label, optimizer in optimizers.items():
        # The same start and the same minibatches for all.
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.layers.Rescaling(digits.train.scale),
                keras.layers.Flatten(),
                keras.layers.Dense(20, activation="sigmoid"),
                keras.layers.Dense(10, activation="softmax"),
            ]
        )
        model.compile(
            optimizer=optimizer,
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        history = model.fit(
            digits.train.images,
            digits.train.labels,
            batch_size=128,
            epochs=_KERAS_EPOCHS,
            validation_data=(
                digits.validation.images,
                digits.validation.labels,
            ),
            callbacks=_callbacks(logs, label, optimizer),
            verbose=0,
        )
        losses[label] = history.history["loss"]
        test_loss, accuracy = model.evaluate(
            digits.test.images, digits.test.labels, verbose=0
        )
        print(
            f"{label:<26} {losses[label][-1]:>8.4f} {test_loss:>10.4f} "
            f"{accuracy:>9.3f}",
            flush=True,
        )
    return plotting.save(
        plotting.history(losses, "training loss on digits"), plot
    )


def _describe_logs(logs: pathlib.Path) -> None:
    """Tells TensorBoard's HParams tab what is compared, and by what."""
    import tensorflow as tf
    from tensorboard.plugins.hparams import api as hparams

    with tf.summary.create_file_writer(str(logs)).as_default() as writer:
        hparams.hparams_config(
            [
                hparams.HParam("optimizer"),
                hparams.HParam("learning_rate", hparams.RealInterval(0.0, 1.0)),
            ],
            [
                hparams.Metric(
                    f"epoch_{name}", split, display_name=f"{split} {name}"
                )
                for split in ("train", "validation")
                for name in ("loss", "accuracy")
            ],
        )
        writer.close()


def _callbacks(logs: pathlib.Path, label: str, optimizer) -> list:
    """Returns Keras's callback for TensorBoard, and ours where it fits."""
    import keras
    import tensorflow as tf
    from tensorboard.plugins.hparams import api as hparams

    from l2l_tf import LearnedOptimizer
    from l2l_tf import LearnedOptimizerMonitor

    is_learned = isinstance(optimizer, LearnedOptimizer)
    folder = logs / re.sub(r"[^\w.]+", "-", label).strip("-")
    with tf.summary.create_file_writer(str(folder)).as_default() as writer:
        values = {
            "optimizer": type(optimizer).__name__,
            "learning_rate": float(optimizer.learning_rate),
        }
        hparams.hparams(values, trial_id=label)
        writer.close()
    # No graph: the tab opens with that of the meta-step.
    own = keras.callbacks.TensorBoard(
        folder, histogram_freq=1, write_graph=False
    )
    return [own, *([LearnedOptimizerMonitor(folder, 2)] if is_learned else [])]


if __name__ == "__main__":
    command_line.run(main)
