"""Requests as checked objects: each field of their JSON is checked before anything is computed."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ffgan_tf.utils.seeds import LIMIT

MOST_BYTES = 16 << 10  # of a body
MOST_TEXTS = 16
MOST_CHARACTERS = 500  # of a sentence
MOST_IMAGES = 64  # of a request
MOST_TRUNCATION = 10.0  # beyond it the noise is the normal distribution to more than float32's digits
MOST_TICKET = 64  # characters


class Refused(Exception):
    """A request that is answered with an error: `status` of HTTP, a message, and further fields of its JSON."""

    def __init__(self, status: int, message: str, **fields: Any):
        super().__init__(message)
        self.status, self.fields = status, fields


@dataclasses.dataclass(frozen=True)
class GenerateRequest:
    """`count` images of each of `texts`: the arguments of `TextToImage.generate`, and the run's name."""

    texts: tuple[str, ...]
    count: int
    seed: int
    truncation: float
    run: str
    ticket: str | None  # under which the page asks for its place in the queue


@dataclasses.dataclass(frozen=True)
class AttentionRequest:
    """The attention of one image: the arguments of `TextToImage.explain`, and the run's name."""

    text: str
    seed: int
    number: int
    truncation: float
    run: str


def read_json(body: bytes) -> dict[str, Any]:
    """A body as an object. Raises Refused for anything else: not UTF-8, not JSON, NaN, a list, nested too deeply."""

    def constant(name: str):
        raise ValueError(f"{name} is no JSON")

    try:
        found = json.loads(body.decode("utf-8"), parse_constant=constant)
    except RecursionError:
        raise Refused(400, "the body is nested too deeply.") from None
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are of this kind; so is an int too long
        raise Refused(400, f"the body is not JSON: {error}.") from None
    if not isinstance(found, dict):
        raise Refused(400, 'the body is not an object. Fix: {"texts": ["a small yellow bird"]}')
    return found


def generate_request(fields: Mapping[str, Any], runs: Sequence[str]) -> GenerateRequest:
    """Checks the fields of POST /v1/generate. `runs`: the names there are, the default first. Raises Refused."""
    _check_names(fields, GenerateRequest)
    texts = fields.get("texts")
    if not isinstance(texts, list) or not 1 <= len(texts) <= MOST_TEXTS:
        raise Refused(400, f"texts: a list of 1 to {MOST_TEXTS} sentences.")
    count = _whole(fields, "count", 1, 1, MOST_IMAGES)
    if len(texts) * count > MOST_IMAGES:
        raise Refused(400, f"{len(texts)} texts × count {count}: at most {MOST_IMAGES} images a request.")
    ticket = fields.get("ticket")
    if ticket is not None and not (isinstance(ticket, str) and ticket.isascii() and 0 < len(ticket) <= MOST_TICKET):
        raise Refused(400, f"ticket: 1 to {MOST_TICKET} ASCII characters.")
    return GenerateRequest(
        texts=tuple(_sentence(text, f"texts[{i}]") for i, text in enumerate(texts)),
        count=count,
        seed=_whole(fields, "seed", 1, 0, LIMIT - 1),
        truncation=_truncation(fields),
        run=run_name(fields.get("run"), runs),
        ticket=ticket,
    )


def attention_request(fields: Mapping[str, Any], runs: Sequence[str]) -> AttentionRequest:
    """Checks the fields of POST /v1/attention, as `generate_request`."""
    _check_names(fields, AttentionRequest)
    return AttentionRequest(
        text=_sentence(fields.get("text"), "text"),
        seed=_whole(fields, "seed", 1, 0, LIMIT - 1),
        number=_whole(fields, "number", 0, 0, MOST_IMAGES - 1),
        truncation=_truncation(fields),
        run=run_name(fields.get("run"), runs),
    )


def run_name(name: Any, runs: Sequence[str]) -> str:
    """One of the names of `runs`; the first for None. Raises Refused (404)."""
    if name is None:
        return runs[0]
    if name not in runs:
        raise Refused(404, f"run: no such run here. Fix: one of {', '.join(runs)}.")
    return name


def _check_names(fields: Mapping[str, Any], request: type) -> None:
    known = [field.name for field in dataclasses.fields(request)]
    for name in fields:
        if name not in known:
            raise Refused(400, f"{name[:40]!r} is no field. Fix: one of {', '.join(known)}.")


def _whole(fields: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise Refused(400, f"{name}: a whole number from {low} to {high}.")
    return value


def _truncation(fields: Mapping[str, Any]) -> float:
    value = fields.get("truncation", 0.0)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (number and 0 <= value <= MOST_TRUNCATION):  # 1e999 is infinite, and too large
        raise Refused(400, f"truncation: a number from 0 (off) to {MOST_TRUNCATION:g}.")
    return float(value)


def _sentence(text: Any, name: str) -> str:
    if not isinstance(text, str) or not 1 <= len(text) <= MOST_CHARACTERS:
        raise Refused(400, f"{name}: a sentence of 1 to {MOST_CHARACTERS} characters.")
    # Half a surrogate pair has no UTF-8, which a PNG's text is written in; controls would end or garble that text.
    if any("\ud800" <= character <= "\udfff" or (character < " " and character not in "\t\n\r") for character in text):
        raise Refused(400, f"{name}: control characters or half a surrogate pair. Fix: leave them out.")
    return text
