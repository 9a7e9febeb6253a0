"""One job of `python -m ffgan_tf.visualize`: its settings and its sheets."""

import dataclasses
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ffgan_tf import __version__
from ffgan_tf.data import records
from ffgan_tf.run.reading import UnknownWords
from ffgan_tf.run.source import Source
from ffgan_tf.visuals import compare
from ffgan_tf.visuals.sentences import Caption, choose_captions

if TYPE_CHECKING:
    from ffgan_tf.run.text_to_image import TextToImage
    from ffgan_tf.visuals.sheets import Interpolation


@dataclasses.dataclass(frozen=True)
class Task:
    """The settings of a drawing. TensorFlow is not loaded before `draw`."""

    kind: str
    run: Source | None  # None for `compare` alone
    texts: list[str]  # the user's own sentences
    captions: tuple[str, int] | None  # split, and number of captions from the data
    data: str  # folder of the converted data set; "" if none is needed
    seeds: list[int]
    truncation: float
    step: int | None
    ema: bool
    swaps: list[tuple[str, list[str]]]  # edits
    models: list[tuple[str, Path]]  # compare
    lists: dict[str, Path]  # compare: file lists by the model's name
    options: dict[str, Any]  # the kind's own flags

    def sentences(self) -> list[Caption]:
        """All sentences, the user's own first."""
        own = [Caption(text, "", -1) for text in self.texts]
        if not self.captions:
            return own
        from ffgan_tf.data.pipeline import load_split

        split = load_split(self.data, self.captions[0])
        return own + choose_captions(split.names, split.texts, self.captions[1])

    def load(self, path: Path) -> "TextToImage":
        """A run, loaded."""
        from ffgan_tf.run.text_to_image import load

        return load(path, self.step, self.ema)

    def describe(self, loaded: "TextToImage | None", sentences: list[str], **others: Any) -> dict[str, Any]:
        """The settings that go into a sheet's file. Folders by their names alone: a sheet is shown to others."""
        settings: dict[str, Any] = {"Software": f"ffgan_tf {__version__}", "kind": self.kind}
        if loaded:
            settings |= {"run": loaded.name, "step": loaded.step, "ema": loaded.ema}
        settings |= {"sentences": sentences, "seeds": self.seeds, "truncation": self.truncation}
        own = {name: value for name, value in self.options.items() if name != "list" and value not in (None, "", [])}
        if "inception_weights" in own:
            own["inception_weights"] = Path(own["inception_weights"]).name
        return settings | own | others

    def draw(self) -> Iterator[tuple[str, dict[str, Any], "np.ndarray | Interpolation"]]:
        """For each file: its name without ending, its settings, the sheet (H, W, 3) uint8 or an Interpolation."""
        captions = self.sentences()
        texts = [caption.text for caption in captions]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnknownWords)  # the command has named them
            if self.kind == "compare" or self.run is None:
                models = {name: path.resolve().name for name, path in self.models}
                yield "compare", self.describe(None, texts, model=models), self._compare(captions)
                return
            model = self.load(self.run.path)
            if self.kind == "neighbours":
                yield "neighbours", self.describe(model, texts), self._neighbours(model, texts)
            else:
                yield from self._sheets(model, texts)

    def _sheets(self, model: "TextToImage", texts: list[str]) -> Iterator[tuple[str, dict[str, Any], Any]]:
        from ffgan_tf.visuals import sheets

        cut = self.truncation
        if self.kind == "interpolate":
            film = sheets.interpolation(model, texts, self.seeds, self.options["frames"], cut)
            yield file_name(1, texts[0]), self.describe(model, texts), film
            return
        for number, text in enumerate(texts, 1):
            name = file_name(number, text)
            if self.kind == "edits":
                yield name, self.describe(model, [text]), sheets.edits_sheet(model, text, self.swaps, self.seeds, cut)
            elif self.kind == "variety":
                yield name, self.describe(model, [text]), sheets.variety_sheet(model, text, self.seeds, cut)
            for seed in self.seeds if self.kind in ("attention", "features") else ():
                own = name + (f"-seed{seed}" if len(self.seeds) > 1 else "")
                described = self.describe(model, [text], seeds=[seed])
                if self.kind == "attention":
                    yield own, described, sheets.attention_sheet(model, text, seed, cut)
                else:
                    yield own, described, sheets.features_sheet(model, text, seed, cut, self.options["channels"])

    def _neighbours(self, model: "TextToImage", texts: list[str]) -> np.ndarray:
        from ffgan_tf.visuals.neighbours import TrainingImages, neighbours_sheet

        network = None
        if self.options["by"] == "inception":
            from ffgan_tf.evaluation.inception.networks import load_network

            network = load_network(self.options["inception"], self.options["inception_weights"])
        training = TrainingImages(self.data, model.image_size, network)
        return neighbours_sheet(model, training, texts, self.seeds, self.options["neighbours"], self.truncation)

    def _compare(self, captions: list[Caption]) -> np.ndarray:
        rows, texts = [], [caption.text for caption in captions]
        for name, path in self.models:
            if not compare.is_run(path):
                rows.append(compare.folder_row(name, path, captions, self.lists.get(name)))
                continue
            model = self.load(path)
            images = model.generate(texts, seeds=self.seeds, truncation=self.truncation)
            for row, seed in enumerate(self.seeds):
                label = f"{name}, step {model.step:,}" + (f", seed {seed}" if len(self.seeds) > 1 else "")
                rows.append(compare.Row(label, list(images[row :: len(self.seeds)])))
        if self.captions and self.options["real"]:
            rows.insert(0, self._photographs(captions, rows, self.captions[0]))
        return compare.compare_sheet(rows, captions)

    def _photographs(self, captions: list[Caption], rows: list[compare.Row], split: str) -> compare.Row:
        """The real images of the captions, at the smallest stored size that serves all rows."""
        from ffgan_tf.evaluation.images import RecordImages

        wanted = max(image.shape[0] for row in rows for image in row.images if image is not None)
        largest = records.read_manifest(self.data)["image"]["max_size"]
        size = next((size for size in (largest // 4, largest // 2) if size >= wanted), largest)
        photographs = RecordImages(self.data, split, size)
        images = [
            None if c.position < 0 else next(iter(photographs.read(c.position, c.position + 1))) for c in captions
        ]
        return compare.Row("photograph", images)


def file_name(number: int, sentence: str) -> str:
    """`03-a-small-yellow-bird`."""
    return f"{number:02d}-{compare.slug(sentence)[:60].strip('-')}"
