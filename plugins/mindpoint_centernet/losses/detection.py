"""The three-term loss of CenterNet object detection."""

from __future__ import annotations

from typing import Literal, Sequence

from mindspore.common import dtype as mstype

from mindpoint_centernet.functional import at_index, mean_squares
from mindpoint_centernet.losses.centers import CenterLoss, float32


class DetectionLoss(CenterLoss):
    """The loss of boxes: centre heatmap, box size, box centre offset (CenterNet ``trains/ctdet.py``).

    Terms: ``hm_loss``, ``wh_loss``, and ``off_loss`` if a head returns ``reg``. Computed in float32.

    The targets determine where sizes are learnt: at centres; at centres per class (``wh_mask``); or at every pixel around
    a centre (``dense_wh``, ``dense_wh_mask``). The latter two are always ``l1``, divided by the sum of their weights, as in the official
    implementation.

    Args:
        hm_weight, wh_weight, off_weight: factors of the terms in the total.
        center_loss: loss of the centre heatmaps: ``focal``, or ``mse``, the mean squared error of the raw map, for targets with a
            ``center_sigma`` and a decoder with ``center_activation: none``.
        regression: loss of sizes and offsets at centres: ``l1`` or ``smooth_l1``.
        normalization: divisor of this loss for N objects. ``official``: 2N (two coordinates) for ``l1`` and N for
            ``smooth_l1``; ``model_zoo``: N.
        maps: names of the heads' maps; provided by the run.
        targets: names of the encoder's targets; provided by the run. The target ``hm_weight`` ``(B, 1, H, W)``, if there, weights the
            pixels of the heatmaps' loss; 0 ignores a pixel.
    """

    def __init__(
        self,
        hm_weight: float = 1.0,
        wh_weight: float = 0.1,
        off_weight: float = 1.0,
        center_loss: Literal["focal", "mse"] = "focal",
        regression: Literal["l1", "smooth_l1"] = "l1",
        normalization: Literal["official", "model_zoo"] = "official",
        maps: Sequence[str] = ("hm", "wh", "reg"),
        targets: Sequence[str] = (),
    ):
        factors = {"hm_loss": hm_weight, "wh_loss": wh_weight, "off_loss": off_weight}
        super().__init__(factors, regression, normalization, maps, [name for name in ("hm_weight",) if name in targets])
        self.check("center_loss", center_loss, ("focal", "mse"))
        self.center_loss = center_loss
        self.size_target = "dense_wh" if "dense_wh" in targets else "wh"
        self.size_weight = next((name for name in ("dense_wh_mask", "wh_mask") if name in targets), "")
        self.terms = ("hm_loss", "wh_loss") + (("off_loss",) if self.offsets else ())
        self.needs_maps = ("hm", "wh")
        self.needs_targets = ("hm", self.size_target, "ind", "reg_mask") + (("reg",) if self.offsets else ()) + self.weights
        self.needs_targets += (self.size_weight,) if self.size_weight else ()
        self.normalizers = (("centres",) if center_loss == "focal" else ()) + ("objects",) + (("sizes",) if self.size_weight else ())

    def count_normalizers(self, targets):
        numbers = self.center_counts(targets)
        if self.size_weight:
            numbers["sizes"] = targets[self.size_weight].astype(mstype.float32).sum()
        return {name: numbers[name] for name in self.normalizers}

    def centers(self, hm, targets, counts):
        if self.center_loss == "mse":
            return mean_squares(hm, targets["hm"], self.weight("hm_weight", targets))
        return super().centers(hm, targets, counts)

    def sizes(self, wh, targets, counts):
        if not self.size_weight:
            return super().sizes(wh, targets, counts)
        values = wh if self.size_target == "dense_wh" else at_index(wh, targets["ind"])
        return self.weighted(values, targets[self.size_target], targets[self.size_weight], counts["sizes"])

    def construct(self, outputs, targets, counts):
        values = self.center_terms(float32(outputs), targets, counts)
        return self.total(values), values
