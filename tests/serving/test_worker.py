"""The worker's queue, with a sampler that only writes down what it is given."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from ffgan_tf.serving.worker import Busy, Job, Stopped, Wanted, Worker


class Recorder:
    """Stands in for a sampler: an image is its seed and number; `gate` holds a batch until it is opened."""

    def __init__(self):
        self.batches, self.gate, self.threads = [], threading.Event(), set()

    def __call__(self, tokens, seeds, numbers, bounds):
        self.threads.add(threading.current_thread().name)
        self.batches.append(list(zip(seeds, numbers)))
        assert self.gate.wait(60)
        if 13 in seeds:
            raise RuntimeError("unlucky")
        return np.array(self.batches[-1])

    def explain(self, ids, seed, number, truncation):
        self.batches.append("maps")
        return seed


def jobs_of(run, *counts, seed=1):
    return [Job(run, [Wanted((1,), seed + i, n, 0.0) for n in range(count)]) for i, count in enumerate(counts)]


@pytest.fixture
def recorders():
    return {"one": Recorder(), "two": Recorder()}


@pytest.fixture
def worker(recorders):
    worker = Worker(
        {name: SimpleNamespace(sampler=sampler) for name, sampler in recorders.items()}, batch=4, capacity=20
    )
    worker.alike = {"one": [0, 0, 0, 0], "two": [0, 0, 0, 3]}
    yield worker
    for sampler in recorders.values():
        sampler.gate.set()
    if worker._thread.ident:
        worker.stop()


def finish(worker, recorders, jobs):
    for job in jobs:
        worker.submit(job)
    for sampler in recorders.values():
        sampler.gate.set()
    worker._thread.start()
    return [np.stack(job.wait()).tolist() for job in jobs]


def test_batches_are_filled_across_jobs_in_order(worker, recorders):
    results = finish(worker, recorders, jobs_of("one", 3, 1, 6))
    assert recorders["one"].batches[:2] == [[(1, 0), (1, 1), (1, 2), (2, 0)], [(3, n) for n in range(4)]]
    assert recorders["one"].batches[2][:2] == [(3, 4), (3, 5)] and len(recorders["one"].batches) == 3
    assert results == [[[1, 0], [1, 1], [1, 2]], [[2, 0]], [[3, n] for n in range(6)]]
    assert recorders["one"].threads == {"worker"}


def test_an_image_gets_a_place_like_that_which_it_would_have_alone(worker, recorders):
    """On `two` the last place computes otherwise: only the fourth, eighth, … image of a request may take it."""
    results = finish(worker, recorders, jobs_of("two", 1, 4, 1))
    first, second = recorders["two"].batches
    assert first == [(1, 0), (2, 0), (2, 1), (2, 3)] and second[:2] == [(2, 2), (3, 0)]
    assert results == [[[1, 0]], [[2, 0], [2, 1], [2, 2], [2, 3]], [[3, 0]]]


def test_runs_share_no_batch_and_the_oldest_goes_first(worker, recorders):
    first, second = jobs_of("one", 2, 2)
    (other,) = jobs_of("two", 2)
    finish(worker, recorders, [first, other, second])
    assert recorders["one"].batches == [[(1, 0), (1, 1), (2, 0), (2, 1)]] and len(recorders["two"].batches) == 1
    assert recorders["two"].batches[0][:2] == [(1, 0), (1, 1)]


def test_maps_are_computed_alone_in_their_turn(worker, recorders):
    maps = Job("one", [Wanted((1,), 7, 0, 0.0)], maps=True)
    finish(worker, recorders, [*jobs_of("one", 1), maps, *jobs_of("one", 1, seed=9)])
    assert recorders["one"].batches[0][:2] == [(1, 0), (9, 0)] and recorders["one"].batches[1:] == ["maps"]
    assert maps.wait() == [7]


def test_the_queue_is_bounded_and_says_when_to_come_again(worker):
    worker.submit(jobs_of("one", 15)[0])
    with pytest.raises(Busy) as caught:
        worker.submit(jobs_of("one", 6)[0])
    assert caught.value.seconds >= 1
    worker.submit(jobs_of("one", 5)[0])
    assert worker.waiting() == 20


def test_places_move_up(worker, recorders):
    first, second = jobs_of("one", 5, 2)
    worker.submit(first)
    worker.submit(second)
    assert worker.place(second)[:2] == (5, 2) and worker.place(first)[:2] == (0, 5)
    worker._thread.start()
    while not recorders["one"].batches:  # four of the first are being computed
        pass
    assert worker.place(second)[:2] == (5, 2) and worker.waiting() == 3
    recorders["one"].gate.set()
    second.wait()
    assert worker.place(second) == (0, 0, 0.0)


def test_what_goes_wrong_reaches_those_it_concerns(worker, recorders):
    good, bad, after = jobs_of("one", 4)[0], jobs_of("one", 6, seed=13)[0], jobs_of("two", 1)[0]
    for job in (good, bad, after):
        worker.submit(job)
    for sampler in recorders.values():
        sampler.gate.set()
    worker._thread.start()
    assert len(good.wait()) == 4 and len(after.wait()) == 1
    with pytest.raises(RuntimeError, match="unlucky"):
        bad.wait()
    assert worker.waiting() == 0 and len(recorders["one"].batches) == 2  # its other two images are not tried


def test_stopping_finishes_the_batch_and_fails_the_rest(worker, recorders):
    first, second = jobs_of("one", 4, 4)
    worker.submit(first)
    worker.submit(second)
    worker._thread.start()
    while not recorders["one"].batches:
        pass
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    while not worker._stopping:
        pass
    recorders["one"].gate.set()
    stopping.join(60)
    assert len(first.wait()) == 4
    with pytest.raises(Stopped):
        second.wait()
    with pytest.raises(Stopped):
        worker.submit(jobs_of("one", 1)[0])
