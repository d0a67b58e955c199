"""What an experiment computes, kept as plain values in its folder."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import reprlib
from collections.abc import Mapping
from typing import Any

from l2l_tf.core import files
from l2l_tf.core import folders
from l2l_tf.core import registry
from l2l_tf.meta_training import locking
from l2l_tf.meta_training import replacement
from l2l_tf.meta_training import settings as settings_lib
from l2l_tf.rules import registry as rules

RECIPE = "recipe.json"
_CONFIG = "config.json"
# What training reads and writes in the folder.
_PLACES = (
    (_CONFIG, pathlib.Path.is_file, "file"),
    ("checkpoints", pathlib.Path.is_dir, "folder"),
    ("checkpoints/checkpoint", pathlib.Path.is_file, "file"),
    ("logs", pathlib.Path.is_dir, "folder"),
    ("optimizer", pathlib.Path.is_dir, "folder"),
)
# Everything else decides what phi becomes.
_MAY_CHANGE = (
    "command",
    "settings.num_epochs",
    "settings.log_period",
    "settings.patience",
    "settings.max_skips_in_a_row",
)


@dataclasses.dataclass(frozen=True)
class Config:
    """All that decides what an experiment computes.

    Attributes:
        problem: `{"name": ..., "options": {...}}`.
        rule: The rule's configuration.
        settings: How it is trained.
        initial_optimizer: The saved optimizer whose weights training starts
            from; None for fresh ones.
        command: The command that began the experiment.
        recipe: The recipe that the experiment is the last stage of, or
            `"RECIPE/STAGE"` for an earlier one; None outside of recipes.
    """

    problem: Mapping[str, Any]
    rule: Mapping[str, Any]
    settings: settings_lib.Settings
    initial_optimizer: str | None = None
    command: str = ""
    recipe: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns plain values."""
        return files.plain(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Config:
        """Undoes `to_json`.

        Raises:
            ValueError: If the values are not those of a configuration.
        """
        _check_fields("The configuration", values, _FIELDS)
        _check_fields("Its problem", values["problem"], _PROBLEM_FIELDS)
        settings = settings_lib.make(values["settings"])
        return cls(**{**values, "settings": settings})


_TEXT = (str, type(None))
# For each field, the types it may have; None in place of what may be absent.
_FIELDS = {
    "problem": (Mapping,),
    "rule": (Mapping,),
    "settings": (Mapping,),
    "initial_optimizer": _TEXT,
    "command": _TEXT,
    "recipe": _TEXT,
}
_PROBLEM_FIELDS = {"name": (str,), "options": (Mapping,)}


def _check_fields(
    owner: str, values: Any, fields: Mapping[str, tuple[type, ...]]
) -> None:
    if not isinstance(values, Mapping):
        raise ValueError(f"{owner} is no object: {reprlib.repr(values)}")
    registry.check_options(owner, values, list(fields))
    for name, types in fields.items():
        if not isinstance(values.get(name), types):
            raise ValueError(
                f"{owner} has an unusable {name!r}: "
                f"{reprlib.repr(values.get(name))}"
            )


def check_folder(
    save_path: str | os.PathLike, resume: bool, overwrite: bool
) -> None:
    """Makes sure that nothing saved is lost by accident.

    Nothing is changed, but for what was left by a process that was killed while
    it replaced the folder.

    Args:
        save_path: The experiment's folder.
        resume: Whether an experiment in it is to be continued.
        overwrite: Whether an experiment in it is to be replaced.

    Raises:
        FileExistsError: If the folder is in use and neither is asked for, or
            if it holds something else.
        ValueError: If both are asked for, or no folder can be made there.
    """
    path = pathlib.Path(save_path).expanduser()
    if resume and overwrite:
        raise ValueError("resume=True and overwrite=True exclude each other.")
    if not os.path.isfile(path):
        folders.check_place("save_path", save_path)
    replacement.mend(path)
    if not path.exists():
        return
    if not (resume or overwrite):
        raise FileExistsError(
            f"save_path={str(save_path)!r} exists; continue it with "
            "resume=True, replace it with overwrite=True, or choose another "
            "path."
        )
    for name, is_kind, kind in _PLACES if resume else ():
        place = path / name
        if os.path.lexists(place) and not is_kind(place):
            raise FileExistsError(
                f"In save_path={str(save_path)!r}, {name!r} is no {kind}; move "
                "it away, or choose another path."
            )
    is_ours = path.is_dir() and (
        (path / "checkpoints").is_dir()
        or (path / _CONFIG).is_file()
        or (path / RECIPE).is_file()
        or not locking.holds_anything(path)
    )
    if not is_ours:
        raise FileExistsError(
            f"save_path={str(save_path)!r} holds something else than an "
            "experiment; choose another path."
        )
    here = pathlib.Path.cwd()
    if overwrite and replacement.resolved(path) in (here, *here.parents):
        raise ValueError(
            f"save_path={str(save_path)!r} is the working directory, or the "
            "working directory lies in it: it is replaced from elsewhere only."
        )


def write_config(save_path: str | os.PathLike, config: Config) -> None:
    """Keeps the configuration of the experiment in a folder."""
    path = pathlib.Path(save_path).expanduser()
    files.write_json(path / _CONFIG, config.to_json())


def read_config(save_path: str | os.PathLike) -> Config | None:
    """Returns the configuration of the experiment in a folder, if any.

    Raises:
        ValueError: If there is one that cannot be read.
    """
    file = pathlib.Path(save_path).expanduser() / _CONFIG
    if not os.path.lexists(file):
        return None
    try:
        return Config.from_json(files.read_json(file.resolve()))
    except (OSError, ValueError) as error:
        said = str(error).rstrip(".")
        raise ValueError(
            f"{file} is not the configuration of an experiment: {said}."
        ) from error


def continued(saved: Config, asked: Config) -> Config:
    """Returns the configuration that an experiment is continued with.

    Args:
        saved: The configuration in the folder.
        asked: The one to continue with; it may train longer.

    Raises:
        ValueError: If anything else differs.
    """
    if asked.settings.num_lanes is None:
        # Not asked for: as the experiment began, on whatever machine.
        settings = dataclasses.replace(
            asked.settings, num_lanes=saved.settings.num_lanes
        )
        asked = dataclasses.replace(asked, settings=settings)
    may_change = set(_MAY_CHANGE)
    if saved.settings.num_lanes is None:
        may_change.add("settings.num_lanes")
    if saved.settings.learning_rate_schedule == "cosine":
        # The rate would jump: the schedule ends with the last run.
        may_change.remove("settings.num_epochs")
    old, new = (_flatten(_complete(config)) for config in (saved, asked))
    changed = [
        f"{key} was {old.get(key)!r}, now {new.get(key)!r}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and key not in may_change
    ]
    if changed:
        raise ValueError(
            "An experiment is resumed with the settings it began with; "
            f"changed: {'; '.join(changed)}."
        )
    return asked


def _complete(config: Config) -> dict[str, Any]:
    """Returns plain values, with options that the rule got since then."""
    rule = rules.make_rule(config.rule).config()
    return dataclasses.replace(config, rule=rule).to_json()


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
