"""Writes files in AttnGAN's published form, without PyTorch: a state dict in the zip form, and captions.pickle."""

import io
import pickle
import sys
import types
import zipfile
from pathlib import Path
from unittest import mock

import numpy as np


class _Storage:
    """Stands for a PyTorch storage; pickled by reference, its bytes apart."""

    def __init__(self, key: str, values: np.ndarray):
        self.key, self.values = key, values


class _Tensor:
    def __init__(self, storage: _Storage):
        self.storage = storage

    def __reduce__(self):
        values = self.storage.values
        strides = tuple(stride // values.itemsize for stride in values.strides)
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        return rebuild, (self.storage, 0, values.shape, strides, False, {})


class _Pickler(pickle.Pickler):
    def persistent_id(self, value):
        if isinstance(value, _Storage):
            return "storage", sys.modules["torch"].FloatStorage, value.key, "cpu", value.values.size
        return None


def _stand_ins() -> dict[str, types.ModuleType]:
    """Modules under PyTorch's names, for pickle to find what it writes down the names of."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})

    def _rebuild_tensor_v2(*_):
        raise NotImplementedError

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    return {"torch": torch, "torch._utils": utils}


def write_state_dict(path: Path, state: dict[str, np.ndarray]) -> None:
    """What torch.save makes of a state dict of float32 tensors."""
    storages = [_Storage(str(i), np.ascontiguousarray(value, np.float32)) for i, value in enumerate(state.values())]
    content = io.BytesIO()
    with mock.patch.dict(sys.modules, _stand_ins()):
        _Pickler(content, 2).dump(dict(zip(state, map(_Tensor, storages))))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content.getvalue())
        archive.writestr("archive/byteorder", "little")
        for storage in storages:
            archive.writestr(f"archive/data/{storage.key}", storage.values.tobytes())


def write_captions(path: Path, words: int) -> None:
    """captions.pickle of `words` words, `<end>` among them; ten captions for one image in each split."""
    names = ["<end>", *(f"word{i}" for i in range(1, words))]
    captions = [[1 + (i + j) % (words - 1) for j in range(4)] for i in range(10)]
    path.write_bytes(pickle.dumps([captions, captions, dict(enumerate(names)), {w: i for i, w in enumerate(names)}], 2))
