"""The work due after each step, as pure functions of the settings and the step."""

from typing import NamedTuple


class Stop(NamedTuple):
    """The reason to stop before the last step: `kind` is `signal`, `time` or `worker`."""

    kind: str
    reason: str  # for the closing line


ALWAYS, OUT_OF_TIME = ("signal", "time", "worker"), ("time",)  # kinds of Stop


class Duty(NamedTuple):
    """Work every so many steps and after the last one: a grid of images, an evaluation, a validation."""

    name: str
    every: int  # steps between; 0: never, not even after the last step
    at_stop: tuple[str, ...] = ()  # kinds of Stop at which it is due as well; after a signal there may be no time
    saved: bool = False  # whether a checkpoint is saved before it, because its result belongs to one


class Shares(NamedTuple):
    """The shares of the settings' learning rates by which a step learns."""

    g: float
    d: float


class Rates(NamedTuple):
    """Learning rates: both halved each time that so many images have been seen, whatever the batch (0: never), and
    G's 0 in the first steps, in which D learns alone."""

    images: int
    batch: int
    d_first: int = 0

    def shares(self, step: int) -> Shares:
        """Those of the step after `step` steps."""
        share = 0.5 ** (step * self.batch // self.images) if self.images else 1.0
        return Shares(share if step >= self.d_first else 0.0, share)

    def steps_left(self, step: int) -> int | None:
        """Steps that learn by the same rates from `step` on; None: all."""
        left = [self.d_first - step] if step < self.d_first else []
        if self.images:
            done = step * self.batch // self.images
            left.append(-(-(done + 1) * self.images // self.batch) - step)
        return min(left, default=None)


class Due(NamedTuple):
    """The work after a step, in this order."""

    report: bool  # read the metrics, log them, print the status line
    save: bool  # write a checkpoint
    duties: tuple[str, ...]  # names of Duty, in the order of the schedule


class Schedule(NamedTuple):
    """The schedule of a run of `total` steps. `checkpoint_every` 0: only with duties, at a stop and after the last."""

    total: int
    log_every: int
    duties: tuple[Duty, ...]
    checkpoint_every: int = 0
    steps_per_call: int = 1
    rates: Rates = Rates(0, 1)

    def at(self, step: int, stop: Stop | None = None) -> Due:
        """The work due after a step; `stop` if training stops there."""
        last = step == self.total

        def falls(every: int) -> bool:
            return bool(every) and step % every == 0

        due = [
            duty
            for duty in self.duties
            if duty.every and (last or falls(duty.every) or (stop is not None and stop.kind in duty.at_stop))
        ]
        save = last or stop is not None or falls(self.checkpoint_every) or any(duty.saved for duty in due)
        report = save or bool(due) or falls(self.log_every)
        return Due(report, save, tuple(duty.name for duty in due))

    def count(self, step: int) -> int:
        """The number of steps of the next call after `step`; no step at which something is due or the rates change lies
        inside it."""
        intervals = [self.log_every, self.checkpoint_every, *(duty.every for duty in self.duties)]
        left = [every - step % every for every in intervals if every] + [self.rates.steps_left(step)]
        return min(self.steps_per_call, self.total - step, *(steps for steps in left if steps is not None))


def total_steps(steps: int, epochs: int, images: int, batch: int) -> int:
    """`steps`, or if that is 0 the steps of `epochs` passes over the images: ⌈epochs · images / batch⌉."""
    return steps or -(-epochs * images // batch)
