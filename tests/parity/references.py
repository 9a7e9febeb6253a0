"""torch-fidelity without torchvision, which has no CPU build everywhere and has no part in what is compared."""

import sys
import types

import numpy as np
import torch

BYPASSED = (
    "torchvision",
    "torchvision.datasets",
    "torchvision.models",
    "torchvision.transforms",
    "torchvision.transforms.functional",
)


class _Absent(types.ModuleType):
    """Stands in for a module that is imported but not used: any name in it is an empty class."""

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


for _name in BYPASSED:
    _parent, _, _child = _name.rpartition(".")
    if sys.modules.setdefault(_name, _Absent(_name)) and _parent:
        setattr(sys.modules[_parent], _child, sys.modules[_name])

import torch_fidelity
from torch_fidelity import metric_fid, metric_isc, metric_kid, metric_prc  # noqa: F401  for the tests
from torch_fidelity.interpolate_compat_tensorflow import (  # noqa: F401  for the tests
    interpolate_bilinear_2d_like_tensorflow1x,
)

TAPS = ("64", "192", "768", "2048", "logits_unbiased", "logits")


def torch_state(weights, convs) -> dict[str, torch.Tensor]:
    """`weights` (inception_references.Weights) under torchvision's names, γ included; `convs`: the package's list."""
    state = {}
    for conv in convs:
        values = weights.conv(conv.name, (*conv.kernel, conv.inputs, conv.filters))
        state[f"{conv.name}.conv.weight"] = values["kernel"].transpose(3, 2, 0, 1)
        for name, key in (("weight", "gamma"), ("bias", "beta"), ("running_mean", "mean"), ("running_var", "variance")):
            state[f"{conv.name}.bn.{name}"] = values[key]
    dense, biases = weights.head(1008)
    state |= {"fc.weight": dense.T, "fc.bias": biases}
    return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in state.items()}


def to_nchw(images: np.ndarray) -> torch.Tensor:
    """NHWC images as a tensor in PyTorch's order."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def load_network(path, taps: tuple[str, ...] = TAPS) -> torch_fidelity.FeatureExtractorInceptionV3:
    """torch-fidelity's network with the weights in a local file."""
    return torch_fidelity.FeatureExtractorInceptionV3("reference", list(taps), feature_extractor_weights_path=str(path))


def features(network, images: np.ndarray, dtype: str) -> dict[str, np.ndarray]:
    """Its features of uint8 images [N, H, W, 3].

    torch-fidelity 0.4.0 maps "float64" to torch.float32 in its table of dtypes and rounds what it returns to float32;
    so for float64 the network is converted here, and its maps are caught on their way out of the layers.
    """
    if dtype == "float32":
        return {tap: value.numpy() for tap, value in zip(network.features_list, network(to_nchw(images)))}
    caught = {}
    layers = {"64": network.MaxPool_1, "192": network.MaxPool_2, "768": network.Mixed_6e, "2048": network.AvgPool}
    hooks = [
        layer.register_forward_hook(
            lambda module, given, made, tap=tap: caught.__setitem__(tap, made.mean((2, 3)).numpy())
        )
        for tap, layer in layers.items()
    ]
    before = network.feature_extractor_internal_dtype
    network.double().feature_extractor_internal_dtype = torch.float64
    try:
        network(to_nchw(images))
    finally:
        network.to(before).feature_extractor_internal_dtype = before
        for hook in hooks:
            hook.remove()
    dense, biases = (part.detach().numpy().astype(np.float64) for part in (network.fc.weight, network.fc.bias))
    caught["logits_unbiased"] = caught["2048"] @ dense.T
    caught["logits"] = caught["logits_unbiased"] + biases
    return caught
