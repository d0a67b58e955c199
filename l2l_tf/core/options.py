"""Options given as text: JSON, or a list of key=value."""

from __future__ import annotations

import json
from typing import Any


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
        ValueError: If the text is neither.
    """
    text = text.strip()
    if text.startswith("{"):
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{name} is not valid JSON: {error}; received {text!r}."
            ) from error
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


def _refusal(name: str, pair: str, text: str) -> ValueError:
    return ValueError(
        f"{name} takes a JSON object or key=value pairs separated by "
        f"commas; received {pair!r} in {text!r}."
    )


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
        return json.loads(text)
    except json.JSONDecodeError:
        return text
