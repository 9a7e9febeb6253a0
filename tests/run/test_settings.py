"""A run's settings in its folder: config.json, its kind, its digest, and changes allowed on resume."""

import json

import numpy as np
import pytest
from absl import flags

from ffgan_tf.config import DamsmConfig, TrainConfig
from ffgan_tf.config import flags as settings_flags
from ffgan_tf.run import settings as run_settings
from ffgan_tf.utils.errors import UserError


def resolved(run, *arguments: str, allow_change: bool = False, config_class: type = TrainConfig):
    """The settings of a run under a command line."""
    values = flags.FlagValues()
    settings_flags.define_flags(config_class, values)
    settings_flags.parse(["train", *arguments], values)
    return run_settings.resolve(config_class, run, allow_change, values)


def older(run) -> None:
    """Makes a run's config.json one from before there were kinds and digests."""
    edit(run, kind=None, sha256=None, sha256_by_setting=None)


def edit(run, **changes) -> None:
    """Changes a run's config.json by hand; None removes a key."""
    path = run / "config.json"
    values = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    path.write_text(json.dumps({name: value for name, value in values.items() if value is not None}), encoding="utf-8")


def test_settings_survive_the_folder(tmp_path):
    config = TrainConfig.of(ngf=8, lr_g=1.5e-4, ema_warmup=False, data="Vögel/a b", pyramid_kernels="3,3")
    run_settings.save(config, tmp_path / "run")
    assert run_settings.load(TrainConfig, tmp_path / "run") == config
    written = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))
    assert set(written) - {"kind", "sha256", "sha256_by_setting"} == set(config.flat())  # all, defaults too


def test_a_run_from_before_a_setting_existed_stays_what_it_was(tmp_path):
    run_settings.save(TrainConfig.of(ngf=8), tmp_path)
    older(tmp_path)
    edit(tmp_path, normalise_sentence=None, kl_warmup=None)
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


def test_former_names_are_read(tmp_path):
    config = DamsmConfig.of(image_trunk="small", trunk_weights="w.h5", attention_images=3)
    run_settings.save(config, tmp_path)
    older(tmp_path)
    edit(tmp_path, image_trunk=None, trunk_weights=None, attention_images=None)
    edit(tmp_path, image_encoder="small", inception_weights="w.h5", attention_pictures=3)
    assert run_settings.load(DamsmConfig, tmp_path) == config


# Another command's run


@pytest.mark.parametrize("of_before", [False, True])
@pytest.mark.parametrize("made,wanted", [(TrainConfig, DamsmConfig), (DamsmConfig, TrainConfig)])
def test_another_command_s_run_is_named_with_that_command(tmp_path, made, wanted, of_before):
    run_settings.save(made(), tmp_path)
    if of_before:
        older(tmp_path)
    assert run_settings.load(made, tmp_path) == made()
    for refuse in (run_settings.load, lambda config_class, run: resolved(run, config_class=config_class)):
        with pytest.raises(UserError, match=rf"Fix: .*python -m {made.command} --run=") as error:
            refuse(wanted, tmp_path)
        assert "damaged" not in str(error.value)
    if made is DamsmConfig:
        assert f"--text_encoder={tmp_path / 'text_encoder'}" in str(error.value)


# Damage and edits


def test_no_changed_byte_goes_unnoticed(tmp_path):
    """A thousand files with one byte changed: each is refused, or says the same settings."""
    config = TrainConfig.of(lr_g=2e-4, data="data/birds", text_encoder="Vögel")
    run_settings.save(config, tmp_path)
    path, random, refused = tmp_path / "config.json", np.random.default_rng(0), 0
    content = path.read_bytes()
    for _ in range(1000):
        changed = bytearray(content)
        changed[random.integers(len(content))] ^= random.integers(1, 256)
        path.write_bytes(changed)
        try:
            assert run_settings.load(TrainConfig, tmp_path) == config
        except UserError as error:
            assert str(path) in str(error) and "Fix: " in str(error)
            refused += 1
    assert refused > 700  # the rest are blanks, and marks of single settings


def test_an_edit_is_named_and_can_be_accepted(tmp_path, capsys):
    run_settings.save(TrainConfig.of(ngf=8), tmp_path)
    edit(tmp_path, lr_g=1.0002)
    with pytest.raises(UserError, match=r"changed: lr_g=1\.0002\. Fix: .*--allow_config_change"):
        run_settings.load(TrainConfig, tmp_path)
    with pytest.raises(UserError, match="lr_g=1.0002"):
        resolved(tmp_path)
    config, changed = resolved(tmp_path, allow_change=True)
    assert config == TrainConfig.of(ngf=8, lr_g=1.0002) and changed == {}
    assert "lr_g=1.0002; accepted" in capsys.readouterr().err
    run_settings.save(config, tmp_path)  # as training does
    assert resolved(tmp_path) == (config, {})


def test_an_edit_without_the_digest_s_line_is_on_purpose(tmp_path):
    run_settings.save(TrainConfig(), tmp_path)
    edit(tmp_path, lr_g=3e-4, sha256=None)
    assert run_settings.load(TrainConfig, tmp_path) == TrainConfig.of(lr_g=3e-4)


def test_layout_and_order_are_free(tmp_path):
    config = DamsmConfig.of(lr=1, gamma1=7.5)
    run_settings.save(config, tmp_path)
    values = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps(dict(sorted(values.items()))), encoding="utf-8")
    assert run_settings.load(DamsmConfig, tmp_path) == config


def test_settings_taken_out_of_a_file_are_noticed(tmp_path):
    run_settings.save(TrainConfig(), tmp_path)
    edit(tmp_path, ema_decay=None)
    with pytest.raises(UserError, match="settings were added or removed"):
        run_settings.load(TrainConfig, tmp_path)
