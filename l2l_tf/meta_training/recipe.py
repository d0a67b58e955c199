"""Recipes: how to train an optimizer in several stages.

A recipe is a JSON file, `{"stages": [...]}`, or a Python file that defines
`RECIPE` as such an object. A stage is an object as `Stage` describes it, or
`"RECIPE/STAGE"` for a stage of another recipe. Those of all bundled optimizers
lie in `recipes/`.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import runpy
from collections.abc import Mapping
from typing import Any

from l2l_tf.core import failures
from l2l_tf.core import files
from l2l_tf.core import registry

_FOLDER = pathlib.Path(__file__).resolve().parent / "recipes"


@dataclasses.dataclass(frozen=True)
class Stage:
    """One meta-training.

    Attributes:
        name: Its name: letters, digits, dots, dashes and underscores.
        problem: The problem's name.
        problem_options: The problem's options.
        rule: The rule's configuration; None for that of the stage or the
            optimizer that it starts from, or for what suits the problem.
        settings: See `l2l_tf.meta_training.settings.Settings`.
        start_from: The name of an earlier stage, or a saved optimizer, whose
            weights it starts from; None for fresh ones.
    """

    name: str
    problem: str
    problem_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    rule: Mapping[str, Any] | None = None
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    start_from: str | None = None


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Stages that are trained one after the other.

    Attributes:
        name: The recipe's name.
        stages: At least one; the last one's optimizer is the result.
        may_import: Whether its problems may be named `"module:function"`,
            which is imported: where the recipe is code itself.
    """

    name: str
    stages: tuple[Stage, ...]
    may_import: bool = False

    def to_json(self) -> dict[str, Any]:
        """Returns plain values, other recipes' stages written out."""
        stages = [dataclasses.asdict(stage) for stage in self.stages]
        return {"name": self.name, "stages": stages}


def names() -> list[str]:
    """Returns the names of the bundled recipes."""
    return sorted(file.stem for file in _FOLDER.glob("*.json"))


def load(name_or_path: str | os.PathLike, allow_python: bool = False) -> Recipe:
    """Reads a recipe.

    Args:
        name_or_path: The name of a bundled recipe, or the path of a file.
        allow_python: Whether a file that ends in `.py` is run.

    Returns:
        The recipe.

    Raises:
        ValueError: If there is none, or it is none; the stage and what is
            wrong with it are quoted.
    """
    if name_or_path in names():
        path = _FOLDER / f"{name_or_path}.json"
    else:
        path = pathlib.Path(name_or_path).expanduser()
    if not path.is_file():
        raise ValueError(
            f"There is no recipe {str(name_or_path)!r}; accepted: {names()}, "
            "or the path of a JSON or Python file."
        )
    if path.suffix == ".py":
        if not allow_python:
            raise ValueError(
                f"The recipe {str(path)!r} is a program; it is run where the "
                "command line names it only."
            )
        with failures.explained(f"The recipe {str(path)!r} fails"):
            values = runpy.run_path(str(path)).get("RECIPE")
    else:
        values = _read(path)
    return from_json(values, path.stem, may_import=path.suffix == ".py")


def from_json(values: Any, name: str, may_import: bool = False) -> Recipe:
    """Builds a recipe from plain values; see `load`.

    Args:
        values: `{"stages": [...]}`.
        name: What to call it.
        may_import: See `Recipe`.
    """
    owner = f"The recipe {name!r}"
    if not isinstance(values, Mapping) or "stages" not in values:
        raise ValueError(
            f'{owner} must be an object {{"stages": [...]}}; received '
            f"{values!r}."
        )
    registry.check_options(owner, values, ["name", "stages"])
    if not isinstance(values["stages"], (list, tuple)) or not values["stages"]:
        raise ValueError(
            f"{owner} must have a list of stages; received "
            f"{values['stages']!r}."
        )
    stages: list[Stage] = []
    for index, stage in enumerate(values["stages"], start=1):
        if isinstance(stage, str):
            made = _referred(owner, stage)
        else:
            made = _stage(f"Stage {index} of the recipe {name!r}", stage)
        if made.name in [other.name for other in stages]:
            raise ValueError(f"{owner} has two stages {made.name!r}.")
        stages.append(made)
    return Recipe(name, tuple(stages), may_import)


def _read(path: pathlib.Path) -> Any:
    try:
        return files.read_json(path.resolve())
    except (OSError, ValueError) as error:
        said = str(error).rstrip(".")
        raise ValueError(
            f"The recipe {str(path)!r} is not valid JSON: {said}."
        ) from error


def _referred(owner: str, text: str) -> Stage:
    recipe, _, name = text.rpartition("/")
    if recipe in names():
        # Its own references would make room for circles.
        for stage in _read(_FOLDER / f"{recipe}.json")["stages"]:
            if isinstance(stage, Mapping) and stage.get("name") == name:
                return _stage(f"Stage {text!r}", stage)
    raise ValueError(
        f"{owner} refers to a stage {text!r} that there is not; accepted: "
        "the name of a bundled recipe, a slash, and one of its own stages."
    )


def _stage(owner: str, values: Any) -> Stage:
    if not isinstance(values, Mapping):
        raise ValueError(
            f"{owner} must be an object, or 'RECIPE/STAGE'; received "
            f"{values!r}."
        )
    registry.check_options(
        owner, values, [field.name for field in dataclasses.fields(Stage)]
    )
    name = values.get("name")
    # It becomes the name of a folder.
    if not isinstance(name, str) or not re.fullmatch(
        r"[\w-][\w.-]{0,59}", name
    ):
        raise ValueError(
            f"{owner} needs a name of at most 60 letters, digits, dots, dashes "
            f"and underscores; received {name!r}."
        )
    for key, (kind, said) in _KINDS.items():
        if key in values and not isinstance(values[key], kind):
            raise ValueError(
                f"{owner}, {name!r}, must have {said} as {key}; received "
                f"{values[key]!r}."
            )
    if "problem" not in values:
        raise ValueError(f"{owner}, {name!r}, names no problem.")
    try:
        # JSON's own values, whatever a program may have made them of.
        return Stage(**files.plain(dict(values)))
    except TypeError as error:
        raise ValueError(f"{owner}, {name!r}, is no JSON: {error}.") from error


_KINDS = {
    "problem": (str, "text"),
    "problem_options": (Mapping, "an object"),
    "rule": ((Mapping, type(None)), "an object"),
    "settings": (Mapping, "an object"),
    "start_from": ((str, type(None)), "text"),
}
