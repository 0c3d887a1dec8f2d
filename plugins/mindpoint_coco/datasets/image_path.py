"""The path of a record's image: inside the folder of images, unless the user allows others."""

from __future__ import annotations

import os

from mindpoint.errors import DataError

ADVICE = "an untrusted file could name any file of this machine; if you trust it, set outside_images: true in the dataset block"


def leaves_folder(name: str) -> bool:
    """Return whether a file name is absolute or leads out of its folder, by the name alone."""
    return os.path.isabs(name) or os.path.normpath(name).split(os.sep)[0] == os.pardir


def image_path(folder: str, name: str, outside_images: bool = False) -> str:
    """Return the path of a file in the folder of images.

    Raises:
        DataError: the name, or a link on the way, leads out of the folder, and ``outside_images`` is not set.
    """
    path = os.path.join(folder, name)
    if not outside_images:
        root = os.path.realpath(folder)
        if leaves_folder(name) or os.path.commonpath([root, os.path.realpath(path)]) != root:
            raise DataError(f"{path}: is outside the folder of images {folder}; {ADVICE}")
    return path
