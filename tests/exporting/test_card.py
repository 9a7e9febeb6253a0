"""The model card as its readers take it: a YAML head for model hubs, Markdown whose tables and lists are whole."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ffgan_tf.config import TrainConfig
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.exporting.card import card, plain, sheet_webp
from ffgan_tf.run.model_file import ModelFile

SPLITS = {
    "train": {"images": 1800, "captions": 18000, "classes": 150},
    "test": {"images": 6, "captions": 60, "classes": 5},
}
ABOUT = {
    "software": "ffgan_tf 0.1.0",
    "run": "demo",
    "checkpoint": {"state.index": "ab" * 32},
    "images_seen": 128_000,
    "license": "apache-2.0",
    "notes": ["Rendered birds,\nnot photographs.", "# no heading"],
    "data": {"folder": "records", "name": "cub: \"birds\"", "stored": "JPEG 4:4:4, quality 100", "splits": SPLITS},
    "figures": [
        {"kind": "evaluation", "fid": 2.4142, "count": 600, "reference_count": 599, "protocol": {"name": "ffgan"},
         "network": {"name": "keras", "weights_sha256": "cd" * 32}, "seed": 2020, "notes": ["a remark."]},
        {"measure": "colour_agreement", "colour_agreement": 0.8512, "real": 0.98, "chance": 0.125, "count": 6},
    ],
    "sentences": ["this bird is red, with a *short* beak", "a [blue] bird"],
}  # fmt: skip


def made(kind="safetensors", about=ABOUT, **options) -> str:
    config = TrainConfig.of(image_size=64, ngf=16, data="records")
    model = ModelFile(Path("x"), "birds", config, Vocabulary(["<end>", "a", "bird"]), 8000, "ema", about)
    return card(model, kind, "birds.safetensors", **options)


def head_of(text: str) -> dict:
    """The head as a reader of YAML has it: what may hold any text stands there as JSON, which is YAML."""
    lines = [line.partition(": ") for line in text.split("---\n")[1].splitlines()]
    return {key: json.loads(value) if value[0] in '["' and key != "tags" else value for key, _, value in lines}


def test_its_head_is_yaml():
    head = head_of(made())
    assert head["license"] == "apache-2.0" and head["datasets"] == ['cub: "birds"'] and head["language"] == "en"
    assert head["pipeline_tag"] == "text-to-image" and head["library_name"] == "ffgan_tf" and "gan" in head["tags"]
    assert head_of(made("saved_model"))["library_name"] == "tensorflow"


def test_a_reader_of_yaml_agrees():
    yaml = pytest.importorskip("yaml")
    assert yaml.safe_load(made().split("---\n")[1])["datasets"] == ['cub: "birds"']


def test_what_is_known_is_said():
    text = made(sentences=ABOUT["sentences"], image="birds.webp", digests={"birds.safetensors": "ef" * 32})
    for wanted in (
        "![2 sentences, an image each, seed 1](birds.webp)",
        "captions of test images",
        "\n1. this bird is red, with a \\*short\\* beak\n2. a \\[blue\\] bird\n",
        "| train | 1,800 | 18,000 | 150 |\n| test | 6 | 60 | 5 |\n\n",
        "| FID | 2.414 |\n\n",
        "Protocol `ffgan`, 600 generated and 599 real images, network `keras`",
        "Notes: a remark.",
        "| images that show the colour of their sentence | 0.851 |",
        "Rendered birds, not photographs.",
        "\\# no heading",
        "at step 8,000, its moving average (EMA)",
        "8,000 steps, 128,000 images seen",
        "\n    --ngf=16\n",
        "the 2 words",
        f"| SHA-256 of birds.safetensors | `{'ef' * 32}` |\n",
        f"| SHA-256 of the checkpoint's state.index | `{'ab' * 32}` |",
        "64×64",
    ):
        assert wanted in text, wanted
    assert "--seed=" not in text  # a default
    assert "float16" not in text and "float16" in made(dtype="float16")
    assert not re.search(r"[{}]{2}|{%|\n{3}", text)
    assert text.count("|---|") == 4 and text.endswith("|\n")


def test_what_is_not_known_is_not_claimed():
    text = made(about={"data": {"folder": "records"}})
    assert "Data set `records`; its manifest was not there" in text and "None were measured" in text
    assert 'license: "other"' in text and "![" not in text and "images seen" not in text
    assert "Data set `unknown`" in made(about={})


def test_its_python_is_python():
    """Both kinds' examples compile, and name the file and a sentence."""
    for kind in ("safetensors", "saved_model"):
        [code] = re.findall(r"```python\n(.*?)```", made(kind, sentences=['a "red" bird']), re.S)
        compile(code, kind, "exec")
        assert '"birds.safetensors"' in code and 'a \\"red\\" bird' in code


def test_plain():
    assert plain("a_b*c\n  <d>") == "a\\_b\\*c \\<d\\>"


def test_the_image_holds_the_images():
    images = np.zeros((5, 64, 64, 3), np.uint8)
    images[..., 0] = 200
    with Image.open(io.BytesIO(sheet_webp(images, ["a red bird"] * 5))) as opened:
        assert opened.format == "WEBP"
        shown = np.asarray(opened.convert("RGB")).astype(int)
    red = (np.abs(shown - [200, 0, 0]).max(axis=-1) < 30).mean()
    assert red * shown.shape[0] * shown.shape[1] == pytest.approx(5 * 128 * 128, rel=0.05)
