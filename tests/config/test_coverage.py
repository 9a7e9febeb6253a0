"""A new setting needs a test: one that sets it, so that its effect can fail."""

import re
from pathlib import Path

import pytest

from ffgan_tf.config import DamsmConfig, TrainConfig

TESTS = Path(__file__).resolve().parents[1]
HELPERS = ("runs.py", "networks.py", "twenty_steps.py")  # the tests' own trainings


def setting_tests(folder: Path) -> str:
    """The code of all tests but of those in tests/config, which parse flags whatever they do."""
    files = [path for path in sorted(folder.rglob("*.py")) if path.name.startswith("test_") or path.name in HELPERS]
    return "\n".join(path.read_text(encoding="utf-8") for path in files if path.parent.name != "config")


def is_set(name: str, code: str) -> bool:
    """Whether code sets the setting: `--name`, `--noname`, `name=value`, or `"name": value`."""
    return bool(re.search(rf"""--(no)?{name}\b|\b{name}=(?!=)|["']{name}["']: """, code))


@pytest.mark.parametrize("config_class", [TrainConfig, DamsmConfig])
def test_every_setting_is_set_by_a_test(config_class):
    code = setting_tests(TESTS)
    untested = [field.name for _, field in config_class.fields() if not is_set(field.name, code)]
    assert not untested, f"no test sets these; write one that shows what each does: {', '.join(untested)}"


def test_a_setting_that_no_test_names_is_found(tmp_path):
    (tmp_path / "runs.py").write_text('SETTINGS = ("--batch=5",)\n')
    (tmp_path / "other.py").write_text('SETTINGS = ("--ndf=5",)\n')
    (tmp_path / "test_it.py").write_text('train(lr_g=1)\nassert x.lr_d == 1\nrun("--noema_warmup", {"ngf": 4})\n')
    code = setting_tests(tmp_path)
    actual = {name: is_set(name, code) for name in ("lr_g", "ema_warmup", "ngf", "batch", "lr_d", "lr", "ndf")}
    assert [name for name, is_named in actual.items() if is_named] == ["lr_g", "ema_warmup", "ngf", "batch"]
