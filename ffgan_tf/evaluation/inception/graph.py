"""Inception-v3 (Szegedy et al. 2015, arXiv 1512.00567) as a table, with each convolution's name in every source.

Four sets of weights in this field share one trunk of 94 convolutions and differ in the last block's pool, the number
of classes and the names of their variables. So there is one table, one Keras model and one converter per source.
"""

import dataclasses

import numpy as np
import tensorflow as tf

SIZE = 299  # side of the input image, pixels
BATCH_NORM_EPSILON = 1e-3  # in all four


@dataclasses.dataclass(frozen=True)
class Conv:
    """A convolution without bias, batch norm and ReLU.

    `name`: torchvision's module, `graph`: node prefix in the 2015 GraphDef, `slim`: scope in the TF-slim checkpoint.
    Stride 2 goes with VALID padding; stride 1 is SAME but for the stem's two `valid` ones.
    """

    name: str
    graph: str
    slim: str
    inputs: int
    filters: int
    kernel: tuple[int, int]
    stride: int = 1
    valid: bool = False

    @property
    def padding(self) -> str:
        """Keras's name of the padding."""
        return "valid" if self.valid or self.stride > 1 else "same"


@dataclasses.dataclass(frozen=True)
class Branch:
    """`pool` ("avg", "max", "last" or "": none), then `convs` in a row, then the `split` ones side by side."""

    pool: str
    convs: tuple[Conv, ...]
    split: tuple[Conv, ...] = ()

    @property
    def all_convs(self) -> tuple[Conv, ...]:
        """Every convolution in the order in which the sources number them."""
        return self.convs + self.split


@dataclasses.dataclass(frozen=True)
class Block:
    """Branches over one input, concatenated; `reduces` halves the side (its pool has stride 2, VALID)."""

    name: str
    branches: tuple[Branch, ...]
    reduces: bool = False


def _numbered(name: str, index: int) -> str:
    return f"{name}_{index}" if index else name


def _block(number: int, name: str, slim: str, width: int, branches: dict[str, list]) -> Block:
    """A block from `branches`: torchvision's prefix → steps (filters, height, width[, stride]); a list is a split."""
    graph, towers, built = _numbered("mixed", number), 0, []
    reduces = any(len(step) == 4 for steps in branches.values() for step in steps if isinstance(step, tuple))
    for branch, steps in branches.items():
        pool = next((step for step in steps if isinstance(step, str)), "")
        steps = [step for step in steps if not isinstance(step, str)]
        tower = graph  # the GraphDef keeps a branch of one convolution at the block's root, and numbers the others
        if pool or len(steps) > 1:
            tower = f"{graph}/{_numbered('tower', towers)}"
            towers += 1
        channels, convs, split = width, [], []
        for index, step in enumerate(steps):
            suffix = f"_{index + 1}" if len(steps) > 1 else ""
            if isinstance(step, list):
                split = [
                    Conv(
                        f"{name}.{branch}{suffix}{'ab'[part]}",
                        f"{tower}/{_numbered('mixed/conv', part)}",
                        f"{slim}/{branch}/{_numbered('Conv', index + part)}",
                        channels,
                        filters,
                        (height, wide),
                    )
                    for part, (filters, height, wide) in enumerate(step)
                ]
            else:
                filters, height, wide, *stride = step
                convs.append(
                    Conv(
                        f"{name}.{branch}{suffix}",
                        f"{tower}/{_numbered('conv', index)}",
                        f"{slim}/{branch}/{_numbered('Conv', index)}",
                        channels,
                        filters,
                        (height, wide),
                        *stride,
                    )
                )
                channels = filters
        built.append(Branch(pool, tuple(convs), tuple(split)))
    return Block(name, tuple(built), reduces)


def _block_a(number, name, slim, width, pooled):
    return _block(
        number,
        name,
        slim,
        width,
        {
            "branch1x1": [(64, 1, 1)],
            "branch5x5": [(48, 1, 1), (64, 5, 5)],
            "branch3x3dbl": [(64, 1, 1), (96, 3, 3), (96, 3, 3)],
            "branch_pool": ["avg", (pooled, 1, 1)],
        },
    )


def _block_c(number, name, slim, c7):
    return _block(
        number,
        name,
        slim,
        768,
        {
            "branch1x1": [(192, 1, 1)],
            "branch7x7": [(c7, 1, 1), (c7, 1, 7), (192, 7, 1)],
            "branch7x7dbl": [(c7, 1, 1), (c7, 7, 1), (c7, 1, 7), (c7, 7, 1), (192, 1, 7)],
            "branch_pool": ["avg", (192, 1, 1)],
        },
    )


def _block_e(number, name, slim, width, pool):
    return _block(
        number,
        name,
        slim,
        width,
        {
            "branch1x1": [(320, 1, 1)],
            "branch3x3": [(384, 1, 1), [(384, 1, 3), (384, 3, 1)]],
            "branch3x3dbl": [(448, 1, 1), (384, 3, 3), [(384, 1, 3), (384, 3, 1)]],
            "branch_pool": [pool, (192, 1, 1)],
        },
    )


STEM = (
    Conv("Conv2d_1a_3x3", "conv", "conv0", 3, 32, (3, 3), 2),
    Conv("Conv2d_2a_3x3", "conv_1", "conv1", 32, 32, (3, 3), valid=True),
    Conv("Conv2d_2b_3x3", "conv_2", "conv2", 32, 64, (3, 3)),  # a 3×3 max pool of stride 2 follows
    Conv("Conv2d_3b_1x1", "conv_3", "conv3", 64, 80, (1, 1), valid=True),
    Conv("Conv2d_4a_3x3", "conv_4", "conv4", 80, 192, (3, 3), valid=True),  # and here
)
BLOCKS = (
    _block_a(0, "Mixed_5b", "mixed_35x35x256a", 192, 32),
    _block_a(1, "Mixed_5c", "mixed_35x35x288a", 256, 64),
    _block_a(2, "Mixed_5d", "mixed_35x35x288b", 288, 64),
    _block(
        3,
        "Mixed_6a",
        "mixed_17x17x768a",
        288,
        {
            "branch3x3": [(384, 3, 3, 2)],
            "branch3x3dbl": [(64, 1, 1), (96, 3, 3), (96, 3, 3, 2)],
            "branch_pool": ["max"],
        },
    ),
    _block_c(4, "Mixed_6b", "mixed_17x17x768b", 128),
    _block_c(5, "Mixed_6c", "mixed_17x17x768c", 160),
    _block_c(6, "Mixed_6d", "mixed_17x17x768d", 160),
    _block_c(7, "Mixed_6e", "mixed_17x17x768e", 192),
    _block(
        8,
        "Mixed_7a",
        "mixed_17x17x1280a",
        768,
        {  # slim's scope says 17 for an 8×8 map: its own slip, kept for compatibility
            "branch3x3": [(192, 1, 1), (320, 3, 3, 2)],
            "branch7x7x3": [(192, 1, 1), (192, 1, 7), (192, 7, 1), (192, 3, 3, 2)],
            "branch_pool": ["max"],
        },
    ),
    _block_e(9, "Mixed_7b", "mixed_8x8x2048a", 1280, "avg"),
    _block_e(10, "Mixed_7c", "mixed_8x8x2048b", 2048, "last"),
)
CONVS = STEM + tuple(conv for block in BLOCKS for branch in block.branches for conv in branch.all_convs)


@dataclasses.dataclass
class ConvWeights:
    """The weights of one convolution in a source: kernel [h, w, in, out], and [out] each of the batch norm's four."""

    kernel: np.ndarray
    beta: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    gamma: np.ndarray | None = None

    def folded(self) -> tuple[np.ndarray, np.ndarray]:
        """Kernel and bias of the one convolution that equals convolution and batch norm, in float64."""
        scale = 1 / np.sqrt(self.variance.astype(np.float64) + BATCH_NORM_EPSILON)
        if self.gamma is not None:
            scale *= self.gamma
        return self.kernel * scale, self.beta - self.mean * scale


@dataclasses.dataclass
class InceptionWeights:
    """`convs`: name → ConvWeights for all of CONVS; `head`: ([2048, classes], [classes]) or None; the last pool."""

    convs: dict[str, ConvWeights]
    head: tuple[np.ndarray, np.ndarray] | None
    last_pool: str  # "max" in the 2015 network, "avg" in the others


def inception_maps(inputs: tf.Tensor, weights: InceptionWeights, dtype: str, until: str = "") -> dict[str, tf.Tensor]:
    """Every map that a pool or a block of the trunk makes of Keras inputs [B, H, W, 3], already scaled: "pool1" and
    "pool2", then by the blocks' names, up to the block `until` ("": the last).

    Batch norm is folded into the convolutions (exact up to rounding, with half the memory traffic). `dtype` applies to
    weights and maps.
    """
    layers = tf.keras.layers

    def convolve(x, conv: Conv):
        layer = layers.Conv2D(
            conv.filters,
            conv.kernel,
            conv.stride,
            conv.padding,
            activation="relu",
            dtype=dtype,
            name=conv.name.replace(".", "_"),
        )
        y = layer(x)
        layer.set_weights(weights.convs[conv.name].folded())
        return y

    def branch(x, spec: Branch, reduces: bool):
        if spec.pool:
            kind = weights.last_pool if spec.pool == "last" else spec.pool
            pool = {"avg": layers.AveragePooling2D, "max": layers.MaxPooling2D}[kind]  # SAME avg excludes the padding
            x = pool(3, 2 if reduces else 1, "valid" if reduces else "same", dtype=dtype)(x)
        for conv in spec.convs:
            x = convolve(x, conv)
        return [convolve(x, conv) for conv in spec.split] or [x]

    x, maps = inputs, dict[str, tf.Tensor]()
    for conv in STEM:
        x = convolve(x, conv)
        if conv.filters in (64, 192):
            x = layers.MaxPooling2D(3, 2, dtype=dtype)(x)
            maps[f"pool{len(maps) + 1}"] = x
    for block in BLOCKS:
        parts = [part for spec in block.branches for part in branch(x, spec, block.reduces)]
        x = maps[block.name] = layers.Concatenate(dtype=dtype)(parts)
        if block.name == until:
            break
    return maps


# The spatial means that this field's figures use, by their channels.
TAPS = {"64": "pool1", "192": "pool2", "768": "Mixed_6e", "2048": "Mixed_7c"}


def build_inception(weights: InceptionWeights, dtype: str) -> tf.keras.Model:
    """The trunk: images [B, 299, 299, 3], already scaled → {"64", "192", "768", "2048"} spatial means, [B, channels].

    The means are taken in float32, or float64 where the network is; for the rest see `inception_maps`.
    """
    wide = "float64" if dtype == "float64" else "float32"
    inputs = tf.keras.Input((SIZE, SIZE, 3), dtype=dtype)
    maps = inception_maps(inputs, weights, dtype)
    taps = {tap: tf.keras.layers.GlobalAveragePooling2D(dtype=wide)(maps[name]) for tap, name in TAPS.items()}
    return tf.keras.Model(inputs, taps, name="inception_v3")
