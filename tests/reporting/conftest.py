"""Folders as trainings leave them, made in a moment: no network has seen them."""

import json
from pathlib import Path

import pytest
from made_runs import SENTENCES, images, log_line

from ffgan_tf.config import TrainConfig
from ffgan_tf.reporting.runs import RunRecord, read_run
from ffgan_tf.run import settings
from ffgan_tf.utils.grid import grid, png


@pytest.fixture
def make(tmp_path):
    """`make("name", steps=…, …)` writes a run's folder and returns it."""

    def build(name="birds", steps=(100, 200, 300), log=None, reports=(), samples=True, **changed) -> Path:
        folder = tmp_path / name
        config = TrainConfig.of(
            **{"image_size": 64, "batch": 10, "steps": 400, "data": str(tmp_path / "none"), **changed}
        )
        settings.save(config, folder)
        lines = [log_line(step) for step in steps] if log is None else log
        (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        if reports:
            (folder / "metrics.jsonl").write_text(
                "".join(json.dumps(line) + "\n" for line in reports), encoding="utf-8"
            )
        (folder / "samples").mkdir()
        if samples:
            (folder / "samples" / "sentences.txt").write_text("\n".join(SENTENCES) + "\n", encoding="utf-8")
            for step in steps:
                sheet = png(grid(images(step, config.model.image_size), SENTENCES))
                (folder / "samples" / f"step-{step:08d}.png").write_bytes(sheet)
        return folder

    return build


@pytest.fixture
def record(make):
    """`record(…)`: such a folder, read."""

    def read(*arguments, **named) -> RunRecord:
        return read_run(make(*arguments, **named))

    return read
