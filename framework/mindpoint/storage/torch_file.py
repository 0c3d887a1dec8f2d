"""PyTorch weight files, read and written without PyTorch. Code in a file is never run.

A file is a pickle of dictionaries, lists, numbers and tensors. The bytes of the tensors are stored separately: in a zip archive (since
PyTorch 1.6), or one by one after the pickle (before 1.6, called "legacy"). A pickle can call any function by name, so only the few names
that weights need are accepted, and they are mapped to classes of this module.
"""

from __future__ import annotations

import collections
import math
import pickle
import pickletools
import zipfile
from pathlib import Path
from typing import BinaryIO, Callable, Dict, Mapping, Tuple, Union

import numpy as np

from mindpoint.errors import WeightsError
from mindpoint.storage.files import atomic_write

_MOST_DIMENSIONS, _MOST_VALUES = 32, 1_000_000
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_KINDS = {"Float": "f4", "Double": "f8", "Half": "f2", "BFloat16": "u2", "Long": "i8", "Int": "i4", "Short": "i2", "Char": "i1"}
_KINDS.update({"Byte": "u1", "Bool": "?"})


class _Storage:
    """A block of numbers that holds tensors; ``array`` is set when its bytes are read."""

    def __init__(self, kind: str, count: int):
        self.brain_float = kind == "BFloat16"
        self.dtype, self.count = np.dtype(_KINDS[kind]), count

    @property
    def size(self) -> int:
        """Return the size in bytes."""
        return self.count * self.dtype.itemsize

    def fill(self, data: bytes, order: str = "<") -> None:
        array = np.frombuffer(data, self.dtype.newbyteorder(order), self.count).astype(self.dtype)
        self.array = (array.astype(np.uint32) << 16).view(np.float32) if self.brain_float else array


class _Tensor:
    """A tensor as a view of its storage; ``offset`` and ``stride`` count elements."""

    def __init__(self, storage: _Storage, offset: int, size: Tuple[int, ...], stride: Tuple[int, ...], *_: object):
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride

    def array(self) -> np.ndarray:
        block = self.storage.array
        item = block.itemsize
        if len(self.size) > _MOST_DIMENSIONS or math.prod(self.size) > block.size:
            raise ValueError(f"a tensor of {math.prod(self.size)} numbers is larger than its storage of {block.size}")
        strides = tuple(step * item for step in self.stride)
        return np.ndarray(tuple(self.size), block.dtype, block, self.offset * item, strides).copy()  # ValueError if it leaves the block


class _Parameter:
    """A trainable tensor, read as a plain one."""

    def __new__(cls, data: _Tensor, *_: object) -> "_Parameter":
        self = super().__new__(cls)  # not in __init__, which pickles of early PyTorch versions do not call
        self.data = data
        return self

    def __setstate__(self, state: object) -> None:
        """Ignore the remaining state."""


class _StorageKind:
    """A storage class such as ``FloatStorage``, of any device. It must not be called."""

    def __init__(self, kind: str):
        self.kind = kind


_KNOWN: Dict[Tuple[str, str], Callable] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _Tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
    ("torch._utils", "_rebuild_parameter"): _Parameter,
    ("torch.nn.parameter", "Parameter"): _Parameter,
    ("torch", "Size"): tuple,
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO, path: Path):
        _check_pickle(file)
        super().__init__(file, encoding="utf-8")
        self.path = path
        self.storages: Dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in _KNOWN:
            return _KNOWN[module, name]
        if module in ("torch", "torch.cuda") and name.endswith("Storage") and name[: -len("Storage")] in _KINDS:
            return _StorageKind(name[: -len("Storage")])
        raise WeightsError(
            f"{self.path}: refused: it contains more than weights: it needs {module}.{name}, and such code is never run; "
            "save only the weights: torch.save(model.state_dict(), FILE)"
        )

    def persistent_load(self, place: tuple) -> _Storage:
        word, kind, key, _, count, *view = place
        if word != "storage" or any(view) or not isinstance(count, int) or count < 0:
            raise WeightsError(f"{self.path}: the layout of its tensors is not supported; save it again with PyTorch 1.6 or later")
        return self.storages.setdefault(key, _Storage(kind.kind, count))


def read_torch_file(path: Union[str, Path]) -> object:
    """Return the content of a PyTorch file in either format: dictionaries, lists, numbers and texts, with arrays instead of tensors.

    Raises:
        WeightsError: the file does not exist, is not a PyTorch file, is damaged, or contains or calls more than weights need.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}; name a PyTorch file, such as model.pth")
    try:
        with open(path, "rb") as file:
            start = file.read(len(_ZIP))
            file.seek(0)
            if start == _ZIP:
                return _read_zip(file, path)
            if start.startswith(_PICKLE):
                return _read_legacy(file, path)
    except WeightsError:
        raise
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # arbitrary bytes can raise arbitrary errors
        raise WeightsError(f"{path}: damaged or truncated ({type(error).__name__}: {error}); download it again") from error
    advice = "; MindSpore's .ckpt files need no conversion" if path.suffix == ".ckpt" else ""
    raise WeightsError(f"{path}: not a PyTorch file (it starts with {start!r}){advice}")


def _read_zip(file: BinaryIO, path: Path) -> object:
    with zipfile.ZipFile(file) as archive:
        _check_sizes(archive, path)
        names = archive.namelist()
        pickles = [name for name in names if name.endswith("data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise WeightsError(f"{path}: a zip archive that PyTorch did not write: data.pkl is missing")
        folder = pickles[0][: -len("data.pkl")]
        order = ">" if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") == b"big" else "<"
        with archive.open(pickles[0]) as content:
            unpickler = _Unpickler(content, path)
            tree = unpickler.load()
        for key, storage in unpickler.storages.items():
            entry = archive.getinfo(f"{folder}data/{key}")
            if not storage.size == entry.file_size:
                raise ValueError(f"storage {key} has {entry.file_size} bytes, not {storage.size}")
            storage.fill(archive.read(entry), order)
    return _Plain(path)(tree)


def _most_bytes(path: Path) -> int:
    """Return the memory limit for all numbers of a file: somewhat more than the file size, since storages may be shared or compressed."""
    return 20 * path.stat().st_size + (1 << 24)


def _check_sizes(archive: zipfile.ZipFile, path: Path) -> None:
    """Raise WeightsError if an archive's content is larger than the archive: PyTorch does not compress."""
    unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > _most_bytes(path):
        raise WeightsError(f"{path}: refused: it unpacks to {unpacked:,} bytes, many times its size, unlike any file of PyTorch")


def _read_legacy(file: BinaryIO, path: Path) -> object:
    if _Unpickler(file, path).load() != _LEGACY_MAGIC:
        raise WeightsError(f"{path}: a pickle, but not a PyTorch file")
    for _ in ("protocol", "machine"):
        _Unpickler(file, path).load()
    unpickler = _Unpickler(file, path)
    tree = unpickler.load()
    for key in _Unpickler(file, path).load():
        storage = unpickler.storages[key]
        file.seek(8, 1)  # the number of elements, which is known already
        if storage.size > path.stat().st_size - file.tell():
            raise ValueError(f"storage {key} has {storage.size} bytes, more than the file")
        storage.fill(file.read(storage.size))
    return _Plain(path)(tree)


class _Plain:
    """A converter of a pickle's content to plain values, within a memory limit: a pickle can refer to one value any number of times."""

    def __init__(self, path: Path):
        self._bytes, self._values = _most_bytes(path), _MOST_VALUES

    def __call__(self, value: object) -> object:
        self._values -= 1
        if isinstance(value, _Parameter):
            value = value.data
        if isinstance(value, _Tensor):
            array = value.array()
            self._bytes -= array.nbytes
        if self._bytes < 0 or self._values < 0:
            raise ValueError("it repeats the same numbers too often")
        if isinstance(value, _Tensor):
            return array
        if isinstance(value, dict):
            return {key: self(child) for key, child in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self(child) for child in value)
        return value


class _Within:
    """A reader that never requests more bytes than a file still has. Otherwise, a damaged length would allocate memory without limit."""

    def __init__(self, file: BinaryIO):
        start = file.tell()
        self._left = file.seek(0, 2) - start
        file.seek(start)
        self._file, self.tell = file, file.tell

    def read(self, count: int) -> bytes:
        data = self._file.read(min(count, self._left))
        self._left -= len(data)
        return data

    def readline(self) -> bytes:
        line = self._file.readline()
        self._left -= len(line)
        return line


def _check_pickle(file: BinaryIO) -> None:
    """Raise ValueError if a pickle is incomplete, or if its memo indices would exhaust the memory."""
    start = file.tell()
    for count, (opcode, argument, _) in enumerate(pickletools.genops(_Within(file))):
        if count > 20 * _MOST_VALUES or opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and not 0 <= argument <= 20 * _MOST_VALUES:
            raise ValueError("not a pickle of weights")
    file.seek(start)


def write_torch_file(path: Union[str, Path], state: Mapping[str, np.ndarray], **more: object) -> None:
    """Write ``{**more, "state_dict": state}`` in the zip format, as ``torch.save`` would.

    Args:
        state: float32 and int64 arrays by name.
        more: plain values besides the state.

    Raises:
        OutputError: the file cannot be written.
    """
    arrays = {name: np.asarray(value, order="C") for name, value in state.items()}
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", _pickled(arrays, more))
        archive.writestr("archive/byteorder", "little")
        for number, array in enumerate(arrays.values()):
            archive.writestr(f"archive/data/{number}", array.astype(array.dtype.newbyteorder("<")).tobytes())
        archive.writestr("archive/version", "3\n")


def _pickled(arrays: Mapping[str, np.ndarray], more: Mapping[str, object]) -> bytes:
    """Return the pickle, built by hand: names of PyTorch's functions cannot be pickled without PyTorch."""
    items = b"".join(_body(name) + _body(value) for name, value in more.items())
    tensors = b"".join(_body(name) + _tensor(str(number), array) for number, (name, array) in enumerate(arrays.items()))
    state = pickle.EMPTY_DICT + pickle.MARK + tensors + pickle.SETITEMS
    return pickle.PROTO + b"\x02" + pickle.EMPTY_DICT + pickle.MARK + items + _body("state_dict") + state + pickle.SETITEMS + pickle.STOP


def _tensor(key: str, array: np.ndarray) -> bytes:
    kind = {code: name for name, code in _KINDS.items()}[array.dtype.str[1:]]
    storage = pickle.MARK + _body("storage") + _name("torch", f"{kind}Storage") + _body(key) + _body("cpu") + _body(array.size)
    stride = tuple(step // array.itemsize for step in array.strides)
    arguments = storage + pickle.TUPLE + pickle.BINPERSID + _body(0) + _body(array.shape) + _body(stride) + _body(False)
    hooks = _name("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE
    return _name("torch._utils", "_rebuild_tensor_v2") + pickle.MARK + arguments + hooks + pickle.TUPLE + pickle.REDUCE


def _name(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def _body(value: object) -> bytes:
    """Return the pickle of a plain value without its frame."""
    return pickle.dumps(value, 2)[2:-1]
