"""One place that reads files: size, kind and content are bounded before anything is made of them.

Whatever is wrong becomes a UserError that names the flag, the file, the reason and the fix. The bounds are those of
`LIMITS`, far above any file that this project or its sources write; a file beyond them is refused, not read.
"""

import contextlib
import hashlib
import io
import json
import math
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ffgan_tf.utils.errors import UserError

LIMITS = {  # bytes
    "text": 256 << 20,  # captions, lists, labels, JSON
    "image": 1 << 30,  # one image file
    "pickle": 256 << 20,
    "arrays": 2 << 30,  # all arrays of one .npz, .pth or .h5, unpacked
}
JSON_DEPTH = 100
_COMMENT = 64  # characters of the digest behind an .npz


def user_path(path: str | os.PathLike) -> str:
    """A path that can be printed and written as UTF-8, for any bytes in its name (`\\xff` for an invalid one)."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _named(path: str | os.PathLike, flag: str) -> str:
    return f"{flag}={user_path(path)}" if flag else user_path(path)


def check_file(path: str | os.PathLike, limit: int, flag: str = "", fix: str = "Fix: name another file.") -> int:
    """The size in bytes of the regular file at `path`. UserError: missing, no file, a device or pipe, over `limit`."""
    name = _named(path, flag)
    try:
        status = os.stat(path)
    except FileNotFoundError:
        link = " (a link to nothing)" if os.path.islink(path) else ""
        raise UserError(f"{name}: no such file{link}. {fix}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{name}: cannot be read ({_reason(error)}). {fix}") from None
    if stat.S_ISDIR(status.st_mode):
        raise UserError(f"{name}: a folder, not a file. {fix}")
    if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
        raise UserError(f"{name}: not a regular file. {fix}")
    if status.st_size > limit:
        raise UserError(f"{name}: {status.st_size:,} bytes; files of its kind are read up to {limit:,}. {fix}")
    return status.st_size


def read_bytes(
    path: str | os.PathLike, limit: int = LIMITS["text"], flag: str = "", fix: str = "Fix: name another file."
) -> bytes:
    """The content of a regular file of at most `limit` bytes. UserError as `check_file`, and where it is unreadable."""
    check_file(path, limit, flag, fix)
    try:
        with open(path, "rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise UserError(f"{_named(path, flag)}: cannot be read ({_reason(error)}). {fix}") from None
    if len(content) > limit:  # it grew since
        raise UserError(f"{_named(path, flag)}: more than {limit:,} bytes. {fix}")
    return content


@contextlib.contextmanager
def as_unreadable(path: str | os.PathLike, fix: str, flag: str = "") -> Iterator[None]:
    """The system's refusal to read `path`, inside, as a UserError that names it."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{_named(path, flag)}: cannot be read ({_reason(error)}). {fix}") from None


def read_text(path: str | os.PathLike, flag: str = "", fix: str = "Fix: save it as UTF-8 text.") -> str:
    """The content of a UTF-8 text file, its byte order mark removed and its line ends made `\\n` (`\\r` alone, too)."""
    content = read_bytes(path, LIMITS["text"], flag, fix)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"{_named(path, flag)}: not UTF-8 text (line {line:,}). {fix}") from None
    if "\0" in text:
        raise UserError(f"{_named(path, flag)}: not a text file (it has zero bytes). {fix}")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_json(
    path: str | os.PathLike,
    flag: str = "",
    fix: str = "Fix: restore the file.",
    kind: type = dict,
    what: str = "a JSON file",
) -> Any:
    """A JSON file's value of type `kind`, nested at most `JSON_DEPTH` deep. UserError ("not `what`") otherwise."""
    content = read_bytes(path, LIMITS["text"], flag, fix)
    try:
        value = json.loads(content)
        check_depth(value, JSON_DEPTH)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{_named(path, flag)}: not {what} ({_reason(error)}). {fix}") from None
    if not isinstance(value, kind):
        raise UserError(f"{_named(path, flag)}: not {what} (it holds a {type(value).__name__}). {fix}")
    return value


def check_depth(value: Any, depth: int) -> None:
    """Raises ValueError where lists and dicts are nested more than `depth` deep. Never recurses."""
    level = [value]
    for _ in range(depth):
        level = [
            part
            for item in level
            if isinstance(item, (list, dict))
            for part in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return
    raise ValueError(f"nested more than {depth} deep")


def check_zip(archive: zipfile.ZipFile, limit: int) -> None:
    """Raises ValueError where the members of an archive unpack to more than `limit` bytes, or overlap."""
    members = archive.infolist()
    if sum(member.file_size for member in members) > limit:
        raise ValueError(f"unpacks to more than {limit:,} bytes")
    ends = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < ends:
            raise ValueError("overlapping members")
        ends = member.header_offset + member.compress_size


def npz_bytes(arrays: dict[str, np.ndarray]) -> bytes:
    """An `.npz` of `arrays` with the SHA-256 of all its other bytes behind it (as the archive's comment)."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    content = buffer.getvalue()[:-2] + _COMMENT.to_bytes(2, "little")  # the comment's length ends the archive
    return content + hashlib.sha256(content).hexdigest().encode("ascii")


def read_npz(
    path: str | os.PathLike, flag: str = "", fix: str = "Fix: delete it, it is made again.", digest: bool = True
) -> dict[str, np.ndarray]:
    """The arrays of an `.npz`; nothing is unpickled. UserError: missing, damaged, too large, or (where `digest`) not
    as `npz_bytes` made it."""
    content = read_bytes(path, LIMITS["arrays"], flag, fix)
    try:
        if digest and content[-_COMMENT:] != hashlib.sha256(content[:-_COMMENT]).hexdigest().encode("ascii"):
            raise ValueError("its SHA-256 is not the one it was written with")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            check_zip(archive, LIMITS["arrays"])
            return {name.removesuffix(".npy"): _array(archive, name) for name in archive.namelist()}
    except BROKEN as error:
        raise UserError(f"{_named(path, flag)}: not a whole .npz file ({_reason(error)}). {fix}") from None


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One member, whose header must announce as many bytes as there are: NumPy allocates before it reads."""
    content = io.BytesIO(archive.read(name))
    version = np.lib.format.read_magic(content)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"an array of format {version}")
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = reader(content)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(content.getvalue()) - content.tell():
        raise ValueError(f"{name}: its header does not fit its bytes")
    flat = np.frombuffer(content.read(), dtype)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


# Errors of zipfile, pickle, json and NumPy on damaged bytes (RuntimeError: "encrypted"; OSError: a wild seek).
BROKEN = (
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
    OSError,
    ArithmeticError,
    MemoryError,
    SyntaxError,
    AssertionError,
)


def _reason(error: BaseException) -> str:
    """An error's own words in one line: the system's without its number and path."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).splitlines() or [""])[0][:300] or type(error).__name__
