"""What the benchmarks share: alternating runs, medians, the machine."""

from __future__ import annotations

import json
import os
import pathlib
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# As the scripts do: XLA uses 256 of 512 bits unless told otherwise.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_prefer_vector_width=512")


def alternate(
    variants: Mapping[str, Callable[[int], Any]], repetitions: int
) -> dict[str, dict[str, float]]:
    """Times functions of a run's index, one after the other, again and again.

    Args:
        variants: The functions; each returns when its work is done.
        repetitions: Timed calls of each, after one that is not.

    Returns:
        For each, `median_s`, `min_s`, `max_s` and `first_call_s`, which
        includes tracing and compiling.
    """
    first = {name: _seconds(run, 0) for name, run in variants.items()}
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for repetition in range(1, repetitions + 1):
        for name, run in variants.items():
            seconds[name].append(_seconds(run, repetition))
    return {
        name: {
            "median_s": statistics.median(values),
            "min_s": min(values),
            "max_s": max(values),
            "first_call_s": first[name],
        }
        for name, values in seconds.items()
    }


def print_table(
    title: str, results: Mapping[str, Mapping[str, float]], reference: str
) -> None:
    """Prints seconds, and how many times faster than the reference each is."""
    print(f"\n{title}")
    print(
        f"{'':<32} {'median s':>9} {'min':>9} {'max':>9} {'faster':>7} "
        f"{'first call':>10}"
    )
    for name, row in results.items():
        speed = results[reference]["median_s"] / row["median_s"]
        print(
            f"{name:<32} {row['median_s']:>9.4f} {row['min_s']:>9.4f} "
            f"{row['max_s']:>9.4f} {speed:>6.2f}x {row['first_call_s']:>10.1f}",
            flush=True,
        )


def machine() -> dict[str, Any]:
    """Returns what the figures depend on, and this process's peak memory."""
    from l2l_tf.meta_training import provenance

    names = [
        line.split(":")[1].strip()
        for line in _lines("/proc/cpuinfo")
        if line.startswith("model name")
    ]
    return {
        "cores": os.cpu_count(),
        "processor": names[0] if names else platform.machine(),
        "versions": provenance.versions(),
        "xla_flags": os.environ["XLA_FLAGS"],
        "peak_memory_gib": round(peak_memory_gib(), 3),
    }


def peak_memory_gib() -> float:
    """Returns the most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def print_json(results: Mapping[str, Any]) -> None:
    """Prints results and the machine for other programs to read."""
    print(json.dumps({**results, "machine": machine()}, indent=2))


def _seconds(run: Callable[[int], Any], index: int) -> float:
    began = time.perf_counter()
    run(index)
    return time.perf_counter() - began


def _lines(path: str) -> list[str]:
    file = pathlib.Path(path)
    return file.read_text().splitlines() if file.exists() else []
