"""The contract of prediction writers, which write predictions into files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import List, Mapping, Optional, Sequence, Tuple

from mindpoint.contracts.fields import Field
from mindpoint.contracts.instances import Detections
from mindpoint.contracts.metric import Metric
from mindpoint.contracts.prediction import Prediction, Source
from mindpoint.contracts.records import to_coco


@dataclass(frozen=True)
class Vocabulary:
    """Properties of the objects that a model finds.

    Attributes:
        classes: names by label.
        category_ids: the data set's category id of each class, by label.
        fields: fields of the detections beyond boxes, scores and labels.
        metric: the configured metric, which determines the form of result records; None: COCO's form.
    """

    classes: Sequence[str]
    category_ids: Sequence[int]
    fields: Tuple[Field, ...] = ()
    metric: Optional[Metric] = None

    def results(self, found: Mapping[int, Detections]) -> List[dict]:
        """Return result records of detections by image id, in the metric's form, with the data set's category ids."""
        if self.metric is None:
            return [record for image_id, detections in found.items() for record in to_coco(detections, image_id, self.category_ids)]
        categories = [{"id": number, "name": name} for number, name in zip(self.category_ids, self.classes)]
        truth = {"images": [{"id": image_id} for image_id in found], "annotations": [], "categories": categories}
        return self.metric.results(found, truth)


class PredictionWriter(ABC):
    """Writes predictions in one format.

    Args:
        sources: sources of the predictions, in order.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources

    @abstractmethod
    def file_names(self) -> List[str]:
        """Return the names of the output files."""

    @abstractmethod
    def begin(self, folder: Path, vocabulary: Vocabulary) -> None:
        """Prepare to write into a folder. Files should appear only when they are complete. Raises OutputError if that is not possible."""

    @abstractmethod
    def add(self, prediction: Prediction, image_id: int) -> None:
        """Write one prediction; the frames of a video arrive in order. Raises OSError or OutputError if it cannot be written."""

    @abstractmethod
    def close(self) -> None:
        """Finish all files; also called after an error. Raises like :meth:`add`."""
