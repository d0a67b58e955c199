"""What is written beside an exported rule: its training, and its results."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from typing import Any

from l2l_tf.evaluation import comparison
from l2l_tf.meta_training import config as config_lib
from l2l_tf.meta_training import trainer as meta_training
from l2l_tf.problems import base as problems
from l2l_tf.rules import hand_designed

BASELINES = tuple(hand_designed.names())


def metadata(
    trainer: meta_training.MetaTrainer,
    problem: problems.Family,
    config: config_lib.Config,
    earlier_commands: Sequence[str],
    test_runs: int = 0,
    baselines: Sequence[str] = BASELINES,
) -> dict[str, Any]:
    """Returns the metadata of a trained rule, all but the rule itself.

    Args:
        trainer: What trained the rule, which is at its best.
        problem: The problem.
        config: What was trained, and how.
        earlier_commands: Commands of what training started from.
        test_runs: Test runs to make for the results; 0 for none.
        baselines: The hand-designed rules to compare with.

    Returns:
        Plain values.
    """
    settings, progress = config.settings, trainer.progress
    values = {
        "problem": dict(config.problem),
        "horizon": settings.num_steps,
        "training": {
            **dataclasses.asdict(settings),
            "initial_optimizer": config.initial_optimizer,
            "epochs_done": int(progress.runs_done),
            "best_epoch": int(progress.best_run),
            "skipped_updates": int(trainer.meta_optimizer.skipped),
        },
        "validation": {
            "loss": float(progress.best_loss),
            "runs": settings.evaluation_epochs,
        },
        "test": None,
        "earlier_commands": list(earlier_commands),
        "command": config.command,
        "recipe": config.recipe,
        "versions": versions(),
    }
    if test_runs:
        print(
            f"Testing: {test_runs} runs, also of {len(baselines)} baselines, "
            "whose learning rates are searched.",
            flush=True,
        )
        test = _compare(trainer, problem, "test", test_runs, baselines)
        rates = {
            name: result["learning_rate"]
            for name, result in test["optimizers"].items()
        }
        validation = _compare(
            trainer,
            problem,
            "validation",
            settings.evaluation_epochs,
            baselines,
            rates,
        )
        values["test"] = test
        values["validation"]["optimizers"] = validation["optimizers"]
    return values


def versions() -> dict[str, str]:
    """Returns the versions that a trained optimizer may depend on."""
    packages = ("tensorflow", "keras", "dm-sonnet", "numpy")
    return {"python": platform.python_version()} | {
        package: importlib.metadata.version(package) for package in packages
    }


def _compare(
    trainer: meta_training.MetaTrainer,
    problem: problems.Family,
    split: str,
    num_runs: int,
    baselines: Sequence[str],
    learning_rates: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    settings = trainer.settings
    results = comparison.compare(
        problem,
        split,
        settings.num_steps,
        num_runs,
        settings.seed,
        {comparison.LEARNED: trainer.rule},
        baselines,
        learning_rates,
        search_runs=num_runs,
        jit_compile=settings.jit_compile,
        distribution=trainer.distribution,
    )
    # The curves would make the metadata unreadable.
    results["optimizers"] = {
        name: _without_curves(found)
        for name, found in results["optimizers"].items()
    }
    return results


def _without_curves(values: Any) -> Any:
    if not isinstance(values, Mapping):
        return values
    return {
        key: _without_curves(value)
        for key, value in values.items()
        if key not in ("mean", "std")
    }
