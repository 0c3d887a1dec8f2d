"""The loss of the head's maps."""

from mindspore import ops

from mindpoint.contracts.parts import Loss


class AcmeLoss(Loss):
    """Focal loss of the classes (arXiv:1708.02002) and absolute error of the sides, both divided by the number of positive cells.

    Args:
        sides_weight: factor of the error of the sides in the total.
    """

    terms = ("cls_loss", "sides_loss")
    needs_maps = ("cls", "sides")
    needs_targets = ("cls", "sides", "positive")
    normalizers = ("cells",)

    def __init__(self, sides_weight: float = 0.5) -> None:
        super().__init__()
        self.sides_weight = sides_weight

    def count_normalizers(self, targets):
        return {"cells": targets["positive"].sum()}

    def construct(self, outputs, targets, counts):
        factor = self.num_shards / ops.maximum(counts["cells"], 1.0)
        logits, truth = outputs["cls"], targets["cls"]
        entropy = ops.relu(logits) - logits * truth + ops.log1p(ops.exp(-ops.abs(logits)))
        error = ops.abs(truth - ops.sigmoid(logits))
        cls_loss = factor * (entropy * error * error).sum()
        sides_loss = factor * (ops.abs(outputs["sides"] - targets["sides"]) * targets["positive"]).sum()
        return cls_loss + self.sides_weight * sides_loss, {"cls_loss": cls_loss, "sides_loss": sides_loss}
