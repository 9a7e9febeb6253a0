"""What a run tells: TensorBoard, `log.jsonl`, sample grids."""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf

from ffgan_tf.utils import grid
from ffgan_tf.utils.files import write_atomic


class Log:
    """TensorBoard events in `RUN/tensorboard`, one JSON line a log interval in `RUN/log.jsonl`, grids in `RUN/samples`."""

    def __init__(self, run: str | Path):
        self.run = Path(run)
        self._writer = tf.summary.create_file_writer(str(self.run / "tensorboard"))
        self._lines = open(self.run / "log.jsonl", "a", encoding="utf-8")

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Writes scalars to both places and flushes, so that a killed run has lost none."""
        with self._writer.as_default(step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self._writer.flush()
        self._lines.write(json.dumps({"step": step, **values}) + "\n")
        self._lines.flush()

    def pictures(self, step: int, images: np.ndarray, sentences: list[str], columns: int | None = None) -> Path:
        """Writes the sample grid (N, S, S, 3) uint8 with its sentences, as PNG and to TensorBoard; returns the file."""
        picture = grid.grid(images, sentences, columns)
        path = self.run / "samples" / f"step-{step:08d}.png"
        write_atomic(path, grid.png(picture))
        with self._writer.as_default(step):
            tf.summary.image("samples", picture[None])
        self._writer.flush()
        return path

    def text(self, name: str, text: str, step: int = 0) -> None:
        """A text panel in TensorBoard (Markdown)."""
        with self._writer.as_default(step):
            tf.summary.text(name, text)

    def close(self) -> None:
        """Flushes and closes both."""
        self._writer.close()
        self._lines.close()
