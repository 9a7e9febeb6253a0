"""A model as one file: generator and text encoder, settings, vocabulary, step and provenance. Needs no TensorFlow.

The file is in the safetensors format: a header of JSON, then numbers. Nothing in it runs when it is read. Tensors are
named as the networks name their variables (`generator/stage1/fc/kernel`). The header's one metadata entry, `ffgan_tf`,
is a JSON text: `format`, `name`, `settings` (a run's config.json), `vocabulary` (its vocabulary.json), `step`,
`weights` (`ema` or `last`), `provenance`, and `sha256`, the digest of all other entries and all tensors.

Matrices and kernels may be stored in float16; vectors (biases, batch norm's statistics) and scalars stay in float32,
because variances span more powers of ten than float16 has. Computing is in float32 always.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as tensors_format

from ffgan_tf.config import TrainConfig
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.run import settings
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import write_atomic
from ffgan_tf.utils.reading import JSON_DEPTH, LIMITS, as_unreadable, check_depth, check_file, read_bytes

FORMAT, KEY, ENDING = 1, "ffgan_tf", ".safetensors"
WEIGHTS = ("ema", "last")
DTYPES = ("float32", "float16")
HEADER_LIMIT = 32 << 20  # bytes; a vocabulary of 100,000 words takes 2 MB
NAME = re.compile(r"\w[\w.-]{0,99}")  # it becomes the name of a folder
FIX = "Fix: make it again with python -m ffgan_tf.export --format=safetensors, or download it again."


class ModelFile(NamedTuple):
    """What a model file says of its weights. `name` is for people; `provenance`, where they come from, JSON values."""

    path: Path
    name: str
    config: TrainConfig
    vocabulary: Vocabulary
    step: int
    weights: str  # "ema" or "last"
    provenance: dict[str, Any]


def write(model: ModelFile, tensors: Mapping[str, np.ndarray], dtype: str = "float32") -> None:
    """Writes a model and its float32 `tensors`, atomically; the same input gives the same bytes.

    `dtype` "float16" halves matrices and kernels. Raises UserError where a weight is not finite, or float16 has no
    finite number for it.
    """
    stored = {name: _stored(name, np.asarray(value), dtype) for name, value in sorted(tensors.items())}
    about = {
        "format": FORMAT,
        "name": model.name,
        "settings": settings.to_json(model.config),
        "vocabulary": model.vocabulary.to_json(),
        "step": model.step,
        "weights": model.weights,
        "provenance": model.provenance,
    }
    # One entry: safetensors writes several in an order of its own.
    text = json.dumps({**about, "sha256": digest(about, stored)})
    write_atomic(model.path, tensors_format.save(stored, {KEY: text}))


def _stored(name: str, value: np.ndarray, dtype: str) -> np.ndarray:
    """A tensor as it is stored, contiguous."""
    half = dtype == "float16" and value.ndim > 1
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(value, np.float16 if half else np.float32).reshape(value.shape)
    if not np.isfinite(stored).all():
        raise UserError(
            f"{name}: {'not finite in float16. Fix: --dtype=float32' if half else 'not finite. Fix: another --step'}."
        )
    return stored


def digest(about: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> str:
    """Hex SHA-256 of everything in a file but the digest itself."""
    found = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name]
        found.update(json.dumps([name, str(value.dtype), list(value.shape)]).encode())
        found.update(np.ascontiguousarray(value).tobytes())
    return found.hexdigest()


def read_about(path: str | os.PathLike) -> ModelFile:
    """What the file's header says, without its tensors. Raises UserError: missing, no model file, out of bounds."""
    return _parsed(path, *_header(path))


def read(path: str | os.PathLike) -> tuple[ModelFile, dict[str, np.ndarray]]:
    """The model and its tensors in float32. Raises UserError as `read_about`, and where anything was changed."""
    about, announced = _header(path)
    model = _parsed(path, about, announced)
    with _as_damaged(path):
        # From bytes, not from the mapped file: one that shrinks meanwhile would kill the process.
        tensors = tensors_format.load(read_bytes(path, check_file(path, LIMITS["arrays"], fix=FIX), fix=FIX))
        if {name: list(value.shape) for name, value in tensors.items()} != announced:
            raise ValueError("it changed while it was read")
        if digest({name: value for name, value in about.items() if name != "sha256"}, tensors) != about.get("sha256"):
            raise ValueError("its SHA-256 is not the one it was written with")
    return model, {name: value.astype(np.float32) for name, value in tensors.items()}


@contextlib.contextmanager
def _as_damaged(path: str | os.PathLike) -> Iterator[None]:
    """What damaged bytes raise, inside, as a UserError that names the file."""
    try:
        yield
    except (SafetensorError, ValueError, TypeError, LookupError, AttributeError, RecursionError, UserError) as error:
        if isinstance(error, UserError) and str(error).startswith(os.fspath(path)):
            raise  # it says all
        reason = (str(error).splitlines() or [""])[0][:300] or type(error).__name__
        raise UserError(f"{path}: not a whole model file of ffgan_tf ({reason}). {FIX}") from None


def _header(path: str | os.PathLike) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """The metadata entry and the shape of each tensor by its name."""
    size = check_file(path, LIMITS["arrays"], fix=FIX)
    with as_unreadable(path, FIX), open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        content = file.read(min(length, HEADER_LIMIT))
    with _as_damaged(path):
        if length > min(size - 8, HEADER_LIMIT):
            raise ValueError(f"its header is said to have {length:,} bytes")
        header = json.loads(content)
        check_depth(header, JSON_DEPTH)
        about = json.loads(header.pop("__metadata__")[KEY])
        check_depth(about, JSON_DEPTH)
        kinds = {info["dtype"] for info in header.values()}
        if not kinds <= {"F16", "F32"}:
            raise ValueError(f"tensors of type {', '.join(sorted(kinds - {'F16', 'F32'}))}")
        return about, {name: [int(side) for side in info["shape"]] for name, info in header.items()}


def _parsed(path: str | os.PathLike, about: dict[str, Any], shapes: dict[str, list[int]]) -> ModelFile:
    with _as_damaged(path):
        if about["format"] != FORMAT:
            raise ValueError(f"format {about['format']!r}: made by another version of ffgan_tf")
        config = settings.from_json(TrainConfig, about["settings"])
        vocabulary = Vocabulary.from_json(about["vocabulary"])
        name, step, weights, provenance = (about[key] for key in ("name", "step", "weights", "provenance"))
        if not NAME.fullmatch(name) or type(step) is not int or step < 0 or weights not in WEIGHTS:
            raise ValueError("its name, step or weights are none")
        if not isinstance(provenance, dict):
            raise ValueError("its provenance is none")
        # Before networks are built, which an embedding of other sizes could make too large for the memory.
        if shapes.get("text_encoder/embedding/embeddings", [])[:1] != [len(vocabulary)]:
            raise ValueError("its text encoder is not of its vocabulary's size")
        return ModelFile(Path(path), name, config, vocabulary, step, weights, provenance)
