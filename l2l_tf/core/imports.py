"""Modules of the user's own, imported by name."""

from __future__ import annotations

import importlib
import types

from l2l_tf.core import failures


def of_user(name: str, purpose: str) -> types.ModuleType:
    """Imports a module that the user names.

    Args:
        name: `"package.module"`.
        purpose: What it is needed for, for messages.

    Returns:
        The module.

    Raises:
        ValueError: If this is no module's name, there is no such module, or it
            fails. A module that it imports itself, and that is missing, is
            told by Python.
    """
    if not all(part.isidentifier() for part in name.split(".")):
        raise ValueError(
            f"A module is named package.module; received {name!r} for "
            f"{purpose}."
        )
    try:
        with failures.explained(
            f"The module {name!r} for {purpose} fails", ModuleNotFoundError
        ):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise
        raise ValueError(
            f"There is no module {error.name!r} for {purpose}, neither "
            "installed nor in a folder that Python imports from."
        ) from error
