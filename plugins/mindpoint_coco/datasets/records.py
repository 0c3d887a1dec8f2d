"""Shared code of data sets with image files: the choice of images, and the check of image sizes."""

from __future__ import annotations

from typing import Callable, List, Optional, Sequence, Set, Tuple

from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint.errors import ConfigError, DataError
from mindpoint.storage.images import decode_image, reduction_of

from mindpoint_coco.datasets.rules import few


def chosen_images(
    source: str,
    listed: Sequence[int],
    image_ids: Optional[Sequence[int]],
    populated: Optional[Callable[[], Set[int]]],
    classes: Sequence[str],
) -> List[int]:
    """Return the ids of the images to keep, in order.

    Args:
        source: name of the data set in messages.
        listed: all ids. image_ids: keep only these, in this order.
        populated: function that returns the ids of images with at least one object, to keep only those; ``None`` keeps all.
        classes: class names, for messages.

    Raises:
        DataError: ids do not exist or repeat, or no image is left.
    """
    kept = list(listed) if image_ids is None else _known(source, image_ids, listed)
    if populated is not None:
        wanted = populated()
        kept = [image_id for image_id in kept if image_id in wanted]
    if not kept:
        reason = "is listed" if populated is None else "has an annotation of the classes " + few(classes)
        raise DataError(f"{source}: no image {reason}")
    return kept


def _known(source: str, image_ids: Sequence[int], listed: Sequence[int]) -> List[int]:
    known = set(listed)
    lost = [image_id for image_id in image_ids if image_id not in known]
    if lost:
        raise DataError(
            f"{source}: {len(lost)} of {len(image_ids)} ids of 'image_ids' are not among its {len(listed)} images: "
            f"{few(lost)}; it has {few(list(listed))}"
        )
    if len(set(image_ids)) < len(image_ids):
        raise DataError(f"{source}: 'image_ids' names an id more than once")
    return list(image_ids)


def recorded_sample(
    data: bytes, image_id: int, name: str, record: str, size: Tuple[int, int], objects: Objects, reduce_to: Optional[int]
) -> Sample:
    """Return the image in the bytes of a file, with its objects.

    Args:
        name: name of the file in messages. record: name of its record in messages.
        size: ``(height, width)`` in the record.
        reduce_to: decode a JPEG at a half, quarter or eighth of its size as long as its longer side keeps this many pixels.

    Raises:
        DataError: the file is truncated, not an image, or of another size.
    """
    factor = 1 if reduce_to is None else reduction_of(data, max(size), reduce_to)
    try:
        image = decode_image(data, name, factor)
    except DataError as error:
        raise DataError(f"{error} ({record})") from error
    height, width = size
    expected = (-(-height // factor), -(-width // factor))
    if image.shape[:2] != expected:
        turned = "; its EXIF orientation may have rotated it" if image.shape[:2] == expected[::-1] else ""
        raise DataError(
            f"{name}: is {image.shape[1] * factor} x {image.shape[0] * factor} pixels, but {record} says {width} x {height}, so its "
            f"annotations would not fit{turned}. Replace the file or correct the record"
        )
    return Sample(image_id, name, image, objects.reduced(factor))


def refuse_reduced(reduce_to: Optional[int]) -> None:
    """Raise ConfigError if images are reduced: detections in them would not match their annotations."""
    if reduce_to is not None:
        raise ConfigError("reduce_to is for training only; remove it, since evaluation needs images at full size")
