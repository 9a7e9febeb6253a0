"""What the API answers, without HTTP: checked requests in, JSON's objects out."""

import base64
import threading
import time
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ffgan_tf import __version__
from ffgan_tf.data.captions import Vocabulary, tokenize
from ffgan_tf.run.reading import Reading, read_sentence
from ffgan_tf.serving.requests import AttentionRequest, GenerateRequest, Refused
from ffgan_tf.serving.worker import Busy, Job, Wanted, Worker
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.image_files import png_bytes
from ffgan_tf.visuals.maps import light

if TYPE_CHECKING:
    from ffgan_tf.run.text_to_image import TextToImage

# The page offers those of which a run knows every word: birds, rendered birds, flowers.
EXAMPLES = (
    "this bird has a yellow belly, black wings and a short pointed bill",
    "a bird with a red body, white wings and a long tail",
    "a small blue bird with a yellow crown",
    "this bird has a white breast, brown wings and a curved bill",
    "this flower has pink petals and a yellow center",
    "a flower with long purple petals",
    "the petals are white and the stamen are yellow",
    "a red bird",
    "a small bird",
)
MOST_EXAMPLES = 4


def base64_png(image: np.ndarray, settings: Mapping[str, Any] | None = None) -> str:
    """An image as PNG (`png_bytes`) in base64."""
    return base64.b64encode(png_bytes(image, settings)).decode("ascii")


def describe_words(text: str, vocabulary: Vocabulary, reading: Reading | None) -> dict[str, Any]:
    """How a sentence was read, as JSON: its words in order, each used, left out or cut, and the same as three lists.

    `reading` None: no word is known.
    """
    left = len(reading.words) if reading else 0
    tokens = []
    for word in tokenize(text):
        known = bool(vocabulary.encode(word)[0])
        tokens.append({"word": word, "status": ("used" if left > 0 else "cut") if known else "left_out"})
        left -= known
    return {
        "text": text,
        "tokens": tokens,
        "words": list(reading.words) if reading else [],
        "left_out": [token["word"] for token in tokens if token["status"] == "left_out"],
        "cut": list(reading.cut) if reading else [],
    }


class Service:
    """The runs that are served, by their names, the default first, and the worker that computes for them.

    `requests`: how many may be in progress at once; more are refused as Busy.
    """

    def __init__(self, models: Mapping[str, "TextToImage"], worker: Worker, requests: int = 56):
        self.models, self.worker = models, worker
        self._room = threading.BoundedSemaphore(requests)
        self._tickets: dict[str, Job] = {}
        self._lock = threading.Lock()

    @property
    def runs(self) -> list[str]:
        """The names, the default first."""
        return list(self.models)

    def describe(self, run: str) -> dict[str, Any]:
        """A run as users may know it: by its name, never by its path."""
        model = self.models[run]
        known = [text for text in EXAMPLES if not model.vocabulary.encode(text)[1]]
        return {
            "run": run,
            "step": model.step,
            "ema": model.ema,
            "image_size": model.image_size,
            "vocabulary": len(model.vocabulary) - 1,  # without <end>
            "examples": known[:MOST_EXAMPLES],
            "version": __version__,
        }

    def vocabulary(self, run: str) -> dict[str, Any]:
        """All words that a run knows."""
        return {"run": run, "words": self.models[run].vocabulary.words[1:]}

    def queue(self, ticket: str | None) -> dict[str, Any]:
        """What waits, and where the request of a ticket stands; `known` false before it comes and after it is done."""
        found: dict[str, Any] = {"waiting": self.worker.waiting(), "capacity": self.worker.capacity, "known": False}
        with self._lock:
            job = self._tickets.get(ticket or "")
        if job is not None:
            ahead, left, seconds = self.worker.place(job)
            found |= {"known": True, "ahead": ahead, "left": left, "seconds": round(seconds, 1)}
        return found

    def generate(self, asked: GenerateRequest) -> dict[str, Any]:
        """Images of sentences, with the bytes of `TextToImage.generate`. Raises Refused, Busy, Stopped."""
        began = time.monotonic()
        model = self.models[asked.run]
        readings = [self._read(model, text, f"texts[{i}]") for i, text in enumerate(asked.texts)]
        wanted = [
            Wanted(reading.ids, asked.seed, number, asked.truncation)
            for reading in readings
            for number in range(asked.count)
        ]
        with self._place():
            images = self._compute(Job(asked.run, wanted), asked.ticket)
            results = []
            for i, reading in enumerate(readings):
                own = images[i * asked.count : (i + 1) * asked.count]
                pngs = [
                    base64_png(image, self._settings(asked, reading.sentence, number))
                    for number, image in enumerate(own)
                ]
                words = describe_words(reading.sentence, model.vocabulary, reading)
                results.append(words | {"images": [{"number": n, "png": png} for n, png in enumerate(pngs)]})
        return self._head(asked) | {
            "count": asked.count,
            "results": results,
            "seconds": round(time.monotonic() - began, 3),
        }

    def attention(self, asked: AttentionRequest) -> dict[str, Any]:
        """Where A_1 and A_2 look for each word of an image, as light: a grey PNG a word, to multiply the image by.

        `mean` and `peak` of the attention's numbers stand beside it. Raises as `generate`.
        """
        model = self.models[asked.run]
        reading = self._read(model, asked.text, "text")
        wanted = Wanted(reading.ids, asked.seed, asked.number, asked.truncation)
        with self._place():
            generated = self._compute(Job(asked.run, [wanted], maps=True), None)[0]
            maps = [level[0, :, :, : len(reading.words)].astype(np.float32) for level in generated.attention]
            levels = [
                {
                    "name": f"A_{number}",
                    "size": level.shape[0],
                    "words": [
                        {
                            "png": base64_png(np.rint(255 * light(level[..., t])).astype(np.uint8)),
                            "mean": round(float(level[..., t].mean()), 5),
                            "peak": round(float(level[..., t].max()), 5),
                        }
                        for t in range(len(reading.words))
                    ],
                }
                for number, level in enumerate(maps, 1)
            ]
        return self._head(asked) | {
            "text": asked.text,
            "number": asked.number,
            "words": list(reading.words),
            "levels": levels,
        }

    def _read(self, model: "TextToImage", text: str, where: str) -> Reading:
        try:
            return read_sentence(text, model.vocabulary, where)
        except UserError as error:
            raise Refused(422, str(error), **describe_words(text, model.vocabulary, None)) from None

    @contextmanager
    def _place(self):
        if not self._room.acquire(blocking=False):
            raise Busy(self.worker.retry_after())
        try:
            yield
        finally:
            self._room.release()

    def _compute(self, job: Job, ticket: str | None) -> list[Any]:
        self.worker.submit(job)
        if ticket is None:
            return job.wait()
        with self._lock:
            self._tickets[ticket] = job
        try:
            return job.wait()
        finally:
            with self._lock:
                if self._tickets.get(ticket) is job:  # two requests may have chosen the same ticket
                    del self._tickets[ticket]

    def _head(self, asked: GenerateRequest | AttentionRequest) -> dict[str, Any]:
        model = self.models[asked.run]
        return {
            "run": asked.run,
            "step": model.step,
            "ema": model.ema,
            "image_size": model.image_size,
            "seed": asked.seed,
            "truncation": asked.truncation,
        }

    def _settings(self, asked: GenerateRequest, text: str, number: int) -> dict[str, Any]:
        """What a PNG says about itself: all that `generate` needs to make it again."""
        model = self.models[asked.run]
        return {
            "Software": f"ffgan_tf {__version__}",
            "run": asked.run,
            "step": model.step,
            "ema": model.ema,
            "text": text,
            "seed": asked.seed,
            "number": number,
            "truncation": asked.truncation,
        }
