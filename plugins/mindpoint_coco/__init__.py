"""Data in COCO's form: files, MindRecord, metrics, transforms, data commands.

Plugins of any task may use these names, which are imported on first access:

- ``Keypoints``: the configuration section ``keypoints``, a set of joints.
- ``CocoDataset``: images with objects from an annotation file; ``read_annotations``: a checked annotation file.
- ``oks``: object keypoint similarity. ``oks_nms``, ``soft_nms``: non-maximum suppression.
"""

from importlib import import_module

_PLACES = {
    "Keypoints": "keypoints",
    "CocoDataset": "datasets.coco",
    "read_annotations": "datasets.coco_file",
    "oks": "similarity",
    "oks_nms": "nms",
    "soft_nms": "nms",
}
__all__ = list(_PLACES)


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
