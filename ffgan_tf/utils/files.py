"""Files that are whole or not there: written beside their place, flushed to disk, then renamed."""

import contextlib
import errno
import fcntl
import glob
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ffgan_tf.utils.errors import UserError, report_write_errors

HEX = "[0-9a-f]" * 12  # of a hidden name
FRESH = 60  # seconds: a folder this young may be one whose process has not locked it yet


def expand_home(name: str | os.PathLike) -> Path:
    """A path as a user writes it: `~` is their home. Of a user who does not exist it stays as it is, where pathlib
    raises RuntimeError."""
    return Path(os.path.expanduser(name))


def fsync_dir(path: Path) -> None:
    """Flushes a directory's entries, so that a rename survives a power cut."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _beside(path: Path, ending: str) -> Path:
    """A hidden name in `path`'s folder that nobody uses; the folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}.{ending}")


def _remove_leftovers(path: Path, exclusive: bool) -> None:
    """Removes the folders that killed processes left half-made for `path`. A living one holds its own locked: UserError
    where `exclusive`."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.{HEX}.tmp"):
        with contextlib.suppress(OSError), _locked(leftover) as ours:
            if ours and time.time() - leftover.stat().st_mtime > FRESH:
                shutil.rmtree(leftover, ignore_errors=True)
            elif not ours and exclusive:
                raise UserError(
                    f"{path}: another process is writing it (to {leftover.name}). Fix: wait for it, or name another "
                    "folder."
                )


def _remove_old_copies(path: Path) -> None:
    """Removes former folders `path` that a killed process had moved away for its new one, once there is one."""
    if path.is_dir():
        for old in path.parent.glob(f".{glob.escape(path.name)}.{HEX}.old"):
            shutil.rmtree(old, ignore_errors=True)


def _remove_leftover_files(path: Path) -> None:
    """Removes the files that killed processes left half-written for `path`. Nobody writes one for a minute."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.{HEX}.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - leftover.stat().st_mtime > FRESH:
                leftover.unlink()


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Holds the lock of one's own folder inside; waits for who only looks at it. Some file systems have no locks."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Holds the folder's lock inside, which the kernel drops with its process; false where another process has it."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(fd)


def check_writable(path: str | os.PathLike, flag: str = "", folder: bool = False) -> None:
    """UserError unless a file can be made at `path` (with `folder`, in it), or is there and can be appended to: before
    hours of work, not after. Leaves nothing behind: of missing folders, only whether the first could be made is tried.
    """
    path, name = Path(path), f"{flag}={path}" if flag else path
    path = path / f".{secrets.token_hex(6)}.tmp" if folder else path
    with report_write_errors(name):
        missing = _first_missing(path)
        if missing != path:
            (trial := missing.with_name(f".{secrets.token_hex(6)}.tmp")).mkdir()
            trial.rmdir()
            return
        there = os.path.lexists(path)
        with open(path, "ab"):
            pass
        if not there:
            path.unlink()


def _first_missing(path: Path) -> Path:
    """The outermost part of `path` whose folder is there. OSError where no folder could be made for it."""
    while True:
        try:
            os.stat(path.parent)
            return path
        except FileNotFoundError:
            if os.path.islink(path.parent):  # to nothing
                raise
            path = path.parent


def utf8(text: str) -> bytes:
    """Text as UTF-8; stray bytes of file names become `\\udce9`, which JSON reads as an escape."""
    return text.encode("utf-8", "backslashreplace")


def check_utf8(value: str | os.PathLike, flag: str = "") -> None:
    """UserError for a name with stray bytes (Latin-1, say): TensorFlow can neither open nor write it."""
    text = os.fspath(value)
    if isinstance(text, str) and (shown := utf8(text).decode("utf-8")) != text:
        raise UserError(
            f"{flag}{'=' * bool(flag)}{shown}: not UTF-8, and TensorFlow takes nothing else. Fix: rename the file or "
            "folder, or set the terminal to UTF-8."
        )


def write_atomic(path: str | os.PathLike, content: bytes | str) -> None:
    """Writes `content` (text by `utf8`) to `path`: readers see the old file or the whole new one, never a part.

    What killed processes left half-written for it is removed. The file's mode follows the process's umask, as for any
    new file.
    """
    path = Path(path)
    if isinstance(content, str):
        content = utf8(content)
    temporary = _beside(path, "tmp")
    _remove_leftover_files(path)
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # a write that fails names no file, the rest a hidden one
        raise
    fsync_dir(path.parent)


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Writes `value` as indented JSON, atomically; stray bytes of file names as JSON's escapes."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    write_atomic(path, text)


@contextlib.contextmanager
def directory_atomic(path: str | os.PathLike, replace: bool = False, exclusive: bool = False) -> Iterator[Path]:
    """Yields a new directory beside `path`; on success its files are flushed and it is renamed to `path`.

    On an exception it is removed and `path` is unchanged; the next process removes the leftovers of a killed one.
    `exclusive`: UserError where another process is at the same. `replace=True` swaps an existing `path` out: a crash of
    the machine between the two renames leaves the old one beside it, named `.NAME.….old`.
    Raises FileExistsError where `path` exists and `replace` is false.
    """
    path = Path(path)
    if os.path.lexists(path) and not replace:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    temporary = _beside(path, "tmp")
    _remove_leftovers(path, exclusive)
    _remove_old_copies(path)
    temporary.mkdir()
    try:
        with _held(temporary):
            yield temporary
        for folder, _, names in os.walk(temporary):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    os.fsync(file.fileno())
            fsync_dir(Path(folder))
        _swap_in(temporary, path, replace)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _swap_in(new: Path, path: Path, replace: bool) -> None:
    """Renames the directory `new` to `path`; an existing one is put back on failure and removed on success."""
    if not os.path.lexists(path):
        os.rename(new, path)
        fsync_dir(path.parent)
        return
    if not replace:  # somebody made it while we were writing
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    old = _beside(path, "old")
    os.rename(path, old)
    try:
        os.rename(new, path)
    except BaseException:
        os.rename(old, path)
        raise
    fsync_dir(path.parent)
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.unlink()


def sha256_file(path: str | os.PathLike) -> str:
    """Hex SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
