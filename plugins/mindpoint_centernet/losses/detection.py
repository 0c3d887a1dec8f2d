"""The three-term loss of CenterNet object detection."""

from __future__ import annotations

from typing import Literal, Sequence

from mindpoint_centernet.losses.centers import CenterLoss, float32, object_mask


class DetectionLoss(CenterLoss):
    """Centre heatmap, box size, box centre offset (CenterNet ``trains/ctdet.py``).

    Terms: ``hm_loss``, ``wh_loss``, and ``off_loss`` if a head gives ``reg``. Computed in float32.

    Args:
        hm_weight, wh_weight, off_weight: factors of the terms in the total.
        regression: distance of sizes and offsets: ``l1`` or ``smooth_l1``.
        normalization: what sizes and offsets of N objects are divided by. ``official``: 2N (two coordinates) for ``l1`` and N for
            ``smooth_l1``; ``model_zoo``: N.
        maps: names of the maps that the heads give; the run provides it.
        targets: names of the targets that the encoder gives; the run provides it. If ``hm_weight`` ``(B, 1, H, W)`` is among them, the
            pixels of the heatmaps' loss are weighted by it, 0 to ignore. If ``wh_mask`` ``(B, N, 2C)`` is, sizes are learnt for each class.
    """

    def __init__(
        self,
        hm_weight: float = 1.0,
        wh_weight: float = 0.1,
        off_weight: float = 1.0,
        regression: Literal["l1", "smooth_l1"] = "l1",
        normalization: Literal["official", "model_zoo"] = "official",
        maps: Sequence[str] = ("hm", "wh", "reg"),
        targets: Sequence[str] = (),
    ):
        factors = {"hm_loss": hm_weight, "wh_loss": wh_weight, "off_loss": off_weight}
        super().__init__(factors, regression, normalization, maps, [name for name in ("hm_weight",) if name in targets])
        self.class_sizes = "wh_mask" in targets
        self.terms = ("hm_loss", "wh_loss") + (("off_loss",) if self.offsets else ())
        self.needs_maps = ("hm", "wh")
        self.needs_targets = ("hm", "wh", "ind", "reg_mask") + (("reg",) if self.offsets else ()) + self.weights
        self.needs_targets += ("wh_mask",) if self.class_sizes else ()
        self.normalizers = ("centres", "objects")

    def count_normalizers(self, targets):
        return self.center_counts(targets)

    def size_mask(self, targets):
        return targets["wh_mask"] if self.class_sizes else object_mask(targets)

    def construct(self, outputs, targets, counts):
        values = self.center_terms(float32(outputs), targets, counts)
        return self.total(values), values
