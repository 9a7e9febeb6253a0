"""`RUN/sources.json`: SHA-256 of files outside the run that its training reads at every start, by the flag that names
them: Inception's weights, the image encoder. So a run that continues notices that they are others.

Weights that a checkpoint holds (the text encoder's) need none. Runs of older versions have no such file; the next start
writes it.
"""

from collections.abc import Mapping
from pathlib import Path

from ffgan_tf.utils.errors import UserError, report_write_errors
from ffgan_tf.utils.files import write_json
from ffgan_tf.utils.reading import read_json

SOURCES = "sources.json"
_FIX = "Fix: put the run's own file back, or remove it: the next start writes it again."


def check_sources(run: str | Path, found: Mapping[str, str]) -> None:
    """UserError where one of `found`, SHA-256 by the flag's name, is not what the run was trained with."""
    path = Path(run) / SOURCES
    if not path.is_file():
        return
    kept = read_json(path, fix=_FIX, what="the run's sources")
    for name, digest in found.items():
        if name in kept and kept[name] != digest:
            raise UserError(
                f"--{name} names other weights than this run was trained with (SHA-256 {digest[:12]}…, before "
                f"{str(kept[name])[:12]}…; {path}). Fix: name the former ones, or add --allow_config_change."
            )


def save_sources(run: str | Path, found: Mapping[str, str]) -> None:
    """Writes what the run is trained with from here on."""
    path = Path(run) / SOURCES
    with report_write_errors(path):
        write_json(path, dict(found))


def forget_sources(run: str | Path) -> None:
    """Lets a run go on with other weights (`--allow_config_change`)."""
    path = Path(run) / SOURCES
    with report_write_errors(path):
        path.unlink(missing_ok=True)
