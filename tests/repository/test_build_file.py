"""The BUILD files agree with the sources, and wrong ones are found out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository import build_checker
from tests.repository import build_sample


def test_build_files_agree_with_the_sources():
    found = list(build_checker.problems(build_checker.ROOT))
    assert not found, "run `make build-file`:\n" + "\n".join(found)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small repository whose BUILD files are right."""
    for name, source in {**build_sample.SOURCES, **build_sample.BUILDS}.items():
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
    assert not list(build_checker.problems(tree))


def test_written_build_files_are_right(tree: Path):
    def targets():
        return sorted(
            build_checker.read_targets(tree), key=lambda target: target["label"]
        )

    right = targets()
    for name in build_sample.BUILDS:
        (tree / name).unlink()
    # Of a room that is gone.
    (tree / "l2l_tf/figures").mkdir()
    (tree / "l2l_tf/figures/BUILD").touch()
    writer = build_checker.ROOT / ".ci" / "write_build.py"
    subprocess.run([sys.executable, writer, tree], check=True)
    assert targets() == right
    for name, build in build_sample.BUILDS.items():
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
    assert problem in list(build_checker.problems(tree))


def test_new_benchmark_needs_a_target(tree: Path):
    (tree / "benchmarks").mkdir()
    (tree / "benchmarks/speed.py").touch()
    assert list(build_checker.problems(tree)) == [
        "benchmarks/speed: has no py_binary target"
    ]


def test_room_needs_a_build_file_and_no_room_needs_none(tree: Path):
    (tree / "l2l_tf/core/BUILD").rename(tree / "l2l_tf/BUILD")
    found = list(build_checker.problems(tree))
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
    assert list(build_checker.problems(tree)) == [
        "l2l_tf/rules/base: depends on itself",
        "l2l_tf/rules/learned/lstm: depends on itself",
    ]
