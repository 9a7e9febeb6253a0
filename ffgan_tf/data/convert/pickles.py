"""The Python 2 pickles that CUB is published with, read by an allow-list and repaired where CRLF damaged them."""

import collections
import io
from pathlib import Path
from typing import Any

import numpy as np

from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.unpickle import AllowListUnpickler


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Stands for `_codecs.encode`, with which protocol 2 spells bytes; other codecs would run other code."""
    if encoding.lower().replace("-", "").replace("_", "") not in ("latin1", "ascii", "utf8"):
        raise ValueError(f"codec {encoding!r}")
    return text.encode(encoding)


def _reconstruct(*arguments) -> np.ndarray:
    """Stands for NumPy's own, whose home moved (numpy.core → numpy._core): an empty array, then given its state."""
    del arguments
    return np.ndarray.__new__(np.ndarray, (0,), "b")


def _scalar(dtype: np.dtype, content: Any = b"") -> Any:
    """Stands for NumPy's own: a scalar from its bytes, which a Python 2 pickle holds as Latin-1 text."""
    content = content.encode("latin1") if isinstance(content, str) else content
    return np.frombuffer(content, dtype, count=1)[0]


_TYPES = (bool, int, float, complex, str, list, tuple, dict, set, frozenset)
_ALLOWED = {
    **{f"{module}.{kind.__name__}": kind for module in ("builtins", "__builtin__") for kind in _TYPES},
    "__builtin__.unicode": str,
    "__builtin__.long": int,
    "collections.OrderedDict": collections.OrderedDict,
    "collections.defaultdict": collections.defaultdict,
    "_codecs.encode": _encode,
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    **{
        f"numpy.{core}.multiarray.{name}": stand_in
        for core in ("core", "_core")
        for name, stand_in in (("_reconstruct", _reconstruct), ("scalar", _scalar))
    },
}


def load_pickle(path: str | Path) -> tuple[Any, list[str]]:
    """The value of a pickle of containers, texts and numbers, and notes on what was repaired.

    Text is Latin-1 (Python 2). CRLF damage, a pickle sent through a tool that made `\\r\\n` of every `\\n`, is undone;
    what cannot be read even then raises UserError, as does a missing file, and a global that such data does not need
    (it is named, and nothing runs).
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}. Fix: restore the file as published.") from None
    undamaged = content.replace(b"\r\n", b"\n")
    try:
        value, ends_in_cr = _load(content, path)
        damaged = undamaged != content and ends_in_cr
    except UserError:  # damage also lengthens the names of globals: judge them once it is undone
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
        value = AllowListUnpickler(io.BytesIO(content), str(path), _ALLOWED, encoding="latin1").load()
        return value, _ends_in_cr(value)  # within the try: a list that holds itself has no end
    except UserError:
        raise
    except Exception as error:  # a damaged pickle fails as nearly anything
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
    """Texts without a trailing `\\r`: such names were split off a CRLF file before they were pickled."""
    if isinstance(value, str):
        return value.rstrip("\r")
    if isinstance(value, dict):
        return {_strip_cr(key): _strip_cr(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_strip_cr(part) for part in value)
    return value
