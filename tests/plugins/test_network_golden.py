"""The whole network with seeded weights against the official implementation's outputs."""

from mindpoint_parity import network


def test_outputs_are_the_official_ones(golden):
    rows = network.check(golden)
    assert sorted(row.case for row in rows) == ["hm", "hm_hp", "hp_offset", "hps", "reg", "wh"]
    assert all(row.passed for row in rows), rows
