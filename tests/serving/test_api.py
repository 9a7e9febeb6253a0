"""The API by Flask's test client: the front door's bytes, words, refusals, and replies as the description says."""

import base64
import io
import json
import threading
import warnings

import numpy as np
import pytest
from api_schema import complaints
from PIL import Image

import ffgan_tf
from ffgan_tf.run.text_to_image import BATCH
from ffgan_tf.serving import openapi, requests
from ffgan_tf.serving.app import create_app
from ffgan_tf.serving.service import Service
from ffgan_tf.serving.worker import Job, Wanted, Worker
from ffgan_tf.utils.image_files import png_bytes

SENTENCE = "a red bird with a wing"


def decoded(png):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png, validate=True))))


def images_of(reply):
    return np.stack([decoded(image["png"]) for result in reply["results"] for image in result["images"]])


def ask(client, path, **fields):
    response = client.post(path, json=fields)
    return response.status_code, response.json


def posting(client, path, fields):
    """A thread that posts with a client of its own."""
    post = client.application.test_client().post
    return threading.Thread(target=post, args=(path,), kwargs={"json": fields}, daemon=True)


@pytest.mark.parametrize(
    "texts, count, seed, truncation",
    [
        ([SENTENCE], 1, 1, 0.0),
        (["a blue bird", SENTENCE, "number"], 5, 2**63 - 1, 0.7),  # batches of 4 that cross sentences
    ],
)
def test_images_are_those_of_generate(client, model, texts, count, seed, truncation):
    status, reply = ask(client, "/v1/generate", texts=texts, count=count, seed=seed, truncation=truncation)
    assert status == 200
    want = model.generate(texts, count, seed, truncation)
    np.testing.assert_array_equal(images_of(reply), want)
    assert len(want) == 1 or want.std(axis=0).mean() > 1  # they differ among themselves
    settings = {"run": "tiny", "step": 30, "ema": True, "text": texts[0], "seed": seed, "number": 0}
    settings = {"Software": f"ffgan_tf {ffgan_tf.__version__}", **settings, "truncation": truncation}
    assert base64.b64decode(reply["results"][0]["images"][0]["png"]) == png_bytes(want[0], settings)


def test_the_settings_in_a_png_make_it_again(client, model):
    _, reply = ask(client, "/v1/generate", texts=["größe 鳥 bird"], count=3, seed=5, truncation=1.5)
    png = base64.b64decode(reply["results"][0]["images"][2]["png"])
    text = Image.open(io.BytesIO(png)).text
    assert text["text"] == "größe 鳥 bird" and text["run"] == "tiny" and text["step"] == "30"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ffgan_tf.UnknownWords)
        again = model.generate(text["text"], int(text["number"]) + 1, int(text["seed"]), float(text["truncation"]))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), again[-1])


def test_words_used_and_left_out_in_order(client):
    _, reply = ask(client, "/v1/generate", texts=["A red, zeppelin bird!", " ".join(["bird"] * 26) + " owl"])
    first, second = reply["results"]
    assert [(token["word"], token["status"]) for token in first["tokens"]] == [
        ("a", "used"),
        ("red", "used"),
        ("zeppelin", "left_out"),
        ("bird", "used"),
    ]
    assert (first["words"], first["left_out"], first["cut"]) == (["a", "red", "bird"], ["zeppelin"], [])
    assert (len(second["words"]), second["left_out"], second["cut"]) == (25, ["owl"], ["bird"])
    assert [token["status"] for token in second["tokens"]] == ["used"] * 25 + ["cut", "left_out"]


def test_a_sentence_without_a_known_word(client):
    status, reply = ask(client, "/v1/generate", texts=[SENTENCE, "zeppelin owl"])
    assert status == 422 and reply["error"].startswith("texts[1]: none of the words")
    assert reply["left_out"] == ["zeppelin", "owl"] and reply["words"] == []
    assert ask(client, "/v1/attention", text="…")[0] == 422


def test_attention_is_that_of_explain(client, model):
    fields = {"seed": 3, "number": 2, "truncation": 0.8}
    status, reply = ask(client, "/v1/attention", text=SENTENCE, **fields)
    explained = model.explain(SENTENCE, **fields)
    assert status == 200 and reply["words"] == list(explained.reading.words) == SENTENCE.split()
    for level, maps in zip(reply["levels"], explained.attention):
        assert level["size"] == maps.shape[0] and len(level["words"]) == maps.shape[2]
        for t, word in enumerate(level["words"]):
            values = maps[..., t].astype(np.float64)
            light = 255 * (0.12 + 0.88 * values / values.max())
            assert np.abs(decoded(word["png"]) - light).max() <= 0.5 + 1e-3
            assert word["mean"] == pytest.approx(values.mean(), abs=1e-5)
            assert word["peak"] == pytest.approx(values.max(), abs=1e-5)
    assert [level["name"] for level in reply["levels"]] == ["A_1", "A_2"]
    assert [level["size"] for level in reply["levels"]] == [16, 32]  # S/4 and S/2


MANY = requests.MOST_IMAGES
WRONG = [
    (b"", 400, "not JSON"),
    (b"{", 400, "not JSON"),
    (b"\xff\xfe", 400, "not JSON"),
    (b"[" * 8000, 400, "nested too deeply"),
    (b"[]", 400, "not an object"),
    (b'{"texts": ["a"], "truncation": NaN}', 400, "NaN"),
    (b'{"texts": ["a"], "truncation": 1e999}', 400, "truncation:"),
    (b'{"texts": ["a"], "seed": ' + b"9" * 5000 + b"}", 400, "not JSON"),
    (b'{"texts": ["\\ud800 bird"]}', 400, "surrogate"),
    (b'{"texts": ["a\\u0000 bird"]}', 400, "control"),
    ({}, 400, "texts:"),
    ({"texts": "a bird"}, 400, "texts:"),
    ({"texts": []}, 400, "texts:"),
    ({"texts": ["bird"] * 17}, 400, "texts:"),
    ({"texts": [7]}, 400, "texts[0]:"),
    ({"texts": ["bird", ""]}, 400, "texts[1]:"),
    ({"texts": ["bird " * 101]}, 400, "texts[0]:"),
    ({"texts": ["bird"], "count": 0}, 400, "count:"),
    ({"texts": ["bird"], "count": MANY + 1}, 400, "count:"),
    ({"texts": ["bird"] * 2, "count": MANY // 2 + 1}, 400, "images a request"),
    ({"texts": ["bird"], "count": True}, 400, "count:"),
    ({"texts": ["bird"], "seed": -1}, 400, "seed:"),
    ({"texts": ["bird"], "seed": 2**63}, 400, "seed:"),
    ({"texts": ["bird"], "seed": 1.0}, 400, "seed:"),
    ({"texts": ["bird"], "truncation": -0.1}, 400, "truncation:"),
    ({"texts": ["bird"], "truncation": "1"}, 400, "truncation:"),
    ({"texts": ["bird"], "ticket": ""}, 400, "ticket:"),
    ({"texts": ["bird"], "sead": 1}, 400, "'sead' is no field"),
    ({"texts": ["bird"], "run": "other"}, 404, "one of tiny"),
    ({"texts": ["bird"], "run": ["tiny"]}, 404, "one of tiny"),
]


@pytest.mark.parametrize("body, status, message", WRONG, ids=range(len(WRONG)))
def test_refusals(client, body, status, message):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = client.post("/v1/generate", data=content, content_type="application/json")
    assert response.status_code == status and message in response.json["error"]


@pytest.mark.parametrize("content", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_only_json_is_taken(client, content):
    """What a form of another site's page could send without the browser's asking first."""
    assert client.post("/v1/generate", data=b'{"texts": ["a bird"]}', content_type=content).status_code == 415


def test_a_large_body_is_refused(client):
    body = b" " * requests.MOST_BYTES + b"{}"
    assert client.post("/v1/generate", data=body, content_type="application/json").status_code == 413


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("get", "/v1/generate", 405),
        ("post", "/v1/runs", 405),
        ("get", "/none", 404),
        ("get", "/static/../app.py", 404),
        ("get", "/static/%2e%2e/app.py", 404),
        ("get", "/static//etc/passwd", 404),
        ("get", "/static/none.js", 404),
        ("get", "/v1/run?run=none", 404),
        ("get", "/v1/vocabulary?run=..", 404),
    ],
)
def test_what_is_not_there(client, method, path, status):
    response = getattr(client, method)(path)
    assert response.status_code == status and response.json["error"]


def test_every_reply_holds_browsers_back(client):
    for response in (client.get("/"), client.get("/none"), client.get("/healthz"), client.post("/v1/generate")):
        policy = response.headers["Content-Security-Policy"].split("; ")
        assert "default-src 'self'" in policy and "img-src 'self' data:" in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in response.headers
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 403
    cross = client.post("/v1/generate", json={"texts": ["a bird"]}, headers={"Origin": "https://evil.example"})
    assert cross.status_code == 403
    assert cross.headers["X-Frame-Options"] == "DENY"


def test_runs_and_words(client, run, model):
    (found,) = client.get("/v1/runs").json["runs"]
    assert found == client.get("/v1/run").json == client.get("/v1/run?run=tiny").json
    assert (found["run"], found["step"], found["ema"], found["image_size"]) == ("tiny", 30, True, 64)
    assert found["examples"] and all(model.read(text).left_out == () for text in found["examples"])
    words = client.get("/v1/vocabulary").json["words"]
    assert words == model.vocabulary.words[1:] and len(words) == found["vocabulary"]
    assert client.get("/healthz").json == {"status": "ok"}
    for path in ("/v1/runs", "/v1/queue"):
        assert str(run.parent) not in client.get(path).text  # nobody is told where it lies


def test_a_full_queue_is_503_with_retry_after_and_a_ticket_has_its_place(run, model):
    worker = Worker({"tiny": model}, BATCH, capacity=6)  # not started: what it is given waits
    client = create_app(Service({"tiny": model}, worker)).test_client()
    worker.submit(Job("tiny", [Wanted((1,), 1, 0, 0.0)] * 3))
    fields = {"texts": ["a bird"], "count": 2, "ticket": "mine"}
    waiting = posting(client, "/v1/generate", fields)
    waiting.start()
    while not (place := client.get("/v1/queue?ticket=mine").json)["known"]:
        pass
    assert (place["ahead"], place["left"], place["waiting"], place["capacity"]) == (3, 2, 5, 6)
    assert client.get("/v1/queue?ticket=other").json["known"] is False
    response = client.post("/v1/generate", json={"texts": ["a bird"], "count": 2})
    assert response.status_code == 503 and int(response.headers["Retry-After"]) >= 1
    assert int(response.headers["Retry-After"]) == response.json["retry_after"]
    worker._thread.start()
    waiting.join(60)
    assert not waiting.is_alive() and client.get("/v1/queue?ticket=mine").json["known"] is False
    worker.stop()
    assert client.post("/v1/generate", json=fields).status_code == 503


def test_too_many_requests_at_once(run, model):
    worker = Worker({"tiny": model}, BATCH)
    client = create_app(Service({"tiny": model}, worker, requests=1)).test_client()
    other = posting(client, "/v1/attention", {"text": "a bird"})
    other.start()
    while not worker.waiting():
        pass
    assert client.post("/v1/attention", json={"text": "a bird"}).status_code == 503
    worker._thread.start()
    other.join(60)
    assert client.post("/v1/attention", json={"text": "a bird"}).status_code == 200
    worker.stop()


# --- the description


@pytest.fixture(scope="module")
def document(client):
    return client.get("/openapi.json").json


def test_the_description_has_every_route(client, document):
    routes = {
        (rule.rule, method.lower())
        for rule in client.application.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    described = {(path, method) for path, item in document["paths"].items() for method in item}
    assert routes - described == {("/", "get"), ("/static/<name>", "get")} and described <= routes
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(set(names)) == len(names)


def test_references_of_the_description_lead_somewhere(document):
    text = json.dumps(document)
    used = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert used == set(document["components"]["schemas"])
    assert document == openapi.document()


@pytest.mark.parametrize(
    "method, path, fields, status",
    [
        ("post", "/v1/generate", {"texts": ["a red owl", "bird"], "count": 2}, 200),
        ("post", "/v1/generate", {"texts": ["owl"]}, 422),
        ("post", "/v1/generate", {}, 400),
        ("post", "/v1/generate", {"texts": ["bird"], "run": "x"}, 404),
        ("post", "/v1/attention", {"text": "a bird"}, 200),
        ("get", "/v1/runs", None, 200),
        ("get", "/v1/run", None, 200),
        ("get", "/v1/vocabulary", None, 200),
        ("get", "/v1/queue", None, 200),
        ("get", "/healthz", None, 200),
    ],
)
def test_replies_are_as_described(client, document, method, path, fields, status):
    response = getattr(client, method)(path, **({} if fields is None else {"json": fields}))
    assert response.status_code == status
    schema = document["paths"][path][method]["responses"][str(status)]["content"]["application/json"]["schema"]
    assert not complaints(response.json, schema, document)


# But for what JSON Schema does not say here: the product of texts and count, half surrogates, the names of runs.
DESCRIBED = [
    body
    for body, status, message in WRONG
    if isinstance(body, dict) and "images a request" not in message and body.get("run") != "other"
]


@pytest.mark.parametrize("body", DESCRIBED, ids=range(len(DESCRIBED)))
def test_the_description_refuses_what_the_server_refuses(document, body):
    schema = document["components"]["schemas"]["GenerateRequest"]
    assert len(DESCRIBED) > 15 and complaints(body, schema, document)
    assert not complaints({"texts": ["bird"], "count": 2, "seed": 7, "truncation": 0.5}, schema, document)
