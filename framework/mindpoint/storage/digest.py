"""Checksums in file names: ``resnet18-f37072fd.pth`` contains the first digits of the file's SHA-256."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Union

from mindpoint.errors import WeightsError


def file_digest(path: Union[str, Path]) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal digits. Raises OSError if it cannot be read."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_digest(path: Path, name: str = "") -> None:
    """Compare a file with the checksum in its name, 8 to 64 hexadecimal digits after the last ``-``. Accept a name without a checksum.

    Args:
        name: the name with the checksum; by default the name of the file.

    Raises:
        WeightsError: the checksum differs.
    """
    promised = re.search(r"-([0-9a-f]{8,64})$", Path(name or path.name).stem)
    if promised is None:
        return
    begins = file_digest(path)[: len(promised[1])]
    if begins != promised[1]:
        raise WeightsError(
            f"{path}: damaged or changed: its SHA-256 begins with {begins}, but its name has {promised[1]}; "
            "download it again, or rename it if these digits are not a checksum"
        )
