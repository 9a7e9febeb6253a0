"""Converters from each published form of Inception-v3 weights to `InceptionWeights`.

Every variable of the source is used or on a short list of variables that inference does not need, and every weight of
the model comes from the source; anything else is an error that lists the names.
"""

import math
import re

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from ffgan_tf.evaluation.inception.graph import CONVS, Conv, ConvWeights, InceptionWeights
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.keras_files import check_weights_file, load_weights
from ffgan_tf.utils.reading import BROKEN, LIMITS, read_bytes
from ffgan_tf.utils.torch_files import load_state_dict

FEATURES = 2048


class _Source:
    """A source's variables by name, handed out once each and checked for shape; `finish` accounts for all of them."""

    def __init__(self, path: str, what: str, variables: dict[str, np.ndarray]):
        self._path, self._what, self._left = path, what, dict(variables)
        self._missing: list[str] = []
        self._misshapen: list[str] = []

    def take(self, name: str, shape: tuple) -> np.ndarray:
        """The variable, removed from what is left; zeros where it is missing or misshapen, which `finish` reports."""
        value = self._left.pop(name, None)
        if value is None:
            self._missing.append(name)
        elif value.shape != tuple(shape):
            self._misshapen.append(f"{name} {list(value.shape)}, not {list(shape)}")
        else:
            return value
        return np.zeros(shape, np.float32)

    def ignore(self, pattern: str) -> None:
        """Drops the variables whose whole name matches."""
        self._left = {name: value for name, value in self._left.items() if not re.fullmatch(pattern, name)}

    def finish(self) -> None:
        """Raises UserError unless every variable matched and none is left."""
        problems = [
            f"{len(names)} {kind} ({', '.join(sorted(names)[:3])}{', …' if len(names) > 3 else ''})"
            for kind, names in (
                ("missing", self._missing),
                ("of another shape", self._misshapen),
                ("left over", list(self._left)),
            )
            if names
        ]
        if problems:
            raise UserError(
                f"{self._path}: not {self._what}: variables {'; '.join(problems)}. "
                "Fix: choose the network that this weights file belongs to, or its own file."
            )


def _conv_weights(source: _Source, conv: Conv, names: tuple, gamma: str | None = None) -> ConvWeights:
    kernel, beta, mean, variance = names
    width = (conv.filters,)
    return ConvWeights(
        source.take(kernel, (*conv.kernel, conv.inputs, conv.filters)),
        source.take(beta, width),
        source.take(mean, width),
        source.take(variance, width),
        source.take(gamma, width) if gamma else None,
    )


def from_graph_def(path: str) -> InceptionWeights:
    """Reads `classify_image_graph_def.pb`. A γ counts only where its node sets `scale_after_normalization`."""
    fix = "Fix: fetch it again."
    try:
        graph = tf.compat.v1.GraphDef.FromString(read_bytes(path, LIMITS["arrays"], fix=fix))
        tensors = {node.name: node.attr["value"].tensor for node in graph.node if node.op == "Const"}
        if sum(_announced(tensor) for tensor in tensors.values()) > LIMITS["arrays"]:  # one number may fill it
            raise ValueError(f"its constants take more than {LIMITS['arrays']:,} bytes")
        constants = {name: tf.make_ndarray(tensor) for name, tensor in tensors.items()}
    except (DecodeError, *BROKEN) as error:
        reason = (str(error).splitlines() or [""])[0][:200] or type(error).__name__
        raise UserError(f"{path}: neither a whole GraphDef nor a PyTorch file ({reason}). {fix}") from error
    unscaled = {
        node.name
        for node in graph.node
        if node.op == "BatchNormWithGlobalNormalization" and not node.attr["scale_after_normalization"].b
    }
    source = _Source(
        path,
        "the 2015 Inception-v3 GraphDef",
        {name: value for name, value in constants.items() if value.ndim and value.dtype.kind == "f"},
    )  # the others are the graph's settings: sizes, axes, 128
    convs = {}
    for conv in CONVS:
        norm = f"{conv.graph}/batchnorm"
        convs[conv.name] = weights = _conv_weights(
            source,
            conv,
            (f"{conv.graph}/conv2d_params", f"{norm}/beta", f"{norm}/moving_mean", f"{norm}/moving_variance"),
            f"{norm}/gamma",
        )
        if norm in unscaled:
            weights.gamma = None
    head = source.take("softmax/weights", (FEATURES, 1008)), source.take("softmax/biases", (1008,))
    source.finish()
    return InceptionWeights(convs, head, "max")


def _announced(tensor) -> int:
    """Bytes of the array that a TensorProto announces. Raises ValueError for an invalid shape."""
    sizes = [axis.size for axis in tensor.tensor_shape.dim]
    if any(size < 0 for size in sizes):
        raise ValueError(f"a constant of shape {sizes}")
    return math.prod(sizes) * tf.as_dtype(tensor.dtype).size


def from_state_dict(path: str) -> InceptionWeights:
    """Reads torch-fidelity's or pytorch-fid's `.pth` of the same network; no torch needed."""
    state = {
        name: value.transpose(2, 3, 1, 0) if value.ndim == 4 else value for name, value in load_state_dict(path).items()
    }
    source = _Source(path, "torch-fidelity's state dict of the 2015 Inception-v3", state)
    source.ignore(r".*\.bn\.num_batches_tracked")  # a step counter
    convs = {
        conv.name: _conv_weights(
            source,
            conv,
            (
                f"{conv.name}.conv.weight",
                f"{conv.name}.bn.bias",
                f"{conv.name}.bn.running_mean",
                f"{conv.name}.bn.running_var",
            ),
            f"{conv.name}.bn.weight",
        )
        for conv in CONVS
    }
    head = source.take("fc.weight", (1008, FEATURES)).T, source.take("fc.bias", (1008,))
    source.finish()
    return InceptionWeights(convs, head, "max")


def from_slim_checkpoint(path: str, classes: int) -> InceptionWeights:
    """Reads StackGAN's TF-slim checkpoint: `classes` counts the background; moving averages replace raw values."""
    try:
        reader = tf.train.load_checkpoint(path)
        shapes = reader.get_variable_to_shape_map()
        if 8 * sum(math.prod(shape) for shape in shapes.values()) > LIMITS["arrays"]:
            raise ValueError(f"its variables take more than {LIMITS['arrays']:,} bytes")
        averaged = {name for name in shapes if name.endswith("/ExponentialMovingAverage")}
        values = {name.removesuffix("/ExponentialMovingAverage"): reader.get_tensor(name) for name in averaged}
        values |= {name: reader.get_tensor(name) for name in shapes.keys() - averaged if name not in values}
    except (tf.errors.OpError, *BROKEN) as error:
        reason = (str(error).splitlines() or [""])[0][:200] or type(error).__name__
        raise UserError(
            f"{path}: not a TensorFlow checkpoint, or not a whole one ({reason}). Fix: name it without "
            "`.index` or `.data-…`, and keep its files together."
        ) from error
    source = _Source(path, f"a TF-slim Inception-v3 checkpoint with {classes} classes", values)
    source.ignore(r"aux_logits/.*|global_step|.*/(RMSProp|RMSProp_1|Momentum|Adam|Adam_1)")  # training's
    convs = {
        conv.name: _conv_weights(
            source,
            conv,
            (
                f"{conv.slim}/weights",
                f"{conv.slim}/BatchNorm/beta",
                f"{conv.slim}/BatchNorm/moving_mean",
                f"{conv.slim}/BatchNorm/moving_variance",
            ),
        )
        for conv in CONVS
    }
    head = source.take("logits/logits/weights", (FEATURES, classes)), source.take("logits/logits/biases", (classes,))
    source.finish()
    return InceptionWeights(convs, head, "avg")


def from_keras_h5(path: str) -> InceptionWeights:
    """Reads a weights file of `tf.keras.applications.InceptionV3`, with its top or `_notop`, through that model."""
    what = "tf.keras.applications.InceptionV3"
    fix = "Fix: choose the network that this weights file belongs to, or its own file."
    top = "predictions" in check_weights_file(path, what, fix)
    model = tf.keras.applications.InceptionV3(include_top=top, weights=None)
    load_weights(model, path, what, fix)

    def in_order(kind):
        # Keras numbers layers of a class as they are made, and it makes these branch by branch, as CONVS lists them.
        layers = [layer for layer in model.layers if type(layer).__name__ == kind]
        return sorted(layers, key=lambda layer: int((re.search(r"_(\d+)$", layer.name) or [0, 0])[1]))

    norms = in_order("BatchNormalization")
    convs = {}
    for conv, layer, norm in zip(CONVS, in_order("Conv2D"), norms, strict=True):
        (kernel,), (beta, mean, variance) = layer.get_weights(), norm.get_weights()
        convs[conv.name] = ConvWeights(kernel, beta, mean, variance)
    head = tuple(model.get_layer("predictions").get_weights()) if top else None
    return InceptionWeights(convs, head, "avg")
