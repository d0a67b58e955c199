"""Options given as text: JSON, or a list of key=value."""

from __future__ import annotations

import json
from typing import Any

from l2l_tf.core import files

_QUOTED = 200  # characters of what was received


def parse(text: str, name: str) -> dict[str, Any]:
    """Parses options.

        {"layers": [20, 20], "scale": 0.1}
        layers=[20,20],scale=0.1,preprocessing_options.p=5

    Args:
        text: A JSON object, or `key=value` pairs separated by commas. Values
            are JSON, or else strings; a dot in a key makes a nested object.
        name: What the options are called, for messages.

    Returns:
        The options.

    Raises:
        ValueError: If the text is neither, or nested too deeply.
    """
    text = text.strip()
    try:
        if text.startswith("{"):
            return files.parse_json(text)
        options = _parse_pairs(text, name)
        files.check_depth(options)
        return options
    except _Refusal:
        raise
    except ValueError as error:
        raise ValueError(
            f"{name} is not acceptable JSON: {error}; received {_quote(text)}."
        ) from error


class _Refusal(ValueError):
    """Says all that there is to say."""


def _parse_pairs(text: str, name: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for pair in _split(text):
        key, equals, value = pair.partition("=")
        *parents, last = (part.strip() for part in key.split("."))
        target: Any = options
        for parent in parents:
            target = target.setdefault(parent, {})
            if not isinstance(target, dict):
                break
        is_nested = isinstance(target, dict)
        if not (equals and last and all(parents) and is_nested):
            raise _refusal(name, pair, text)
        target[last] = _value(value.strip())
    return options


def _refusal(name: str, pair: str, text: str) -> _Refusal:
    return _Refusal(
        f"{name} takes a JSON object or key=value pairs separated by "
        f"commas; received {_quote(pair)} in {_quote(text)}."
    )


def _quote(text: str) -> str:
    return repr(text if len(text) <= _QUOTED else f"{text[:_QUOTED]}...")


def _split(text: str) -> list[str]:
    """Splits at commas that are not inside brackets, braces or quotes."""
    parts, depth, quoted = [""], 0, False
    for character in text:
        quoted ^= character == '"'
        if not quoted:
            depth += (character in "[{") - (character in "]}")
        if character == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part.strip()]


def _value(text: str) -> Any:
    try:
        return files.parse_json(text)
    except json.JSONDecodeError:
        return text
