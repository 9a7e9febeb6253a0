"""`make demo`'s steps in folders with hostile names: each command gets them whole."""

import os
import subprocess

import pytest
from runs import ROOT

# In Python's place: notes its arguments, and leaves the file that the next step looks for.
STAND_IN = """#!/bin/bash
printf '%s\\0' "$@" >> "$NOTES"; printf '\\n\\0' >> "$NOTES"
for argument in "$@"; do
  case "$argument" in --run=*) run=${argument#--run=} ;; esac
done
case "$2" in
  *train*) mkdir -p -- "$run/samples" && touch -- "$run/samples/step-00000001.png" "$run/config.json" ;;
esac
"""


NAMES = ["two words", "new\nline", "-dash", "a'b\"c", "$(touch gone)", "*", "ü\udcff", ";", "--run=x"]


@pytest.mark.parametrize("name", NAMES)
def test_folders_reach_each_command_whole(tmp_path, name):
    python, notes = tmp_path / "python", tmp_path / "notes"
    python.write_text(STAND_IN)
    python.chmod(0o755)
    folder = tmp_path / name
    folder.mkdir()
    # A relative name too: demo.sh goes to the project's folder, so it is one from there.
    data, run, encoder = (os.path.join(os.path.relpath(folder, ROOT), part) for part in ("-data", "run", "encoder"))
    folders = {"DATA": data, "RUN": run, "ENCODER": encoder}
    environment = os.environ | folders | {"PYTHON": str(python), "NOTES": str(notes)}
    ended = subprocess.run(["bash", str(ROOT / "tools" / "demo.sh")], env=environment, capture_output=True, timeout=60)
    assert ended.returncode == 0 and not ended.stderr, ended.stderr
    calls = [call.split("\0")[:-1] for call in os.fsdecode(notes.read_bytes()).split("\n\0")[:-1]]
    if "\n" not in name:
        assert [call[1].rpartition(".")[2] for call in calls] == [
            "make_demo_dataset",
            "convert_cub",
            "verify_records",
            "train_damsm",
            "train",
            "sample",
            "colour_agreement",
        ]
        assert f"--out={data}/birds" in calls[0] and f"--data={data}/records" in calls[2]
        assert f"--run={encoder}" in calls[3] and f"--text_encoder={encoder}/text_encoder" in calls[4]
        assert all(f"--run={run}" in call for call in calls[4:])
        assert not (ROOT / "gone").exists()
    assert os.fsencode(f"{run}/samples/step-00000001.png") in ended.stdout


def test_a_failing_step_ends_the_demo(tmp_path):
    environment = os.environ | {"PYTHON": "false", "DATA": str(tmp_path), "RUN": str(tmp_path / "r")}
    ended = subprocess.run(["bash", str(ROOT / "tools" / "demo.sh")], env=environment, capture_output=True, text=True)
    assert ended.returncode == 1 and "2/6" not in ended.stdout
