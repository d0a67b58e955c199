"""A small repository, and the BUILD files that are right for it."""

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
