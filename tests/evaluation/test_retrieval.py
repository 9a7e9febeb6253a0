"""R-precision of generated images: DAMSM's codes, the captions, and the share, all against NumPy."""

import io

import numpy as np
import pytest
from damsm_files import make_damsm
from PIL import Image

from ffgan_tf.data import pipeline, records
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.evaluation import retrieval
from ffgan_tf.evaluation.engine import evaluate_images
from ffgan_tf.evaluation.images import GeneratedImages
from ffgan_tf.evaluation.protocols import PROTOCOLS, caption_plan
from ffgan_tf.metrics.r_precision import r_precision
from ffgan_tf.run.encoder_files import load_image_encoder, load_text_encoder
from ffgan_tf.utils.errors import UserError

OURS = PROTOCOLS["ffgan"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Records of 6 test images of 3 classes, ten captions each of 1 to 30 words of 40, no two alike."""
    random, folder, actual = np.random.default_rng(1), tmp_path_factory.mktemp("data"), []
    Vocabulary(["<end>", *(f"word{i}" for i in range(1, 40))]).save(folder / records.VOCABULARY)
    buffer = io.BytesIO()
    Image.new("RGB", (76, 76), "red").save(buffer, "JPEG")
    for number in range(6):
        tokens = [random.integers(1, 40, random.integers(1, 31)).tolist() for _ in range(10)]
        texts = [" ".join(f"word{i}" for i in row) for row in tokens]
        actual.append(records.Record(f"c/{number}", number // 2, buffer.getvalue(), 76, 76, texts, tokens))
    splits = {name: records.write_split(folder, name, actual, 6, 6) for name in ("train", "test")}
    records.write_manifest(
        folder, {"format": records.FORMAT, "name": "tiny", "splits": splits, "image": {"max_size": 64}}
    )
    return folder


@pytest.fixture(scope="module")
def damsm_run(tmp_path_factory, data):
    return make_damsm(tmp_path_factory.mktemp("damsm"), Vocabulary.load(data / records.VOCABULARY))


def share(codes, own, captions, classes):
    """R-precision in NumPy where an image's rivals are all captions of other classes; `own` its caption's place."""
    hits = []
    for code, index in zip(codes, own):
        cosines = np.array([caption @ code / np.linalg.norm(caption) / np.linalg.norm(code) for caption in captions])
        hits.append(cosines[index] > cosines[classes != classes[index]].max())
    return float(np.mean(hits))


def test_noisy_codes_find_their_captions_as_often_as_in_numpy():
    random = np.random.default_rng(0)
    captions, classes = random.normal(size=(132, 16)), np.arange(132) % 4  # 99 of other classes: all are drawn
    own = random.integers(0, 132, 300)
    codes = captions[own] + random.normal(0, 1.5, (300, 16))
    expected = share(codes, own, captions, classes)
    assert 0.2 < expected < 0.8
    mean, std = r_precision(codes, captions[own], classes[own], captions, classes)
    assert mean == pytest.approx(expected)
    assert 0 < std < 3 * np.sqrt(expected * (1 - expected) / 30)
    # In the order of their success: the groups are drawn at random, so their spread stays that of chance.
    order = np.argsort((codes * captions[own]).sum(1))
    _, spread = r_precision(codes[order], captions[own][order], classes[own][order], captions, classes)
    assert spread < 3 * np.sqrt(expected * (1 - expected) / 30)


def test_the_report_of_a_run_has_it(data, damsm_run, monkeypatch, tmp_path):
    """Images of noise from 50 test captions; the rivals, 40 captions of the other classes, are all taken."""
    monkeypatch.setattr(retrieval, "WRONG", 40)
    images = np.random.default_rng(3).integers(0, 256, (50, 64, 64, 3), dtype=np.uint8)
    source = GeneratedImages(lambda indices: images[indices], 50, "noise", "noise", 7)
    actual = retrieval.retrieval_of(retrieval.Damsm(str(damsm_run)), str(data), OURS, 50, seed=5)

    class Nothing:
        """A network whose scores do not matter here."""

        def protocol(self):
            return {"network": "nothing"}

        def features(self, images):
            return {"2048": np.zeros((len(images), 3), np.float32)}

    report = evaluate_images(source, None, Nothing(), OURS, retrieval=actual, batch=7, cache_dir=tmp_path, seed=5)

    split, (text, _) = pipeline.load_split(str(data), "test"), load_text_encoder(damsm_run / "text_encoder")
    every = [(i, j) for i in range(6) for j in range(10)]
    captions = np.concatenate(
        [
            text(split.tokens[i, j, : min(25, split.lengths[i, j])][None], np.minimum(split.lengths[i, j], 25)[None])[0]
            for i, j in every
        ]
    )
    classes = split.classes[[i for i, _ in every]]
    own = [every.index(tuple(pair)) for pair in caption_plan(split.caption_counts, OURS, 50, seed=5)]
    codes = load_image_encoder(damsm_run / "image_encoder")(images / np.float32(127.5) - 1)[1].numpy()
    np.testing.assert_array_equal(actual.made_from, own)
    np.testing.assert_allclose(actual.damsm.sentence_codes(actual.captions), captions, rtol=0, atol=1e-5)
    np.testing.assert_allclose(actual.damsm.features(images)["codes"], codes, rtol=0, atol=1e-4)
    assert report["r_precision"] == pytest.approx(share(codes, own, captions, classes))
    about = report["damsm"]
    assert len(about["text_encoder_sha256"]) == len(about["image_encoder_sha256"]) == 64 and about["trunk"] == "small"
    assert (report["r_precision_wrong"], report["r_precision_captions"], report["count"]) == (40, 60, 50)
    # The codes of its own captions, disturbed: neither chance nor certainty.
    near = captions[own] + np.random.default_rng(0).normal(0, 4 * captions.std(), (50, captions.shape[1]))
    expected = share(near, own, captions, classes)
    assert actual.score(near, 5)["r_precision"] == pytest.approx(expected) and 0.3 < expected < 1


def test_too_few_captions_another_vocabulary_and_strangers_are_refused(data, damsm_run, tmp_path):
    damsm = retrieval.Damsm(str(damsm_run))
    with pytest.raises(UserError, match="--damsm=.*only 40 captions of other classes, 99 are needed.*Fix: "):
        retrieval.retrieval_of(damsm, str(data), OURS, 0, seed=5)  # before an image is made
    other = make_damsm(tmp_path / "other", Vocabulary.from_captions(["a red bird"]))
    with pytest.raises(UserError, match="--damsm=.*other has another vocabulary"):
        retrieval.retrieval_of(retrieval.Damsm(str(other)), str(data), OURS, 0, seed=5)
    with pytest.raises(UserError, match="not trained together"):
        retrieval.Damsm(f"{other / 'text_encoder'},{damsm_run / 'image_encoder'}")
    pair = retrieval.Damsm(f"{damsm_run / 'text_encoder'},{damsm_run / 'image_encoder'}")
    assert pair.protocol() == damsm.protocol()
    with pytest.raises(UserError, match="there is no image_encoder in it"):
        retrieval.Damsm(str(tmp_path))
