"""Caches and records on disk: a flipped, cut or foreign byte is noticed, and the content made again where possible.

`--cases=1000` draws that many mutations of each kind of file.
"""

import json

import numpy as np
import pytest

from ffgan_tf.evaluation import features as evaluation_features
from ffgan_tf.evaluation.colour_probe import ColourProbe
from ffgan_tf.metrics.statistics import FeatureStatistics
from ffgan_tf.run.checkpoints import Checkpoints
from ffgan_tf.training import feature_cache
from ffgan_tf.utils.errors import UserError


def mutated(content: bytes, random: np.random.Generator) -> bytes:
    """`content` with a bit flipped, bytes cut out, doubled, replaced, swapped, or its end gone; never the same."""
    changed = bytearray(content)
    kind, start = random.integers(6), int(random.integers(max(len(content), 1)))
    if kind == 0 and content:
        changed[start] ^= 1 << int(random.integers(8))
    elif kind == 1:
        del changed[start:]
    elif kind == 2:
        del changed[start : start + int(random.integers(1, 9))]
    elif kind == 3:
        changed[start:start] = random.bytes(int(random.integers(1, 9)))
    elif kind == 4:
        changed[start : start + 8] = random.bytes(8)
    else:
        changed = bytearray(random.bytes(int(random.integers(0, 200))))
    return bytes(changed) if bytes(changed) != content else content + b"\0"


def test_evaluation_caches_are_what_was_written_or_made_again(tmp_path, draw_cases):
    path = tmp_path / "chunk.npz"
    arrays = {"pool": np.arange(24, dtype=np.float32).reshape(6, 4), "probs": np.full((6, 3), 1 / 3, np.float32)}
    evaluation_features._save(path, arrays)
    whole = path.read_bytes()
    actual = evaluation_features._load(path, 6)
    assert all(np.array_equal(actual[name], arrays[name]) for name in arrays) and len(actual) == 2
    assert np.array_equal(np.load(path)["pool"], arrays["pool"]), "an .npz for other programs, too"

    def case(seed):
        path.write_bytes(mutated(whole, np.random.default_rng(seed)))
        assert evaluation_features._load(path, 6) is None

    draw_cases(60, case)


@pytest.mark.parametrize("kind", ["statistics", "probe"])
def test_statistics_and_probe_are_refused_unless_whole(tmp_path, draw_cases, kind):
    path, random = tmp_path / "stored.npz", np.random.default_rng(0)
    if kind == "statistics":
        FeatureStatistics.of(random.normal(size=(20, 3))).save(path)
        load = FeatureStatistics.load
    else:
        images = random.integers(0, 256, (8, 32, 32, 3), np.uint8)
        ColourProbe.fit(images, ["red", "blue"] * 4, key="k").save(path)
        load = ColourProbe.load
    whole = path.read_bytes()
    load(path)

    def case(seed):
        path.write_bytes(mutated(whole, np.random.default_rng(seed)))
        with pytest.raises(UserError, match=r"stored\.npz: .*Fix: "):
            load(path)

    draw_cases(40, case)


def test_damsm_feature_folders_are_whole_or_made_again(tmp_path, draw_cases, monkeypatch):
    monkeypatch.setattr(feature_cache, "LOCAL_SHAPE", (2, 2, 3))
    monkeypatch.setattr(feature_cache, "POOLED_SIZE", 4)
    folder = tmp_path / "00000"
    folder.mkdir()
    np.save(folder / "local.npy", np.ones((5, 2, 2, 2, 3), np.float16))
    np.save(folder / "pooled.npy", np.ones((5, 2, 4), np.float16))
    digests = {name: feature_cache.sha256_file(folder / name) for name in feature_cache.FILES}
    (folder / feature_cache.DIGESTS).write_text(json.dumps(digests))
    assert feature_cache._whole(folder, (5, 2))
    assert not feature_cache._whole(folder, (4, 2))
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}

    def case(seed):
        random = np.random.default_rng(seed)
        name = sorted(whole)[random.integers(2)] if seed % 3 else "local.npy"
        (folder / name).write_bytes(mutated(whole[name], random))
        try:
            assert not feature_cache._whole(folder, (5, 2))
        finally:
            (folder / name).write_bytes(whole[name])

    draw_cases(60, case)


BEST = {"step": 500, "metric": "fid", "value": 42.5}


def wrong_best(random):
    """A `best.json` that says nothing of use, as text: other types, fields missing, no JSON at all."""
    values = [None, True, "x", -1, 1.5, [], {}, [500], {"step": 500}, float("nan"), float("inf"), "500", 10**400]
    value = dict(BEST)
    for name in random.choice(list(BEST), random.integers(1, 4), replace=False):
        if random.integers(2):
            value.pop(name)
        else:
            value[name] = values[random.integers(len(values))]
    text = json.dumps(value)
    depth = 10 ** int(random.integers(2, 6))
    others = [
        "",
        "{",
        "null",
        "[]",
        "500",
        '"fid"',
        "[" * depth,
        "[" * depth + "]" * depth,
        "\0",
        text[:-3],
        "{'step': 1}",
    ]
    return text if random.integers(3) else others[random.integers(len(others))]


def test_a_wrong_best_json_never_costs_the_best_checkpoint(tmp_path, draw_cases):
    def meaning(text):
        try:
            value = json.loads(text)
            assert set(value) == set(BEST) and type(value["step"]) is int and value["step"] >= 0
            assert isinstance(value["metric"], str) and type(value["value"]) in (int, float)
            return value if abs(value["value"]) < float("inf") else None
        except (ValueError, AssertionError, TypeError, RecursionError, OverflowError):
            return None

    folder = tmp_path / "checkpoints"

    def case(seed):
        text = wrong_best(np.random.default_rng(seed))
        folder.mkdir(exist_ok=True)
        (folder / "best.json").write_text(text)
        checkpoints = Checkpoints(folder, keep=1)
        if value := meaning(text):
            assert checkpoints.best() == value
        else:
            with pytest.raises(UserError, match=r"best\.json: .*Fix: "):
                checkpoints.best()
            with pytest.raises(UserError, match=r"best\.json"):
                checkpoints.remove_leftovers()

    draw_cases(60, case)


def test_a_valid_but_changed_best_json_is_refused(tmp_path, draw_cases):
    """Another step or value that could well be: it would let the true best checkpoint be removed."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()

    def case(seed):
        random, checkpoints = np.random.default_rng(seed), Checkpoints(folder)
        (folder / "best.json").unlink(missing_ok=True)
        checkpoints.mark_best(int(random.integers(10**6)), "fid", float(np.round(random.uniform(1, 300), 2)))
        before, content = checkpoints.best(), json.loads((folder / "best.json").read_text())
        name = ("step", "metric", "value")[random.integers(3)]
        content[name] = "loss" if name == "metric" else content[name] + int(random.choice([-1, 1, 10, 1000])) or 7
        (folder / "best.json").write_text(json.dumps(content))
        with pytest.raises(UserError, match=r"best\.json is not as it was written .*Fix: "):
            checkpoints.best()
        del content["sha256"]  # written by hand, or by an older version
        (folder / "best.json").write_text(json.dumps(content))
        if content["step"] >= 0:
            assert checkpoints.best() == content != before

    draw_cases(60, case)


def test_saving_beside_a_damaged_best_json_removes_nothing(tmp_path, capsys):
    import tensorflow as tf

    checkpoints, checkpoint = Checkpoints(tmp_path / "checkpoints", keep=1), tf.train.Checkpoint(step=tf.Variable(1))
    checkpoints.save(checkpoint, 1)
    checkpoints.mark_best(1, "fid", 3.0)
    (tmp_path / "checkpoints" / "best.json").write_text("{")
    for step in (2, 3, 4):
        checkpoints.save(checkpoint, step)
    assert checkpoints.steps() == [1, 2, 3, 4]
    assert "best.json" in capsys.readouterr().err
