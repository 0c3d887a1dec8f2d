"""Image files as they come: turned, of floating-point numbers, larger than any memory, or not files at all."""

import io
import os
import subprocess
import sys
import zlib

import cv2
import numpy as np
import PIL.Image
import pytest
from mindpoint.errors import DataError
from mindpoint.storage import image_header
from mindpoint.storage.images import decode_image, read_image


@pytest.fixture
def picture():
    """No symmetry: 8 different blocks."""
    return np.kron(np.arange(8, dtype=np.uint8).reshape(2, 4) * 30, np.ones((16, 16), np.uint8))[..., None].repeat(3, axis=2)


def stored(picture, orientation, kind):
    """The file of a picture whose pixels are stored so that the orientation turns them upright."""
    undo = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[orientation]
    transposes = PIL.Image.Transpose
    ways = {
        2: transposes.FLIP_LEFT_RIGHT,
        3: transposes.ROTATE_180,
        4: transposes.FLIP_TOP_BOTTOM,
        5: transposes.TRANSPOSE,
        6: transposes.ROTATE_270,
        7: transposes.TRANSVERSE,
        8: transposes.ROTATE_90,
    }  # fmt: skip  as Pillow's exif_transpose
    image = PIL.Image.fromarray(picture)
    image = image.transpose(ways[undo]) if undo in ways else image
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    image.save(file, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    return file.getvalue()


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(picture, orientation, kind):
    np.testing.assert_array_equal(decode_image(stored(picture, orientation, kind), "x"), picture)


@pytest.mark.parametrize("ending", ["tif", "png"])
def test_pictures_of_12_bits_are_refused_and_dark_ones_of_16_are_not(tmp_path, ending):
    path, ramp = str(tmp_path / f"a.{ending}"), np.arange(4096, dtype=np.uint16).reshape(64, 64)
    assert cv2.imwrite(path, ramp)
    with pytest.raises(DataError, match=f"a.{ending}: has 16 bits per channel but no number above 4095.*multiply by 16"):
        read_image(path)
    assert cv2.imwrite(path, ramp * 16)
    assert np.abs(read_image(path)[..., 0] - ramp / 16).max() <= 1
    assert cv2.imwrite(path, ramp % 200)  # black but for noise, whatever the number of bits
    assert read_image(path).max() <= 1


@pytest.mark.parametrize(
    "channels, ending, kind", [(1, "tif", "f4"), (3, "tif", "f4"), (3, "tif", "f8"), (3, "hdr", "f4"), (3, "pfm", "f4")]
)
def test_floating_point_pictures_are_refused(tmp_path, channels, ending, kind):
    picture = np.full((4, 4, 3), 200, kind) if channels == 3 else np.full((4, 4), 200, kind)
    assert cv2.imwrite(str(tmp_path / f"a.{ending}"), picture)
    with pytest.raises(DataError, match=f"a.{ending}: has floating-point numbers.*convert it to 8 or 16 bits"):
        read_image(tmp_path / f"a.{ending}")


def test_alpha_does_not_hide_that_colours_have_12_bits(tmp_path):
    ramp = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    assert cv2.imwrite(str(tmp_path / "a.png"), np.dstack([ramp, ramp, ramp, np.full_like(ramp, 65535)]))
    with pytest.raises(DataError, match="no number above 4095"):
        read_image(tmp_path / "a.png")


def test_signed_numbers_and_odd_numbers_of_bits_are_told(tmp_path):
    for kind in ("int8", "int16", "int32"):
        assert cv2.imwrite(str(tmp_path / "a.tif"), np.full((4, 4), -5, kind))
        with pytest.raises(DataError, match="a.tif: has signed numbers.*convert it to 8 or 16 bits"):
            read_image(tmp_path / "a.tif")
    jpeg = bytearray(cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    frame = jpeg.index(b"\xff\xc0")  # marker, 2 bytes of length, then the number of bits
    jpeg[frame + 4] = 12
    with pytest.raises(DataError, match="x.jpg: OpenCV cannot read numbers of 12 bits; convert"):
        decode_image(bytes(jpeg), "x.jpg")


def pnm(kind, white):
    """Two pixels, black and white."""
    channels = 3 if kind in ("P3", "P6") else 1
    head = (
        f"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 1\nMAXVAL {white}\nTUPLTYPE GRAYSCALE\nENDHDR\n"
        if kind == "P7"
        else f"{kind}\n# {white * 2}\n2 1 {white}\n"
    )
    values = [0] * channels + [white] * channels
    body = " ".join(map(str, values)).encode() if kind in ("P2", "P3") else np.array(values, ">u2" if white > 255 else ">u1").tobytes()
    return head.encode() + body + b"\n"


@pytest.mark.parametrize("kind", ["P2", "P3", "P5", "P6", "P7"])
def test_white_is_white_or_told(kind):
    for white in (1, 15, 255, 1023, 4095, 16383, 65535):
        data = pnm(kind, white)
        if white in (255, 65535) or (kind in ("P2", "P3") and white < 255):
            assert decode_image(data, "x")[0].tolist() == [[0, 0, 0], [255, 255, 255]]
        else:
            with pytest.raises(DataError, match=f"x: has numbers in 0..{white}, which OpenCV would read too dark"):
                decode_image(data, "x")


def test_pictures_of_16_bits_are_read(tmp_path):
    for name, picture in (("a.tif", np.full((4, 4), 200 << 8, np.uint16)), ("b.tif", np.full((4, 4, 3), 200 << 8, np.uint16))):
        assert cv2.imwrite(str(tmp_path / name), picture)
        assert abs(read_image(tmp_path / name).mean() - 200) <= 1


def png_of_zeros(width, height):
    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    row = b"\0" * (1 + width // 8)
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([1, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path):
    (tmp_path / "bomb.png").write_bytes(png_of_zeros(30000, 30000))
    code = (
        "import re, sys; from mindpoint.storage.images import read_image; from mindpoint.errors import DataError\n"
        "try: read_image(sys.argv[1])\nexcept DataError as error: print(error)\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read()).group(1)) // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "bomb.png")], capture_output=True, text=True, timeout=60)
    message, peak = done.stdout.splitlines()
    assert "bomb.png: has too many pixels; at most 134 million" in message and int(peak) < 500


def test_the_limit_itself_is_allowed(monkeypatch, picture):
    data = cv2.imencode(".png", picture)[1].tobytes()
    monkeypatch.setattr(image_header, "MOST_PIXELS", picture.shape[0] * picture.shape[1])
    assert decode_image(data, "x").shape == picture.shape
    monkeypatch.setattr(image_header, "MOST_PIXELS", picture.shape[0] * picture.shape[1] - 1)
    with pytest.raises(DataError, match="x: has 64 x 32 pixels"):
        decode_image(data, "x")


def test_pipes_devices_and_folders_are_not_images(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", "/dev/zero", tmp_path):
        with pytest.raises(DataError, match="not an image file"):
            read_image(path)
