"""The one interface of update rules, learned or hand-designed."""

from __future__ import annotations

import abc
import functools
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from l2l_tf.rules import saved_model

State = Any
"""A nest of tensors that a rule carries from step to step."""

Record = Any
"""A nest of tensors that a rule wants to see again when it is replayed."""


class ReplayOptions(NamedTuple):
    """How a rule is replayed.

    Attributes:
        coordinate_fraction: The share of coordinates to replay; with less than
            1 the result is an unbiased estimate.
        seed: Draws the coordinates, int32 of shape [2].
        num_lanes: Parts of the coordinates that are replayed side by side,
            such as one for each core.
        jit_compile: Whether XLA compiles the replay.
    """

    coordinate_fraction: float = 1.0
    seed: tf.Tensor | None = None
    num_lanes: int = 1
    jit_compile: bool = True


class UpdateRule(tf.Module, abc.ABC):
    """Maps gradients to updates, one step at a time.

        updates, state = rule(gradients, state)
        params = params + updates

    These methods are pure functions of tensors: nothing is assigned, so a rule
    can be unrolled, differentiated, exported and compiled. Weights that can
    be trained are the module's `trainable_variables`.

    A subclass writes `initial_state`, `__call__` and `config`; all else follows
    from these. What else a class says about its `__call__` (the methods in
    `_FOLLOWS_FROM_CALL`) holds for that `__call__` alone: a subclass that
    overrides `__call__` gets the methods of this class again.

    Source: Andrychowicz et al. 2016, section 1.
    """

    is_baseline = False
    """Whether learned rules are compared with it, at a learning rate that is
    searched."""

    rule_name = ""
    """The name it is registered under; a subclass has none of its own yet."""

    initial_options: Sequence[str] = ("initializer", "seed")
    """Options that decide the first values of weights, and nothing else."""

    is_separable = False
    """Whether any of its columns can be updated without the others, see
    `l2l_tf.rules.learned.columns.ColumnwiseRule`."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.rule_name = ""
        if "__call__" in vars(cls):
            for name in _FOLLOWS_FROM_CALL:
                if name not in vars(cls):
                    setattr(cls, name, getattr(UpdateRule, name))
        if "initial_state" in vars(cls) and (
            "initial_state_of_functions" not in vars(cls)
        ):
            cls.initial_state_of_functions = (
                UpdateRule.initial_state_of_functions
            )

    @abc.abstractmethod
    def initial_state(self, params: Sequence[tf.Tensor]) -> State:
        """Returns the state before the first step.

        Args:
            params: The optimizee's parameters, of any shapes. Only their
                shapes and types matter.

        Returns:
            A nest of tensors.
        """

    def initial_state_of_functions(
        self, params: Sequence[tf.Tensor], num_functions: int | None
    ) -> State:
        """Returns the state before the first step on independent functions.

        A rule whose coordinates share information keeps functions apart by
        what this state holds; for all others it makes no difference.

        Args:
            params: The optimizee's parameters. With functions, the first axis
                of each counts these.
            num_functions: How many independent functions the parameters belong
                to; None for one, whose parameters have no such axis.

        Returns:
            A nest of tensors, which calls take as they take `initial_state`'s.
        """
        del num_functions
        return self.initial_state(params)

    def with_horizon(
        self,
        state: State,
        params: Sequence[tf.Tensor],
        num_steps: int | tf.Tensor,
    ) -> State:
        """Returns a state that knows how long its run will be.

        A rule that makes use of it overrides it.

        Args:
            state: The state before the first step.
            params: What the state was made for.
            num_steps: Updates of the run.
        """
        del params, num_steps
        return state

    @abc.abstractmethod
    def __call__(
        self, gradients: Sequence[tf.Tensor], state: State
    ) -> tuple[list[tf.Tensor], State]:
        """Proposes one update for every parameter.

        Args:
            gradients: One tensor for each parameter, of its shape.
            state: The state that the previous step returned.

        Returns:
            The updates, to be added to the parameters, and the next state of
            the same structure as `state`.
        """

    @abc.abstractmethod
    def config(self) -> dict[str, Any]:
        """Returns what `l2l_tf.rules.registry.make_rule` rebuilds it from.

        That is `{"rule": self.rule_name, **options}`.
        """

    @classmethod
    def map_config(
        cls,
        config: Mapping[str, Any],
        change: Callable[[type[UpdateRule], Mapping[str, Any]], dict[str, Any]],
    ) -> dict[str, Any]:
        """Returns a configuration of this class, changed.

        Args:
            config: The configuration.
            change: Maps a class and its configuration to another; a rule that
                consists of others applies it to theirs.
        """
        return change(cls, config)

    def bind(self, parameter_names: Sequence[str]) -> UpdateRule:
        """Returns a rule that knows which parameters it will be given.

        Args:
            parameter_names: Their names, in the order of the gradients.

        Returns:
            The rule itself, unless names make a difference to it.

        Raises:
            ValueError: If the names do not suit the rule.
        """
        del parameter_names
        return self

    def routes(self) -> Mapping[str, UpdateRule]:
        """Returns the rules that it chooses from by parameters' names.

        They are given by the patterns of the names that each serves; a rule
        that treats all names alike has none.
        """
        return {}

    def leaves(
        self, positions: Sequence[int]
    ) -> list[tuple[UpdateRule, list[int]]]:
        """Returns the rules that it consists of, and what each is for.

        Args:
            positions: Where the rule's parameters stand among all.

        Returns:
            Rules with the positions of their parameters.
        """
        return [(self, list(positions))]

    def record(
        self, gradients: Sequence[tf.Tensor], state: State
    ) -> tuple[list[tf.Tensor], State, Record]:
        """Makes a step, and notes what `replay` needs beside the gradients.

        Args:
            gradients: As in a call.
            state: As in a call.

        Returns:
            What a call returns, and a nest of tensors, `()` if gradients are
            enough.
        """
        return *self(gradients, state), ()

    def replay(
        self,
        gradients: Sequence[tf.Tensor],
        records: Record,
        state: State,
        cotangents: Sequence[tf.Tensor],
        options: ReplayOptions,
    ) -> list[tf.Tensor]:
        """Differentiates `sum_t <g_t, c_t>` with respect to the weights.

        Args:
            gradients: For each parameter, what the rule was given at each
                step, shape [steps, ...].
            records: What it recorded, each tensor of shape [steps, ...].
            state: The rule's state before the first step.
            cotangents: For each parameter, the c_t, shape [steps, ...].
            options: How to go about it.

        Returns:
            One tensor for each of `trainable_variables`.

        Raises:
            ValueError: If the rule needs all coordinates, and a fraction is
                asked for.
        """
        del records
        check_all_coordinates(self, options)
        replay = functools.partial(replay_steps, self, self.trainable_variables)
        if options.jit_compile:
            replay = tf.function(replay, jit_compile=True, autograph=False)
        return replay(list(gradients), state, list(cotangents))

    def check_claims(self, params: Sequence[tf.Tensor]) -> None:
        """Checks, with numbers, what the rule says about itself.

        Called before training relies on it. This class claims nothing.

        Args:
            params: The parameters that it is to serve.

        Raises:
            ValueError: If a claim is wrong; it quotes the numbers.
        """
        del params

    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """Returns what a saved rule lets those call who have TensorFlow only.

        Here `initial_state(num_coordinates)` and `update(gradients, state)` for
        one flat parameter of any length, or nothing where the rule does not
        work without knowing the length.
        """
        return saved_model.flat_functions(self)

    def save(self, folder: str | os.PathLike) -> None:
        """Writes weights and `functions` as a SavedModel.

        Args:
            folder: An empty folder, or one that is not there yet.
        """
        saved_model.write(folder, self.trainable_variables, self.functions())

    def restore(self, folder: str | os.PathLike) -> None:
        """Assigns the weights that `save` wrote. No graph is loaded or run.

        Args:
            folder: The folder.

        Raises:
            ValueError: If it does not hold exactly this rule's weights.
        """
        saved_model.read(folder, self.trainable_variables)

    def weights_from(
        self, source: UpdateRule
    ) -> list[tuple[tf.Variable, tf.Variable]]:
        """Returns how to start from another rule's weights.

        Args:
            source: A rule of the same configuration, but for what decides its
                fresh weights.

        Returns:
            Its own weights, each with the weight of the other rule that it
            would be set to.

        Raises:
            ValueError: If the source is another rule.
        """
        ours, theirs = map(_without_initial_options, (self, source))
        if ours != theirs:
            raise ValueError(
                f"The rule {ours} cannot start from the weights of another, "
                f"{theirs}."
            )
        return list(
            zip(
                self.trainable_variables,
                source.trainable_variables,
                strict=True,
            )
        )

    def saved_parts(
        self, folder: str | os.PathLike
    ) -> list[tuple[UpdateRule, pathlib.Path]]:
        """Returns the rules with weights that it consists of.

        Args:
            folder: The folder that `save` writes.

        Returns:
            Rules, with the folders in which `save` puts a SavedModel of each.
        """
        return [(self, pathlib.Path(folder))]

    def example_params(self) -> list[tf.Tensor]:
        """Returns parameters that it can serve, to try it on.

        A rule that takes other shapes than these overrides it.
        """
        return [tf.zeros([3, 4]), tf.zeros([4])]

    def describe(self) -> str:
        """Returns in one sentence what it is and how large its state is."""
        with tf.init_scope():
            sizes = [
                sum(
                    tf.size(t) for t in tf.nest.flatten(self.initial_state([p]))
                )
                for p in (tf.zeros([1]), tf.zeros([2]))
            ]
        options = {k: v for k, v in self.config().items() if k != "rule"}
        return (
            f"The rule {self.rule_name or type(self).__name__!r} with "
            f"{options}; numbers of state for each coordinate: "
            f"{sizes[1] - sizes[0]}."
        )


_FOLLOWS_FROM_CALL = (
    "with_horizon",
    "routes",
    "leaves",
    "record",
    "replay",
    "check_claims",
    "functions",
    "save",
    "restore",
    "saved_parts",
)


def _without_initial_options(rule: UpdateRule) -> dict[str, Any]:
    """Returns a configuration without what decides first values of weights."""
    return rule.map_config(
        rule.config(),
        lambda kind, options: {
            key: value
            for key, value in options.items()
            if key not in kind.initial_options
        },
    )


def check_all_coordinates(rule: UpdateRule, options: ReplayOptions) -> None:
    """Refuses to replay a fraction of a rule that needs all coordinates.

    Raises:
        ValueError: If a fraction is asked for.
    """
    if options.coordinate_fraction < 1.0:
        raise ValueError(
            "A fraction of coordinates can be replayed of rules with "
            "independent columns only, such as coordinatewise ones; "
            f"received coordinate_fraction={options.coordinate_fraction!r} "
            f"for the rule {type(rule).__name__}."
        )


def replay_steps(
    step: Callable[[list[tf.Tensor], State], tuple[list[tf.Tensor], State]],
    variables: Sequence[tf.Variable],
    gradients: Sequence[tf.Tensor],
    state: State,
    cotangents: Sequence[tf.Tensor],
) -> list[tf.Tensor]:
    """Differentiates `sum_t <g_t, c_t>` over recorded gradients.

    Args:
        step: An update rule: `updates, state = step(gradients, state)`.
        variables: Its weights.
        gradients: For each parameter, what the rule is given, shape
            [steps, ...].
        state: The rule's state before the first step.
        cotangents: For each parameter, the c_t, shape [steps, ...].

    Returns:
        One tensor for each variable.
    """
    num_steps = gradients[0].shape[0]

    def body(index, total, state):
        updates, state = step([g[index] for g in gradients], state)
        for update, cotangent in zip(updates, cotangents, strict=True):
            product = tf.reduce_sum(update * cotangent[index])
            total += tf.cast(product, total.dtype)
        return index + 1, total, state

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(variables)
        _, total, _ = tf.while_loop(
            lambda index, *_: index < num_steps,
            body,
            (0, tf.zeros([], cotangents[0].dtype), state),
            maximum_iterations=num_steps,
        )
    return tape.gradient(
        total, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
