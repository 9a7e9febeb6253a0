"""Keras's weight files (`.h5`), looked through before Keras reads them, and whether weights are the published ones.

HDF5 can link a group to itself, announce a petabyte of zeros in a kilobyte, and name other files as its content. Such a
file is refused: every group and array that Keras would read is a plain member of this file, and all together are within
`LIMITS["arrays"]`. There are damaged files, too, over which HDF5's own library never comes to an end. So all that Keras
will read is read once before in a process of its own, which has `SECONDS`.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.reading import BROKEN, LIMITS, as_unreadable, check_file

KERAS_MD5 = (  # with its top and without, as keras.applications.inception_v3 has them (`file_hash`)
    "9a0d58056eeedaa3f26cb7ebd46da564",
    "bcbd6486424b2319ff4ef7d526e38f63",
)
TORCH_SHA256 = "6726825d"  # the first digits, in the name that torch-fidelity and pytorch-fid publish their .pth under
MAX_LAYERS = 10_000
SECONDS = 120


def publication_note(path: str | os.PathLike) -> str | None:
    """A note where an Inception-v3 weights file is not the published one: `.h5` by Keras's MD5, `.pth` by its SHA-256.

    None where it is, byte for byte, and where no digest is known (the 2015 GraphDef, TF-slim checkpoints).
    """
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with as_unreadable(path, "Fix: make it readable."), open(path, "rb") as file:
        head = block = file.read(1 << 20)
        while block:
            md5.update(block)
            sha256.update(block)
            block = file.read(1 << 20)
    if head.startswith(b"\x89HDF"):
        known, whose = md5.hexdigest() in KERAS_MD5, "Keras publishes for InceptionV3's ImageNet weights"
    elif head.startswith((b"PK", b"\x80")):
        known, whose = sha256.hexdigest().startswith(TORCH_SHA256), "torch-fidelity and pytorch-fid publish"
    else:
        return None
    if known:
        return None
    return (
        f"{Path(path).name} is not a file that {whose} (SHA-256 {sha256.hexdigest()[:12]}…): figures made with it "
        "compare with nobody's, unless its weights are the same"
    )


def check_weights_file(path: str | os.PathLike, what: str, fix: str, flag: str = "") -> list[str]:
    """The layers' names in a weights file of Keras, once all that they hold is known to be plain and within bounds.

    `what` and `fix` are for the message. Raises UserError for any other file.
    """
    check_file(path, LIMITS["arrays"], flag, fix)
    package = str(Path(__file__).resolve().parents[2])
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    command = [sys.executable, "-m", "ffgan_tf.utils.keras_files", os.fspath(path)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, env=environment)
        answer = json.loads(done.stdout) if done.returncode == 0 else f"its reader ended with code {done.returncode}"
    except subprocess.TimeoutExpired:
        answer = f"reading it took more than {SECONDS} seconds"
    except ValueError as error:
        answer = str(error)
    if isinstance(answer, str):
        raise _not_weights(path, what, fix, flag, ValueError(answer))
    return answer


def read_through(path: str | os.PathLike) -> list[str]:
    """Reads all that Keras would of a weights file; the layers' names. Raises ValueError and h5py's errors; may
    never end."""
    import h5py

    with h5py.File(path, "r") as file:
        root = file["model_weights"] if "layer_names" not in file.attrs and "model_weights" in file else file
        names, arrays = _texts(root.attrs["layer_names"]), []
        for name in names:
            layer = _member(root, name)
            arrays += [_member(layer, array) for array in _texts(layer.attrs["weight_names"])]
        if sum(_plain_bytes(array) for array in arrays) > LIMITS["arrays"]:
            raise ValueError(f"its arrays take more than {LIMITS['arrays']:,} bytes")
        for array in arrays:
            array[()]
        for name in {"keras_version", "backend"} & set(root.attrs):
            root.attrs[name]
        return names


def load_weights(model, path: str | os.PathLike, what: str, fix: str, flag: str = "") -> None:
    """`model.load_weights(path)` of an `.h5` that `check_weights_file` has passed. UserError where it does not fit."""
    check_weights_file(path, what, fix, flag)
    try:
        model.load_weights(str(path))
    except BROKEN as error:
        raise _not_weights(path, what, fix, flag, error) from None


def _not_weights(path: str | os.PathLike, what: str, fix: str, flag: str, error: Exception) -> UserError:
    reason = (str(error).splitlines() or [""])[0][:200] or type(error).__name__
    return UserError(f"{flag}{'=' * bool(flag)}{path}: not a weights file of {what} ({reason}). {fix}")


def _texts(values) -> list[str]:
    if len(values) > MAX_LAYERS:
        raise ValueError(f"{len(values):,} names")
    return [value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in values]


def _member(group, name: str):
    """The member `name` (`a/b/c`) of a group, in this file only. Raises ValueError for links to other files."""
    import h5py

    for part in name.split("/"):
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise ValueError(f"{name} leads elsewhere")
        group = group[part]
    return group


def _plain_bytes(array) -> int:
    """Bytes of a dataset of numbers that lies in this file. Raises ValueError for another."""
    if array.dtype.kind not in "fiu" or array.external or array.is_virtual:
        raise ValueError(f"{array.name} is no array of numbers in this file")
    return int(array.nbytes)


if __name__ == "__main__":
    try:
        print(json.dumps(read_through(sys.argv[1])))
    except BROKEN as problem:
        print(json.dumps((str(problem).splitlines() or [""])[0][:200] or type(problem).__name__))
