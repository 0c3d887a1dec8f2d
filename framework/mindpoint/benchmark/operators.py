"""Benchmark of a network's operators, one by one, with their shapes in the network."""

from __future__ import annotations

import statistics
import time
from typing import Dict, List, Optional

import mindspore as ms
import numpy as np
from mindspore import ParameterTuple, nn, ops

from mindpoint.benchmark.counts import Call, calls, network_facts
from mindpoint.benchmark.report import Report, Row, peak_memory_mib
from mindpoint.benchmark.settings import Settings
from mindpoint.model.network import build_network
from mindpoint.native.accelerate import accelerate
from mindpoint.runtime import device


class _WithGradients(nn.Cell):
    """Computes an operator's output and the gradients of its inputs and weights."""

    def __init__(self, cell: nn.Cell, inputs: int):
        super().__init__(auto_prefix=False)
        self.value_and_grad = ops.value_and_grad(cell, tuple(range(inputs)), ParameterTuple(cell.trainable_params()))

    def construct(self, *inputs):
        return self.value_and_grad(*inputs)


def operators(settings: Settings) -> Report:
    """Measure the distinct operators of the network at ``input.size``, each compiled on its own: forward, and with gradients, in training
    mode. Operations outside of cells, such as adding and concatenating maps, are not measured."""
    config = settings.load()
    device.setup(seed=config.seed, **vars(config.section("runtime")))
    network = build_network(config)
    accelerate(network)
    batch = settings.batch or 1
    network.set_train(False)
    groups: Dict[str, List[Call]] = {}
    for call in calls(network, (batch, 3, *config.input_spec.size)):
        groups.setdefault(call.label, []).append(call)
    network.set_train(True)
    rows = [_row(label, group, settings) for label, group in groups.items()]
    rows.sort(key=lambda row: -(row["all_with_gradients_ms"] or 0))
    total = sum(row["all_with_gradients_ms"] or 0 for row in rows)
    for row in rows:
        row["share"] = f"{(row['all_with_gradients_ms'] or 0) / total:.1%}"
    facts = {
        "network_input": f"{batch} x 3 x {config.input_spec.size[0]} x {config.input_spec.size[1]}",
        "operators": sum(map(len, groups.values())),
        "distinct_operators": len(groups),
        "all_forward_ms": sum(row["all_forward_ms"] or 0 for row in rows),
        "all_with_gradients_ms": total,
        "peak_memory_MiB": peak_memory_mib(),
        **network_facts(network, config.input_spec.size),
    }
    return Report(facts, {"operators": rows})


def _row(label: str, group: List[Call], settings: Settings) -> Row:
    call, count = group[0], len(group)
    forward = _milliseconds(call.cell, call, settings)
    gradients = _milliseconds(_WithGradients(call.cell, len(call.inputs)), call, settings)
    rate = 2 * call.multiply_adds / forward / 1e6 if forward and call.multiply_adds else None
    return {
        "operator": label,
        "count": count,
        "forward_ms": forward,
        "GFLOP_per_second": rate,
        "with_gradients_ms": gradients,
        "all_forward_ms": forward and count * forward,
        "all_with_gradients_ms": gradients and count * gradients,
    }


def _milliseconds(cell: nn.Cell, call: Call, settings: Settings) -> Optional[float]:
    """Return the median time of a run; None for an operator with inputs other than tensors."""
    if not call.inputs:
        return None
    rng = np.random.default_rng(0)
    inputs = [ms.Tensor(rng.standard_normal(shape).astype(np.float32)) for shape in call.inputs]
    times = []
    for _ in range(1 + settings.warmup + settings.runs):
        started = time.perf_counter()
        _wait(cell(*inputs))
        times.append(time.perf_counter() - started)
    return 1e3 * statistics.median(times[1 + settings.warmup :])


def _wait(result: object) -> None:
    """Wait until the result is computed: MindSpore runs asynchronously."""
    if isinstance(result, (tuple, list)):
        for part in result:
            _wait(part)
    else:
        result.asnumpy()
