"""Tests of tests/processes.py."""

import os
import signal

from tests import processes

_PROGRAM = """
import os
import sys

print("tensorflow" in sys.modules, [m for m in sys.modules if "l2l" in m])
print(sys.argv[1:], os.getcwd(), os.environ["MINE"], __name__, flush=True)
print(sys.path[0], flush=True)
print("oh", file=sys.stderr)
sys.exit(" ".join(sys.argv[1:]) or None)
"""


def _program(folder):
    file = folder / "program.py"
    file.write_text(_PROGRAM)
    return file


def test_a_program_runs_as_python_runs_it(tmp_path):
    file, environment = _program(tmp_path), {**os.environ, "MINE": "yes"}
    where = {"cwd": tmp_path, "environment": environment}
    done = processes.run(file, "one", 2, **where)
    assert done.returncode == 1 and done.stderr == "oh\none 2\n"
    assert done.stdout.splitlines() == [
        "True []",
        f"['one', '2'] {tmp_path} yes __main__",
        str(tmp_path),
    ]
    done = processes.run(file, **where)
    assert done.returncode == 0 and done.stderr == "oh\n"


def test_an_error_is_told(tmp_path):
    file = _program(tmp_path)
    environment = {k: v for k, v in os.environ.items() if k != "MINE"}
    done = processes.run(file, environment=environment)
    assert done.returncode == 1 and "KeyError: 'MINE'" in done.stderr


def test_programs_run_beside_each_other_and_are_killed(tmp_path):
    file = tmp_path / "program.py"
    file.write_text("import time\nprint('on', flush=True)\ntime.sleep(600)")
    with processes.start(file) as first, processes.start(file) as second:
        for running in (first, second):
            assert running.stdout.readline() == "on\n"
            assert running.process.is_alive()
        os.kill(first.process.pid, signal.SIGKILL)
        assert first.finish().returncode == -signal.SIGKILL
    assert not second.process.is_alive()
