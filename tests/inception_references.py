"""Inception-v3 a second time, as TensorFlow 1 graphs in the two published layouts, for the tests to compare with.

Written from the published node and scope names, apart from the package's table. Weights are seeded, with batch-norm
statistics far from 0 and 1.
"""

import contextlib
import pickle
import sys
import types
import zipfile

import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1


class Weights:
    """Seeded weights, made as they are asked for and kept by name: `conv(key, shape)`, `head(classes)`."""

    def __init__(self, seed: int):
        self._rng = np.random.default_rng(seed)
        self.convs: dict[str, dict[str, np.ndarray]] = {}
        self.dense: tuple[np.ndarray, np.ndarray] | None = None

    def conv(self, key: str, kernel: tuple) -> dict[str, np.ndarray]:
        """Kernel [h, w, in, out] of He's scale, and β, mean, variance, γ [out]."""
        if key not in self.convs:
            draw, width = self._rng, kernel[-1]
            self.convs[key] = {
                name: value.astype(np.float32)
                for name, value in {
                    "kernel": draw.normal(0, np.sqrt(2 / np.prod(kernel[:3])), kernel),
                    "beta": draw.normal(0, 0.2, width),
                    "mean": draw.normal(0, 0.2, width),
                    "variance": draw.uniform(0.4, 1.8, width),
                    "gamma": draw.uniform(0.6, 1.4, width),
                }.items()
            }
        return self.convs[key]

    def head(self, classes: int) -> tuple[np.ndarray, np.ndarray]:
        """Dense weights [2048, classes] and biases [classes]."""
        self.dense = tuple(
            self._rng.normal(0, scale, shape).astype(np.float32)
            for scale, shape in ((0.05, (2048, classes)), (0.5, classes))
        )
        return self.dense


def test_images(count: int, height: int, width: int, seed: int = 5) -> np.ndarray:
    """Smooth colours with noise and full contrast, uint8 [count, height, width, 3]."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    phase = rng.uniform(0, 6, (count, 1, 1, 3))
    waves = np.sin(phase + 9 * rows[None, ..., None] * rng.uniform(0.2, 2, (count, 1, 1, 3)) + 5 * columns[..., None])
    return np.clip(128 + 100 * waves + rng.normal(0, 25, waves.shape), 0, 255).astype(np.uint8)


test_images.__test__ = False


def network(x, conv, max_pool, avg_pool, join, last_pool):
    """The trunk by calls: `conv(x, graph name, slim scope, filters, kernel, stride, padding)` and the pools.

    Returns (the 64, 192, 768 and 2048 channel maps).
    """
    x = conv(x, "conv", "conv0", 32, (3, 3), 2, "VALID")
    x = conv(x, "conv_1", "conv1", 32, (3, 3), 1, "VALID")
    x = conv(x, "conv_2", "conv2", 64, (3, 3))
    map64 = x = max_pool(x, 2, "VALID")
    x = conv(x, "conv_3", "conv3", 80, (1, 1), 1, "VALID")
    x = conv(x, "conv_4", "conv4", 192, (3, 3), 1, "VALID")
    map192 = x = max_pool(x, 2, "VALID")
    for g, s, pooled in (
        ("mixed", "mixed_35x35x256a", 32),
        ("mixed_1", "mixed_35x35x288a", 64),
        ("mixed_2", "mixed_35x35x288b", 64),
    ):
        one = conv(x, f"{g}/conv", f"{s}/branch1x1/Conv", 64, (1, 1))
        five = conv(x, f"{g}/tower/conv", f"{s}/branch5x5/Conv", 48, (1, 1))
        five = conv(five, f"{g}/tower/conv_1", f"{s}/branch5x5/Conv_1", 64, (5, 5))
        double = conv(x, f"{g}/tower_1/conv", f"{s}/branch3x3dbl/Conv", 64, (1, 1))
        double = conv(double, f"{g}/tower_1/conv_1", f"{s}/branch3x3dbl/Conv_1", 96, (3, 3))
        double = conv(double, f"{g}/tower_1/conv_2", f"{s}/branch3x3dbl/Conv_2", 96, (3, 3))
        pool = conv(avg_pool(x), f"{g}/tower_2/conv", f"{s}/branch_pool/Conv", pooled, (1, 1))
        x = join([one, five, double, pool])
    three = conv(x, "mixed_3/conv", "mixed_17x17x768a/branch3x3/Conv", 384, (3, 3), 2, "VALID")
    double = conv(x, "mixed_3/tower/conv", "mixed_17x17x768a/branch3x3dbl/Conv", 64, (1, 1))
    double = conv(double, "mixed_3/tower/conv_1", "mixed_17x17x768a/branch3x3dbl/Conv_1", 96, (3, 3))
    double = conv(double, "mixed_3/tower/conv_2", "mixed_17x17x768a/branch3x3dbl/Conv_2", 96, (3, 3), 2, "VALID")
    x = join([three, double, max_pool(x, 2, "VALID")])
    for g, s, c in (
        ("mixed_4", "mixed_17x17x768b", 128),
        ("mixed_5", "mixed_17x17x768c", 160),
        ("mixed_6", "mixed_17x17x768d", 160),
        ("mixed_7", "mixed_17x17x768e", 192),
    ):
        one = conv(x, f"{g}/conv", f"{s}/branch1x1/Conv", 192, (1, 1))
        seven = conv(x, f"{g}/tower/conv", f"{s}/branch7x7/Conv", c, (1, 1))
        seven = conv(seven, f"{g}/tower/conv_1", f"{s}/branch7x7/Conv_1", c, (1, 7))
        seven = conv(seven, f"{g}/tower/conv_2", f"{s}/branch7x7/Conv_2", 192, (7, 1))
        double = conv(x, f"{g}/tower_1/conv", f"{s}/branch7x7dbl/Conv", c, (1, 1))
        double = conv(double, f"{g}/tower_1/conv_1", f"{s}/branch7x7dbl/Conv_1", c, (7, 1))
        double = conv(double, f"{g}/tower_1/conv_2", f"{s}/branch7x7dbl/Conv_2", c, (1, 7))
        double = conv(double, f"{g}/tower_1/conv_3", f"{s}/branch7x7dbl/Conv_3", c, (7, 1))
        double = conv(double, f"{g}/tower_1/conv_4", f"{s}/branch7x7dbl/Conv_4", 192, (1, 7))
        pool = conv(avg_pool(x), f"{g}/tower_2/conv", f"{s}/branch_pool/Conv", 192, (1, 1))
        x = join([one, seven, double, pool])
    map768 = x
    s = "mixed_17x17x1280a"  # sic
    three = conv(x, "mixed_8/tower/conv", f"{s}/branch3x3/Conv", 192, (1, 1))
    three = conv(three, "mixed_8/tower/conv_1", f"{s}/branch3x3/Conv_1", 320, (3, 3), 2, "VALID")
    seven = conv(x, "mixed_8/tower_1/conv", f"{s}/branch7x7x3/Conv", 192, (1, 1))
    seven = conv(seven, "mixed_8/tower_1/conv_1", f"{s}/branch7x7x3/Conv_1", 192, (1, 7))
    seven = conv(seven, "mixed_8/tower_1/conv_2", f"{s}/branch7x7x3/Conv_2", 192, (7, 1))
    seven = conv(seven, "mixed_8/tower_1/conv_3", f"{s}/branch7x7x3/Conv_3", 192, (3, 3), 2, "VALID")
    x = join([three, seven, max_pool(x, 2, "VALID")])
    for g, s, pool in (
        ("mixed_9", "mixed_8x8x2048a", avg_pool),
        ("mixed_10", "mixed_8x8x2048b", avg_pool if last_pool == "avg" else max_pool),
    ):
        one = conv(x, f"{g}/conv", f"{s}/branch1x1/Conv", 320, (1, 1))
        three = conv(x, f"{g}/tower/conv", f"{s}/branch3x3/Conv", 384, (1, 1))
        three = join(
            [
                conv(three, f"{g}/tower/mixed/conv", f"{s}/branch3x3/Conv_1", 384, (1, 3)),
                conv(three, f"{g}/tower/mixed/conv_1", f"{s}/branch3x3/Conv_2", 384, (3, 1)),
            ]
        )
        double = conv(x, f"{g}/tower_1/conv", f"{s}/branch3x3dbl/Conv", 448, (1, 1))
        double = conv(double, f"{g}/tower_1/conv_1", f"{s}/branch3x3dbl/Conv_1", 384, (3, 3))
        double = join(
            [
                conv(double, f"{g}/tower_1/mixed/conv", f"{s}/branch3x3dbl/Conv_2", 384, (1, 3)),
                conv(double, f"{g}/tower_1/mixed/conv_1", f"{s}/branch3x3dbl/Conv_3", 384, (3, 1)),
            ]
        )
        pooled = conv(pool(x), f"{g}/tower_2/conv", f"{s}/branch_pool/Conv", 192, (1, 1))
        x = join([one, three, double, pooled])
    return map64, map192, map768, x


class GraphDefWriter:
    """Nodes of a GraphDef as TensorFlow 0.6 wrote them: by hand, since today's API cannot make the old batch norm."""

    def __init__(self):
        self.graph, self._made = tf1.GraphDef(), 0
        self.graph.versions.producer = 8  # the last version that knows BatchNormWithGlobalNormalization

    def const(self, name: str, value) -> str:
        """A Const node; returns its name, as all of these do."""
        tensor = tf.make_tensor_proto(value)
        node = self.graph.node.add(op="Const", name=name)
        node.attr["value"].tensor.CopyFrom(tensor)
        node.attr["dtype"].type = tensor.dtype
        return name

    def op(self, kind: str, name: str, inputs: list[str], **attrs) -> str:
        """A node of float32; ints, bools, floats, strings and lists of ints become its attributes."""
        node = self.graph.node.add(op=kind, name=name or f"node_{self._made}", input=inputs)
        self._made += 1
        for key, value in {"T": tf.float32, **attrs}.items():
            if isinstance(value, tf.DType):
                node.attr[key].type = value.as_datatype_enum
            elif isinstance(value, bool):
                node.attr[key].b = value
            elif isinstance(value, float):
                node.attr[key].f = value
            elif isinstance(value, int):
                node.attr[key].i = value
            elif isinstance(value, str):
                node.attr[key].s = value.encode()
            else:
                node.attr[key].list.i.extend(value)
        return node.name


def write_graph_def(path, weights: Weights, scale_after_normalization: bool = False) -> dict[str, str]:
    """Writes the 2015 network, from a uint8 batch `images` on; returns tap → name of its node (a map or a vector)."""
    writer = GraphDefWriter()
    channels = {}

    def conv(x, graph, _slim, filters, kernel, stride=1, padding="SAME"):
        values = weights.conv(graph, (*kernel, channels.get(x, 3), filters))
        y = writer.op(
            "Conv2D",
            f"{graph}/Conv2D",
            [x, writer.const(f"{graph}/conv2d_params", values["kernel"])],
            strides=[1, stride, stride, 1],
            padding=padding,
        )
        norm = [
            writer.const(f"{graph}/batchnorm/{name}", values[key])
            for name, key in (
                ("moving_mean", "mean"),
                ("moving_variance", "variance"),
                ("beta", "beta"),
                ("gamma", "gamma"),
            )
        ]
        y = writer.op(
            "BatchNormWithGlobalNormalization",
            f"{graph}/batchnorm",
            [y, *norm],
            variance_epsilon=0.001,
            scale_after_normalization=scale_after_normalization,
        )
        y = writer.op("Relu", graph, [y])
        channels[y] = filters
        return y

    def pool(kind, x, stride, padding):
        y = writer.op(kind, "", [x], ksize=[1, 3, 3, 1], strides=[1, stride, stride, 1], padding=padding)
        channels[y] = channels[x]
        return y

    def join(parts):
        y = writer.op("ConcatV2", "", [*parts, axis], N=len(parts), Tidx=tf.int32)
        channels[y] = sum(channels[part] for part in parts)
        return y

    axis = writer.const("concat_dim", np.int32(3))
    writer.op("Placeholder", "images", [], dtype=tf.uint8)
    del writer.graph.node[-1].attr["T"]
    size = writer.const("ResizeBilinear/size", np.array([299, 299], np.int32))
    x = writer.op("ResizeBilinear", "ResizeBilinear", ["images", size], T=tf.uint8)
    x = writer.op("Sub", "Sub", [x, writer.const("Sub/y", np.float32(128))])
    x = writer.op("Mul", "Mul", [x, writer.const("Mul/y", np.float32(1 / 128))])
    maps = network(
        x,
        conv,
        lambda x, stride=1, padding="SAME": pool("MaxPool", x, stride, padding),
        lambda x: pool("AvgPool", x, 1, "SAME"),
        join,
        "max",
    )
    pool3 = writer.op("AvgPool", "pool_3", [maps[-1]], ksize=[1, 8, 8, 1], strides=[1, 1, 1, 1], padding="VALID")
    flat = writer.op(
        "Reshape", "pool_3/_reshape", [pool3, writer.const("shape", np.array([-1, 2048], np.int32))], Tshape=tf.int32
    )
    head = weights.head(1008)
    product = writer.op("MatMul", "softmax/logits/MatMul", [flat, writer.const("softmax/weights", head[0])])
    logits = writer.op("BiasAdd", "softmax/logits", [product, writer.const("softmax/biases", head[1])])
    writer.op("Softmax", "softmax", [logits])
    path.write_bytes(writer.graph.SerializeToString())
    return {"64": maps[0], "192": maps[1], "768": maps[2], "2048": flat, "logits_unbiased": product, "logits": logits}


def run_graph_def(path, taps: dict[str, str], images: np.ndarray) -> dict[str, np.ndarray]:
    """Executes the GraphDef on uint8 images; maps come as their spatial means."""
    with tf1.Graph().as_default(), tf1.Session() as session:
        tf1.import_graph_def(tf1.GraphDef.FromString(path.read_bytes()), name="")
        values = session.run({tap: f"{node}:0" for tap, node in taps.items()}, {"images:0": images})
    return {tap: value.mean((1, 2), np.float64) if value.ndim == 4 else value for tap, value in values.items()}


def write_slim_checkpoint(prefix, weights: Weights, classes: int, images: np.ndarray) -> dict[str, np.ndarray]:
    """Saves a TF-slim training checkpoint; returns 2048 and logits of `images` [N, 299, 299, 3] by its averages.

    As in one from a training run, the averages (`…/ExponentialMovingAverage`) lie beside raw values, which here are
    of no use, an auxiliary head, a step counter and an optimizer's slots. `prefix` gets today's form, `prefix`.v1 that
    of TensorFlow 0.
    """
    saved = {"global_step": np.int64(5000)}

    def variable(name, value):
        saved[f"{name}/ExponentialMovingAverage"] = value
        saved.update({name + decoy: np.zeros(1, np.float32) for decoy in ("", "/RMSProp", "/RMSProp_1")})
        return value

    def conv(x, _graph, slim, filters, kernel, stride=1, padding="SAME"):
        values = weights.conv(slim, (*kernel, int(x.shape[-1]), filters))
        y = tf.nn.conv2d(x, variable(f"{slim}/weights", values["kernel"]), stride, padding)
        norm = [
            variable(f"{slim}/BatchNorm/{name}", values[key])
            for name, key in (("moving_mean", "mean"), ("moving_variance", "variance"), ("beta", "beta"))
        ]
        return tf.nn.relu(tf.nn.batch_normalization(y, *norm, None, 0.001))

    maps = network(
        tf.constant(images / np.float32(127.5) - 1),
        conv,
        lambda x, stride=1, padding="SAME": tf.nn.max_pool2d(x, 3, stride, padding),
        lambda x: tf.nn.avg_pool2d(x, 3, 1, "SAME"),
        lambda parts: tf.concat(parts, 3),
        "avg",
    )
    pooled = tf.reduce_mean(maps[-1], (1, 2))
    head = weights.head(classes)
    logits = pooled @ variable("logits/logits/weights", head[0]) + variable("logits/logits/biases", head[1])
    for name in ("aux_logits/proj/weights", "aux_logits/Conv/BatchNorm/beta", "aux_logits/FC/biases"):
        variable(name, np.zeros(4, np.float32))
    names, values = zip(*sorted(saved.items()))
    tf.raw_ops.SaveV2(prefix=str(prefix), tensor_names=names, shape_and_slices=[""] * len(names), tensors=values)
    tf.raw_ops.Save(filename=f"{prefix}.v1", tensor_names=names, data=values)
    return {"2048": pooled.numpy(), "logits": logits.numpy()}


@contextlib.contextmanager
def _torch_names():
    """Modules that have what a state dict's pickle names, long enough to write it."""
    modules = {name: types.ModuleType(name) for name in ("torch", "torch._utils")}
    modules["torch"].FloatStorage = type("FloatStorage", (), {"__module__": "torch"})
    function = types.FunctionType((lambda: None).__code__, {}, "_rebuild_tensor_v2")
    function.__module__, function.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    modules["torch._utils"]._rebuild_tensor_v2 = function
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield modules["torch"].FloatStorage, function
    finally:
        for name, module in before.items():
            sys.modules.pop(name) if module is None else sys.modules.update({name: module})


def write_pth(path, state: dict[str, np.ndarray]) -> None:
    """Writes float32 arrays as `torch.save` would in its zip form (`tests/utils/torch_files` has real ones)."""
    with _torch_names() as (storage_type, rebuild), zipfile.ZipFile(path, "w") as archive:

        class Tensor:
            def __init__(self, key, value):
                self.key, self.value = key, value

            def __reduce__(self):
                strides = tuple(stride // 4 for stride in self.value.strides)
                return rebuild, (Storage(self.key, self.value.size), 0, self.value.shape, strides, False, {})

        class Storage:
            def __init__(self, key, size):
                self.pid = ("storage", storage_type, key, "cpu", size)

        class Pickler(pickle.Pickler):
            def persistent_id(self, value):
                return value.pid if isinstance(value, Storage) else None

        arrays = {name: np.ascontiguousarray(value, np.float32) for name, value in state.items()}
        with archive.open("archive/data.pkl", "w") as file:
            Pickler(file, 2).dump({name: Tensor(str(key), array) for key, (name, array) in enumerate(arrays.items())})
        for key, array in enumerate(arrays.values()):
            archive.writestr(f"archive/data/{key}", array.tobytes())
