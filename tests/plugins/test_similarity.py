"""Object keypoint similarity by hand, and the names that the package offers."""

import subprocess
import sys

import mindpoint_coco
import numpy as np
import pytest
from mindpoint_coco import oks

SIGMAS = np.array([0.05, 0.1])


def test_by_hand():
    """exp(-d^2 / (2 area (2 sigma)^2)): 10 pixels on an area of 100 x 100 with sigma 0.05 are one standard deviation."""
    truth = np.array([[50.0, 50.0], [20.0, 80.0]])
    moved = truth + [[10, 0], [0, 0]]
    half, one = np.exp(-0.5), 1.0
    assert oks(moved, truth, 1e4, SIGMAS) == pytest.approx((half + one) / 2)
    assert oks(moved, truth, 1e4, SIGMAS, np.array([True, False])) == pytest.approx(half)
    assert oks(moved, truth, 1e4, SIGMAS, np.array([False, False])) == 0
    pairs = oks(np.stack([truth, moved])[:, None], np.stack([moved, truth])[None], np.array([1e4, 1e4])[None], SIGMAS)
    np.testing.assert_allclose(pairs, [[(half + one) / 2, 1], [1, (half + one) / 2]])


def test_names_are_there_and_import_nothing_before_they_are_used():
    assert all(getattr(mindpoint_coco, name).__name__ == name for name in mindpoint_coco.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = mindpoint_coco.nothing
    code = "import sys, mindpoint_coco; print([name for name in ('numpy', 'cv2', 'faster_coco_eval') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
