"""The page in a real browser: Chromium types, waits, looks, hovers, reloads. And the page's files by themselves."""

import base64
import io
import json
import re
import shutil
import urllib.request
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest
from PIL import Image

from ffgan_tf.serving.app import page_files

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]
SENTENCE = "a red zeppelin bird with a wing"
browsing = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium"),
]


def test_the_page_s_files_ask_for_nothing_elsewhere():
    files = {name: content.decode("utf-8") for name, (content, _) in page_files().items()}
    assert {"index.html", "page.css", "page.js", "icon.svg"} <= set(files)
    for name, text in files.items():
        assert not re.findall(
            r"(?:https?:)?//(?!www\.w3\.org/2000/svg)[\w-]+\.\w+", re.sub(r"^\s*//.*", "", text, flags=re.M)
        ), name
        assert "innerHTML" not in text and "eval(" not in text and "insertAdjacentHTML" not in text, name
    assert not re.search(r"<script(?![^>]*src=)|style=|\son\w+=", files["index.html"])  # the policy refuses inline code


def test_every_field_has_a_label():
    text = page_files()["index.html"][0].decode("utf-8")
    for tag, attributes in re.findall(r"<(input|select|textarea)\b([^>]*)>", text):
        name = re.search(r'id="([\w-]+)"', attributes)[1]
        inside = re.search(rf"<label[^>]*>[^<]*<{tag}[^>]*id=\"{name}\"", text)
        assert inside or f'for="{name}"' in text, name
    for button in re.findall(r"<button.*?</button>", text, re.S):
        assert "aria-label" in button or re.sub(r"<[^>]*>", "", button).strip(), button


@pytest.fixture(scope="module")
def server(serve, run):
    return serve(run)


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page whose requests and console errors are written down; nothing may leave, nothing may be wrong."""
    context = browser.new_context()
    context.set_default_timeout(300_000)
    page = context.new_page()
    requests, errors = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    hosts = {urlparse(url).hostname for url in requests if urlparse(url).scheme != "data"}
    assert hosts == {"127.0.0.1"} and not errors
    context.close()


def shown(page):
    """The pixels of the images on the page."""
    sources = page.eval_on_selector_all("figure .frame > img:first-child", "all => all.map(one => one.src)")
    return np.stack([np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))) for url in sources])


def light(page):
    """Opacity of the light on each image."""
    return page.eval_on_selector_all(".light", "all => all.map(one => Number(getComputedStyle(one).opacity))")


class TestInChromium:
    pytestmark = browsing

    def test_a_sentence_in_images_out_words_lit_and_an_address_that_holds_it_all(self, page, server, model):
        page.goto(server.url)
        page.get_by_label("Describe an image").fill(SENTENCE)
        page.get_by_role("spinbutton", name="Seed").fill("7")
        page.get_by_role("combobox", name="Images").select_option("2")
        page.get_by_role("combobox", name="Truncation").select_option("0.7")
        page.keyboard.press("Tab")
        page.get_by_role("button", name="Generate").press("Enter")
        page.wait_for_selector("figure img")
        want = model.generate("a red bird with a wing", 2, 7, 0.7)
        np.testing.assert_array_equal(shown(page), want)
        assert page.locator(".words s").inner_text().endswith("zeppelin")
        assert page.locator(".words s").evaluate("one => getComputedStyle(one).textDecorationLine") == "line-through"

        assert light(page) == [0, 0]
        page.get_by_role("button", name="red", exact=True).hover()
        page.wait_for_function(
            "() => [...document.querySelectorAll('.light')].every(one => getComputedStyle(one).opacity == 1)"
        )
        maps = page.locator(".light").first.evaluate("async one => { await one.decode(); return one.naturalWidth; }")
        assert maps == 16 and "“red”" in page.locator(".note").inner_text()
        page.get_by_role("button", name="A₂ fine").click()
        page.mouse.move(1, 1)
        page.wait_for_function(
            "() => [...document.querySelectorAll('.light')].every(one => getComputedStyle(one).opacity == 0)"
        )
        page.get_by_role("button", name="wing", exact=True).focus()
        page.keyboard.press("Enter")  # pinned, by keyboard
        page.wait_for_function(
            "() => document.querySelector('.light').naturalWidth == 32 && document.querySelector('.lit')"
        )

        fields = parse_qs(urlparse(page.url).fragment)
        assert fields == {"text": [SENTENCE], "seed": ["7"], "count": ["2"], "truncation": ["0.7"], "run": ["tiny"]}
        page.reload()
        page.wait_for_selector("figure img")
        np.testing.assert_array_equal(shown(page), want)
        assert page.locator("#history li").count() == 1

    def test_a_second_sentence_has_the_same_noise_and_back_undoes_it(self, page, server, model):
        page.goto(f"{server.url}#text=a+red+bird&seed=3&count=2")
        page.wait_for_selector("figure img")
        page.get_by_role("button", name="Compare").click()
        page.get_by_label("and, with the same noise").fill("a blue bird")
        page.keyboard.press("Enter")
        page.wait_for_selector(".pair figure img")
        np.testing.assert_array_equal(shown(page), model.generate(["a red bird", "a blue bird"], 2, 3))
        page.go_back()
        page.wait_for_selector("#results:not(.pair) figure img")
        np.testing.assert_array_equal(shown(page), model.generate("a red bird", 2, 3))
        with page.expect_download() as download:
            page.get_by_role("link", name="Download a-red-bird-3-2.png").click()
        saved = Image.open(download.value.path())
        np.testing.assert_array_equal(np.asarray(saved), shown(page)[1])
        assert (saved.text["text"], saved.text["seed"], saved.text["number"]) == ("a red bird", "3", "1")

    def test_what_is_typed_is_text(self, page, server):
        page.goto(server.url)
        page.get_by_label("Describe an image").fill('<img src="x" onerror="document.title=77"> bird <b>red</b>')
        page.keyboard.press("Enter")
        page.wait_for_selector("figure img")
        assert page.locator("b").count() == 0 and page.title() != "77"
        assert page.locator(".word").all_inner_texts() == ["bird", "red"]

    def test_on_a_phone_nothing_sticks_out(self, browser, server):
        context = browser.new_context(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
        page = context.new_page()
        page.set_default_timeout(300_000)
        page.goto(f"{server.url}#text=a+red+bird+with+a+wing&text2=a+blue+bird&count=2")
        page.wait_for_selector(".pair figure img")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.get_by_role("button", name="red", exact=True).tap()
        page.wait_for_selector("figure.lit")
        context.close()


@pytest.mark.slow
def test_a_sentence_of_the_page_is_the_api_s(server, model):
    """Without a browser: what the page's script sends, byte for byte."""
    body = json.dumps(
        {"texts": ["a red bird"], "seed": 1, "count": 1, "truncation": 0, "run": "tiny", "ticket": "0f" * 16}
    )
    request = urllib.request.Request(f"{server.url}v1/generate", body.encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as response:
        png = json.load(response)["results"][0]["images"][0]["png"]
    np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(base64.b64decode(png)))), model.generate("a red bird")[0]
    )
