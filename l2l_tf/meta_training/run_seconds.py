"""Where the time of a run goes."""

from __future__ import annotations

import numpy as np


class RunSeconds:
    """How long runs took since the last validation, and what for."""

    def __init__(self):
        """Knows of no run yet."""
        self._is_compiled = False
        self._seconds: list[float] = []

    def add(self, seconds: float) -> None:
        """Takes note of a run; the first one, which compiles, is left out."""
        if self._is_compiled:
            self._seconds.append(seconds)
        self._is_compiled = True

    def parts(
        self, num_optimizees: int, forward: float, optimizee: float
    ) -> dict[str, float]:
        """Returns what the seconds of a run were needed for.

        Args:
            num_optimizees: Optimizees that a run trains.
            forward: Seconds of one optimizee's run without meta-gradients.
            optimizee: Seconds of its losses and gradients alone.

        Returns:
            Seconds of the `optimizee`, the `rule` and, what is left of the
            median run, the `meta_gradient` with Adam's steps. They add up to
            the median run: where noise makes a part longer than what it is
            part of, it is cut. Nothing if no run has been timed since the
            last call.
        """
        if not self._seconds:
            return {}
        run = float(np.median(self._seconds))
        self._seconds = []
        all_forward = min(run, num_optimizees * forward)
        all_optimizees = min(all_forward, num_optimizees * optimizee)
        return {
            "optimizee": all_optimizees,
            "rule": all_forward - all_optimizees,
            "meta_gradient": run - all_forward,
        }
