"""Strategies by name: on all devices of a machine, or on several machines."""

from __future__ import annotations

import os
from collections.abc import Callable

import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.core import cluster as cluster_lib
from l2l_tf.core import distribution
from l2l_tf.core import registry

STRATEGIES: registry.Registry[
    Callable[[int | None], distribution.Distribution]
] = registry.Registry("strategy", "l2l_tf.core")
"""Called with a number of devices, or None; return what shares out work."""


def make(
    strategy: str | tf.distribute.Strategy | None = None,
    num_devices: int | None = None,
) -> distribution.Distribution:
    """Returns the replicas of a strategy.

    Call it before anything is computed: TensorFlow wants to know its devices
    first.

    Args:
        strategy: `"mirrored"` for the devices of this machine,
            `"multi_worker"` for several machines; a strategy of
            TensorFlow's; or None for one replica.
        num_devices: Devices to use, with a name; by default all GPUs, or the
            CPU where there is none. A CPU counts as several devices, if so
            many are asked for.

    Raises:
        ValueError: If there is no such strategy here.
    """
    if num_devices is not None:
        checks.integer("num_devices", num_devices)
    if isinstance(strategy, str):
        return STRATEGIES.get(strategy)(num_devices)
    if num_devices is not None:
        raise ValueError(
            "num_devices goes with strategy='mirrored'; received "
            f"num_devices={num_devices} and strategy={strategy!r}."
        )
    if tf.distribute.has_strategy():
        raise ValueError(
            "Leave the scope of the tf.distribute.Strategy, and pass it as "
            "strategy; it is entered where that is needed."
        )
    if strategy is None or isinstance(strategy, tf.distribute.Strategy):
        return distribution.Distribution(strategy)
    raise ValueError(
        f"strategy must be one of {STRATEGIES.names()} or a "
        f"tf.distribute.Strategy; received {strategy!r}."
    )


@STRATEGIES.register("mirrored")
def mirrored(num_devices: int | None) -> distribution.Distribution:
    """Returns the replicas on this machine's devices."""
    gpus = len(tf.config.list_physical_devices("GPU"))
    if gpus:
        kind, available = "GPU", gpus
    else:
        kind, available = "CPU", _logical_cpus(num_devices or 1)
    count = num_devices or available
    if count > available:
        raise ValueError(
            f"num_devices={count} is more than the {available} {kind}s that "
            "TensorFlow has here; make the strategy before anything is "
            "computed, or ask for fewer."
        )
    strategy = tf.distribute.MirroredStrategy(
        [f"{kind}:{index}" for index in range(count)]
    )
    return distribution.Distribution(strategy)


@STRATEGIES.register("multi_worker")
def multi_worker(num_devices: int | None) -> distribution.Distribution:
    """Returns the replicas on all machines that TF_CONFIG names.

    It waits for all of them.
    """
    if num_devices is not None:
        raise ValueError(
            "strategy='multi_worker' takes all devices of each worker; "
            f"received num_devices={num_devices}."
        )
    cluster = cluster_lib.read(os.environ.get(cluster_lib.TF_CONFIG))
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except (RuntimeError, tf.errors.OpError) as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise ValueError(
            "strategy='multi_worker' must be made before anything is "
            "computed, the problem included, on an address that is free: "
            f"{said}."
        ) from error
    return distribution.Distribution(strategy, cluster)


def _logical_cpus(wanted: int) -> int:
    """Returns how many there are, after making as many as possible."""
    cpu, *_ = tf.config.list_physical_devices("CPU")
    devices = [tf.config.LogicalDeviceConfiguration()] * wanted
    try:
        if wanted > 1:
            tf.config.set_logical_device_configuration(cpu, devices)
    except RuntimeError:
        pass  # TensorFlow has begun to compute: what there is has to do.
    return len(tf.config.list_logical_devices("CPU"))
