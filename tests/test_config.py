"""Settings: flags from fields, who wins, what is refused, and what a run's folder remembers."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from absl import flags

from ffgan_tf.config import ModelConfig, TrainConfig, checks
from ffgan_tf.config import flags as settings_flags
from ffgan_tf.run import settings as run_settings
from ffgan_tf.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[1]


def parsed(*arguments: str) -> flags.FlagValues:
    """The training flags after a command line."""
    values = flags.FlagValues()
    settings_flags.define_flags(TrainConfig, values)
    values(settings_flags.flagfile_first(["train", *arguments]))
    return values


def resolved(run, *arguments: str, allow_change: bool = False):
    return run_settings.resolve(TrainConfig, run, allow_change, parsed(*arguments))


def train(*arguments: str) -> subprocess.CompletedProcess:
    """`python -m ffgan_tf.train` in a process of its own."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "ffgan_tf.train", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        timeout=120,
    )


# Flags


def test_every_field_is_a_flag_with_help_default_and_type():
    values = parsed()
    for _, field in TrainConfig.fields():
        flag = values[field.name]
        assert flag.value == flag.default == field.default, field.name
        assert len(flag.help) > 10, field.name
    values = parsed("--ngf=48", "--lr_g=1e-3", "--noema_warmup", "--pyramid=none", "--data=a b")
    found = [values[name].value for name in ("ngf", "lr_g", "ema_warmup", "pyramid", "data")]
    assert found == [48, 1e-3, False, "none", "a b"]
    assert [type(value) for value in found] == [int, float, bool, str, str]


def test_defaults_are_the_papers():
    config = TrainConfig()
    checks.check(config)
    assert config.model.kernels == (7, 5, 3, 1)
    config = SimpleNamespace(**config.flat())
    assert (config.image_size, config.ngf, config.ndf, config.z_dim, config.c_dim) == (256, 32, 64, 100, 100)
    assert (config.dense_depth, config.dense_growth, config.max_words) == (4, 32, 18)
    assert (config.lr_g, config.lr_d, config.beta1, config.beta2, config.adam_epsilon) == (2e-4, 2e-4, 0.5, 0.999, 1e-8)
    assert (config.epochs, config.batch, config.ema_decay, config.kl_weight) == (600, 20, 0.999, 1.0)
    assert (config.pyramid, config.attention_query, config.fusion, config.loss_weights) == (
        "fpam",
        "f2",
        "fixed",
        "paper",
    )


@pytest.mark.parametrize("place", ["before", "after", "apart", "single dash"])
def test_command_line_beats_the_flag_file(tmp_path, place):
    file = tmp_path / "recipe.cfg"
    file.write_text("# a recipe\n--ngf=8\n--batch=7\n")
    arguments = {
        "before": [f"--flagfile={file}", "--ngf=16"],
        "after": ["--ngf=16", f"--flagfile={file}"],
        "apart": ["--ngf=16", "--flagfile", str(file)],
        "single dash": ["--ngf=16", "-flagfile", str(file)],
    }[place]
    values = parsed(*arguments)
    assert (values.ngf, values.batch) == (16, 7)


def test_of_two_flag_files_the_later_wins(tmp_path):
    for name, ngf in (("a", 8), ("b", 12)):
        (tmp_path / name).write_text(f"--ngf={ngf}\n")
    assert parsed(f"--flagfile={tmp_path / 'a'}", f"--flagfile={tmp_path / 'b'}").ngf == 12


def test_arguments_after_two_dashes_are_no_flags():
    assert settings_flags.flagfile_first(["train", "--ngf=8", "--", "--flagfile=none"]) == [
        "train",
        "--ngf=8",
        "--",
        "--flagfile=none",
    ]


RECIPES = [
    path
    for path in sorted((ROOT / "experiments").glob("*.cfg"))
    if "ffgan_tf.train " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipes_are_allowed(recipe, tmp_path):
    values = flags.FlagValues()
    settings_flags.define_flags(TrainConfig, values)
    flags.DEFINE_string("run", "", "", flag_values=values)
    values(["train", f"--flagfile={recipe}"])
    config, _ = run_settings.resolve(TrainConfig, tmp_path, False, values)
    assert config.data and values["run"].value


# What is refused, by name, with exit code 2


@pytest.mark.parametrize(
    "arguments,named",
    [
        (["--nonsense=1"], "nonsense"),
        (["--pyramid=cone"], "--pyramid"),
        (["--image_size=100"], "--image_size"),
        (["--batch=many"], "--batch"),
        (["--pyramid=none", "--pyramid_kernels=5,3"], "--pyramid_kernels"),
        (["--flagfile=no_such_recipe.cfg"], "no_such_recipe.cfg"),
        (["extra"], "'extra'"),
    ],
)
def test_mistakes_end_with_exit_code_two(tmp_path, arguments, named):
    run = tmp_path / "run"
    result = train(f"--run={run}", *arguments)
    assert result.returncode == 2, result.stderr
    assert named in result.stderr
    assert "Traceback" not in result.stderr
    assert not run.exists()


@pytest.mark.parametrize(
    "settings,named",
    [
        ({"image_size": 96}, "--image_size=96: must be one of 64, 128, 256"),
        ({"ngf": 0}, "--ngf=0: must be at least 4"),
        ({"beta1": 1.5}, "--beta1=1.5: must be at most 1"),
        ({"lr_g": float("nan")}, "--lr_g=nan"),
        ({"kl_weight": float("inf")}, "--kl_weight=inf"),
        ({"condition": "s"}, "--condition=s: must be one of ca, mu, sentence"),
        ({"pyramid_kernels": "7,five"}, "--pyramid_kernels=7,five"),
        ({"pyramid_kernels": "7,5,3,1,1"}, "--pyramid_kernels=7,5,3,1,1"),
        ({"pyramid_kernels": "3,0"}, "--pyramid_kernels=3,0"),
        ({"pyramid": "spp", "pyramid_kernels": "3"}, "--pyramid_kernels=3 contradicts --pyramid=spp"),
        ({"text_encoder": "damsm", "text_init_range": 0.5}, "--text_init_range=0.5 contradicts --text_encoder=damsm"),
    ],
)
def test_check_names_the_setting(settings, named):
    with pytest.raises(UserError) as error:
        checks.check(TrainConfig.of(**settings))
    assert named in str(error.value)


def test_kernels_are_read():
    assert ModelConfig(pyramid_kernels="5, 3").kernels == (5, 3)


# The run's folder


def test_settings_survive_the_folder(tmp_path):
    config = TrainConfig.of(ngf=8, lr_g=1.5e-4, ema_warmup=False, data="Vögel/a b", pyramid_kernels="3,3")
    run_settings.save(config, tmp_path / "run")
    assert run_settings.load(TrainConfig, tmp_path / "run") == config
    written = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))
    assert set(written) == {field.name for _, field in TrainConfig.fields()}  # all of them, defaults too


def test_a_run_from_before_a_setting_existed_stays_what_it_was(tmp_path):
    run_settings.save(TrainConfig.of(ngf=8), tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    del settings["normalise_sentence"], settings["kl_warmup"]
    (tmp_path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    config = run_settings.load(TrainConfig, tmp_path)
    assert config == TrainConfig.of(ngf=8, normalise_sentence=False)
    assert TrainConfig().model.normalise_sentence  # or this would show nothing


def test_a_new_run_takes_the_flags(tmp_path):
    config, changed = resolved(tmp_path, "--ngf=8", "--data=x")
    assert config == TrainConfig.of(ngf=8, data="x")
    assert changed == {}


def test_the_folder_alone_continues(tmp_path):
    config = TrainConfig.of(ngf=8, batch=5, data="x")
    run_settings.save(config, tmp_path)
    assert resolved(tmp_path) == (config, {})
    # The same command again: flags that say what the folder says.
    assert resolved(tmp_path, "--ngf=8", "--batch=5") == (config, {})


@pytest.mark.parametrize("name,value", [("epochs", 7), ("steps", 9), ("log_every", 3), ("max_minutes", 2.5)])
def test_resumable_changes_pass(tmp_path, name, value):
    run_settings.save(TrainConfig(), tmp_path)
    config, changed = resolved(tmp_path, f"--{name}={value}")
    assert config == TrainConfig.of(**{name: value})
    assert changed == {name: (TrainConfig().flat()[name], value)}


def test_other_changes_need_to_be_allowed(tmp_path):
    run_settings.save(TrainConfig(), tmp_path)
    before = (tmp_path / "config.json").read_bytes()
    with pytest.raises(UserError, match=r"--lr_g: 0\.0002 in .*config\.json, now 0\.001.*--allow_config_change"):
        resolved(tmp_path, "--lr_g=1e-3", "--epochs=7")
    config, changed = resolved(tmp_path, "--lr_g=1e-3", allow_change=True)
    assert config == TrainConfig.of(lr_g=1e-3)
    assert changed == {"lr_g": (2e-4, 1e-3)}
    assert (tmp_path / "config.json").read_bytes() == before  # resolving writes nothing


def test_a_flag_at_its_default_is_a_change_too(tmp_path):
    run_settings.save(TrainConfig.of(ngf=8), tmp_path)
    with pytest.raises(UserError, match="--ngf: 8"):
        resolved(tmp_path, "--ngf=32")


def test_what_the_folder_says_is_checked_with_the_flags(tmp_path):
    run_settings.save(TrainConfig.of(pyramid_kernels="3,3"), tmp_path)
    with pytest.raises(UserError, match="--pyramid_kernels=3,3 contradicts --pyramid=none"):
        resolved(tmp_path, "--pyramid=none", allow_change=True)


def test_no_run_there(tmp_path):
    with pytest.raises(UserError, match="is not the folder of a run"):
        run_settings.load(TrainConfig, tmp_path / "none")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1, 2]",
        b"\xff\xfe",
        b'{"ngf": 8, "colour": "red"}',
        b'{"ngf": "eight"}',
        b'{"ngf": null}',
        b'{"batch": 2.5}',
        b'{"ema_warmup": 1}',
        b'{"data": 3}',
        b'"text"',
        b"null",
    ],
)
def test_damaged_settings_are_named(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(UserError, match=r"config\.json is damaged or of another version.*Fix"):
        resolved(tmp_path)
