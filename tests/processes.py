"""Runs programs in processes of their own that need not import TensorFlow.

To import it takes seconds. One process does so, and forks another for each
program. It uses nothing of TensorFlow's, which starts no thread before that,
and imports nothing of this repository's.
"""

import contextlib
import multiprocessing
import os
import pathlib
import runpy
import subprocess
import sys
import tempfile
import threading
from multiprocessing import connection
from multiprocessing import forkserver
from typing import IO, NamedTuple
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parent.parent

_SECONDS = 600  # until a program is taken to be stuck, and killed

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tensorflow", "keras", "matplotlib.figure"])


class Running(NamedTuple):
    """A program that runs.

    Attributes:
        process: Its process.
        stdout: What it prints, as it prints it.
        stderr: What it has printed to standard error, when it has ended.
    """

    process: multiprocessing.process.BaseProcess
    stdout: IO[str]
    stderr: IO[str]

    def finish(self) -> subprocess.CompletedProcess:
        """Waits for its end, and returns what `subprocess.run` does."""
        stdout = self.stdout.read()
        self.process.join()
        self.stderr.seek(0)
        return subprocess.CompletedProcess(
            [], self.process.exitcode, stdout, self.stderr.read()
        )


@contextlib.contextmanager
def start(program, *arguments, path=ROOT, cwd=None, environment=None):
    """Starts a program as `python PROGRAM ARGUMENTS` does; kills it at the end.

    Args:
        program: The file.
        *arguments: Its arguments.
        path: What `PYTHONPATH` names, or None.
        cwd: The folder to run it in.
        environment: All variables; by default those of this process.

    Yields:
        What runs.
    """
    # Read where TensorFlow is imported, as scripts set it.
    with mock.patch.dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3"):
        forkserver.ensure_running()
    reader, writer = os.pipe()
    stdout = open(reader)
    with stdout, tempfile.TemporaryFile("w+") as stderr:
        streams = [
            connection.Connection(fd)
            for fd in (writer, os.dup(stderr.fileno()))
        ]
        process = _CONTEXT.Process(
            target=_run,
            args=(
                [str(program), *map(str, arguments)],
                path and str(path),
                str(cwd or os.getcwd()),
                {**os.environ} if environment is None else environment,
                *streams,
            ),
        )
        process.start()
        limit = threading.Timer(_SECONDS, process.kill)
        limit.start()
        for stream in streams:
            stream.close()
        try:
            yield Running(process, stdout, stderr)
        finally:
            limit.cancel()
            process.kill()
            process.join()


def run(program, *arguments, **options) -> subprocess.CompletedProcess:
    """Runs a program to its end, see `start`."""
    with start(program, *arguments, **options) as running:
        return running.finish()


def _run(words, path, cwd, environment, *streams):
    for number, stream in enumerate(streams, 1):
        os.dup2(stream.fileno(), number)
        stream.close()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = words
    # Neither the repository nor its tests, unless they are asked for.
    here = [
        str(pathlib.Path(words[0]).resolve().parent),
        *([path] * bool(path)),
    ]
    sys.path[:] = here + [p for p in sys.path if p not in ("", str(ROOT))]
    for name in [n for n in sys.modules if n.split(".")[0] == "tests"]:
        del sys.modules[name]
    runpy.run_path(words[0], run_name="__main__")
