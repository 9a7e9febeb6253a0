"""PyTorch's `.pth` files as NumPy arrays, without PyTorch and without executing their content.

Two forms exist: the zip archive that `torch.save` writes since 1.6, and the run of pickles before it (the files of
2018). Both hold one pickle in which tensors refer to storages by a persistent id, and the storages' raw bytes.
"""

import collections
import io
import math
import pickle
import struct
import zipfile
from typing import Any

import numpy as np

from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.reading import BROKEN, LIMITS, check_zip, read_bytes
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


class _Storage:
    """A flat block of numbers; its bytes come with the persistent id (zip) or after the pickle (legacy)."""

    def __init__(self, dtype: np.dtype, numel: int):
        self.dtype, self.numel = dtype, numel
        self.data: np.ndarray | None = None


class _Tensor:
    """A strided view of a storage, made an array once all bytes are there."""

    def __init__(self, storage: _Storage, offset: int, shape: tuple, strides: tuple):
        sizes = (offset, *shape, *strides)
        if not isinstance(storage, _Storage) or len(shape) != len(strides) or len(shape) > 32:
            raise pickle.UnpicklingError("malformed tensor")
        if not all(type(size) is int and 0 <= size for size in sizes):
            raise pickle.UnpicklingError("a tensor's shape is not of whole numbers")
        self.storage, self.offset, self.shape, self.strides = storage, offset, tuple(shape), tuple(strides)

    def array(self) -> np.ndarray:
        data = self.storage.data
        if data is None:
            raise ValueError("a tensor's storage is not in the file")
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides))
        if math.prod(self.shape) and last >= data.size:
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
        if type(numel) is not int or not 0 <= numel <= LIMITS["arrays"]:
            raise pickle.UnpicklingError("a storage beyond the bounds")
        return self.storages.setdefault(str(key), _Storage(dtype, numel))


class _Arrays:
    """Makes arrays of the tensors in a value: one of each tensor, all together within the bound."""

    def __init__(self):
        self._made: dict[int, np.ndarray] = {}
        self._left = LIMITS["arrays"]

    def of(self, value: Any) -> Any:
        if isinstance(value, _Tensor):
            if id(value) not in self._made:
                self._left -= math.prod(value.shape) * value.storage.dtype.itemsize
                if self._left < 0:
                    raise ValueError(f"its tensors take more than {LIMITS['arrays']:,} bytes")
                self._made[id(value)] = value.array()
            return self._made[id(value)]
        if isinstance(value, dict):
            return {key: self.of(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self.of(item) for item in value)
        return value


def _read_zip(file, path: str) -> Any:
    with zipfile.ZipFile(file) as archive:
        check_zip(archive, LIMITS["arrays"])
        pickles = [name for name in archive.namelist() if name.endswith("data.pkl")]
        if len(pickles) != 1:
            raise ValueError("no single data.pkl in the archive (a TorchScript file, or not PyTorch's)")
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
            raise ValueError("written on a big-endian machine")
        if archive.getinfo(pickles[0]).file_size > LIMITS["pickle"]:
            raise ValueError("a data.pkl beyond the bounds")
        unpickler = _TorchUnpickler(io.BytesIO(archive.read(pickles[0])), path)
        value = unpickler.load_bounded()
        for key, storage in unpickler.storages.items():
            if archive.getinfo(f"{root}data/{key}").file_size != storage.numel * storage.dtype.itemsize:
                raise ValueError(f"storage {key} is not of {storage.numel:,} numbers")
            storage.data = np.frombuffer(archive.read(f"{root}data/{key}"), storage.dtype, storage.numel)
    return _Arrays().of(value)


def _read_legacy(file, path: str) -> Any:
    magic = _TorchUnpickler(file, path).load_bounded()
    if magic != _LEGACY_MAGIC:
        raise ValueError("no PyTorch magic number")
    if _TorchUnpickler(file, path).load_bounded() != _LEGACY_VERSION:
        raise ValueError("unknown version of the old form")
    if not _TorchUnpickler(file, path).load_bounded().get("little_endian", True):
        raise ValueError("written on a big-endian machine")
    unpickler = _TorchUnpickler(file, path)
    value = unpickler.load_bounded()
    for key in _TorchUnpickler(file, path).load_bounded():
        storage = unpickler.storages[key]
        (numel,) = struct.unpack("<q", file.read(8))
        if numel != storage.numel:
            raise ValueError(f"storage {key} has {numel} numbers where {storage.numel} were announced")
        storage.data = np.frombuffer(file.read(numel * storage.dtype.itemsize), storage.dtype, numel)
    return _Arrays().of(value)


def load_torch_file(path: str) -> Any:
    """Returns the content of a file of `torch.save`, with NumPy arrays for tensors and dicts for mappings.

    Raises UserError where the file is missing, cut short, not PyTorch's, or names anything beyond tensors.
    """
    fix = "Fix: name the publisher's file; fetch it again and compare its size where it is damaged."
    content = io.BytesIO(read_bytes(path, LIMITS["arrays"], fix=fix))
    try:
        is_zip = bytes(content.getbuffer()[:4]) == b"PK\x03\x04"
        return _read_zip(content, str(path)) if is_zip else _read_legacy(content, str(path))
    except (pickle.UnpicklingError, struct.error, *BROKEN) as error:
        reason = (str(error).splitlines() or [""])[0][:300]
        raise UserError(
            f"{path}: not a whole PyTorch file ({type(error).__name__}: {reason}). Fix: fetch it again and compare "
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
