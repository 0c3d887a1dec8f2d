"""Publishing of a checkpoint: the network without training state."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import NamedTuple, Optional

from mindpoint.errors import OutputError, WeightsError
from mindpoint.model import checkpoint
from mindpoint.storage.digest import file_digest
from mindpoint.storage.files import atomic_write, clear_abandoned, make_folder, this_process

_KEPT = ("config", "name", "categories", "epoch", "step", "metrics", "versions")
_DIGITS = 8  # hexadecimal digits of the hash in the name


class Published(NamedTuple):
    """The result of publishing.

    Attributes:
        path: the written file.
        averaged: whether it holds averaged weights.
    """

    path: Path
    averaged: bool


def publish(place: Path, out: Optional[Path] = None) -> Published:
    """Write the network's weights, averaged ones if available, and the configuration as ``NAME-HASH.ckpt``.

    HASH is the beginning of the file's SHA-256; recipients can check it with ``sha256sum``.

    Args:
        place: the checkpoint.
        out: path that ends in ``NAME.ckpt``; by default next to the checkpoint, with the name of the checkpoint's folder.

    Raises:
        WeightsError: the file is not a checkpoint, or has no configuration.
        OutputError: the file exists, has another suffix, or cannot be written.
    """
    stored = checkpoint.load(place)
    if "config" not in stored.info:
        raise WeightsError(f"{place}: has no configuration, which users need; publish a checkpoint of a run")
    out = out or place.with_name(f"{place.resolve().parent.name}{place.suffix}")
    if out.suffix != place.suffix:
        raise OutputError(f"{out}: the name must end in {place.suffix}")
    make_folder(out.parent)
    info = {key: stored.info[key] for key in _KEPT if key in stored.info}
    clear_abandoned(out.parent, out.name)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.{this_process()}.", suffix=".tmp", dir=out.parent) as folder:
        made = Path(folder) / out.name
        checkpoint.save(made, stored.network_arrays, info)
        digest = file_digest(made)[:_DIGITS]
        path = out.with_name(f"{out.stem}-{digest}{out.suffix}")
        if os.path.lexists(path):
            raise OutputError(f"{path}: exists, with the same content")
        with atomic_write(path) as temporary:
            os.replace(made, temporary)
    return Published(path, any(name.startswith(f"{checkpoint.AVERAGE}.") for name in stored.arrays))
