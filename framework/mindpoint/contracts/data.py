"""Base classes of the parts that turn annotated images into training samples. They need numpy only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from mindpoint.contracts.fields import Field
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint.contracts.records import add_fields
from mindpoint.errors import ConfigError, DataError


@dataclass(frozen=True)
class AnnotationFile:
    """An annotation file in COCO's form with its images.

    Attributes:
        path: the JSON file.
        images: folder that the file names are relative to.
        labelled: whether its annotations are used.
        fields: fields of the annotations beyond COCO's own keys.
        outside_images: whether file names may lead out of the folder of images.
        categories: names of the categories to use, or a mapping from them to classes; None: those with the names of the classes.
    """

    path: str
    images: str
    labelled: bool = True
    fields: Tuple[Field, ...] = ()
    outside_images: bool = False
    categories: Union[Sequence[str], Mapping[str, str], None] = None


class Dataset(ABC):
    """Images with annotated objects. The constructor may take ``classes`` and ``input_spec``.

    Reading is thread-safe: several workers call ``__getitem__`` of one object at once.

    Attributes:
        fields: fields of its objects beyond boxes, labels, areas and crowd flags.
        classes: class names by label; those of the configuration, unless the data set overrides them.
        repeats: how often an epoch of training shows each image, 1 or more, by index; None: once.
    """

    fields: Tuple[Field, ...] = ()
    classes: Sequence[str] = ()
    repeats: Optional[Sequence[int]] = None

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of images."""

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """Return the image at ``index`` with its objects, ``view`` None. Raises DataError that names file and id."""

    def ids(self) -> List[int]:
        """Return the image ids by index; by default the indices themselves. Override it together with the samples' ``image_id``."""
        return list(range(len(self)))

    def objects(self, index: int) -> Objects:
        """Return the objects of the image at ``index``; override it if that is possible without reading the image."""
        return self[index].objects

    def image_size(self, index: int) -> Tuple[int, int]:
        """Return ``(height, width)`` of the image at ``index``; override it if that is possible without reading the image."""
        height, width = self[index].image.shape[:2]
        return height, width

    def file_name(self, index: int) -> str:
        """Return the file name of the image at ``index`` in the records of :meth:`ground_truth`."""
        return f"{self.ids()[index]}.png"

    def category_ids(self) -> List[int]:
        """Return the category id of each class, by label; by default 1, 2, 3, ..."""
        return list(range(1, len(self.classes) + 1))

    def categories(self) -> List[dict]:
        """Return the category records of the classes, by label."""
        return [{"id": number, "name": name} for number, name in zip(self.category_ids(), self.classes)]

    def ground_truth(self) -> dict:
        """Return all annotations as a COCO dictionary: ``images``, ``annotations``, ``categories``; image ids are those of the samples.

        It is built from :meth:`objects` and :meth:`image_size`. Each record has COCO's keys and one for each field.

        The entry ``listed``, if present, holds all ids of ``images`` and ``categories`` in the source, including those that this data set
        leaves out.
        """
        categories = self.categories()
        images: List[dict] = []
        annotations: List[dict] = []
        for index, image_id in enumerate(self.ids()):
            height, width = self.image_size(index)
            images.append({"id": image_id, "file_name": self.file_name(index), "height": height, "width": width})
            annotations += annotation_records(self.objects(index), image_id, [record["id"] for record in categories], len(annotations))
        return {"images": images, "annotations": annotations, "categories": categories}

    def file_bytes(self, index: int) -> bytes:
        """Return the content of the image file at ``index``, for tools that copy images without decoding them.

        Raises:
            DataError: the images are not stored as files, or this one cannot be read; the message names file and id.
        """
        raise DataError(f"{self}: its images are not stored in files")

    def file_size(self, index: int) -> int:
        """Return the approximate length of :meth:`file_bytes`; override it if that is possible without reading the file."""
        return len(self.file_bytes(index))

    def ready_to_train(self) -> None:
        """Log once which objects cannot be used for training; called when the data set is opened for training.

        Raises:
            DataError: no object can be used.
        """

    def original(self) -> "Dataset":
        """Return this data set with images and annotations as stored, without its changes for training."""
        return self

    @classmethod
    def blocks(cls, block: Mapping[str, object]) -> List[Mapping[str, object]]:
        """Return the configuration blocks of the data sets that a block of this type joins; by default only the block itself."""
        return [block]

    @classmethod
    def annotation_file(cls, block: Mapping[str, object], vocabulary: Mapping[str, object]) -> Optional["AnnotationFile"]:
        """Return the COCO file that a block of this type reads, so that tools can check it completely. Return None if the data is not in a
        COCO file; tools then examine the data set itself.

        Args:
            block: the arguments as written in a configuration, nested blocks not built.
            vocabulary: the optional sections present in the configuration, by name.
        """
        return None

    @classmethod
    def in_layout(cls, folder: str, split: str, vocabulary: Mapping[str, object]) -> Dict[str, object]:
        """Return the arguments of a block that reads a split of a folder with the layout in which the data was published.

        Args:
            vocabulary: the optional sections present in the configuration, by name.

        Raises:
            ConfigError: this kind of data set has no such layout. DataError: the folder does not follow it.
        """
        raise ConfigError(f"{cls.__name__} cannot read a folder in a published layout")

    @property
    def name(self) -> str:
        """Return a short name for files, such as ``val2017``."""
        return type(self).__name__

    def __str__(self) -> str:
        """Return the source, the number of images, and the images left out."""
        return f"{type(self).__name__}: {len(self)} images"


def annotation_records(objects: Objects, image_id: int, category_ids: Sequence[int], start: int) -> List[dict]:
    """Return COCO annotation records of the objects of one image.

    Args:
        category_ids: category ids by label.
        start: the records have the ids ``start + 1``, ``start + 2``, ...
    """
    boxes = objects.boxes.astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    records = [
        {
            "id": start + row + 1,
            "image_id": image_id,
            "category_id": category_ids[int(objects.labels[row])],
            "bbox": boxes[row].tolist(),
            "area": float(objects.areas[row]),
            "iscrowd": int(objects.crowd[row]),
        }
        for row in range(len(objects))
    ]
    add_fields(records, objects)
    return records


class Transform(ABC):
    """A change of a training sample. The constructor may take ``classes`` and ``input_spec``.

    Attributes:
        before_view: whether it needs the whole image; the objects are then in pixels of this image. Such transforms run before all others,
            so that no window has been cut out yet; apart from that, transforms run in the order of the configuration.
    """

    before_view: bool = False

    @abstractmethod
    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the changed sample. All randomness comes from ``rng``, which is a function of (seed, epoch, index)."""


class SamplePool(ABC):
    """The training samples from which a transform may draw, for example to build a mosaic.

    Attributes:
        epoch: 0-based epoch of the sample.
    """

    epoch: int

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of training images."""

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Sample:
        """Return a random sample, processed by the transforms before this one and determined by ``rng``. Raises DataError if the image
        cannot be read."""


class PoolTransform(Transform):
    """A transform that needs other samples, such as mosaic, or the epoch."""

    @abstractmethod
    def __call__(  # type: ignore[override]  # whoever calls transforms asks which of the two kinds it has
        self, sample: Sample, rng: np.random.Generator, pool: SamplePool
    ) -> Sample:
        """Return the changed sample. All randomness comes from ``rng``, which is a function of (seed, epoch, index)."""


class Sampler(ABC):
    """Decides how often an epoch shows each training image. The constructor may take ``dataset``, the training images.

    An epoch has as many samples as the data set has images. Repetitions of an image in an epoch are augmented independently.

    Attributes:
        needs_losses: whether :meth:`observe` is called. The training step then also computes the loss of each image, and an
            epoch is drawn after the previous one has ended.
    """

    needs_losses: bool = False

    @abstractmethod
    def weights(self) -> np.ndarray:
        """Return a weight for each image ``(N,)``, 0 or more; the expected number of its samples in the coming epoch is proportional to it.
        The weights may depend only on the data set and the calls of :meth:`observe`."""

    def observe(self, index: int, loss: float) -> None:
        """Record the weighted total loss of the image at ``index``, computed as a batch of one. Called after each step, in order."""

    def state_dict(self) -> Dict[str, object]:
        """Return the state kept by :meth:`observe`, as JSON values, for a checkpoint."""
        return {}

    def load_state_dict(self, state: Dict[str, object]) -> None:
        """Restore the result of ``state_dict``."""


class InputEncoder(ABC):
    """Computes further network inputs besides the image, such as the previous frame. The constructor may take ``classes`` and
    ``input_spec``.

    Attributes:
        channels: number of channels of each input by name; the names are those of the backbone's ``inputs``.
    """

    channels: Mapping[str, int]

    @abstractmethod
    def __call__(self, sample: Sample) -> Dict[str, np.ndarray]:
        """Return arrays ``(C, H, W)`` float32 by name. ``sample.image`` is the raster ``(H, W, 3)`` that the network sees, ``sample.view``
        gives the part of the image that it shows, and ``sample.meta`` holds further facts."""


class TargetEncoder(ABC):
    """Turns objects into training targets. The constructor may take ``classes`` and ``input_spec``.

    Attributes:
        strides: stride (input pixels per map pixel) of each map with targets, by name. It must equal the stride of the network's map.
    """

    strides: Mapping[str, int]

    @abstractmethod
    def __call__(self, sample: Sample) -> Dict[str, np.ndarray]:
        """Return one array of fixed shape and dtype (float32 or int32) for each target, by name; ``sample.view`` is set."""

    def perfect_outputs(self, sample: Sample) -> Dict[str, np.ndarray]:
        """Return the ideal outputs of the heads for this sample: ``(C, H, W)`` float32 by map, heatmaps in 0..1.

        Values that the annotations do not give are NaN. ``sample.view`` is set; ``sample.image`` is the raster that the network sees. Used
        to evaluate with the truth instead of head outputs; implementing it is optional.
        """
        return {}

    def pictures(self, sample: Sample, targets: Mapping[str, np.ndarray], details: bool = False) -> Dict[str, np.ndarray]:
        """Return pictures of the targets of a sample for display, BGR uint8 by caption.

        Args:
            sample: the sample passed to :meth:`__call__`; its image is the raster.
            details: include pictures that are rarely needed.
        """
        return {}
