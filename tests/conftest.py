"""What several test folders share."""

import os
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from ffgan_tf.data.convert.conversion import Item, Settings, Source, convert

ROOT = Path(__file__).parents[1]
UNSHARE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-ec")
# XLA reads it once. Its code is run for a step or two: LLVM's optimisation takes four times as long as all the rest.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "white", "black", "brown", "grey")


# The longest test files first; the rest as found.
LONGEST = (
    *("training/test_replicas.py", "training/test_family_runs.py", "training/test_kill.py", "run/test_old_runs.py"),
    *("training/test_train_cli.py", "training/test_faults.py", "training/test_damsm_training.py"),
    *("training/test_step_variants.py", "training/test_gan_step.py", "models/test_families.py", "test_evaluate.py"),
)


@pytest.hookimpl(trylast=True)  # after -m and -k: the one case is of those that they leave
def pytest_collection_modifyitems(config, items):
    """What comes last should be short: `make test` gives each of its processes a file at a time, in this order."""
    ranks = {ROOT / "tests" / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))
    if config.getoption("--one-of-each"):
        cases: dict[str, list] = {}
        for item in items:
            cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
        kept = set()
        for name, of_a_test in cases.items():
            everywhere = [item for item in of_a_test if not item.get_closest_marker("skipif")] or of_a_test
            # Another place for each test, the same at every run: together they meet most families and settings.
            kept.add(everywhere[zlib.crc32(name.encode()) % len(everywhere)])
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = [item for item in items if item in kept]


def pytest_configure(config):
    """A process of several has one thread: more would wait for each other, a seventh of all work. Commands have all."""
    if hasattr(config, "workerinput"):
        with mock.patch.dict(os.environ, TF_CPP_MIN_LOG_LEVEL="2"):  # it warns of every library that is not there
            import tensorflow as tf

            tf.config.threading.set_intra_op_parallelism_threads(1)
            tf.config.threading.set_inter_op_parallelism_threads(1)


def pytest_addoption(parser):
    parser.addoption("--cases", type=int, default=0, help="drawn cases of each test in tests/faults; 0: a few")
    parser.addoption(
        "--one-of-each", action="store_true", help="one case of each parametrised test: what make test-new runs"
    )


@pytest.fixture
def draw_cases(request) -> Callable[[int, Callable[[int], None]], None]:
    """`draw_cases(few, case)` runs `case(seed)` for `few` seeds, or `--cases`; all failures are counted, then told."""

    def run(few: int, case: Callable[[int], None]) -> None:
        total, failures = request.config.getoption("--cases") or few, []
        for seed in range(total):
            try:
                case(seed)
            except (Exception, pytest.fail.Exception) as error:
                failures.append(f"seed {seed}: {type(error).__name__}: {error}")
        assert not failures, f"{len(failures):,} of {total:,} cases failed:\n" + "\n".join(failures[:20])

    return run


def make_records(root: Path, image_size: int = 64) -> Path:
    """Converts 24 training and 8 test images of 6 classes for S = `image_size`, ten captions each of 4 to 31 words."""
    random = np.random.default_rng(7)
    items = []
    for split, classes, images in (("train", (1, 2, 3, 4), 6), ("test", (5, 6), 4)):
        for class_id in classes:
            for number in range(images):
                name = f"class_{class_id}/image_{number}"
                image, captions = root / f"{name}.png", root / f"{name}.txt"
                image.parent.mkdir(parents=True, exist_ok=True)
                pixels = random.integers(0, 256, (12, 10 + number, 3), np.uint8)
                Image.fromarray(pixels).resize((80 + 7 * number, 90), Image.Resampling.BICUBIC).save(image)
                captions.write_text(
                    "".join(
                        f"a {colour} bird number {number}" + " with a wing" * (3 * i if i < 4 else 0) + "\n"
                        for i, colour in enumerate(COLOURS)
                    ),
                    encoding="utf-8",
                )
                items.append(Item(split, name, image, class_id, captions))
    source = Source("tiny", str(root), items, {i: f"class_{i}" for i in range(1, 7)})
    convert(source, root / "records", Settings(image_size=image_size, workers=1, images_per_shard=10))
    return root / "records"


@pytest.fixture(scope="module")
def unoptimised_graphs() -> Iterator[None]:
    """TensorFlow runs graphs as they were written: a quarter less time for a graph that runs a few steps."""
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


@pytest.fixture(scope="session")
def tiny_records(tmp_path_factory) -> Path:
    """The folder of a converted data set of 24 training and 8 test images; not to be written to."""
    return make_records(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def large_records(tmp_path_factory) -> Path:
    """The same data set for S = 256."""
    return make_records(tmp_path_factory.mktemp("large"), 256)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, tiny_records) -> Path:
    """The folder of a run of tiny networks at step 30 on the tiny data set; not to be written to."""
    from tiny_run import make_run

    folder = tmp_path_factory.mktemp("runs") / "tiny"
    make_run(folder, tiny_records)
    return folder


@pytest.fixture
def small_disk() -> Callable[[Path, str, list], subprocess.CompletedProcess]:
    """Runs a command that sees a file system of its own, so large (as in `512k`) and empty, at a folder."""
    mount = 'mount -t tmpfs -o "size=$1" none "$2" && shift 2 && exec "$@"'

    def run(folder: Path, size: str, command: list) -> subprocess.CompletedProcess:
        return subprocess.run(
            [*UNSHARE, mount, "sh", size, str(folder), *map(str, command)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=600,
        )

    try:
        allowed = subprocess.run([*UNSHARE, mount, "sh", "4k", "/mnt", "true"], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no unshare here to mount a small disk with")
    if allowed.returncode:
        pytest.skip(f"no right to mount a small disk here: {allowed.stderr.strip()}")
    return run
