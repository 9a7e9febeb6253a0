"""FF-GAN: text-to-image generation by feature fusion, in TensorFlow 2 and Keras.

    import ffgan_tf
    model = ffgan_tf.load("runs/cub")
    images = model.generate("a small yellow bird", count=4, seed=1)  # uint8 (4, 256, 256, 3)

The names in `__all__` are imported on first use: `import ffgan_tf` alone loads neither TensorFlow nor NumPy. It does
choose Keras: the code is written to the Keras 2 API, which TensorFlow up to 2.15 contains and later versions take from
`tf-keras` if `TF_USE_LEGACY_KERAS=1` is set *before* TensorFlow is imported. On 2.15 that variable breaks the import,
so it is set only where it is needed.
"""

import importlib.util
import os
import re

__version__ = "0.1.0"

__all__ = [
    "DamsmConfig",
    "Discriminator",
    "Explanation",
    "Generator",
    "ImageEncoder",
    "ModelConfig",
    "Reading",
    "TextEncoder",
    "TextToImage",
    "TrainConfig",
    "UnknownWords",
    "UserError",
    "Vocabulary",
    "fid",
    "inception_score",
    "kid",
    "load",
    "parse_seeds",
    "prdc",
    "r_precision",
    "tokenize",
]

TYPE_CHECKING = False  # as typing's, without importing it
if TYPE_CHECKING:
    from ffgan_tf.config import DamsmConfig, ModelConfig, TrainConfig
    from ffgan_tf.data.captions import Vocabulary, tokenize
    from ffgan_tf.metrics.fid import fid
    from ffgan_tf.metrics.inception_score import inception_score
    from ffgan_tf.metrics.kid import kid
    from ffgan_tf.metrics.prdc import prdc
    from ffgan_tf.metrics.r_precision import r_precision
    from ffgan_tf.models.discriminator import Discriminator
    from ffgan_tf.models.generator import Generator
    from ffgan_tf.models.image_encoder import ImageEncoder
    from ffgan_tf.models.text_encoder import TextEncoder
    from ffgan_tf.run.reading import Reading, UnknownWords
    from ffgan_tf.run.text_to_image import Explanation, TextToImage, load
    from ffgan_tf.utils.errors import UserError
    from ffgan_tf.utils.seeds import parse_seeds

_HOMES = {
    "ffgan_tf.config": ("DamsmConfig", "ModelConfig", "TrainConfig"),
    "ffgan_tf.data.captions": ("Vocabulary", "tokenize"),
    "ffgan_tf.metrics.fid": ("fid",),
    "ffgan_tf.metrics.inception_score": ("inception_score",),
    "ffgan_tf.metrics.kid": ("kid",),
    "ffgan_tf.metrics.prdc": ("prdc",),
    "ffgan_tf.metrics.r_precision": ("r_precision",),
    "ffgan_tf.models.discriminator": ("Discriminator",),
    "ffgan_tf.models.generator": ("Generator",),
    "ffgan_tf.models.image_encoder": ("ImageEncoder",),
    "ffgan_tf.models.text_encoder": ("TextEncoder",),
    "ffgan_tf.run.reading": ("Reading", "UnknownWords"),
    "ffgan_tf.run.text_to_image": ("Explanation", "TextToImage", "load"),
    "ffgan_tf.utils.errors": ("UserError",),
    "ffgan_tf.utils.seeds": ("parse_seeds",),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module 'ffgan_tf' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value  # found without this function from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _tensorflow_version() -> tuple[int, int] | None:
    """The version, such as (2, 15), of the installed TensorFlow, without importing it; None if there is none."""
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or spec.origin is None:
        return None
    # The metadata are beside the package. importlib.metadata would search all of sys.path and load half the library.
    for name in os.listdir(os.path.dirname(os.path.dirname(spec.origin))):
        match = re.match(r"(?:tensorflow(?:_cpu|_macos|_intel)?|tf_nightly)-(\d+)\.(\d+)\..*\.dist-info$", name)
        if match:
            return int(match[1]), int(match[2])
    from importlib import metadata

    for name in ("tensorflow", "tensorflow-cpu", "tensorflow-macos"):
        try:
            major, minor = metadata.version(name).split(".")[:2]
            return int(major), int(minor)
        except metadata.PackageNotFoundError:
            continue
    return None


def _choose_keras() -> None:
    version = _tensorflow_version()
    if version and version >= (2, 16):
        os.environ["TF_USE_LEGACY_KERAS"] = "1"


_choose_keras()
