"""What an experiment computes, kept as plain values in its folder."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Mapping
from typing import Any

from l2l_tf.core import files
from l2l_tf.meta_training import settings as settings_lib

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
    """

    problem: Mapping[str, Any]
    rule: Mapping[str, Any]
    settings: settings_lib.Settings
    initial_optimizer: str | None = None
    command: str = ""

    def to_json(self) -> dict[str, Any]:
        """Returns plain values."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Config:
        """Undoes `to_json`."""
        for key in ("problem", "rule", "settings"):
            if not isinstance(values[key], Mapping):
                raise ValueError(f"{key!r} is no object: {values[key]!r}")
        settings = settings_lib.Settings(**values["settings"])
        return cls(**{**values, "settings": settings})


def check_folder(
    save_path: str | os.PathLike, resume: bool, overwrite: bool
) -> None:
    """Makes sure that nothing saved is lost by accident; changes nothing.

    Args:
        save_path: The experiment's folder.
        resume: Whether an experiment in it is to be continued.
        overwrite: Whether an experiment in it is to be replaced.

    Raises:
        FileExistsError: If the folder is in use and neither is asked for, or
            if it holds something else.
        ValueError: If both are asked for.
    """
    path = pathlib.Path(save_path).expanduser()
    if resume and overwrite:
        raise ValueError("--resume and --overwrite exclude each other.")
    if not path.exists():
        return
    if not (resume or overwrite):
        raise FileExistsError(
            f"--save_path={str(save_path)!r} exists; continue it with "
            "--resume, replace it with --overwrite, or choose another path."
        )
    is_ours = path.is_dir() and (
        (path / "checkpoints").is_dir()
        or _file(path).is_file()
        or not any(path.iterdir())
    )
    if not is_ours:
        raise FileExistsError(
            f"--save_path={str(save_path)!r} holds something else than an "
            "experiment; choose another path."
        )


def remove_folder(save_path: str | os.PathLike) -> None:
    """Removes an experiment that is replaced, if there is one."""
    path = pathlib.Path(save_path).expanduser()
    if path.exists():
        # Out of the way at once: half an experiment is of no use to anyone.
        aside = tempfile.mkdtemp(prefix=f".{path.name}-old-", dir=path.parent)
        os.rename(path, pathlib.Path(aside) / path.name)
        shutil.rmtree(aside)


def write_config(save_path: str | os.PathLike, config: Config) -> None:
    """Keeps the configuration of the experiment in a folder."""
    files.write_json(_file(save_path), config.to_json())


def read_config(save_path: str | os.PathLike) -> Config | None:
    """Returns the configuration of the experiment in a folder, if any.

    Raises:
        ValueError: If there is one that cannot be read.
    """
    file = _file(save_path)
    if not file.is_file():
        return None
    try:
        return Config.from_json(json.loads(file.read_text()))
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{file} is not the configuration of an experiment: {error}."
        ) from error


def check_same(saved: Config, asked: Config) -> None:
    """Refuses to continue an experiment as a different one.

    Args:
        saved: The configuration in the folder.
        asked: The one to continue with; it may train longer.

    Raises:
        ValueError: If anything else differs.
    """
    old, new = (_flatten(config.to_json()) for config in (saved, asked))
    may_change = set(_MAY_CHANGE)
    if saved.settings.learning_rate_schedule == "cosine":
        # The rate would jump: the schedule ends with the last epoch.
        may_change.remove("settings.num_epochs")
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


def _file(save_path: str | os.PathLike) -> pathlib.Path:
    return pathlib.Path(save_path).expanduser() / "config.json"


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
