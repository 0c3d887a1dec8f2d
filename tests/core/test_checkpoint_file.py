"""Checkpoints that are cut off, changed or made up."""

import errno
import json
import os
import stat
import struct
import tempfile
import zlib

import numpy as np
import pytest
from mindpoint.errors import WeightsError
from mindpoint.model import checkpoint

ARRAYS = {
    "backbone.a": np.arange(12, dtype=np.float32).reshape(3, 4),
    "backbone.b": np.array([2.5], np.float32),
    "heads.c": np.arange(5, dtype=np.int64),
    "heads.d": np.ones((2, 3, 1, 1), np.float16),
    "heads.e": np.array([True, False]),
}
INFO = {"config": "seed: 3\n", "epoch": 4, "names": ["ä", "图"]}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("written") / "a.ckpt"
    checkpoint.save(path, ARRAYS, INFO)
    return path.read_bytes()


def varint(value):
    text = b""
    while value > 127:
        text, value = text + bytes([value & 127 | 128]), value >> 7
    return text + bytes([value])


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def record(name, dims, kind, content):
    tensor = b"".join(b"\x08" + varint(side) for side in dims) + field(2, kind.encode()) + field(3, content)
    return field(1, field(1, name.encode()) + field(2, tensor))


def about(info=INFO):
    return record("mindpoint", [0], "str", json.dumps(info).encode("utf-32-le"))


def signed(body):
    return body + b"crc_num" + zlib.crc32(body).to_bytes(10, "big")


def borders(data):
    """Return begin and end of each record."""
    found, position, end = [0], 0, len(data) - 17
    while position < end:
        length, shift, at = 0, 0, position + 1
        while True:
            length, byte = length | (data[at] & 127) << shift, data[at]
            at, shift = at + 1, shift + 7
            if byte < 128:
                break
        position = at + length
        found.append(position)
    assert position == end and len(found) == len(ARRAYS) + 2
    return found


def load(tmp_path, data):
    path = tmp_path / "x.ckpt"
    path.write_bytes(data)
    return checkpoint.load(path)


def refused(tmp_path, data):
    with pytest.raises(WeightsError) as caught:
        load(tmp_path, data)
    assert str(tmp_path / "x.ckpt") in str(caught.value)
    return str(caught.value)


def test_a_whole_one(tmp_path, written):
    found = load(tmp_path, written)
    assert found.info == INFO and found.arrays.keys() == ARRAYS.keys()
    assert all(np.array_equal(found.arrays[name], value) and found.arrays[name].dtype == value.dtype for name, value in ARRAYS.items())
    assert load(tmp_path, signed(record("backbone.a", [2], "Float32", struct.pack("<2f", 1, 2)) + about())).arrays[
        "backbone.a"
    ].tolist() == [1, 2]


def test_cut_at_the_border_of_a_record(tmp_path, written):
    """Without a check sum, with that of the whole file, and with a right one: what the file says about itself is written last."""
    for border in borders(written):
        assert "damaged, truncated" in refused(tmp_path, written[:border])
        if border < len(written) - 17:
            assert "damaged" in refused(tmp_path, written[:border] + written[-17:])
            refused(tmp_path, signed(written[:border]))


def test_cut_anywhere(tmp_path, written):
    for length in range(0, len(written), 7):
        refused(tmp_path, written[:length])


def test_a_bit_is_flipped(tmp_path, written):
    for position in range(0, len(written), 3):
        changed = bytearray(written)
        changed[position] ^= 1 << position % 8
        refused(tmp_path, bytes(changed))


@pytest.mark.parametrize(
    "name, dims, kind, content",
    [
        ("more than there is", [2**20, 2**18], "Float32", b"\0" * 8),
        ("more sides than memory", [2**50], "Float32", b"\0" * 8),
        ("sides that overflow", [2**39, 2**39], "Int8", b""),
        ("many sides", [1] * 40, "Int8", b"\0"),
        ("fewer than there are", [2], "Float32", b"\0" * 12),
        ("nothing", [2], "Float32", b""),
        ("another type", [1], "Complex64", b"\0" * 8),
        ("half a character", [0], "str", b"\0" * 7),
    ],
)
def test_sizes_that_cannot_be(tmp_path, name, dims, kind, content):
    assert "damaged" in refused(tmp_path, signed(record(name, dims, kind, content) + about()))


def test_slices_of_a_parameter_count_together(tmp_path):
    half = np.arange(4, dtype=np.float32)
    both = record("backbone.a", [8], "Float32", half.tobytes()) + record("backbone.a", [8], "Float32", half.tobytes())
    assert load(tmp_path, signed(both + about())).arrays["backbone.a"].tolist() == [0, 1, 2, 3] * 2
    assert "need 32 bytes, but there are 16" in refused(tmp_path, signed(both[: len(both) // 2] + about()))


@pytest.mark.parametrize("info", [[], 3, {"config": 3}, {"config": ["a"]}])
def test_what_it_says_about_itself_cannot_be_used(tmp_path, info):
    assert "its description is invalid" in refused(tmp_path, signed(about(info)))


def test_what_it_says_is_nested_or_no_json(tmp_path):
    for text in ("[" * 100_000, "{", "9" * 5000):
        body = record("mindpoint", [0], "str", text.encode("utf-32-le"))
        assert "description in the checkpoint" in refused(tmp_path, signed(body))
    assert "its description is missing" in refused(tmp_path, signed(record("mindpoint", [1], "Float32", b"\0" * 4)))


def test_the_older_one_is_kept_on_a_disk_without_hard_links(tmp_path, monkeypatch):
    def link(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    path, previous = tmp_path / "last.ckpt", tmp_path / "previous.ckpt"
    checkpoint.save(path, ARRAYS, {**INFO, "epoch": 1})
    checkpoint.save(path, ARRAYS, {**INFO, "epoch": 2}, previous=previous)
    assert [checkpoint.load(file).info["epoch"] for file in (previous, path)] == [1, 2]


def test_it_is_written_where_permissions_cannot_be_set(tmp_path, monkeypatch):
    set_mode = os.chmod

    def chmod(path, *arguments, **options):
        if str(path).startswith(str(tmp_path / "share")):
            raise PermissionError(errno.EPERM, "Operation not permitted")
        set_mode(path, *arguments, **options)

    monkeypatch.setattr(os, "chmod", chmod)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "share").mkdir()
    path, previous = tmp_path / "share" / "last.ckpt", tmp_path / "share" / "previous.ckpt"
    for epoch in (1, 2):
        checkpoint.save(path, ARRAYS, {**INFO, "epoch": epoch}, previous=previous)
    assert [checkpoint.load(file).info["epoch"] for file in (previous, path)] == [1, 2]
    assert os.listdir(tmp_path) == ["share"] and sorted(os.listdir(tmp_path / "share")) == ["last.ckpt", "previous.ckpt"]


def test_the_permissions_are_the_users_choice(tmp_path):
    old = os.umask(0o077)
    try:
        checkpoint.save(tmp_path / "a.ckpt", ARRAYS, INFO)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.ckpt").stat().st_mode) == 0o600


def test_a_lack_of_memory_is_told_from_damage(written, tmp_path, monkeypatch):
    from mindspore.train import serialization

    if not hasattr(serialization, "_check_checkpoint_protobuf_size"):
        pytest.skip("this MindSpore does not look at the memory")
    check = serialization._check_checkpoint_protobuf_size
    monkeypatch.setattr(serialization, "_check_checkpoint_protobuf_size", lambda name, size, *_: check(name, size, 10))
    (tmp_path / "a.ckpt").write_bytes(written)
    with pytest.raises(WeightsError, match="a.ckpt: needs more memory than is free"):
        checkpoint.load(tmp_path / "a.ckpt")
