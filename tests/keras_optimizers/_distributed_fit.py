"""Trains a model under a strategy, and saves its parameters.

python _distributed_fit.py STRATEGY OPTIMIZER OUTPUT [WORKER PORT PORT]
"""

import json
import os
import sys

STRATEGY, OPTIMIZER, OUTPUT, *WORKER = sys.argv[1:]
if WORKER:
    index, *ports = WORKER
    os.environ["TF_CONFIG"] = json.dumps(
        {
            "cluster": {"worker": [f"localhost:{port}" for port in ports]},
            "task": {"type": "worker", "index": int(index)},
        }
    )

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from l2l_tf import LearnedOptimizer  # noqa: E402

if STRATEGY == "mirrored":
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
# Before anything else of TensorFlow's: workers connect when it starts.
strategy = {
    "none": tf.distribute.get_strategy,
    "mirrored": lambda: tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]),
    "workers": tf.distribute.MultiWorkerMirroredStrategy,
}[STRATEGY]()

inputs = np.random.RandomState(0).randn(64, 5).astype("float32")
targets = (inputs[:, :1] > 0).astype("float32")
data = tf.data.Dataset.from_tensor_slices((inputs, targets)).batch(32).repeat()
options = tf.data.Options()
options.experimental_distribute.auto_shard_policy = (
    tf.data.experimental.AutoShardPolicy.DATA
)
keras.utils.set_random_seed(0)
with strategy.scope():
    model = keras.Sequential(
        [
            keras.Input([5]),
            keras.layers.Dense(4, activation="tanh"),
            keras.layers.Dense(1),
        ]
    )
    model.compile(
        keras.optimizers.Adam(1e-2)
        if OPTIMIZER == "adam"
        else LearnedOptimizer(OPTIMIZER, weight_decay=0.01),
        loss="mse",
    )
data = data.with_options(options)
if STRATEGY == "workers":
    # Keras 3's own fit does not run there (keras-team/keras, issue 20585).
    batches = iter(strategy.experimental_distribute_dataset(data))

    @tf.function
    def step(batch):
        strategy.run(_update, args=batch)

    def _update(inputs, targets):
        with tf.GradientTape() as tape:
            errors = model(inputs, training=True) - targets
            loss = tf.reduce_sum(errors**2) / 32
        variables = model.trainable_variables
        model.optimizer.apply(tape.gradient(loss, variables), variables)

    for _ in range(8):
        step(next(batches))
else:
    model.fit(data, epochs=2, steps_per_epoch=4, verbose=0)
np.savez(OUTPUT, *[v.numpy() for v in model.trainable_variables])
