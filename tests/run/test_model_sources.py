"""A run notices that weights which it reads from elsewhere are others than it was trained with."""

import json

import pytest

from ffgan_tf.run.sources import check_sources, forget_sources, save_sources
from ffgan_tf.utils.errors import UserError

OLD, NEW = "a" * 64, "b" * 64


def test_other_weights_are_refused_until_the_change_is_allowed(tmp_path):
    check_sources(tmp_path, {"trunk_weights": NEW})  # a run of an older version
    save_sources(tmp_path, {"trunk_weights": OLD})
    check_sources(tmp_path, {"trunk_weights": OLD, "image_encoder": NEW})
    message = r"^--trunk_weights names other weights .*sources\.json.*Fix: .*allow_config_change"
    with pytest.raises(UserError, match=message):
        check_sources(tmp_path, {"trunk_weights": NEW})
    forget_sources(tmp_path)
    forget_sources(tmp_path)
    check_sources(tmp_path, {"trunk_weights": NEW})


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\0", '{"trunk_weights": 3}', '{"trunk_weights": null}'])
def test_a_damaged_file_is_told(tmp_path, content):
    (tmp_path / "sources.json").write_text(content)
    with pytest.raises(UserError, match=r"sources\.json.*Fix: "):
        check_sources(tmp_path, {"trunk_weights": OLD})


def test_the_file_says_what_it_holds(tmp_path):
    save_sources(tmp_path, {"image_encoder": OLD})
    assert json.loads((tmp_path / "sources.json").read_text()) == {"image_encoder": OLD}
