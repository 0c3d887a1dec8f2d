"""Loss terms shared by all losses of CenterNet: centre heatmap, box size, box centre offset."""

from __future__ import annotations

from typing import Dict, Sequence

from mindpoint.contracts.parts import Loss
from mindpoint.errors import ConfigError
from mindspore import ops
from mindspore.common import dtype as mstype

from mindpoint_centernet.functional import EPSILON, at_index, count_peaks, focal, l1, smooth_l1


class CenterLoss(Loss):
    """The loss of object centres: heatmap, box size and sub-pixel offset.

    Args:
        factors: factor of each term in the total, by name.
        regression: loss of sizes and offsets at centres: ``l1`` or ``smooth_l1``.
        normalization: divisor of this loss for N objects. ``official``: 2N (two coordinates) for ``l1`` and N for
            ``smooth_l1``; ``model_zoo``: N.
        maps: names of the heads' maps; ``reg`` adds the term ``off_loss``.
        weights: names of the heatmaps' weights among the targets.
    """

    def __init__(self, factors: Dict[str, float], regression: str, normalization: str, maps: Sequence[str], weights: Sequence[str]):
        super().__init__()
        self.check("regression", regression, ("l1", "smooth_l1"))
        self.check("normalization", normalization, ("official", "model_zoo"))
        self.factors = factors
        self.distance = l1 if regression == "l1" else smooth_l1
        self.coordinates = 2 if normalization == "official" and regression == "l1" else 1
        self.offsets = "reg" in maps
        self.weights = tuple(weights)

    def check(self, name: str, value: str, known: Sequence[str]) -> None:
        """Raise ConfigError unless the value is one of the two ``known`` ones."""
        if value not in known:
            raise ConfigError(f"{type(self).__name__}: {name} '{value}' is neither '{known[0]}' nor '{known[1]}'")

    def weight(self, name, targets):
        return targets[name] if name in self.weights else 1.0

    def center_counts(self, targets):
        """Return the numbers of peaks and of objects."""
        return {
            "centres": count_peaks(targets["hm"], self.weight("hm_weight", targets)),
            "objects": targets["reg_mask"].astype(mstype.float32).sum(),
        }

    def center_terms(self, maps, targets, counts):
        """Return ``hm_loss``, ``wh_loss`` and, with ``reg``, ``off_loss`` of float32 maps."""
        values = {
            "hm_loss": self.centers(maps["hm"], targets, counts),
            "wh_loss": self.sizes(maps["wh"], targets, counts),
        }
        if self.offsets:
            values["off_loss"] = self.at_objects(maps["reg"], targets["ind"], targets["reg"], object_mask(targets), counts["objects"])
        return values

    def centers(self, hm, targets, counts):
        """Return the loss of the centre heatmap."""
        return self.heatmaps(hm, targets["hm"], self.weight("hm_weight", targets), counts["centres"])

    def sizes(self, wh, targets, counts):
        """Return the loss of box sizes at centres."""
        return self.at_objects(wh, targets["ind"], targets["wh"], object_mask(targets), counts["objects"])

    def per_object(self, total, count):
        """Return the total divided by the number of objects and multiplied by ``num_shards``; a total of 0 without objects stays 0."""
        return self.num_shards * total / (count + EPSILON)

    def heatmaps(self, logits, target, weight, count):
        """Return the focal loss divided by the number of peaks, if any, and multiplied by ``num_shards``."""
        return self.num_shards * focal(logits, target, weight) / ops.select(count > 0, count, ops.ones_like(count))

    def at_objects(self, maps, index, target, mask, count):
        """Return the regression loss at the objects' pixels: maps ``(B, K, H, W)``, index ``(B, N)``, target ``(B, N, K)``, mask broadcast
        to it."""
        distance = self.distance(at_index(maps, index), target) * mask
        return self.per_object(distance.sum(), self.coordinates * count)

    def weighted(self, values, target, weight, count):
        """Return the weighted sum of |difference|, divided by ``count``, the sum of the weights; all arrays have the same shape."""
        return self.per_object((l1(values, target) * weight.astype(mstype.float32)).sum(), count)

    def total(self, values):
        """Return the weighted sum of all terms."""
        total = 0.0
        for name in self.terms:
            total = total + self.factors[name] * values[name]
        return total


def object_mask(targets, name="reg_mask"):
    """Return a mask ``(B, N)`` as float32 ``(B, N, 1)``."""
    return ops.expand_dims(targets[name].astype(mstype.float32), -1)


def float32(outputs):
    """Return the maps in float32, the type of loss computations."""
    maps = {}
    for name, value in outputs.items():
        maps[name] = value.astype(mstype.float32)
    return maps
