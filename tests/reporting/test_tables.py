"""Settings, scores and their reasons, CSV, parameters, and the comparison of runs, against what they were made from."""

import csv
import dataclasses
import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from made_runs import log_line, report_line

from ffgan_tf.config import TrainConfig
from ffgan_tf.evaluation.paper_table import why_not_data
from ffgan_tf.reporting import comparison, tables
from ffgan_tf.reporting.parameters import count


def manifest(name, train, test):
    split = {"captions": 1, "classes": 1, "shards": []}
    return {
        "name": name,
        "splits": {"train": {"images": train, **split}, "test": {"images": test, **split}},
        "image": {"max_size": 64},
        "vocabulary": {"words": 1234},
    }


def score_line(step, fid):
    """As tools/score_run.py writes it."""
    return {"kind": "score_run", "step": step, "count": 600, "fid": fid, "network": {"network": "fid2015"}, "notes": []}


def test_settings_by_group(record):
    runs = [record("a", ngf=16), record("b", ngf=16, augment="cutout")]
    groups = dict(tables.setting_groups(runs))
    assert sum(len(found) for found in groups.values()) == len(TrainConfig().flat())
    [ngf] = [one for one in groups["networks"] if one.name == "ngf"]
    assert ngf.values == ["16", "16"] and ngf.changed == [True, True] and not ngf.differs and "width" in ngf.help
    [augment] = [one for one in groups["losses"] if one.name == "augment"]
    assert augment.values == ["–", "cutout"] and augment.changed == [False, True] and augment.differs


def test_a_run_without_settings_has_dashes(record):
    whole, torn = record("a"), dataclasses.replace(record("b"), config=None)
    assert all(one.values[1] == "–" for _, found in tables.setting_groups([whole, torn]) for one in found)
    assert tables.setting_groups([torn]) == []


def test_the_demo_s_birds_are_not_cub():
    assert why_not_data(manifest("cub", 8855, 2933), 256) == []
    [counts] = why_not_data(manifest("cub", 1800, 600), 256)
    assert "600 test images" in counts and "2,933" in counts
    [size] = why_not_data(manifest("oxford102", 7034, 1155), 64)
    assert "64×64" in size and "256×256" in size


def test_table_2_has_every_report_with_its_reasons(record):
    run = dataclasses.replace(
        record(reports=[report_line(300, 40.0, **{"is": 3.0, "is_std": 0.1})]), manifest=manifest("cub", 1800, 600)
    )
    run.scores.append(score_line(300, 12.5))
    table = tables.paper_table((run, one.report) for one in tables.evaluated(run))
    assert [row[1:] for row in table.ours] == [["3.00 ± 0.10*", "40.00*", "–", "–"], ["–", "12.50*", "–", "–"]]
    assert len(table.header) == len(table.rows[0]) == 5 and table.rows[4][2] == "13.04"
    [(_, both), (_, own)] = table.notes
    assert sum("2,933" in reason for reason in both) == 1 and both[0].startswith("IS and FID: ")
    assert any(reason.startswith("IS: its classes") for reason in both) and any(
        "600 images" in reason for reason in own
    )


def test_csv_reads_back(record):
    run = record(reports=[report_line(100, 50.0), report_line(200, 40.5, kid=0.25)])
    rows = list(csv.DictReader(io.StringIO(tables.metrics_csv([run, run]))))
    assert len(rows) == 4 and [row["kid"] for row in rows[:2]] == ["", "0.25"]
    assert rows[1]["run"] == "birds" and float(rows[1]["fid"]) == 40.5 and rows[1]["protocol.name"] == "ffgan"
    log = list(csv.DictReader(io.StringIO(tables.log_csv([run]))))
    assert [{name: float(value) for name, value in row.items() if name != "run"} for row in log] == [
        pytest.approx(log_line(step)) for step in (100, 200, 300)
    ]
    assert tables.metrics_csv([]) == "run\n"


def test_seconds_of_training(record):
    """Batch 10 at 40 images a second: 300 steps take 75 s, whatever the intervals."""
    assert tables.steps_seconds(record(steps=(100, 130, 300))) == pytest.approx(75)
    slow = [{**log_line(100), "speed/images_per_second": 10.0}, log_line(300)]
    assert tables.steps_seconds(record("other", log=slow)) == pytest.approx(100 + 50)


def test_the_headline_s_figures_say_their_protocol(record):
    run = record(reports=[report_line(200, 40.0), report_line(300, 35.0)])
    told = dict(tables.headline(run, {"generator": 1_500_000}))
    assert told["step"] == "300 of 400" and told["images seen"] == "3,000 (batch 10)"
    assert told["FID (ffgan, 500 images, keras)"] == "35.00" and told["generator's parameters"] == "1.50 million"


def test_parameters_of_a_checkpoint():
    """Equal to what Keras counts as trainable; the average and the optimiser's moments are left out."""
    import tensorflow as tf
    from tiny_run import TrainConfig as Config

    from ffgan_tf.models import build

    config = Config.of(image_size=64, ngf=4, z_dim=10, c_dim=12, pyramid="none", dense_depth=1, dense_growth=8)
    generator = build.build_generator(config.model)
    root = tf.train.Checkpoint(generator=generator, ema=generator)
    trained = sum(int(np.prod(variable.shape)) for variable in generator.trainable_variables)
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = root.write(f"{folder}/state")
        shapes = dict(tf.train.load_checkpoint(path).get_variable_to_shape_map())
    assert count(shapes) == {"generator": trained}
    value = "/.ATTRIBUTES/VARIABLE_VALUE"
    others = {f"discriminator/a{value}": [2, 3], f"optimizer_d/_variables/1{value}": [50], f"step{value}": []}
    others |= {f"discriminator/a/.OPTIMIZER_SLOT/o/m{value}": [2, 3], f"discriminator/n/moving_mean{value}": [9]}
    assert count(others) == {"discriminator": 6}


@pytest.fixture
def pair(record):
    one = record("one_run", reports=[report_line(100, 30.0), report_line(200, 20.0), report_line(300, 25.0)])
    other = record("other", reports=[report_line(100, 50.0), report_line(100, 60.0, count=7)], seed=5)
    return [one, other, record("bare", steps=(50,))]


def test_entries_by_protocol_and_pick(pair):
    found = comparison.entries(pair)
    assert [(one.run.name, one.chosen["step"], one.chosen["fid"]) for one in found] == [
        ("one_run", 300, 25.0),
        ("other", 100, 50.0),
        ("other", 100, 60.0),
    ]
    assert [one.chosen["fid"] for one in comparison.entries(pair, "best")] == [20.0, 50.0, 60.0]
    assert [line["fid"] for line in found[0].others] == [30.0, 20.0]


def test_the_table_and_what_keeps_rows_apart(pair):
    header, rows = comparison.comparison_table(pair, comparison.entries(pair))
    assert header[:3] == ["run", "step", "images seen"] and header[-2:] == ["FID", "Precision"]
    assert rows[0][:3] == ["one_run", "300", "3,000"] and rows[0][-2:] == ["25.00", "0.600"]
    assert rows[-1] == ["bare", "50", "500", "–", "–", "not evaluated", "–", "–"]
    told = " ".join(comparison.differences(comparison.entries(pair)))
    assert "different protocols" in told and "1,000 to 3,000" in told and "data sets" not in told


@pytest.mark.parametrize("style", ["md", "latex", "text"])
def test_the_text_has_both_tables(pair, style):
    text = comparison.comparison_text(pair, style)
    assert "13.04" in text and "25.00" in text and "cannot be verified" not in text and "one of the paper's" in text
    if style == "latex":
        assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2 and r"one\_run" in text
        bare = re.sub(r"\\begin.*?\\end\{tabular\}", "", text, flags=re.S)
        assert all(line.startswith("%") for line in bare.splitlines() if line)  # sentences are comments
    if style == "md":
        widths = [line.count("|") for line in text.splitlines() if line.startswith("|")]
        assert len(set(widths)) == 2


def test_the_figure_s_dots_are_the_figures(pair):
    """Read back through its ticks: each panel's dots lie where its axis says."""
    root = ElementTree.fromstring(comparison.figure(comparison.entries(pair)))
    space = "{http://www.w3.org/2000/svg}"
    [fid, precision] = root.findall(f"{space}g")
    dots = fid.findall(f"{space}circle")
    ticks = [
        (float(text.get("x")), float(text.text)) for text in fid.findall(f"{space}text") if text.get("text-anchor")
    ]
    (x0, v0), (x1, v1) = ticks[0], ticks[-1]
    values = [v0 + (float(dot.get("cx")) - x0) / (x1 - x0) * (v1 - v0) for dot in dots]
    np.testing.assert_allclose(values, [30, 20, 25, 50], atol=0.1)
    assert [dot.get("r") for dot in dots] == ["3", "3", "5", "5"]  # the newest is the large one
    assert dots[0].find(f"{space}title").text == "one_run, step 100: 30"
    assert len({dot.get("cy") for dot in dots}) == 2 and len(precision.findall(f"{space}circle")) == 4


def test_a_figure_without_figures():
    assert "no figures" in comparison.figure([])
