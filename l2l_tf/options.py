"""Options given as text: JSON, or a list of key=value."""

from __future__ import annotations

import json
from typing import Any


def parse(text: str, flag: str) -> dict[str, Any]:
    """Parses options.

        {"layers": [20, 20], "scale": 0.1}
        layers=[20,20],scale=0.1,preprocessing_options.p=5

    Args:
        text: A JSON object, or `key=value` pairs separated by commas. Values
            are JSON, or else strings; a dot in a key makes a nested object.
        flag: What the options are called, for messages.

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
                f"--{flag} is not valid JSON: {error}; received {text!r}."
            ) from error
    options: dict[str, Any] = {}
    for pair in _split(text):
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise ValueError(
                f"--{flag} takes a JSON object or key=value pairs separated "
                f"by commas; received {pair!r} in {text!r}."
            )
        *parents, name = key.strip().split(".")
        target = options
        for parent in parents:
            target = target.setdefault(parent, {})
        target[name] = _value(value.strip())
    return options


def _split(text: str) -> list[str]:
    """Splits at commas that are not inside brackets or braces."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "[{") - (character in "]}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part.strip()]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
