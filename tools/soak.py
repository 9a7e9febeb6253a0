"""Kills trainings and compares what becomes of them:   python tools/soak.py --kills=1000 --seed=1

Tiny trainings of both kinds (train, train_damsm) are killed with SIGKILL at moments drawn from --seed, and the same
command is given again until the training has ended; then another one begins, until there were --kills in all. Each
ended run is held against one that was never killed: every file must be the same, byte for byte (checkpoints with
weights and optimisers, log, duties, best, encoders, grids), but for TensorBoard's files, and for times and speeds.

What a killed process leaves depends on its last change of the disk alone. So most kills come just before a change of
the run's folder (a file opened for writing, renamed, removed; a folder made), the n-th of its process: these are all
the gaps between and inside a step's duties. Others come up to 50 ms later, which hits TensorFlow's own writing of a
checkpoint, or after so much processor time.

A parent imports TensorFlow and forks a process for each attempt. The trainings are the commands themselves, run op by
op (--graph: compiled, as users do; slower to start). FID inside training gets a small random projection in Inception's
place. Exit code 0: all alike; 1: a run differs or failed, and its folder is kept; 2: a mistake in the arguments.
"""

import argparse
import collections
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FIGURES = "figures.txt"  # what there is so far, after each run
SOON = 0.05  # seconds after a change within which a kill still hits what follows from it
HIDDEN = r"\.[0-9a-f]{12}\.(tmp|old)"  # ends the name of a file that is being written
TICKS = os.sysconf("SC_CLK_TCK")
COMMON = ("--image_size=64", "--log_every=1", "--keep_checkpoints=2")
COMMANDS = {
    "train": (
        *COMMON,
        *("--ngf=4", "--ndf=4", "--z_dim=4", "--c_dim=4", "--pyramid=none", "--dense_depth=1", "--dense_growth=4"),
        *("--batch=5", "--grid_captions=2", "--checkpoint_every=1", "--steps=4"),  # 4 images a class: no batch of one
        *("--sample_every=2", "--eval_every=2", "--eval_samples=8"),
    ),
    "train_damsm": (
        *COMMON,
        *("--image_trunk=small", "--batch=6", "--attention_images=2", "--max_words=8"),
        *("--validate_every=2", "--steps=8"),
    ),
}
CHANGES = {"os.rename": "rename", "os.remove": "remove", "os.mkdir": "make", "os.rmdir": "remove"}


class Moment(NamedTuple):
    """When to kill: at the process's `change`-th change of the run's folder, `seconds` later; or (change 0) after so
    many seconds of processor time."""

    change: int
    seconds: float


class Attempt(NamedTuple):
    """How a process ended: exit code (None: killed), what it was about to do, seconds of processor time, its changes of
    the run's folder, what it said."""

    code: int | None
    label: str
    seconds: float
    changes: int
    words: str


class Trap:
    """An audit hook that counts this process's changes of a folder and ends it at one of them."""

    def __init__(self, folder: Path, moment: Moment | None, tell: int):
        self._folder, self._moment, self._tell, self.count = str(folder), moment, tell, 0

    def __call__(self, event: str, given: tuple) -> None:
        """What `sys.addaudithook` calls, before each event."""
        if event == "open" and isinstance(given[0], str) and (given[2] or 0) & (os.O_WRONLY | os.O_RDWR):
            path, what = given[0], "write"
        elif event in CHANGES:  # shutil.rmtree names files without their folder
            path, what = str(given[1] if event == "os.rename" else given[0]), CHANGES[event]
        else:
            return
        if not path.startswith(self._folder) and event != "os.remove":
            return
        self.count += 1
        if self._moment is None or self.count != self._moment.change:
            return
        os.write(self._tell, f"{what} {kind_of(path)}".encode())
        if self._moment.seconds:
            threading.Timer(self._moment.seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
        else:
            os.kill(os.getpid(), signal.SIGKILL)


def kind_of(path: str) -> str:
    """A file's name without the number and the random part that it has while it is written."""
    name = re.sub(rf"^\.|{HIDDEN}$", "", os.path.basename(path))
    return re.sub(r"\d[\d.]*", "N", name)[:24]


class Projection:
    """In Inception's place: 16 features of an image by a fixed random matrix."""

    def features(self, images: Any) -> dict[str, Any]:
        """uint8 (N, S, S, 3) → {"2048": (N, 16)}."""
        import numpy as np

        flat = np.reshape(images, [len(images), -1]).astype(np.float64) / 255
        return {"2048": flat @ np.random.default_rng(0).standard_normal([flat.shape[1], 16])}

    def protocol(self) -> dict:
        """Its name."""
        return {"network": "projection"}


def forked(work: Callable[[], Any], words: Path, watch: Callable[[int], None] = lambda pid: None) -> tuple[int, float]:
    """Runs `work` in a forked process, its output in the file `words`; `watch` is called with its id. Returns the wait
    status and the seconds of processor time."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            output = os.open(words, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(output, 1), os.dup2(output, 2)
            code = work() or 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(code)
    watch(pid)
    _, status, usage = os.wait4(pid, 0)
    return status, usage.ru_utime + usage.ru_stime


def kill_after(seconds: float) -> Callable[[int], None]:
    """A watch that kills a process once it has used so much processor time: a busy machine changes nothing."""

    def watch(pid: int) -> None:
        while True:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if fields[0] == "Z":
                return
            if (int(fields[11]) + int(fields[12])) / TICKS >= seconds:
                os.kill(pid, signal.SIGKILL)
                return
            time.sleep(0.01)

    return watch


def attempt(command: str, run: Path, records: Path, words: Path, graph: bool, moment: Moment | None) -> Attempt:
    """One process of a training in `run`, killed at a moment or left alone."""
    ear, tell = os.pipe()

    def work() -> None:
        import importlib

        import tensorflow as tf

        import ffgan_tf.training.periodic_fid as periodic_fid

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.run_functions_eagerly(not graph)
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        periodic_fid.load_network = lambda *names, **settings: Projection()
        trap = Trap(run, moment, tell)
        sys.addaudithook(trap)
        sys.argv = [command, f"--run={run}", f"--data={records}", *COMMANDS[command]]
        try:
            importlib.import_module(f"ffgan_tf.{command}").cli()
        finally:
            os.write(tell, str(trap.count).encode())

    watch = kill_after(moment.seconds) if moment and not moment.change else lambda pid: None
    status, seconds = forked(work, words, watch)
    os.close(tell)
    told = os.read(ear, 1000).decode()
    os.close(ear)
    said = words.read_text(errors="replace")
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return Attempt(None, told or "anywhere", seconds, 0, said)
    return Attempt(os.waitstatus_to_exitcode(status), "", seconds, int(told) if told.isdigit() else 0, said)


def content(run: Path) -> dict[str, Any]:
    """A run's files by name, without what may differ: TensorBoard's, times and speeds, the run's own name, and what a
    killed process left half-written, which stays for a minute at least."""
    found: dict[str, Any] = {}
    for path in sorted(path for path in run.rglob("*") if path.is_file()):
        name = str(path.relative_to(run))
        if name.startswith("tensorboard/") or name == "lock" or re.search(rf"(^|/)\..*{HIDDEN}", name):
            continue
        found[name] = path.read_bytes()
        if name.endswith(".jsonl"):
            lines = [json.loads(line) for line in found[name].replace(bytes(run), b"RUN").splitlines()]
            found[name] = [
                {key: value for key, value in line.items() if key not in ("time", "duration_s") and "speed/" not in key}
                for line in lines
            ]
    return found


def differences(run: Path, straight: Path) -> list[str]:
    """The files in which a run differs from the one that was never killed."""
    left, right = content(run), content(straight)
    return sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))


def half_written(run: Path) -> set[Path]:
    """What stands there under the name of something that is being written."""
    return {path for path in run.rglob(".*") if path.name.endswith((".tmp", ".old"))}


def left_behind(run: Path, before: set[Path]) -> str:
    """What a killed process left, by the files alone; `before`: half-written by those before it."""
    steps = [int(path.name[5:]) for path in (run / "checkpoints").glob("step-*")]
    new = {path.name for path in half_written(run) - before}
    if any(name.startswith(".step-") and ".png" not in name for name in new):
        return "a half-written checkpoint"
    if new:
        return "another half-written file or folder"
    if not steps:
        return "no checkpoint yet"
    duties = json.loads((run / "duties.json").read_text())
    if duties["step"] == max(steps) and set(duties["due"]) - set(duties["done"]):
        return "a checkpoint with duties still due"
    return "a checkpoint, its duties done"


def draw(dice: random.Random, straight: Attempt) -> Moment:
    """A moment within the first half of what an uninterrupted run takes, so that a killed one comes on."""
    change, kind = dice.randint(1, max(straight.changes // 2, 2)), dice.random()
    if kind < 0.15:
        return Moment(0, dice.uniform(0, straight.seconds / 2))
    return Moment(change, dice.uniform(0, SOON) if kind < 0.35 else 0)


class Soak:
    """The trainings in a folder, and what their kills met."""

    def __init__(self, folder: Path, commands: list[str], graph: bool, seed: int):
        self.folder, self._graph, self._dice = folder, graph, random.Random(seed)
        self.kills: collections.Counter[str] = collections.Counter()  # by command
        self.seconds: collections.Counter[str] = collections.Counter()  # of processor time, by command
        self.met: collections.Counter[str] = collections.Counter()  # by what was left behind
        self.before: collections.Counter[str] = collections.Counter()  # by what the process was about to do
        self.runs, self.faults = 0, []
        self.straight = {command: self._process(command, self._straight(command), None) for command in commands}
        for command, ended in self.straight.items():
            if ended.code != 0:
                sys.exit(f"error: {command} fails without any kill:\n{ended.words}")

    def _straight(self, command: str) -> Path:
        return self.folder / f"{command}-straight"

    def _process(self, command: str, run: Path, moment: Moment | None) -> Attempt:
        return attempt(command, run, self.folder / "records", self.folder / "words.txt", self._graph, moment)

    def one_run(self, wanted: int, tell: Callable[[int], None]) -> None:
        """One training, killed until it ends or there were `wanted` kills in all; the command that had less time."""
        command = min(self.straight, key=lambda name: self.seconds[name])
        run = self.folder / f"run-{self.runs}"
        ended = None
        while ended is None or ended.code is None:
            enough = self.kills.total() >= wanted
            moment = None if enough else draw(self._dice, self.straight[command])
            before = half_written(run)
            ended = self._process(command, run, moment)
            self.seconds[command] += ended.seconds
            if re.search(r"damaged|Traceback|^error:", ended.words, re.MULTILINE):
                break
            if ended.code is None:
                self.kills[command] += 1
                self.met[left_behind(run, before)] += 1
                self.before[ended.label] += 1
                tell(self.kills.total())
        self.runs += 1
        different = differences(run, self._straight(command))
        if different or ended.code != 0:
            self.faults.append(f"{run} ({command}): {', '.join(different)}\n{ended.words if ended.code else ''}")
        else:
            shutil.rmtree(run)
        (self.folder / FIGURES).write_text(self.report() + "\n")

    def report(self) -> str:
        """Figures for people."""
        each = ", ".join(f"{name} {self.kills[name]:,} in {self.seconds[name]:,.0f} s" for name in self.straight)
        lines = [f"{self.kills.total():,} kills of {self.runs:,} runs ({each}); {len(self.faults)} differ"]
        for title, counts in (("left behind", self.met), ("about to", self.before)):
            lines += [f"{title}:", *(f"  {count:6,}  {name}" for name, count in counts.most_common())]
        return "\n".join([*lines, *self.faults])


def make_records(out: Path) -> None:
    """A converted data set of 20 training and 8 test images of noise; in a process of its own, as it uses
    TensorFlow."""
    import numpy as np
    from PIL import Image

    from ffgan_tf.data.convert.conversion import Item, Settings, Source, convert

    words = "red green blue white black grey brown pink small large".split()
    items, sentences = [], [f"a {word} bird" for word in words]
    for number in range(28):
        image = out.parent / "images" / f"{number}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (9, 9, 3), np.uint8)
        Image.fromarray(pixels).resize((90, 80), Image.Resampling.BICUBIC).save(image)
        image.with_suffix(".txt").write_text("\n".join(sentences))
        kind = number % 7
        items.append(Item("train" if kind < 5 else "test", f"{kind}/{number}", image, kind, image.with_suffix(".txt")))
    classes = {kind: str(kind) for kind in range(7)}
    convert(Source("noise", str(out.parent), items, classes), out, Settings(image_size=64, workers=1))


def main() -> int:
    """Kills, compares, tells."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="in all")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--out", default="", help="folder for the runs, new or empty; default: a temporary one")
    parser.add_argument("--trainings", nargs="+", choices=COMMANDS, default=list(COMMANDS), help="which; default both")
    parser.add_argument("--graph", action="store_true", help="compiled steps, as users train; slower to start")
    given = parser.parse_args()
    folder = Path(given.out or tempfile.mkdtemp(prefix="ffgan_tf-soak-")).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if given.kills < 1 or any(folder.iterdir()):
        parser.error("--kills must be 1 or more, and --out new or empty. Fix: other values.")
    sys.path.insert(0, str(ROOT))
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import ffgan_tf.training.damsm_loop
    import ffgan_tf.training.gan_loop  # noqa: F401, once for all forks; no op runs in this process
    from ffgan_tf.utils.progress import Progress

    if forked(lambda: make_records(folder / "records"), folder / "words.txt")[0]:
        sys.exit(f"error: no records: {(folder / 'words.txt').read_text()}")
    soak = Soak(folder, given.trainings, given.graph, given.seed)
    progress = Progress("kills", given.kills, "kills")
    while soak.kills.total() < given.kills:
        soak.one_run(given.kills, lambda count: progress.update(count, f"{len(soak.faults)} runs differ"))
    progress.close()
    print(soak.report(), flush=True)
    if not soak.faults and not given.out:
        shutil.rmtree(folder)
    return 1 if soak.faults else 0


if __name__ == "__main__":
    sys.exit(main())
