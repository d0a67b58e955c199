"""How the tests run, and the fixtures that several test files share."""

import contextlib
import io
import logging
import os
import pathlib
import runpy
import subprocess
import sys
import traceback

import pytest
from absl import app
from absl import flags
from absl import logging as absl_logging
from absl.testing import flagsaver

from l2l_tf.rules import registry
from l2l_tf.saving import saved_optimizer

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent / "scripts"

# What a process of the tests needs at most, in bytes.
_MEMORY = 2 << 30


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Returns how many processes run tests: one per core this one may use."""
    del config
    cores = os.cpu_count()
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(cores, memory // _MEMORY))


def pytest_collection_modifyitems(items):
    """Starts with what takes longest: at the end, no core waits for long."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> pathlib.Path:
    """Returns the folder of a small exported rule, to be left as it is."""
    rule = registry.make_rule({"rule": "coordinatewise", "layers": [6, 5]})
    path = tmp_path_factory.mktemp("exported") / "small"
    return saved_optimizer.export(rule, path, {"problem": {"name": "none"}})


@pytest.fixture(scope="session")
def run_script():
    """Returns a function that runs a script without a process of its own."""
    return _run_script


def _run_script(name, *arguments, cwd=None):
    """Runs a script as `python scripts/NAME.py ARGUMENTS` does.

    Args:
        name: The script, less its suffix.
        *arguments: Its flags.
        cwd: The folder to run it in.

    Returns:
        What `subprocess.run` returns: exit code, standard output and error.
    """
    argv = [str(SCRIPTS / f"{name}.py"), *map(str, arguments)]
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        _process_state(argv, cwd),
    ):
        try:
            runpy.run_path(argv[0], run_name="__main__")
            code = 0
        except SystemExit as done:
            code = done.code or 0
        except BaseException:
            # As Python does at the end of a process.
            traceback.print_exc()
            code = 1
    return subprocess.CompletedProcess(
        argv, code, stdout.getvalue(), stderr.getvalue()
    )


@contextlib.contextmanager
def _process_state(argv, cwd):
    """Restores at its end all that a script changes in its process."""
    app.define_help_flags()
    values, is_parsed = flagsaver.save_flag_values(), flags.FLAGS.is_parsed()
    path, old_argv, old_cwd = [*sys.path], sys.argv, os.getcwd()
    environment = dict(os.environ)
    verbosity = absl_logging.get_verbosity()
    handlers, level = [*logging.root.handlers], logging.root.level
    try:
        sys.argv = argv
        sys.path.insert(0, str(SCRIPTS))
        # XLA reads its flags once, so that a script's would come too late, or
        # else would stay.
        os.environ.setdefault("XLA_FLAGS", "")
        os.chdir(cwd or old_cwd)
        yield
    finally:
        os.chdir(old_cwd)
        sys.argv, sys.path[:] = old_argv, path
        for module in SCRIPTS.glob("*.py"):
            sys.modules.pop(module.stem, None)
        os.environ.clear()
        os.environ.update(environment)
        flagsaver.restore_flag_values(values)
        if not is_parsed:
            flags.FLAGS.unparse_flags()
        absl_logging.set_verbosity(verbosity)
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
