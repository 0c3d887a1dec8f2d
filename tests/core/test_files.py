"""A folder or file is the old one or the new one, whatever comes in between."""

import os
import shutil

import pytest

from mindpoint.storage.files import atomic_write, atomic_folder


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
