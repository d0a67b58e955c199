"""Writes BUILD, with one Bazel target for every Python file.

A target's dependencies are the imports of its file, wherever in the file they
stand. A literal name given to `import_module` or `importorskip` is an import
too, and so is, where a file calls `import_module`, every string that names a
module of the repository: a table of what to import when it is needed.

Importing a module runs the `__init__.py` of each package around it, so
the importer depends on those as well. The exception are packages which the
importer is in itself: whoever imports the importer depends on them already,
and an `__init__.py` may import its own modules without closing a cycle.
"""

from __future__ import annotations

import argparse
import ast
import graphlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

# The distributions that are not called like the package they provide.
DISTRIBUTIONS = {
    "absl": "absl_py",
    "google": "protobuf",
    "sklearn": "scikit_learn",
    "sonnet": "dm_sonnet",
}

# The files that a target reads and its imports do not tell.
DATA = {
    "l2l_tf/saved_optimizer": [":saved_optimizers"],
    "tests/test_build_file": [":repository"],
    "tests/test_packaging": [":repository"],
}

# Folders whose files are run by path: they can import their neighbours by
# their bare names.
SCRIPT_FOLDERS = ("benchmarks", "scripts", "tests")

FOLDERS = ("l2l_tf", *SCRIPT_FOLDERS)

# What Bazel runs for a test: it hands the test's file to pytest.
TEST_MAIN = Path("tests/run_pytest.py")


def imported_names(root: Path, path: Path) -> Iterator[str]:
    """Yields the dotted name of everything that a file imports."""
    tree = ast.parse((root / path).read_bytes(), str(path))
    nodes = list(ast.walk(tree))
    imports_lazily = any(called(node) == "import_module" for node in nodes)
    for node in nodes:
        match node:
            case ast.Import(names=aliases):
                yield from (alias.name for alias in aliases)
            case ast.ImportFrom(module=module, names=aliases, level=level):
                package = path.parts[:-level] if level else ()
                if module:
                    package = (*package, module)
                for alias in aliases:
                    yield ".".join((*package, alias.name))
            case ast.Call(args=[ast.Constant(value=str(name)), *_]):
                if called(node) in ("import_module", "importorskip"):
                    yield name
            case ast.Constant(value=str(name)) if imports_lazily:
                if is_module(root, name):
                    yield name


def called(node: ast.AST) -> str | None:
    """Returns the name of the function that a node calls, if it is a call."""
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name
    return None


def is_module(root: Path, name: str) -> bool:
    """Whether a string is the full name of a module of the repository."""
    top, *parts = name.split(".")
    return (
        top in FOLDERS
        and all(part.isidentifier() for part in parts)
        and module_file(root, Path(top, *parts)) is not None
    )


def module_file(root: Path, module: Path) -> Path | None:
    """Returns the file of a module, given by its path without a suffix."""
    for path in (module.with_suffix(".py"), module / "__init__.py"):
        if (root / path).is_file():
            return path
    return None


def local_files(root: Path, path: Path, name: str) -> set[Path]:
    """Returns the files of the repository that importing a name executes."""
    folders = [Path()]
    if path.parts[0] in SCRIPT_FOLDERS:
        folders.append(path.parent)
    parts = name.split(".")
    for folder in folders:
        # The last part may be an attribute rather than a module.
        prefixes = [parts[:n] for n in range(len(parts), 0, -1)]
        modules = [folder.joinpath(*prefix) for prefix in prefixes]
        files = [file for m in modules if (file := module_file(root, m))]
        if files:
            imported, *around = files
            return {imported} | {
                init for init in around if init.parent not in path.parents
            }
    return set()


def target(path: Path) -> str:
    """Returns the name of a file's target."""
    return path.with_suffix("").as_posix()


def dependencies(root: Path, path: Path) -> set[str]:
    """Returns the labels of everything that a file imports."""
    labels = set()
    for name in imported_names(root, path):
        package = name.partition(".")[0]
        if files := local_files(root, path, name):
            labels |= {f":{target(file)}" for file in files}
        elif package not in sys.stdlib_module_names:
            labels.add(f"@pypi//{DISTRIBUTIONS.get(package, package)}")
    return labels


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


def filegroup(root: Path, name: str, folders: list[str], *also: str) -> str:
    """Formats the rule that groups the files of some folders."""
    # Bazel refuses a pattern that matches nothing.
    patterns = [
        f"{folder}/**"
        for folder in folders
        if any(path.is_file() for path in (root / folder).rglob("*"))
    ]
    lines = [f'    name = "{name}",']
    if patterns := [*also, *patterns]:
        lines.append(f"    srcs = glob({literal(patterns)}),")
    return "\n".join(["filegroup(", *lines, ")"])


def kind_of(path: Path) -> str:
    """Returns the kind of rule that a file needs."""
    if path.parts[0] == "tests" and path.name.startswith("test_"):
        return "py_test"
    # What scripts share begins with an underscore and is not run by itself.
    if path.parts[0] in ("benchmarks", "scripts") and path.stem[0] != "_":
        return "py_binary"
    return "py_library"


def python_rule(path: Path, deps: set[str]) -> str:
    """Formats the rule of a file with the given dependencies."""
    name, kind = target(path), kind_of(path)
    is_test = kind == "py_test"
    return rule(
        kind,
        name=name,
        testonly=path.parts[0] == "tests" and not is_test,
        srcs=[TEST_MAIN.as_posix()] * is_test + [path.as_posix()],
        args=[f"$(rootpath {path.as_posix()})"] * is_test,
        data=DATA.get(name, []),
        main=TEST_MAIN.as_posix() * is_test,
        deps=sorted(deps),
    )


def build_file(root: Path) -> str:
    """Returns the contents of BUILD."""
    paths = [
        path.relative_to(root)
        for folder in FOLDERS
        for path in sorted((root / folder).rglob("*.py"))
    ]
    # A test's main is part of the test; pytest loads conftest.py beside it.
    deps = {path: dependencies(root, path) for path in paths}
    main_deps = deps.pop(TEST_MAIN, set())
    for path in deps:
        if kind_of(path) == "py_test":
            deps[path] |= main_deps
            if (conftest := path.with_name("conftest.py")) in deps:
                deps[path].add(f":{target(conftest)}")

    # Bazel refuses cycles; the error that this raises shows them.
    graph = {f":{target(path)}": labels for path, labels in deps.items()}
    graphlib.TopologicalSorter(graph).prepare()

    kinds = "".join(f', "{kind}"' for kind in sorted({*map(kind_of, deps)}))
    header = [
        '# Written by "make build-file" from the imports of every file.',
        f'load("@rules_python//python:defs.bzl"{kinds})',
        "",
        'package(default_visibility = ["//visibility:public"])',
    ]
    rules = [
        "\n".join(header),
        filegroup(root, "saved_optimizers", ["saved_optimizers"]),
        # For the tests that check the repository itself.
        filegroup(root, "repository", [*FOLDERS, "saved_optimizers"], "*"),
        *(python_rule(path, labels) for path, labels in deps.items()),
    ]
    return "\n\n".join(rules) + "\n"


def main():
    """Writes the BUILD file of the repository, or of the folder named."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "root",
        type=Path,
        nargs="?",
        default=Path(__file__).resolve().parent.parent,
    )
    root = parser.parse_args().root
    # Replaced as a whole, so that an interruption leaves the old file.
    partial = root / "BUILD.partial"
    partial.write_text(build_file(root))
    os.replace(partial, root / "BUILD")


if __name__ == "__main__":
    main()
