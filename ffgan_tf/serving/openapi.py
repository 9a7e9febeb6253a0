"""The API's description, OpenAPI 3.1, with the limits that `requests.py` holds requests to."""

from typing import Any

from ffgan_tf import __version__
from ffgan_tf.serving import requests
from ffgan_tf.utils.seeds import LIMIT

Schema = dict[str, Any]


def _object(required: Schema, optional: Schema | None = None, closed: bool = True) -> Schema:
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
        "additionalProperties": not closed,
    }


def _text(description: str = "", **more: Any) -> Schema:
    return {"type": "string", **({"description": description} if description else {}), **more}


def _number(kind: str, description: str, low: float = 0, **more: Any) -> Schema:
    return {"type": kind, "description": description, "minimum": low, **more}


def _list(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


SENTENCE = _text("A sentence.", minLength=1, maxLength=requests.MOST_CHARACTERS)
SEED = _number("integer", "Seed of the noise.", maximum=LIMIT - 1, default=1)
TRUNCATION = _number(
    "number", "Truncates the noise's normal distribution at ±this; 0: off.", maximum=requests.MOST_TRUNCATION, default=0
)
RUN = _text("A name of GET /v1/runs; without it, the first.")
PNG = _text("A PNG file in base64.", contentEncoding="base64", contentMediaType="image/png")
HEAD = {
    "run": _text("The run's name."),
    "step": _number("integer", "The training step of the weights."),
    "ema": {"type": "boolean", "description": "Whether the weights are the generator's moving average."},
    "image_size": _number("integer", "S: images are S×S pixels.", 1),
    "seed": SEED,
    "truncation": TRUNCATION,
}
WORDS = {
    "text": _text("The sentence, unchanged."),
    "tokens": _list(_ref("Token"), description="Its words in order."),
    "words": _list(_text(), description="The words that the image depends on."),
    "left_out": _list(_text(), description="Words that the run does not know."),
    "cut": _list(_text(), description="Known words beyond the 25th, not used."),
}
INFO = {
    "run": HEAD["run"],
    "step": HEAD["step"],
    "ema": HEAD["ema"],
    "image_size": HEAD["image_size"],
    "vocabulary": _number("integer", "How many words it knows."),
    "examples": _list(_text(), description="Sentences of which it knows every word."),
    "version": _text("Of ffgan_tf."),
}


def schemas() -> dict[str, Schema]:
    """The named schemas of requests and replies."""
    number = _number("integer", "Which image of this seed; images of one number have the same noise.")
    word = _object(
        {
            "png": PNG | {"description": "Grey PNG, size × size: what to multiply the image by, stretched over it."},
            "mean": _number("number", "The word's mean share of the attention.", maximum=1.0001),
            "peak": _number("number", "Its greatest share at any pixel; there the PNG is white.", maximum=1.0001),
        }
    )
    level = _object(
        {
            "name": _text(enum=["A_1", "A_2"]),
            "size": _number("integer", "Side of its maps.", 1),
            "words": _list(word, description="In the order of the reply's words."),
        }
    )
    return {
        "GenerateRequest": _object(
            {"texts": _list(SENTENCE, minItems=1, maxItems=requests.MOST_TEXTS)},
            {
                "count": _number(
                    "integer",
                    f"Images of each sentence; texts × count is at most {requests.MOST_IMAGES}.",
                    1,
                    maximum=requests.MOST_IMAGES,
                    default=1,
                ),
                "seed": SEED,
                "truncation": TRUNCATION,
                "run": RUN,
                "ticket": _text(
                    "A name of your choice for this request, to ask GET /v1/queue for its place.",
                    minLength=1,
                    maxLength=requests.MOST_TICKET,
                ),
            },
        ),
        "AttentionRequest": _object(
            {"text": SENTENCE},
            {
                "seed": SEED,
                "number": number | {"maximum": requests.MOST_IMAGES - 1, "default": 0},
                "truncation": TRUNCATION,
                "run": RUN,
            },
        ),
        "Token": _object({"word": _text(), "status": _text(enum=["used", "left_out", "cut"])}),
        "Result": _object(WORDS | {"images": _list(_object({"number": number, "png": PNG}))}),
        "Generated": _object(
            HEAD
            | {
                "count": _number("integer", "Images of each sentence.", 1),
                "results": _list(_ref("Result"), description="In the order of texts."),
                "seconds": _number("number", "From the request to the reply, waiting included."),
            }
        ),
        "Attention": _object(
            HEAD
            | {
                "text": _text("The sentence, unchanged."),
                "number": number,
                "words": _list(_text(), description="The words used, in order."),
                "levels": _list(level, minItems=2, maxItems=2),
            }
        ),
        "Run": _object(INFO),
        "Runs": _object({"runs": _list(_ref("Run"), minItems=1)}),
        "Vocabulary": _object({"run": HEAD["run"], "words": _list(_text())}),
        "Queue": _object(
            {
                "waiting": _number("integer", "Images waiting, of all requests."),
                "capacity": _number("integer", "The largest number of images that may wait.", 1),
                "known": {"type": "boolean", "description": "Whether the ticket's request waits or is being computed."},
            },
            {
                "ahead": _number("integer", "Other requests' images before it."),
                "left": _number("integer", "Its own images not yet done."),
                "seconds": _number("number", "About how long until it is done."),
            },
        ),
        "Health": _object({"status": _text(enum=["ok"])}),
        "Error": _object(
            {"error": _text("What is wrong, and the fix.")},
            WORDS | {"retry_after": _number("integer", "Seconds.", 1)},
        ),
    }


def _reply(description: str, schema: str) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": _ref(schema)}}}


ERRORS = {
    400: "The body is not JSON, or a field is out of its bounds.",
    403: "Host or Origin is another site's.",
    404: "No such run.",
    413: f"The body is larger than {requests.MOST_BYTES:,} bytes.",
    415: "The body's Content-Type is not application/json.",
    422: "No word of the sentence is known to the run.",
}


def _operation(name: str, summary: str, reply: str, body: str = "", query: tuple[Schema, ...] = ()) -> Schema:
    statuses = ERRORS if body else {403: ERRORS[403]} | ({404: ERRORS[404]} if query else {})
    responses: Schema = {"200": _reply("Done.", reply)}
    responses |= {str(status): _reply(text, "Error") for status, text in statuses.items()}
    operation: Schema = {"operationId": name, "summary": summary, "responses": responses}
    if body:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(body)}}}
        responses["503"] = _reply("Too much waits already, or the server is stopping.", "Error") | {
            "headers": {
                "Retry-After": {"description": "Seconds after which to ask again.", "schema": {"type": "integer"}}
            }
        }
    if query:
        operation["parameters"] = list(query)
    return operation


def document() -> Schema:
    """The whole description, as GET /openapi.json gives it."""
    run = {"name": "run", "in": "query", "description": RUN["description"], "schema": {"type": "string"}}
    ticket = {"name": "ticket", "in": "query", "description": "Of POST /v1/generate.", "schema": {"type": "string"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ffgan_tf",
            "version": __version__,
            "summary": "Images of sentences, by a trained FF-GAN.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "."}],
        "paths": {
            "/v1/generate": {
                "post": _operation("generate", "Images of one or more sentences.", "Generated", "GenerateRequest")
            },
            "/v1/attention": {
                "post": _operation(
                    "attention", "Where one image's words were attended to.", "Attention", "AttentionRequest"
                )
            },
            "/v1/runs": {"get": _operation("runs", "Every run that is served, the default first.", "Runs")},
            "/v1/run": {"get": _operation("run", "One run.", "Run", query=(run,))},
            "/v1/vocabulary": {"get": _operation("vocabulary", "The words a run knows.", "Vocabulary", query=(run,))},
            "/v1/queue": {"get": _operation("queue", "What waits, and a ticket's place.", "Queue", query=(ticket,))},
            "/healthz": {"get": _operation("healthz", "200 while the server works.", "Health")},
            "/openapi.json": {
                "get": {
                    "operationId": "openapi",
                    "summary": "This description.",
                    "responses": {
                        "200": {
                            "description": "OpenAPI 3.1.",
                            "content": {"application/json": {"schema": {"type": "object"}}},
                        }
                    },
                }
            },
        },
        "components": {"schemas": schemas()},
    }
