"""Conditions besides the configuration that affect the last digits of a training: machine and random generators."""

from __future__ import annotations

import os
import random
from typing import Dict

import mindspore as ms
import numpy as np

from mindpoint.runtime import cpu, device


def machine() -> Dict[str, object]:
    """Return the properties of the machine that affect the order of additions, and so the last digits."""
    return {"device": device.name(), "cores": cpu.cores(), "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS")}


def random_state() -> Dict[str, object]:
    """Return the states of the random generators that parts may use outside the samples, as JSON values."""
    name, keys, *rest = np.random.get_state()
    return {"python": random.getstate(), "numpy": [name, keys.tolist(), *rest], "mindspore": ms.get_rng_state().asnumpy().tolist()}


def set_random_state(state: Dict[str, object]) -> None:
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    np.random.set_state(tuple(state["numpy"]))
    ms.set_rng_state(ms.Tensor(np.array(state["mindspore"], np.uint8)))
