"""What metadata has to look like, whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from l2l_tf.core import checks

MAX_RULE_VALUES = 1000
_REQUIRED = ("format_version", "rule", "files")

_Check = Callable[[Any], bool]


def check(metadata: Mapping[str, Any]) -> None:
    """Refuses metadata that other code could stumble over.

    Parts that are not known are accepted.

    Args:
        metadata: Plain values, see `l2l_tf.core.files.read_json`.

    Raises:
        ValueError: If a part is missing or is not what it should be.
    """
    missing = [name for name in _REQUIRED if name not in metadata]
    if missing:
        raise ValueError(f"it has no {missing[0]!r}.")
    for name, is_acceptable in _PARTS.items():
        if name in metadata and not is_acceptable(metadata[name]):
            raise ValueError(f"its {name!r} is {str(metadata[name])[:100]!r}.")


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    # JSON may hold integers that no float holds.
    return checks.is_number(value)


def _is_steps(value: Any) -> bool:
    is_integer = _is_number(value) and isinstance(value, int)
    return is_integer and 0 < value < 2**31


def _is_digest(value: Any) -> bool:
    return _is_text(value) and bool(re.fullmatch("[0-9a-f]{64}", value))


def _is_rule(value: Any) -> bool:
    # Names of rules are checked by what builds them.
    return (
        _is_object(value)
        and _is_text(value.get("rule"))
        and _count(value) <= MAX_RULE_VALUES
    )


def _is_problem(value: Any) -> bool:
    return (
        _is_object(value)
        and _is_text(value.get("name", ""))
        and _is_object(value.get("options", {}))
    )


def _is_results(value: Any) -> bool:
    """Results of `l2l_tf.evaluation.comparison.compare`, curves or not."""
    return _is_object(value) and _values(
        lambda result: (
            _is_object(result) and _none_or(_is_number)(result.get("final"))
        )
    )(value.get("optimizers", {}))


def _is_panel(value: Any) -> bool:
    """What a figure's panel shows, in numbers."""
    return _is_object(value) and all(
        is_acceptable(value.get(name))
        for name, is_acceptable in {
            "last_tenth": _none_or(_is_number),
            "best_baseline": _none_or(_is_text),
            "baseline_last_tenth": _none_or(_is_number),
        }.items()
    )


def _is_suite(value: Any) -> bool:
    """What the suite says, and how far it went."""
    return (
        _is_object(value)
        and _is_steps(value.get("max_steps"))
        and _is_steps(value.get("max_parameters"))
        and _is_steps(value.get("problems"))
        and _values(_none_or(_is_number))(value.get("ratios"))
        and bool(value["ratios"])
        and all(re.fullmatch("[1-9][0-9]{0,9}", key) for key in value["ratios"])
    )


def _none_or(is_acceptable: _Check) -> _Check:
    return lambda value: value is None or is_acceptable(value)


def _values(is_acceptable: _Check) -> _Check:
    """Returns a check of objects by that of their values."""
    return lambda value: (
        _is_object(value) and all(map(is_acceptable, value.values()))
    )


def _list_of(is_acceptable: _Check) -> _Check:
    return lambda value: (
        isinstance(value, list) and all(map(is_acceptable, value))
    )


def _count(value: Any) -> int:
    """Returns how many values there are inside each other, itself one."""
    if isinstance(value, dict):
        return 1 + sum(map(_count, value.values()))
    if isinstance(value, list):
        return 1 + sum(map(_count, value))
    return 1


_PARTS: dict[str, _Check] = {
    "format_version": _is_number,
    "rule": _is_rule,
    "rule_sha256": _is_digest,
    "files": _values(_is_digest),
    "problem": _is_problem,
    "horizon": _none_or(_is_steps),
    "training": _is_object,
    "validation": _none_or(_is_results),
    "test": _none_or(_is_results),
    "figures": _values(_values(_is_panel)),
    "suite": _none_or(_is_suite),
    "command": _none_or(_is_text),
    "earlier_commands": _list_of(_is_text),
    "recipe": _none_or(_is_text),
    "versions": _is_object,
}
