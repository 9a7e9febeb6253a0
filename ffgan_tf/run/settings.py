"""A run's settings in its folder: `config.json`, flat, by the settings' names.

`resolve` starts from them when the folder has them, so that `--run=DIR` alone continues.
"""

import json
from pathlib import Path
from typing import Any, TypeVar

from absl import flags

from ffgan_tf.config.checks import check
from ffgan_tf.config.fields import Settings
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import write_json

T = TypeVar("T", bound=Settings)


def config_path(run: str | Path) -> Path:
    """Where a run's folder keeps its settings."""
    return Path(run) / "config.json"


def save(config: Settings, run: str | Path) -> None:
    """Writes the full resolved settings into the run's folder."""
    write_json(config_path(run), config.flat())


def load(config_class: type[T], run: str | Path) -> T:
    """Reads a run's settings. Raises UserError where the folder is none of a run, or its settings are not ours."""
    path = config_path(run)
    if not path.is_file():
        raise UserError(
            f"{path} is missing: --run={run} is not the folder of a run. Train one first: "
            "python -m ffgan_tf.train --flagfile=experiments/demo.cfg"
        )
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        values = {}
        for _, field in config_class.fields():
            legacy = kept.pop(field.metadata["old_name"], field.metadata["legacy_default"])
            values[field.name] = value = kept.pop(field.name, legacy)
            if type(value) not in ((int, float) if field.type is float else (field.type,)):
                raise TypeError(f"{field.name}: {value!r}")
        return config_class.of(**values, **kept)
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is damaged or of another version ({error}). Fix: put the run's own file back."
        ) from None


def differences(old: Settings, new: Settings) -> dict[str, tuple[Any, Any]]:
    """Settings in which the two differ: name → (old, new)."""
    now = new.flat()
    return {name: (was, now[name]) for name, was in old.flat().items() if was != now[name]}


def resolve(
    config_class: type[T], run: str | Path, allow_change: bool, flag_values: flags.FlagValues = flags.FLAGS
) -> tuple[T, dict[str, tuple[Any, Any]]]:
    """The settings of a run: its folder's if it has some, under whatever flags were given; checked.

    Returns the settings and what they change in the folder's. Raises UserError where a changed setting is not resumable
    and `allow_change` is false.
    """
    names = [field.name for _, field in config_class.fields()]
    given = {name: flag_values[name].value for name in names if flag_values[name].present}
    if not config_path(run).is_file():
        config = config_class.of(**given)
        check(config)
        return config, {}
    old = load(config_class, run)
    config = old.replace(**given)
    check(config)
    changed = differences(old, config)
    resumable = {field.name for _, field in config_class.fields() if field.metadata["resumable"]}
    blocking = {name: pair for name, pair in changed.items() if name not in resumable}
    if blocking and not allow_change:
        listing = "; ".join(
            f"--{name}: {was!r} in {config_path(run)}, now {now!r}" for name, (was, now) in blocking.items()
        )
        raise UserError(
            f"the run was started with other settings. {listing}. Fix: leave those flags out, take another "
            "--run, or say --allow_config_change."
        )
    return config, changed
