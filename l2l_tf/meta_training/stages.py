"""Training in the stages of a recipe, one folder for each.

save_path/recipe.json    the recipe
save_path/1-name/        the first stage's experiment, and so on
save_path/optimizer/     what the last stage gave
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Iterator

from l2l_tf.core import distribution as distribution_lib
from l2l_tf.core import files
from l2l_tf.meta_training import config as config_lib
from l2l_tf.meta_training import event_log
from l2l_tf.meta_training import experiment as experiment_lib
from l2l_tf.meta_training import locking
from l2l_tf.meta_training import preparation
from l2l_tf.meta_training import recipe as recipe_lib
from l2l_tf.meta_training import replacement
from l2l_tf.meta_training import settings as settings_lib
from l2l_tf.problems import base as problems
from l2l_tf.problems import registry
from l2l_tf.rules import registry as rules
from l2l_tf.saving import metadata


@dataclasses.dataclass(frozen=True)
class Planned:
    """A stage that can be trained, as soon as those before it are.

    Attributes:
        folder: The experiment's folder.
        problem: The problem.
        config: What to train, and how.
    """

    folder: pathlib.Path
    problem: problems.Family
    config: config_lib.Config


class Training:
    """Trains the stages of a recipe that are not done yet."""

    def __init__(
        self,
        recipe: recipe_lib.Recipe,
        save_path: str | os.PathLike,
        resume: bool = False,
        overwrite: bool = False,
        command: str = "",
        distribution: distribution_lib.Distribution | None = None,
    ):
        """Checks all stages, before the first begins; writes nothing.

        Args:
            recipe: The recipe.
            save_path: The folder.
            resume: Whether to go on in the folder, between stages or within
                one.
            overwrite: Whether to replace what is in it.
            command: The command that does this, for the metadata.
            distribution: The replicas that share out the work; one by
                default.

        Raises:
            ValueError: If any stage makes no sense, or if the folder holds
                another recipe.
            FileExistsError: If the folder is in use.
        """
        self._path = pathlib.Path(save_path).expanduser()
        self._recipe = recipe
        self._overwrite = overwrite
        self._distribution = distribution or distribution_lib.Distribution()
        if self._distribution.is_chief:
            config_lib.check_folder(self._path, resume, overwrite)
        if resume:
            _check_same(recipe, self._path)
        self._stages = plan(recipe, self._path, command, self._distribution)
        if resume:
            self._stages = [_continued(stage) for stage in self._stages]

    def run(
        self,
        test_runs: int = 0,
        log: event_log.Log = event_log.Log(),  # noqa: B008
    ) -> pathlib.Path:
        """Trains to the end.

        Args:
            test_runs: Test runs of the last stage, see
                `l2l_tf.meta_training.experiment.Experiment.export`.
            log: What is written for TensorBoard, of each stage as a run of its
                own.

        Returns:
            The folder of the last stage's optimizer.
        """
        target = self._path / "optimizer"

        def has_begun():
            return any(stage.folder.exists() for stage in self._stages)

        is_chief = self._distribution.is_chief
        with replacement.taken(
            self._path, self._overwrite, has_begun, is_chief
        ):
            if is_chief:
                files.write_json(
                    self._path / config_lib.RECIPE, self._recipe.to_json()
                )
            for stage in self._stages[:-1]:
                if self._holds_optimizer(stage.folder / "optimizer"):
                    print(f"Stage {stage.folder.name} is done.", flush=True)
                else:
                    experiment_lib.run(self._experiment(stage), log=log)
            if not self._holds_optimizer(target):
                last = self._experiment(self._stages[-1])
                experiment_lib.run(last, log=log)
                last.export(target, test_runs, overwrite=True)
        return target

    def _experiment(self, stage: Planned) -> experiment_lib.Experiment:
        print(f"Stage {stage.folder.name}:", flush=True)
        return experiment_lib.Experiment(
            stage.folder, stage.problem, stage.config, self._distribution
        )

    def _holds_optimizer(self, folder: pathlib.Path) -> bool:
        """Returns whether the chief's process sees one there."""
        is_there = (folder / metadata.METADATA).is_file()
        return self._distribution.any(self._distribution.is_chief and is_there)


def plan(
    recipe: recipe_lib.Recipe,
    save_path: pathlib.Path,
    command: str = "",
    distribution: distribution_lib.Distribution | None = None,
) -> list[Planned]:
    """Checks all stages, as far as that is possible before the first is done.

    Args:
        recipe: The recipe.
        save_path: The folder.
        command: For the metadata.
        distribution: The replicas that share out the work; one by default.

    Returns:
        The stages, in order.

    Raises:
        ValueError: If one makes no sense; it is quoted.
    """
    planned: dict[str, Planned] = {}
    last = recipe.stages[-1]
    for number, stage in enumerate(recipe.stages, start=1):
        with _explained(recipe, stage):
            problem = registry.from_options(
                stage.problem,
                stage.problem_options,
                may_import=recipe.may_import,
            )
            settings = settings_lib.make(stage.settings)
            start, rule = stage.start_from, None
            if stage.rule is not None:
                rule = preparation.suited_rule(stage.rule, problem)
            if start in planned:
                source = planned[start]
                start = str(source.folder / "optimizer")
                rule = rule or source.config.rule
                start_rule = source.config.rule
            elif start is not None:
                start_rule = metadata.read(start)["rule"]
                rule = rule or start_rule
            rule = preparation.complete_rule(rule, problem, seed=settings.seed)
            if start is not None:
                preparation.start_weights(
                    start, rules.make_rule(start_rule), rules.make_rule(rule)
                )
            of_recipe = (
                recipe.name if stage is last else f"{recipe.name}/{stage.name}"
            )
            config = config_lib.Config(
                problem.config(), rule, settings, start, command, of_recipe
            )
            preparation.make_trainer(problem, config, distribution)
        planned[stage.name] = Planned(
            save_path / f"{number}-{stage.name}", problem, config
        )
    return list(planned.values())


@contextlib.contextmanager
def _explained(
    recipe: recipe_lib.Recipe, stage: recipe_lib.Stage
) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(
            f"Stage {stage.name!r} of the recipe {recipe.name!r}: {error}"
        ) from error


def _continued(stage: Planned) -> Planned:
    config_lib.check_folder(stage.folder, resume=True, overwrite=False)
    saved = config_lib.read_config(stage.folder)
    if saved is None:
        return stage
    # The folder, and so what it starts from, may have been moved.
    start = stage.config.initial_optimizer
    saved = dataclasses.replace(saved, initial_optimizer=start)
    config = config_lib.continued(saved, stage.config)
    return dataclasses.replace(stage, config=config)


def _check_same(recipe: recipe_lib.Recipe, path: pathlib.Path) -> None:
    file = path / config_lib.RECIPE
    if not file.is_file():
        if path.is_dir() and locking.holds_anything(path):
            raise ValueError(
                f"save_path={str(path)!r} holds no recipe's stages; choose "
                "another path."
            )
        return
    try:
        values = files.read_json(file.resolve())
    except (OSError, ValueError) as error:
        raise ValueError(f"{file} is not a recipe: {error}.") from error
    if values != recipe.to_json():
        raise ValueError(
            f"{file} is not the recipe {recipe.name!r} as it is now; a recipe "
            "is resumed as it began, or begun in another save_path."
        )
