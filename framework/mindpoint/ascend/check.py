"""Look up the operators of training and prediction among those that MindSpore registers for Ascend."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Mapping, Sequence, Set, Tuple

import numpy as np
from mindspore import Tensor

from mindpoint.ascend.graph import Operator, operators
from mindpoint.ascend.registrations import ACLNN, HOST, MEANINGS, NAMED, Registrations
from mindpoint.benchmark.settings import Settings
from mindpoint.benchmark.train import ONLY_STEPS
from mindpoint.exporting.fresh_graph import FreshGraph
from mindpoint.native.kernel import KERNELS
from mindpoint.runtime import device
from mindpoint.storage.files import temporary_folder
from mindpoint.training.build import build_trainer
from mindpoint.training.step import TrainStep


@dataclass
class Row:
    """One operator with one set of types.

    Attributes:
        where: a key of :data:`mindpoint.ascend.registrations.MEANINGS`.
        training, prediction: number of occurrences in each graph.
        shapes: the shapes of its outputs.
    """

    name: str
    kinds: Tuple[str, ...]
    where: str
    training: int = 0
    prediction: int = 0
    shapes: Set[Tuple[int, ...]] = field(default_factory=set)


def check(config_name: str, overrides: Sequence[str]) -> List[Row]:
    """Return a row for each operator and set of types, sorted by name. The graphs are compiled but not run, so no data is needed.

    Raises:
        MindpointError: the configuration is wrong, or the installed MindSpore has no Ascend registrations.
    """
    registrations = Registrations.installed()
    changes = (*overrides, "+data.train.batch_size=2", "+train.sink=null")
    config, _ = Settings(config_name, changes).load_with_data("train", *ONLY_STEPS)
    device.setup(seed=config.seed, device="CPU")
    with _without_kernels():
        with temporary_folder() as folder:
            trainer = build_trainer(config, folder)
        step = trainer.network_step
        graphs = {"training": _training(step, trainer.loader.samples.example), "prediction": _prediction(step, config.input_spec.size)}
    found: Dict[Tuple[str, Tuple[str, ...]], Row] = {}
    for graph, counts in graphs.items():
        for operator, count in counts.items():
            where = registrations.where(operator.name, operator.kinds)
            if where == HOST:
                continue
            row = found.setdefault((operator.name, operator.kinds), Row(operator.name, operator.kinds, where))
            setattr(row, graph, getattr(row, graph) + count)
            row.shapes.update(operator.shapes)
    return [found[key] for key in sorted(found)]


def markdown(found: Mapping[str, Sequence[Row]]) -> str:
    """Return a Markdown table with one line per configuration. It counts the rows under each key of :data:`MEANINGS` except ``HOST``, and
    lists those under neither ``ACLNN`` nor ``NAMED``."""
    places = [where for where in MEANINGS if where != HOST]
    head = ["configuration", "operators", *places, f"neither {ACLNN} nor {NAMED}"]
    lines = [head, ["---"] * len(head)]
    for name, rows in found.items():
        others = [f"`{row.name}` ({', '.join([*row.kinds, *_graphs(row)])})" for row in rows if row.where not in (ACLNN, NAMED)]
        counts = [str(sum(row.where == where for row in rows)) for where in places]
        lines.append([f"`{name}`", str(len(rows)), *counts, "; ".join(others)])
    return "\n".join("|".join(["", *(f" {cell} " if cell != "---" else cell for cell in line), ""]) for line in lines)


def _graphs(row: Row) -> List[str]:
    return [graph for graph in ("training", "prediction") if getattr(row, graph)]


@contextmanager
def _without_kernels() -> Iterator[None]:
    """Make networks use MindSpore's own operators, since the compiled kernels run on CPUs only."""
    before = os.environ.get(KERNELS)
    os.environ[KERNELS] = "portable"
    try:
        yield
    finally:
        if before is None:
            del os.environ[KERNELS]
        else:
            os.environ[KERNELS] = before


def _training(step: TrainStep, example: Dict[str, np.ndarray]) -> "Counter[Operator]":
    step.set_train()
    names = ("image", *step.input_names, *step.target_names)
    image, *others = (Tensor(np.stack([example[name]] * 2)) for name in names)
    return operators(step, [image, Tensor(np.float32(0.1)), Tensor(True), *others])


def _prediction(step: TrainStep, size: Tuple[int, int]) -> "Counter[Operator]":
    network = step.network.set_train(False)
    channels = (3, *network.inputs.values())
    return operators(FreshGraph(network), [Tensor(np.zeros((1, count, *size), np.float32)) for count in channels])
