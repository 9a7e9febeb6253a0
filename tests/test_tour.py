"""examples/tour.ipynb: its code runs from top to bottom, and shows what its text says."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
NOTEBOOK = json.loads((ROOT / "examples" / "tour.ipynb").read_text(encoding="utf-8"))


def test_it_is_a_notebook_without_outputs():
    assert NOTEBOOK["nbformat"] == 4 and len({cell["id"] for cell in NOTEBOOK["cells"]}) == len(NOTEBOOK["cells"])
    for cell in NOTEBOOK["cells"]:
        assert cell["cell_type"] in ("markdown", "code") and isinstance(cell["source"], list)
        assert cell["cell_type"] == "markdown" or (cell["outputs"], cell["execution_count"]) == ([], None)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ffgan_tf.UnknownWords")
def test_it_runs_from_top_to_bottom(tiny_run, monkeypatch):
    """In one namespace, as in Jupyter, on the tiny run."""
    monkeypatch.setenv("FFGAN_TOUR_MODEL", str(tiny_run))
    names: dict = {}
    for cell in NOTEBOOK["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"tour.ipynb, {cell['id']}", "exec"), names)
    assert names["images"].shape == (8, 64, 64, 3)
    assert names["reading"].left_out == ("riding", "bicycle")
    assert names["edits"].dtype == names["way"].sheet.dtype == np.uint8 and len(names["seen"].attention) == 2
    assert isinstance(names["side_by_side"](names["images"]), Image.Image)
    assert names["kid"]["another sentence"] > 0.1 > names["kid"]["the same sentence"]  # unbiased: below 0, too
