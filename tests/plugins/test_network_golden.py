"""The whole network with seeded weights against the official implementation's outputs."""

import numpy as np
import pytest
from mindpoint_parity import network


@pytest.mark.slow
def test_outputs_are_the_official_ones(reference):
    rows = network.check(reference)
    assert sorted(row.case for row in rows) == ["hm", "hm_hp", "hp_offset", "hps", "reg", "wh"]
    assert all(row.error <= 1e-3 for row in rows), rows


@pytest.mark.slow
def test_detection(reference_ctdet):
    rows = network.check(reference_ctdet)
    assert sorted(row.case for row in rows) == ["hm", "reg", "wh"] and all(row.error <= 1e-3 for row in rows), rows


@pytest.mark.slow
def test_further_networks(reference_networks):
    """ResNet-18 with deformable convolutions, and both stacks of the Hourglass: six maps each."""
    rows = network.check(reference_networks)
    limits = {"resdcn18": 2e-4, "hourglass/stack0": 5e-4, "hourglass/stack1": 1e-3}
    for name, limit in limits.items():
        errors = [row.error for row in rows if row.case.startswith(name + "/")]
        assert len(errors) == 6 and max(errors) <= limit, (name, errors)


@pytest.mark.slow
def test_a_channel_that_is_two_percent_off_is_seen(reference, monkeypatch):
    """One of 512 output channels of the last level's root."""
    state = network.golden_state(reference.golden)
    weight = state["base.level5.root.conv.weight"].copy()
    weight[7] *= 1.02
    monkeypatch.setattr(network, "golden_state", lambda *which: {**state, "base.level5.root.conv.weight": np.array(weight)})
    rows = network.check(reference)
    assert not all(row.passed for row in rows), rows
