"""The whole network with seeded weights against the official implementation's outputs."""

import numpy as np
from mindpoint_parity import network


def test_outputs_are_the_official_ones(reference):
    rows = network.check(reference)
    assert sorted(row.case for row in rows) == ["hm", "hm_hp", "hp_offset", "hps", "reg", "wh"]
    assert all(row.error <= 1e-3 for row in rows), rows


def test_a_channel_that_is_two_percent_off_is_seen(reference, monkeypatch):
    """One of 512 output channels of the last level's root."""
    state = network.golden_state(reference.golden)
    weight = state["base.level5.root.conv.weight"].copy()
    weight[7] *= 1.02
    monkeypatch.setattr(network, "golden_state", lambda golden: {**state, "base.level5.root.conv.weight": np.array(weight)})
    rows = network.check(reference)
    assert not all(row.passed for row in rows), rows
