"""How the tests run, and the fixtures that several test files share."""

import gc
import os
import pathlib
import sys

import pytest

# What a process of the tests needs at most, in bytes.
_MEMORY = 2 << 30


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Returns how many processes run tests: one per core this one may use."""
    del config
    cores = os.cpu_count()
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(cores, memory // _MEMORY))


def pytest_collection_modifyitems(items):
    """Starts with the slow files: at the end, no core waits for one of them."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish():
    """Spares modules and tests the search for garbage: they stay anyway."""
    gc.freeze()


@pytest.fixture(autouse=True)
def no_caching_device():
    """Undoes what TensorFlow's `map_fn` leaves behind when its body raises.

    It sets a device for all that follows in the process, with which no
    strategy's scope can be entered.
    """
    yield
    if "tensorflow" in sys.modules:
        scope = sys.modules["tensorflow"].compat.v1.get_variable_scope()
        scope._caching_device = None


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> pathlib.Path:
    """Returns the folder of a small exported rule, to be left as it is."""
    # Imported here, since the process that hands out tests needs no TensorFlow.
    from l2l_tf.rules import registry
    from l2l_tf.saving import saved_optimizer

    rule = registry.make_rule({"rule": "coordinatewise", "layers": [6, 5]})
    path = tmp_path_factory.mktemp("exported") / "small"
    return saved_optimizer.export(rule, path, {"problem": {"name": "none"}})
