"""Flags from settings: types, precedence, former names, flag files, refused values."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from absl import flags

from ffgan_tf.config import DamsmConfig, TrainConfig, checks
from ffgan_tf.config import flags as settings_flags
from ffgan_tf.config.flag_files import expanded
from ffgan_tf.config.recipes import packaged_recipes
from ffgan_tf.run import settings as run_settings
from ffgan_tf.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def parsed(*arguments: str, config_class: type = TrainConfig) -> flags.FlagValues:
    """A training's flags after a command line."""
    values = flags.FlagValues()
    flags.DEFINE_string("run", "", "Folder of the run.", flag_values=values)
    settings_flags.define_flags(config_class, values)
    settings_flags.parse(["train", *arguments], values)
    return values


def train(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess:
    """`python -m ffgan_tf.train` in a process of its own."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "ffgan_tf.train", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        timeout=120,
    )


def test_every_field_is_a_flag_with_help_default_and_type():
    values = parsed()
    for _, field in TrainConfig.fields():
        flag = values[field.name]
        assert flag.value == flag.default == field.default, field.name
        assert len(flag.help) > 10, field.name
    values = parsed("--ngf=48", "--lr_g=1e-3", "--noema_warmup", "--pyramid=none", "--data=a b")
    actual = [values[name].value for name in ("ngf", "lr_g", "ema_warmup", "pyramid", "data")]
    assert actual == [48, 1e-3, False, "none", "a b"]
    assert [type(value) for value in actual] == [int, float, bool, str, str]


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
    arguments = ["--ngf=8", "--", "--flagfile=none"]
    assert [argument.text for argument in expanded(arguments)] == arguments


RECIPES = [
    path
    for path in sorted((ROOT / "experiments").glob("*.cfg"))
    if "ffgan_tf.train " in path.read_text(encoding="utf-8")
]


def commands_of(recipe: Path) -> list[list[str]]:
    """The arguments of the trainings in a recipe's head that take the recipe."""
    head = "\n".join(line[1:] for line in recipe.read_text(encoding="utf-8").splitlines() if line.startswith("#"))
    lines = head.replace("\\\n", " ").splitlines()
    found = [shlex.split(line.partition("ffgan_tf.train ")[2]) for line in lines if "ffgan_tf.train " in line]
    return [arguments for arguments in found if any(recipe.name in argument for argument in arguments)]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipes_are_allowed(recipe, tmp_path, monkeypatch):
    """As their heads call them: some want another recipe before them, or a family."""
    monkeypatch.chdir(ROOT)
    commands = commands_of(recipe)
    assert commands
    for arguments in commands:
        values = flags.FlagValues()
        settings_flags.define_flags(TrainConfig, values)
        flags.DEFINE_string("run", "", "", flag_values=values)
        settings_flags.parse(["train", *arguments], values)
        config, _ = run_settings.resolve(TrainConfig, tmp_path, False, values)
        assert config.data and values["run"].value


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


# Flag files


@pytest.mark.parametrize("name", ["demo.cfg", "experiments/demo.cfg"])
def test_a_recipe_is_found_from_any_folder(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    assert parsed(f"--flagfile={name}").batch == 16  # its own: the default is 20
    assert f"--flagfile={name}: taken from " in capsys.readouterr().err
    own = tmp_path / name
    own.parent.mkdir(exist_ok=True)
    own.write_text("--batch=9\n")
    assert parsed(f"--flagfile={name}").batch == 9  # a file of one's own goes first
    assert capsys.readouterr().err == ""


def test_a_path_of_ones_own_is_no_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("other/demo.cfg", str(tmp_path / "demo.cfg")):
        with pytest.raises(UserError, match="no such file"):
            settings_flags.find_flagfile(name)


def test_a_missing_flag_file_names_the_recipes():
    with pytest.raises(UserError) as error:
        parsed("--flagfile=nowhere.cfg")
    assert len(RECIPES) < len(packaged_recipes())  # train's, and train_damsm's
    assert all(f"experiments/{name}" in str(error.value) for name in packaged_recipes())


@pytest.mark.parametrize(
    "lines,message",
    [
        ("# first\n--batch=3\n--nonsense=2\n", "line 3: Unknown command line flag 'nonsense'"),
        ("--ngff=8\n", "line 1: .*Did you mean: ngf"),
        ("--batch=many\n", "line 1: .*--batch=many"),
        ("\n--batch=1\n", r"line 2: .*--batch=1: 1 is not .*\[2, 65536\]"),
        ("batch=3\n", "line 1: 'batch=3' is no flag"),
        ("--flagfile=FILE\n", "includes itself"),
    ],
)
def test_a_mistake_in_a_flag_file_is_named_with_its_line(tmp_path, lines, message):
    file = tmp_path / "recipe.cfg"
    file.write_text(lines.replace("FILE", str(file)))
    with pytest.raises(UserError, match=message) as error:
        parsed("--ngf=8", f"--flagfile={file}")
    assert str(file) in str(error.value)


def test_the_command_lines_own_mistake_is_not_blamed_on_the_flag_file(tmp_path):
    (tmp_path / "recipe.cfg").write_text("--batch=3\n")
    with pytest.raises(UserError) as error:
        parsed(f"--flagfile={tmp_path / 'recipe.cfg'}", "--batch=many")
    assert str(error.value).startswith("flag --batch=many")


def test_flag_files_may_name_others(tmp_path):
    (tmp_path / "base").write_text("--ngf=8\n--batch=7\n")
    (tmp_path / "recipe").write_text(f"--flagfile={tmp_path / 'base'}\n// a comment\n--batch=9\n")
    values = parsed(f"--flagfile={tmp_path / 'recipe'}", "--ndf=5")
    assert (values.ngf, values.batch, values.ndf) == (8, 9, 5)


# Former names


@pytest.mark.parametrize(
    "config_class,old,new,value",
    [
        (TrainConfig, "inception_weights", "trunk_weights", "weights.h5"),
        (DamsmConfig, "inception_weights", "trunk_weights", "weights.h5"),
        (DamsmConfig, "image_encoder", "image_trunk", "small"),
        (DamsmConfig, "attention_pictures", "attention_images", 9),
    ],
)
def test_former_names_are_understood_and_named(tmp_path, capsys, config_class, old, new, value):
    (tmp_path / "old.cfg").write_text(f"--{old}={value}\n")
    for argument in (f"--{old}={value}", f"--flagfile={tmp_path / 'old.cfg'}"):
        values = parsed(argument, config_class=config_class)
        assert values[new].value == value and values[new].present
        assert capsys.readouterr().err == f"--{old} is now --{new}\n"
    assert not parsed(config_class=config_class)[new].present  # or resuming would take it for given


def test_a_former_name_s_mistakes_name_today_s():
    with pytest.raises(UserError, match="--image_trunk=folder.*inception|small"):
        parsed("--image_encoder=folder", config_class=DamsmConfig)


def test_a_switch_may_have_a_former_name(capsys):
    values = flags.FlagValues()
    flags.DEFINE_boolean("warm", True, "A switch.", flag_values=values)
    settings_flags.renamed("hot", "warm", values)
    settings_flags.parse(["x", "--nohot"], values)
    assert values.warm is False


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_floats_are_finite_in_every_command(value):
    values = flags.FlagValues()
    flags.DEFINE_float("truncation", 0.0, "A float of a command.", flag_values=values)
    with pytest.raises(UserError, match=f"--truncation={value}: must be a finite number"):
        settings_flags.parse(["sample", f"--truncation={value}"], values)
