"""Things that are chosen by name, registered where they are defined."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

T = TypeVar("T")

OF_YOUR_OWN = (
    "one of your own is known once its module is imported, in scripts by "
    "--imports=package.module"
)
"""Ends the message about an unknown name, where users may add names."""


class Registry(Generic[T]):
    """Maps names to classes or functions.

        RULES = Registry("rule", "l2l_tf.rules")

        @RULES.register("adam")
        class Adam: ...

    The modules of the package, a room, are imported when a name is first asked
    for: a file in the room that registers something needs no mention elsewhere.
    What lies outside registers itself when its module is imported.
    """

    def __init__(self, kind: str, package: str, own: str = ""):
        """Starts empty.

        Args:
            kind: What is registered, for messages.
            package: The package whose modules register things.
            own: What to say about names that users add, for messages.
        """
        self._kind = kind
        self._own = f"; {own}" if own else ""
        self._package = package
        self._found: dict[str, T] = {}
        self._is_complete = False

    def register(self, name: str) -> Callable[[T], T]:
        """Returns a decorator that registers what it decorates.

        Args:
            name: The name, not yet taken.

        Raises:
            ValueError: If the name is taken by something else.
        """

        def decorate(thing: T) -> T:
            other = self._found.get(name)
            # A module that is executed twice brings its own things again.
            if other is not None and _origin(other) != _origin(thing):
                raise ValueError(
                    f"The {self._kind} {name!r} is registered already, by "
                    f"{_origin(other)}; choose another name."
                )
            self._found[name] = thing
            return thing

        return decorate

    def names(self) -> list[str]:
        """Returns all names, sorted."""
        self._complete()
        return sorted(self._found)

    def items(self) -> list[tuple[str, T]]:
        """Returns names and what they stand for, as registered in order."""
        self._complete()
        return list(self._found.items())

    def get(self, name: Any) -> T:
        """Returns what is registered under a name.

        Raises:
            ValueError: If there is no such name.
        """
        if name not in self:
            raise ValueError(
                f"Unknown {self._kind} {name!r}; accepted: "
                f"{', '.join(self.names())}{self._own}."
            )
        return self._found[name]

    def __contains__(self, name: Any) -> bool:
        return isinstance(name, str) and (
            name in self._found or name in self.names()
        )

    def build(self, name: Any, /, *args: Any, **options: Any) -> Any:
        """Calls what is registered under a name, its options checked.

        Args:
            name: The name.
            *args: What the library itself gives.
            **options: What the user gives.

        Raises:
            ValueError: If the name or an option is unknown or missing, or a
                value is refused.
        """
        thing = self.get(name)
        check_options(f"{self._kind} {name!r}", options, accepted(thing))
        try:
            inspect.signature(thing).bind(*args, **options)
        except TypeError as error:
            raise ValueError(
                f"Cannot build {self._kind} {name!r}: {error}."
            ) from error
        return thing(*args, **options)

    def _complete(self) -> None:
        if self._is_complete:
            return
        package = importlib.import_module(self._package)
        for module in pkgutil.walk_packages(
            package.__path__, f"{self._package}."
        ):
            importlib.import_module(module.name)
        self._is_complete = True


def accepted(thing: Callable[..., Any]) -> list[str]:
    """Returns the names of the options that a class or a function takes.

    Positional-only parameters are no options: the library gives them. Where a
    constructor takes `**options`, those of the base class count as well.
    """
    owners = [thing]
    if inspect.isclass(thing):
        owners = [
            functools.partial(owner.__init__, None)
            for owner in inspect.getmro(thing)
            if "__init__" in vars(owner)
        ]
    names: set[str] = set()
    for owner in owners:
        parameters = inspect.signature(owner).parameters.values()
        names |= {
            p.name
            for p in parameters
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        }
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return sorted(names)


def check_options(
    owner: str, options: Mapping[str, Any], names: list[str]
) -> None:
    """Refuses options that are unknown.

    Args:
        owner: What the options are for.
        options: The options.
        names: Those that are accepted.

    Raises:
        ValueError: If an option is not accepted; all of them are quoted.
    """
    unknown = sorted(set(options) - set(names))
    if unknown:
        raise ValueError(
            f"Unknown options {unknown} for {owner}; accepted: {sorted(names)}."
        )


def _origin(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"
