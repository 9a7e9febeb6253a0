"""`--help`: groups in order of declaration, sentences that stand alone, ranges and defaults."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from absl import flags

from ffgan_tf.config import DamsmConfig, TrainConfig
from ffgan_tf.config import flags as settings_flags
from ffgan_tf.config.help import help_text

ROOT = Path(__file__).resolve().parents[2]
LEANING = re.compile(r"(Its|It|Their|They|That|This|Those|These|Of|Likewise|Same|Also|Or|And|What)\b")
FLAG = re.compile(r"^  --(?:\[no\])?(\w+)", re.M)


def shown(config_class: type, everything: bool = False) -> str:
    values = flags.FlagValues()
    settings_flags.define_flags(config_class, values)
    return help_text("About the command.", values, everything)


@pytest.mark.parametrize("config_class", [TrainConfig, DamsmConfig])
def test_flags_stand_in_their_groups_in_the_order_of_declaration(config_class):
    text = shown(config_class)
    assert text.startswith("About the command.\n\nGeneral:\n  --data=TEXT\n")
    assert FLAG.findall(text) == [field.name for _, field in config_class.fields()]
    fields = [(group, field.name) for group, field in config_class.fields() if group]
    for group, name in fields:
        title = config_class.title(group)
        heads = re.findall(r"^(\w[^\n]*):\n  --", text[: re.search(rf"^  --(\[no\])?{name}\b", text, re.M).end()], re.M)
        assert heads[-1].lower() == title, name
    assert len({group for group, _ in fields}) == len(re.findall(r"^\w[^\n]*:$", text, re.M)) - 1


@pytest.mark.parametrize("config_class", [TrainConfig, DamsmConfig])
def test_every_sentence_stands_alone(config_class):
    for _, field in config_class.fields():
        text = field.metadata["help"]
        assert text[0].isupper() and text.endswith(".") and len(text.split()) >= 4, field.name
        assert not re.match(r"(Its|It|Their|They|That|This|Those|These|Of|Likewise|Same|Also|Or|And|What)\b", text), (
            field.name
        )
        for name in re.findall(r"--(\w+)", text):  # flags that a text names exist
            assert name in config_class().flat(), (field.name, name)


def test_ranges_choices_and_defaults_are_shown():
    text = re.sub(r"\s+", " ", shown(TrainConfig))
    assert "--image_size=64|128|256 Side S of the generated image in pixels. Default: 256." in text
    assert "--pyramid=fpam|spp|none " in text and "<fpam" not in text
    assert re.search(r"--ngf=N .*? From 4 to 1,024\. Default: 32\.", text)
    assert re.search(r"--lr_g=X [^-]* Default: 0\.0002\.", text)
    assert re.search(r"--\[no\]ema_warmup .*? Default: on\.", text)
    assert "--inception_weights" not in text  # former names are understood, not shown


def test_flags_of_other_commands_have_their_order_too():
    values = flags.FlagValues()
    for name in ("run", "text", "count"):
        flags.DEFINE_string(name, "", f"The flag {name} of a command.", flag_values=values)
    flags.DEFINE_multi_integer("ids", [], "Several numbers", flag_values=values)
    with settings_flags.section("noise", values):
        flags.DEFINE_integer("a_seed", None, "Seed of the noise; default 1.", flag_values=values, lower_bound=0)
    text = help_text("", values)
    assert FLAG.findall(text) == ["run", "text", "count", "ids", "a_seed"]
    assert "Several numbers. May be given several times.\n\nNoise:\n  --a_seed=N" in text
    assert "Seed of the noise; default 1. At least 0.\n" in text


@pytest.mark.parametrize("command,last", [("train", "--eval_inception_weights"), ("sample", "--truncation")])
@pytest.mark.parametrize("flag", ["--help", "-h", "--helpfull"])
def test_commands_print_it_and_end_well(command, last, flag):
    result = subprocess.run(
        [sys.executable, "-m", f"ffgan_tf.{command}", flag], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0 and result.stderr == ""
    lines = result.stdout.splitlines()
    assert f"python -m ffgan_tf.{command}" in lines[0]
    names = [line.strip() for line in lines if line.startswith("  --")]
    assert names[0].startswith("--run=") and any(name.startswith(last) for name in names)
    assert ("--verbosity" in result.stdout) == (flag == "--helpfull")
    assert max(map(len, lines)) <= 120


def test_a_reader_that_goes_away_is_no_error():
    """`... --help | head`: as with every program in a pipe, no word and the exit code of SIGPIPE."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "ffgan_tf.train", "--help"]
    done = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")
