"""Bundled optimizers give the updates that they have always given."""

import numpy as np
import pytest

from tests.goldens import goldens

NAMES = goldens.names()


def test_every_bundled_optimizer_has_goldens():
    kept = goldens.read()
    assert set(kept["updates"]) == set(kept["made_on"]) == set(NAMES)
    steps = goldens.gradients()
    assert len(steps) == 4 and all(np.any(step == 0) for step in steps)
    sizes = np.abs(np.concatenate([step[step != 0] for step in steps]))
    assert sizes.min() < 1e-8 and sizes.max() > 10


@pytest.mark.parametrize("name", NAMES)
def test_updates_are_those_of_before(name):
    kept = goldens.read()
    expected = [goldens.from_hex(step) for step in kept["updates"][name]]
    found = goldens.updates(name, goldens.gradients())
    # Kernels for other processors sum in other orders.
    is_exact = kept["made_on"][name] == goldens.made_on()
    for update, golden in zip(found, expected, strict=True):
        scale = np.abs(golden).max()
        assert scale > 0
        tolerance = 0 if is_exact else 1e-6 * scale
        np.testing.assert_allclose(update, golden, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_graph_in_the_folder_gives_the_bits_of_the_loaded_rule(name):
    steps = goldens.gradients()
    for graph, rule in zip(
        goldens.graph_updates(name, steps),
        goldens.updates(name, steps),
        strict=True,
    ):
        np.testing.assert_array_equal(graph, rule)
