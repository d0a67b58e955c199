"""Writes the BUILD files: one Bazel target for every Python file.

Each room of the library is a Bazel package. Its files' targets are visible in
the room alone, and one target that holds them all is visible to the rooms that
may import it: what is needed of a room is the room, since its modules are also
looked up by name. All other files have their targets in the top-level BUILD.

A target's dependencies are the imports of its file. Importing a module runs the
`__init__.py` of each package around it, so the importer depends on those as
well. The exception are packages which the importer is in itself: whoever
imports the importer depends on them already, and an `__init__.py` may import
its own modules without closing a cycle.
"""

from __future__ import annotations

import argparse
import graphlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import imports
import rooms
import starlark

# The distributions that are not called like the package they provide.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "absl": "absl_py",
    "google": "protobuf",
    "sklearn": "scikit_learn",
    "sonnet": "dm_sonnet",
    "yaml": "pyyaml",
}


# The files that a target reads and its imports do not tell, by what its label
# begins with.
DATA = {
    "//l2l_tf/saving:metadata": starlark.Label("", "saved_optimizers"),
    "//:tests/figures/test_published": starlark.Label("", "repository"),
    "//:tests/goldens/": starlark.Label("", "repository"),
    "//:tests/in_process": starlark.Label("", "repository"),
    "//:tests/keras_optimizers/test_distribution": starlark.Label(
        "", "tests/keras_optimizers/_distributed_fit"
    ),
    "//:tests/keras_optimizers/test_docs": starlark.Label("", "repository"),
    "//:tests/meta_training/test_replicas": starlark.Label(
        "", "tests/meta_training/_on_replicas"
    ),
    "//:tests/repository/": starlark.Label("", "repository"),
    "//:tests/rules/learned/test_representation": starlark.Label(
        "", "repository"
    ),
    "//:tests/scripts/": starlark.Label("", "repository"),
}

# What a room reads besides its modules belongs to the room: files that end
# like these.
ROOM_DATA = (".jpg", ".json", ".npz")

# The files of a package, for the tests that check the repository itself.
ALL_FILES = "all_files"

# What Bazel runs for a test: it hands the test's file to pytest.
TEST_MAIN = Path("tests/run_pytest.py")

HEADER = '# Written by "make build-file" from the imports of every file.'


def package_of(path: Path) -> str:
    """Returns the Bazel package that a file belongs to."""
    room = rooms.room_of(path)
    return f"{rooms.PACKAGE}/{room}" if room else ""


def room_label(package: str) -> starlark.Label:
    """Returns the label of the target that holds a whole room."""
    return starlark.Label(package, package.rpartition("/")[2])


def label_of(path: Path) -> starlark.Label:
    """Returns the label of a file's own target."""
    package = package_of(path)
    name = path.relative_to(package).with_suffix("").as_posix()
    return starlark.Label(package, name)


def dependencies(root: Path, path: Path) -> set[starlark.Label | str]:
    """Returns the labels of everything that a file imports."""
    labels: set[starlark.Label | str] = set()
    package = package_of(path)
    for name, _ in imports.imports(root, path):
        top = name.partition(".")[0]
        if files := imports.local_files(root, path, name):
            for file in files:
                label = label_of(file)
                if label.package not in ("", package):
                    label = room_label(label.package)
                labels.add(label)
        elif top not in sys.stdlib_module_names:
            labels.add(f"@pypi//{DISTRIBUTIONS.get(top, top)}")
    return labels


def folders(root: Path, names: Iterable[str]) -> list[str]:
    """Returns the patterns of all files in the folders that have any."""
    # Bazel refuses a pattern that matches nothing.
    return [
        f"{name}/**"
        for name in names
        if any(path.is_file() for path in (root / name).rglob("*"))
    ]


def kind_of(path: Path) -> str:
    """Returns the kind of rule that a file needs."""
    if path.parts[0] == "tests" and path.name.startswith("test_"):
        return "py_test"
    # What scripts share begins with an underscore and is not run by itself.
    if path.parts[0] in ("benchmarks", "scripts") and path.stem[0] != "_":
        return "py_binary"
    return "py_library"


def python_rule(path: Path, deps: set[starlark.Label | str]) -> str:
    """Formats the rule of a file with the given dependencies."""
    label, kind = label_of(path), kind_of(path)
    is_test = kind == "py_test"
    data = [DATA[begin] for begin in DATA if str(label).startswith(begin)]
    return starlark.rule(
        kind,
        name=label.name,
        testonly=path.parts[0] == "tests" and not is_test,
        srcs=sorted(
            [TEST_MAIN.as_posix()] * is_test
            + [path.relative_to(label.package).as_posix()]
        ),
        args=[f"$(rootpath {path.as_posix()})"] * is_test,
        data=starlark.strings(label.package, data),
        main=TEST_MAIN.as_posix() * is_test,
        deps=starlark.strings(label.package, deps),
    )


def room_rule(
    root: Path, package: str, members: list[Path], packages: list[str]
) -> str:
    """Formats the rule that holds a whole room, which other rooms depend on."""
    label = room_label(package)
    data = sorted(
        (
            path.relative_to(root / package).as_posix()
            for path in (root / package).rglob("*.*")
            if path.suffix in ROOM_DATA
        ),
        # As buildifier does: a name without its suffix comes first.
        key=lambda text: text.split("."),
    )
    importers = {
        f"{rooms.PACKAGE}/{room}" for room in rooms.importers(label.name)
    }
    return starlark.rule(
        "py_library",
        name=label.name,
        data=data,
        visibility=starlark.visibility(["", *sorted(importers & {*packages})]),
        deps=starlark.strings(package, map(label_of, members)),
    )


def top_rules(root: Path, packages: list[str]) -> list[str]:
    """Formats what the top-level BUILD has besides the files' own rules."""
    saving = {f"{rooms.PACKAGE}/saving"}
    repository = (".ci", *imports.FOLDERS, "docs", "saved_optimizers")
    return [
        starlark.rule(
            "alias",
            name=rooms.PACKAGE,
            actual=f":{rooms.PACKAGE}/__init__",
            visibility=["//visibility:public"],
        ),
        starlark.filegroup(
            "saved_optimizers",
            folders(root, ["saved_optimizers"]),
            [],
            starlark.visibility(saving & {*packages}),
        ),
        starlark.filegroup(
            "repository",
            ["*", *folders(root, sorted(repository))],
            [str(starlark.Label(package, ALL_FILES)) for package in packages],
            [],
        ),
    ]


def build_files(root: Path) -> dict[str, str]:
    """Returns the contents of the BUILD file of every package."""
    paths = [
        path.relative_to(root)
        for folder in imports.FOLDERS
        for path in sorted((root / folder).rglob("*.py"))
    ]
    # A test's main is part of the test; pytest loads the conftest.py of every
    # folder around it.
    deps = {path: dependencies(root, path) for path in paths}
    main_deps = deps.pop(TEST_MAIN, set())
    for path in deps:
        if kind_of(path) == "py_test":
            around = [folder / "conftest.py" for folder in path.parents]
            deps[path] |= main_deps
            deps[path] |= {label_of(file) for file in around if file in deps}

    files: dict[str, list[Path]] = {"": []}
    for path in deps:
        files.setdefault(package_of(path), []).append(path)
    graph = {label_of(path): labels for path, labels in deps.items()}
    packages = sorted(package for package in files if package)
    for package in packages:
        graph[room_label(package)] = {*map(label_of, files[package])}
    # Bazel refuses cycles; the error that this raises shows them.
    graphlib.TopologicalSorter(graph).prepare()

    contents = {}
    for package, members in files.items():
        kinds = "".join(
            f', "{kind}"' for kind in sorted({*map(kind_of, members)})
        )
        rules = [python_rule(path, deps[path]) for path in members]
        if package:
            seen_from_top = starlark.visibility([""])
            rules = [
                starlark.filegroup(ALL_FILES, ["**"], [], seen_from_top),
                room_rule(root, package, members, packages),
                *rules,
            ]
        else:
            rules = [*top_rules(root, packages), *rules]
        load = f'load("@rules_python//python:defs.bzl"{kinds})'
        contents[package] = "\n\n".join([f"{HEADER}\n{load}", *rules]) + "\n"
    return contents


def main():
    """Writes the BUILD files of the repository, or of the folder named."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "root",
        type=Path,
        nargs="?",
        default=Path(__file__).resolve().parent.parent,
    )
    root = parser.parse_args().root
    contents = build_files(root)
    # A room that is gone leaves no BUILD file behind.
    for path in (root / rooms.PACKAGE).rglob("BUILD"):
        if path.parent.relative_to(root).as_posix() not in contents:
            path.unlink()
    for package, text in contents.items():
        # Replaced as a whole, so that an interruption leaves the old file.
        partial = root / package / "BUILD.partial"
        partial.write_text(text)
        os.replace(partial, root / package / "BUILD")


if __name__ == "__main__":
    main()
