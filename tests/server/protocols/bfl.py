"""Black Forest Labs' API: one path and one schema per model, the key in x-key, and polls of an address that the
answer names.

jobs behaviours: "moderation" may be the status word instead of true, "fail" the text of details.
"""

import binascii
import urllib.parse

import formats
import jobs
import record
import results
from checks import Boolean, Choice, Field, Integer, Nullable, Refused, Text, check_fields
from reply import json_reply
from .base import Protocol

# ---- fields ----------------------------------------------------------------------------------------------


class Invalid(Refused):
    """422, with the place."""

    def __init__(self, name, message, kind="value_error"):
        Refused.__init__(self, message, kind, name, 422)


class Number(Field):
    types = (int, float)
    expected = "a number"

    def __init__(self, lowest, highest):
        self.lowest = lowest
        self.highest = highest

    def check_value(self, name, value):
        if not self.lowest <= value <= self.highest:
            raise Invalid(name, "Input should be between %s and %s" % (self.lowest, self.highest), "out_of_range")


class Edge(Field):
    """A width or a height."""
    types = (int,)
    expected = "an integer"

    def __init__(self, lowest, highest, step, automatic=False):
        self.lowest = lowest
        self.highest = highest
        self.step = step
        self.automatic = automatic

    def check_value(self, name, value):
        if self.automatic and value == 0:
            return
        if not self.lowest <= value <= self.highest:
            raise Invalid(name, "Input should be between %d and %d" % (self.lowest, self.highest), "out_of_range")
        if value % self.step:
            raise Invalid(name, "Input should be a multiple of %d" % self.step, "multiple_of")


class Ratio(Field):
    """Any W:H from 21:9 to 9:21."""
    types = (str,)
    expected = "a string"

    def check_value(self, name, value):
        width, _, height = value.partition(":")
        if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
            raise Invalid(name, "Input should be an aspect ratio", "string_pattern_mismatch")
        if not 9 / 21 <= int(width) / int(height) <= 21 / 9:
            raise Invalid(name, "Aspect ratio must be between 21:9 and 9:21")


def read_image(name, text, urls=True):
    """None for a URL."""
    if urls and text.startswith(("https://", "http://")):
        return None
    try:
        image = formats.read(binascii.a2b_base64(text, strict_mode=True))
    except (ValueError, formats.BadImage) as error:
        raise Invalid(name, "Input should be a base64 image%s: %s" % (" or a URL" if urls else "", error))
    if image.kind not in ("png", "jpeg", "webp"):
        raise Invalid(name, "%s is not supported" % image.mime)
    return image


class Image(Field):
    types = (str,)
    expected = "a string"

    def __init__(self, urls=True):
        self.urls = urls

    def check_value(self, name, value):
        read_image(name, value, self.urls)


class Images(Field):
    """One to ten, or a single one without a list."""
    types = (list, str)
    expected = "an array"

    def check_value(self, name, value):
        values = [value] if isinstance(value, str) else value
        if not 1 <= len(values) <= 10:
            raise Invalid(name, "List should have 1 to 10 items", "too_long")
        for text in values:
            if not isinstance(text, str):
                raise Invalid(name, "Input should be a valid string", "string_type")
            image = read_image(name, text)
            if image and min(image.width, image.height) < SMALLEST_EDGE:
                raise Invalid(name, "Images must be at least %d pixels wide and high" % SMALLEST_EDGE)


SMALLEST_EDGE = 1  # the real one wants 256; test pictures are tiny

FORMATS = ("jpeg", "png", "webp")
SHAPES = ("auto", "21:9", "2:1", "16:9", "3:2", "7:5", "4:3", "5:4", "1:1", "4:5", "3:4", "5:7", "2:3", "9:16", "1:2",
          "9:21")


def usual(tolerance, **fields):
    return dict({"seed": Integer(), "output_format": Choice(*FORMATS), "safety_tolerance": Integer(0, tolerance),
                 "webhook_url": Text(2083), "webhook_secret": Text()}, **fields)


def numbered(count):
    return {"input_image" + ("_%d" % place if place > 1 else ""): Image() for place in range(1, count + 1)}


PROMPT = Text()
FREE_EDGES = {"width": Edge(64, 65536, 16, True), "height": Edge(64, 65536, 16, True)}
OLD_EDGES = {"width": Edge(256, 1440, 32), "height": Edge(256, 1440, 32)}
FLUX_2 = usual(5, prompt=PROMPT, **FREE_EDGES)
PRO = dict(FLUX_2, disable_pup=Boolean(), **numbered(8))
FLEX = dict(FLUX_2, guidance=Number(1.5, 10), steps=Integer(1, 50), prompt_upsampling=Boolean(),
            input_image_blob_path=Text(), **numbered(8))
KLEIN = dict(FLUX_2, **numbered(4))
KONTEXT = usual(6, prompt=PROMPT, aspect_ratio=Ratio(), prompt_upsampling=Boolean(), **numbered(4))
ULTRA = usual(6, prompt=PROMPT, aspect_ratio=Ratio(), raw=Boolean(), image_prompt=Image(False),
              image_prompt_strength=Number(0, 1), prompt_upsampling=Boolean())
PRO_1 = usual(6, prompt=PROMPT, image_prompt=Image(False), prompt_upsampling=Boolean(), **OLD_EDGES)
REPAIR = {"prompt": PROMPT, "steps": Integer(15, 50), "guidance": Number(1.5, 100), "prompt_upsampling": Boolean()}
SIDES = {side: Integer(0, 2048) for side in ("top", "bottom", "left", "right")}
TOOL = {"output_format": Choice(*FORMATS), "safety_tolerance": Integer(0, 5), "webhook_url": Text(2083),
        "webhook_secret": Text()}
FLUX_3 = {"prompt": PROMPT, "images": Images(), "aspect_ratio": Choice(*SHAPES),
          "resolution": Choice("768sq", "1k", "1.5k", "2k", "4k"), "grounding": Boolean(),
          "safety_tolerance": Integer(0, 4), "version": Text(), "webhook_url": Text(2083), "webhook_secret": Text()}
KLEIN_3 = usual(7, prompt=PROMPT, images=Images(), resolution=FLUX_3["resolution"], steps=Integer(1, 50), **FREE_EDGES)

# model: (fields, those that are required, format of its own accord)
MODELS = {
    "flux-3-image": (FLUX_3, ("prompt",), "jpeg"),
    "flux-3-image-klein": (KLEIN_3, ("prompt",), "jpeg"),
    "flux-2-pro": (PRO, ("prompt",), "jpeg"),
    "flux-2-pro-preview": (PRO, ("prompt",), "jpeg"),
    "flux-2-max": (PRO, ("prompt",), "jpeg"),
    "flux-2-flex": (FLEX, ("prompt",), "jpeg"),
    "flux-2-klein-4b": (KLEIN, ("prompt",), "jpeg"),
    "flux-2-klein-9b": (KLEIN, ("prompt",), "jpeg"),
    "flux-2-klein-9b-preview": (KLEIN, ("prompt",), "jpeg"),
    "flux-kontext-pro": (KONTEXT, ("prompt",), "png"),
    "flux-kontext-max": (KONTEXT, ("prompt",), "png"),
    "flux-pro-1.1-ultra": (ULTRA, ("prompt",), "jpeg"),
    "flux-pro-1.1": (PRO_1, ("prompt",), "jpeg"),
    "flux-dev": (dict(PRO_1, steps=Integer(1, 50), guidance=Number(1.5, 5)), ("prompt",), "jpeg"),
    "flux-pro-1.0-fill": (usual(6, image=Image(False), mask=Image(False), **REPAIR), ("image",), "jpeg"),
    "flux-pro-1.0-expand": (usual(6, image=Image(False), **dict(REPAIR, **SIDES)), ("image",), "jpeg"),
    "flux-tools/outpainting-v1": (dict(TOOL, prompt=PROMPT, input_image=Image(), width=Edge(64, 4096, 1),
                                       height=Edge(64, 4096, 1), reference_offset_x=Nullable(Integer()),
                                       reference_offset_y=Nullable(Integer()), auto_crop=Boolean(),
                                       mode=Choice("high", "fast")), ("input_image", "width", "height"), "png"),
    "flux-tools/erase-v1": (dict(TOOL, image=Image(), mask=Image(), dilate_pixels=Integer(0, 25), seed=Integer()),
                            ("image", "mask"), "png"),
    "flux-tools/deblur-v1": (dict(TOOL, image=Image(), seed=Integer()), ("image",), "png"),
    "flux-tools/vto-v1": (dict(TOOL, prompt=PROMPT, person=Image(), garment=Image(), seed=Integer()),
                          ("prompt", "person", "garment"), "png"),
}
MOST_PIXELS = 4 << 20


def check_pixels(document):
    if document.get("width", 0) * document.get("height", 0) > MOST_PIXELS:
        raise Invalid("width", "The image may have at most 4 megapixels")


def check_mask(document):
    if "mask" not in document:
        return
    image, mask = (read_image(name, document[name]) for name in ("image", "mask"))
    if image and mask and (image.width, image.height) != (mask.width, mask.height):
        raise Invalid("mask", "Mask and image must have the same size")


def check_sides(document):
    if "image" in document and any(side in document for side in SIDES) and not any(map(document.get, SIDES)):
        raise Invalid("top", "At least one side must be expanded")


def described_images(document):
    """For the log, which knows data: URIs only."""
    for name, value in document.items():
        for place, text in enumerate(value if isinstance(value, list) else [value]):
            try:
                data = binascii.a2b_base64(text, strict_mode=True) if isinstance(text, str) else b""
            except ValueError:
                continue
            if formats.describe(data):
                path = "%s[%d]" % (name, place) if isinstance(value, list) else name
                yield dict(record.describe_bytes(data), path=path)


def check(document, model):
    fields, required, _ = MODELS[model]
    check_fields(document, fields, required)
    for judge in (check_pixels, check_mask, check_sides):
        judge(document)


# ---- results ---------------------------------------------------------------------------------------------

EDGES = {"768sq": 768, "1k": 1024, "1.5k": 1536, "2k": 2048, "4k": 4096}


def size_of_ratio(ratio, edge):
    width, height = (1, 1) if ratio == "auto" else map(int, ratio.split(":"))
    longest = max(width, height)
    return "%dx%d" % (max(1, edge * width // longest), max(1, edge * height // longest))


def size_of(document):
    if document.get("width") and document.get("height"):
        return "%dx%d" % (document["width"], document["height"])
    return size_of_ratio(document.get("aspect_ratio", "auto"), EDGES[document.get("resolution", "1k")])


def result(call, job):
    kind = job.document.get("output_format", MODELS[job.model][2])
    prompt = job.document.get("prompt", "")
    items = results.make_items(call, results.make_pictures(call, prompt, 1, size_of(job.document), kind), True,
                               ("b64", "sample"))
    told = dict(items[0] or {}) if items else {}
    told.update(prompt=told.pop("revised_prompt", prompt), seed=job.document.get("seed", 42),
                start_time=1763632800.1, end_time=1763632803.4, duration=3.3)
    return told


def working(call, job):
    thinking = "Reasoning" if job.percent() < 50 else "Generating"
    return {"status": thinking if job.model.startswith("flux-3") else "Pending", "progress": job.percent() / 100}


def moderated(call, job):
    word = job.options["moderation"]
    return {"status": word if isinstance(word, str) else "Request Moderated",
            "details": {"Moderation Reasons": ["Derivative Works Filter", "Violence"]}}


def failed(call, job):
    words = job.options["fail"]
    return {"status": "Error", "details": words if words is not True else {"error": "The worker gave up."}}


TELLERS = {
    "queued": lambda call, job: {"status": "Pending"},
    "working": working,
    "unknown": lambda call, job: {"status": "Contemplating"},
    "moderated": moderated,
    "failed": failed,
    "done": lambda call, job: {"status": "Ready", "result": result(call, job)},
}


def describe(call, job):
    return dict({"id": job.name, "status": None, "result": None, "progress": None, "details": None, "preview": None},
                **TELLERS[job.state()](call, job))


# The validator's words for what the shared checks find.
WORDS = {"unknown_parameter": ("extra_forbidden", "Extra inputs are not permitted"),
         "missing_required_parameter": ("missing", "Field required")}


class BFL(Protocol):
    name = "bfl"
    routes = (("GET", r"/v1/get_result", "look"), ("GET", r"/v1/credits", "credits"),
              ("POST", r"/v1/[A-Za-z0-9./-]+", "create"))

    def authorize(self, call):
        key = call.request.header("x-key")
        if not key:
            raise Refused("Not authenticated", None, None, 403)
        call.session.remember_key(key)
        if call.request.header("Authorization"):
            raise Refused("The key belongs into x-key alone.", None, None, 400)
        if not key.startswith(self.key_prefixes) or "bad" in key:
            raise Refused("Invalid API key: %s" % key, None, None, 403)

    def credits(self, call):
        return json_reply({"credits": 12.5})

    def create(self, call):
        model = call.rest[len("/v1/"):]
        if model not in MODELS:
            raise Refused("Not Found", None, None, 404)
        document = call.json_object()
        call.session.note(call.entry, "images", list(described_images(document)))
        check(document, model)
        name = "5015d102-09e0-44e9-8ede-%012d" % call.session.next_number("task")
        job = jobs.start(call, name, document, lambda job: describe(call, job))
        job.model = model
        job.creation = call
        return json_reply({"id": name, "polling_url": self.polling_url(call, job), "cost": 3.0, "input_mp": 0.0,
                           "output_mp": 1.05})

    def polling_url(self, call, job):
        if job.options.get("elsewhere"):
            return call.file_url("jobs/" + job.name)
        origin = call.server.origin_url(call.origin if call.origin == "tls" else "api")
        return "%s/s/%s/bfl/v1/get_result?id=%s" % (origin, call.session.name, job.name)

    def look(self, call):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(call.request.target).query)
        if list(query) != ["id"] or len(query["id"]) != 1:
            raise Invalid("id", "Field required", "missing")
        job = jobs.find(call, query["id"][0])
        if not job:
            return json_reply({"id": query["id"][0], "status": "Task not found", "result": None})
        with call.session.changed:
            job.poll()
            return json_reply(describe(call if "image_result" in call.behaviour else job.creation, job))

    def error(self, refused):
        if refused.status not in (400, 422) or not refused.param:
            return json_reply({"detail": refused.message}, refused.status)
        kind, message = WORDS.get(refused.code, (refused.code, refused.message))
        return json_reply({"detail": [{"type": kind, "loc": ["body", refused.param], "msg": message, "input": {}}]},
                          422)

    def headers(self, call):
        return ()

    def moderation(self, call, variant):
        """It is the task that tells."""
        if call.request.method == "POST":
            word = "Content Moderated" if variant == "items" else "Request Moderated"
            call.behaviour["jobs"] = dict(call.option("jobs"), moderation=word)
        return self.answer(call)


PROTOCOL = BFL()
