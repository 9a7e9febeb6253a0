"""`fid2015` against torch-fidelity's network: one file of seeded weights, the same uint8 images, every tap."""

import numpy as np
import pytest
import references
import torch
from inception_references import Weights, test_images

import ffgan_tf  # noqa: F401, settles which Keras before TensorFlow is imported

# isort: split
import tensorflow as tf

from ffgan_tf.evaluation.inception.graph import CONVS
from ffgan_tf.evaluation.inception.networks import load_network
from ffgan_tf.evaluation.inception.preprocessing import PREPROCESSING
from ffgan_tf.utils.torch_files import load_state_dict

BOUNDS = {"float32": 1e-4, "float64": 1e-9}
SIZES = [(64, 80), (256, 256), (299, 299), (500, 375)]


def relative(ours: np.ndarray, reference: np.ndarray) -> float:
    """Largest difference over the reference's largest value."""
    ours, reference = np.asarray(ours), np.asarray(reference)
    assert ours.shape == reference.shape
    return float(np.abs(ours - reference).max() / np.abs(reference).max())


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """One state dict as PyTorch writes it today and as it did in 2018."""
    folder = tmp_path_factory.mktemp("weights")
    state = references.torch_state(Weights(11), CONVS)
    torch.save(state, folder / "zip.pth")
    torch.save(state, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    return folder / "zip.pth", folder / "legacy.pth"


@pytest.fixture(scope="module")
def reference(paths):
    return references.load_network(paths[0])


@pytest.mark.parametrize("dtype", BOUNDS)
def test_every_tap(paths, reference, hold, dtype):
    ours = load_network("fid2015", str(paths[1 if dtype == "float64" else 0]), dtype, batch_size=2)
    found = {}
    for size in SIZES:
        images = test_images(2, *size)
        expected, got = references.features(reference, images, dtype), ours.features(images)
        for tap in references.TAPS:
            assert relative(expected[tap][0], expected[tap][1]) > 0.02, "the two images must differ"
            found[tap] = max(found.get(tap, 0), relative(got[tap], expected[tap]))
    for tap, difference in found.items():
        hold("torch-fidelity network", tap, dtype, difference, BOUNDS[dtype])


def test_batch_of_many(paths, reference, hold):
    """More images than a batch, the last one partial."""
    images = test_images(5, 96, 96)
    got = load_network("fid2015", str(paths[0]), batch_size=2).features(images)["2048"]
    expected = references.features(reference, images, "float32")["2048"]
    hold("torch-fidelity network", "2048, 5 in batches of 2", "float32", relative(got, expected), 1e-4)


def test_both_forms_of_the_file_hold_what_torch_reads(paths, hold):
    expected = torch.load(paths[0], weights_only=True)
    for path in paths:
        state = load_state_dict(path)
        assert list(state) == list(expected)
        difference = max(float(np.abs(state[name] - expected[name].numpy()).max()) for name in expected)
        hold("torch.load", f"{path.stem} form", "float32", difference, 0)


def test_tf1_resize(hold):
    for size in SIZES + [(32, 32)]:
        images = test_images(2, *size)
        theirs = (
            references.interpolate_bilinear_2d_like_tensorflow1x(
                references.to_nchw(images).float(), (299, 299), align_corners=False
            )
            .numpy()
            .transpose(0, 2, 3, 1)
        )
        tf1 = tf.compat.v1.image.resize_bilinear(images, (299, 299), align_corners=False).numpy()
        ours = PREPROCESSING["tf1"].resize(images, "float32").numpy()
        name = "×".join(map(str, size))
        hold("tf.compat.v1 resize_bilinear", f"ours, {name}", "float32", relative(ours, tf1), 0)
        hold("tf.compat.v1 resize_bilinear", f"torch-fidelity's, {name}", "float32", relative(theirs, tf1), 0)


@pytest.mark.parametrize("dtype", BOUNDS)
def test_pytorch_fid_preprocessing(hold, dtype):
    """As pytorch-fid does it: pixels in [0, 1], F.interpolate, 2x − 1."""
    difference = 0.0
    for size in SIZES:
        images = test_images(2, *size)
        pixels = references.to_nchw(images).to(getattr(torch, dtype)) / 255
        expected = 2 * torch.nn.functional.interpolate(pixels, (299, 299), mode="bilinear", align_corners=False) - 1
        difference = max(
            difference, relative(PREPROCESSING["pytorch_fid"](images, dtype), expected.numpy().transpose(0, 2, 3, 1))
        )
    hold("F.interpolate", "pytorch_fid preprocessing", dtype, difference, BOUNDS[dtype])
