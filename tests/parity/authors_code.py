"""The authors' PyTorch networks, from a folder that the user names: their code is no part of this project.

`FFGAN_AUTHORS_CODE` names a folder with clones of taoxugit/AttnGAN, hanzhanggit/StackGAN-v2 and tobran/DF-GAN in
`AttnGAN`, `StackGAN-v2` and `DF-GAN`. Tests whose folder is not there are skipped.
"""

import importlib.util
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
import torch

VARIABLE = "FFGAN_AUTHORS_CODE"
Pair = tuple[tf.Variable, torch.Tensor, Callable[[np.ndarray], np.ndarray]]  # ours, theirs, from our layout to theirs


def clone(name: str) -> Path:
    """The folder of a repository; skips the test where there is none."""
    root = os.environ.get(VARIABLE)
    if not root:
        pytest.skip(f"{VARIABLE} names no folder with the authors' code")
    if not Path(root, name).is_dir():
        pytest.skip(f"{VARIABLE}={root} has no {name}")
    return Path(root, name)


def settings(**values) -> types.SimpleNamespace:
    """Their `cfg`: nested dictionaries as attributes."""
    return types.SimpleNamespace(
        **{name: settings(**value) if isinstance(value, dict) else value for name, value in values.items()}
    )


def module(path: Path, cfg: types.SimpleNamespace | None = None, **others: types.ModuleType) -> types.ModuleType:
    """A file of theirs as a module, under a name of its own. `cfg` stands for its `miscc.config`; torchvision, of which
    the networks need nothing, for an empty module; `others` are modules that it imports."""
    stubs = {name: types.ModuleType(name) for name in ("miscc", "miscc.config", "torchvision")}
    stubs["miscc.config"].cfg = cfg
    stubs["torchvision"].models = types.ModuleType("models")
    found = importlib.util.spec_from_file_location(f"authors_{path.parts[-3]}_{path.stem}".replace("-", "_"), path)
    loaded = importlib.util.module_from_spec(found)
    with mock.patch.dict(sys.modules, {**stubs, **others}):
        found.loader.exec_module(loaded)
    return loaded


# ---------------------------------------------------------------- from our layouts to theirs


def same(value: np.ndarray) -> np.ndarray:
    """Vectors."""
    return value


def kernel(value: np.ndarray) -> np.ndarray:
    """Convolutions: (k, k, in, out) → (out, in, k, k)."""
    return value.transpose(3, 2, 0, 1)


def matrix(value: np.ndarray) -> np.ndarray:
    """Dense layers: (in, out) → (out, in)."""
    return value.T


def logit(value: np.ndarray) -> np.ndarray:
    """The 4×4 convolution to one number, which is a dense layer here: (16·in, 1) → (1, in, 4, 4)."""
    return value.reshape(4, 4, -1).transpose(2, 0, 1)[None]


def first_last(count: int, inner: Callable = kernel) -> Callable:
    """A convolution's kernel whose last `count` inputs come first there."""

    def change(value):
        return inner(np.concatenate([value[:, :, -count:], value[:, :, :-count]], axis=2))

    return change


def first_map(width: int, halves: int = 2) -> Callable:
    """The dense layer whose output becomes a 4×4 map: `halves` times (y, x, channel) → (channel, y, x), last axis."""

    def change(value):
        maps = value.reshape(*value.shape[:-1], halves, 4, 4, width)
        return np.moveaxis(maps, -1, -3).reshape(value.shape).T

    return change


def batch_norm(ours, theirs, change: Callable = same) -> list[Pair]:
    """γ, β and the moving statistics."""
    return [
        (ours.gamma, theirs.weight, change),
        (ours.beta, theirs.bias, change),
        (ours.moving_mean, theirs.running_mean, change),
        (ours.moving_variance, theirs.running_var, change),
    ]


def up(ours, theirs) -> list[Pair]:
    """`up(C)`."""
    return [(ours.conv.kernel, theirs[1].weight, kernel), *batch_norm(ours.norm, theirs[2])]


def residual(ours, theirs) -> list[Pair]:
    """`res(C)`."""
    block = theirs.block
    return [
        (ours.conv1.kernel, block[0].weight, kernel),
        *batch_norm(ours.norm1, block[1]),
        (ours.conv2.kernel, block[3].weight, kernel),
        *batch_norm(ours.norm2, block[4]),
    ]


def first_stage(ours, theirs) -> list[Pair]:
    """AttnGAN's and StackGAN++'s INIT_STAGE_G."""
    change = first_map(ours.width)
    pairs = [(ours.fc.kernel, theirs.fc[0].weight, change), *batch_norm(ours.fc_norm, theirs.fc[1], change)]
    for number, block in enumerate((*ours.ups, *ours.tail), 1):
        pairs += up(block, getattr(theirs, f"upsample{number}"))
    return pairs


def augmentation(ours, theirs) -> list[Pair]:
    """CA_NET."""
    return [(ours.linear.kernel, theirs.fc.weight, matrix), (ours.linear.bias, theirs.fc.bias, same)]


def trunk(ours, theirs) -> list[Pair]:
    """The image trunk of D_NET64, D_NET128 or D_NET256."""
    encode = theirs.img_code_s16
    places = [(encode[0], None), (encode[2], encode[3]), (encode[5], encode[6]), (encode[8], encode[9])]
    for name in ("img_code_s32", "img_code_s64", "img_code_s32_1", "img_code_s64_1", "img_code_s64_2"):
        if hasattr(theirs, name):
            places.append(tuple(getattr(theirs, name))[:2])
    assert len(places) == len(ours.trunk)
    pairs = []
    for layer, (convolution, norm) in zip(ours.trunk, places):
        pairs.append((layer.conv.kernel, convolution.weight, kernel))
        pairs += batch_norm(layer.norm, norm) if norm is not None else []
    return pairs


def logits(ours, theirs) -> list[Pair]:
    """A head's last layer, with bias."""
    return [(ours.dense.kernel, theirs.weight, logit), (ours.dense.bias, theirs.bias, same)]


# ---------------------------------------------------------------- comparing


def exchange(pairs: list[Pair], *networks: torch.nn.Module, unused: tuple = ()) -> None:
    """Gives their float64 `networks` our weights, and our slope of LeakyReLU, which MA-GP's sixth power of a deep
    network's gradient would show. Every weight of theirs must be among the pairs, or `unused`."""
    for ours, theirs, change in pairs:
        assert theirs.dtype == torch.float64
        value = np.ascontiguousarray(change(ours.numpy()))
        assert value.shape == tuple(theirs.shape), (ours.name, value.shape, tuple(theirs.shape))
        theirs.data.copy_(torch.from_numpy(value))
    for layer in (layer for network in networks for layer in network.modules()):
        if isinstance(layer, torch.nn.LeakyReLU):  # TensorFlow keeps the slope in float32, 3e-9 off
            layer.negative_slope = float(np.float32(layer.negative_slope))
    known = {theirs.data_ptr() for _, theirs, _ in pairs} | {parameter.data_ptr() for parameter in unused}
    for network in networks:
        left = [name for name, value in network.named_parameters() if value.data_ptr() not in known]
        assert not left, f"no partner: {left}"


def trainable(pairs: list[Pair]) -> list[Pair]:
    """The pairs that have gradients."""
    return [pair for pair in pairs if isinstance(pair[1], torch.nn.Parameter)]


def apart(ours, theirs) -> float:
    """Largest difference over the reference's largest value."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def image(value: torch.Tensor) -> np.ndarray:
    """(B, C, H, W) → (B, H, W, C)."""
    return value.detach().numpy().transpose(0, 2, 3, 1)


def tensor(value: np.ndarray) -> torch.Tensor:
    """Vectors, or maps (B, H, W, C) → (B, C, H, W), in float64."""
    value = value.transpose(0, 3, 1, 2) if value.ndim == 4 else value
    return torch.from_numpy(np.ascontiguousarray(value, np.float64))


def gradients_apart(gradients: list[tf.Tensor], pairs: list[Pair]) -> float:
    """Largest difference of the gradients by `trainable(pairs)`, each over the largest of its own."""
    differences = []
    for gradient, (ours, theirs, change) in zip(gradients, trainable(pairs), strict=True):
        assert gradient is not None and theirs.grad is not None, ours.name
        largest = theirs.grad.abs().max()
        assert largest > 0, ours.name
        differences.append(apart(change(gradient.numpy()), theirs.grad.numpy()))
    return max(differences)


def moved_apart(pairs: list[Pair]) -> float:
    """Largest difference of the moving statistics, each over its own largest value."""
    rest = [pair for pair in pairs if not isinstance(pair[1], torch.nn.Parameter)]
    assert rest
    return max(apart(change(ours.numpy()), theirs.numpy()) for ours, theirs, change in rest)
