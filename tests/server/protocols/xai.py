"""xAI's image API: JSON only, ratios instead of sizes, and moderation that may come with status 200."""

import formats
import results
from checks import Array, Choice, Integer, Object, Refused, Text, check_fields
from reply import json_reply
from .base import Protocol

OLD_RATIOS = ("auto", "1:1", "3:4", "4:3", "9:16", "16:9", "2:3", "3:2", "9:19.5", "19.5:9", "9:20", "20:9",
              "1:2", "2:1")
RATIOS = {
    "grok-imagine-image-2.0": OLD_RATIOS + ("21:9", "5:2"),
    "grok-imagine-image": OLD_RATIOS,
}
# Retired names still resolve, to the current model at low quality.
RETIRED = {"grok-imagine-image-quality": "grok-imagine-image-2.0", "grok-imagine-image-pro": "grok-imagine-image-2.0"}
DEFAULT_MODEL = "grok-imagine-image"
EDGE = {"1k": 1024, "2k": 2048}
MOST_IMAGES = 5
TICKS_PER_IMAGE = 300000000


def fields_of(model):
    return {"model": Text(), "prompt": Text(empty=False), "n": Integer(1, 10),
            "aspect_ratio": Choice(*RATIOS[model]), "resolution": Choice("1k", "2k"),
            "quality": Choice("auto", "low", "medium"), "response_format": Choice("url", "b64_json"),
            "user": Text(), "storage_options": Object()}


def model_of(values):
    model = values.get("model", DEFAULT_MODEL)
    model = RETIRED.get(model, model) if isinstance(model, str) else None
    if model not in RATIOS:
        raise Refused("Model not found: %s" % (values.get("model"),), param="model", status=404)
    return model


def size_of(values):
    edge = EDGE[values.get("resolution", "1k")]
    ratio = values.get("aspect_ratio", "auto")
    width, height = (1.0, 1.0) if ratio == "auto" else map(float, ratio.split(":"))
    longest = max(width, height)
    return "%dx%d" % (max(1, round(edge * width / longest)), max(1, round(edge * height / longest)))


def check_source(param, entry):
    """One input image: {"url", "type": "image_url"} or {"file_id"}."""
    if not isinstance(entry, dict) or set(entry) not in ({"url", "type"}, {"file_id"}):
        raise Refused("Invalid %s: expected url with type, or file_id." % param, param=param)
    if "file_id" in entry:
        Text(empty=False).check(param + ".file_id", entry["file_id"])
        return
    Choice("image_url").check(param + ".type", entry["type"])
    Text(empty=False).check(param + ".url", entry["url"])
    if not entry["url"].startswith(("https://", "http://")):
        check_data_uri(param, entry["url"])


def check_data_uri(param, text):
    try:
        mime, data = formats.read_data_uri(text)
        image = formats.read(data)
    except formats.BadImage as error:
        raise Refused("Invalid image in %s: %s" % (param, error), param=param)
    if image.kind not in ("png", "jpeg", "webp") or mime != image.mime:
        raise Refused("Unsupported image in %s: %s declared as %s" % (param, image.mime, mime), param=param)


def check_sources(document):
    if ("image" in document) == ("images" in document):
        raise Refused("Exactly one of image and images is needed.", param="image")
    if "image" in document:
        check_source("image", document["image"])
        return
    if not 1 <= len(document["images"]) <= MOST_IMAGES:
        raise Refused("images takes 1 to %d images." % MOST_IMAGES, param="images")
    for place, entry in enumerate(document["images"]):
        check_source("images[%d]" % place, entry)


class XAI(Protocol):
    name = "xai"
    key_prefixes = ("sk-", "xai-")
    routes = (("POST", r"/v1/images/generations", "generations"), ("POST", r"/v1/images/edits", "edits"))

    def generations(self, call):
        document = call.json_object()
        model = model_of(document)
        check_fields(document, fields_of(model), ("prompt",))
        return self.respond(call, document, model)

    def edits(self, call):
        document = call.json_object()
        model = model_of(document)
        check_fields(document, dict(fields_of(model), image=Object(), images=Array()), ("prompt",))
        check_sources(document)
        return self.respond(call, document, model)

    def respond(self, call, document, model, blocked=0):
        pictures = results.make_pictures(call, document["prompt"], document.get("n", 1), size_of(document), "jpeg")
        as_url = document.get("response_format", "url") == "url"
        items = results.make_items(call, pictures, as_url,
                                   extra=lambda picture: {"mime_type": picture.mime, "revised_prompt": "",
                                                          "respect_moderation": True})
        items[:blocked] = [{"respect_moderation": False} for _ in items[:blocked]]
        return json_reply({"model": model, "data": items,
                           "usage": {"cost_in_usd_ticks": TICKS_PER_IMAGE * len(pictures)}})

    def error(self, refused):
        """Three shapes are in use; which one depends on who refuses."""
        if refused.status == 401:
            return json_reply({"code": "unauthenticated:bad-credentials", "error": refused.message}, 401)
        if refused.status < 429:
            return json_reply({"code": "Client specified an invalid argument", "error": refused.message},
                              refused.status)
        if refused.status == 429:
            return json_reply({"error": {"message": refused.message, "type": refused.kind, "param": None,
                                         "code": refused.code}}, 429)
        return json_reply({"error": refused.message}, refused.status)

    def moderation(self, call, variant):
        document = call.json_object()
        model = model_of(document)
        return MODERATION.get(variant, MODERATION[True])(self, call, document, model)


# True and "items": every image is blocked; "mixed": the first one; "empty": no items at all; "http": status 400.
MODERATION = {
    True: lambda self, call, document, model: self.respond(call, document, model, document.get("n", 1)),
    "items": lambda self, call, document, model: self.respond(call, document, model, document.get("n", 1)),
    "mixed": lambda self, call, document, model: self.respond(call, document, model, 1),
    "empty": lambda self, call, document, model: json_reply(
        {"model": model, "data": [], "usage": {"cost_in_usd_ticks": TICKS_PER_IMAGE}}),
    "http": lambda self, call, document, model: json_reply(
        {"error": "Generated image rejected by content moderation."}, 400),
}

PROTOCOL = XAI()
