"""Saving for optimizers that hold other optimizers."""

from __future__ import annotations


class OwnVariables:
    """Saves the variables of a wrapper, without those of what it wraps.

    Keras saves the wrapped optimizers as parts of their own, so that a wrapper
    which saved all that `variables` lists would save theirs twice.
    """

    def save_own_variables(self, store) -> None:
        """See `keras.optimizers.Optimizer`."""
        for index, variable in enumerate(self._variables):
            store[str(index)] = variable.numpy()

    def load_own_variables(self, store) -> None:
        """See `keras.optimizers.Optimizer`."""
        for index, variable in enumerate(self._variables):
            variable.assign(store[str(index)])
