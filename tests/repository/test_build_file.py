"""Checks that BUILD agrees with the sources, knowing nothing of its writer."""

from __future__ import annotations

import ast
import fnmatch
import re
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
    "scripts/_*.py": "py_library",
    "scripts/*.py": "py_binary",
    "benchmarks/_*.py": "py_library",
    "benchmarks/*.py": "py_binary",
    "*": "py_library",
}

# What a target has where it does not say otherwise.
DEFAULTS = {"srcs": [], "data": [], "deps": []}


def read_targets(build: str) -> Iterator[dict[str, Any]]:
    """Yields the attributes of every Python target, and its kind."""
    for node in ast.parse(build).body:
        match node:
            case ast.Expr(ast.Call(ast.Name(kind), [], keywords)) if (
                kind.startswith("py_")
            ):
                attributes = {
                    keyword.arg: ast.literal_eval(keyword.value)
                    for keyword in keywords
                }
                yield {"kind": kind, **DEFAULTS} | attributes


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
        label = f":{path.with_suffix('').as_posix()}"
        modules[dotted_name(path)] = label
        if folder == path.parts[0] != "l2l_tf":
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
            yield from {*literals(tree)} & {m for m in modules if "." in m}
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
    modules = local_modules(root, path.parts[0])
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
        file, name = path.as_posix(), path.with_suffix("").as_posix()
        kind = next(KINDS[p] for p in KINDS if fnmatch.fnmatch(file, p))
        target = targets.get(name, {"kind": None})
        if file == TEST_MAIN:
            continue
        if target["kind"] != kind:
            yield f"{name}: has no {kind} target"
        elif file not in target["srcs"]:
            yield f"{name}: does not have {file} in its srcs"


def file_problems(root: Path, target: dict, labels: set) -> Iterator[str]:
    """Yields the files that a target names wrongly."""
    name = target["name"]
    for file in [*target["srcs"], *target["data"]]:
        if file not in labels and not (root / file).is_file():
            yield f"{name}: {file} does not exist"
    if target["kind"] == "py_test":
        if {target.get("main")} != {TEST_MAIN} & {*target["srcs"]}:
            yield f"{name}: does not run {TEST_MAIN}"
        if target.get("args") != [f"$(rootpath {name}.py)"]:
            yield f"{name}: does not hand its file to {TEST_MAIN}"


def dependency_problems(root: Path, target: dict) -> Iterator[str]:
    """Yields what the deps of a target have too little or too much."""
    name = target["name"]
    expected, deps = set(), set(target["deps"])
    for file in target["srcs"]:
        if (root / file).is_file():
            expected |= expected_deps(root, Path(file))
    if target["kind"] == "py_test":
        if (root / "tests/conftest.py").is_file():
            # Pytest imports it.
            expected.add(":tests/conftest")
    for dep in sorted(expected - deps):
        yield f"{name}: imports {dep}, which is missing from its deps"
    for dep in sorted(deps - expected):
        yield f"{name}: has {dep} in its deps without importing it"

    allowed = declared(root, "dependencies")
    if name.startswith("tests/"):
        allowed |= declared(root, "dev")
    for dep in sorted(deps):
        if dep.startswith("@") and dep.removeprefix("@pypi//") not in allowed:
            yield f"{name}: {dep} is not a dependency in pyproject.toml"


def problems(root: Path) -> Iterator[str]:
    """Yields what BUILD has wrong about the sources below a folder."""
    build = (root / "BUILD").read_text(encoding="utf-8")
    names = re.findall(r'^    name = "(.*)",$', build, re.M)
    for name in {name for name in names if names.count(name) > 1}:
        yield f"{name}: is defined twice"

    labels = {f":{name}" for name in names}
    targets = {target["name"]: target for target in read_targets(build)}
    yield from coverage_problems(root, targets)
    for target in targets.values():
        yield from file_problems(root, target, labels)
        yield from dependency_problems(root, target)
    graph = {f":{name}": {*t["deps"]} for name, t in targets.items()}
    for label in cycles(graph):
        yield f"{label[1:]}: depends on itself"


def test_build_file_agrees_with_the_sources():
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
    "l2l_tf/__init__.py": "from l2l_tf import unroll\n",
    "l2l_tf/rules/__init__.py": "",
    "l2l_tf/rules/base.py": "import abc\n\nimport sonnet.nets as nets\n",
    "l2l_tf/rules/routed.py": "from . import base\nfrom ..lazy import *\n",
    "l2l_tf/lazy.py": """\
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

_MODULES = {"UpdateRule": "l2l_tf.rules.base"}


def __getattr__(name):
    return getattr(importlib.import_module(_MODULES[name]), name)
""",
    "l2l_tf/unroll.py": "from l2l_tf.rules.base import UpdateRule\n",
    "scripts/train.py": "import common\nimport l2l_tf\n",
    "scripts/common.py": "def flags():\n    import tensorflow\n",
    "tests/conftest.py": "import pytest\n",
    "tests/run_pytest.py": "import pytest\n",
    "tests/test_train.py": """\
import pytest

from l2l_tf import rules
from scripts import train

tf = pytest.importorskip("tensorflow")
""",
}

BUILD = """\
load("@rules_python//python:defs.bzl", "py_binary", "py_library", "py_test")

package(default_visibility = ["//visibility:public"])

filegroup(name = "saved_optimizers", srcs = glob(["saved_optimizers/**"]))

py_library(
    name = "l2l_tf/__init__",
    srcs = ["l2l_tf/__init__.py"],
    deps = [":l2l_tf/unroll"],
)

py_library(
    name = "l2l_tf/lazy",
    srcs = ["l2l_tf/lazy.py"],
    deps = [
        ":l2l_tf/rules/__init__",
        ":l2l_tf/rules/base",
        "@pypi//tensorflow",
    ],
)

py_library(
    name = "l2l_tf/rules/__init__",
    srcs = ["l2l_tf/rules/__init__.py"],
)

py_library(
    name = "l2l_tf/rules/base",
    srcs = ["l2l_tf/rules/base.py"],
    deps = ["@pypi//dm_sonnet"],
)

py_library(
    name = "l2l_tf/rules/routed",
    srcs = ["l2l_tf/rules/routed.py"],
    deps = [
        ":l2l_tf/lazy",
        ":l2l_tf/rules/base",
    ],
)

py_library(
    name = "l2l_tf/unroll",
    srcs = ["l2l_tf/unroll.py"],
    deps = [
        ":l2l_tf/rules/__init__",
        ":l2l_tf/rules/base",
    ],
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

py_test(
    name = "tests/test_train",
    srcs = [
        "tests/run_pytest.py",
        "tests/test_train.py",
    ],
    args = ["$(rootpath tests/test_train.py)"],
    main = "tests/run_pytest.py",
    deps = [
        ":l2l_tf/__init__",
        ":l2l_tf/rules/__init__",
        ":scripts/train",
        ":tests/conftest",
        "@pypi//pytest",
        "@pypi//tensorflow",
    ],
)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small repository whose BUILD file is right."""
    for name, source in SOURCES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    (tmp_path / "BUILD").write_text(BUILD, encoding="utf-8")
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    """Replaces the first occurrence of a string in a file."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_right_build_file_passes(tree: Path):
    assert not list(problems(tree))


def test_written_build_file_is_right(tree: Path):
    right = list(read_targets(BUILD))
    (tree / "BUILD").unlink()
    writer = ROOT / ".ci" / "write_build.py"
    subprocess.run([sys.executable, writer, tree], check=True)
    written = list(read_targets((tree / "BUILD").read_text(encoding="utf-8")))

    def by_name(target):
        return target["name"]

    assert sorted(written, key=by_name) == sorted(right, key=by_name)


@pytest.mark.parametrize(
    "file, old, new, problem",
    [
        pytest.param(
            "BUILD",
            '    deps = [":l2l_tf/unroll"],\n',
            "",
            "l2l_tf/__init__: imports :l2l_tf/unroll, "
            "which is missing from its deps",
            id="missing-module",
        ),
        pytest.param(
            "BUILD",
            '        "@pypi//tensorflow",\n',
            "",
            "l2l_tf/lazy: imports @pypi//tensorflow, "
            "which is missing from its deps",
            id="missing-third-party",
        ),
        pytest.param(
            "BUILD",
            '        ":tests/conftest",\n',
            "",
            "tests/test_train: imports :tests/conftest, "
            "which is missing from its deps",
            id="missing-conftest",
        ),
        pytest.param(
            "BUILD",
            '        ":scripts/common",\n',
            '        ":l2l_tf/lazy",\n        ":scripts/common",\n',
            "scripts/train: has :l2l_tf/lazy in its deps without importing it",
            id="superfluous-module",
        ),
        pytest.param(
            "BUILD",
            '    deps = ["@pypi//dm_sonnet"],\n',
            '    deps = ["@pypi//dm_sonnet", "@pypi//tensorflow"],\n',
            "l2l_tf/rules/base: has @pypi//tensorflow in its deps "
            "without importing it",
            id="superfluous-third-party",
        ),
        pytest.param(
            "BUILD",
            '"l2l_tf/unroll"',
            '"l2l_tf/enroll"',
            "l2l_tf/unroll: has no py_library target",
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
            "tests/test_train: has no py_test target",
            id="test-without-target",
        ),
        pytest.param(
            "BUILD",
            '["l2l_tf/lazy.py"]',
            '["l2l_tf/eager.py"]',
            "l2l_tf/lazy: l2l_tf/eager.py does not exist",
            id="absent-file",
        ),
        pytest.param(
            "BUILD",
            '["$(rootpath tests/test_train.py)"]',
            '["$(rootpath tests/test_other.py)"]',
            "tests/test_train: does not hand its file to tests/run_pytest.py",
            id="other-test",
        ),
        pytest.param(
            "BUILD",
            'main = "tests/run_pytest.py"',
            'main = "tests/test_train.py"',
            "tests/test_train: does not run tests/run_pytest.py",
            id="other-main",
        ),
        pytest.param(
            "BUILD",
            '"l2l_tf/rules/routed",',
            '"l2l_tf/rules/base",',
            "l2l_tf/rules/base: is defined twice",
            id="defined-twice",
        ),
        pytest.param(
            "BUILD",
            '    srcs = ["l2l_tf/unroll.py"],\n',
            '    srcs = ["l2l_tf/unroll.py"],\n    data = [":models"],\n',
            "l2l_tf/unroll: :models does not exist",
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
            "l2l_tf/unroll.py",
            "import UpdateRule",
            "import UpdateRule\nimport numpy",
            "l2l_tf/unroll: imports @pypi//numpy, "
            "which is missing from its deps",
            id="new-import",
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


def test_cycle_fails(tree: Path):
    edit(tree / "l2l_tf/rules/base.py", "import abc", "from l2l_tf import lazy")
    edit(
        tree / "BUILD",
        '["@pypi//dm_sonnet"]',
        '[":l2l_tf/lazy", "@pypi//dm_sonnet"]',
    )
    assert list(problems(tree)) == [
        "l2l_tf/lazy: depends on itself",
        "l2l_tf/rules/base: depends on itself",
    ]
