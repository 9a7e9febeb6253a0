"""TF_CONFIG in every wrong shape: told at once, never left to TensorFlow, which waits."""

import json

import numpy as np
import pytest

from ffgan_tf.training.cluster import worker_rank
from ffgan_tf.utils.errors import UserError

SOUND = {"cluster": {"chief": ["a:1"], "worker": ["b.example:2222", "[::1]:3"]}, "task": {"type": "worker", "index": 1}}


def test_sound_ones(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps(SOUND))
    assert worker_rank() == (2, 3)
    monkeypatch.setenv("TF_CONFIG", json.dumps({**SOUND, "task": {"type": "chief", "index": "0"}, "environment": "x"}))
    assert worker_rank() == (0, 3)
    for nothing in ("", "{}"):
        monkeypatch.setenv("TF_CONFIG", nothing)
        assert worker_rank() == (0, 1)


WRONG = [
    None,
    True,
    -1,
    1.5,
    "x",
    [],
    {},
    [[]],
    ["b"],
    ["b:0"],
    ["b:70000"],
    ["b:2", "b:2"],
    [5],
    "b:2",
    ["http://b:2"],
]


def places(value, path=()):
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(part, (*path, key))


def test_wrong_ones_are_told_at_once(monkeypatch, draw_cases):
    every = list(places(SOUND))

    def case(seed):
        random = np.random.default_rng(seed)
        value = json.loads(json.dumps(SOUND))
        *outer, last = every[int(random.integers(len(every)))]
        inner = value
        for key in outer:
            inner = inner[key]
        kind = int(random.integers(5))
        if kind == 0 and not (last in ("chief", 0) and "cluster" in (*outer, last)):  # a cluster without chief is sound
            del inner[last]
        elif kind == 1:
            value["cluster"][["ps", "evaluator", "workers"][int(random.integers(3))]] = ["c:4"]
        elif kind == 2:
            value = WRONG[int(random.integers(len(WRONG) - 1))] or 7
        else:
            wrong = WRONG[int(random.integers(len(WRONG)))]
            inner[last] = "b:2" if wrong == "b:2" and isinstance(inner, dict) else [wrong]
        text = json.dumps(value)
        monkeypatch.setenv("TF_CONFIG", text if random.integers(8) or len(text) < 9 else text[:-2])
        with pytest.raises(UserError, match="TF_CONFIG=.*Fix: "):
            worker_rank()

    draw_cases(200, case)
