"""OpenRouter's image API: one path for generating and editing, a size or a ratio, base64 answers, and streams where the
model can (openai/...); others answer a stream's request in one piece.

moderation: true is status 403 with the reasons, "ok" the same within a 200, "stream" within a stream.
"""

import re
import time

import formats
import results
import sse
from checks import Array, Boolean, Choice, Field, Integer, Object, Refused, Text, check_fields, type_name
from reply import json_reply
from .base import Protocol

RATIOS = ("1:1 1:2 1:4 1:8 2:1 2:3 2.35:1 3:2 3:4 4:1 4:3 4:5 5:2 5:4 8:1 9:16 16:9 9:19.5 19.5:9 9:20 20:9 9:21 21:9 "
          "auto").split()
TIERS = {"512": 512, "1K": 1024, "2K": 2048, "4K": 4096}
STREAMING = "openai/"
AUTHORS = ("google/", "openai/", "black-forest-labs/", "bytedance-seed/", "recraft/", "x-ai/")
PIXELS = re.compile(r"([1-9]\d{1,3})x([1-9]\d{1,3})\Z")


class TierOrPixels(Field):
    expected = "a string"
    types = (str,)

    def check_value(self, name, value):
        if value not in TIERS and not PIXELS.match(value):
            raise Refused("Invalid size: expected a tier or WIDTHxHEIGHT", "400", name)


FIELDS = {"model": Text(empty=False), "prompt": Text(empty=False), "n": Integer(1, 10), "size": TierOrPixels(),
          "resolution": Choice(*TIERS), "aspect_ratio": Choice(*RATIOS),
          "quality": Choice("auto", "low", "medium", "high", "xhigh", "max"),
          "background": Choice("auto", "opaque", "transparent"), "output_format": Choice("png", "jpeg", "webp", "svg"),
          "output_compression": Integer(0, 100), "seed": Integer(), "stream": Boolean(), "user": Text(256),
          "session_id": Text(256), "input_references": Array(), "provider": Object(), "trace": Object()}
OPTIONAL_HEADERS = ("HTTP-Referer", "X-OpenRouter-Title", "X-OpenRouter-Categories")


def check_model(document):
    model = document.get("model")
    if not isinstance(model, str) or not model.startswith(AUTHORS) or model.endswith("/"):
        raise Refused("%s is not a valid model ID" % (model,), None, None, 400)


def check_size(document):
    """Pixels say it all; a tier may go with a ratio."""
    if PIXELS.match(document.get("size", "")) and {"resolution", "aspect_ratio"} & set(document):
        raise Refused("size conflicts with resolution or aspect_ratio", None, "size")


def size_of(document):
    pixels = PIXELS.match(document.get("size", ""))
    if pixels:
        return document["size"]
    edge = TIERS[document.get("size", document.get("resolution", "1K"))]
    ratio = document.get("aspect_ratio", "auto")
    width, height = (1.0, 1.0) if ratio == "auto" else map(float, ratio.split(":"))
    longest = max(width, height)
    return "%dx%d" % (max(1, round(edge * width / longest)), max(1, round(edge * height / longest)))


def check_reference(param, entry):
    if not isinstance(entry, dict) or set(entry) != {"type", "image_url"} or entry["type"] != "image_url":
        raise Refused("Invalid %s: expected type and image_url" % param, None, param)
    holder = entry["image_url"]
    if not isinstance(holder, dict) or set(holder) != {"url"}:
        raise Refused("Invalid %s.image_url: expected an object with url, but got %s" % (param, type_name(holder)),
                      None, param)
    Text(empty=False).check(param + ".image_url.url", holder["url"])
    if not holder["url"].startswith(("https://", "http://")):
        check_data_uri(param, holder["url"])


def check_data_uri(param, text):
    try:
        mime, data = formats.read_data_uri(text)
        image = formats.read(data)
    except formats.BadImage as error:
        raise Refused("Invalid image in %s: %s" % (param, error), None, param)
    if mime != image.mime:
        raise Refused("The image in %s is %s, declared as %s" % (param, image.mime, mime), None, param)


def usage_of(document, pictures):
    words, made = len(document["prompt"].split()), 4175 * len(pictures)
    return {"prompt_tokens": words, "completion_tokens": made, "total_tokens": words + made,
            "cost": 0.04 * len(pictures), "is_byok": False}


class OpenRouter(Protocol):
    name = "openrouter"
    key_prefixes = ("sk-",)
    error_shape = "numeric_code"
    routes = (("POST", r"/api/v1/images", "generate"),)

    def generate(self, call):
        for name in OPTIONAL_HEADERS:
            if len(call.request.all_headers(name)) > 1:
                raise Refused("The header %s was sent more than once." % name, None)
        document = call.json_object()
        check_model(document)
        check_fields(document, FIELDS, ("model", "prompt"))
        check_size(document)
        for place, entry in enumerate(document.get("input_references", ())):
            check_reference("input_references[%d]" % place, entry)
        if document.get("stream") and document["model"].startswith(STREAMING) and not call.option("sse").get("json"):
            return self.streamed(call, document)
        return self.plain(call, document)

    def pictures(self, call, document, salt=""):
        kind = document.get("output_format", "png")
        return results.make_pictures(call, salt + document["prompt"], document.get("n", 1), size_of(document), kind,
                                     document.get("background") == "transparent")

    def plain(self, call, document):
        pictures = self.pictures(call, document)
        items = results.make_items(call, pictures, False, extra=lambda picture: {"media_type": picture.mime})
        return json_reply({"created": int(time.time()), "data": items, "usage": usage_of(document, pictures)})

    def streamed(self, call, document):
        final = self.pictures(call, document)
        events = []
        for index in range(2):
            preview = self.pictures(call, document, "preview %d of " % index)[0]
            events.append(self.event("partial_image", b64_json=results.base64_text(call, preview),
                                     partial_image_index=index))
        for picture in final:
            events.append(self.event("completed", b64_json=results.base64_text(call, picture),
                                     created=int(time.time()), media_type=picture.mime,
                                     usage=usage_of(document, final)))
        return sse.stream(call, events)

    def event(self, name, **fields):
        kind = "image_generation." + name
        return kind, dict(fields, type=kind)

    def moderation(self, call, variant):
        told = {"error": {"code": 403, "message": "The model requires moderation and your input was flagged.",
                          "metadata": {"reasons": ["violence"], "flagged_input": "red fox",
                                       "provider_name": "OpenAI", "model_slug": "openai/gpt-image-2.5-flare"}}}
        if variant == "stream":
            return sse.stream(call, [("error", dict(told, type="error"))])
        return json_reply(told, 200 if variant == "ok" else 403)


PROTOCOL = OpenRouter()
