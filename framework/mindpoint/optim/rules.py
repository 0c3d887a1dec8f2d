"""Selection of parameters by name."""

from __future__ import annotations

import re
from typing import Iterable, List, Sequence, Set

from mindpoint.errors import ConfigError

KINDS = {
    "biases": r".*\bbias",
    "norms": r".*\b(gamma|beta|moving_mean|moving_variance)",
    "statistics": r".*\b(moving_mean|moving_variance)",
}
"""Keywords for patterns of whole names; the names are those of MindSpore's layers."""


def match_parameters(names: Iterable[str], rules: Sequence[str], where: str) -> Set[str]:
    """Return the names that at least one of the rules matches.

    Args:
        rules: keywords of :data:`KINDS`, and regular expressions matched at the start of a name, e.g. ``backbone`` or
            ``heads\\.pose\\.hm``.
        where: position in the configuration, for messages.

    Raises:
        ConfigError: an expression is invalid, or does not match any name.
    """
    names = list(names)
    return {name for rule in rules for name in _chosen_by(rule, names, where)}


def _chosen_by(rule: str, names: List[str], where: str) -> List[str]:
    try:
        found = [name for name in names if (re.fullmatch(KINDS[rule], name) if rule in KINDS else re.match(rule, name))]
    except re.error as error:
        raise ConfigError(f"{where}: '{rule}' is not a valid regular expression: {error}") from error
    if not found and rule not in KINDS:  # a network may lack layers of a kind
        first = ", ".join(dict.fromkeys(".".join(name.split(".")[:2]) for name in names))
        raise ConfigError(f"{where}: no parameter's name begins with '{rule}'; names begin with {first}; kinds are {', '.join(KINDS)}")
    return found
