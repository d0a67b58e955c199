"""Several problems in turn, each with parameters of shapes of its own."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from l2l_tf.problems import base
from l2l_tf.problems import registry


class Mixture(base.Family):
    """A family whose runs are drawn from one member after the other.

    An ensemble is one function of all parameters together; here each run has
    one member's function and parameters. Whoever runs a family compiles each
    member once.
    """

    name = "mixture"

    def __init__(self, problems: Sequence[base.Problem]):
        """Takes the members.

        Args:
            problems: The members, all on the same split. Members of mixtures
                among them are members here.

        Raises:
            ValueError: If there is none, or they are on several splits.
        """
        if not problems:
            raise ValueError("A mixture takes at least one problem.")
        splits = list(dict.fromkeys(problem.split for problem in problems))
        if len(splits) > 1:
            raise ValueError(
                "A mixture takes problems on one split; received "
                f"{' and '.join(map(repr, splits))}."
            )
        self.split = problems[0].split
        self._members = [m for problem in problems for m in problem.members]
        self.options = {"problems": registry.to_list(problems)}
        known = dict.fromkeys(m.data for m in self._members if m.data)
        self.data = "; ".join(known)

    @property
    def members(self) -> Sequence[base.Problem]:
        """See base class."""
        return self._members

    def with_split(self, split: str) -> Mixture:
        """See base class."""
        other = copy.copy(self)
        other.split = base.check_split(split)
        other._members = [m.with_split(split) for m in self._members]
        return other

    def default_rule(self) -> dict[str, Any]:
        """See base class: what suits the first member."""
        return self._members[0].default_rule()


@registry.PROBLEMS.register("mixture")
def from_configs(
    split: str = "train", /, *, problems: Sequence[Mapping[str, Any]]
) -> Mixture:
    """Builds a mixture from `[{"problem": name, ...options}, ...]`.

    Args:
        split: The split of all problems' data.
        problems: Names and options of the members.

    Returns:
        The mixture.

    Raises:
        ValueError: If a problem is refused.
    """
    return Mixture(registry.from_list("a mixture", problems, split))
