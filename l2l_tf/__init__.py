"""Learned optimizers for TensorFlow and Keras.

The names below are imported when they are first used: a Keras user needs
neither Sonnet nor TensorFlow Datasets.
"""

import importlib

from l2l_tf.keras_optimizers import registration

_EXPORTS = {
    "LearnedOptimizer": "l2l_tf.keras_optimizers.learned_optimizer",
    "LearnedOptimizerMonitor": "l2l_tf.keras_optimizers.monitor",
    "from_images": "l2l_tf.problems.style_problems",
    "from_keras": "l2l_tf.problems.keras_model",
    "from_sonnet": "l2l_tf.problems.sonnet_model",
    "make_problem": "l2l_tf.problems.registry",
    "make_rule": "l2l_tf.rules.registry",
    "meta_train": "l2l_tf.meta_training.experiment",
}

__all__ = list(_EXPORTS)

registration.register()


def __getattr__(name: str):
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)
