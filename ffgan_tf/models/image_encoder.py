"""DAMSM's image encoder: regions and one code of an image, in the text encoder's space (docs/model.md section 9).

A trunk turns the image into a map and a pooled vector; two linear heads bring both to d = 256. The trunk is
Inception-v3, frozen, as published, or a small network that is trained with the rest, for use without Inception
weights.
"""

import os
import sys
from pathlib import Path

import tensorflow as tf

from ffgan_tf.models.text_encoder import TEXT_DIM
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import expand_home, sha256_file
from ffgan_tf.utils.keras_files import load_weights, publication_note

INCEPTION_SIZE = 299
LOCAL_SHAPE, POOLED_SIZE = (17, 17, 768), 2048  # Inception's `mixed7` and the mean of its last map
SMALL_SIDE = 8  # regions a side of the small trunk
NOTOP = "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5"
ORIGIN = "https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/"


def resized(images: tf.Tensor, size: int) -> tf.Tensor:
    """Images (B, H, W, 3), H and W static, → (B, size, size, 3), bilinear.

    Images k times too large are first averaged over k×k pixels, so that every pixel counts: `tf.image.resize`'s own
    antialiasing has no GPU kernel.
    """
    factor = min(images.shape[1:3]) // size
    if factor > 1:
        images = tf.nn.avg_pool2d(images, factor, factor, "VALID")
    return tf.image.resize(images, [size, size])


class Heads(tf.keras.Model):
    """Map (B, H, W, C) → regions (B, H·W, d), without bias; pooled (B, C') → code (B, d). Kernels start as U(±0.1), as
    AttnGAN's."""

    def __init__(self, d: int = TEXT_DIM, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        first, second = (
            tf.keras.initializers.RandomUniform(-0.1, 0.1, None if seed is None else seed * 100 + 50 + i)
            for i in range(2)
        )
        self.region = tf.keras.layers.Dense(d, use_bias=False, kernel_initializer=first, name="region")
        self.code = tf.keras.layers.Dense(d, kernel_initializer=second, name="code")

    def call(self, local, pooled):
        regions = self.region(local)
        return tf.reshape(regions, [tf.shape(regions)[0], -1, regions.shape[-1]]), self.code(pooled)


class SmallTrunk(tf.keras.Model):
    """Stride-2 convolutions with batch norm and ReLU (ours).

    Images (B, H, W, 3) in [−1, 1], resized to `image_size` → a map (B, 8, 8, 256) and, after one more
    convolution and a global mean, (B, 512).
    """

    def __init__(self, image_size: int, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.image_size = image_size
        halvings = (image_size // SMALL_SIDE).bit_length() - 1
        widths = [max(32, 256 >> (halvings - 1 - i)) for i in range(halvings)] + [512]
        self.blocks = []
        for i, width in enumerate(widths):
            start = tf.keras.initializers.HeNormal(None if seed is None else seed * 100 + 60 + i)
            self.blocks.append(
                (
                    tf.keras.layers.Conv2D(
                        width, 3, 2, "same", use_bias=False, kernel_initializer=start, name=f"conv{i}"
                    ),
                    tf.keras.layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=f"norm{i}"),
                )
            )

    def call(self, images, training=False):
        x, local = resized(images, self.image_size), None
        for convolution, norm in self.blocks:
            local, x = x, tf.nn.relu(norm(convolution(x), training=training))
        return local, tf.reduce_mean(x, [1, 2])


class InceptionTrunk:
    """`tf.keras.applications.InceptionV3`, frozen, in inference mode: images in [−1, 1] of any size, resized to 299 →
    `mixed7` (B, 17, 17, 768) and the mean of the last map (B, 2048). Differentiable with respect to the images.

    `weights_file` and `weights_sha256` identify the weights.
    """

    def __init__(self, weights: str | Path):
        """Raises UserError where the file is damaged or belongs to another network."""
        network = tf.keras.applications.InceptionV3(
            include_top=False, weights=None, input_shape=(INCEPTION_SIZE, INCEPTION_SIZE, 3)
        )
        load_weights(
            network,
            weights,
            "Keras's InceptionV3 without its top",
            f"Fix: {NOTOP} from {ORIGIN}",
            "--trunk_weights",
        )
        self.weights_file, self.weights_sha256 = Path(weights).name, sha256_file(weights)
        if note := publication_note(weights):
            print(f"note: {note}", file=sys.stderr, flush=True)
        network.trainable = False
        pooled = tf.keras.layers.GlobalAveragePooling2D()(network.output)
        self._model = tf.keras.Model(network.input, [network.get_layer("mixed7").output, pooled])

    def __call__(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tuple(self._model(resized(images, INCEPTION_SIZE), training=False))


class ImageEncoder:
    """A trained image encoder, frozen: images (B, H, W, 3) in [−1, 1], of any size → regions (B, R, d), row by row,
    and codes (B, d), float32. Differentiable with respect to the images.

    `about` is the content of `encoder.json`. Not a tf.Module, so that a model holding one neither trains nor saves it.
    """

    def __init__(self, heads: Heads, trunk: "SmallTrunk | InceptionTrunk", about: dict):
        self._heads, self._trunk, self.about = heads, trunk, about

    def __call__(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return self._heads(*self._trunk(tf.cast(images, tf.float32)))


def inception_weights_path(
    given: str,
    flag: str = "--trunk_weights",
    what: str = "the image encoder",
    other: str = "an encoder trained with train_damsm --image_trunk=small needs none",
) -> Path:
    """The file behind `--trunk_weights`, or another `flag`: a path, or `imagenet`, which is Keras's in its cache.

    Raises a UserError that names the file to fetch and where to put it, `what` needs it, and the `other` way out.
    Nothing is downloaded unasked.
    """
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    path = Path(home, "models", NOTOP) if given == "imagenet" else expand_home(given)
    if not path.is_file():
        raise UserError(
            f"{flag}={given}: {path} is missing; {what} needs Inception-v3's ImageNet weights, "
            f"and nothing is downloaded unasked. Fix: fetch {ORIGIN}{NOTOP} and put it there, or name it "
            f"with {flag}=PATH; {other}."
        )
    return path
