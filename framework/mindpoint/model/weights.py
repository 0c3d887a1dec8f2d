"""Loads arrays into a network, with a report of the matches."""

from __future__ import annotations

import logging
import re
from collections import Counter
from dataclasses import dataclass
from typing import Dict, List, Mapping, Tuple

import mindspore as ms
import numpy as np
from mindspore import nn

from mindpoint.errors import WeightsError

log = logging.getLogger("mindpoint")
_MAY_LACK = {"exact": r"(?!)", "heads": r"(stacks\.\d+\.)?heads\.", "backbone": r"(?!backbone\.)", "any": ""}
"""Patterns of the parameters that a file of initial weights may lack, by value of ``match``, strictest first."""


@dataclass(frozen=True)
class LoadReport:
    """The result of matching arrays with parameters.

    Attributes:
        matched: names of loaded parameters.
        missing: names in the network, but not in the file.
        unexpected: names in the file, but not in the network.
        differs: ``(name, shape in the network, shape in the file)``; not loaded.
    """

    matched: List[str]
    missing: List[str]
    unexpected: List[str]
    differs: List[Tuple[str, tuple, tuple]]

    @property
    def complete(self) -> bool:
        """Tell whether every parameter of the network was loaded."""
        return not self.missing and not self.differs

    def __str__(self) -> str:
        lines = [
            f"{len(self.matched)} matched, {len(self.missing)} missing, {len(self.unexpected)} unexpected, "
            f"{len(self.differs)} of another shape"
        ]
        lines += _some("missing", self.missing)
        lines += _some("unexpected", self.unexpected)
        lines += _some("another shape", [f"{name}: {ours} here, {theirs} in the file" for name, ours, theirs in self.differs])
        return "\n".join(lines)


def _some(title: str, names: List[str], most: int = 5) -> List[str]:
    rest = [f"    ... and {len(names) - most} more"] if len(names) > most else []
    return [f"  {title}:"] * bool(names) + [f"    {name}" for name in names[:most]] + rest


def load_arrays(network: nn.Cell, arrays: Mapping[str, np.ndarray]) -> LoadReport:
    """Copy arrays by name into the network's parameters; arrays that do not fit are ignored and reported."""
    parameters = network.parameters_dict()
    fits = {name for name, parameter in parameters.items() if name in arrays and tuple(parameter.shape) == tuple(arrays[name].shape)}
    for name in fits:
        parameters[name].set_data(ms.Tensor(np.asarray(arrays[name], order="C"), parameters[name].dtype))
    return LoadReport(
        matched=sorted(fits),
        missing=sorted(set(parameters) - set(arrays)),
        unexpected=sorted(set(arrays) - set(parameters)),
        differs=[
            (name, tuple(parameters[name].shape), tuple(arrays[name].shape)) for name in sorted((set(parameters) & set(arrays)) - fits)
        ],
    )


def load_exactly(network: nn.Cell, arrays: Mapping[str, np.ndarray], what: str) -> None:
    """Load a file that must match this network exactly.

    Raises:
        WeightsError: a parameter of the network is missing or has another shape; the message holds the report.
    """
    report = load_arrays(network, arrays)
    if not report.complete:
        raise WeightsError(f"{what} belongs to another model: {report}")
    if report.unexpected:
        log.warning("%s has more weights than this model: %s", what, report)


def load_initial(network: nn.Cell, arrays: Mapping[str, np.ndarray], match: str, what: str) -> None:
    """Load a file of initial weights, and log the result.

    A head's map is identified by its own name, not by the head's block: a pose training uses ``wh`` and ``reg`` of a
    detector.

    Args:
        match: ``exact``: the file must cover the whole network; ``heads``: everything except parameters of heads that are missing or have
            another shape, e.g. for other joints; they keep their initial values; ``backbone``: the whole backbone; ``any``: at least one
            parameter.

    Raises:
        WeightsError: the file covers less; the message holds the report.
    """
    report = load_arrays(network, _heads_by_map(network, arrays))
    kept = report.missing + [name for name, _, _ in report.differs]
    if not report.matched:
        raise WeightsError(f"train.weights: {what}: none of its names matches this network: {report}")
    if not all(re.match(_MAY_LACK[match], name) for name in kept):
        weaker = ", ".join(list(_MAY_LACK)[list(_MAY_LACK).index(match) + 1 :])
        raise WeightsError(
            f"train.weights: {what}: lacks weights that train.weights_match: {match} requires ({weaker} would require less): {report}"
        )
    log.info("weights from %s: %s", what, report)
    if kept:
        log.warning("%d parameters keep their initial values: %s", len(kept), ", ".join(kept[:20]) + ", ..." * (len(kept) > 20))


def _heads_by_map(network: nn.Cell, arrays: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """Return the arrays, with those of heads renamed as in the network if only the name of the head's block differs. A map that several
    blocks have keeps its name."""

    def bare(name: str) -> str:
        return re.sub(r"^((?:stacks\.\d+\.)?heads)\.[^.]+\.", r"\1.", name)

    parameters = list(network.parameters_dict())
    here, there = Counter(map(bare, parameters)), Counter(map(bare, arrays))
    ours = {bare(name): name for name in parameters if here[bare(name)] == there[bare(name)] == 1}
    return {ours.get(bare(name), name): value for name, value in arrays.items()}
