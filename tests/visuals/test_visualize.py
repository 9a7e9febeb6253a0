"""`python -m ffgan_tf.visualize`: the content of its files, and errors that it reports before TensorFlow is loaded."""

import functools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_flags import call_main
from PIL import Image

import ffgan_tf
from ffgan_tf import visualize
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.image_files import read_settings
from ffgan_tf.visuals import sheets

ROOT = Path(__file__).parents[2]
TEXT = "a red bird number 3"


@pytest.fixture
def call():
    """Runs the command's main in this process, with flags of its own."""

    return functools.partial(call_main, visualize)


def pixels(path):
    return np.asarray(Image.open(path))


def test_a_sheet_is_the_functions_and_says_how_it_was_made(call, run, model, tmp_path, capsys):
    assert call("edits", f"--run={run}", f"--text={TEXT}", "--swap=red=blue", "--seeds=2,5-6", f"--out={tmp_path}") == 0
    [file] = tmp_path.iterdir()
    assert file.name == "01-a-red-bird-number-3.png" and capsys.readouterr().out == f"{file}\n"
    np.testing.assert_array_equal(pixels(file), sheets.edits_sheet(model, TEXT, [("red", ["blue"])], [2, 5, 6]))
    assert read_settings(file) == {
        "Software": f"ffgan_tf {ffgan_tf.__version__}",
        "kind": "edits",
        "run": "tiny",
        "step": 30,
        "ema": True,
        "sentences": [TEXT],
        "seeds": [2, 5, 6],
        "truncation": 0.0,
        "swap": ["red=blue"],
    }


def test_captions_and_seeds_give_a_file_each(call, run, tmp_path):
    call("attention", f"--run={run}", "--captions=test:2", "--seeds=1-2", f"--out={tmp_path}")
    files = sorted(tmp_path.iterdir())
    assert [file.stem.rpartition("-")[2] for file in files] == ["seed1", "seed2"] * 2
    described = [read_settings(file) for file in files]
    assert [one["seeds"] for one in described] == [[1], [2]] * 2 and all(
        len(one["sentences"]) == 1 for one in described
    )


def test_interpolation_writes_a_film_too(call, run, tmp_path):
    call("interpolate", f"--run={run}", f"--text={TEXT}", "--seeds=1,2", "--frames=3", f"--out={tmp_path}")
    sheet, film = sorted(tmp_path.iterdir())
    assert (sheet.suffix, film.suffix) == (".png", ".webp") and read_settings(film) == read_settings(sheet)
    with Image.open(film) as frames:
        assert frames.n_frames == 12 and frames.size == (64, 64)


def test_neighbours_and_compare(call, run, tmp_path):
    call("neighbours", f"--run={run}", f"--text={TEXT}", "--neighbours=2", f"--out={tmp_path}")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    Image.new("RGB", (64, 64), (200, 0, 0)).save(theirs / "01-a-red-bird-number-3.png")
    compared = ("compare", f"--model=ours={run}", f"--model={theirs}", f"--out={tmp_path}")
    call(*compared, f"--text={TEXT}")
    without = pixels(tmp_path / "compare.png")
    call(*compared, f"--text={TEXT}", "--captions=test:1")
    assert pixels(tmp_path / "compare.png").shape[0] > without.shape[0] + 100  # a row of photographs
    assert read_settings(tmp_path / "compare.png")["model"] == {"ours": "tiny", "theirs": "theirs"}
    assert read_settings(tmp_path / "neighbours.png")["neighbours"] == 2


def test_words_left_out_are_named_once(call, run, tmp_path, capsys):
    call("variety", f"--run={run}", "--text=a red zeppelin", f"--out={tmp_path}")
    assert capsys.readouterr().err == "warning: not in the vocabulary, left out of 'a red zeppelin': zeppelin\n"


@pytest.mark.parametrize(
    "kind, arguments, message",
    [
        ("dream", [], "'dream' is no kind of sheet. Fix: one of attention, features"),
        ("variety", ["--swap=a=b"], "--swap is a flag of edits, not of variety"),
        ("variety", ["--text=zzz"], "--text: none of the words"),
        ("variety", [], "no sentence given"),
        ("variety", ["--text=bird", "--seeds=0-5000"], "5,001 images in one sheet.*Fix: fewer --seeds"),
        ("interpolate", ["--text=bird", "--seeds=1,2", "--frames=100000"], "200,000 images in one sheet"),
        ("variety", ["--text=bird", "--seeds=" + "9" * 5000], "neither a seed nor a range"),
        ("variety", ["--text=bird", "--seeds=3-1"], "--seeds=3-1.*backwards"),
        ("variety", ["--text=bird", "--truncation=nan"], "--truncation=nan"),
        ("variety", ["--captions=valid:3"], "--captions=valid:3.*Fix: --captions=test:16"),
        ("edits", ["--text=a bird"], "Fix: --swap=red=blue,yellow"),
        ("edits", ["--text=a bird", "--swap=red=blue"], "'a bird' has no 'red'"),
        ("edits", ["--text=a bird", "--swap=bird=zzz"], "--swap=bird=zzz: zzz is not in the run's vocabulary"),
        ("interpolate", ["--text=a bird"], "do not pair"),
        ("neighbours", ["--text=a bird", "--inception_weights=x"], "Fix: --by=inception"),
        ("compare", ["--text=a bird", "--model=none/such"], "--model=none/such: no such folder"),
        ("compare", ["--text=a bird", "--list=x=y"], "--list=x=y: no such model or file"),
    ],
)
def test_mistakes(call, run, kind, arguments, message):
    with pytest.raises(UserError, match=message):
        call(kind, f"--run={run}", *arguments)


def test_compare_without_models_and_others_without_a_run(call):
    with pytest.raises(UserError, match="compare needs models"):
        call("compare", "--text=a")
    with pytest.raises(UserError, match="--run is missing"):
        call("variety", "--text=a")


def test_a_mistake_is_told_before_tensorflow(run):
    code = (
        "import sys; sys.argv = ['x', 'edits', sys.argv[1], '--text=a bird', '--swap=red=blue']\n"
        "from ffgan_tf import visualize\n"
        "try: visualize.cli()\n"
        "except SystemExit as end: print(end.code, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, f"--run={run}"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "2 False\n" and done.stderr.startswith("error: --swap=red=…")
