"""Files that are whole or not there: written beside their place, flushed to disk, then renamed."""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any


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


def write_atomic(path: str | os.PathLike, content: bytes | str) -> None:
    """Writes `content` (text as UTF-8) to `path`: readers see the old file or the whole new one, never a part.

    The file's mode is what the process's umask gives any new file.
    """
    path = Path(path)
    if isinstance(content, str):
        content = content.encode("utf-8")
    temporary = _beside(path, "tmp")
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
    """Writes `value` as indented JSON, atomically."""
    write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


@contextlib.contextmanager
def directory_atomic(path: str | os.PathLike, replace: bool = False) -> Iterator[Path]:
    """Yields a new directory beside `path`; on success its files are flushed and it is renamed to `path`.

    On an exception it is removed and `path` is as before. `replace=True` swaps an existing `path` out: a crash of the
    machine between the two renames leaves the old one beside it, named `.NAME.….old`.
    Raises FileExistsError where `path` exists and `replace` is false.
    """
    path = Path(path)
    if os.path.lexists(path) and not replace:
        raise FileExistsError(path)
    temporary = _beside(path, "tmp")
    temporary.mkdir()
    try:
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
    """Renames the directory `new` to `path`; what stood there is put back if that fails, removed if it succeeds."""
    if not os.path.lexists(path):
        os.rename(new, path)
        fsync_dir(path.parent)
        return
    if not replace:  # somebody made it while we were writing
        raise FileExistsError(path)
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
