"""The page parsed as a browser would: it asks nothing of the network, nothing typed becomes markup, nothing is lost."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from made_runs import HOSTILE, SENTENCES, log_line, report_line

from ffgan_tf.reporting import page
from ffgan_tf.reporting.drawn import Attention, Drawn, Row, Word
from ffgan_tf.reporting.images import Picture, data_uri
from ffgan_tf.utils.grid import grid, png

VOID = {"meta", "img", "input", "br", "link", "hr"}


class Parsed(HTMLParser):
    """Elements with their attributes and their own text; checks that tags are closed in order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.open = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), attributes
        self.elements.append((tag, dict(attributes), []))
        if tag not in VOID:
            self.open.append((tag, self.elements[-1]))

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes), []))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop()[0] == tag, tag

    def handle_data(self, data):
        for _, (_, _, texts) in self.open[-1:]:
            texts.append(data)

    def all(self, tag, **wanted):
        found = [(attributes, "".join(texts)) for name, attributes, texts in self.elements if name == tag]
        return [one for one in found if all(one[0].get(name) == value for name, value in wanted.items())]

    def text(self):
        return " ".join("".join(texts) for _, _, texts in self.elements)


def drawn(runs=("birds, step 300",)):
    """What the checkpoints would draw, for hostile sentences."""
    picture = Picture(data_uri(np.zeros((8, 8, 3), np.uint8)), HOSTILE)
    rows = [Row(sentence, picture, [[picture, picture] for _ in runs]) for sentence in SENTENCES]
    looked = [Attention(runs[0], HOSTILE, picture, [Word(HOSTILE, [picture, picture], ["1 %", "2 %"])])]
    return [Drawn(rows, list(runs), looked, [1, 2])]


@pytest.fixture
def parsed(record):
    run = record(name="a<b>&", reports=[report_line(100, 50.0), report_line(300, 40.0)])
    run.missing.append(HOSTILE)
    return Parsed(page.render([run], drawn()))


def test_it_asks_nothing_of_the_network(parsed):
    for tag, attributes, texts in parsed.elements:
        for name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/webp;base64,", "#")), (tag, name, value[:60])
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        if tag == "style" or "style" in attributes:
            css = "".join(texts) + attributes.get("style", "")
            assert "url(" not in css and "@import" not in css and "//" not in css
    policy = parsed.all("meta", **{"http-equiv": "Content-Security-Policy"})[0][0]["content"]
    assert "default-src 'none'" in policy and "img-src data:" in policy and "http" not in policy


def test_only_our_own_script_may_run(parsed):
    [(_, script)] = parsed.all("script")
    policy = parsed.all("meta", **{"http-equiv": "Content-Security-Policy"})[0][0]["content"]
    assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy
    assert "fetch" not in script and "http" not in script and "innerHTML" not in script
    assert not [name for _, attributes, _ in parsed.elements for name in attributes if name.startswith("on")]


def test_hostile_text_is_text(parsed):
    """As caption, word, alternative text, note, folder's name and settings; nothing of it is a tag, all of it shows."""
    captions = [text for _, text in parsed.all("figcaption")]
    assert captions.count(HOSTILE) == 3 and SENTENCES[2] in captions  # once for each step
    assert HOSTILE in [text for _, text in parsed.all("strong")]
    assert HOSTILE in [text for _, text in parsed.all("li")]
    assert HOSTILE in [attributes["alt"] for attributes, _ in parsed.all("img")]
    assert any(HOSTILE in text for _, text in parsed.all("p"))
    assert "a<b>&" in parsed.all("h1")[0][1]
    assert not parsed.all("b") and "49" not in [text for _, text in parsed.all("figcaption")]


def test_it_is_accessible(parsed):
    assert parsed.all("html")[0][0]["lang"] == "en" and len(parsed.all("h1")) == len(parsed.all("main")) == 1
    assert all(attributes.get("alt") for attributes, _ in parsed.all("img"))
    ids = [attributes["id"] for _, attributes, _ in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [attributes["href"] for attributes, _ in parsed.all("a")]
    assert targets and {target.removeprefix("#") for target in targets} <= set(ids)
    assert {attributes["for"] for attributes, _ in parsed.all("label")} <= set(ids)
    assert {a["aria-labelledby"] for _, a, _ in parsed.elements if "aria-labelledby" in a} <= set(ids)
    for attributes, _ in parsed.all("svg"):
        assert attributes.get("role") == "img" and attributes["aria-label"] or attributes["aria-hidden"] == "true"
    assert all(attributes.get("scope") for attributes, _ in parsed.all("th"))


def test_the_slider_has_the_steps_and_the_last_is_shown(parsed):
    slider = parsed.all("input", type="range")[0][0]
    assert slider["data-steps"] == "100 200 300" and slider["max"] == slider["value"] == "2"
    sheets = [a for tag, a, _ in parsed.elements if tag == "div" and "sheet" in a.get("class", "").split()]
    assert [(a["data-step"], "hidden" in a) for a in sheets] == [("100", True), ("200", True), ("300", False)]
    assert all("printed" in a["class"] for a in sheets)


def test_table_2_and_the_reasons(parsed):
    cells = [text for _, text in parsed.all("td")]
    assert "13.04" in cells and "4.48 ± 0.04" in cells
    assert "FID 40.00*" in cells  # the newest, in the column of other data
    assert any("not one of the paper's" in text for _, text in parsed.all("li"))


def test_several_runs(record):
    one = record("one", seed=3, kl_weight=0.5)
    other = record("other", seed=4, kl_weight=0.5, steps=(100, 250))
    parsed = Parsed(page.render([one, other], drawn(("one, step 1", "other, step 1"))))
    rows = [a for tag, a, _ in parsed.elements if tag == "tr" and a.get("class") == "differs"]
    marks = [text for _, text in parsed.all("code") if text.startswith("--")]
    assert len(rows) == 2 and marks.count("--seed") == 2 and marks[0] == "--seed"  # in short, and among all
    assert marks.count("--kl_weight") == 1 and "0.5" in [
        text for _, text in parsed.all("strong", title="not the default")
    ]
    assert parsed.all("input", type="range")[0][0]["data-steps"] == "100 200 250 300"
    legends = [text.strip() for _, text in parsed.all("li") if text.strip() in ("one", "other")]
    assert legends.count("one") == legends.count("other") > 4
    heads = [text for _, text in parsed.all("th", scope="col")]
    assert heads.count("one, step 1") == heads.count("other, step 1") == 1
    images = [a["alt"] for a, _ in parsed.all("img") if a["alt"] == HOSTILE]
    assert len(images) >= len(SENTENCES) * (1 + 2 * 2)


def test_what_is_missing_is_said_and_the_page_still_comes(record, make):
    bare = record("bare", steps=(), samples=False)
    text = Parsed(page.render([bare], [])).text()
    assert (
        "no grid of a training step" in text
        and "checkpoints: none" in text
        and "None of these runs was evaluated" in text
    )
    folder = make("torn", steps=(100, 200))
    (folder / "samples" / "step-00000200.png").write_bytes(b"\x89PNG not an image")
    (folder / "config.json").unlink()
    from ffgan_tf.reporting.runs import read_run

    parsed = Parsed(page.render([read_run(folder)], []))
    assert "step-00000200.png: not a whole image" in parsed.text() and "config.json" in parsed.text()
    assert len(parsed.all("img")) == 1  # the whole sheet of step 100: without settings its images are not known


def test_a_large_run_stays_below_three_megabytes(make):
    """S = 256, 16 images a grid, 40 grids that compress as badly as noise blurred to an image's detail; 3,000 log
    lines. As real runs it is bounded by what is embedded, not by what there is."""
    from ffgan_tf.reporting.runs import read_run

    folder = make(
        "large", steps=(), samples=False, image_size=256, log=[log_line(step) for step in range(0, 60_000, 20)]
    )
    sentences = [f"sentence {number}" for number in range(16)]
    (folder / "samples" / "sentences.txt").write_text("\n".join(sentences), encoding="utf-8")
    noise = np.random.default_rng(0).integers(0, 256, (16, 64, 64, 3), np.uint8).repeat(4, 1).repeat(4, 2)
    sheet = png(grid(noise, sentences))
    for step in range(40):
        (folder / "samples" / f"step-{step:08d}.png").write_bytes(sheet)
    text = page.render([read_run(folder)], drawn())
    assert len(text) < 3_000_000 and "of 40 grids" in text
    shown = re.search(r'data-steps="([\d ]+)"', text)[1].split()
    assert len(shown) >= 3 and shown[0] == "0" and shown[-1] == "39"
