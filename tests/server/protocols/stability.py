"""Stability AI: v2beta (forms always, one image per call, bytes or JSON, results to poll for) and v1 (JSON)."""

import hashlib
import re

import formats
import jobs
import multipart
import results
from checks import Array, Choice, Field, Integer, Refused, Text, check_fields
from reply import Reply, json_reply
from .base import Protocol

MOST_BYTES = 10 << 20
LEAST_SEED, MOST_SEED = 0, 4294967294
USUAL_SEED = 343940597
LONGEST_CLIENT = 256

# ---- fields ----------------------------------------------------------------------------------------------


class Decimal(Field):
    expected = "a number"
    types = (int, float)

    def __init__(self, lowest, highest):
        self.lowest = lowest
        self.highest = highest

    def check_value(self, name, value):
        if not self.lowest <= value <= self.highest:
            raise Refused("must be between %g and %g" % (self.lowest, self.highest), None, name)

    def from_text(self, name, text):
        if not re.match(r"-?\d+(\.\d+)?([eE]-?\d+)?\Z", text):
            raise Refused("must be a number", None, name)
        return float(text)


RATIOS = ("21:9", "16:9", "3:2", "5:4", "1:1", "4:5", "2:3", "9:16", "9:21")
STYLES = ("3d-model", "analog-film", "anime", "cinematic", "comic-book", "digital-art", "enhance", "fantasy-art",
          "isometric", "line-art", "low-poly", "modeling-compound", "neon-punk", "origami", "photographic",
          "pixel-art", "tile-texture")
SD3_MODELS = ("sd3.5-large", "sd3.5-large-turbo", "sd3.5-medium", "sd3.5-flash", "sd3-large", "sd3-large-turbo",
              "sd3-medium")

PROMPT = Text(10000, empty=False)
NEGATIVE = Text(10000)
SEED = Integer(LEAST_SEED, MOST_SEED)
RATIO = Choice(*RATIOS)
STYLE = Choice(*STYLES)
UNIT = Decimal(0, 1)
ALL_FORMATS = Choice("png", "jpeg", "webp")


def fields_of(*words, **others):
    """The common fields, those named, and others."""
    known = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "aspect_ratio": RATIO, "style_preset": STYLE}
    return dict({"seed": SEED, "output_format": ALL_FORMATS}, **dict({word: known[word] for word in words}, **others))


# ---- input images ----------------------------------------------------------------------------------------

class Picture:
    """What an input image must be."""

    def __init__(self, least_side=64, most_side=None, least=4096, most=9437184, ratio=None):
        self.least_side = least_side
        self.most_side = most_side
        self.least = least
        self.most = most
        self.ratio = ratio

    def check(self, name, image):
        pixels, sides = image.width * image.height, sorted((image.width, image.height))
        rules = ((sides[0] >= self.least_side, "each side must be at least %d pixels" % self.least_side),
                 (self.most_side is None or sides[1] <= self.most_side, "a side is too long"),
                 (self.least <= pixels and (self.most is None or pixels <= self.most),
                  "the total pixel count is out of range"),
                 (self.ratio is None or sides[1] <= self.ratio * sides[0],
                  "the aspect ratio must be between 1:2.5 and 2.5:1"))
        for kept, told in rules:
            if not kept:
                raise Refused(told, None, name)


USUAL = Picture()
SHAPED = Picture(ratio=2.5)


def read_image(name, data, content_type):
    try:
        image = formats.read(data)
    except formats.BadImage as error:
        raise Refused("not a valid image: %s" % error, None, name)
    if image.kind not in ("png", "jpeg", "webp"):
        raise Refused("must be image/png, image/jpeg or image/webp", None, name)
    if content_type is not None and content_type != image.mime:
        raise Refused("is %s but was declared as %s" % (image.mime, content_type), None, name)
    return image


# ---- services --------------------------------------------------------------------------------------------

class Service:
    def __init__(self, fields, required=(), files=None, needed=(), starts=None, check=None, scale=1):
        self.fields = fields
        self.required = required
        self.files = files or {}
        self.needed = needed
        self.starts = starts  # the status that a job begins with; None where the answer is the image
        self.check = check
        self.scale = scale


def check_sd3(values, images):
    if values.get("mode", "text-to-image") == "text-to-image":
        for name in ("image", "strength"):
            if name in values or name in images:
                raise Refused("is not allowed when mode is text-to-image", None, name)
        return
    if "image" not in images:
        raise Refused("is required when mode is image-to-image", None, "image")
    if "strength" not in values:
        raise Refused("is required when mode is image-to-image", None, "strength")
    if "aspect_ratio" in values:
        raise Refused("is not allowed when mode is image-to-image", None, "aspect_ratio")


def check_ultra(values, images):
    if ("image" in images) != ("strength" in values):
        raise Refused("is required when image is provided, and only then", None, "strength")


def check_outpaint(values, images):
    if not any(values.get(side, 0) for side in ("left", "right", "up", "down")):
        raise Refused("at least one of left, right, up and down must be greater than 0", None, "left")


def check_relight(values, images):
    if "background_prompt" not in values and "background_reference" not in images:
        raise Refused("is required unless background_reference is provided", None, "background_prompt")
    if "light_source_strength" in values and "light_source_direction" not in values \
            and "light_reference" not in images:
        raise Refused("needs light_source_direction or light_reference", None, "light_source_strength")


def edit(*words, **others):
    return fields_of("style_preset", *words, **others)


IMAGE = {"image": USUAL}
SHAPED_IMAGE = {"image": SHAPED}
SIDE = Integer(0, 2000)

SERVICES = {
    "generate/core": Service(fields_of("prompt", "negative_prompt", "aspect_ratio", "style_preset"), ("prompt",)),
    "generate/ultra": Service(fields_of("prompt", "negative_prompt", "aspect_ratio", "style_preset", strength=UNIT),
                              ("prompt",), {"image": Picture(most_side=16384, most=None)}, check=check_ultra),
    "generate/sd3": Service(fields_of("prompt", "negative_prompt", "aspect_ratio", "style_preset", strength=UNIT,
                                      mode=Choice("text-to-image", "image-to-image"), model=Choice(*SD3_MODELS),
                                      cfg_scale=Decimal(1, 10), output_format=Choice("png", "jpeg")),
                            ("prompt",), {"image": Picture(most=None)}, check=check_sd3),
    "edit/erase": Service(fields_of(grow_mask=Integer(0, 20)), (), {"image": USUAL, "mask": USUAL}, ("image",)),
    "edit/inpaint": Service(edit("prompt", "negative_prompt", grow_mask=Integer(0, 100)), ("prompt",),
                            {"image": USUAL, "mask": USUAL}, ("image",)),
    "edit/outpaint": Service(edit("prompt", left=SIDE, right=SIDE, up=SIDE, down=SIDE, creativity=UNIT), (),
                             SHAPED_IMAGE, ("image",), check=check_outpaint),
    "edit/search-and-replace": Service(edit("prompt", "negative_prompt", search_prompt=PROMPT,
                                            grow_mask=Integer(0, 20)), ("prompt", "search_prompt"),
                                       SHAPED_IMAGE, ("image",)),
    "edit/search-and-recolor": Service(edit("prompt", "negative_prompt", select_prompt=PROMPT,
                                            grow_mask=Integer(0, 20)), ("prompt", "select_prompt"),
                                       SHAPED_IMAGE, ("image",)),
    "edit/remove-background": Service({"output_format": Choice("png", "webp")}, (), {"image": Picture(most=4194304)},
                                      ("image",)),
    "edit/replace-background-and-relight": Service(
        fields_of(background_prompt=PROMPT, foreground_prompt=NEGATIVE, negative_prompt=NEGATIVE,
                  preserve_original_subject=UNIT, original_background_depth=UNIT,
                  keep_original_background=Choice("true", "false"),
                  light_source_direction=Choice("left", "right", "above", "below"), light_source_strength=UNIT), (),
        {"subject_image": SHAPED, "background_reference": SHAPED, "light_reference": SHAPED}, ("subject_image",),
        202, check_relight),
    "control/sketch": Service(edit("prompt", "negative_prompt", control_strength=UNIT), ("prompt",), SHAPED_IMAGE,
                              ("image",)),
    "control/structure": Service(edit("prompt", "negative_prompt", control_strength=UNIT), ("prompt",), SHAPED_IMAGE,
                                 ("image",)),
    "control/style": Service(edit("prompt", "negative_prompt", "aspect_ratio", fidelity=UNIT), ("prompt",),
                             SHAPED_IMAGE, ("image",)),
    "control/style-transfer": Service(fields_of("prompt", "negative_prompt", style_strength=UNIT,
                                                composition_fidelity=UNIT, change_strength=Decimal(0.1, 1)), (),
                                      {"init_image": SHAPED, "style_image": SHAPED}, ("init_image", "style_image")),
    "upscale/fast": Service({"output_format": ALL_FORMATS}, (), {"image": Picture(32, 1536, 1024, 1048576)},
                            ("image",), scale=4),
    "upscale/conservative": Service(fields_of("prompt", "negative_prompt", creativity=Decimal(0.2, 0.5)), ("prompt",),
                                    SHAPED_IMAGE, ("image",), scale=2),
    "upscale/creative": Service(edit("prompt", "negative_prompt", creativity=Decimal(0.1, 0.5)), ("prompt",),
                                {"image": Picture(most=1048576)}, ("image",), 200, scale=2),
}

SIZES = {"21:9": "1536x640", "16:9": "1344x768", "3:2": "1216x832", "5:4": "1152x896", "1:1": "1024x1024",
         "4:5": "896x1152", "2:3": "832x1216", "9:16": "768x1344", "9:21": "640x1536"}


def size_of(values, images, scale):
    if not images or "aspect_ratio" in values:
        return SIZES[values.get("aspect_ratio", "1:1")]
    first = next(iter(images.values()))
    grown = [values.get(a, 0) + values.get(b, 0) for a, b in (("left", "right"), ("up", "down"))]
    return "%dx%d" % (scale * first.width + grown[0], scale * first.height + grown[1])


# ---- v1 --------------------------------------------------------------------------------------------------

SDXL_SIZES = ((1024, 1024), (1152, 896), (896, 1152), (1216, 832), (832, 1216), (1344, 768), (768, 1344),
              (1536, 640), (640, 1536))
ENGINES = {"stable-diffusion-xl-1024-v1-0": SDXL_SIZES, "stable-diffusion-v1-6": None}
V1_FIELDS = {
    "text_prompts": Array(), "width": Integer(128, 1536), "height": Integer(128, 1536), "cfg_scale": Decimal(0, 35),
    "samples": Integer(1, 10), "steps": Integer(10, 50), "seed": Integer(0, 4294967295), "style_preset": STYLE,
    "clip_guidance_preset": Choice("FAST_BLUE", "FAST_GREEN", "NONE", "SIMPLE", "SLOW", "SLOWER", "SLOWEST"),
    "sampler": Choice("DDIM", "DDPM", "K_DPMPP_2M", "K_DPMPP_2S_ANCESTRAL", "K_DPM_2", "K_DPM_2_ANCESTRAL", "K_EULER",
                      "K_EULER_ANCESTRAL", "K_HEUN", "K_LMS")}


def check_text_prompts(prompts):
    if not prompts:
        raise Refused("must hold at least one prompt", None, "text_prompts")
    for place, entry in enumerate(prompts):
        name = "text_prompts[%d]" % place
        if not isinstance(entry, dict):
            raise Refused("must be an object", None, name)
        check_fields(entry, {"text": Text(2000, empty=False), "weight": Decimal(-10, 10)}, ("text",))


def check_engine_size(document, sizes):
    width, height = document.get("width", 512), document.get("height", 512)
    if sizes and (width, height) not in sizes:
        raise Refused("for stable-diffusion-xl-1024-v1-0 the allowed dimensions are 1024x1024, 1152x896, ...; "
                      "but we received %dx%d" % (width, height), None, "width")
    if width % 64 or height % 64:
        raise Refused("must be a multiple of 64", None, "width")
    return "%dx%d" % (width, height)


# ---- answers ---------------------------------------------------------------------------------------------

NAMES = {400: "bad_request", 401: "unauthorized", 402: "payment_required", 403: "permission_denied",
         404: "not_found", 405: "method_not_allowed", 413: "payload_too_large", 422: "invalid_language",
         429: "rate_limit_exceeded"}
MODERATED = ("Your request was flagged by our content moderation system, as a result your request was denied and "
             "you were not charged.")


def content_moderation():
    return Refused(MODERATED, "content_moderation", None, 403)


def accepted(call, raw_words):
    """Whether the client wants JSON instead of bytes."""
    words = (call.request.header("Accept") or raw_words[0]).split(";")[0].strip()
    if words == "application/json":
        return True
    if words not in raw_words:
        raise Refused("must be one of %s, application/json" % ", ".join(raw_words), None, "accept")
    return False


def picture_reply(call, values, size, as_json, finish="SUCCESS"):
    seed = values.get("seed", 0) or USUAL_SEED
    kind = values.get("output_format", "png")
    pictures = results.make_pictures(call, values.get("prompt", "no prompt"), 1, size, kind)
    if as_json:
        document = {"image": results.base64_text(call, pictures[0]), "finish_reason": finish, "seed": seed}
        if call.behaviour.get("drop_items") or call.option("image_result").get("empty"):
            document.pop("image")
        reply = json_reply(document)
        reply.set_header("Content-Type", "application/json; type=" + pictures[0].mime)
        return reply
    return Reply(200, [("finish-reason", finish), ("seed", str(seed))], pictures[0].data, pictures[0].mime)


class Stability(Protocol):
    name = "stability"
    routes = (("POST", r"/v2beta/stable-image/[a-z0-9/-]+", "service"), ("GET", r"/v2beta/results/[^/]+", "result"),
              ("GET", r"/v2beta/stable-image/upscale/creative/result/[^/]+", "result"),
              ("GET", r"/v1/user/balance", "balance"), ("POST", r"/v1/generation/[^/]+/text-to-image", "legacy"))

    # ---- v2beta ----

    def service(self, call, finish="SUCCESS"):
        path = call.rest.split("/", 3)[3]
        service = SERVICES.get(path)
        if not service:
            raise Refused("There is nothing at %s" % call.rest, None, None, 404)
        self.check_client_headers(call)
        values, images = self.read_form(call, service)
        size = size_of(values, images, service.scale)
        if service.starts:
            return self.start(call, service, values, size)
        return picture_reply(call, values, size, accepted(call, ("image/*", "*/*")), finish)

    def check_client_headers(self, call):
        for name in ("stability-client-id", "stability-client-user-id", "stability-client-version"):
            if len(call.request.header(name) or "") > LONGEST_CLIENT:
                raise Refused("must be at most %d characters" % LONGEST_CLIENT, None, name)

    def read_form(self, call, service):
        if call.media_type() != "multipart/form-data":
            raise Refused("must be multipart/form-data", None, "content-type")
        if len(call.request.body) > MOST_BYTES:
            raise Refused("the request is larger than 10MiB", None, "body", 413)
        texts, images = {}, {}
        for part in call.form():
            if part.name in texts or part.name in images:
                raise Refused("must not be repeated", None, part.name)
            if part.filename is None:
                texts[part.name] = self.text_of(part)
            else:
                images[part.name] = self.image_of(part, service)
        values = {name: service.fields[name].from_text(name, text) if name in service.fields else text
                  for name, text in texts.items()}
        check_fields(values, service.fields, service.required)
        for name in service.needed:
            if name not in images:
                raise Refused("is required", None, name)
        if service.check:
            service.check(values, images)
        return values, images

    def text_of(self, part):
        if part.content_type is not None:
            raise Refused("must have no content type", None, part.name)
        try:
            return part.text()
        except multipart.BadForm as error:
            raise Refused(str(error), None, part.name)

    def image_of(self, part, service):
        if part.name not in service.files:
            raise Refused("is not allowed here", None, part.name)
        if part.content_type is None:
            raise Refused("must have a content type", None, part.name)
        image = read_image(part.name, part.data, part.content_type)
        service.files[part.name].check(part.name, image)
        return image

    # ---- asynchronous results ----

    def start(self, call, service, values, size):
        seed = "%s %d" % (call.session.name, call.session.next_number("job"))
        name = hashlib.sha256(seed.encode()).hexdigest()
        job = jobs.start(call, name, dict(values, size=size))
        job.key = call.bearer()
        return json_reply({"id": name}, service.starts)

    def result(self, call):
        as_json = accepted(call, ("*/*",))
        job = jobs.find(call, call.rest.rsplit("/", 1)[1])
        if not job or job.key != call.bearer():
            raise Refused("the result was not found, or has expired", None, "id", 404)
        with call.session.changed:
            state = job.poll()
        if state in ("queued", "working", "unknown"):
            word = "pondering" if state == "unknown" else "in-progress"
            return json_reply({"id": job.name, "status": word}, 202)
        if state == "moderated":
            raise content_moderation()
        if state == "failed":
            raise Refused("An unexpected server error has occurred, please try again later.", None, None, 500)
        if "result_status" in job.options:
            raise Refused("the result is gone", None, "id", job.options["result_status"])
        return picture_reply(call, job.document, job.document["size"], as_json)

    # ---- v1 ----

    def balance(self, call):
        return json_reply({"credits": 42.5})

    def legacy(self, call, finish="SUCCESS"):
        engine = call.rest.split("/")[3]
        if engine not in ENGINES:
            raise Refused("The specified engine (ID %s) was not found." % engine, None, None, 404)
        document = call.json_object()
        check_fields(document, V1_FIELDS, ("text_prompts",))
        check_text_prompts(document["text_prompts"])
        size = check_engine_size(document, ENGINES[engine])
        accept = call.request.header("Accept") or "application/json"
        if accept not in ("application/json", "image/png", "*/*"):
            raise Refused("must be one of application/json, image/png", None, "accept")
        pictures = results.make_pictures(call, document["text_prompts"][0]["text"], document.get("samples", 1), size)
        seed = document.get("seed", 0) or USUAL_SEED
        if accept == "image/png":
            return Reply(200, [("Finish-Reason", finish), ("Seed", str(seed))], pictures[0].data, "image/png")
        items = results.make_items(call, pictures, False, ("base64", "url"))
        items = [dict(item, finishReason=finish, seed=seed + place) for place, item in enumerate(items)]
        return json_reply({"artifacts": items})

    # ---- errors ----

    def unauthorized(self, message):
        key = message.rpartition(" ")[2] if message.startswith("Incorrect") else "nothing"
        return Refused("invalid or missing header value, got %s" % key, None, "authorization", 401)

    def identity(self, refused):
        return hashlib.md5(("%d %s" % (refused.status, refused.message)).encode("utf-8", "replace")).hexdigest()

    def error(self, refused, legacy=False):
        name = NAMES.get(refused.status, "internal_error")
        if refused.code == "content_moderation":
            name = refused.code
        told = "%s: %s" % (refused.param, refused.message) if refused.param else refused.message
        words = {"message": told} if legacy else {"errors": [told]}
        return json_reply(dict(words, id=self.identity(refused), name=name), refused.status)

    def answer(self, call):
        try:
            return super().answer(call)
        except Refused as refused:
            return self.error(refused, call.rest.startswith("/v1/"))

    def headers(self, call):
        number = call.session.next_number("request")
        return [("x-request-id", hashlib.md5(("%s %d" % (call.session.name, number)).encode()).hexdigest())]

    def moderation(self, call, variant):
        """True: refused with 403. "items" and "ok": status 200, with a blurred image."""
        if variant not in ("items", "ok"):
            raise content_moderation()
        self.authorize(call)
        if call.rest.startswith("/v1/"):
            return self.legacy(call, "CONTENT_FILTERED")
        return self.service(call, "CONTENT_FILTERED")


PROTOCOL = Stability()
