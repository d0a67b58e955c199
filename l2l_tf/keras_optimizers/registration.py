"""Makes `import l2l_tf` enough for `keras.models.load_model`.

Keras looks up the classes of a file by name. Until the optimizer itself is
imported, which takes TensorFlow, a stand-in of its name imports it on demand.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import sys

_CLASSES = {"LearnedOptimizer": "l2l_tf.keras_optimizers.learned_optimizer"}


def register() -> None:
    """Registers the stand-ins now, or as soon as Keras is imported."""
    if "keras" in sys.modules:
        _register_with_keras()
    else:
        sys.meta_path.insert(0, _AfterKeras())


class _AfterKeras(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds Keras as others do, and registers once it is executed."""

    def find_spec(self, fullname, path=None, target=None):
        """See base class."""
        if fullname != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None:
            self._loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec):
        """See base class."""
        return self._loader.create_module(spec)

    def exec_module(self, module):
        """See base class."""
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        _register_with_keras()


def _register_with_keras() -> None:
    import keras

    for name, module in _CLASSES.items():
        known = keras.saving.get_registered_object(f"l2l_tf>{name}")
        if known is None:
            stand_in = _make_stand_in(name, module)
            keras.saving.register_keras_serializable("l2l_tf", name)(stand_in)


def _make_stand_in(name: str, module: str) -> type:
    def from_config(config, custom_objects=None):
        made = getattr(importlib.import_module(module), name)
        return made.from_config(config, custom_objects)

    return type(
        name,
        (),
        {
            "from_config": staticmethod(from_config),
            "get_config": lambda self: {},
        },
    )
