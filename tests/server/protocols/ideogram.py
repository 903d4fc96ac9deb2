"""Ideogram: the v2 API, whose paths hold action and model (JSON for text alone, a form where files go along), and the
v1 API of the 3.0 and 4.0 models (forms). Answers hold links only. Some calls can run as jobs, some always do; a job
is polled by its id. An image that the safety check kept back comes with status 200, and without a link."""

import re

import formats
import jobs
import results
from checks import Boolean, Choice, Integer, Refused, Size, Text, check_fields
from reply import json_reply
from .base import Protocol
from .openai import split_parts
from .recraft import Decimal, Structure, Structures

# ---- fields ----------------------------------------------------------------------------------------------

SIZES_2K = ("2048x2048", "1440x2880", "2880x1440", "1664x2496", "2496x1664", "1792x2240", "2240x1792", "1440x2560",
            "2560x1440", "1600x2560", "2560x1600", "1728x2304", "2304x1728", "1296x3168", "3168x1296", "1152x2944",
            "2944x1152", "1248x3328", "3328x1248", "1280x3072", "3072x1280", "1024x3072", "3072x1024")
SIZES_1K = ("1024x1024", "896x1120", "1120x896", "864x1152", "1152x864", "832x1248", "1248x832", "800x1280",
            "1280x800", "720x1280", "1280x720", "720x1440", "1440x720")
SIZES_V3 = tuple("""512x1536 576x1408 576x1472 576x1536 640x1344 640x1408 640x1472 640x1536 704x1152 704x1216 704x1280
    704x1344 704x1408 704x1472 736x1312 768x1088 768x1216 768x1280 768x1344 800x1280 832x960 832x1024 832x1088 832x1152
    832x1216 832x1248 864x1152 896x960 896x1024 896x1088 896x1120 896x1152 960x832 960x896 960x1024 960x1088 1024x832
    1024x896 1024x960 1024x1024 1088x768 1088x832 1088x896 1088x960 1120x896 1152x704 1152x832 1152x864 1152x896
    1216x704 1216x768 1216x832 1248x832 1280x704 1280x768 1280x800 1312x736 1344x640 1344x704 1344x768 1408x576
    1408x640 1408x704 1472x576 1472x640 1472x704 1536x512 1536x576 1536x640""".split())
RATIOS = ("1x3", "3x1", "1x2", "2x1", "9x16", "16x9", "10x16", "16x10", "2x3", "3x2", "3x4", "4x3", "4x5", "5x4",
          "1x1")
RATIOS_V4 = ("auto", "1x4", "4x1") + RATIOS
STYLES_V3 = ("auto", "general", "realistic", "design", "custom", "fiction", "stylized")


def sides_of(size):
    match = re.match(r"([1-9]\d{2,3})x([1-9]\d{2,3})\Z", size)
    return tuple(map(int, match.groups())) if match else None


def judge_45(size):
    if size in ("auto", "source") or size in SIZES_1K + SIZES_2K:
        return None
    sides = sides_of(size)
    return None if sides and fits_grid(sides) and sides[0] * sides[1] <= 2048 * 2048 else "Invalid size: " + size


def judge_46(size):
    sides = sides_of(size)
    if size in ("auto", "source") or sides and fits_grid(sides):
        return None
    return "Invalid size: " + size


def fits_grid(sides):
    return (all(side % 32 == 0 and 256 <= side <= 4096 for side in sides)
            and max(sides) <= 6 * min(sides))


SEED = Integer(0, 2147483647)
COUNT = Integer(1, 8)
PROMPT = Text(10000, empty=False)
MAGIC = Choice("auto", "on", "off")
COMMON = {"prompt": PROMPT, "num_images": COUNT, "seed": SEED, "enable_copyright_detection": Boolean(),
          "async": Boolean(), "webhook_url": Text(empty=False)}
QUALITY = Choice("very_low", "low", "medium", "high")
SPEED = Choice("turbo", "default", "quality")
LOOKS_V3 = {"magic_prompt": MAGIC, "rendering_speed": SPEED, "style_type": Choice(*STYLES_V3), "style_preset": Text(),
            "style_codes": Structures(), "color_palette": Structure()}
SHAPE_V3 = {"resolution": Choice(*SIZES_V3), "aspect_ratio": Choice("auto", *RATIOS), "negative_prompt": Text()}
TOOL = {"seed": SEED, "async": Boolean(), "webhook_url": Text(empty=False)}
FACTOR = {"upscale_factor": Choice("x2", "x4", "x8")}


def without(fields, *names):
    return {name: field for name, field in fields.items() if name not in names}


class Action:
    """What one call takes. `files`: (fewest, most) by name. `job`: "asked" with `async`, "always" or "never"."""

    def __init__(self, fields, required=("prompt",), files=None, job="asked", is_json=False):
        self.fields = fields
        self.required = required
        self.files = files or {}
        self.job = job
        self.is_json = is_json


ONE = {"image": (1, 1)}
STYLE_FILES = {"style_reference_images": (0, 10)}
TOUCH_UP = {"denoise": Decimal(0, 1), "sharpen": Decimal(0, 1)}

V2 = {
    "generate/ideogram-4-6": Action(dict(COMMON, magic_prompt=MAGIC, size=Size(judge_46), quality=QUALITY),
                                    files={"images": (0, 5), "mask": (0, 1)}, is_json=True),
    "generate/ideogram-4-5": Action(dict(COMMON, magic_prompt=MAGIC, size=Size(judge_45), quality=QUALITY),
                                    files={"images": (0, 5), "mask": (0, 1)}, is_json=True),
    "generate/ideogram-4": Action(dict(COMMON, magic_prompt=MAGIC, rendering_speed=SPEED,
                                       resolution=Choice(*SIZES_2K)), is_json=True),
    "generate/ideogram-3": Action(dict(COMMON, **LOOKS_V3, **SHAPE_V3), files=STYLE_FILES, is_json=True),
    "generate/ideogram-4-transparent": Action(dict(COMMON, magic_prompt=MAGIC, rendering_speed=SPEED,
                                                   aspect_ratio=Choice(*RATIOS_V4),
                                                   output_resolution=Choice("1k", "2k", "4k", "8k")), is_json=True),
    "generate/ideogram-3-transparent": Action(dict(COMMON, magic_prompt=MAGIC, rendering_speed=SPEED,
                                                   aspect_ratio=Choice("auto", *RATIOS), negative_prompt=Text(),
                                                   upscale_factor=Choice("x1", "x2", "x4")), is_json=True),
    "precise-edit/ideogram-4-5": Action(dict(COMMON, quality=QUALITY),
                                        files={"image": (1, 1), "reference_images": (0, 4), "mask": (0, 1)}),
    "inpaint/ideogram-3": Action(dict(COMMON, **LOOKS_V3),
                                 files=dict(STYLE_FILES, image=(1, 1), mask=(1, 1))),
    "remix/ideogram-4-5": Action(dict(COMMON, quality=Choice("low", "medium", "high"), image_weight=Integer(1, 100)),
                                 files={"image": (1, 1), "reference_images": (0, 4)}),
    "remix/ideogram-4": Action(dict(without(COMMON, "seed"), image_weight=Integer(1, 100), rendering_speed=SPEED,
                                    resolution=Choice(*SIZES_2K)), files=ONE),
    "remix/ideogram-3": Action(dict(COMMON, **LOOKS_V3, **SHAPE_V3, image_weight=Integer(1, 100)),
                               files=dict(STYLE_FILES, image=(1, 1))),
    "reframe/ideogram-3": Action(dict(without(COMMON, "prompt", "webhook_url", "enable_copyright_detection"),
                                      **without(LOOKS_V3, "magic_prompt", "style_type"),
                                      resolution=Choice(*SIZES_V3)),
                                 ("resolution",), dict(STYLE_FILES, image=(1, 1))),
    "replace-background/ideogram-3": Action({"prompt": PROMPT, "num_images": COUNT, "rendering_speed": SPEED,
                                             "webhook_url": Text(empty=False)}, files=ONE, job="always"),
    "remove-background/ideogram-1": Action({"async": Boolean()}, (), ONE),
    "remove-object/ideogram-1": Action({"seed": SEED}, (), {"image": (1, 1), "mask": (1, 1)}, "always"),
    "upscale/auto": Action(dict(TOOL, **FACTOR), (), ONE),
    "upscale/topaz-standard-2": Action(dict(without(TOOL, "seed"), **FACTOR, **TOUCH_UP), (), ONE),
    "upscale/topaz-text-refine": Action(dict(TOOL, **FACTOR, **TOUCH_UP), (), ONE),
    "upscale/topaz-wonder-3-5": Action(dict(TOOL, **FACTOR), (), ONE),
    "upscale/topaz-bloom-2": Action(dict(TOOL, **FACTOR, prompt=PROMPT), (), ONE),
    "upscale/topaz-redefine": Action(dict(TOOL, **FACTOR, **TOUCH_UP, prompt=PROMPT), (), ONE),
    "upscale/nano-banana-pro": Action(dict(TOOL, prompt=PROMPT, resolution_tier=Choice("1K", "2K", "4K")), (), ONE),
}

# ---- the old API: other words in capitals ----

SPEED_V1 = Choice("FLASH", "TURBO", "BALANCED", "DEFAULT", "QUALITY")
LOOKS_V1 = {"magic_prompt": Choice("AUTO", "ON", "OFF"), "rendering_speed": SPEED_V1, "style_preset": Text(),
            "style_type": Choice(*(word.upper() for word in STYLES_V3)), "style_codes": Structures(), "color_palette": Structure()}
SHAPE_V1 = {"resolution": Choice(*SIZES_V3), "aspect_ratio": Choice(*RATIOS), "negative_prompt": Text()}
BASE_V1 = {"prompt": Text(empty=False), "num_images": COUNT, "seed": SEED}
V4_V1 = {"text_prompt": Text(empty=False), "json_prompt": Structure(), "resolution": Choice(*SIZES_2K),
         "rendering_speed": Choice("TURBO", "DEFAULT", "QUALITY"), "enable_copyright_detection": Boolean()}
REFERENCES_V1 = {"style_reference_images": (0, 10), "character_reference_images": (0, 1)}
MASKED_V1 = Action(dict(BASE_V1, **LOOKS_V1), files=dict(REFERENCES_V1, image=(1, 1), mask=(1, 1)), job="never")

V1 = {
    "ideogram-v3/generate": Action(dict(BASE_V1, **LOOKS_V1, **SHAPE_V1), files=REFERENCES_V1, job="never"),
    "ideogram-v3/generate-transparent": Action(dict(without(dict(BASE_V1, **LOOKS_V1, **SHAPE_V1), "resolution"),
                                                    upscale_factor=Choice("X1", "X2", "X4")), job="never"),
    "ideogram-v3/inpaint": MASKED_V1,
    "ideogram-v3/edit": MASKED_V1,
    "ideogram-v3/remix": Action(dict(BASE_V1, **LOOKS_V1, **SHAPE_V1, image_weight=Integer(1, 100)),
                                files=dict(REFERENCES_V1, image=(1, 1)), job="never"),
    "ideogram-v3/reframe": Action(dict(without(BASE_V1, "prompt"), **without(LOOKS_V1, "magic_prompt", "style_type"),
                                       resolution=Choice(*SIZES_V3)), ("resolution",),
                                  dict(STYLE_FILES, image=(1, 1)), "never"),
    "ideogram-v3/replace-background": Action(dict(BASE_V1, **without(LOOKS_V1, "style_type")),
                                             files=dict(STYLE_FILES, image=(1, 1)), job="never"),
    "ideogram-v4/generate": Action(V4_V1, (), job="never"),
    "ideogram-v4/async/generate": Action(V4_V1, (), job="always"),
    "ideogram-v4/remix": Action(dict(without(V4_V1, "json_prompt"), image_weight=Integer(1, 100), num_images=COUNT),
                                ("text_prompt",), ONE, "never"),
    "remove-background": Action({}, (), ONE, "never"),
}
ACTIONS = {"v1": V1, "v2": V2}
STYLE_SOURCES = ("style_codes", "style_type", "style_reference_images")
MOST_BYTES = 25 << 20
# The two calls whose answers don't tell what an image was made of.
BARE = ("remove-background",)


def refused(message):
    return Refused(message, None)


# ---- checks ----------------------------------------------------------------------------------------------

def read_image(part):
    if len(part.data) > MOST_BYTES:
        raise refused("%s: the file is larger than 25MB" % part.name)
    try:
        image = formats.read(part.data)
    except formats.BadImage as error:
        raise refused("%s: %s" % (part.name, error))
    if image.kind == "gif":
        raise refused("%s: only JPEG, WebP and PNG formats are supported" % part.name)
    return image


def read_files(action, files):
    for name in files:
        if name not in action.files:
            raise refused("Unexpected file: %s" % name)
    found = {name: [read_image(part) for part in parts] for name, parts in files.items()}
    for name, (fewest, most) in action.files.items():
        if not fewest <= len(found.get(name, [])) <= most:
            raise refused("%s: from %d to %d files are expected" % (name, fewest, most))
    check_mask(found)
    return found


def check_mask(found):
    sources = found.get("image") or found.get("images") or []
    for mask in found.get("mask", []):
        if not sources:
            raise refused("mask requires a source image")
        if (mask.width, mask.height) != (sources[0].width, sources[0].height):
            raise refused("mask must have the same dimensions as the image")
        pixels = mask.parsed.pixels() if mask.parsed and mask.parsed.channels == 1 else None
        if pixels is not None and len({pixel >= 128 for pixel in pixels}) < 2:
            raise refused("mask must contain both black and white areas")


def check_together(values, found, name):
    if "resolution" in values and "aspect_ratio" in values:
        raise refused("resolution and aspect_ratio cannot be combined")
    if sum(source in values or source in found for source in STYLE_SOURCES) > 1:
        raise refused("style_codes, style_type and style_reference_images exclude each other")
    if name.startswith("ideogram-v4/") and ("text_prompt" in values) == ("json_prompt" in values):
        raise refused("Exactly one of text_prompt and json_prompt is required")
    if name.startswith("generate/ideogram-4-"):
        check_sources(values, found)


def check_sources(values, found):
    has_sources = bool(found.get("images"))
    size = values.get("size")
    if not has_sources and (size == "source" or values.get("quality") == "very_low"):
        raise refused("Source images are required for this")
    if found.get("mask") and size is not None:
        raise refused("size cannot be set together with a mask")
    if found.get("mask") and len(found["images"]) > 4:
        raise refused("A masked request can include at most three other source images")


# ---- the protocol ----------------------------------------------------------------------------------------

FAILURE_REASON = "The generation could not be completed."
STATES = {"queued": "pending", "working": "pending", "unknown": "contemplating", "moderated": "completed",
          "done": "completed", "failed": "failed", "cancelled": "failed"}
CREATED = "2026-11-20T10:00:00+00:00"
DEFAULT_SEED = 12345


class Ideogram(Protocol):
    name = "ideogram"
    routes = (("POST", r"/v2/image/[a-z-]+/[\w.-]+", "make"), ("POST", r"/v1/[\w/-]+", "make"),
              ("GET", r"/v[12]/generations/[\w-]+", "look"))

    def authorize(self, call):
        key = call.request.header("Api-Key")
        if call.request.header("Authorization"):
            raise self.unauthorized("Access denied. The key belongs into the header Api-Key.")
        if key:
            call.session.remember_key(key)
        if not key or not key.startswith(self.key_prefixes) or "bad" in key:
            raise self.unauthorized("Access denied. Please verify your API Token is valid. %s" % key)

    def action_of(self, call):
        version, _, name = call.rest[1:].partition("/")
        if version == "v2":
            name = name[len("image/"):]
        action = ACTIONS[version].get(name)
        if not action:
            raise Refused("Not Found", None, None, 404)
        return version, name, action

    def make(self, call):
        version, name, action = self.action_of(call)
        values, found = self.read(call, action)
        check_fields(values, action.fields, action.required)
        check_together(values, found, name)
        if self.is_job(action, values):
            return self.start(call, version, name, values, found)
        return json_reply(self.result(call, version, name, values, found))

    def read(self, call, action):
        if call.request.query not in ("", "dry_run=false"):
            raise refused("Unexpected query")
        if action.is_json and call.media_type() == "application/json":
            values = call.json_object()
            return values, read_files(action, {})
        texts, files = split_parts(call.form())
        fields = action.fields
        return ({name: fields[name].from_text(name, text) if name in fields else text
                 for name, text in texts.items()}, read_files(action, files))

    def is_job(self, action, values):
        return action.job == "always" or action.job == "asked" and (values.get("async") or "webhook_url" in values)

    # ---- answers ----

    def start(self, call, version, name, values, found):
        number = "gen-%d" % call.session.next_number("job")
        job = jobs.start(call, number, (version, name, values, found), None)
        job.behaviour = call.behaviour
        answer = {"generation_id": number}
        if version == "v2" and not name.startswith(("replace-background", "remove-")):
            answer["seed"] = values.get("seed", DEFAULT_SEED)
        return json_reply(answer)

    def look(self, call):
        job = jobs.find(call, call.rest.split("/")[3])
        if not job:
            raise Refused("Generation not found", None, None, 404)
        with call.session.changed:
            state = job.poll()
        told = {"generation_id": job.name, "status": STATES[state], "created": CREATED}
        if state == "failed":
            told["failure_reason"] = FAILURE_REASON
        if STATES[state] == "completed":
            told.update(self.finished(call, job, state == "moderated"))
        return json_reply(told)

    def finished(self, call, job, is_moderated):
        version, name, values, found = job.document
        call.behaviour = dict(job.behaviour, **call.behaviour)
        items = self.items(call, name, values, found, values.get("num_images", 1) if is_moderated else 0)
        return {"response_type": "url", "usage_cost_usd_micros": 60000 * len(items),
                "data": [dict(item, object_type="image") for item in items]}

    def result(self, call, version, name, values, found, blocked=0):
        items = self.items(call, name, values, found, blocked)
        if version == "v1":
            return {"created": CREATED, "data": items}
        number = "gen-%d" % call.session.next_number("job")
        if name.startswith(BARE):
            return {"generation_id": number, "data": items}
        return {"generation_id": number, "generation_kind": "sampling", "seed": values.get("seed", DEFAULT_SEED),
                "data": items}

    def items(self, call, name, values, found, blocked):
        prompt = values.get("prompt", values.get("text_prompt", name))
        pictures = results.make_pictures(call, prompt, values.get("num_images", 1), self.size(name, values, found),
                                         transparent="transparent" in name or name.startswith(BARE))
        count = iter(range(len(pictures)))
        seed = values.get("seed", DEFAULT_SEED)

        def extra(picture):
            told = {"is_image_safe": True}
            if not name.startswith(BARE):
                told.update(resolution="%dx%d" % (picture.width, picture.height), seed=seed + next(count))
            if not name.startswith(BARE + ("upscale",)):
                told["prompt"] = "A detailed view: " + prompt
            return told

        items = results.make_items(call, pictures, True, ("b64", "url"), extra)
        return [dict(item, url=None if place % 2 else "", is_image_safe=False) if place < blocked else item
                for place, item in enumerate(items)]

    def size(self, name, values, found):
        size = values.get("resolution", values.get("size", "auto"))
        source = (found.get("image") or found.get("images") or [None])[0]
        if re.match(r"\d+x\d+\Z", size):
            return size
        return "%dx%d" % (source.width, source.height) if source else "1024x1024"

    # ---- errors ----

    def error(self, refused):
        if refused.status == 401:
            return json_reply({"message": refused.message}, 401)
        answer = {"error": refused.message}
        if refused.status == 402:
            answer["reject_reason"] = refused.code if refused.code != "insufficient_credits" else "insufficient_funds"
        if refused.status == 429:
            answer.update(reject_reason="inflight_limit", max_inflight_requests=10, task_completion_speed="fast")
        return json_reply(answer, refused.status)

    def moderation(self, call, variant):
        """The prompt, or with "items" and "mixed" images that were made."""
        if variant not in ("items", "mixed"):
            raise Refused("Prompt or provided image failed the safety checks", None, None, 422)
        version, name, action = self.action_of(call)
        values, found = self.read(call, action)
        blocked = values.get("num_images", 1) if variant == "items" else 1
        return json_reply(self.result(call, version, name, values, found, blocked))


PROTOCOL = Ideogram()
