"""PyTorch's `.pth` files as NumPy arrays, without PyTorch and without running what is in them.

Two forms exist: the zip archive that `torch.save` writes since 1.6, and the run of pickles before it (the files of
2018). Both hold one pickle in which tensors refer to storages by a persistent id, and the storages' raw bytes.
"""

import collections
import io
import math
import pickle
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.unpickle import AllowListUnpickler

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001
_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
# What damaged bytes make zipfile, pickle and NumPy raise (a RuntimeError: "encrypted", an OSError: a wild seek).
_BROKEN = (
    pickle.UnpicklingError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
    OSError,
    ArithmeticError,
    MemoryError,
)


class _Storage:
    """A flat block of numbers; its bytes come with the persistent id (zip) or after the pickle (legacy)."""

    def __init__(self, dtype: np.dtype, numel: int):
        self.dtype, self.numel = dtype, numel
        self.data: np.ndarray | None = None


class _Tensor:
    """A strided view of a storage, made an array once all bytes are there."""

    def __init__(self, storage: _Storage, offset: int, shape: tuple, strides: tuple):
        if not isinstance(storage, _Storage) or len(shape) != len(strides):
            raise pickle.UnpicklingError("malformed tensor")
        self.storage, self.offset, self.shape, self.strides = storage, offset, tuple(shape), tuple(strides)

    def array(self) -> np.ndarray:
        data = self.storage.data
        if data is None:
            raise ValueError("a tensor's storage is not in the file")
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides))
        if min((self.offset, *self.shape, *self.strides)) < 0 or (math.prod(self.shape) and last >= data.size):
            raise ValueError("a tensor reaches outside its storage")
        if not math.prod(self.shape):
            return np.zeros(self.shape, self.storage.dtype)
        step = self.storage.dtype.itemsize
        view = np.lib.stride_tricks.as_strided(
            data[self.offset :], self.shape, [stride * step for stride in self.strides]
        )
        return np.array(view)


def _rebuild_tensor(storage, offset, shape, strides, *_unused) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


def _rebuild_parameter(data, *_unused) -> _Tensor:
    return data


_ALLOWED = {
    "collections.OrderedDict": collections.OrderedDict,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    **{f"torch.{name}": np.dtype(dtype) for name, dtype in _DTYPES.items()},
}


class _TorchUnpickler(AllowListUnpickler):
    """Resolves storages: `('storage', type, key, device, numel, …)` → one `_Storage` a key."""

    def __init__(self, file, path: str):
        super().__init__(file, path, _ALLOWED, encoding="utf-8")
        self.storages: dict[str, _Storage] = {}

    def persistent_load(self, pid):
        kind, dtype, key, _device, numel = pid[:5]
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError(f"unknown persistent id {kind!r}")
        if len(pid) > 5 and pid[5] is not None:
            raise pickle.UnpicklingError("a storage that is a view of another one")
        return self.storages.setdefault(str(key), _Storage(dtype, int(numel)))


def _to_arrays(value: Any) -> Any:
    if isinstance(value, _Tensor):
        return value.array()
    if isinstance(value, dict):
        return {key: _to_arrays(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_to_arrays(item) for item in value)
    return value


def _read_zip(file, path: str) -> Any:
    with zipfile.ZipFile(file) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("data.pkl")]
        if len(pickles) != 1:
            raise ValueError("no single data.pkl in the archive (a TorchScript file, or not PyTorch's)")
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
            raise ValueError("written on a big-endian machine")
        unpickler = _TorchUnpickler(io.BytesIO(archive.read(pickles[0])), path)
        value = unpickler.load()
        for key, storage in unpickler.storages.items():
            storage.data = np.frombuffer(archive.read(f"{root}data/{key}"), storage.dtype, storage.numel)
    return _to_arrays(value)


def _read_legacy(file, path: str) -> Any:
    magic = _TorchUnpickler(file, path).load()
    if magic != _LEGACY_MAGIC:
        raise ValueError("no PyTorch magic number")
    if _TorchUnpickler(file, path).load() != _LEGACY_VERSION:
        raise ValueError("unknown version of the old form")
    if not _TorchUnpickler(file, path).load().get("little_endian", True):
        raise ValueError("written on a big-endian machine")
    unpickler = _TorchUnpickler(file, path)
    value = unpickler.load()
    for key in _TorchUnpickler(file, path).load():
        storage = unpickler.storages[key]
        (numel,) = struct.unpack("<q", file.read(8))
        if numel != storage.numel:
            raise ValueError(f"storage {key} has {numel} numbers where {storage.numel} were announced")
        storage.data = np.frombuffer(file.read(numel * storage.dtype.itemsize), storage.dtype, numel)
    return _to_arrays(value)


def load_torch_file(path: str) -> Any:
    """Returns what `torch.save` wrote to `path`, with NumPy arrays for tensors and dicts for mappings.

    Raises UserError where the file is missing, cut short, not PyTorch's, or names anything beyond tensors.
    """
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file.")
    with open(path, "rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
        file.seek(0)
        try:
            return _read_zip(file, str(path)) if is_zip else _read_legacy(file, str(path))
        except _BROKEN as error:
            raise UserError(
                f"{path}: not a whole PyTorch file ({type(error).__name__}: {error}). Fix: fetch it again and compare "
                "its size with the publisher's."
            ) from error


def load_state_dict(path: str) -> dict[str, np.ndarray]:
    """Returns a state dict, name → array. UserError as `load_torch_file`, and where the file holds something else."""
    value = load_torch_file(path)
    if (
        not isinstance(value, dict)
        or not value
        or not all(isinstance(key, str) and isinstance(item, np.ndarray) for key, item in value.items())
    ):
        raise UserError(f"{path}: holds no state dict (a map of names to tensors). Fix: give the weights alone.")
    return value
