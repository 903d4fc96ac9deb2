"""Runway's task API: images are asked for by pixel pairs, and come as URLs of a task that is polled.

jobs behaviours: "fail" and "moderation" may be a failureCode instead of true; {"failure": null} leaves the words out.
"""

import re

import formats
import jobs
import results
from checks import (Array, Boolean, Choice, Field, Integer, Object, Refused, Text, check_fields)
from reply import Reply, json_reply
from .base import Protocol

VERSIONS = ("2024-11-06", "2024-09-13")
CREDITS = 5
LARGEST_DATA_URI = 5 << 20
DOCUMENTATION = "https://docs.dev.runwayml.com/api"

# ---- ratios ----------------------------------------------------------------------------------------------

GEN4 = ("1024:1024 1080:1080 1168:880 1360:768 1440:1080 1080:1440 1808:768 1920:1080 1080:1920 2112:912 1280:720 "
        "720:1280 720:720 960:720 720:960 1680:720")
GEMINI_1K = ("1344:768 768:1344 1024:1024 1184:864 864:1184 1536:672 832:1248 1248:832 896:1152 1152:896")
GEMINI_4K = ("2048:2048 1696:2528 2528:1696 1792:2400 2400:1792 1856:2304 2304:1856 1536:2752 2752:1536 3168:1344 "
             "4096:4096 3392:5056 5056:3392 3584:4800 4800:3584 3712:4608 4608:3712 3072:5504 5504:3072 6336:2688")
GEMINI_FLASH = ("512:512 416:624 624:416 432:592 592:432 448:576 576:448 384:672 672:384 768:336 256:1024 1024:256 "
                "176:1408 1408:176 512:2048 2048:512 352:2816 2816:352 1024:4096 4096:1024 704:5632 5632:704 "
                "2048:8192 8192:2048 1408:11264 11264:1408")
GPT = ("2048:880 1920:1088 1920:1280 1920:1440 1920:1536 1920:1920 1536:1920 1440:1920 1280:1920 1088:1920 2912:1248 "
       "2560:1440 2560:1712 2560:1920 2560:2048 2560:2560 2048:2560 1920:2560 1712:2560 1440:2560 3840:1648 3840:2160 "
       "3504:2336 3264:2448 3200:2560 2880:2880 2560:3200 2448:3264 2336:3504 2160:3840 auto")
SEEDREAM_PRO = ("1024:1024 1184:896 896:1184 1376:768 768:1376 1296:864 864:1296 2048:2048 2304:1728 1728:2304 "
                "2720:1530 1530:2720 2496:1664 1664:2496 auto_1k auto_2k")
SEEDREAM_LITE = ("2048:2048 2304:1728 1728:2304 2848:1600 1600:2848 2496:1664 1664:2496 3136:1344 3072:3072 3456:2592 "
                 "2592:3456 4096:2304 2304:4096 3744:2496 2496:3744 4704:2016")
GROK = ("1024:1024 1280:720 720:1280 1152:864 864:1152 1248:832 832:1248 1248:576 576:1248 1280:576 576:1280 1408:704 "
        "704:1408 2048:2048 2816:1584 auto_1k auto_2k")
MUSE = "2352:1008 2016:1152 1920:1280 1792:1344 1600:1600 1344:1792 1280:1920 1152:2016 auto"

# ---- fields ----------------------------------------------------------------------------------------------


class Prompt(Field):
    """Counted in UTF-16 units."""
    types = (str,)
    expected = "string"

    def __init__(self, longest):
        self.longest = longest

    def check_value(self, name, value):
        units = len(value.encode("utf-16-le", "surrogatepass")) // 2
        if not value:
            raise Refused("Too small: expected string to have >=1 characters", "too_small", name)
        if units > self.longest:
            raise Refused("Too big: expected string to have <=%d characters" % self.longest, "too_big", name)


class OneOf(Field):
    types = (int,)
    expected = "number"

    def __init__(self, *allowed):
        self.allowed = allowed

    def check_value(self, name, value):
        if value not in self.allowed:
            raise Refused("Invalid option: expected one of %s" % "|".join(map(str, self.allowed)), "invalid_value",
                          name)


class Model:
    def __init__(self, ratios, fields, images, least_images=0, image_fields=("uri", "tag"), longest=1 << 20):
        self.fields = dict(fields, model=Text(), promptText=Prompt(longest), ratio=Choice(*ratios.split()))
        self.images = images
        self.least_images = least_images
        self.image_fields = image_fields
        if images:
            self.fields["referenceImages"] = Array()


SEED = Integer(0, 4294967295)
GEN4_FIELDS = {"seed": SEED, "contentModeration": Object()}
TAGGED, SUBJECTS, PLAIN = ("uri", "tag"), ("uri", "tag", "subject"), ("uri",)
ALL_GROUNDS = Choice("transparent", "opaque", "auto")
NEW_QUALITY = Choice("low", "medium", "high", "xhigh", "max")
SEEDREAM_FIELDS = {"outputFormat": Choice("png", "jpeg"), "grounding": Boolean(), "outputCount": Integer(1, 15)}
MODELS = {
    "gen4_image": Model(GEN4, GEN4_FIELDS, 3, longest=1000),
    "gen4_image_turbo": Model(GEN4, GEN4_FIELDS, 3, 1, longest=1000),
    "gemini_2.5_flash": Model(GEMINI_1K, {}, 3),
    "gemini_image3_pro": Model(GEMINI_1K + " " + GEMINI_4K, {"outputCount": OneOf(1, 4)}, 14, 0, SUBJECTS),
    "gemini_image3.1_flash": Model(" ".join((GEMINI_1K, GEMINI_4K, GEMINI_FLASH)), {"outputCount": OneOf(1, 4)}, 14,
                                   0, SUBJECTS),
    "gpt_image_2": Model(GPT, {"background": ALL_GROUNDS, "quality": Choice("low", "medium", "high", "auto"),
                               "outputCount": Integer(1, 10)}, 16, longest=32000),
    "gpt_image_2_5_flare": Model(GPT, {"background": Choice("opaque", "auto"), "quality": NEW_QUALITY,
                                       "outputCount": Integer(1, 10)}, 16),
    "gpt_image_2_5_sunburst": Model(GPT, {"background": ALL_GROUNDS, "quality": NEW_QUALITY,
                                          "outputCount": Integer(1, 10)}, 16),
    "seedream5_pro": Model(SEEDREAM_PRO, SEEDREAM_FIELDS, 14, 0, PLAIN, 4000),
    "seedream5_lite": Model(SEEDREAM_LITE, SEEDREAM_FIELDS, 14, 0, PLAIN, 4000),
    "grok_imagine_image_2": Model(GROK, {"edit": Boolean(), "quality": Choice("low", "medium"),
                                         "outputCount": Integer(1, 10)}, 3, 0, PLAIN),
    "muse_image": Model(MUSE, {"outputFormat": Choice("webp", "png", "jpeg"), "outputCount": Integer(1, 10)}, 10, 0,
                        PLAIN),
}
UPSCALE_FIELDS = {"model": Choice("magnific_precision_upscaler_v2"), "imageUri": Text(empty=False),
                  "scaleFactor": OneOf(2, 4, 8, 16), "flavor": Choice("sublime", "photo", "photo_denoiser"),
                  "sharpen": Integer(0, 100), "smartGrain": Integer(0, 100), "ultraDetail": Integer(0, 100)}


def model_of(document):
    model = document.get("model")
    if not isinstance(model, str) or model not in MODELS:
        raise Refused("Invalid discriminator value", "invalid_union", "model")
    return MODELS[model]


def check_moderation(document):
    for name, value in document.get("contentModeration", {}).items():
        if name != "publicFigureThreshold" or value not in ("auto", "low"):
            raise Refused("Invalid option: expected one of \"auto\"|\"low\"", "invalid_value",
                          "contentModeration." + name)


# ---- images ----------------------------------------------------------------------------------------------

TAG = re.compile(r"[A-Za-z][A-Za-z0-9_]{2,15}\Z")
DOMAIN_URL = re.compile(r"https://(?!\d+\.\d+\.\d+\.\d+[:/])[A-Za-z0-9.-]*[A-Za-z][A-Za-z0-9.-]*(/|\Z)")


def check_uri(path, uri):
    if not isinstance(uri, str):
        raise Refused("Invalid input: expected string", "invalid_type", path)
    if uri.startswith("runway://") or DOMAIN_URL.match(uri):
        return None
    if not uri.startswith("data:"):
        raise Refused("Invalid asset URL: expected a HTTPS URL of a domain name", "custom", path)
    if len(uri) > LARGEST_DATA_URI:
        raise Refused("Data URI is too large", "too_big", path)
    try:
        mime, data = formats.read_data_uri(uri)
        image = formats.read(data)
    except formats.BadImage as error:
        raise Refused("Invalid data URI: %s" % error, "custom", path)
    if image.kind not in ("png", "jpeg", "webp") or mime != image.mime:
        raise Refused("Invalid data URI: %s declared as %s" % (image.mime, mime), "custom", path)
    return image


def check_image(path, entry, allowed):
    if not isinstance(entry, dict):
        raise Refused("Invalid input: expected object", "invalid_type", path)
    for name in entry:
        if name not in allowed:
            raise Refused("Unrecognized key: \"%s\"" % name, "unrecognized_keys", path)
    check_uri(path + ".uri", entry.get("uri"))
    if "tag" in entry and not (isinstance(entry["tag"], str) and TAG.match(entry["tag"])):
        raise Refused("Invalid tag", "invalid_format", path + ".tag")
    if entry.get("subject", "object") not in ("object", "human"):
        raise Refused("Invalid option: expected one of \"object\"|\"human\"", "invalid_value", path + ".subject")


def check_images(document, model):
    images = document.get("referenceImages", [])
    if len(images) < model.least_images:
        raise Refused("Too small: expected array to have >=%d items" % model.least_images, "too_small",
                      "referenceImages")
    if len(images) > model.images:
        raise Refused("Too big: expected array to have <=%d items" % model.images, "too_big", "referenceImages")
    for place, entry in enumerate(images):
        check_image("referenceImages.%d" % place, entry, model.image_fields)
    tags = [entry["tag"] for entry in images if "tag" in entry]
    if len(set(tags)) != len(tags):
        raise Refused("Tags must be unique", "custom", "referenceImages")
    if document.get("edit") and not images:
        raise Refused("edit needs a reference image", "custom", "edit")


# ---- tasks -----------------------------------------------------------------------------------------------

MADE_AT = "2026-11-20T10:00:00.000Z"
UNDECIDED = {"estimatedCost": {"credits": CREDITS}}


def size_of(document):
    if "imageUri" in document:
        return document["size"]
    ratio = document["ratio"]
    return "1024x1024" if ratio.startswith("auto") else ratio.replace(":", "x")


def outputs(call, job):
    document = job.document
    pictures = results.make_pictures(call, document.get("promptText", "upscaled"), document.get("outputCount", 1),
                                     size_of(document), document.get("outputFormat", "png"))
    items = results.make_items(call, pictures, True)
    return [item.get("url") if item else None for item in items]


def failed(job, name, code, words):
    given = job.options[name]
    told = {"status": "FAILED", "failure": words, "failureCode": given if isinstance(given, str) else code,
            "cost": {"credits": 0}}
    if given == "":
        del told["failureCode"]
    return told


TELLERS = {
    "queued": lambda call, job: dict(UNDECIDED, status="PENDING" if job.polled < 2 else "THROTTLED"),
    "working": lambda call, job: dict(UNDECIDED, status="RUNNING", progress=job.percent() / 100),
    "unknown": lambda call, job: dict(UNDECIDED, status="MUSING"),
    "moderated": lambda call, job: failed(job, "moderation", "SAFETY.INPUT.TEXT",
                                          "The prompt was rejected by our moderation system."),
    "failed": lambda call, job: failed(job, "fail", "INTERNAL.BAD_OUTPUT.CODE01", "An unexpected error occurred."),
    "cancelled": lambda call, job: {"status": "CANCELLED", "cost": {"credits": 0}},
    "done": lambda call, job: {"status": "SUCCEEDED", "output": outputs(call, job), "cost": {"credits": CREDITS}},
}


# The validator's codes for what the shared checks find.
CODES = {"unknown_parameter": "unrecognized_keys", "missing_required_parameter": "invalid_type"}


class Runway(Protocol):
    name = "runway"
    key_prefixes = ("sk-", "key_")
    routes = (("POST", r"/v1/text_to_image", "create"), ("POST", r"/v1/image_upscale", "upscale"),
              ("GET", r"/v1/tasks/[^/]+", "look"), ("DELETE", r"/v1/tasks/[^/]+", "cancel"))

    def authorize(self, call):
        Protocol.authorize(self, call)
        version = call.request.header("X-Runway-Version")
        if not version:
            raise Refused("The X-Runway-Version header is required.", None)
        if version not in VERSIONS:
            raise Refused("The X-Runway-Version %s is not supported." % version, None)

    def create(self, call):
        document = call.json_object()
        model = model_of(document)
        required = ("promptText", "ratio") + (("referenceImages",) if model.least_images else ())
        check_fields(document, model.fields, required)
        check_moderation(document)
        check_images(document, model)
        return self.start(call, document)

    def upscale(self, call):
        document = call.json_object()
        check_fields(document, UPSCALE_FIELDS, ("model", "imageUri"))
        image = check_uri("imageUri", document["imageUri"])
        factor = document.get("scaleFactor", 2)
        width, height = (image.width, image.height) if image else (512, 512)
        return self.start(call, dict(document, size="%dx%d" % (width * factor, height * factor)))

    def start(self, call, document):
        name = "17f20503-6c24-4c16-946b-%012d" % call.session.next_number("task")
        jobs.start(call, name, document).creation = call
        return json_reply(dict({"id": name}, **UNDECIDED))

    def find(self, call):
        job = jobs.find(call, call.rest.split("/")[3])
        if not job:
            raise Refused("An asset with that ID was not found.", None, None, 404)
        return job

    def look(self, call):
        job = self.find(call)
        maker = call if "image_result" in call.behaviour else job.creation
        with call.session.changed:
            state = job.poll()
            return json_reply(dict({"id": job.name, "createdAt": MADE_AT}, **TELLERS[state](maker, job)))

    def cancel(self, call):
        """Of a task that is done: takes its output away."""
        job = self.find(call)
        job.options = dict(job.options, vanish=job.state() == "done")
        job.cancelled = True
        return Reply(204)

    def error(self, refused):
        if refused.status != 400 or not refused.param:
            return json_reply({"error": refused.message}, refused.status)
        path = [int(step) if step.isdigit() else step for step in refused.param.split(".")]
        code = CODES.get(refused.code, refused.code)
        return json_reply({"error": "Validation of body failed", "docUrl": DOCUMENTATION,
                           "issues": [{"code": code, "path": path, "message": refused.message}]}, 400)

    def headers(self, call):
        return ()

    def moderation(self, call, variant):
        """It is the task that fails."""
        if call.request.method == "POST":
            call.behaviour["jobs"] = dict(call.option("jobs"), moderation="SAFETY.OUTPUT.IMAGE" if variant == "items"
                                          else True)
        return self.answer(call)


PROTOCOL = Runway()
