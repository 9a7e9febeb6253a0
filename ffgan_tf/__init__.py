"""FF-GAN: text-to-image generation by feature fusion, in TensorFlow 2 and Keras.

Importing any module of the package first settles which Keras `tf.keras` means. The code is written to the Keras 2 API:
TensorFlow up to 2.15 carries it, later ones take it from `tf-keras` when `TF_USE_LEGACY_KERAS=1` is set *before*
TensorFlow is imported. On 2.15 that variable breaks the import, so it is set only where it is needed.
"""

import importlib.metadata
import os

__version__ = "0.1.0"


def _choose_keras() -> None:
    for name in ("tensorflow", "tensorflow-cpu", "tensorflow-macos"):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        major, minor = (int(part) for part in version.split(".")[:2])
        if (major, minor) >= (2, 16):
            os.environ["TF_USE_LEGACY_KERAS"] = "1"
        return


_choose_keras()
# TensorFlow logs errors at every start (CUDA factories registered twice, no driver); what matters comes as an exception.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
