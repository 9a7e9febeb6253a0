"""The model card, Markdown with a YAML head: what a model is, what it was trained on, its figures and its limits."""

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from ffgan_tf.config import TrainConfig
from ffgan_tf.data.captions import MAX_WORDS
from ffgan_tf.evaluation.report import score_rows
from ffgan_tf.run.model_file import ModelFile
from ffgan_tf.utils.grid import grid

TEMPLATE = Path(__file__).with_name("card.md.jinja")
COLUMNS = 4


def plain(text: str) -> str:
    """A sentence that Markdown shows as it is, in one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|!])", r"\\\1", " ".join(text.split()))


def card(
    model: ModelFile,
    kind: str,
    file: str,
    dtype: str = "float32",
    sentences: Sequence[str] = (),
    image: str = "",
    digests: dict[str, str] | None = None,
) -> str:
    """The card of a model, `kind` "safetensors" or "saved_model", whose file or folder is called `file`.

    `image` is the grid's file name ("": none), of `sentences`; `digests` are named besides those of the provenance.
    """
    about = model.provenance
    data = about.get("data", {})
    defaults = TrainConfig().flat()
    known = {f"the checkpoint's {name}": value for name, value in about.get("checkpoint", {}).items()}
    if about.get("text_encoder"):
        known["the text encoder's weights"] = about["text_encoder"]
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    environment.filters["plain"] = plain
    text = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        name=model.name,
        kind=kind,
        file=file,
        dtype=dtype,
        library="ffgan_tf" if kind == "safetensors" else "tensorflow",
        license=about.get("license", "other"),
        size=model.config.model.image_size,
        step=model.step,
        weights=model.weights,
        words=len(model.vocabulary) - 1,
        max_words=MAX_WORDS,
        example=min(sentences, key=len) if sentences else " ".join(model.vocabulary.words[1:4]),
        sentences=list(sentences) if image else [],
        from_test=list(sentences) == about.get("sentences"),
        image=image,
        dataset=data.get("name") or data.get("folder") or "",
        splits=data.get("splits"),
        stored=data.get("stored", ""),
        notes=about.get("notes", []),
        figures=[_figure(report) for report in about.get("figures", [])],
        images_seen=about.get("images_seen", 0),
        settings={name: value for name, value in model.config.flat().items() if value != defaults[name]},
        software=about.get("software", "ffgan_tf"),
        run=about.get("run", "unknown"),
        digests={**(digests or {}), **known},
    )
    return re.sub(r"\n{3,}", "\n\n", text)


def _figure(report: dict[str, Any]) -> dict[str, Any]:
    """A report's scores as rows, and a sentence on how they were measured."""
    count, seed = report.get("count", 0), report.get("seed")
    if report.get("measure") == "colour_agreement":
        rows = [
            ["images that show the colour of their sentence", f"{report['colour_agreement']:.3f}"],
            ["real test images, by the same probe", f"{report.get('real', float('nan')):.3f}"],
            ["chance", f"{report.get('chance', float('nan')):.3f}"],
        ]
        return {"rows": rows, "protocol": f"{count:,} images of test captions, seed {seed}."}
    network = report.get("network") or {}
    parts = [
        f"Protocol `{(report.get('protocol') or {}).get('name', 'unknown')}`",
        f"{count:,} generated and {report.get('reference_count', 0):,} real images",
        f"network `{network.get('name', network.get('network', 'unknown'))}`",
        f"its weights' SHA-256 {str(network.get('weights_sha256', 'unknown'))[:12]}…",
        f"seed {seed}",
    ]
    notes = "; ".join(str(note).rstrip(".") for note in report.get("notes", []))
    return {"rows": score_rows(report), "protocol": f"{', '.join(parts)}." + (f" Notes: {notes}." if notes else "")}


def sheet_webp(images: np.ndarray, sentences: Sequence[str]) -> bytes:
    """The card's image: (N, S, S, 3) uint8 with their sentences beneath, as WebP."""
    buffer = io.BytesIO()
    Image.fromarray(grid(images, sentences, COLUMNS)).save(buffer, "WEBP", quality=90, method=6)
    return buffer.getvalue()
