"""A folder or file is the old one or the new one, whatever comes in between."""

import errno
import fcntl
import os
import shutil
import stat
import subprocess
import sys
import tempfile

import pytest
from mindpoint.errors import OutputError
from mindpoint.storage.files import (
    atomic_folder,
    atomic_write,
    clear_abandoned,
    duplicate,
    make_folder,
    set_usual_mode,
    temporary_folder,
    this_process,
    write_text,
)
from mindpoint.storage.lock import locked


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").write_text("old")
    return tmp_path / "out"


def replace(out):
    with atomic_folder(out, overwrite=True) as folder:
        (folder / "file").write_text("new")


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("moves, left", [(1, "old"), (2, "old"), (3, "new")])
def test_a_folder_that_is_not_replaced_to_the_end(out, monkeypatch, error, moves, left):
    """Interrupted before, between and after the two moves."""
    move, calls = os.replace, []

    def interrupted(source, target):
        calls.append(target)
        if len(calls) == moves:
            raise error
        move(source, target)
        if moves == 3 and len(calls) == 2:
            raise error

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(BaseException) as caught:
        replace(out)
    assert caught.type is KeyboardInterrupt or "out: cannot be written" in str(caught.value)
    assert (out / "file").read_text() == left and [path.name for path in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("at", [1, 2])
def test_an_interrupted_removal_is_done_all_the_same(out, monkeypatch, at):
    remove, calls = shutil.rmtree, []

    def interrupted(folder, **options):
        calls.append(folder)
        if len(calls) == at:
            raise KeyboardInterrupt
        remove(folder, **options)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        replace(out)
    assert (out / "file").read_text() == "new" and [path.name for path in out.parent.iterdir()] == ["out"]


def test_an_interrupted_file_leaves_the_old_one(out):
    with pytest.raises(KeyboardInterrupt), atomic_write(out / "file") as temporary:
        temporary.write_text("new")
        raise KeyboardInterrupt
    assert [(path.name, path.read_text()) for path in out.iterdir()] == [("file", "old")]


def failing(monkeypatch, name, number, only=lambda *arguments: True):
    """Let a function of ``os`` fail as on a file system that lacks it."""
    real = getattr(os, name)

    def fail(*arguments, **options):
        if only(*arguments):
            raise OSError(number, os.strerror(number))
        return real(*arguments, **options)

    monkeypatch.setattr(os, name, fail)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EACCES])
def test_a_file_system_that_cannot_sync_folders_is_written_to_all_the_same(out, monkeypatch, number):
    failing(monkeypatch, "fsync", number, lambda descriptor: os.path.isdir(f"/proc/self/fd/{descriptor}"))
    write_text(out / "file", "new")
    assert (out / "file").read_text() == "new"


def test_a_file_that_cannot_be_synced_is_an_error(out, monkeypatch):
    failing(monkeypatch, "fsync", errno.EIO)
    with pytest.raises(OutputError, match="file: cannot be written: Input/output error"):
        write_text(out / "file", "new")
    assert (out / "file").read_text() == "old"


def test_without_hard_links_the_file_is_copied(out, monkeypatch):
    failing(monkeypatch, "link", errno.EPERM)
    duplicate(out / "file", out / "copy")
    (out / "file").write_text("new")
    assert (out / "copy").read_text() == "old"


@pytest.mark.parametrize("mask, mode", [(0o022, 0o644), (0o077, 0o600)])
def test_the_mode_is_that_of_new_files(out, mask, mode):
    (out / "file").chmod(0o400)
    before = os.umask(mask)
    try:
        set_usual_mode(out / "file")
    finally:
        os.umask(before)
    assert stat.S_IMODE((out / "file").stat().st_mode) == mode and [path.name for path in out.iterdir()] == ["file"]


def test_no_permissions_are_not_an_error(out, monkeypatch):
    failing(monkeypatch, "chmod", errno.EPERM)
    set_usual_mode(out / "file")
    assert os.listdir(out) == ["file"] and (out / "file").read_text() == "old"


KILLED = """
import os, signal, sys
from mindpoint.storage.files import atomic_folder, atomic_write
with (atomic_write if sys.argv[2] == "file" else atomic_folder)(sys.argv[1]) as temporary:
    (temporary if sys.argv[2] == "file" else temporary / "a").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_killed_processes_left_goes_with_the_next_write(tmp_path, what):
    target = tmp_path / "re[s]ult"
    subprocess.run([sys.executable, "-c", KILLED, str(target), what], timeout=60)
    assert len(list(tmp_path.iterdir())) == 1 and not target.exists()
    alive = tmp_path / f".{target.name}.{this_process()}.x.tmp"
    alive.mkdir()  # a process that still works on it
    if what == "file":
        write_text(target, "whole")
    else:
        with atomic_folder(target) as folder:
            (folder / "a").write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([alive.name, target.name])


def dead():
    """The number of a process that has ended."""
    code = "from mindpoint.storage.files import this_process; print(this_process())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout.strip()


@pytest.mark.parametrize("new_is_there", [False, True])
def test_a_folder_whose_replacing_was_killed_is_put_back(tmp_path, new_is_there):
    """Killed between the two moves, or between the second one and the removal of the old folder."""
    target = tmp_path / "out.d"
    for folder, text in (
        (tmp_path / f".out.d.{dead()}.old", "old"),
        (target if new_is_there else tmp_path / f".out.d.{dead()}.tmp", "new"),
    ):
        folder.mkdir()
        (folder / "a").write_text(text)
    with pytest.raises(OutputError, match="is not an empty folder"), atomic_folder(target):
        pass
    assert os.listdir(tmp_path) == ["out.d"] and (target / "a").read_text() == ("new" if new_is_there else "old")


def test_what_was_left_of_other_files_is_cleared_with_the_folder(tmp_path):
    ended = dead()
    left, kept = f".a.jpg.{ended}.x_1.tmp", [f".b.jpg.{this_process()}.x_2.tmp", ".hidden.tmp", f".c.jpg.{ended[:-8]}00000000.x_3.tmp"]
    for name in (left, *kept):  # the last one may be at work on another host
        (tmp_path / name).mkdir()
    clear_abandoned(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(kept)


def test_temporary_folders_of_killed_processes_go_with_the_next_one(tmp_path, monkeypatch):
    code = "import os; from mindpoint.storage.files import temporary_folder\nwith temporary_folder() as folder: os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, timeout=60)
    assert len(os.listdir(tmp_path)) == 1
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with temporary_folder() as folder:
        assert os.listdir(tmp_path) == [folder.name]
    assert os.listdir(tmp_path) == []


def test_a_tilde_that_no_shell_has_replaced_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    with pytest.raises(OutputError, match="~/out: a shell expands ~ only outside of quotes; write /home/me/out"):
        make_folder("~/out")
    with pytest.raises(OutputError, match="write /home/me/out"), atomic_folder("~/out"):
        pass
    assert os.listdir(tmp_path) == []
    os.mkdir("~")  # whoever has one may use it
    assert make_folder("~/out").is_dir()


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").symlink_to("../victim")
    with pytest.raises(OutputError, match="run/.lock: is a link"), locked(tmp_path / "run"):
        pass
    assert (tmp_path / "victim").read_text() == "precious"


def test_a_file_system_without_locks_is_used_with_a_remark(tmp_path, monkeypatch, caplog):
    def refuse(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with caplog.at_level("WARNING", "mindpoint"), locked(tmp_path):
        assert "lacks locks (No locks available)" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_may_only_be_read_is_flushed(tmp_path):
    """As a user without privileges: root may open every file for writing."""
    (tmp_path / "a").write_text("x")
    (tmp_path / "a").chmod(0o444)
    tmp_path.chmod(0o755)
    code = """
import os
from pathlib import Path
from mindpoint.storage.files import sync
if os.getuid() == 0:
    os.setuid(65534)
sync(Path("a"))
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=tmp_path)
