"""A page for sentences, and a JSON API:   python -m ffgan_tf.serve --run=runs/birds

Prints the address to open, http://127.0.0.1:8000/ by default. Several runs: --run again; the page lets one choose. Page
and API give the bytes of `ffgan_tf.load(RUN).generate`. Only this machine reaches the server, unless --host says
otherwise; there are no passwords. Ctrl-C stops it. Needs Flask and waitress: pip install "ffgan-tf[serve]".
docs/serving.md has the API and how to put the server behind another.
"""

import importlib.util
import sys
import time
import webbrowser
from pathlib import Path

from absl import flags

from ffgan_tf.config.commands import run_command
from ffgan_tf.run import source
from ffgan_tf.run.signals import StopRequest
from ffgan_tf.run.text_to_image import BATCH, TextToImage, load
from ffgan_tf.serving.guard import Guard, is_loopback
from ffgan_tf.serving.requests import MOST_IMAGES
from ffgan_tf.serving.worker import CAPACITY, Worker
from ffgan_tf.utils.errors import UserError


def define_flags() -> None:
    """The command's flags: not at import, because several commands share names."""
    flags.DEFINE_multi_string(
        "run", [], f"{source.RUN_HELP} NAME=… gives it another name; again for more, the default first."
    )
    flags.DEFINE_integer("port", 8000, "Port to listen on; 0 takes a free one.", lower_bound=0, upper_bound=65535)
    flags.DEFINE_string("host", "127.0.0.1", "Address to listen on; 0.0.0.0 lets other machines in.")
    flags.DEFINE_multi_string("allow_host", [], "A name under which browsers may ask for the server; again for more.")
    flags.DEFINE_integer("step", None, "Checkpoint to use; default the newest, -1 the best.")
    flags.DEFINE_boolean("ema", True, "Use the generator's moving average (EMA); --noema its last weights.")
    flags.DEFINE_integer(
        "batch", BATCH, "Images computed at once, as in ffgan_tf.load; more is faster on a GPU.", lower_bound=1
    )
    flags.DEFINE_integer("queue", CAPACITY, "Images that may wait; then 503.", lower_bound=MOST_IMAGES)
    flags.DEFINE_boolean("open", False, "Open the page in a browser.")


def check_extra() -> None:
    """Raises UserError where Flask or waitress is not installed."""
    missing = [name for name in ("flask", "waitress") if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f'{" and ".join(missing)}: not installed. Fix: pip install "ffgan-tf[serve]"')


def name_runs(given: list[str]) -> dict[str, Path]:
    """{name: folder or file} of every --run. Raises UserError for what is no run, and for a name that comes twice."""
    runs: dict[str, Path] = {}
    for text in given:
        name, equals, place = text.partition("=")
        if not equals or "://" in name or Path(text).exists():  # an address or a folder's name may have a = in it
            name, place = "", text
        path = source.locate(place)
        name = name or source.find(path).name
        if name in runs:
            raise UserError(f"--run: two are called {name!r}. Fix: --run=NAME=DIR")
        runs[name] = path
    return runs


def load_all(runs: dict[str, Path]) -> dict[str, TextToImage]:
    """The runs, loaded, by their names."""
    models = {}
    for name, path in runs.items():
        began = time.monotonic()
        models[name] = model = load(path, flags.FLAGS.step, flags.FLAGS.ema, batch=flags.FLAGS.batch)
        ema = " (EMA)" if model.ema else ""
        size = model.image_size
        print(f"{name}: step {model.step:,}{ema}, {size}x{size}, in {time.monotonic() - began:.1f} s", flush=True)
    return models


def main(argv: list[str]) -> int:
    """Takes the port, loads the runs, serves until a signal comes."""
    del argv
    values = flags.FLAGS
    check_extra()
    from ffgan_tf.serving.app import create_app
    from ffgan_tf.serving.server import SPARE, THREADS, listen, serving, url_of
    from ffgan_tf.serving.service import Service

    runs = name_runs(values.run)
    with listen(values.host, values.port) as bound:
        models = load_all(runs)
        worker = Worker(models, values.batch, values.queue)
        worker.start()
        app = create_app(Service(models, worker, THREADS - SPARE), Guard(values.host, values.allow_host))
        with StopRequest("stopping") as request, serving(app, bound) as thread:
            print(f"{url_of(bound)}   (Ctrl-C stops)", flush=True)
            if not is_loopback(values.host):
                print("Other machines can reach this server; it asks for no password.", file=sys.stderr, flush=True)
            if values.open:
                webbrowser.open(url_of(bound))
            while thread.is_alive() and not request.asked:
                time.sleep(0.1)
            worker.stop()
    return 0 if request.asked else 1


def cli() -> None:
    """The command ffgan-serve."""
    run_command(main, define_flags, required=["run"], wanted="A run goes into --run=DIR.")


if __name__ == "__main__":
    cli()
