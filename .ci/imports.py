"""What the files of the repository import, wherever in a file it stands.

A literal name given to `import_module` or `importorskip` is an import too, and
so is, where a file calls `import_module`, every string that names a module of
the repository: a table of what to import when it is needed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# Folders whose files are run by path: they can import their neighbours by
# their bare names.
SCRIPT_FOLDERS = ("benchmarks", "scripts", "tests")

FOLDERS = ("l2l_tf", *SCRIPT_FOLDERS)


class Import(NamedTuple):
    """A dotted name, and the line that imports it."""

    name: str
    line: int


def imports(root: Path, path: Path) -> Iterator[Import]:
    """Yields everything that a file imports."""
    tree = ast.parse((root / path).read_bytes(), str(path))
    nodes = list(ast.walk(tree))
    imports_lazily = any(_called(node) == "import_module" for node in nodes)
    for node in nodes:
        match node:
            case ast.Import(names=aliases):
                yield from (Import(a.name, node.lineno) for a in aliases)
            case ast.ImportFrom(module=module, names=aliases, level=level):
                origin = _absolute(path, "." * level + (module or ""))
                for alias in aliases:
                    yield Import(f"{origin}.{alias.name}", node.lineno)
            case ast.Call(args=[ast.Constant(value=str(name)), *_]):
                if _called(node) in ("import_module", "importorskip"):
                    name = _absolute(path, name.partition(":")[0])
                    yield Import(name, node.lineno)
    if imports_lazily:
        yield from module_names(root, path)


def module_names(root: Path, path: Path) -> Iterator[Import]:
    """Yields the strings in a file that name modules of the repository."""
    tree = ast.parse((root / path).read_bytes(), str(path))
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)):
                # "package.module:function" names a module, too.
                name = text.partition(":")[0]
                if _is_module(root, name):
                    yield Import(name, node.lineno)


def module_file(root: Path, module: Path) -> Path | None:
    """Returns the file of a module, given by its path without a suffix."""
    for path in (module.with_suffix(".py"), module / "__init__.py"):
        if (root / path).is_file():
            return path
    return None


def local_files(root: Path, path: Path, name: str) -> list[Path]:
    """Returns the files of the repository that importing a name executes.

    Args:
        root: The folder of the repository.
        path: The file that imports.
        name: What it imports.

    Returns:
        The module's file, then those of the packages around it, which are
        executed before it; less the packages that the importer is in itself.
    """
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
            return [
                imported,
                *(init for init in around if init.parent not in path.parents),
            ]
    return []


def _absolute(path: Path, name: str) -> str:
    """Returns a name less its leading dots, which stand for packages."""
    relative = name.lstrip(".")
    level = len(name) - len(relative)
    package = path.parts[:-level] if level else ()
    return ".".join((*package, relative)).rstrip(".")


def _called(node: ast.AST) -> str | None:
    """Returns the name of the function that a node calls, if it is a call."""
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name
    return None


def _is_module(root: Path, name: str) -> bool:
    """Whether a string is the full name of a module of the repository."""
    top, *parts = name.split(".")
    return (
        top in FOLDERS
        and bool(parts)
        and all(part.isidentifier() for part in parts)
        and module_file(root, Path(top, *parts)) is not None
    )
