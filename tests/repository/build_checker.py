"""Finds what BUILD files have wrong about the sources.

Knows nothing of their writer, but for the order of the rooms.
"""

from __future__ import annotations

import ast
import fnmatch
import re
import runpy
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

# The distributions that are not called like the package they provide.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "absl": "absl-py",
    "google": "protobuf",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
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
