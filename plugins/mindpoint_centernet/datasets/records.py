"""What data sets of recorded image files share: which images they keep, and an image that must be as large as its record says."""

from __future__ import annotations

from typing import Callable, List, Optional, Sequence, Set, Tuple

import numpy as np

from mindpoint.engine.images import decode_image
from mindpoint.errors import DataError
from mindpoint_centernet.datasets.coco_file import few


def chosen_images(
    source: str,
    listed: Sequence[int],
    image_ids: Optional[Sequence[int]],
    populated: Optional[Callable[[], Set[int]]],
    classes: Sequence[str],
) -> List[int]:
    """The ids of the images to keep, in order.

    Args:
        source: what messages call the data set.
        listed: all ids. image_ids: keep only these, in this order.
        populated: gives the ids of images with at least one object, to keep only those; ``None`` keeps all.
        classes: named in messages.

    Raises:
        DataError: ids that are not there or repeat; no image left.
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
        raise DataError(f"{source}: an id stands more than once in 'image_ids'")
    return list(image_ids)


def sized_image(data: bytes, name: str, record: str, size: Tuple[int, int]) -> np.ndarray:
    """Decode the bytes of an image file, BGR ``(H, W, 3)`` uint8.

    Args:
        name: what messages call the file. record: what they call its record.
        size: ``(height, width)`` that the record says.

    Raises:
        DataError: truncated, no image, or of another size.
    """
    try:
        image = decode_image(data, name)
    except DataError as error:
        raise DataError(f"{error} ({record})") from error
    height, width = size
    if image.shape[:2] != (height, width):
        turned = "; it may have been turned by its EXIF orientation" if image.shape[:2] == (width, height) else ""
        raise DataError(
            f"{name}: is {image.shape[1]} x {image.shape[0]} pixels, but {record} says {width} x {height}, so its annotations would "
            f"not fit{turned}. Put the right file there or correct the record"
        )
    return image
