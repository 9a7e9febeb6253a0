"""One thread that owns TensorFlow: jobs wait in a bounded queue, and their images fill the sampler's fixed batch.

A forward pass takes 100 to 1,000 times as long as a reply over HTTP, and a batch that is half empty takes as long as a
full one. So a batch takes images of several jobs, in order of arrival. An image does not depend on its neighbours, but
its last bit may depend on its place in the batch (`Sampler.alike`). So each image is computed in a place that is alike
to the one `generate` would use, and every job gets the bytes that it would get alone.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from ffgan_tf.run.text_to_image import TextToImage

CAPACITY = 256  # images that may wait: about a minute at 4 images a second


class Wanted(NamedTuple):
    """One image: the token ids of its sentence, and what its noise is drawn from (`Sampler`)."""

    ids: tuple[int, ...]
    seed: int
    number: int
    truncation: float


class Busy(Exception):
    """The queue is full; `seconds` says when to ask again."""

    def __init__(self, seconds: int):
        super().__init__(f"busy: the queue is full. Fix: ask again in {seconds} s.")
        self.seconds = seconds


class Stopped(Exception):
    """The worker is stopping; jobs that still wait are not computed."""


class Place(NamedTuple):
    """Where a job stands: other jobs' images before it, its own images not yet done, and about the seconds left."""

    ahead: int
    left: int
    seconds: float


class Job:
    """Images, or with `maps` the attention of images, of one run. `wait` returns what came out, in order."""

    def __init__(self, run: str, wanted: list[Wanted], maps: bool = False):
        self.run, self.wanted, self.maps = run, wanted, maps
        self.pending = list(range(len(wanted)))  # the places in `wanted` that are in no batch yet
        self.done = 0
        self._results: list[Any] = [None] * len(wanted)
        self._error: Exception | None = None
        self._finished = threading.Event()

    def wait(self) -> list[Any]:
        """For each of `wanted` an image (S, S, 3) uint8, or `Generated` arrays of a batch of one.

        Raises Stopped, or what went wrong in the worker's thread.
        """
        self._finished.wait()
        if self._error is not None:
            raise self._error
        return self._results

    def put(self, place: int, result: Any) -> None:
        """For the worker: the result of `wanted[place]`."""
        self._results[place] = result
        self.done += 1
        if self.done == len(self.wanted):
            self._finished.set()

    def fail(self, error: Exception) -> None:
        """For the worker: the job ends with an error."""
        self.pending, self._error = [], error
        self._finished.set()


# What each place of a batch computes: the job, and which of its `wanted`; None: nothing.
Batch: TypeAlias = "list[tuple[Job, int] | None]"


class Worker:
    """The thread. `models` by their names; `batch`: that of their samplers; `capacity`: images that may wait."""

    def __init__(self, models: Mapping[str, "TextToImage"], batch: int, capacity: int = CAPACITY):
        self.batch, self.capacity = batch, capacity
        self.alike = {name: list(range(batch)) for name in models}  # every place differs, until `start` knows better
        self._models = models
        self._jobs: deque[Job] = deque()  # those with images that are in no batch yet
        self._computing: Batch = []
        self._changed = threading.Condition()
        self._stopping = False
        self._batch_seconds = 1.0  # smoothed; overwritten by the first batch after the warm-up
        self._thread = threading.Thread(target=self._work, name="worker", daemon=True)

    def start(self) -> None:
        """Starts the thread, and returns when every model has drawn images and an attention.

        The first of each takes seconds: TensorFlow prepares its graphs. Raises what goes wrong in doing so.
        """
        for name, model in self._models.items():
            self.alike[name] = model.sampler.alike()
        self._thread.start()
        for name in self._models:
            for maps in (False, True):
                job = Job(name, [Wanted((1,), 1, 0, 0.0)], maps)
                self.submit(job)
                job.wait()
        self._batch_seconds = 0.0

    def submit(self, job: Job) -> None:
        """Puts a job at the queue's end. Raises Busy where its images find no room, Stopped after `stop`."""
        with self._changed:
            if self._stopping:
                raise Stopped
            if self.waiting() + len(job.wanted) > self.capacity:
                raise Busy(self.retry_after())
            self._jobs.append(job)
            self._changed.notify()

    def waiting(self) -> int:
        """Images that are in no batch yet."""
        with self._changed:
            return sum(len(job.pending) for job in self._jobs)

    def retry_after(self) -> int:
        """Whole seconds, at least 1, after which half of what waits now will be done."""
        return min(600, max(1, math.ceil(self._seconds(self.waiting() // 2))))

    def place(self, job: Job) -> Place:
        """Where a job stands now."""
        with self._changed:
            ahead = sum(1 for taken in self._computing if taken and taken[0] is not job)
            for other in self._jobs:
                if other is job:
                    break
                ahead += len(other.pending)
            left = len(job.wanted) - job.done
            return Place(ahead if left else 0, left, self._seconds(ahead + left) if left else 0.0)

    def stop(self) -> None:
        """Fails what waits with Stopped, and returns when the batch under way is done."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _seconds(self, images: int) -> float:
        return math.ceil(images / self.batch) * self._batch_seconds

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._stopping)
                if self._stopping:
                    for job in self._jobs:
                        job.fail(Stopped())
                    self._jobs.clear()
                    return
                self._computing = taken = self._take()
            began = time.monotonic()
            try:
                results = self._compute(taken)
            except Exception as error:
                self._give_up({one[0] for one in taken if one}, error)
                continue
            spent = time.monotonic() - began
            with self._changed:
                self._computing = []
                self._batch_seconds = 0.8 * self._batch_seconds + 0.2 * spent if self._batch_seconds else spent
                for one, result in zip(taken, results):
                    if one:
                        one[0].put(one[1], result)

    def _take(self) -> Batch:
        """The next batch: the oldest image, and those after it that can be computed together with it."""
        first = self._jobs[0]
        if first.maps:
            self._jobs.popleft()
            return [(first, first.pending.pop())]
        alike = self.alike[first.run]
        free = {kind: [place for place in range(self.batch) if alike[place] == kind] for kind in set(alike)}
        batch: Batch = [None] * self.batch
        for job in self._jobs:
            if job.run != first.run or job.maps:
                continue
            left = []
            for index in job.pending:  # `generate` would compute it at its index, counted around the batch
                places = free[alike[index % self.batch]]
                if places:
                    batch[places.pop(0)] = job, index
                else:
                    left.append(index)
            job.pending = left
        self._jobs = deque(job for job in self._jobs if job.pending)
        return batch

    def _compute(self, taken: Batch) -> list[Any]:
        job, index = next(one for one in taken if one)
        sampler = self._models[job.run].sampler
        if job.maps:
            return [sampler.explain(*job.wanted[index])]
        wanted = [one[0].wanted[one[1]] if one else job.wanted[index] for one in taken]
        tokens, seeds, numbers, bounds = (list(values) for values in zip(*wanted))
        return list(sampler(tokens, seeds, numbers, bounds))

    def _give_up(self, jobs: set[Job], error: Exception) -> None:
        with self._changed:
            self._computing = []
            for job in jobs:
                job.fail(error)
            self._jobs = deque(job for job in self._jobs if job not in jobs)
