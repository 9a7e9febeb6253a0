"""A run's settings in its folder: `config.json`, flat, by the settings' names, with the run's kind and a digest.

`resolve` starts from them when the folder has them, so that `--run=DIR` alone resumes the run.

The digest (SHA-256 of kind and settings) detects a file that was damaged or edited by hand. To edit on purpose: edit,
then resume with --allow_config_change, which updates the digest; or remove the line "sha256".
"""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from absl import flags

from ffgan_tf.config import DamsmConfig, TrainConfig
from ffgan_tf.config.checks import check
from ffgan_tf.config.fields import Settings
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import write_json

T = TypeVar("T", bound=Settings)
KIND, DIGEST, MARKS = "kind", "sha256", "sha256_by_setting"  # keys of config.json beside the settings
MARK = 4  # hex digits of each setting's own digest, to name the changed settings
KINDS: tuple[type[Settings], ...] = (TrainConfig, DamsmConfig)
WHAT = {"gan": "a GAN's run", "damsm": "a text encoder's run (DAMSM)"}


def config_path(run: str | Path) -> Path:
    """The file of a run's settings."""
    return Path(run) / "config.json"


def save(config: Settings, run: str | Path) -> None:
    """Writes the full resolved settings into the run's folder, with their kind and digests."""
    write_json(config_path(run), to_json(config))


def to_json(config: Settings) -> dict[str, Any]:
    """The full settings as JSON values, with their kind and digests: the content of config.json."""
    values = {KIND: config.kind, **config.flat()}
    return {**values, **digests(values)}


def from_json(config_class: type[T], kept: dict[str, Any]) -> T:
    """The checked settings in what `to_json` made, which came from elsewhere than a run's folder.

    Raises ValueError, TypeError or UserError: of another kind, changed since, by an unknown name, out of bounds.
    """
    if kept.get(KIND) != config_class.kind:
        raise ValueError(f"settings of kind {kept.get(KIND)!r}, not {config_class.kind!r}")
    values = {name: value for name, value in kept.items() if name not in (DIGEST, MARKS)}
    if digests(values)[DIGEST] != kept.get(DIGEST):
        raise ValueError("its settings are not as they were written")
    config = _from_json(config_class, kept)
    check(config)
    return config


def digests(values: dict[str, Any]) -> dict[str, str]:
    """The digest of settings as JSON values, independent of order and layout, and a mark for each, by name."""

    def sha256(value: Any) -> str:
        return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()

    return {DIGEST: sha256(values), MARKS: "".join(sha256([name, values[name]])[:MARK] for name in sorted(values))}


def load(config_class: type[T], run: str | Path, accept_edits: Callable[[str], None] | None = None) -> T:
    """Reads a run's settings.

    Raises UserError where the folder is no run or another command's, where the settings are not ours, and where the
    file was changed; with `accept_edits`, that is called with what was changed instead.
    """
    path = config_path(run)
    if not path.is_file():
        raise UserError(
            f"{path} is missing: --run={run} is not the folder of a run. Fix: name one, or train one: "
            f"python -m {config_class.command} --flagfile=experiments/"
            f"{'demo' if config_class is TrainConfig else 'damsm_demo'}.cfg"
        )
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(kept, dict):
            raise TypeError("no JSON object")
        _check_kind(config_class, kept, run)
        _check_digest(config_class, kept, run, accept_edits)
        return _from_json(config_class, kept)
    except (ValueError, TypeError, OSError, RecursionError) as error:
        raise UserError(
            f"{path} is damaged or of another version ({error}). Fix: put the run's own file back."
        ) from None


def _from_json(config_class: type[T], kept: dict[str, Any]) -> T:
    """The settings in a parsed config.json, by their current or former names. TypeError for an unknown name or type."""
    values = {}
    rest = {name: value for name, value in kept.items() if name not in (KIND, DIGEST, MARKS)}
    for _, field in config_class.fields():
        legacy = rest.pop(field.metadata["old_name"], field.metadata["legacy_default"])
        values[field.name] = value = rest.pop(field.name, legacy)
        if type(value) not in ((int, float) if field.type is float else (field.type,)):
            raise TypeError(f"{field.name}: {value!r}")
    return config_class.of(**values, **rest)


def _names(config_class: type[Settings]) -> set[str]:
    """All names that a kind's config.json may hold, former ones too."""
    fields = [field for _, field in config_class.fields()]
    return {KIND, DIGEST, MARKS, *(field.name for field in fields), *(field.metadata["old_name"] for field in fields)}


def _check_kind(config_class: type[Settings], kept: dict[str, Any], run: str | Path) -> None:
    """UserError where the settings are another command's: by their kind, or, in older runs, by their names."""
    for other in KINDS:
        if other is config_class:
            continue
        by_name = KIND not in kept and set(kept) <= _names(other) and not set(kept) <= _names(config_class)
        if kept.get(KIND) == other.kind or by_name:
            encoder = Path(run) / "text_encoder"
            use = f", and a GAN takes its encoder with --text_encoder={encoder}" if other is DamsmConfig else ""
            raise UserError(
                f"--run={run} is {WHAT[other.kind]}, made by {other.command}; {WHAT[config_class.kind]} is wanted "
                f"here. Fix: name another folder. (python -m {other.command} --run={run} resumes it{use}.)"
            )


def _check_digest(
    config_class: type[Settings], kept: dict[str, Any], run: str | Path, accept_edits: Callable[[str], None] | None
) -> None:
    """UserError, or a call of `accept_edits`, where the settings were changed since they were written. Runs of older
    versions have no digest."""
    if DIGEST not in kept:
        return
    values = {name: value for name, value in kept.items() if name not in (DIGEST, MARKS)}
    now = digests(values)
    if now[DIGEST] == kept[DIGEST]:
        return
    problem = f"{config_path(run)} is not as it was written: {_changed(values, str(kept.get(MARKS)), now[MARKS])}"
    if not accept_edits:
        command = f"python -m {config_class.command} --run={run} --allow_config_change"
        raise UserError(
            f"{problem}. Fix: put the run's own file back; if this was edited on purpose, {command} accepts it, "
            f'as does removing its line "{DIGEST}".'
        )
    accept_edits(problem)


def _accepted(problem: str) -> None:
    print(f"note: {problem}; accepted (--allow_config_change)", file=sys.stderr)


def _changed(values: dict[str, Any], before: str, now: str) -> str:
    """The changed settings, as far as their marks show."""
    if len(before) != len(now):
        return "settings were added or removed"
    changed = [
        f"{name}={values[name]!r}"
        for i, name in enumerate(sorted(values))
        if before[MARK * i : MARK * i + MARK] != now[MARK * i : MARK * i + MARK]
    ]
    if not changed:
        return "its digest has changed, its settings have not"
    return f"changed: {', '.join(changed)}" if len(changed) <= 5 else f"{len(changed)} settings have changed"


def differences(old: Settings, new: Settings) -> dict[str, tuple[Any, Any]]:
    """Settings in which the two differ: name → (old, new)."""
    now = new.flat()
    return {name: (was, now[name]) for name, was in old.flat().items() if was != now[name]}


def resolve(
    config_class: type[T], run: str | Path, allow_change: bool, flag_values: flags.FlagValues = flags.FLAGS
) -> tuple[T, dict[str, tuple[Any, Any]]]:
    """The settings of a run: those of its folder, if any, overridden by the flags on the command line; checked.

    Returns the settings and their differences from the folder's. `allow_change` accepts changed settings that are not
    resumable, and an edited config.json; otherwise either raises UserError.
    """
    names = [field.name for _, field in config_class.fields()]
    from_flags = {name: flag_values[name].value for name in names if flag_values[name].present}
    if not config_path(run).is_file():
        config = config_class.of_given(**from_flags)
        check(config)
        return config, {}
    old = load(config_class, run, accept_edits=_accepted if allow_change else None)
    config = old.replace(**from_flags)
    check(config)
    changed = differences(old, config)
    resumable = {field.name for _, field in config_class.fields() if field.metadata["resumable"]}
    blocking = {name: pair for name, pair in changed.items() if name not in resumable}
    if blocking and not allow_change:
        listing = "; ".join(
            f"--{name}: {was!r} in {config_path(run)}, now {now!r}" for name, (was, now) in blocking.items()
        )
        raise UserError(
            f"the run was started with other settings. {listing}. Fix: leave those flags out, choose another "
            "--run, or add --allow_config_change."
        )
    return config, changed
