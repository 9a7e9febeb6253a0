"""The page in a real browser: it runs, asks for nothing, and its few lines of script do what they say."""

import shutil

import pytest
from made_runs import HOSTILE, report_line

from ffgan_tf.reporting import page

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking")


@pytest.fixture
def browser_page(record, tmp_path):
    """The page of two runs in a phone's width, with all that the browser asked for and complained of."""
    if not CHROMIUM:
        pytest.skip("no chromium here")
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    one = record("one", reports=[report_line(100, 50.0), report_line(300, 40.0)], steps=(100, 200, 300))
    file = tmp_path / "report.html"
    file.write_text(page.render([one, record("other", steps=(100, 250))], []), encoding="utf-8")
    with driver.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        tab = browser.new_page(viewport={"width": 375, "height": 800}, color_scheme="dark")
        asked, complaints = [], []
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(file.as_uri())
        yield tab, asked, complaints
        browser.close()


def test_the_page_runs(browser_page):
    tab, asked, complaints = browser_page
    assert [url for url in asked if not url.startswith("data:")] == asked[:1]
    outside = "[...document.querySelectorAll('main *')].filter((e) => !e.closest('.scroll *'))"
    wide = f"{outside}.filter((e) => e.getBoundingClientRect().right > 376).map((e) => e.outerHTML.slice(0, 80))"
    assert tab.evaluate(wide) == []  # nothing sticks out
    assert tab.evaluate("document.documentElement.scrollWidth") <= 375
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 26)"  # dark, as it was asked

    shown = "[...document.querySelectorAll('.sheet')].filter((s) => !s.hidden).map((s) => s.dataset.step)"
    assert tab.evaluate(shown) == ["300", "250"]
    tab.locator("#step").press("ArrowLeft")  # 250
    tab.locator("#step").press("ArrowLeft")  # 200
    assert tab.evaluate(shown) == ["200", "100"]
    assert tab.locator("#step").get_attribute("aria-valuetext") == "200"
    assert HOSTILE in tab.locator(".sheet:not([hidden]) figcaption").all_inner_texts()

    chart = tab.locator("#chart-score-fid > svg")  # 50 at step 100, 40 at step 300
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    chart.hover(position={"x": box["width"] - 12, "y": box["height"] / 2})
    told = tab.locator("#chart-score-fid .legend output").inner_text()
    assert told.startswith("≈ ") and told.endswith(" at 300")
    assert float(told.split()[1]) == pytest.approx(40, abs=0.2)  # read back from tenths of a pixel
    assert complaints == []


def test_on_paper_everything_is_unfolded(browser_page):
    tab, _, _ = browser_page
    assert tab.evaluate("[...document.querySelectorAll('details')].some((one) => !one.open)")
    assert tab.pdf().startswith(b"%PDF")
    assert tab.evaluate("[...document.querySelectorAll('details')].every((one) => one.open)")
    tab.emulate_media(media="print")
    seen = tab.evaluate(
        "[...document.querySelectorAll('.run-samples')].map((run) => [...run.querySelectorAll('.sheet')]"
        ".filter((s) => getComputedStyle(s).display !== 'none').map((s) => +s.dataset.step))"
    )
    assert all(len(steps) >= 2 for steps in seen) and seen[0][-1] == 300 and seen[1] == [100, 250]
