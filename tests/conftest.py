"""Fixtures that several test files share."""

import pathlib

import pytest

from l2l_tf.rules import registry
from l2l_tf.saving import saved_optimizer


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> pathlib.Path:
    """Returns the folder of a small exported rule, to be left as it is."""
    rule = registry.make_rule({"rule": "coordinatewise", "layers": [6, 5]})
    path = tmp_path_factory.mktemp("exported") / "small"
    return saved_optimizer.export(rule, path, {"problem": {"name": "none"}})
