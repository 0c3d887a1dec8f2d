"""The six-term loss of CenterNet multi-person pose."""

from __future__ import annotations

from typing import Literal, Sequence

from mindspore.common import dtype as mstype

from mindpoint_centernet.functional import at_index, count_peaks, mean_squares
from mindpoint_centernet.losses.centers import CenterLoss, float32, object_mask

# term and further targets of each optional map
_OPTIONAL = {
    "reg": ("off_loss", ("reg",)),
    "hm_hp": ("hm_hp_loss", ("hm_hp",)),
    "hp_offset": ("hp_offset_loss", ("hp_offset", "hp_ind", "hp_mask")),
}


class MultiPoseLoss(CenterLoss):
    """The loss of poses: centre heatmap, box size, box centre offset, joint vectors, joint heatmaps, joint offset.

    Terms: ``hm_loss``, ``wh_loss``, ``hp_loss``, and for the optional maps ``off_loss`` (reg), ``hm_hp_loss`` (hm_hp) and
    ``hp_offset_loss`` (hp_offset). Maps that the heads do not return have no term. Computed in float32.

    Args:
        hm_weight, wh_weight, off_weight, hp_weight, hm_hp_weight: factors of the terms in the total; ``off_weight`` is for both offsets.
        joint_loss: loss of the joint heatmaps: ``focal``, or ``mse``, the mean squared error of the raw map.
        regression: loss of sizes and offsets: ``l1`` or ``smooth_l1``. Joint vectors are always ``l1``.
        dense: learn joint vectors at every pixel around a centre (targets ``dense_hps``, ``dense_hps_mask``) instead of only at centres.
        normalization: divisor of sizes and offsets for N objects. ``official``: 2N (two coordinates) for ``l1`` and N for
            ``smooth_l1``; ``model_zoo``: N.
        maps: names of the heads' maps; provided by the run.
        targets: names of the encoder's targets; provided by the run. The target ``hm_weight`` ``(B, 1, H, W)``, if there, weights the
            pixels of the centre heatmaps' loss; ``hm_hp_weight``, ``(B, 1, H, W)`` or ``(B, J, H, W)``, those of the joint heatmaps'
            loss. 0 ignores a pixel.
    """

    def __init__(
        self,
        hm_weight: float = 1.0,
        wh_weight: float = 0.1,
        off_weight: float = 1.0,
        hp_weight: float = 1.0,
        hm_hp_weight: float = 1.0,
        joint_loss: Literal["focal", "mse"] = "focal",
        regression: Literal["l1", "smooth_l1"] = "l1",
        dense: bool = False,
        normalization: Literal["official", "model_zoo"] = "official",
        maps: Sequence[str] = ("hm", "wh", "hps", *_OPTIONAL),
        targets: Sequence[str] = (),
    ):
        factors = {
            "hm_loss": hm_weight,
            "wh_loss": wh_weight,
            "off_loss": off_weight,
            "hp_loss": hp_weight,
            "hm_hp_loss": hm_hp_weight,
            "hp_offset_loss": off_weight,
        }
        super().__init__(factors, regression, normalization, maps, [name for name in ("hm_weight", "hm_hp_weight") if name in targets])
        self.check("joint_loss", joint_loss, ("focal", "mse"))
        self.joint_loss, self.dense = joint_loss, dense
        given = [name for name in _OPTIONAL if name in maps]
        self.terms = ("hm_loss", "wh_loss", "hp_loss") + tuple(_OPTIONAL[name][0] for name in given)
        self.needs_maps = ("hm", "wh", "hps")
        self.needs_targets = ("hm", "wh", "ind", "reg_mask") + (("dense_hps", "dense_hps_mask") if dense else ("hps", "hps_mask"))
        self.needs_targets += tuple(target for name in given for target in _OPTIONAL[name][1])
        self.needs_targets += self.weights
        self.normalizers = ("centres", "objects", "vectors")
        self.normalizers += ("joints",) if "hm_hp" in given and joint_loss == "focal" else ()
        self.normalizers += ("offsets",) if "hp_offset" in given else ()

    def count_normalizers(self, targets):
        numbers = self.center_counts(targets)
        numbers["vectors"] = targets["dense_hps_mask" if self.dense else "hps_mask"].astype(mstype.float32).sum()
        if "joints" in self.normalizers:
            numbers["joints"] = count_peaks(targets["hm_hp"], self.weight("hm_hp_weight", targets))
        if "offsets" in self.normalizers:
            numbers["offsets"] = targets["hp_mask"].astype(mstype.float32).sum()
        return numbers

    def joint_vectors(self, hps, targets, count):
        if self.dense:
            return self.weighted(hps, targets["dense_hps"], targets["dense_hps_mask"], count)
        return self.weighted(at_index(hps, targets["ind"]), targets["hps"], targets["hps_mask"], count)

    def joint_heatmaps(self, hm_hp, target, weight, counts):
        if self.joint_loss == "mse":
            return mean_squares(hm_hp, target, weight)
        return self.heatmaps(hm_hp, target, weight, counts["joints"])

    def construct(self, outputs, targets, counts):
        maps = float32(outputs)
        values = self.center_terms(maps, targets, counts)
        values["hp_loss"] = self.joint_vectors(maps["hps"], targets, counts["vectors"])
        if "hm_hp_loss" in self.terms:
            values["hm_hp_loss"] = self.joint_heatmaps(maps["hm_hp"], targets["hm_hp"], self.weight("hm_hp_weight", targets), counts)
        if "hp_offset_loss" in self.terms:
            values["hp_offset_loss"] = self.at_objects(
                maps["hp_offset"], targets["hp_ind"], targets["hp_offset"], object_mask(targets, "hp_mask"), counts["offsets"]
            )
        return self.total(values), values
