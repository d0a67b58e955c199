"""What a saved optimizer is for, in words, from its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FAR = 10  # times the trained horizon

_PANEL = {"last_tenth", "best_baseline", "baseline_last_tenth"}


def horizon(metadata: Mapping[str, Any]) -> int | None:
    """Returns for how many steps an optimizer was trained, None if unknown."""
    return metadata.get("horizon")


def beyond(
    label: str, metadata: Mapping[str, Any], steps: int, num_parameters: int
) -> dict[str, str]:
    """Returns how a run leaves what an optimizer was trained for or tried on.

    Args:
        label: What the user calls it.
        metadata: What `l2l_tf.saving.metadata.read` returned.
        steps: Steps of the run.
        num_parameters: Parameters that it moves.

    Returns:
        For each of "horizon" and "size" that it leaves, a sentence.
    """
    told = {}
    trained, suite = horizon(metadata), metadata.get("suite")
    if suite is None:
        if trained and steps > _FAR * trained:
            told["horizon"] = (
                f"{label!r} was trained for runs of {trained} steps; this one "
                f"has {steps}."
            )
    else:
        most = max(suite["max_steps"], trained or 0)
        if steps > most:
            told["horizon"] = (
                f"{label!r} was tried in runs of up to {most:,} steps; this "
                f"one has {steps:,}."
            )
        if num_parameters > suite["max_parameters"]:
            told["size"] = (
                f"{label!r} was tried on models of up to "
                f"{suite['max_parameters']:,} parameters; this one has "
                f"{num_parameters:,}."
            )
    return {
        reason: f"{sentence} Compare with Adam, or pass fallback='adam'."
        for reason, sentence in told.items()
    }


def describe(label: str, metadata: Mapping[str, Any], rule: str) -> str:
    """Returns what an optimizer is, was trained on, and beat.

    Args:
        label: What the user calls it.
        metadata: What `l2l_tf.saving.metadata.read` returned.
        rule: What its rule says of itself.
    """
    lines = [
        f"{label}: {rule}",
        f"Trained on {_problem(metadata.get('problem', {}))}, "
        f"{_steps(horizon(metadata))}.",
    ]
    optimizers = (metadata.get("test") or {}).get("optimizers", {})
    losses = {
        key: found["final"]
        for key, found in optimizers.items()
        if found.get("final") is not None  # it diverged, or is not told
    }
    if losses:
        ordered = sorted(losses.items(), key=lambda item: item[1])
        lines.append(
            "Final loss in tests there: "
            + ", ".join(f"{key} {loss:.3g}" for key, loss in ordered)
            + "."
        )
    suite = metadata.get("suite")
    if suite:
        lines.append(
            f"On {suite['problems']} Keras models that it never saw, final "
            "losses are, as a share of those of Adam at 0.001: "
            + ", ".join(
                f"{_loss(ratio)} after {int(steps):,} steps"
                for steps, ratio in suite["ratios"].items()
            )
            + "."
        )
    for figure, panels in metadata.get("figures", {}).items():
        for panel, shown in panels.items():
            if not _PANEL <= shown.keys():
                continue
            lines.append(
                f"{figure}, {panel}: {_loss(shown['last_tenth'])}; "
                f"{shown['best_baseline']} "
                f"{_loss(shown['baseline_last_tenth'])}."
            )
    lines.append(
        "On other problems, or in much longer runs, it may be worse than Adam "
        "or diverge; fallback= guards against that."
    )
    return "\n".join(map(_printable, "\n".join(lines).split("\n")))


def _printable(line: str) -> str:
    """Returns a line without what a terminal would take for commands."""
    return "".join(c if c.isprintable() else "\ufffd" for c in line)


def _loss(value: float | None) -> str:
    return "diverged" if value is None else f"{value:.3g}"


def _problem(problem: Mapping[str, Any]) -> str:
    name = problem.get("name", "an unnamed problem")
    options = dict(problem.get("options", {}))
    parts = options.get("problems")
    if _are_problems(parts):
        return " and ".join(
            _problem({"name": part.pop("problem"), "options": part})
            for part in map(dict, parts)
        )
    text = ", ".join(f"{key}={value}" for key, value in options.items())
    return f"{name} ({text})" if text else name


def _are_problems(values: Any) -> bool:
    """Returns whether values are the parts of an ensemble of problems."""
    return isinstance(values, list) and all(
        isinstance(part, Mapping) and isinstance(part.get("problem"), str)
        for part in values
    )


def _steps(steps: int | None) -> str:
    return f"in runs of {steps} steps" if steps else "for an unknown run length"
