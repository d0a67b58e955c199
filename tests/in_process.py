"""Runs a script without a process of its own, which takes seconds to start."""

import contextlib
import io
import logging
import os
import pathlib
import runpy
import subprocess
import sys
import traceback

from absl import app
from absl import flags
from absl import logging as absl_logging
from absl.testing import flagsaver

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent / "scripts"

# Those that the first script would define for good.
app.define_help_flags()


def run_script(name, *arguments, cwd=None):
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
            if not isinstance(code, int):
                print(code, file=sys.stderr)
                code = 1
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
