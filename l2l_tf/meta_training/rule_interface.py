"""Whether an update rule keeps to its interface.

It may be the user's own. Its steps are traced and looked at, not run.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from l2l_tf.meta_training import nests
from l2l_tf.meta_training import problem_interface
from l2l_tf.problems import base as problems
from l2l_tf.rules import base as rules


def check_on(rule: rules.UpdateRule, problem: problems.Family) -> None:
    """Refuses a rule or a problem that does not keep to its interface.

    Args:
        rule: The rule.
        problem: What it is to be run on.

    Raises:
        ValueError: If it is refused on a member of the problem.
    """
    for member in problem.members:
        params = problem_interface.check(member)
        bound = rule.bind(member.parameter_names)
        check(bound, params, member.num_functions)


def check(
    rule: rules.UpdateRule,
    params: Sequence[tf.TensorSpec],
    num_functions: int | None = None,
) -> None:
    """Refuses a rule whose steps do not suit some parameters.

    Args:
        rule: The rule, which knows the parameters' names.
        params: Their shapes and types.
        num_functions: Of how many independent functions they are.

    Raises:
        ValueError: If it does not keep to `l2l_tf.rules.base.UpdateRule`.
    """
    what = f"The rule {type(rule).__name__}"

    def step():
        gradients = [tf.zeros(param.shape, param.dtype) for param in params]
        state = rule.initial_state_of_functions(gradients, num_functions)
        return state, rule(gradients, state)

    state, result = nests.trace(what, step)
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise ValueError(
            f"{what} must return updates and the next state; received "
            f"{nests.said(result)}."
        )
    updates, next_state = result
    is_list = isinstance(updates, (tuple, list))
    if not is_list or len(updates) != len(params):
        raise ValueError(
            f"{what} must return a list of one update for each of "
            f"{len(params)} parameters; received {nests.said(updates)}."
        )
    for index, (update, param) in enumerate(zip(updates, params, strict=True)):
        if not nests.fits(param, nests.spec(update)):
            raise ValueError(
                f"{what} must return updates of the parameters' shapes and "
                f"types, {nests.said(param)} as number {index}; received "
                f"{nests.said(update)}."
            )
    nests.check_same(
        f"The state of {what[0].lower()}{what[1:]}", state, next_state
    )
