"""Heads of CenterNet object detection."""

from __future__ import annotations

from typing import List, Tuple

from mindpoint.contracts.features import FeatureSpec

from mindpoint_centernet.heads.branches import Branches


class DetectionHeads(Branches):
    """One small convolutional branch per map, all on the finest feature map. For C classes:

    ===== ======== =========================================================================
    hm    C        logits of the centre heatmap of each class
    wh    2 or 2C  width and height of the box centred here, in map pixels
    reg   2        fractional part of the box centre's x, y in map pixels, 0..1
    ===== ======== =========================================================================

    Args:
        head_conv: number of channels of a branch's 3x3 convolution; 0: a branch has only its last convolution.
        reg: return ``reg``; without it, box centres are the centres of pixels.
        class_sizes: return width and height per class instead of one pair for all.
        final_kernel: width and height of the kernel of a branch's last convolution, odd.
    """

    def __init__(
        self,
        in_features: Tuple[FeatureSpec, ...],
        classes: List[str],
        head_conv: int = 256,
        reg: bool = True,
        class_sizes: bool = False,
        final_kernel: int = 1,
    ):
        channels = {"hm": len(classes), "wh": 2 * len(classes) if class_sizes else 2}
        super().__init__(in_features, {**channels, "reg": 2} if reg else channels, head_conv, final_kernel)
