"""Checkpoints: one file with all arrays and, as text, the configuration and state that belong to them."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Iterator, Mapping, Optional, Union

import mindspore as ms
import numpy as np
from mindspore import nn

from mindpoint.errors import OutputError, WeightsError
from mindpoint.model.checkpoint_file import check_complete
from mindpoint.storage.files import atomic_write, check_readable, duplicate, set_usual_mode, sync, write_elsewhere
from mindpoint.storage.json_file import parse_json

AVERAGE = "average"  # prefix of the names of averaged weights
NETWORK = ("backbone", "neck", "heads", "stacks")  # prefixes of the names of a network's parameters
_KEY = "mindpoint"


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint file.

    Attributes:
        arrays: parameters of the network by name, and those of the optimizer if the file was written in training.
        info: JSON values: ``config`` (resolved YAML text), ``name`` (of the configuration), ``categories`` (the data set's records with
            ``id`` and ``name``), ``epoch``, ``step``, ``metrics``, ``versions``, ``state`` (see :mod:`mindpoint.training.resume`); empty
            for a file from another program.
    """

    arrays: Dict[str, np.ndarray]
    info: Dict[str, object]

    @property
    def network_arrays(self) -> Dict[str, np.ndarray]:
        """Return the arrays of the network, without the optimizer's; the averaged ones if the training kept averages."""
        averages = {name[len(AVERAGE) + 1 :]: value for name, value in self.arrays.items() if name.startswith(f"{AVERAGE}.")}
        named = {**self.arrays, **averages}
        return {name: value for name, value in named.items() if name.split(".")[0] in NETWORK}


def save(
    path: Union[str, Path],
    content: Union[nn.Cell, Mapping[str, np.ndarray]],
    info: Optional[Dict[str, object]],
    chosen: Optional[Callable[[str], bool]] = None,
    previous: Optional[Path] = None,
) -> None:
    """Write all parameters of a cell, or arrays by name, with a checksum; an older file is kept until the new one is complete.

    Args:
        info: metadata of the file; None: write a plain MindSpore file, without metadata and checksum.
        chosen: selects the arrays to write, by name; all if not given.
        previous: new path of the older file; at any moment the file at ``path`` or at this path is complete.

    Raises:
        OutputError: no permission or no space.
    """
    if isinstance(content, Mapping):
        content = [{"name": name, "data": ms.Tensor(np.ascontiguousarray(array))} for name, array in content.items()]

    def write(file: Path) -> None:
        described = info is not None
        about = {_KEY: json.dumps(info)} if described else None
        ms.save_checkpoint(content, str(file), append_dict=about, choice_func=chosen, crc_check=described)

    with atomic_write(path) as temporary:
        try:
            with _own_messages_only():
                try:
                    write(temporary)
                except PermissionError:
                    write_elsewhere(write, temporary)
        except (RuntimeError, ValueError) as error:
            raise OutputError(f"{path}: cannot be written: {str(error).splitlines()[0]}") from error
        set_usual_mode(temporary)
        if previous is not None and os.path.exists(path):
            sync(temporary)
            with atomic_write(previous) as link:
                duplicate(path, link)


def load(path: Union[str, Path]) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        WeightsError: the file does not exist, is damaged, or is not a checkpoint.
    """
    path = Path(path)
    check_readable(path, "checkpoint")
    if path.suffix != ".ckpt":
        raise WeightsError(
            f"{path}: not a checkpoint: names of MindSpore's checkpoints end in .ckpt; "
            "convert PyTorch weights with 'mindpoint weights convert'"
        )
    check_complete(path)
    stored = _read(path, crc_check=True)
    try:
        info = parse_json(stored.pop(_KEY), str(path), "description in the checkpoint", WeightsError)
    except (KeyError, AttributeError, TypeError) as error:  # the metadata is written last
        raise WeightsError(f"{path}: truncated, or not written by mindpoint: its description is missing; use another one") from error
    if not isinstance(info, dict) or not isinstance(info.get("config", ""), str):
        raise WeightsError(f"{path}: damaged: its description is invalid; use another one or train again")
    return Checkpoint(_arrays(stored), info)


def load_plain(path: Union[str, Path]) -> Dict[str, np.ndarray]:
    """Read the arrays of a MindSpore checkpoint from another program, by the file's names.

    Raises:
        WeightsError: the file does not exist, is damaged, or was written by this framework.
    """
    check_readable(path, "checkpoint")
    check_complete(path, check_sum=False)
    stored = _read(path, crc_check=False)
    if _KEY in stored:
        raise WeightsError(f"{path}: already a checkpoint of mindpoint; use it without conversion")
    return _arrays(stored)


def _read(path: Union[str, Path], crc_check: bool) -> Dict[str, object]:
    try:
        with _own_messages_only():
            return ms.load_checkpoint(str(path), crc_check=crc_check)
    except (ValueError, RuntimeError, TypeError, KeyError) as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None
        if "available memory" in str(error) or "not enough memory" in str(error):
            raise WeightsError(f"{path}: needs more memory than is free; end other programs") from error
        raise WeightsError(f"{path}: damaged, or not a MindSpore checkpoint; use another one or train again") from error


def _arrays(stored: Mapping[str, object]) -> Dict[str, np.ndarray]:
    # asnumpy() is a live view of a parameter that is about to be freed
    return {name: value.asnumpy().copy() for name, value in stored.items() if hasattr(value, "asnumpy")}


@contextlib.contextmanager
def _own_messages_only() -> Iterator[None]:
    """Suppress the error that MindSpore logs before raising it, because its advice does not help; the raised error is reported anyway."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
