"""PyTorch's files, read and written without PyTorch; compared with it where it is installed."""

import io
import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from mindpoint.errors import WeightsError
from mindpoint.storage.torch_file import _body, _name, read_torch_file, write_torch_file

STATE = {"a.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "a.count": np.array(7, np.int64), "b": np.zeros((0, 3), np.float32)}
MAGIC = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]


class Command:
    """A pickle of this creates a file when it is loaded by an ordinary unpickler."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def legacy(*objects):
    return b"".join(pickle.dumps(value, 2) for value in [*MAGIC, *objects])


def zipped(content, name="archive/data.pkl", storage=None):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
        if storage is not None:
            archive.writestr("archive/data/0", storage)
    return file.getvalue()


def torch_pickle(array, size=None, stride=None, count=None):
    """The pickle of one tensor in storage 0, with what it says about itself."""
    size, stride = array.shape if size is None else size, tuple(s // array.itemsize for s in array.strides) if stride is None else stride
    storage = pickle.MARK + _body("storage") + _name("torch", "FloatStorage") + _body("0") + _body("cpu") + _body(count or array.size)
    arguments = storage + pickle.TUPLE + pickle.BINPERSID + _body(0) + _body(size) + _body(stride) + _body(False)
    hooks = _name("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE
    tensor = _name("torch._utils", "_rebuild_tensor_v2") + pickle.MARK + arguments + hooks + pickle.TUPLE + pickle.REDUCE
    return pickle.PROTO + b"\x02" + tensor + pickle.STOP


def test_what_is_written_can_be_read(tmp_path):
    write_torch_file(tmp_path / "x.pth", STATE, epoch=3, note="text")
    found = read_torch_file(tmp_path / "x.pth")
    assert (found["epoch"], found["note"], list(found["state_dict"])) == (3, "text", list(STATE))
    for name, array in STATE.items():
        np.testing.assert_array_equal(found["state_dict"][name], array, strict=True)


def test_pytorch_reads_what_is_written(tmp_path):
    torch = pytest.importorskip("torch")
    write_torch_file(tmp_path / "x.pth", STATE, epoch=3)
    found = torch.load(tmp_path / "x.pth", weights_only=True)
    assert found["epoch"] == 3
    for name, array in STATE.items():
        np.testing.assert_array_equal(found["state_dict"][name].numpy(), array, strict=True)


@pytest.mark.parametrize("zip_format", [True, False])
def test_what_pytorch_writes_can_be_read(tmp_path, zip_format):
    torch = pytest.importorskip("torch")
    base = torch.arange(12.0).reshape(3, 4)
    kinds = ("float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")
    content = {
        "kinds": {kind: base.to(getattr(torch, kind)) for kind in kinds},
        "views": [base.T[1:], base[1, 2], base[:, :0]],
        "parameter": torch.nn.Parameter(base),
        "plain": (1, 2.5, None, "text", True),
        "state": torch.nn.BatchNorm2d(2).state_dict(),
    }
    torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=zip_format)
    found = read_torch_file(tmp_path / "x.pth")
    for kind in kinds:
        np.testing.assert_array_equal(found["kinds"][kind], base.numpy().astype(kind), strict=True)
    for array, view in zip(found["views"], content["views"]):
        np.testing.assert_array_equal(array, view.numpy(), strict=True)
    np.testing.assert_array_equal(found["parameter"], base.numpy())
    assert found["plain"] == content["plain"] and list(found["state"]) == list(content["state"])
    torch.save(torch.tensor([1.5, -2.25e30]).bfloat16(), tmp_path / "y.pth", _use_new_zipfile_serialization=zip_format)
    np.testing.assert_array_equal(read_torch_file(tmp_path / "y.pth"), torch.tensor([1.5, -2.25e30]).bfloat16().float().numpy())


def test_a_file_of_a_graphics_card_and_of_an_early_version(tmp_path):
    """Storages of ``torch.cuda`` and parameters as an early PyTorch wrote them, put together by hand."""
    storage = b"(X\x07\x00\x00\x00storagectorch.cuda\nFloatStorage\nX\x01\x00\x00\x00kX\x06\x00\x00\x00cuda:0K\x02NtQ"
    tensor = b"ctorch._utils\n_rebuild_tensor\n(" + storage + b"K\x00K\x02\x85K\x01\x85tR"
    parameter = b"ctorch.nn.parameter\nParameter\n" + tensor + b"\x85\x81(\x88\x89Ntb"
    tree = b"\x80\x02}X\x01\x00\x00\x00w" + parameter + b"s."
    numbers = np.array([2], "<i8").tobytes() + np.array([1.5, -3], "<f4").tobytes()
    (tmp_path / "x.pth").write_bytes(legacy() + tree + pickle.dumps(["k"], 2) + numbers)
    np.testing.assert_array_equal(read_torch_file(tmp_path / "x.pth")["w"], [1.5, -3])


@pytest.mark.parametrize("form", ["legacy", "zip", "first", "keys"])
def test_a_pickle_that_runs_code_is_refused(tmp_path, form):
    command = Command(tmp_path / "it ran".replace(" ", "-"))
    (tmp_path / "x.pth").write_bytes(
        {
            "legacy": legacy({"state_dict": command}, []),
            "zip": zipped(pickle.dumps({"state_dict": command})),
            "first": pickle.dumps(command),
            "keys": legacy({}, command),
        }[form]
    )
    with pytest.raises(WeightsError, match=r"x\.pth: refused: .*posix\.system.* never run"):
        read_torch_file(tmp_path / "x.pth")
    assert os.listdir(tmp_path) == ["x.pth"]


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "not a PyTorch file"),
        (b"just some text", "not a PyTorch file"),
        (pickle.dumps({"a": 1}), "a pickle, but not a PyTorch file"),
        (b"PK\x03\x04 and no archive", "damaged or truncated"),
        (zipped(b"", "other.txt"), "that PyTorch did not write"),
        (legacy(), "damaged or truncated"),
        (zipped(pickle.dumps([1])[:-3]), "damaged or truncated"),
    ],
)
def test_files_that_are_none(tmp_path, content, message):
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=f"x.pth: .*{message}"):
        read_torch_file(tmp_path / "x.pth")


def test_damage_is_noticed(tmp_path):
    write_torch_file(tmp_path / "x.pth", STATE)
    whole = (tmp_path / "x.pth").read_bytes()
    place = whole.index(STATE["a.weight"].tobytes()) + 9
    for damaged in (whole[: len(whole) // 2], whole[:-10], whole[:place] + b"\xff" + whole[place + 1 :]):
        (tmp_path / "x.pth").write_bytes(damaged)
        with pytest.raises(WeightsError, match="damaged or truncated"):
            read_torch_file(tmp_path / "x.pth")


def test_a_tensor_may_not_reach_beyond_its_storage(tmp_path):
    write_torch_file(tmp_path / "x.pth", {"a": np.zeros(4, np.float32)})
    with zipfile.ZipFile(tmp_path / "x.pth") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["archive/data.pkl"] = parts["archive/data.pkl"].replace(pickle.dumps((4,), 2)[2:-1], pickle.dumps((9,), 2)[2:-1], 1)
    with zipfile.ZipFile(tmp_path / "y.pth", "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(WeightsError, match="damaged"):
        read_torch_file(tmp_path / "y.pth")


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(WeightsError, match="no.pth: no such file"):
        read_torch_file(tmp_path / "no.pth")
    with pytest.raises(WeightsError, match="is a folder"):
        read_torch_file(tmp_path)


class TestBombs:
    """Small files that ask for much memory."""

    def refused(self, path, most=1 << 30):
        code = (
            "import resource, sys; import mindpoint.storage.torch_file as t; from mindpoint.errors import WeightsError\n"
            "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
            f"resource.setrlimit(resource.RLIMIT_AS, (used + {most},) * 2)\n"
            "try: t.read_torch_file(sys.argv[1])\nexcept WeightsError as error: print(error)"
        )
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and str(path) in done.stdout and "MemoryError" not in done.stdout, done
        return done.stdout

    @pytest.mark.slow
    def test_a_packed_archive(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "x.pth", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", torch_pickle(np.zeros(3, np.float32)))
            archive.writestr("archive/data/0", bytes(1 << 30))
        assert "it unpacks to 1,073," in self.refused(tmp_path / "x.pth")

    @pytest.mark.parametrize(
        "size, stride", [((30000, 30000), (0, 0)), ((30000, 30000), (1, 0)), ((2**40,), (1,)), ((1,) * 40, (1,) * 40), ((-1,), (1,))]
    )
    def test_sizes_and_strides(self, tmp_path, size, stride):
        (tmp_path / "x.pth").write_bytes(zipped(torch_pickle(np.zeros(4, np.float32), size, stride), storage=bytes(16)))
        assert "damaged" in self.refused(tmp_path / "x.pth")

    def test_a_storage_larger_than_its_file(self, tmp_path):
        (tmp_path / "x.pth").write_bytes(zipped(torch_pickle(np.zeros(4, np.float32), count=2**40), storage=bytes(16)))
        assert "has 16 bytes, not 4398046511104" in self.refused(tmp_path / "x.pth")

    def test_one_tensor_again_and_again(self, tmp_path):
        body = torch_pickle(np.zeros(1 << 20, np.float32))[2:-1]
        again = (
            pickle.PROTO
            + b"\x02"
            + pickle.MARK
            + body
            + pickle.BINPUT
            + b"\x01"
            + (pickle.BINGET + b"\x01") * 5000
            + pickle.LIST
            + pickle.STOP
        )
        (tmp_path / "x.pth").write_bytes(zipped(again, storage=bytes(4 << 20)))
        assert "too often" in self.refused(tmp_path / "x.pth")

    @pytest.mark.slow
    def test_lists_that_double(self, tmp_path):
        levels = b"".join(b"]q%c(h%ch%ch%ce" % (n + 1, n, n, n) for n in range(40))
        content = pickle.PROTO + b"\x02" + b"]q\x00" + levels + b"."
        (tmp_path / "x.pth").write_bytes(zipped(content))
        assert "too often" in self.refused(tmp_path / "x.pth")

    def test_a_number_in_the_memo_that_is_huge(self, tmp_path):
        (tmp_path / "x.pth").write_bytes(zipped(pickle.PROTO + b"\x02" + b"]r\xff\xff\xff\x7f."))
        assert "not a pickle of weights" in self.refused(tmp_path / "x.pth")
