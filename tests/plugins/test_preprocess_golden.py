"""Test-time geometry against the official implementation's."""

from dataclasses import replace

from mindpoint_parity import preprocess as parity


def test_geometry_of_the_reference(reference):
    rows = parity.check(reference)
    assert len(rows) >= 24
    assert [row for row in rows if not row.error <= 1e-4] == []


def test_a_window_that_is_a_thousandth_of_a_pixel_off_is_seen(reference, monkeypatch):
    ours = parity.inference_view

    def moved(*arguments):
        view, raster = ours(*arguments)
        return replace(view, crop_center=(view.crop_center[0] + 1e-3, view.crop_center[1])), raster

    monkeypatch.setattr(parity, "inference_view", moved)
    assert not any(row.passed for row in parity.check(reference))
