"""Rules as text in BUILD files, formatted the way buildifier does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Label(NamedTuple):
    """The name of a target: `//package:name`."""

    package: str
    name: str

    def __str__(self) -> str:
        return f"//{self.package}:{self.name}"

    def seen_from(self, package: str) -> str:
        """Returns the shortest form in a BUILD file, which is Bazel's style."""
        if self.package == package:
            return f":{self.name}"
        if self.package.rpartition("/")[2] == self.name:
            return f"//{self.package}"
        return str(self)


def strings(package: str, labels: Iterable[Label | str]) -> list[str]:
    """Returns labels as text, in the order that buildifier wants."""
    texts = [
        label if isinstance(label, str) else label.seen_from(package)
        for label in labels
    ]
    return sorted(texts, key=lambda text: (":/@".index(text[0]), text))


def literal(value: str | bool | list[str]) -> str:
    """Formats a value the way buildifier does."""
    match value:
        case bool():
            return str(value)
        case str():
            return f'"{value}"'
        case [item]:
            return f'["{item}"]'
        case items:
            lines = [f'        "{item}",' for item in items]
            return "\n".join(["[", *lines, "    ]"])


def rule(kind: str, **attributes: str | bool | list[str]) -> str:
    """Formats a rule, less the attributes that are empty."""
    lines = [
        f"    {name} = {literal(value)},"
        for name, value in attributes.items()
        if value
    ]
    return "\n".join([f"{kind}(", *lines, ")"])


def filegroup(
    name: str, patterns: list[str], more: list[str], importers: list[str]
) -> str:
    """Formats the rule that groups the files of some patterns, and more."""
    lines = [f'    name = "{name}",']
    groups = [f"glob({literal(patterns)})"] * bool(patterns)
    groups += [literal(more)] * bool(more)
    if groups:
        lines.append(f"    srcs = {' + '.join(groups)},")
    if importers:
        lines.append(f"    visibility = {literal(importers)},")
    return "\n".join(["filegroup(", *lines, ")"])


def visibility(packages: Iterable[str]) -> list[str]:
    """Returns the visibility to some packages."""
    return [f"//{package}:__pkg__" for package in packages]
