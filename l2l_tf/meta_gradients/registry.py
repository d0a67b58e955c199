"""Estimators of the meta-gradient by name."""

from __future__ import annotations

from l2l_tf.core import registry

ESTIMATORS = registry.Registry(
    "meta_gradient",
    "l2l_tf.meta_gradients",
    registry.OF_YOUR_OWN,
)
"""Classes of `l2l_tf.meta_gradients.base.Estimator`."""
