"""Atomic files and folders: after any failure the old state stands, and nothing half-written lies beside it."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ffgan_tf.utils import files

ROOT = str(Path(files.__file__).parents[2])


class Interrupted(BaseException):
    """Stands for Ctrl-C, which is no Exception either."""


def fail_at(monkeypatch, name, error, call=1):
    """Lets the operating system's `name` raise `error` at its `call`-th use, and work again after it."""
    real, count = getattr(os, name), iter(range(1, 1000))

    def failing(*arguments, **keywords):
        if next(count) == call:
            raise error
        return real(*arguments, **keywords)

    monkeypatch.setattr(os, name, failing)


def names(folder):
    return sorted(os.listdir(folder))


@pytest.mark.parametrize("content, expected", [("Vögel\n", b"V\xc3\xb6gel\n"), (b"\x00\xff", b"\x00\xff"), ("", b"")])
def test_write_atomic_writes_and_makes_folders(tmp_path, content, expected):
    path = tmp_path / "a" / "b" / "file"
    files.write_atomic(path, content)
    assert path.read_bytes() == expected
    assert names(path.parent) == ["file"]


def test_write_atomic_replaces(tmp_path):
    path = tmp_path / "file"
    path.write_text("old and longer")
    files.write_atomic(path, "new")
    assert path.read_text() == "new"


def test_what_killed_processes_left_is_removed_after_a_minute(tmp_path):
    """Of the same name alone, and no file that may still be written."""
    old = [f"{name}.0123456789ab.{end}" for name, end in ((".file", "tmp"), (".[f]ile", "tmp"), (".file", "old"))]
    old += [".file.tmp", "file.0123456789ab.tmp"]
    for name in [*old, ".file.ba9876543210.tmp"]:
        (tmp_path / name).write_text("half")
    for name in old:
        os.utime(tmp_path / name, (1, 1))
    files.write_atomic(tmp_path / "file", "whole")
    assert names(tmp_path) == sorted([*old[1:], ".file.ba9876543210.tmp", "file"])


def test_a_folder_that_was_moved_away_goes_once_there_is_a_new_one(tmp_path):
    """Killed between the two renames: the former folder stays until there is another, then it goes."""
    moved = tmp_path / ".folder.0123456789ab.old"
    moved.mkdir()
    for left in ([moved.name, "folder"], ["folder"]):
        with files.directory_atomic(tmp_path / "folder", replace=True) as temporary:
            (temporary / "file").write_text("new")
        assert names(tmp_path) == left


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), Interrupted()])
def test_write_atomic_failing_leaves_the_old_file(tmp_path, monkeypatch, call, error):
    path = tmp_path / "file"
    path.write_text("old")
    fail_at(monkeypatch, call, error)
    with pytest.raises(type(error)):
        files.write_atomic(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]
    assert getattr(error, "filename", str(path)) == str(path)  # the one that was asked for, not the hidden one


def test_write_atomic_readers_never_see_a_part(tmp_path):
    path = tmp_path / "file"
    contents = [bytes([letter]) * 200_000 for letter in b"ab"]
    files.write_atomic(path, contents[0])
    stop, seen = threading.Event(), set()

    def read():
        while not stop.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    for turn in range(50):
        files.write_atomic(path, contents[turn % 2])
    stop.set()
    reader.join()
    assert seen and seen <= set(contents)


@pytest.mark.parametrize("umask, file_mode, folder_mode", [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700)])
def test_modes_follow_the_umask(tmp_path, umask, file_mode, folder_mode):
    code = (
        "import os, sys; os.umask(int(sys.argv[1])); from ffgan_tf.utils import files\n"
        "files.write_atomic('file', 'x')\nwith files.directory_atomic('folder'): pass"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(umask)], cwd=tmp_path, check=True, env={**os.environ, "PYTHONPATH": ROOT}
    )
    assert (tmp_path / "file").stat().st_mode & 0o777 == file_mode
    assert (tmp_path / "folder").stat().st_mode & 0o777 == folder_mode


def test_write_json_round_trip(tmp_path):
    value = {"name": "Übersicht", "numbers": [1, 2.5, None]}
    files.write_json(tmp_path / "value.json", value)
    text = (tmp_path / "value.json").read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert "Übersicht" in text and text.endswith("\n")


def test_write_json_of_what_is_no_json_leaves_the_old_file(tmp_path):
    path = tmp_path / "value.json"
    files.write_json(path, 1)
    with pytest.raises(TypeError):
        files.write_json(path, {"x": object()})
    assert json.loads(path.read_text()) == 1
    assert names(tmp_path) == ["value.json"]


def test_directory_atomic_appears_whole(tmp_path):
    path = tmp_path / "a" / "out"
    with files.directory_atomic(path) as folder:
        assert folder.parent == path.parent and not path.exists()
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text("x")
        assert not path.exists()
    assert (path / "sub" / "file").read_text() == "x"
    assert names(path.parent) == ["out"]


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("error", [ValueError("bad image"), Interrupted()])
def test_directory_atomic_failing_in_the_block_leaves_nothing(tmp_path, replace, error):
    with pytest.raises(type(error)):
        with files.directory_atomic(tmp_path / "out", replace=replace) as folder:
            (folder / "file").write_text("half")
            raise error
    assert names(tmp_path) == []


def test_directory_atomic_refuses_what_exists(tmp_path):
    (tmp_path / "out").mkdir()
    entered = False
    with pytest.raises(FileExistsError, match="out"):
        with files.directory_atomic(tmp_path / "out"):
            entered = True
    assert not entered  # no work is lost
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("content", [None, "theirs"])
def test_directory_atomic_refuses_what_appeared_meanwhile(tmp_path, content):
    out = tmp_path / "out"
    with pytest.raises(FileExistsError):
        with files.directory_atomic(out) as folder:
            (folder / "file").write_text("ours")
            out.mkdir()
            if content:
                (out / "file").write_text(content)
    assert names(tmp_path) == ["out"]
    assert names(out) == (["file"] if content else [])


def make_old(path, kind):
    if kind == "file":
        path.write_text("old")
    elif kind == "folder":
        path.mkdir()
        (path / "old").write_text("old")
    else:
        (path.parent / "target").mkdir()
        (path.parent / "target" / "old").write_text("old")
        path.symlink_to("target")


@pytest.mark.parametrize("kind, left", [("file", []), ("folder", []), ("link", ["target"])])
def test_directory_atomic_replaces(tmp_path, kind, left):
    path = tmp_path / "out"
    make_old(path, kind)
    with files.directory_atomic(path, replace=True) as folder:
        (folder / "new").write_text("new")
    assert path.is_dir() and not path.is_symlink()
    assert names(path) == ["new"]
    assert names(tmp_path) == ["out"] + left
    if kind == "link":  # the link is replaced, what it pointed to is not ours
        assert names(tmp_path / "target") == ["old"]


@pytest.mark.parametrize("call, nth", [("fsync", 1), ("rename", 1), ("rename", 2)])
@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), Interrupted()])
def test_directory_atomic_failing_swap_keeps_the_old_one(tmp_path, monkeypatch, call, nth, error):
    path = tmp_path / "out"
    make_old(path, "folder")
    with pytest.raises(type(error)):
        with files.directory_atomic(path, replace=True) as folder:
            (folder / "new").write_text("new")
            fail_at(monkeypatch, call, error, nth)
    assert names(path) == ["old"]
    assert names(tmp_path) == ["out"]


def test_sha256_file(tmp_path):
    content = bytes(range(256)) * 5000  # longer than one block
    (tmp_path / "file").write_bytes(content)
    assert files.sha256_file(tmp_path / "file") == hashlib.sha256(content).hexdigest()
