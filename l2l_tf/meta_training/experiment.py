"""A meta-training experiment in a folder: checkpoints, resuming, export.

save_path/config.json    what is trained, and how
save_path/checkpoints/   the last three states of training
save_path/optimizer/     the best rule, as a SavedModel with metadata
save_path/.lock          keeps a second training out
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import pathlib
import platform
import time
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.evaluation import comparison
from l2l_tf.meta_training import config as config_lib
from l2l_tf.meta_training import locking
from l2l_tf.meta_training import reporting
from l2l_tf.meta_training import settings as settings_lib
from l2l_tf.meta_training import trainer as meta_training
from l2l_tf.problems import base as problems
from l2l_tf.rules import base as rules
from l2l_tf.rules import hand_designed
from l2l_tf.rules import registry
from l2l_tf.saving import metadata as metadata_lib
from l2l_tf.saving import saved_optimizer

BASELINES = tuple(hand_designed.names())

_KEPT_CHECKPOINTS = 3
_CHECKPOINT_SECONDS = 60.0


class Experiment:
    """Trains one rule on one problem, and keeps it in a folder."""

    def __init__(
        self,
        save_path: str | os.PathLike,
        problem: problems.Problem,
        config: config_lib.Config,
    ):
        """Builds the rule and the trainer; writes nothing.

        Args:
            save_path: The folder.
            problem: The problem that `config.problem` describes.
            config: What to train, and how.
        """
        self.path = pathlib.Path(save_path).expanduser()
        self.problem = problem
        self.config = dataclasses.replace(
            config, settings=config.settings.resolved()
        )
        self.trainer = make_trainer(problem, self.config)
        self.rule = self.trainer.rule
        self._earlier_commands: list[str] = []
        if config.initial_optimizer is not None:
            self._start_from(config.initial_optimizer)
        self._checkpoint = tf.train.Checkpoint(**self.trainer.checkpointable())

    def restore(self) -> bool:
        """Continues from the last checkpoint; returns whether there is one.

        Raises:
            MetaTrainingError: If there are checkpoints but none can be read.
        """
        # By their names, not by the file that lists them: all may be damaged.
        found = sorted(
            (
                file
                for file in (self.path / "checkpoints").glob("ckpt-*.index")
                if file.stem.removeprefix("ckpt-").isdecimal()
            ),
            key=lambda file: int(file.stem.removeprefix("ckpt-")),
        )
        errors = []
        for file in reversed(found):
            try:
                status = self._checkpoint.restore(str(file.with_suffix("")))
                status.assert_consumed()
                return True
            except (tf.errors.OpError, IndexError, ValueError) as error:
                errors.append(str(error).splitlines()[0])
            except AssertionError as error:
                errors.append(f"holds other variables: {error}".splitlines()[0])
        if errors:
            raise meta_training.MetaTrainingError(
                f"No checkpoint in {self.path / 'checkpoints'} can be read: "
                f"{'; '.join(errors)}."
            )
        return False

    def train(self, reporters: Sequence[reporting.Reporter] = ()) -> None:
        """Trains to the end.

        A checkpoint follows each validation, and at least every minute.

        Args:
            reporters: Are told of every epoch, and closed at the end.
        """
        config_lib.write_config(self.path, self.config)
        manager = tf.train.CheckpointManager(
            self._checkpoint,
            str(self.path / "checkpoints"),
            max_to_keep=_KEPT_CHECKPOINTS,
        )
        saved = time.monotonic()
        try:
            for report in self.trainer.train():
                age = time.monotonic() - saved
                if report.validation is not None or age > _CHECKPOINT_SECONDS:
                    manager.save(report.epoch)
                    saved = time.monotonic()
                for reporter in reporters:
                    reporter.epoch(report)
        finally:
            for reporter in reporters:
                reporter.close()

    def export(
        self,
        path: str | os.PathLike | None = None,
        test_runs: int = 0,
        baselines: Sequence[str] = BASELINES,
        overwrite: bool = False,
    ) -> pathlib.Path:
        """Exports the best rule; phi is set to it.

        Args:
            path: The folder to write; `optimizer` in the experiment's own by
                default, which is replaced.
            test_runs: Test runs whose results go into the metadata, beside
                those of the baselines; 0 for none.
            baselines: The hand-designed rules to compare with.
            overwrite: Whether a folder at `path` is replaced.

        Returns:
            The folder.
        """
        if path is not None:
            # Before the test runs, which take minutes.
            saved_optimizer.check_target(path, overwrite)
        self.trainer.restore_best()
        settings = self.config.settings
        progress = self.trainer.progress
        metadata = {
            "problem": dict(self.config.problem),
            "horizon": settings.num_steps,
            "training": {
                **dataclasses.asdict(settings),
                "initial_optimizer": self.config.initial_optimizer,
                "epochs_done": int(progress.epoch),
                "best_epoch": int(progress.best_epoch),
                "skipped_updates": int(self.trainer.meta_optimizer.skipped),
            },
            "validation": {
                "loss": float(progress.best_loss),
                "runs": settings.evaluation_epochs,
            },
            "test": None,
            "earlier_commands": self._earlier_commands,
            "command": self.config.command,
            "recipe": self.config.recipe,
            "versions": versions(),
        }
        if test_runs:
            test = self._compare("test", test_runs, baselines)
            rates = {
                name: result["learning_rate"]
                for name, result in test["optimizers"].items()
            }
            validation = self._compare(
                "validation", settings.evaluation_epochs, baselines, rates
            )
            metadata["test"] = test
            metadata["validation"]["optimizers"] = validation["optimizers"]
        return saved_optimizer.export(
            self.rule,
            path or self.path / "optimizer",
            metadata,
            overwrite=overwrite or path is None,
        )

    def _compare(
        self,
        split: str,
        num_runs: int,
        baselines: Sequence[str],
        learning_rates: Mapping[str, float] | None = None,
    ) -> dict[str, Any]:
        settings = self.config.settings
        results = comparison.compare(
            self.problem,
            split,
            settings.num_steps,
            num_runs,
            settings.seed,
            {comparison.LEARNED: self.rule},
            baselines,
            learning_rates,
            search_runs=num_runs,
            jit_compile=settings.jit_compile,
        )
        # The curves would make the metadata unreadable.
        results["optimizers"] = {
            name: _without_curves(found)
            for name, found in results["optimizers"].items()
        }
        return results

    def _start_from(self, optimizer: str) -> None:
        source = saved_optimizer.load(optimizer)
        check_start(optimizer, source.config(), self.rule.config())
        ours, theirs = self.rule.trainable_variables, source.trainable_variables
        for variable, value in zip(ours, theirs, strict=True):
            variable.assign(value)
        metadata = metadata_lib.read(optimizer)
        commands = [*metadata.get("earlier_commands", [])]
        last = metadata.get("command")
        # All stages of a recipe have the same.
        if last and last != self.config.command:
            commands.append(last)
        self._earlier_commands = commands


def make_trainer(
    problem: problems.Problem, config: config_lib.Config
) -> meta_training.MetaTrainer:
    """Builds what trains the rule of a configuration, from fresh weights.

    Raises:
        ValueError: If it makes no sense; nothing has been written or computed
            by then.
    """
    rule = registry.make_rule(config.rule, problem.parameter_names)
    check_fit(rule, problem)
    return meta_training.MetaTrainer(rule, problem, config.settings)


def check_fit(rule: rules.UpdateRule, problem: problems.Problem) -> None:
    """Raises a ValueError if a rule cannot serve a problem's parameters."""
    seed = tf.constant([0, 0])
    params = problem.initial_params(problem.sample_task(seed), seed)
    if not any(param.shape.num_elements() for param in params):
        raise ValueError(
            f"The problem {problem.name!r} has nothing to optimize: "
            f"{len(params)} parameters, all of them without coordinates."
        )
    rule.initial_state_of_functions(params, problem.num_functions)


def check_start(
    optimizer: str, source: Mapping[str, Any], rule: Mapping[str, Any]
) -> None:
    """Raises a ValueError if a rule cannot start from another one's weights.

    Args:
        optimizer: The saved optimizer to start from.
        source: Its rule's configuration.
        rule: The configuration of the rule to train.
    """
    if _weightless(source) != _weightless(rule):
        raise ValueError(
            f"The optimizer {optimizer!r} is another rule than the one to "
            f"train: {source} and {rule}."
        )


def _without_curves(values: Any) -> Any:
    if not isinstance(values, Mapping):
        return values
    return {
        key: _without_curves(value)
        for key, value in values.items()
        if key not in ("mean", "std")
    }


def _weightless(config: Any) -> Any:
    """Returns a rule's configuration without what decides its weights."""
    if not isinstance(config, Mapping):
        return config
    return {
        key: _weightless(value)
        for key, value in config.items()
        if key not in ("initializer", "seed")
    }


def meta_train(
    problem: problems.Problem,
    save_path: str | os.PathLike,
    rule: Mapping[str, Any] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    test_runs: int = 0,
    initial_optimizer: str | os.PathLike | None = None,
    **settings: Any,
) -> pathlib.Path:
    """Meta-trains an optimizer for a problem and exports it.

    Args:
        problem: The problem, such as `l2l_tf.from_keras(...)`.
        save_path: The experiment's folder.
        rule: The rule's configuration; by default what suits the problem.
        resume: Whether to continue the experiment in the folder.
        overwrite: Whether to replace it.
        test_runs: Test runs for the metadata, see `Experiment.export`.
        initial_optimizer: A saved optimizer to start from.
        **settings: See `l2l_tf.meta_training.settings.Settings`.

    Returns:
        The folder of the exported optimizer, which `LearnedOptimizer` takes.
    """
    test_runs = checks.integer("test_runs", test_runs, minimum=0)
    if initial_optimizer is not None:
        initial_optimizer = os.fspath(initial_optimizer)
    config_lib.check_folder(save_path, resume, overwrite)
    saved = config_lib.read_config(save_path) if resume else None
    if saved is not None and rule is None:
        rule = saved.rule
    made = settings_lib.make(settings)
    config = config_lib.Config(
        problem.config(),
        complete_rule(rule, problem, initial_optimizer, made.seed),
        made,
        initial_optimizer,
    )
    if saved is not None:
        config = config_lib.continued(saved, config)
    experiment = Experiment(save_path, problem, config)
    if overwrite:
        config_lib.remove_folder(save_path)
    return run(experiment, test_runs=test_runs)


def run(
    experiment: Experiment,
    log_dir: str | os.PathLike | None = None,
    test_runs: int = 0,
    baselines: Sequence[str] = BASELINES,
) -> pathlib.Path:
    """Continues or starts an experiment, trains it to the end and exports.

    Args:
        experiment: The experiment.
        log_dir: TensorBoard's folder; `logs` in the experiment's by default.
        test_runs: Test runs for the metadata, see `Experiment.export`.
        baselines: What to test beside the rule.

    Returns:
        The folder of the exported optimizer.

    Raises:
        FileExistsError: If another process trains in the same folder.
    """
    with locking.locked(experiment.path):
        _train(experiment, log_dir)
        return experiment.export(test_runs=test_runs, baselines=baselines)


def _train(experiment: Experiment, log_dir: str | os.PathLike | None) -> None:
    progress = experiment.trainer.progress
    if experiment.restore():
        print(f"Resumed after epoch {int(progress.epoch)}.")
    settings = experiment.config.settings
    experiment.train(
        [
            reporting.ConsoleReporter(
                settings.num_epochs, settings.log_period, int(progress.epoch)
            ),
            reporting.TensorBoardReporter(log_dir or experiment.path / "logs"),
        ]
    )
    print(
        f"Trained {int(progress.epoch)} epochs; best validation loss "
        f"{float(progress.best_loss):.4g} after epoch "
        f"{int(progress.best_epoch)}."
    )


def complete_rule(
    rule: Mapping[str, Any] | None,
    problem: problems.Problem,
    initial_optimizer: str | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Returns a rule's configuration with all defaults written out.

    Args:
        rule: The configuration; None for that of the optimizer to start from,
            or else for what suits the problem.
        problem: The problem.
        initial_optimizer: The saved optimizer to start from.
        seed: Draws phi, where the configuration does not say otherwise.

    Returns:
        The configuration.
    """
    if rule is None and initial_optimizer is not None:
        rule = metadata_lib.read(initial_optimizer)["rule"]
    rule = _seeded(rule or problem.default_rule(), seed)
    complete = registry.make_rule(rule, problem.parameter_names).config()
    lost = sorted(set(rule) - set(complete))
    if lost:
        raise ValueError(
            f"The rule {rule.get('rule')!r} takes the options {lost}, but its "
            "config() leaves them out, so that it could not be built again; "
            "add them there."
        )
    return complete


def suited_rule(
    options: Mapping[str, Any], problem: problems.Problem
) -> dict[str, Any]:
    """Returns a rule of given options, in all else as it suits the problem."""
    default = problem.default_rule()
    if options.get("rule", default["rule"]) == default["rule"]:
        return {**default, **options}
    return dict(options)


def _seeded(rule: Any, seed: int) -> Any:
    """Gives a seed to every part of a rule that takes one and has none."""
    if not isinstance(rule, Mapping):
        return rule  # Refused where the rule is made.
    if isinstance(rule.get("routes"), Mapping):
        routes = {k: _seeded(v, seed) for k, v in rule["routes"].items()}
        return {**rule, "routes": routes}
    name = rule.get("rule", "coordinatewise")
    if name in registry.RULES and "seed" in registry.accepted_options(name):
        return {"seed": seed, **rule}
    return dict(rule)


def versions() -> dict[str, str]:
    """Returns the versions that a trained optimizer may depend on."""
    packages = ("tensorflow", "keras", "dm-sonnet", "numpy")
    return {"python": platform.python_version()} | {
        package: importlib.metadata.version(package) for package in packages
    }
