"""Checks that the BUILD files agree with the sources.

Knows nothing of their writer, but for the order of the rooms.
"""

from __future__ import annotations

import ast
import fnmatch
import re
import runpy
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

# The distributions that are not called like the package they provide.
DISTRIBUTIONS = {
    "absl": "absl-py",
    "google": "protobuf",
    "sklearn": "scikit-learn",
    "sonnet": "dm-sonnet",
}

FOLDERS = ("l2l_tf", "scripts", "benchmarks", "tests")

# What Bazel runs for a test, which gets the test's file as an argument.
TEST_MAIN = "tests/run_pytest.py"

# The kind of target that a file needs, by the first pattern that it matches.
KINDS = {
    "*/__init__.py": "py_library",
    "tests/test_*.py": "py_test",
    "tests/*/test_*.py": "py_test",
    "scripts/_*.py": "py_library",
    "scripts/*.py": "py_binary",
    "benchmarks/_*.py": "py_library",
    "benchmarks/*.py": "py_binary",
    "*": "py_library",
}

# What a target has where it does not say otherwise.
DEFAULTS = {"srcs": [], "data": [], "deps": [], "visibility": []}

# Where it is written down which room may import which.
ROOMS = runpy.run_path(str(ROOT / ".ci" / "rooms.py"))


def importers(room: str) -> set[str]:
    """Returns the rooms that may import a room."""
    order, apart = ROOMS["ORDER"], ROOMS["APART"]
    return {
        other
        for other in order[order.index(room) + 1 :]
        if room not in apart.get(other, ())
    }


def build_packages(root: Path) -> list[str]:
    """Returns the folders that have a BUILD file, the top-level one as ""."""
    files = [file for top in FOLDERS for file in (root / top).rglob("BUILD")]
    return ["", *sorted(f.parent.relative_to(root).as_posix() for f in files)]


def package_of(path: Path) -> str:
    """Returns the folder of the BUILD file that has a file's target."""
    is_in_room = path.parts[0] == "l2l_tf" and len(path.parts) > 2
    return "/".join(path.parts[:2]) if is_in_room else ""


def label_of(path: Path) -> str:
    """Returns the full label of a file's target."""
    package = package_of(path)
    name = path.relative_to(package).with_suffix("").as_posix()
    return f"//{package}:{name}"


def full_label(label: str, package: str) -> str:
    """Returns a label that a BUILD file in a package has, in its full form."""
    if label.startswith(":"):
        return f"//{package}{label}"
    if label.startswith("//") and ":" not in label:
        return f"{label}:{label.rpartition('/')[2]}"
    return label


def room_label(package: str) -> str:
    """Returns the full label of the target that holds a whole room."""
    return full_label(f"//{package}", "")


def shown(label: str) -> str:
    """Returns a label as messages have it: of a file, its path."""
    return label.removeprefix("//").replace(":", "/").removeprefix("/")


def read_targets(root: Path) -> Iterator[dict[str, Any]]:
    """Yields each target's attributes, kind and label, labels in full."""
    for package in build_packages(root):
        build = (root / package / "BUILD").read_text(encoding="utf-8")
        for node in ast.parse(build).body:
            match node:
                case ast.Expr(ast.Call(ast.Name(kind), [], keywords)):
                    target = {"kind": kind, "package": package, **DEFAULTS}
                    for keyword in keywords:
                        target[keyword.arg] = value_of(keyword.value)
                    # A file is a label as well.
                    target["data"] = [
                        label if label[0] in ":/@" else f":{label}"
                        for label in target["data"]
                    ]
                    for key in ("data", "deps"):
                        target[key] = sorted(
                            full_label(label, package) for label in target[key]
                        )
                    target["label"] = f"//{package}:{target.get('name')}"
                    yield target


def value_of(node: ast.expr) -> Any:
    """Returns an attribute's value; of a sum with patterns, what is literal."""
    match node:
        case ast.Call(ast.Name("glob")):
            return []
        case ast.BinOp(left, ast.Add(), right):
            return value_of(left) + value_of(right)
    return ast.literal_eval(node)


def python_files(root: Path) -> list[Path]:
    """Returns the files that need a target, relative to the root."""
    files = [file for top in FOLDERS for file in (root / top).rglob("*.py")]
    return sorted(file.relative_to(root) for file in files)


def dotted_name(path: Path) -> str:
    """Returns the name under which a file of the repository is imported."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def local_modules(root: Path, folder: str) -> dict[str, str]:
    """Maps the modules that a file in a folder can import to their labels."""
    modules = {}
    for path in python_files(root):
        label = label_of(path)
        modules[dotted_name(path)] = label
        if folder == path.parent.as_posix() != "l2l_tf":
            # A file that is run by its path finds its neighbours.
            modules[path.stem] = label
    return modules


def literals(tree: ast.AST) -> Iterator[str]:
    """Yields the strings in a syntax tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def imported_names(
    source: str, package: str, modules: Collection[str]
) -> Iterator[str]:
    """Yields what a source imports, at any depth, as absolute names."""
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in calls:
        function = ast.unparse(call.func).rpartition(".")[2]
        if function in ("import_module", "importorskip"):
            match call.args:
                case [ast.Constant(str(name)), *_]:
                    yield name
        if function == "import_module":
            # What it imports may stand elsewhere, as in a table of names.
            named = {text.partition(":")[0] for text in literals(tree)}
            yield from named & {m for m in modules if "." in m}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                around = package.split(".")
                around = around[: len(around) - node.level + 1]
                origin = ".".join([*around, origin]).rstrip(".")
            for alias in node.names:
                yield f"{origin}.{alias.name}"


def expected_deps(root: Path, path: Path) -> set[str]:
    """Returns the labels that the imports of a file call for."""
    modules = local_modules(root, path.parent.as_posix())
    package = package_of(path)
    importer = dotted_name(path)
    deps = set()
    source = (root / path).read_text(encoding="utf-8")
    for name in imported_names(source, ".".join(path.parent.parts), modules):
        parts = name.split(".")
        prefixes = [".".join(parts[: n + 1]) for n in range(len(parts))]
        found = [prefix for prefix in prefixes if prefix in modules]
        if found:
            # The packages around the module are executed before it, unless
            # they are around the importer too and hence under way already.
            deps |= {
                modules[prefix]
                for prefix in found
                if prefix == found[-1]
                or not f"{importer}.".startswith(f"{prefix}.")
            }
            # What another room has is had with the room as a whole.
            deps = {
                label
                if label.startswith(("//:", f"//{package}:", "@"))
                else room_label(label[2:].partition(":")[0])
                for label in deps
            }
        elif parts[0] not in sys.stdlib_module_names:
            distribution = DISTRIBUTIONS.get(parts[0], parts[0])
            deps.add(f"@pypi//{normalized(distribution)}")
    return deps


def normalized(distribution: str) -> str:
    """Returns the name that Bazel gives to a distribution."""
    return re.sub(r"[-_.]+", "_", distribution.lower())


def declared(root: Path, key: str) -> set[str]:
    """Returns the distributions in a list of requirements in pyproject.toml."""
    # Python 3.10 cannot read TOML, but can read TOML's lists of strings.
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    requirements = re.search(rf"^{key} = (\[.*?^\])", text, re.M | re.S)
    return {
        normalized(re.match(r"[\w.-]+", requirement)[0])
        for requirement in ast.literal_eval(requirements[1])
    }


def cycles(graph: dict[str, set[str]]) -> Iterator[str]:
    """Yields the nodes that can be reached from themselves."""
    for start in graph:
        reached, ahead = set(), [start]
        while ahead:
            new = graph.get(ahead.pop(), set()) - reached
            reached |= new
            ahead += new
        if start in reached:
            yield start


def coverage_problems(root: Path, targets: dict) -> Iterator[str]:
    """Yields the files that lack their target."""
    for path in python_files(root):
        label = label_of(path)
        file = path.relative_to(package_of(path)).as_posix()
        kind = next(
            KINDS[p] for p in KINDS if fnmatch.fnmatch(path.as_posix(), p)
        )
        target = targets.get(label, {"kind": None})
        if path.as_posix() == TEST_MAIN:
            continue
        if target["kind"] != kind:
            yield f"{shown(label)}: has no {kind} target"
        elif file not in target["srcs"]:
            yield f"{shown(label)}: does not have {file} in its srcs"


def file_problems(root: Path, target: dict, targets: dict) -> Iterator[str]:
    """Yields the files that a target names wrongly."""
    label, folder = target["label"], root / target["package"]
    for file in target["srcs"]:
        if not (folder / file).is_file():
            yield f"{shown(label)}: {file} does not exist"
    for data in target["data"]:
        if data not in targets and not (root / shown(data)).is_file():
            yield f"{shown(label)}: {data} does not exist"
    if target["kind"] == "py_test":
        if {target.get("main")} != {TEST_MAIN} & {*target["srcs"]}:
            yield f"{shown(label)}: does not run {TEST_MAIN}"
        if target.get("args") != [f"$(rootpath {shown(label)}.py)"]:
            yield f"{shown(label)}: does not hand its file to {TEST_MAIN}"


def dependency_problems(root: Path, target: dict) -> Iterator[str]:
    """Yields what the deps of a target have too little or too much."""
    label, folder = target["label"], Path(target["package"])
    expected, deps = set(), set(target["deps"])
    for file in target["srcs"]:
        if (root / folder / file).is_file():
            expected |= expected_deps(root, folder / file)
    if target["kind"] == "py_test":
        # Pytest imports it, from every folder around the test.
        for around in Path(shown(label)).parents:
            if (root / around / "conftest.py").is_file():
                expected.add(label_of(around / "conftest.py"))
    for dep in sorted(expected - deps):
        yield f"{shown(label)}: imports {dep}, which is missing from its deps"
    for dep in sorted(deps - expected):
        yield f"{shown(label)}: has {dep} in its deps without importing it"

    allowed = declared(root, "dependencies")
    if label.startswith("//:tests/"):
        allowed |= declared(root, "dev")
    for dep in sorted(deps):
        if dep.startswith("@") and dep.removeprefix("@pypi//") not in allowed:
            yield (
                f"{shown(label)}: {dep} is not a dependency in pyproject.toml"
            )


def room_problems(root: Path, package: str, targets: dict) -> Iterator[str]:
    """Yields what is wrong about a room's target."""
    room = targets.get(room_label(package), {"kind": None})
    if room["kind"] != "py_library":
        yield f"{package}: has no py_library target for the whole room"
        return
    members = {
        label_of(path)
        for path in python_files(root)
        if package_of(path) == package
    }
    for label in sorted(members ^ {*room["deps"]}):
        yield f"{package}: does not have exactly its files, see {label}"
    data = {
        f"//{package}:{path.relative_to(root / package).as_posix()}"
        for path in (root / package).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    } - {f"//{package}:BUILD"}
    for label in sorted(data ^ {*room["data"]}):
        yield f"{package}: does not have exactly its data, see {label}"
    packages = {package_of(path) for path in python_files(root)}
    wanted = {
        f"//{other}:__pkg__"
        for other in packages
        if not other
        or other.removeprefix("l2l_tf/")
        in importers(package.removeprefix("l2l_tf/"))
    }
    for other in sorted(wanted ^ {*room["visibility"]}):
        yield f"{package}: is not visible as it should be to {other}"


def visibility_problems(targets: dict) -> Iterator[str]:
    """Yields what targets use, though Bazel does not let them see it."""
    for target in targets.values():
        if target["kind"] == "package" and "default_visibility" in target:
            yield f"{target['package']}/BUILD: shows everything by default"
        for label in (*target["deps"], *target["data"]):
            used = targets.get(label, target)
            if used["package"] != target["package"] and not (
                {"//visibility:public", f"//{target['package']}:__pkg__"}
                & {*used["visibility"]}
            ):
                yield f"{shown(target['label'])}: may not see {label}"
        # The files of a room are seen in the room alone.
        if target["srcs"] and target["package"] and target["visibility"]:
            yield f"{shown(target['label'])}: is visible outside of its room"


def problems(root: Path) -> Iterator[str]:
    """Yields what is wrong in the BUILD files below a folder."""
    packages = {package_of(path) for path in python_files(root)} | {""}
    for package in sorted(packages ^ {*build_packages(root)}):
        has = (
            "no BUILD file" if package in packages else "a BUILD file for none"
        )
        yield f"{package}: has {has}"

    found = list(read_targets(root))
    labels = [target["label"] for target in found]
    for label in {label for label in labels if labels.count(label) > 1}:
        yield f"{shown(label)}: is defined twice"

    targets = dict(zip(labels, found, strict=True))
    rooms = {room_label(package) for package in packages if package}
    yield from coverage_problems(root, targets)
    yield from visibility_problems(targets)
    for package in sorted(packages - {""}):
        yield from room_problems(root, package, targets)
    for target in targets.values():
        if target["kind"].startswith("py_") and target["label"] not in rooms:
            yield from file_problems(root, target, targets)
            yield from dependency_problems(root, target)
    repository = targets.get("//:repository", DEFAULTS)["srcs"]
    for package in sorted(packages - {""}):
        if f"//{package}:all_files" not in {*repository} & {*labels}:
            yield f"{package}: its files are not part of the repository's"
    for label in cycles({t["label"]: {*t["deps"]} for t in found}):
        yield f"{shown(label)}: depends on itself"


def test_build_files_agree_with_the_sources():
    found = list(problems(ROOT))
    assert not found, "run `make build-file`:\n" + "\n".join(found)


SOURCES = {
    "pyproject.toml": """\
[project]
dependencies = [
    "dm-sonnet>=2.0.2",
    "tensorflow>=2.21",  # The framework.
]

[project.optional-dependencies]
dev = [
    "pytest",
]
""",
    "l2l_tf/__init__.py": """\
import importlib

_MODULES = {"UpdateRule": "l2l_tf.rules.base"}


def __getattr__(name):
    return getattr(importlib.import_module(_MODULES[name]), name)
""",
    "l2l_tf/core/__init__.py": "",
    "l2l_tf/core/files.py": "import json\n",
    "l2l_tf/rules/__init__.py": "",
    "l2l_tf/rules/adam.json": "{}",
    "l2l_tf/rules/base.py": "import abc\n\nimport sonnet.nets as nets\n",
    "l2l_tf/rules/learned/__init__.py": "",
    "l2l_tf/rules/learned/lstm.py": """\
from typing import TYPE_CHECKING

from l2l_tf.core.files import read
from l2l_tf.rules import base

if TYPE_CHECKING:
    import tensorflow as tf
""",
    "l2l_tf/rules/routed.py": "from . import base\nfrom .learned import *\n",
    "l2l_tf/saving/__init__.py": "",
    "l2l_tf/saving/export.py": "from l2l_tf.rules.base import UpdateRule\n",
    "scripts/train.py": "import common\nimport l2l_tf\n",
    "scripts/common.py": "def flags():\n    import tensorflow\n",
    "tests/conftest.py": "import pytest\n",
    "tests/run_pytest.py": "import pytest\n",
    "tests/rules/conftest.py": "",
    "tests/rules/test_base.py": """\
import pytest

from l2l_tf import rules
from scripts import train

tf = pytest.importorskip("tensorflow")
""",
}

BUILDS = {
    "BUILD": """\
load("@rules_python//python:defs.bzl", "py_binary", "py_library", "py_test")

alias(
    name = "l2l_tf",
    actual = ":l2l_tf/__init__",
    visibility = ["//visibility:public"],
)

filegroup(
    name = "saved_optimizers",
    visibility = ["//l2l_tf/saving:__pkg__"],
)

filegroup(
    name = "repository",
    srcs = glob([
        "*",
        "l2l_tf/**",
        "scripts/**",
        "tests/**",
    ]) + [
        "//l2l_tf/core:all_files",
        "//l2l_tf/rules:all_files",
        "//l2l_tf/saving:all_files",
    ],
)

py_library(
    name = "l2l_tf/__init__",
    srcs = ["l2l_tf/__init__.py"],
    deps = ["//l2l_tf/rules"],
)

py_binary(
    name = "scripts/common",
    srcs = ["scripts/common.py"],
    deps = ["@pypi//tensorflow"],
)

py_binary(
    name = "scripts/train",
    srcs = ["scripts/train.py"],
    deps = [
        ":l2l_tf/__init__",
        ":scripts/common",
    ],
)

py_library(
    name = "tests/conftest",
    testonly = True,
    srcs = ["tests/conftest.py"],
    deps = ["@pypi//pytest"],
)

py_library(
    name = "tests/rules/conftest",
    testonly = True,
    srcs = ["tests/rules/conftest.py"],
)

py_test(
    name = "tests/rules/test_base",
    srcs = [
        "tests/rules/test_base.py",
        "tests/run_pytest.py",
    ],
    args = ["$(rootpath tests/rules/test_base.py)"],
    main = "tests/run_pytest.py",
    deps = [
        ":l2l_tf/__init__",
        ":scripts/train",
        ":tests/conftest",
        ":tests/rules/conftest",
        "//l2l_tf/rules",
        "@pypi//pytest",
        "@pypi//tensorflow",
    ],
)
""",
    "l2l_tf/core/BUILD": """\
load("@rules_python//python:defs.bzl", "py_library")

filegroup(
    name = "all_files",
    srcs = glob(["**"]),
    visibility = ["//:__pkg__"],
)

py_library(
    name = "core",
    visibility = [
        "//:__pkg__",
        "//l2l_tf/rules:__pkg__",
        "//l2l_tf/saving:__pkg__",
    ],
    deps = [
        ":__init__",
        ":files",
    ],
)

py_library(
    name = "__init__",
    srcs = ["__init__.py"],
)

py_library(
    name = "files",
    srcs = ["files.py"],
)
""",
    "l2l_tf/rules/BUILD": """\
load("@rules_python//python:defs.bzl", "py_library")

filegroup(
    name = "all_files",
    srcs = glob(["**"]),
    visibility = ["//:__pkg__"],
)

py_library(
    name = "rules",
    data = ["adam.json"],
    visibility = [
        "//:__pkg__",
        "//l2l_tf/saving:__pkg__",
    ],
    deps = [
        ":__init__",
        ":base",
        ":learned/__init__",
        ":learned/lstm",
        ":routed",
    ],
)

py_library(
    name = "__init__",
    srcs = ["__init__.py"],
)

py_library(
    name = "base",
    srcs = ["base.py"],
    deps = ["@pypi//dm_sonnet"],
)

py_library(
    name = "learned/__init__",
    srcs = ["learned/__init__.py"],
)

py_library(
    name = "learned/lstm",
    srcs = ["learned/lstm.py"],
    deps = [
        ":base",
        "//l2l_tf/core",
        "@pypi//tensorflow",
    ],
)

py_library(
    name = "routed",
    srcs = ["routed.py"],
    deps = [
        ":base",
        ":learned/__init__",
    ],
)
""",
    "l2l_tf/saving/BUILD": """\
load("@rules_python//python:defs.bzl", "py_library")

filegroup(
    name = "all_files",
    srcs = glob(["**"]),
    visibility = ["//:__pkg__"],
)

py_library(
    name = "saving",
    visibility = ["//:__pkg__"],
    deps = [
        ":__init__",
        ":export",
    ],
)

py_library(
    name = "__init__",
    srcs = ["__init__.py"],
)

py_library(
    name = "export",
    srcs = ["export.py"],
    deps = ["//l2l_tf/rules"],
)
""",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small repository whose BUILD files are right."""
    for name, source in {**SOURCES, **BUILDS}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    """Replaces the first occurrence of a string in a file."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_right_build_files_pass(tree: Path):
    assert not list(problems(tree))


def test_written_build_files_are_right(tree: Path):
    def targets():
        return sorted(read_targets(tree), key=lambda target: target["label"])

    right = targets()
    for name in BUILDS:
        (tree / name).unlink()
    # Of a room that is gone.
    (tree / "l2l_tf/figures").mkdir()
    (tree / "l2l_tf/figures/BUILD").touch()
    writer = ROOT / ".ci" / "write_build.py"
    subprocess.run([sys.executable, writer, tree], check=True)
    assert targets() == right
    for name, build in BUILDS.items():
        written = (tree / name).read_text(encoding="utf-8")
        assert written.partition("\n")[2] == build


@pytest.mark.parametrize(
    "file, old, new, problem",
    [
        pytest.param(
            "BUILD",
            '    deps = ["//l2l_tf/rules"],\n',
            "",
            "l2l_tf/__init__: imports //l2l_tf/rules:rules, "
            "which is missing from its deps",
            id="missing-room",
        ),
        pytest.param(
            "l2l_tf/rules/BUILD",
            '        ":base",\n        "//l2l_tf/core",\n',
            '        "//l2l_tf/core",\n',
            "l2l_tf/rules/learned/lstm: imports //l2l_tf/rules:base, "
            "which is missing from its deps",
            id="missing-module",
        ),
        pytest.param(
            "l2l_tf/rules/BUILD",
            '        "@pypi//tensorflow",\n',
            "",
            "l2l_tf/rules/learned/lstm: imports @pypi//tensorflow, "
            "which is missing from its deps",
            id="missing-third-party",
        ),
        pytest.param(
            "BUILD",
            '        ":tests/conftest",\n',
            "",
            "tests/rules/test_base: imports //:tests/conftest, "
            "which is missing from its deps",
            id="missing-conftest",
        ),
        pytest.param(
            "BUILD",
            '        ":tests/rules/conftest",\n',
            "",
            "tests/rules/test_base: imports //:tests/rules/conftest, "
            "which is missing from its deps",
            id="missing-conftest-beside-it",
        ),
        pytest.param(
            "BUILD",
            '        ":scripts/common",\n',
            '        ":scripts/common",\n        "//l2l_tf/core",\n',
            "scripts/train: has //l2l_tf/core:core in its deps "
            "without importing it",
            id="superfluous-room",
        ),
        pytest.param(
            "l2l_tf/rules/BUILD",
            '    deps = ["@pypi//dm_sonnet"],\n',
            '    deps = [":__init__", "@pypi//dm_sonnet"],\n',
            "l2l_tf/rules/base: has //l2l_tf/rules:__init__ in its deps "
            "without importing it",
            id="superfluous-module",
        ),
        pytest.param(
            "l2l_tf/rules/BUILD",
            '    deps = ["@pypi//dm_sonnet"],\n',
            '    deps = ["@pypi//dm_sonnet", "@pypi//tensorflow"],\n',
            "l2l_tf/rules/base: has @pypi//tensorflow in its deps "
            "without importing it",
            id="superfluous-third-party",
        ),
        pytest.param(
            "l2l_tf/core/BUILD",
            'name = "files"',
            'name = "file"',
            "l2l_tf/core/files: has no py_library target",
            id="module-without-target",
        ),
        pytest.param(
            "BUILD",
            '"scripts/train"',
            '"scripts/trains"',
            "scripts/train: has no py_binary target",
            id="script-without-target",
        ),
        pytest.param(
            "BUILD",
            "py_test(\n",
            "py_library(\n",
            "tests/rules/test_base: has no py_test target",
            id="test-without-target",
        ),
        pytest.param(
            "l2l_tf/core/BUILD",
            '["files.py"]',
            '["folders.py"]',
            "l2l_tf/core/files: folders.py does not exist",
            id="absent-file",
        ),
        pytest.param(
            "BUILD",
            '["$(rootpath tests/rules/test_base.py)"]',
            '["$(rootpath tests/rules/test_other.py)"]',
            "tests/rules/test_base: does not hand its file to "
            "tests/run_pytest.py",
            id="other-test",
        ),
        pytest.param(
            "BUILD",
            'main = "tests/run_pytest.py"',
            'main = "tests/rules/test_base.py"',
            "tests/rules/test_base: does not run tests/run_pytest.py",
            id="other-main",
        ),
        pytest.param(
            "l2l_tf/rules/BUILD",
            'name = "routed",',
            'name = "base",',
            "l2l_tf/rules/base: is defined twice",
            id="defined-twice",
        ),
        pytest.param(
            "l2l_tf/saving/BUILD",
            '    srcs = ["export.py"],\n',
            '    srcs = ["export.py"],\n    data = ["//:models"],\n',
            "l2l_tf/saving/export: //:models does not exist",
            id="absent-data",
        ),
        pytest.param(
            "pyproject.toml",
            '    "dm-sonnet>=2.0.2",\n',
            "",
            "l2l_tf/rules/base: @pypi//dm_sonnet is not a dependency in "
            "pyproject.toml",
            id="undeclared-dependency",
        ),
        pytest.param(
            "l2l_tf/saving/export.py",
            "import UpdateRule",
            "import UpdateRule\nimport numpy",
            "l2l_tf/saving/export: imports @pypi//numpy, "
            "which is missing from its deps",
            id="new-import",
        ),
        pytest.param(
            "l2l_tf/core/BUILD",
            'name = "core"',
            'name = "heart"',
            "l2l_tf/core: has no py_library target for the whole room",
            id="no-room",
        ),
        pytest.param(
            "l2l_tf/rules/BUILD",
            '        ":routed",\n',
            "",
            "l2l_tf/rules: does not have exactly its files, "
            "see //l2l_tf/rules:routed",
            id="module-not-in-the-room",
        ),
        pytest.param(
            "l2l_tf/rules/BUILD",
            '    data = ["adam.json"],\n',
            "",
            "l2l_tf/rules: does not have exactly its data, "
            "see //l2l_tf/rules:adam.json",
            id="data-not-in-the-room",
        ),
        pytest.param(
            "l2l_tf/core/BUILD",
            '        "//l2l_tf/saving:__pkg__",\n',
            "",
            "l2l_tf/core: is not visible as it should be to "
            "//l2l_tf/saving:__pkg__",
            id="room-not-visible-enough",
        ),
        pytest.param(
            "l2l_tf/saving/BUILD",
            '["//:__pkg__"],\n    deps',
            '["//:__pkg__", "//l2l_tf/rules:__pkg__"],\n    deps',
            "l2l_tf/saving: is not visible as it should be to "
            "//l2l_tf/rules:__pkg__",
            id="room-visible-to-a-lower-one",
        ),
        pytest.param(
            "l2l_tf/rules/BUILD",
            '    srcs = ["base.py"],\n',
            '    srcs = ["base.py"],\n    visibility = ["//:__pkg__"],\n',
            "l2l_tf/rules/base: is visible outside of its room",
            id="module-visible-outside",
        ),
        pytest.param(
            "l2l_tf/rules/BUILD",
            "filegroup(",
            'package(default_visibility = ["//:__pkg__"])\n\nfilegroup(',
            "l2l_tf/rules/BUILD: shows everything by default",
            id="visible-by-default",
        ),
        pytest.param(
            "l2l_tf/rules/BUILD",
            '"//l2l_tf/core",\n        "@pypi',
            '"//l2l_tf/saving",\n        "@pypi',
            "l2l_tf/rules/learned/lstm: may not see //l2l_tf/saving:saving",
            id="upward",
        ),
        pytest.param(
            "l2l_tf/saving/BUILD",
            '["//l2l_tf/rules"]',
            '["//l2l_tf/rules:base"]',
            "l2l_tf/saving/export: may not see //l2l_tf/rules:base",
            id="module-of-another-room",
        ),
        pytest.param(
            "BUILD",
            '        "//l2l_tf/core:all_files",\n',
            "",
            "l2l_tf/core: its files are not part of the repository's",
            id="room-not-in-the-repository",
        ),
    ],
)
def test_wrong_build_file_fails(
    tree: Path, file: str, old: str, new: str, problem: str
):
    edit(tree / file, old, new)
    assert problem in list(problems(tree))


def test_new_benchmark_needs_a_target(tree: Path):
    (tree / "benchmarks").mkdir()
    (tree / "benchmarks/speed.py").touch()
    assert list(problems(tree)) == ["benchmarks/speed: has no py_binary target"]


def test_room_needs_a_build_file_and_no_room_needs_none(tree: Path):
    (tree / "l2l_tf/core/BUILD").rename(tree / "l2l_tf/BUILD")
    found = list(problems(tree))
    assert "l2l_tf: has a BUILD file for none" in found
    assert "l2l_tf/core: has no BUILD file" in found


def test_cycle_fails(tree: Path):
    edit(
        tree / "l2l_tf/rules/base.py",
        "import abc",
        "from l2l_tf.rules.learned import lstm",
    )
    edit(
        tree / "l2l_tf/rules/BUILD",
        '    deps = ["@pypi//dm_sonnet"]',
        '    deps = [":learned/__init__", ":learned/lstm", "@pypi//dm_sonnet"]',
    )
    assert list(problems(tree)) == [
        "l2l_tf/rules/base: depends on itself",
        "l2l_tf/rules/learned/lstm: depends on itself",
    ]
