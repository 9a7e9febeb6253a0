"""The page: everything about some runs in one HTML file that needs no other, from one template."""

import base64
import hashlib
import time
from collections.abc import Sequence
from typing import Any

import jinja2

from ffgan_tf import __version__
from ffgan_tf.reporting import charts, tables
from ffgan_tf.reporting.curves import SCORES
from ffgan_tf.reporting.drawn import Drawn, draw
from ffgan_tf.reporting.images import BUDGET, samples_of
from ffgan_tf.reporting.parameters import parameter_counts
from ffgan_tf.reporting.runs import RunRecord

LARGE = 3_000_000  # bytes; a larger page says so
PRINTED = 3  # steps of the samples on paper: the first, one in the middle, the last


def environment() -> jinja2.Environment:
    """The templates of the package; whatever they insert is escaped."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("ffgan_tf.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def build(runs: Sequence[RunRecord], captions: int, seeds: Sequence[int], looked_at: int, data: str = "") -> str:
    """The page of some runs. With `captions` 0 TensorFlow is not loaded and nothing is drawn by the checkpoints.

    `captions` test captions are drawn with the noise of `seeds`, with the attention of `looked_at` of them; `data` is
    the data set's folder where the runs' settings name another.
    """
    began = time.monotonic()
    drawn = draw(runs, captions, seeds, looked_at, data) if captions else []
    drawing = time.monotonic() - began
    sizes = [parameter_counts(run) for run in runs] if captions else []
    return render(runs, drawn, drawing, sizes)


def render(
    runs: Sequence[RunRecord], drawn: Sequence[Drawn], drawing: float = 0.0, sizes: Sequence[dict[str, int]] = ()
) -> str:
    """The page, given what the checkpoints have drawn in `drawing` seconds, and the networks' numbers of parameters."""
    samples = [found for run in runs if (found := samples_of(run, BUDGET // len(runs), run.missing))]
    logs, scores = charts.log_charts(runs), charts.score_charts(runs)
    scored = [one for run in runs for one in tables.evaluated(run)]
    templates = environment()
    script = _source(templates, "report.js")
    return templates.get_template("report.html").render(
        title=tables.joined(run.name for run in runs),
        version=__version__,
        made=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        drawing=drawing,
        style=_source(templates, "report.css"),
        script=script,
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        runs=runs,
        headlines=[tables.headline(run, counts) for run, counts in zip(runs, [*sizes, *[{}] * len(runs)])],
        missing=[(run.name, run.missing) for run in runs if run.missing],
        samples=samples,
        sample_steps=sorted({step.step for one in samples for step in one.steps}),
        printed=_printed(samples),
        drawn=drawn,
        first_charts=[one for one in logs if one.first],
        more_charts=[one for one in logs if not one.first],
        score_charts=scores,
        frame=charts,
        scored=scored,
        score_names={name: title for name, (title, _) in SCORES.items() if any(name in one.scores for one in scored)},
        paper=tables.paper_table((run, one.report) for run in runs for one in tables.evaluated(run)),
        settings=tables.setting_groups(runs),
        data=[(run.name, tables.data_rows(run)) for run in runs],
        times=[(run.name, tables.time_rows(run)) for run in runs],
        environment=tables.environment_rows(),
    )


def _source(templates: jinja2.Environment, name: str) -> str:
    assert templates.loader is not None
    return templates.loader.get_source(templates, name)[0]


def _printed(samples: Sequence[Any]) -> set[tuple[str, int]]:
    """(run, step) of the samples that are printed."""
    return {
        (one.run, one.steps[place].step) for one in samples for place in {0, len(one.steps) // 2, len(one.steps) - 1}
    }
