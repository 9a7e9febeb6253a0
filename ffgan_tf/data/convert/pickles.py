"""Reads the Python 2 pickles that CUB is published with, by an allow-list, and repairs CRLF damage."""

import collections
import io
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.reading import LIMITS, read_bytes
from ffgan_tf.utils.unpickle import AllowListUnpickler


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Stands for `_codecs.encode`, by which protocol 2 writes bytes; other codecs would run other code."""
    if encoding.lower().replace("-", "").replace("_", "") not in ("latin1", "ascii", "utf8"):
        raise ValueError(f"codec {encoding!r}")
    return text.encode(encoding)


class _Dtype:
    """Stands for `numpy.dtype`, which trusts a hostile state: plain numbers and texts only."""

    def __init__(self, spec: str, *_flags):
        if not isinstance(spec, str) or not re.fullmatch(r"[<>|=]?([biufcSU]\d{1,4}|\?)", spec):
            raise ValueError(f"dtype {spec!r}")
        self.dtype = np.dtype(spec)

    def __setstate__(self, state: tuple):
        self.dtype = self.dtype.newbyteorder({"|": "|", "<": "<", ">": ">", "=": "="}[state[1]])


class _Array(np.ndarray):
    """An array under construction: plain numbers or texts only, with exactly the bytes that its shape needs."""

    def __setstate__(self, state: tuple):
        version, shape, kind, fortran, content = state
        content = content.encode("latin1") if isinstance(content, str) else content
        if (
            not isinstance(kind, _Dtype)
            or math.prod(shape) * kind.dtype.itemsize != len(content)
            or min(shape, default=0) < 0
        ):
            raise ValueError("an array whose shape does not fit its bytes")
        super().__setstate__((version, shape, kind.dtype, bool(fortran), content))


def _reconstruct(*arguments) -> np.ndarray:
    """Stands for NumPy's `_reconstruct`, which moved from numpy.core to numpy._core: an array without its state."""
    del arguments
    return np.ndarray.__new__(_Array, (0,), "b")


def _scalar(kind: _Dtype, content: Any = b"") -> Any:
    """Stands for NumPy's `scalar`: a scalar from its bytes, which a Python 2 pickle holds as Latin-1 text."""
    content = content.encode("latin1") if isinstance(content, str) else content
    return np.frombuffer(content, kind.dtype, count=1)[0]


class _Name:
    """Stands for a type that data may name but must not call: nested calls of `list(str(…))` grow without end."""

    def __init__(self, kind: type):
        self.kind = kind


def _plain(items: Any) -> list:
    """Checks the keys of a set or dict: texts and numbers only. Containers' hashes recurse in C and can collide."""
    items = list(items)
    if not all(isinstance(item, (str, bytes, int, float, np.generic, type(None))) for item in items):
        raise ValueError("a container as a key")
    return items


def _set(items=()) -> set:
    return set(_plain(items))


def _frozenset(items=()) -> frozenset:
    return frozenset(_plain(items))


def _ordered(items=()) -> collections.OrderedDict:
    pairs = [tuple(pair) for pair in items]
    _plain(pair[0] for pair in pairs)
    return collections.OrderedDict(pairs)


def _defaultdict(factory: _Name | None = None) -> collections.defaultdict:
    return collections.defaultdict(factory.kind if factory else None)


_TYPES = (bool, int, float, str, list, tuple, dict)
_BUILTINS = {
    **{kind.__name__: _Name(kind) for kind in _TYPES},
    "complex": complex,
    "set": _set,
    "frozenset": _frozenset,
}
_ALLOWED = {
    **{f"{module}.{name}": stand_in for module in ("builtins", "__builtin__") for name, stand_in in _BUILTINS.items()},
    "__builtin__.unicode": _Name(str),
    "__builtin__.long": _Name(int),
    "collections.OrderedDict": _ordered,
    "collections.defaultdict": _defaultdict,
    "_codecs.encode": _encode,
    "numpy.ndarray": _Name(np.ndarray),
    "numpy.dtype": _Dtype,
    **{
        f"numpy.{core}.multiarray.{name}": stand_in
        for core in ("core", "_core")
        for name, stand_in in (("_reconstruct", _reconstruct), ("scalar", _scalar))
    },
}


def load_pickle(path: str | Path) -> tuple[Any, list[str]]:
    """The value of a pickle of containers, texts and numbers, and notes on repairs.

    Text is Latin-1 (Python 2). CRLF damage (a tool that turned every `\\n` into `\\r\\n`) is undone. Raises UserError
    if the file is missing or unreadable even then, or if it names a global that such data does not need; that global
    is never called.
    """
    path = Path(path)
    content = read_bytes(path, LIMITS["pickle"], fix="Fix: restore the file as published.")
    undamaged = content.replace(b"\r\n", b"\n")
    try:
        value, ends_in_cr = _load(content, path)
        damaged = undamaged != content and ends_in_cr
    except UserError:  # damage also lengthens the names of globals: try again once it is undone
        if undamaged == content:
            raise
        damaged = True
    if damaged:
        return _strip_cr(_load(undamaged, path)[0]), [f"{path}: CRLF damage repaired"]
    if ends_in_cr:
        return _strip_cr(value), [f"{path}: \\r stripped off its texts"]
    return value, []


def _load(content: bytes, path: Path) -> tuple[Any, bool]:
    try:
        value = AllowListUnpickler(io.BytesIO(content), str(path), _ALLOWED, encoding="latin1").load_bounded()
        return value, _ends_in_cr(value)
    except UserError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise UserError(
            f"{path}: not a readable pickle ({type(error).__name__}: {error}). Fix: get the file again, "
            "as a binary file (CRLF conversion destroys pickles)."
        ) from None


def _ends_in_cr(value: Any) -> bool:
    if isinstance(value, str):
        return value.endswith("\r")
    if isinstance(value, dict):
        return any(_ends_in_cr(part) for item in value.items() for part in item)
    return isinstance(value, (list, tuple)) and any(_ends_in_cr(part) for part in value)


def _strip_cr(value: Any) -> Any:
    """The value, its texts without a trailing `\\r`, which names read from a CRLF file have."""
    if isinstance(value, str):
        return value.rstrip("\r")
    if isinstance(value, dict):
        return {_strip_cr(key): _strip_cr(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_strip_cr(part) for part in value)
    return value
