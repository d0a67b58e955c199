"""Inverse BFGS on small quadratic functions, as textbooks have it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Quadratic(NamedTuple):
    """f(theta) = 1/2 (theta - m)^T A (theta - m), started at zero."""

    hessian: np.ndarray
    minimum: np.ndarray

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        return self.hessian @ (theta - self.minimum)


def quadratic(seed: int = 0, size: int = 5) -> Quadratic:
    """Draws one with eigenvalues from 0.6 to 1.6 in random directions."""
    draw = np.random.RandomState(seed)
    q = np.linalg.qr(draw.standard_normal([size, size]))[0]
    hessian = q @ np.diag(np.linspace(0.6, 1.6, size)) @ q.T
    return Quadratic(hessian, draw.standard_normal(size))


def inverse_bfgs(
    gradient: Callable[[np.ndarray], np.ndarray], size: int, num_steps: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Makes steps of length 1 from zero, with H = I at first.

        s = -H g,   H <- (I - r s y^T) H (I - r y s^T) + r s s^T,  r = 1 / y^T s

    Source: Nocedal and Wright 2006, algorithm 6.1.

    Returns:
        theta and H before each step, and after all.
    """
    identity = np.eye(size)
    theta, inverse, found = np.zeros(size), identity, []
    for _ in range(num_steps):
        found.append((theta, inverse))
        step = -inverse @ gradient(theta)
        y = gradient(theta + step) - gradient(theta)
        theta = theta + step
        rho = 1 / (y @ step)
        left = identity - rho * np.outer(step, y)
        inverse = left @ inverse @ left.T + rho * np.outer(step, step)
    return [*found, (theta, inverse)]
