"""Which checkpoint and which encoders are kept as the best."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from ffgan_tf.config import DamsmConfig
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.run.encoder_files import load_text_encoder, trained_together
from ffgan_tf.run.log import Log
from ffgan_tf.training import damsm_setup
from ffgan_tf.training.damsm_setup import Validate
from ffgan_tf.training.damsm_step import Damsm
from ffgan_tf.training.damsm_validation import AttentionSheet
from ffgan_tf.training.periodic_fid import PeriodicFid
from ffgan_tf.training.session import Session

VOCABULARY = Vocabulary(["<end>", "a", "bird"])


@pytest.fixture
def damsm() -> Damsm:
    return Damsm(DamsmConfig.of(image_trunk="small", image_size=64, batch=4), len(VOCABULARY), images=24)


@pytest.fixture
def session(tmp_path, damsm) -> Session:
    VOCABULARY.save(tmp_path / "records" / "vocabulary.json")
    session = Session("train", DamsmConfig.of(data=str(tmp_path / "records"), keep_checkpoints=1), tmp_path / "run")
    session.resume(damsm.checkpoint(), 100)
    return session


def test_the_lowest_fid_is_the_best(session, damsm, capsys):
    fids, refreshed = {10: 50.0, 20: 40.0, 30: 45.0, 40: 40.0}, []
    evaluator = SimpleNamespace(report=lambda step: {"fid": fids[step]})
    duty = PeriodicFid(session, evaluator, 2048, lambda: refreshed.append(True))
    for step in fids:
        session.checkpoints.save(damsm.checkpoint(), step)
        duty(step)
    assert session.checkpoints.best() == {"step": 20, "metric": "fid", "value": 40.0}
    assert session.checkpoints.steps() == [20, 40] and len(refreshed) == 4
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "step 20: FID 40.00 on 2,048 test captions, the best so far"
    assert ["best" in line for line in lines] == [True, True, False, False]


def test_a_worker_without_an_evaluator_takes_part_in_refreshing(session):
    refreshed = []
    PeriodicFid(session, None, 2048, lambda: refreshed.append(True))(10)
    assert refreshed == [True] and session.checkpoints.best() is None


class Scores:
    """A validation whose scores are given."""

    def __init__(self, values: dict[int, float], name: str):
        self.values, self.name, self.step = values, name, 0

    def __call__(self) -> dict[str, float]:
        scores = {"validation/loss": 3.0, "validation/r_precision": 0.5}
        return {**scores, f"validation/{self.name}": self.values[self.step]}

    def sheet(self) -> AttentionSheet:
        return AttentionSheet(np.zeros([1, 8, 8, 3], np.uint8), ["a bird"], 1)

    def chance(self) -> float:
        return 0.01


@pytest.mark.parametrize(
    "best_by, values, best",
    [
        ("r_precision", {1: 0.2, 2: 0.6, 3: 0.4}, 2),
        ("loss", {1: 6.0, 2: 5.0, 3: 5.5}, 2),
        ("r_precision", {1: 0.7, 2: 0.6, 3: 0.1}, 1),
    ],
)
def test_the_best_validations_encoders_are_left(session, damsm, best_by, values, best):
    damsm.config = damsm.config.replace(best_by=best_by)
    scores, log = Scores(values, best_by), Log(session.run)
    validate = Validate(session, damsm, scores, log)
    weights = {}
    for step in values:
        damsm.text_encoder.embedding.embeddings.assign_add(0.01 * np.ones_like(damsm.text_encoder.embedding.embeddings))
        weights[step] = damsm.text_encoder.embedding.embeddings.numpy()
        session.checkpoints.save(damsm.checkpoint(), step)
        scores.step = step
        validate(step)
    log.close()
    encoder, _ = load_text_encoder(session.run / "text_encoder")
    np.testing.assert_array_equal(encoder.embedding.embeddings, weights[best])
    assert json.loads((session.run / "image_encoder" / "encoder.json").read_text())["made_by"]["step"] == best
    assert session.checkpoints.best()["step"] == best and best in session.checkpoints.steps()
    lines = [json.loads(line) for line in (session.run / "log.jsonl").read_text().splitlines()]
    assert {line["step"]: line[f"validation/{best_by}"] for line in lines} == values


@pytest.mark.parametrize("killed_in", ["save_text_encoder", "save_image_encoder"])
def test_killed_between_the_best_mark_and_its_encoders_they_come_later(session, damsm, monkeypatch, killed_in):
    """An older, worse pair lies there whole: only the duty, done again, writes the better one's."""
    scores, log = Scores({1: 0.2, 2: 0.6}, "r_precision"), Log(session.run)
    validate = Validate(session, damsm, scores, log)
    session.checkpoints.save(damsm.checkpoint(), 1)
    scores.step = 1
    validate(1)
    damsm.text_encoder.embedding.embeddings.assign_add(np.ones_like(damsm.text_encoder.embedding.embeddings))
    session.checkpoints.save(damsm.checkpoint(), 2)
    scores.step = 2
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(damsm_setup, killed_in, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        validate(2)
    assert session.checkpoints.best()["step"] == 2
    validate(2)  # as `catch_up` does
    log.close()
    encoder, _ = load_text_encoder(session.run / "text_encoder")
    np.testing.assert_array_equal(encoder.embedding.embeddings, damsm.text_encoder.embedding.embeddings)
    assert trained_together(session.run / "text_encoder", session.run / "image_encoder")
