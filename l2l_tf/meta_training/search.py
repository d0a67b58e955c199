"""The paper's random search of the meta learning rate.

save_path/search.json     what is searched
save_path/logs/           the same for TensorBoard
save_path/trial-000/      an experiment for each trial, and its trial.json
"""

from __future__ import annotations

import dataclasses
import math
import os
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

from l2l_tf.core import checks
from l2l_tf.core import files
from l2l_tf.core import folders
from l2l_tf.meta_training import card
from l2l_tf.meta_training import config as config_lib
from l2l_tf.meta_training import event_files
from l2l_tf.meta_training import event_log
from l2l_tf.meta_training import experiment as experiment_lib
from l2l_tf.meta_training import locking
from l2l_tf.meta_training import trainer as meta_training
from l2l_tf.problems import base as problems

_SEARCH = "search.json"


@dataclasses.dataclass(frozen=True)
class Trial:
    """One meta-training of a search.

    Attributes:
        index: Its number.
        learning_rate: Adam's learning rate on phi.
        loss: The best validation loss; infinite if there was none.
        run: The run after which it was found.
        optimizer: The exported optimizer; None if there is none.
    """

    index: int
    learning_rate: float
    loss: float
    run: int
    optimizer: str | None


def learning_rates(
    num_trials: int, lowest: float, highest: float, seed: int
) -> list[float]:
    """Draws rates log-uniformly; a longer list begins with a shorter one.

    Raises:
        ValueError: If the bounds are no range of positive numbers.
    """
    checks.integer("num_trials", num_trials)
    checks.number("lowest_rate", lowest, 0.0, above=True)
    checks.number("highest_rate", highest, lowest)
    draws = np.random.default_rng(seed).uniform(size=num_trials)
    low, high = math.log(lowest), math.log(highest)
    return [float(np.exp(low + (high - low) * draw)) for draw in draws]


def search(
    save_path: str | os.PathLike,
    problem: problems.Family,
    config: config_lib.Config,
    num_trials: int,
    lowest: float,
    highest: float,
    test_runs: int = 0,
    log: event_log.Log = event_log.Log(),  # noqa: B008
) -> Iterator[Trial]:
    """Meta-trains once for each rate; continues where it was interrupted.

    Source: Andrychowicz et al. 2016, section 3.

    Args:
        save_path: The folder.
        problem: The problem.
        config: How to train; its learning rate is replaced.
        num_trials: Number of rates.
        lowest: The least rate.
        highest: The greatest rate.
        test_runs: Test runs of each trial, see
            `l2l_tf.meta_training.experiment.Experiment.export`.
        log: What is written for TensorBoard. Trials are compared with each
            other, so that none is drawn beside baselines.

    Yields:
        Each trial when it is done, or at once if it was done before.

    Raises:
        ValueError: If the folder holds another search.
        FileExistsError: If another process searches in the same folder.
    """
    rates = learning_rates(num_trials, lowest, highest, config.settings.seed)
    path = pathlib.Path(save_path).expanduser()
    _check_folder(path)
    with locking.locked(path, lambda: any(path.glob("trial-*"))):
        config = _claim(path, [lowest, highest], config)
        if log.is_on and not event_files.exist(path / "logs"):
            card.describe_search(path / "logs", lowest, highest)
        for index, rate in enumerate(rates):
            settings = dataclasses.replace(config.settings, learning_rate=rate)
            yield _trial(
                index,
                path / f"trial-{index:03d}",
                problem,
                dataclasses.replace(config, settings=settings),
                test_runs,
                dataclasses.replace(log, baselines=()),
            )


def table(trials: Sequence[Trial]) -> str:
    """Returns the trials as a table, the best first."""
    lines = [f"{'trial':>5} {'rate':>9} {'loss':>9} {'run':>6}"]
    for trial in sorted(trials, key=lambda trial: trial.loss):
        lines.append(
            f"{trial.index:>5} {trial.learning_rate:>9.3g} "
            f"{trial.loss:>9.4g} {trial.run:>6}"
        )
    return "\n".join(lines)


def _trial(
    index: int,
    folder: pathlib.Path,
    problem: problems.Family,
    config: config_lib.Config,
    test_runs: int,
    log: event_log.Log,
) -> Trial:
    """Returns a trial, which is made unless it was done before."""
    file = folder / "trial.json"
    if not file.is_file():
        config_lib.check_folder(folder, resume=True, overwrite=False)
        experiment = experiment_lib.Experiment(folder, problem, config)
        trial = _run(index, experiment, test_runs, log)
        files.write_json(file, dataclasses.asdict(trial))
    return _read(file)


def _read(file: pathlib.Path) -> Trial:
    """Returns a trial that is done.

    Raises:
        ValueError: If the file does not hold one.
    """
    try:
        values = files.read_json(file.resolve())
        if "epoch" in values:  # what runs were called in earlier files
            values["run"] = values.pop("epoch")
        if values["loss"] is None:
            values["loss"] = math.inf  # JSON has no infinity
        trial = Trial(**values)
        checks.integer("index", trial.index, 0)
        checks.integer("run", trial.run, -1)
        checks.number("learning_rate", trial.learning_rate)
        if trial.loss != math.inf:
            checks.number("loss", trial.loss)
        return trial
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file} does not hold a trial; remove it to train that one anew."
        ) from error


def _run(
    index: int,
    experiment: experiment_lib.Experiment,
    test_runs: int,
    log: event_log.Log,
) -> Trial:
    optimizer = None
    try:
        optimizer = str(
            experiment_lib.run(experiment, test_runs=test_runs, log=log)
        )
    except meta_training.MetaTrainingError as error:
        # A rate that is too high is a result of the search.
        print(f"Trial {index} failed: {error}")
    progress = experiment.trainer.progress
    return Trial(
        index,
        experiment.config.settings.learning_rate,
        # What failed has no optimizer, however good it was before.
        math.inf if optimizer is None else float(progress.best_loss),
        int(progress.best_run),
        optimizer,
    )


def _check_folder(path: pathlib.Path) -> None:
    """Refuses a folder of something else, before anything is written there."""
    if not os.path.isfile(path):
        folders.check_place("save_path", path)
    if (path / _SEARCH).is_file() or not path.exists():
        return
    if not path.is_dir() or locking.holds_anything(path):
        raise ValueError(
            f"save_path={str(path)!r} holds something else than a "
            "search; choose another path."
        )


def _claim(
    path: pathlib.Path, bounds: list[float], config: config_lib.Config
) -> config_lib.Config:
    """Notes what is searched, or makes sure that it is the same.

    Returns:
        The configuration, its number of lanes as the search began.
    """
    file = path / _SEARCH
    if not file.is_file():
        settings = config.settings.resolved()
        config = dataclasses.replace(config, settings=settings)
        values = config.to_json()
        values.pop("command")
        values["settings"].pop("learning_rate")
        files.write_json(file, {"range": bounds, **values})
        return config
    try:
        values = files.read_json(file.resolve())
        saved_bounds = values.pop("range")
        values["settings"]["learning_rate"] = config.settings.learning_rate
        saved = config_lib.Config.from_json(values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file} does not describe a search.") from error
    lanes = config.settings.num_lanes or saved.settings.num_lanes
    settings = dataclasses.replace(config.settings, num_lanes=lanes)
    config = dataclasses.replace(config, settings=settings)
    same = dataclasses.replace(saved, command=config.command)
    if saved_bounds != bounds or same.to_json() != config.to_json():
        raise ValueError(
            f"{file} describes another search; a search is continued with the "
            "settings that it began with, or begun in another save_path."
        )
    return config
