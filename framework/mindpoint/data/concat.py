"""Several data sets as one."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from mindpoint.contracts.data import Dataset
from mindpoint.contracts.fields import Field, Points
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint.errors import ConfigError


class ConcatDataset(Dataset):
    """Several data sets as one, for training and evaluation.

    The sets are interleaved evenly, each in its own order, so that the first N images include some of each. Image ids are kept; if two sets
    share an id, images are numbered 1, 2, 3, ... set after set. If the sets differ in their category ids, categories are numbered 1, 2, 3,
    ... by class.

    Args:
        datasets: the blocks of the data sets, of any type. All give objects of the configuration's classes with the same fields.
        classes: class names; provided by the run.
        repeats: how often an epoch of training shows the images of each set; once by default. Evaluation shows each image once.

    Raises:
        ConfigError: no set, sets with different fields, or invalid repeats.
    """

    def __init__(self, datasets: Sequence[Dataset], classes: Sequence[str], repeats: Optional[Sequence[int]] = None):
        if not datasets:
            raise ConfigError("datasets: is empty; list at least one")
        times = [1] * len(datasets) if repeats is None else list(repeats)
        if len(times) != len(datasets) or min(times) < 1:
            raise ConfigError(
                f"repeats: {times} is not allowed; it must have a whole number of at least 1 for each of {len(datasets)} data sets"
            )
        self.datasets, self.classes, self.fields = list(datasets), list(classes), tuple(datasets[0].fields)
        for number, dataset in enumerate(self.datasets):
            if list(map(_form, dataset.fields)) != list(map(_form, self.fields)):
                theirs, first = (", ".join(map(_said, fields)) or "nothing" for fields in (dataset.fields, self.fields))
                raise ConfigError(
                    f"datasets.{number}: its objects have {theirs}, but those of the first data set have {first}; all must agree"
                )
        sizes = [len(dataset) for dataset in self.datasets]
        progress = np.concatenate([(np.arange(size) + 0.5) / size for size in sizes])
        order = np.argsort(progress, kind="stable")
        self._sets = np.repeat(np.arange(len(sizes)), sizes)[order]
        self._indices = np.concatenate([np.arange(size) for size in sizes])[order]
        self.repeats = None if repeats is None else np.array(times)[self._sets]
        own = list(itertools.chain(*(dataset.ids() for dataset in self.datasets)))
        self._renumbered = len(set(own)) < len(own)
        self._ids = np.array(range(1, len(own) + 1) if self._renumbered else own, np.int64)[order]
        by_set = [dataset.category_ids() for dataset in self.datasets]
        self._category_ids = by_set[0] if by_set.count(by_set[0]) == len(by_set) else list(range(1, len(self.classes) + 1))

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> Sample:
        dataset, own = self._place(index)
        return replace(dataset[own], image_id=int(self._ids[index]))

    def _place(self, index: int) -> Tuple[Dataset, int]:
        return self.datasets[self._sets[index]], int(self._indices[index])

    def ids(self) -> List[int]:
        """See :class:`Dataset`."""
        return self._ids.tolist()

    def objects(self, index: int) -> Objects:
        """See :class:`Dataset`."""
        dataset, own = self._place(index)
        return dataset.objects(own)

    def image_size(self, index: int) -> Tuple[int, int]:
        """See :class:`Dataset`."""
        dataset, own = self._place(index)
        return dataset.image_size(own)

    def file_name(self, index: int) -> str:
        """See :class:`Dataset`."""
        dataset, own = self._place(index)
        return dataset.file_name(own)

    def file_bytes(self, index: int) -> bytes:
        """See :class:`Dataset`."""
        dataset, own = self._place(index)
        return dataset.file_bytes(own)

    def file_size(self, index: int) -> int:
        """See :class:`Dataset`."""
        dataset, own = self._place(index)
        return dataset.file_size(own)

    def category_ids(self) -> List[int]:
        """See :class:`Dataset`; the ids of the sets if all sets have the same ids, otherwise 1, 2, 3, ..."""
        return list(self._category_ids)

    def categories(self) -> List[dict]:
        """See :class:`Dataset`; the records of the first set, with the ids of :meth:`category_ids`."""
        return [{**record, "id": number} for record, number in zip(self.datasets[0].categories(), self._category_ids)]

    def ground_truth(self) -> dict:
        """See :class:`Dataset`; the truth of all sets, with the ids of this data set. Annotations are numbered 1, 2, 3, ... if ids
        repeat."""
        truths = [dataset.ground_truth() for dataset in self.datasets]
        ids = [dict(zip(dataset.ids(), self._ids[self._sets == number].tolist())) for number, dataset in enumerate(self.datasets)]
        annotations: List[dict] = []
        images: Dict[int, dict] = {}
        for dataset, truth, new in zip(self.datasets, truths, ids):
            classes = dict(zip(dataset.category_ids(), self._category_ids))
            images.update({new[record["id"]]: {**record, "id": new[record["id"]]} for record in truth["images"]})
            for record in truth["annotations"]:
                annotations.append({**record, "image_id": new[record["image_id"]], "category_id": classes[record["category_id"]]})
        if len({record["id"] for record in annotations}) < len(annotations):
            annotations = [{**record, "id": number} for number, record in enumerate(annotations, start=1)]
        listed = set(images)
        for truth in truths if not self._renumbered else ():
            listed.update(truth.get("listed", {}).get("images", ()))
        return {
            "images": [images[image_id] for image_id in self.ids()],
            "annotations": annotations,
            "categories": self.categories(),
            "listed": {"images": sorted(listed), "categories": self.category_ids()},
        }

    def ready_to_train(self) -> None:
        """See :class:`Dataset`; each set must have usable objects."""
        for dataset in self.datasets:
            dataset.ready_to_train()

    def original(self) -> "ConcatDataset":
        """See :class:`Dataset`."""
        other = copy.copy(self)
        other.datasets = [dataset.original() for dataset in self.datasets]
        return other

    @classmethod
    def blocks(cls, block: Mapping[str, object]) -> List[Mapping[str, object]]:
        """See :class:`Dataset`."""
        return list(block["datasets"])

    @property
    def name(self) -> str:
        """Return the names of the sets, joined by ``+``."""
        return "+".join(dict.fromkeys(dataset.name for dataset in self.datasets))

    def __str__(self) -> str:
        return "; ".join(map(str, self.datasets))


def _form(field: Field) -> tuple:
    """Return the properties of a field in which all sets must agree."""
    return field, field.names if isinstance(field, Points) else ()


def _said(field: Field) -> str:
    return f"{field.name} {list(field.shape)}" + (f" ({', '.join(field.names)})" if isinstance(field, Points) else "")
