"""Loads damaged and hostile saved optimizers, many of them.

  python benchmarks/fuzz_saved_optimizers.py --num_cases=1000

Each case is a copy of a genuine folder that is damaged by seed, see
tests/saving/hostile_folders.py. It has to be refused with
`SavedOptimizerError`, or give the genuine one's updates, in 10 seconds and
with the process below 1 GiB; a process that dies is a failure, too. Where
`strace` is there, system calls are traced, and a load may touch nothing but
its own folder. Prints failures and counts, and exits with 1 if there are any.
"""

from __future__ import annotations

import collections
import json
import os
import pathlib
import re
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time

import _measure  # noqa: F401  Finds the package.
from absl import app
from absl import flags
from absl import logging

FLAGS = flags.FLAGS

flags.DEFINE_integer("num_cases", 1000, "Damaged folders to load.")
flags.DEFINE_integer("seed", 0, "Seed of the first case.")
flags.DEFINE_bool("trace", True, "Whether to use strace, if it is there.")
flags.DEFINE_string("worker", None, "For the script's own use: a folder.")

_MAX_SECONDS = 10.0
_MAX_GIB = 1.0
_START_SECONDS = 300.0  # TensorFlow's import, the genuine folders.
# What a worker looks up, in vain, to leave a mark in the trace.
_MARK = "/l2l_tf-fuzz-case"
_LOOKS = ("stat", "lstat", "newfstatat", "readlink")
# The package looks for its own modules, and for names that are bundled.
_ROOT = pathlib.Path(__file__).resolve().parent.parent
# TensorFlow draws its own seeds from a device.
_PACKAGE = (f"{_ROOT}/l2l_tf", f"{_ROOT}/saved_optimizers", "/dev/urandom")
_CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)$")


def main(argv: list[str]) -> None:
    """Runs cases in processes that are used again."""
    del argv
    if FLAGS.worker:
        _work(pathlib.Path(FLAGS.worker))
        return
    began = time.perf_counter()
    counts, failures, longest, memory = collections.Counter(), [], 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        worker = _Worker(pathlib.Path(folder))
        for seed in range(FLAGS.seed, FLAGS.seed + FLAGS.num_cases):
            answer = worker.ask(seed)
            counts[answer["outcome"]] += 1
            longest = max(longest, answer.get("seconds", 0.0))
            memory = max(memory, answer.get("gib", 0.0))
            is_within = (
                answer["outcome"] in ("refused", "identical")
                and answer["seconds"] <= _MAX_SECONDS
                and answer["gib"] <= _MAX_GIB
            )
            if not is_within:
                failures.append({"seed": seed, **answer})
                print(failures[-1], flush=True)
        touched = worker.close()
    result = {
        "cases": FLAGS.num_cases,
        "outcomes": dict(counts),
        "failures": len(failures),
        "longest_s": round(longest, 3),
        "peak_memory_gib": round(memory, 3),
        "traced": worker.is_traced,
        "touched_outside": touched,
        "minutes": round((time.perf_counter() - began) / 60, 1),
    }
    _measure.print_json(result)
    sys.exit(1 if failures or touched else 0)


class _Worker:
    """A process that makes and loads cases, started again if it dies."""

    def __init__(self, folder: pathlib.Path):
        self._folder = folder
        self._traces: list[pathlib.Path] = []
        self._process = None
        self.is_traced = FLAGS.trace and _can_trace()

    def ask(self, seed: int) -> dict[str, object]:
        """Returns what became of a case."""
        if self._process is None:
            self._start()
        self._process.stdin.write(f"{seed}\n")
        self._process.stdin.flush()
        answer = self._read(6 * _MAX_SECONDS)
        if answer is None:
            self._process.kill()
            code = self._process.wait()
            self._process = None
            return {"outcome": f"the process ended with {code}, or was killed"}
        return answer

    def close(self) -> list[str]:
        """Ends the process; returns what cases touched outside."""
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait()
        touched: set[str] = set()
        for trace in self._traces:
            touched |= _touched_outside(trace, str(self._folder))
        return sorted(touched)

    def _start(self) -> None:
        cases = self._folder / f"worker-{len(self._traces)}"
        cases.mkdir()
        command = [sys.executable, __file__, f"--worker={cases}"]
        if self.is_traced:
            trace = self._folder / f"trace-{len(self._traces)}"
            calls = "%file,%network,execve"
            command = [
                *("strace", "-f", "--seccomp-bpf", "-s", "4096"),
                *("-e", f"trace={calls}", "-o", str(trace), *command),
            ]
            self._traces.append(trace)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if self._read(_START_SECONDS) is None:
            raise RuntimeError("The worker did not start.")

    def _read(self, seconds: float) -> dict[str, object] | None:
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        line = self._process.stdout.readline() if ready else ""
        return json.loads(line) if line else None


def _work(folder: pathlib.Path) -> None:
    """Makes and loads the cases whose seeds come line by line."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What anything else prints is no answer.
    logging.set_verbosity(logging.ERROR)
    from tests.saving import hostile_folders

    genuine = hostile_folders.make_genuine(folder / "genuine")
    expected = {
        kind: hostile_folders.updates(hostile_folders.load(path))
        for kind, path in genuine.items()
    }
    # What is imported when it is first used, refusals as well.
    for seed in range(10_000, 10_050):
        _run_case(folder, genuine, expected, seed)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        answer = _run_case(folder, genuine, expected, int(line))
        print(json.dumps(answer), file=answers, flush=True)


def _run_case(folder, genuine, expected, seed) -> dict[str, object]:
    from tests.saving import hostile_folders

    kind = "routed" if seed % 3 == 2 else "plain"
    parent = folder / f"case-{seed}"
    parent.mkdir()
    done = hostile_folders.make(genuine[kind], parent / "copy", seed)
    began = time.perf_counter()
    os.path.lexists(f"{_MARK}/begin/{seed}")
    found = hostile_folders.outcome(parent / "copy", expected[kind])
    os.path.lexists(f"{_MARK}/end/{seed}")
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    if (parent / "copy-stolen").exists():
        found = "wrote a file"
    shutil.rmtree(parent)
    return {
        "outcome": found,
        "seconds": round(seconds, 3),
        "gib": round(peak, 3),
        "done": done,
    }


def _can_trace() -> bool:
    if shutil.which("strace") is None:
        return False
    command = ["strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "true"]
    return subprocess.run(command, capture_output=True).returncode == 0


def _touched_outside(trace: pathlib.Path, folder: str) -> set[str]:
    """Returns what was called between a case's marks, but for what is right.

    That is to read the case's folder and the package, and to look at the
    folder's parents, to find out what a path stands for.
    """
    own, touched = None, set()
    with trace.open(errors="replace") as lines:
        for line in lines:
            if f'"{_MARK}/' in line:
                _, where, seed = line.partition(_MARK)[2].split("/")
                seed = seed.partition('"')[0]
                own = f"/case-{seed}/copy" if where == "begin" else None
                continue
            call = _CALL.match(line)
            if own is None or call is None:
                continue
            name, arguments = call.groups()
            paths = re.findall(r'"([^"]*)"', arguments)
            is_reading = name in (*_LOOKS, "openat") and not re.search(
                "O_WRONLY|O_RDWR|O_CREAT", arguments
            )
            is_inside = (
                _is_own(paths, folder, own)
                or _is_package(paths)
                or name in _LOOKS
                and _is_above(paths, folder, own)
            )
            if not (is_reading and is_inside):
                touched.add(f"{name}({arguments.strip()}"[:200])
    return touched


def _is_own(paths: list[str], folder: str, own: str) -> bool:
    """Returns whether all paths lie in a case's folder."""
    return bool(paths) and all(
        path.startswith(folder)
        and (path.endswith(own) or f"{own}/" in path)
        and ".." not in path
        for path in paths
    )


def _is_above(paths: list[str], folder: str, own: str) -> bool:
    """Returns whether all paths are parents of a case's folder."""
    parent = own.rpartition("/")[0]
    return all(
        folder.startswith(path)
        or path.startswith(folder)
        and path.endswith(parent)
        for path in paths
    )


def _is_package(paths: list[str]) -> bool:
    return bool(paths) and all(path.startswith(_PACKAGE) for path in paths)


if __name__ == "__main__":
    app.run(main)
