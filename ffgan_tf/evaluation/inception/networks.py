"""The Inception-v3 networks behind the field's scores, ready to use: `load_network(name, weights)`.

They share a trunk (`graph`); each has a converter (`weights`) and a named recipe for its input images
(`preprocessing`). Nothing here downloads anything.
"""

import contextlib
import dataclasses
import functools
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from ffgan_tf.evaluation.inception import weights as converters
from ffgan_tf.evaluation.inception.graph import SIZE, InceptionWeights, build_inception
from ffgan_tf.evaluation.inception.preprocessing import PREPROCESSING
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import sha256_file
from ffgan_tf.utils.keras_files import publication_note
from ffgan_tf.utils.reading import LIMITS, as_unreadable, check_file

DTYPES = ("float32", "bfloat16", "float64")


def _read_fid2015(path: str) -> InceptionWeights:
    fix = (
        "Fix: name the 2015 network's own file, classify_image_graph_def.pb or the .pth of torch-fidelity or "
        "pytorch-fid; Keras's is --inception=keras (in training: --eval_inception=keras)."
    )
    check_file(path, LIMITS["arrays"], fix=fix)
    with as_unreadable(path, fix), open(path, "rb") as file:
        head = file.read(8)
    if head == b"\x89HDF\r\n\x1a\n":
        raise UserError(f"{path}: a Keras .h5 file, not the 2015 Inception-v3 of FID. {fix}")
    is_torch = head.startswith((b"PK", b"\x80"))  # a zip, or a pickle: never a GraphDef's first byte, 0x0a
    return converters.from_state_dict(path) if is_torch else converters.from_graph_def(path)


def _keras_cache() -> str:
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    return os.path.join(home, "models", "inception_v3_weights_tf_dim_ordering_tf_kernels.h5")


@dataclasses.dataclass(frozen=True)
class NetworkSpec:
    """One network: its description, the origin of its weights, their reader, its own preprocessing."""

    what: str
    origin: str
    read: Callable[[str], InceptionWeights]
    preprocessing: str
    background: bool = False  # class 0 is the background: the softmax leaves it out


_STACKGAN = (
    'Origin: the link "StackGAN inception model" at '
    "https://github.com/hanzhanggit/StackGAN-inception-model; name the checkpoint "
    "without its endings, e.g. inception_finetuned_models/{}/model.ckpt"
)
NETWORKS = {
    "fid2015": NetworkSpec(
        "the 2015 Inception-v3 of FID",
        "Origin: classify_image_graph_def.pb in http://download.tensorflow.org/models/image/imagenet/"
        "inception-2015-12-05.tgz, or weights-inception-2015-12-05-6726825d.pth from torch-fidelity's release v0.2.0 "
        "(https://github.com/toshas/torch-fidelity/releases), or pytorch-fid's pt_inception-2015-12-05-6726825d.pth",
        _read_fid2015,
        "tf1",
    ),
    "keras": NetworkSpec(
        "tf.keras.applications.InceptionV3",
        "Origin: https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/"
        "inception_v3_weights_tf_dim_ordering_tf_kernels.h5 (Keras's ImageNet weights; where no file is named, "
        "Keras's cache is searched), or any `_notop.h5` of that layout",
        converters.from_keras_h5,
        "keras",
    ),
    "stackgan_birds": NetworkSpec(
        "StackGAN's Inception-v3 for CUB, 50 classes and background",
        _STACKGAN.format("birds_valid299"),
        functools.partial(converters.from_slim_checkpoint, classes=51),
        "stackgan",
        background=True,
    ),
    "stackgan_flowers": NetworkSpec(
        "StackGAN's Inception-v3 for Oxford-102, 20 classes and background",
        _STACKGAN.format("flowers_valid299"),
        functools.partial(converters.from_slim_checkpoint, classes=21),
        "stackgan",
        background=True,
    ),
}


def _weight_files(name: str, weights: str | None, flags: tuple[str, str]) -> list[Path]:
    """The files behind `weights` (a checkpoint has several); UserError where there is none."""
    path = weights or (_keras_cache() if name == "keras" else None)
    if path and Path(path).is_file():
        return [Path(path)]
    if path and name.startswith("stackgan"):
        parts = sorted(Path(path).parent.glob(f"{Path(path).name}.data-*-of-*")) + [Path(f"{path}.index")]
        if len(parts) > 1 and parts[-1].is_file():
            return parts
    spec = NETWORKS[name]
    problem = f"{path}: no such file" if path else "no weights file was given"
    raise UserError(
        f"{problem}; {flags[0]}={name} is {spec.what}, which needs its weights. {spec.origin}. "
        f"Fix: {flags[1]}=PATH. Nothing is downloaded unasked."
    )


def _sha256(files: list[Path]) -> str:
    """Hex SHA-256 of one file; of several, that of their digests joined by newlines, in order."""
    digests = [sha256_file(file) for file in files]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


@contextlib.contextmanager
def _full_float32():
    """TensorFloat-32, a GPU's default, keeps 10 bits of mantissa: three digits, but parity needs four."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


class Network:
    """An Inception-v3 with weights. `taps` names the outputs of `features`, computed `batch_size` images at a time."""

    def __init__(
        self,
        name: str,
        weights: InceptionWeights,
        protocol: dict,
        preprocessing: str,
        dtype: str,
        batch_size: int,
        note: str | None = None,
    ):
        self._note = note
        self._protocol, self._dtype, self._background = protocol, dtype, NETWORKS[name].background
        self._preprocessing = PREPROCESSING[preprocessing]
        wide = np.float64 if dtype == "float64" else np.float32
        self._head = weights.head and tuple(np.asarray(part, wide) for part in weights.head)
        self._model = build_inception(weights, dtype)
        self.name, self.batch_size = name, batch_size
        self.taps = ("64", "192", "768", "2048") + (
            ("logits_unbiased", "logits", "probabilities") if weights.head else ()
        )
        self._wide = "float64" if dtype == "float64" else "float32"
        shape = (batch_size, SIZE, SIZE, 3)
        self._run = tf.function(self._forward, autograph=False, input_signature=[tf.TensorSpec(shape, self._wide)])

    def _forward(self, inputs: tf.Tensor) -> dict:
        taps = self._model(tf.cast(inputs, self._dtype), training=False)
        if self._head:
            weights, biases = self._head
            unbiased = tf.matmul(taps["2048"], weights)
            logits = unbiased + biases
            # The 2015 network's Inception Score leaves its bias out, as in torch-fidelity and Salimans et al.
            scores = logits[:, 1:] if self._background else unbiased if self.name == "fid2015" else logits
            taps |= {"logits_unbiased": unbiased, "logits": logits, "probabilities": tf.nn.softmax(scores)}
        return taps

    def _prepare(self, images: Sequence[np.ndarray] | np.ndarray) -> tf.Tensor:
        """The network's input, [batch_size, 299, 299, 3], zeros after the last image."""
        groups = [images] if isinstance(images, np.ndarray) else [image[np.newaxis] for image in images]
        for group in groups:
            if group.dtype != np.uint8 or group.ndim != 4 or group.shape[-1] != 3 or 0 in group.shape:
                raise ValueError(f"images must be uint8 [H, W, 3], not {group.dtype} {list(group.shape[1:])}")
        ready = tf.concat([self._preprocessing(group, self._wide) for group in groups], 0)
        return tf.pad(ready, [(0, self.batch_size - len(images))] + [(0, 0)] * 3)

    def features(self, images: Sequence[np.ndarray] | np.ndarray) -> dict[str, np.ndarray]:
        """uint8 RGB images, [N, H, W, 3] or N arrays [H, W, 3] of any sizes → {tap: [N, channels]}, N > 0.

        float32 (float64 for a float64 network). Each image is resized on its own, and batches have
        `batch_size` images, the last one padded: an image's features do not depend on the others. ValueError for images
        of another form.
        """
        if not len(images):
            raise ValueError("no images")
        parts = []
        with _full_float32():
            for start in range(0, len(images), self.batch_size):
                batch = images[start : start + self.batch_size]
                taps = self._run(self._prepare(batch))
                parts.append({tap: taps[tap].numpy()[: len(batch)] for tap in self.taps})
        return {tap: np.concatenate([part[tap] for part in parts]) for tap in self.taps}

    def protocol(self) -> dict:
        """The report's entries about this network: names, the weights' hash, resize, scaling, dtype."""
        return dict(self._protocol)

    @property
    def note(self) -> str | None:
        """A note that the weights are not the published ones, where those are known; None otherwise."""
        return self._note


def load_network(
    name: str,
    weights: str | None = None,
    dtype: str = "float32",
    preprocessing: str | None = None,
    batch_size: int = 32,
    flags: tuple[str, str] = ("--inception", "--inception_weights"),
) -> Network:
    """The network `name` (of NETWORKS) with the weights in the file `weights`, computing in `dtype` (of DTYPES).

    `preprocessing` (of PREPROCESSING) replaces the network's own; some protocols need that. `flags` are the flags that
    named the network and the file, for messages. UserError where the weights are missing or another network's;
    ValueError for an unknown name.
    """
    for value, known in ((name, NETWORKS), (dtype, DTYPES), (preprocessing or "tf1", PREPROCESSING)):
        if value not in known:
            raise ValueError(f"{value!r} is not one of {', '.join(known)}")
    spec = NETWORKS[name]
    files = _weight_files(name, weights, flags)
    path = str(weights or files[0])
    preprocessing = preprocessing or spec.preprocessing
    recipe = PREPROCESSING[preprocessing]
    protocol = {
        "network": name,
        "weights_file": Path(path).name,
        "weights_sha256": _sha256(files),
        "preprocessing": preprocessing,
        "resize": recipe.name,
        "scaling": f"(x - {recipe.centre:g}) / {recipe.scale:g}",
        "dtype": dtype,
    }
    note = publication_note(files[0]) if name in ("keras", "fid2015") else None
    return Network(name, spec.read(path), protocol, preprocessing, dtype, batch_size, note)
