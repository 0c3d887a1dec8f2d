"""Arrays into a network, with an account of what fitted."""

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
_MAY_BEGIN_ANEW = {"exact": r"(?!)", "heads": r"(stacks\.\d+\.)?heads\.", "backbone": r"(?!backbone\.)", "any": ""}
"""Names of the parameters that a file of initial weights may lack, strictest first."""


@dataclass(frozen=True)
class LoadReport:
    """What became of the names on both sides.

    Attributes:
        matched: loaded.
        missing: of the network, not in the file.
        unexpected: in the file, not of the network.
        differs: ``(name, shape in the network, shape in the file)``; not loaded.
    """

    matched: List[str]
    missing: List[str]
    unexpected: List[str]
    differs: List[Tuple[str, tuple, tuple]]

    @property
    def complete(self) -> bool:
        """Every parameter of the network was loaded."""
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
    """Copy arrays by name into the network's parameters; those that do not fit are left alone and reported."""
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
    """Load a file that must belong to this network.

    Raises:
        WeightsError: with the account, if any parameter of the network is missing or of another shape.
    """
    report = load_arrays(network, arrays)
    if not report.complete:
        raise WeightsError(f"{what} belongs to another model: {report}")
    if report.unexpected:
        log.warning("%s holds more than this model: %s", what, report)


def load_initial(network: nn.Cell, arrays: Mapping[str, np.ndarray], match: str, what: str) -> None:
    """Load a file that a training starts from, and say what became of it.

    A head's map is known by its own name, whatever the block of the head is called: a pose training takes ``wh`` and ``reg`` of a detector.

    Args:
        match: ``exact``: all of the network must be there; ``heads``: all but parameters of heads, which begin anew where the file lacks
            them or has another shape, as those of other joints; ``backbone``: all of the backbone; ``any``: something.

    Raises:
        WeightsError: with the account, if the file holds less.
    """
    report = load_arrays(network, _heads_by_map(network, arrays))
    anew = report.missing + [name for name, _, _ in report.differs]
    if not report.matched:
        raise WeightsError(f"train.weights: {what}: none of its names fits this network: {report}")
    if not all(re.match(_MAY_BEGIN_ANEW[match], name) for name in anew):
        weaker = ", ".join(list(_MAY_BEGIN_ANEW)[list(_MAY_BEGIN_ANEW).index(match) + 1 :])
        raise WeightsError(
            f"train.weights: {what}: does not hold all of this network that train.weights_match: {match} asks for (weaker: {weaker}): {report}"
        )
    log.info("weights from %s: %s", what, report)
    if anew:
        log.warning("%d parameters begin anew: %s", len(anew), ", ".join(anew[:20]) + ", ..." * (len(anew) > 20))


def _heads_by_map(network: nn.Cell, arrays: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """Return arrays of heads under the network's names where only the block has another name; a map that several blocks have stays."""

    def bare(name: str) -> str:
        return re.sub(r"^((?:stacks\.\d+\.)?heads)\.[^.]+\.", r"\1.", name)

    parameters = list(network.parameters_dict())
    here, there = Counter(map(bare, parameters)), Counter(map(bare, arrays))
    ours = {bare(name): name for name in parameters if here[bare(name)] == there[bare(name)] == 1}
    return {ours.get(bare(name), name): value for name, value in arrays.items()}
