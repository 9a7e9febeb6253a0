"""The Inception networks against the same networks executed by TensorFlow 1's own machinery, and their converters."""

import numpy as np
import pytest
from inception_references import Weights, run_graph_def, test_images, write_graph_def, write_pth, write_slim_checkpoint

import ffgan_tf  # noqa: F401, settles which Keras before TensorFlow is imported

# isort: split
import tensorflow as tf

from ffgan_tf.evaluation.inception.graph import CONVS
from ffgan_tf.evaluation.inception.networks import load_network
from ffgan_tf.evaluation.inception.weights import from_graph_def, from_keras_h5, from_slim_checkpoint, from_state_dict
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import sha256_file

TAPS = ("64", "192", "768", "2048", "logits_unbiased", "logits")


def relative(ours: np.ndarray, reference: np.ndarray) -> float:
    """Largest difference over the reference's largest value; the reference must tell its two images apart."""
    assert ours.shape == reference.shape
    assert np.abs(reference[0] - reference[1]).max() > 0.02 * np.abs(reference).max()
    return float(np.abs(ours - reference).max() / np.abs(reference).max())


def softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("inception")


@pytest.fixture(scope="module")
def graph_def(folder):
    """(path, weights, tap → node)."""
    path, weights = folder / "classify_image_graph_def.pb", Weights(1)
    return path, weights, write_graph_def(path, weights)


@pytest.fixture(scope="module")
def fid2015(graph_def):
    return load_network("fid2015", str(graph_def[0]), batch_size=2)


@pytest.fixture(scope="module")
def birds(folder):
    """(checkpoint, images, reference)."""
    images = test_images(2, 299, 299)
    return folder / "birds", images, write_slim_checkpoint(folder / "birds", Weights(2), 51, images)


def state_dict(graph_def, **changes) -> dict[str, np.ndarray]:
    """The GraphDef's weights under torch-fidelity's names and in PyTorch's order of axes; its γ is 1."""
    state = {}
    for conv in CONVS:
        values = graph_def[1].convs[conv.graph]
        state |= {
            f"{conv.name}.conv.weight": values["kernel"].transpose(3, 2, 0, 1),
            f"{conv.name}.bn.weight": np.ones(conv.filters),
            f"{conv.name}.bn.bias": values["beta"],
            f"{conv.name}.bn.running_mean": values["mean"],
            f"{conv.name}.bn.running_var": values["variance"],
            f"{conv.name}.bn.num_batches_tracked": np.zeros(()),
        }
    weights, biases = graph_def[1].dense
    state |= {"fc.weight": weights.T, "fc.bias": biases, **changes}
    return {name: value for name, value in state.items() if value is not None}


@pytest.mark.slow
def test_fid2015_against_its_graph_def(graph_def, fid2015):
    images = test_images(2, 64, 80)
    reference = run_graph_def(graph_def[0], graph_def[2], images)
    ours = fid2015.features(images)
    for tap in TAPS:
        assert ours[tap].dtype == np.float32
        assert relative(ours[tap], reference[tap]) <= 1e-5, tap
    np.testing.assert_allclose(ours["probabilities"], softmax(reference["logits_unbiased"]), atol=1e-4)
    assert fid2015.protocol() == {
        "network": "fid2015",
        "weights_file": "classify_image_graph_def.pb",
        "weights_sha256": sha256_file(graph_def[0]),
        "preprocessing": "tf1",
        "dtype": "float32",
        "resize": "TF1 ResizeBilinear (corners, no antialiasing) to 299",
        "scaling": "(x - 128) / 128",
    }


@pytest.mark.slow
def test_features_do_not_depend_on_company(fid2015):
    images = test_images(3, 40, 40)
    together = fid2015.features(images)
    assert together["2048"].shape == (3, 2048)
    mixed = fid2015.features([test_images(1, 33, 50)[0], images[2]])  # another size in the same batch
    np.testing.assert_allclose(together["2048"][2], mixed["2048"][1], rtol=1e-6, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("dtype, bound", [("float64", 1e-5), ("bfloat16", 0.05)])
def test_other_dtypes(graph_def, fid2015, dtype, bound):
    images = test_images(2, 299, 299)
    other = load_network("fid2015", str(graph_def[0]), dtype, batch_size=2)
    ours = other.features(images)
    assert ours["2048"].dtype == (np.float64 if dtype == "float64" else np.float32)
    for tap in TAPS:
        assert relative(ours[tap], fid2015.features(images)[tap]) <= bound, tap
    assert other.protocol()["dtype"] == dtype


@pytest.mark.slow
def test_stackgan_checkpoint_against_its_graph(birds):
    prefix, images, reference = birds
    ours = load_network("stackgan_birds", str(prefix), batch_size=2).features(images)
    assert relative(ours["2048"], reference["2048"]) <= 1e-5
    assert relative(ours["logits"], reference["logits"]) <= 1e-5
    np.testing.assert_allclose(ours["probabilities"], softmax(reference["logits"][:, 1:]), atol=1e-4)


@pytest.mark.slow
def test_keras_weights_against_keras(folder):
    model = tf.keras.applications.InceptionV3(weights=None)
    rng = np.random.default_rng(4)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            width = layer.beta.shape
            layer.set_weights([rng.normal(0, 0.2, width), rng.normal(0, 0.1, width), rng.uniform(0.05, 0.2, width)])
    trunk = tf.keras.Model(model.input, model.get_layer("avg_pool").output)
    model.save_weights(folder / "keras.h5")
    trunk.save_weights(folder / "keras_notop.h5")
    images = test_images(2, 299, 299)
    reference = trunk(tf.keras.applications.inception_v3.preprocess_input(images.astype(np.float32))).numpy()
    network = load_network("keras", str(folder / "keras_notop.h5"), batch_size=2)
    assert relative(network.features(images)["2048"], reference) <= 1e-5
    assert network.taps == ("64", "192", "768", "2048")  # no classes, no logits
    for part, expected in zip(from_keras_h5(str(folder / "keras.h5")).head, model.layers[-1].get_weights()):
        np.testing.assert_array_equal(part, expected)


def test_state_dict_holds_the_same_network(graph_def, folder):
    path = folder / "weights.pth"
    write_pth(path, state_dict(graph_def))
    ours, reference = from_state_dict(str(path)), from_graph_def(str(graph_def[0]))
    assert ours.last_pool == reference.last_pool == "max" and len(ours.convs) == 94
    for name, conv in reference.convs.items():
        for part, expected in zip(ours.convs[name].folded(), conv.folded()):
            np.testing.assert_array_equal(part, expected, err_msg=name)
    for part, expected in zip(ours.head, reference.head):
        np.testing.assert_array_equal(part, expected)


def test_gamma_counts_where_the_graph_says_so(graph_def, folder):
    path = folder / "scaled.pb"
    write_graph_def(path, graph_def[1], scale_after_normalization=True)
    plain, scaled = from_graph_def(str(graph_def[0])), from_graph_def(str(path))
    for conv in CONVS:
        gamma = graph_def[1].convs[conv.graph]["gamma"]
        np.testing.assert_allclose(scaled.convs[conv.name].folded()[0], plain.convs[conv.name].folded()[0] * gamma)


def test_checkpoint_of_tensorflow_0(birds):
    ours, reference = (from_slim_checkpoint(f"{birds[0]}{form}", 51) for form in (".v1", ""))
    for name, conv in reference.convs.items():
        np.testing.assert_array_equal(ours.convs[name].kernel, conv.kernel, err_msg=name)


def test_every_variable_is_accounted_for(graph_def, birds, folder):
    path = folder / "changed.pth"
    for changes, message in (
        ({"Mixed_6a.branch3x3.bn.bias": None}, r"1 missing \(Mixed_6a\.branch3x3\.bn\.bias\)"),
        ({"AuxLogits.fc.bias": np.zeros(3)}, r"1 left over \(AuxLogits\.fc\.bias\)"),
        ({"fc.bias": np.zeros(1000)}, r"1 of another shape \(fc\.bias \[1000\], not \[1008\]\)"),
    ):
        write_pth(path, state_dict(graph_def, **changes))
        with pytest.raises(UserError, match=message):
            from_state_dict(str(path))
    with pytest.raises(UserError, match=r"2 of another shape \(logits/logits/biases \[51\], not \[21\]"):
        load_network("stackgan_flowers", str(birds[0]))


def test_weights_that_are_not_there(folder, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(folder))  # an empty cache
    for name, file in (
        ("fid2015", "classify_image_graph_def.pb"),
        ("keras", "inception_v3_weights_tf"),
        ("stackgan_birds", "birds_valid299/model.ckpt"),
        ("stackgan_flowers", "flowers_valid299/model.ckpt"),
    ):
        with pytest.raises(UserError, match=rf"--inception={name} .*{file}.*--inception_weights=PATH") as raised:
            load_network(name)
        assert "http" in str(raised.value)
        with pytest.raises(UserError, match=rf"absent: no such file; --is_inception={name}.*--is_weights=PATH"):
            load_network(name, str(folder / "absent"), flags=("--is_inception", "--is_weights"))


def test_another_networks_weights(graph_def, birds, folder):
    text = folder / "page.html"
    text.write_text("<html>quota exceeded</html>")
    cut = folder / "cut.pb"
    cut.write_bytes(graph_def[0].read_bytes()[:50_000_000])
    for name, path in (
        ("fid2015", text),
        ("fid2015", cut),
        ("keras", text),
        ("keras", graph_def[0]),
        ("stackgan_birds", text),
        ("stackgan_birds", graph_def[0]),
        ("fid2015", f"{birds[0]}.index"),
    ):
        with pytest.raises(UserError, match=r"(?s)(page\.html|cut\.pb|graph_def\.pb|birds\.index).*Fix:"):
            load_network(name, str(path))


def test_images_of_another_form(fid2015):
    for images in (
        np.zeros((1, 8, 8, 3), np.float32),
        np.zeros((1, 8, 8), np.uint8),
        np.zeros((1, 8, 8, 4), np.uint8),
        [np.zeros((8, 0, 3), np.uint8)],
        [],
    ):
        with pytest.raises(ValueError, match="images"):
            fid2015.features(images)
