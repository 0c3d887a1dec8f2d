"""Files of weights by name, from a server on this machine."""

import hashlib
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from mindpoint.errors import WeightsError
from mindpoint.model import download
from mindpoint.model.download import fetch
from mindpoint.model.translate import read_state
from mindpoint.storage.digest import check_digest
from mindpoint.storage.torch_file import write_torch_file

CONTENT = np.random.default_rng(0).bytes(3_000_000)
NAME = f"x-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


class Server(ThreadingHTTPServer):
    """Gives ``content`` for any path, and remembers what was asked.

    Attributes:
        cuts: after how many bytes each of the next answers breaks off.
        ranges: whether parts are given.
        status: what is answered instead, if anything.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.cuts, self.ranges, self.status, self.asked = CONTENT, [], True, None, []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.asked.append((self.path, asked))
        if server.status:
            return self.send_error(server.status)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and server.ranges else 0
        total = len(server.content)
        if start >= total:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            return self.end_headers()
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.send_header("Content-Length", str(total - start))
        self.end_headers()
        self.wfile.write(server.content[start : start + server.cuts.pop(0)] if server.cuts else server.content[start:])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("MINDPOINT_CACHE", str(tmp_path))
    monkeypatch.delenv(download.MIRROR, raising=False)
    monkeypatch.setattr(download, "_PAUSES", (0,))
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_a_file_is_fetched_once(server, tmp_path):
    path = fetch(f"{server.url}/models/{NAME}")
    assert path == tmp_path / "weights" / NAME and path.read_bytes() == CONTENT
    server.status = 500  # from now on it is not needed
    assert fetch(f"{server.url}/models/{NAME}") == path
    assert server.asked == [(f"/models/{NAME}", None)]
    assert [file.name for file in path.parent.iterdir() if not file.name.startswith(".")] == [NAME]


def test_another_place_has_the_file(server, monkeypatch):
    monkeypatch.setenv(download.MIRROR, f"{server.url}/mirror/")
    assert fetch(f"http://nowhere.invalid/models/{NAME}").read_bytes() == CONTENT
    assert server.asked == [(f"/mirror/{NAME}", None)]


def test_a_folder_has_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("MINDPOINT_CACHE", str(tmp_path))
    monkeypatch.setenv(download.MIRROR, tmp_path.as_uri())
    (tmp_path / NAME).write_bytes(CONTENT)
    assert fetch(f"http://nowhere.invalid/{NAME}").read_bytes() == CONTENT


def test_a_cut_connection_goes_on_where_it_ended(server):
    server.cuts = [1_200_000, 1_000_000]
    assert fetch(f"{server.url}/{NAME}").read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == [None, "bytes=1200000-", "bytes=2200000-"]


def test_a_later_attempt_goes_on_where_the_first_ended(server, tmp_path):
    server.cuts = [1_200_000, 0, 0]
    with pytest.raises(
        WeightsError, match=f"{NAME}: cannot be downloaded: interrupted .*; 1,200,000 bytes are kept.*put the file at {tmp_path}"
    ):
        fetch(f"{server.url}/{NAME}")
    assert fetch(f"{server.url}/{NAME}").read_bytes() == CONTENT
    assert server.asked[-1][1] == "bytes=1200000-"


def test_a_server_without_parts_begins_again(server):
    server.ranges, server.cuts = False, [1_200_000]
    assert fetch(f"{server.url}/{NAME}").read_bytes() == CONTENT


@pytest.mark.parametrize("there", [CONTENT, CONTENT + b"more"])
def test_what_is_there_may_be_all_or_too_much(server, tmp_path, there):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / f"{NAME}.part").write_bytes(there)
    assert fetch(f"{server.url}/{NAME}").read_bytes() == CONTENT
    assert len(server.asked) == (1 if there == CONTENT else 2)


def test_other_bytes_than_the_name_says_are_not_kept(server, tmp_path):
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(WeightsError, match=f"its SHA-256 begins with [0-9a-f]{{8}}, but its name has {NAME[2:10]}; download it again"):
        fetch(f"{server.url}/{NAME}")
    assert not [file for file in (tmp_path / "weights").iterdir() if not file.name.startswith(".")]


def test_what_a_server_refuses_is_told_at_once(server, tmp_path):
    server.status = 404
    with pytest.raises(WeightsError, match=f"{server.url}/{NAME}: cannot be downloaded: Not Found; without a network, put the file at"):
        fetch(f"{server.url}/{NAME}")
    assert len(server.asked) == 1


def test_no_server(tmp_path, server, monkeypatch):
    monkeypatch.setenv(download.MIRROR, "http://127.0.0.1:9")
    with pytest.raises(WeightsError, match="cannot be downloaded: .*refused"):
        fetch(f"{server.url}/{NAME}")
    monkeypatch.setenv(download.MIRROR, "no-address")
    with pytest.raises(WeightsError, match="cannot be downloaded: unknown url type"):
        fetch(f"{server.url}/{NAME}")


def test_two_processes_fetch_a_file_once(server):
    code = f"from mindpoint.model.download import fetch; print(len(fetch('{server.url}/{NAME}').read_bytes()))"
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=os.environ) for _ in range(2)]
    assert [int(process.communicate()[0]) for process in both] == [len(CONTENT)] * 2
    assert len(server.asked) == 1


def test_files_are_held_against_the_check_sum_in_their_name(tmp_path):
    write_torch_file(tmp_path / "plain.pth", {"a": np.zeros(3, np.float32)})
    digest = hashlib.sha256((tmp_path / "plain.pth").read_bytes()).hexdigest()
    for name in ("plain.pth", f"net-{digest[:8]}.pth", f"net-{digest}.pth", "resnet-18.pth"):
        os.replace(next(tmp_path.iterdir()), tmp_path / name)
        assert list(read_state(tmp_path / name)) == ["a"]
    os.replace(tmp_path / name, tmp_path / "net-f37072fd.pth")
    with pytest.raises(
        WeightsError, match=f"net-f37072fd.pth: damaged or changed: its SHA-256 begins with {digest[:8]}, but its name has f37072fd"
    ):
        read_state(tmp_path / "net-f37072fd.pth")
    check_digest(tmp_path / "net-f37072fd.pth", "other.pth")
