"""fal: a queue with status, result and cancel, and the direct call; one endpoint for each thing that a model does.

    fal/queue/...    what queue.fal.run answers     (base URL .../fal/queue)
    fal/run/...      what fal.run answers           (base URL .../fal/run)

The behaviour "jobs": "fail" true, or the error_type that a COMPLETED status then has; "fail": "model" is an error of the
model, which only the result shows, as is "moderation"; "result_status" is the status of the result's answer. What
"moderation" (the behaviour) may be: "items" and "mixed" flag all images, or the first; "http", or true, refuses at once.
"""

import re

import formats
import jobs
import results
from checks import Array, Boolean, Choice, Field, Integer, Number, Object, Refused, Text, check_fields, type_name
from reply import json_reply
from .base import Protocol

# ---- fields ----------------------------------------------------------------------------------------------

SIZE_NAMES = {"square_hd": "1024x1024", "square": "512x512", "portrait_4_3": "768x1024",
              "portrait_16_9": "576x1024", "landscape_4_3": "1024x768", "landscape_16_9": "1024x576"}
AUTO_SIZES = {"auto": "1024x1024", "auto_2K": "2048x2048", "auto_3K": "3072x3072", "auto_4K": "4096x4096"}
LEAST_SIDE, LONGEST_SIDE = 64, 14142
FLUX_RATIOS = ("21:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:21")
GOOGLE_RATIOS = ("21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16")
KONTEXT_DEV_RATIOS = ("auto", "match_input", "1:1", "16:9", "21:9", "3:2", "2:3", "4:5", "5:4", "3:4", "4:3",
                      "9:16", "9:21")
GPT_SIZES = ("1024x1024", "1536x1024", "1024x1536")


class ImageSize(Field):
    """One of the names, or {"width", "height"}."""

    def __init__(self, *more, least=LEAST_SIDE, most=LONGEST_SIDE):
        self.names = tuple(SIZE_NAMES) + more
        self.side = Integer(least, most)

    def check(self, name, value):
        if isinstance(value, str):
            Choice(*self.names).check(name, value)
            return
        if not isinstance(value, dict):
            raise Refused("Input should be a valid dictionary or object to extract fields from, not %s."
                          % type_name(value), "model_attributes_type", name)
        check_fields(value, {"width": self.side, "height": self.side}, ("width", "height"))


class File(Text):
    """An https URL, or a data: URI that holds an image."""

    def __init__(self):
        Text.__init__(self, empty=False)

    def check_value(self, name, value):
        Text.check_value(self, name, value)
        if value.startswith(("https://", "http://")):
            return
        try:
            mime, data = formats.read_data_uri(value)
            image = formats.read(data)
        except formats.BadImage as error:
            raise Refused("Could not load image from url: %s" % error, "image_load_error", name)
        if mime != image.mime:
            raise Refused("Unsupported data URL: %s declared as %s" % (image.mime, mime), "file_download_error", name)


class Files(Array):
    expected = "an array of URLs"

    def __init__(self, most):
        self.most = most

    def check_value(self, name, value):
        if not 1 <= len(value) <= self.most:
            raise Refused("List should have 1 to %d items" % self.most, "sequence_too_long", name)
        for place, item in enumerate(value):
            File().check("%s.%d" % (name, place), item)


SEED = {"seed": Integer(0)}
COUNT = {"num_images": Integer(1, 4)}
SYNC = {"sync_mode": Boolean()}
CHECKER = {"enable_safety_checker": Boolean()}
STEPS = {"num_inference_steps": Integer(1, 50), "guidance_scale": Number()}
SPEED = {"acceleration": Choice("none", "regular", "high")}
NEGATIVE = {"negative_prompt": Text()}
SIZE = {"image_size": ImageSize()}
STRENGTH = {"strength": Number()}
IMAGE = {"image_url": File()}
MASK = {"mask_url": File()}


def joined(*groups):
    fields = {}
    for group in groups:
        fields.update(group)
    return fields


def images(most):
    return {"image_urls": Files(most)}


def output_format(*names):
    return {"output_format": Choice(*names)}


def ratios(*names):
    return {"aspect_ratio": Choice(*names)}


def tolerance(most):
    return {"safety_tolerance": Choice(*(str(level) for level in range(1, most + 1)))}


JPEG_PNG = output_format("jpeg", "png")
PNG_FIRST = output_format("png", "jpeg", "webp")
OPEN_FLUX = joined(COUNT, SEED, STEPS, SPEED, JPEG_PNG, SYNC, CHECKER)
PRO_FLUX = joined(COUNT, SEED, JPEG_PNG, SYNC, tolerance(6), {"enhance_prompt": Boolean()})
FLUX_2 = joined({"image_size": ImageSize(least=512, most=2048)}, COUNT, SEED, PNG_FIRST, SYNC, CHECKER,
                {"enable_prompt_expansion": Boolean(), "guidance_scale": Number()})
FLUX_2_DEV = joined(FLUX_2, SPEED, STEPS)
FLUX_2_PRO = joined({"image_size": ImageSize(least=512)}, SEED, JPEG_PNG, SYNC, CHECKER, tolerance(5))
FLUX_2_PRO_EDIT = joined(FLUX_2_PRO, {"image_size": ImageSize("auto", least=512)}, images(9))
BANANA = joined(COUNT, SEED, PNG_FIRST, SYNC, tolerance(6), {"limit_generations": Boolean()})
BANANA_PRO = joined(BANANA, {"resolution": Choice("1K", "2K", "4K"), "enable_web_search": Boolean()})
BANANA_2 = joined(BANANA, {"resolution": Choice("0.5K", "1K", "2K", "4K"), "enable_web_search": Boolean(),
                           "thinking_level": Choice("minimal", "high")})
BANANA_2_RATIOS = ("auto",) + GOOGLE_RATIOS + ("4:1", "1:4", "8:1", "1:8")
GPT_IMAGE = joined(COUNT, PNG_FIRST, SYNC, {"quality": Choice("low", "medium", "high"),
                                            "background": Choice("auto", "transparent", "opaque")})
SEEDREAM = joined(COUNT, SEED, SYNC, CHECKER, {"max_images": Integer(1, 6)})
IDEOGRAM = joined(COUNT, SEED, SYNC, {"rendering_speed": Choice("TURBO", "BALANCED", "QUALITY"),
                                      "style": Choice("AUTO", "GENERAL", "REALISTIC", "DESIGN"), "expand_prompt": Boolean(),
                                      "style_preset": Text(), "style_codes": Array(), "color_palette": Object(),
                                      "image_urls": Files(6)})
IDEOGRAM_EDIT = {name: field for name, field in IDEOGRAM.items() if name != "style"}
QWEN = joined(SIZE, COUNT, SEED, NEGATIVE, STEPS, SPEED, JPEG_PNG, SYNC, CHECKER)
QWEN_2 = joined(SIZE, COUNT, SEED, NEGATIVE, PNG_FIRST, SYNC, CHECKER, {"enable_prompt_expansion": Boolean()})
RECRAFT = joined(SIZE, CHECKER, {"colors": Array(), "style": Text(), "style_id": Text()})
SDXL = joined(SIZE, COUNT, SEED, NEGATIVE, STEPS, SYNC, CHECKER, {"format": Choice("jpeg", "png"),
                                                                  "loras": Array(), "expand_prompt": Boolean()})
Z_IMAGE = joined(COUNT, SEED, PNG_FIRST, SYNC, CHECKER, SPEED, {"num_inference_steps": Integer(1, 30),
                                                                "enable_prompt_expansion": Boolean()})
UPSCALED = {"upscale_factor": Number()}


class Endpoint:
    """What one of them takes and gives. `keeps` names what of the usual output it has."""

    def __init__(self, fields, required, kind="jpeg", keeps="seed", single=False):
        self.fields = dict(fields, prompt=Text(empty="prompt" not in required)) if "prompt" not in fields else fields
        self.required = required
        self.kind = kind
        self.keeps = keeps
        self.single = single


OPEN = "seed has_nsfw_concepts timings prompt"
WORDS = ("prompt",)
WORDS_IMAGE = ("prompt", "image_url")
WORDS_IMAGES = ("prompt", "image_urls")
WORDS_MASKED = ("prompt", "image_url", "mask_url")


def tool(*groups, required=("image_url",), kind="png", keeps="", single=True):
    """An endpoint that takes no prompt."""
    endpoint = Endpoint(joined(IMAGE, *groups), required, kind, keeps, single)
    del endpoint.fields["prompt"]
    return endpoint


ENDPOINTS = {
    "fal-ai/flux/dev": Endpoint(joined(SIZE, OPEN_FLUX), WORDS, keeps=OPEN),
    "fal-ai/flux/schnell": Endpoint(joined(SIZE, OPEN_FLUX), WORDS, keeps=OPEN),
    "fal-ai/flux/dev/image-to-image": Endpoint(joined(OPEN_FLUX, IMAGE, STRENGTH), WORDS_IMAGE, keeps=OPEN),
    "fal-ai/flux-1/dev/redux": tool(SIZE, OPEN_FLUX, kind="jpeg", keeps=OPEN, single=False),
    "fal-ai/flux-pro/v1.1": Endpoint(joined(SIZE, PRO_FLUX), WORDS, keeps=OPEN),
    "fal-ai/flux-pro/v1.1-ultra": Endpoint(
        joined(PRO_FLUX, ratios(*FLUX_RATIOS), IMAGE, {"raw": Boolean(), "image_prompt_strength": Number()}), WORDS,
        keeps=OPEN),
    "fal-ai/flux-pro/kontext": Endpoint(joined(PRO_FLUX, ratios(*FLUX_RATIOS), IMAGE, {"guidance_scale": Number()}),
                                        WORDS_IMAGE, keeps=OPEN),
    "fal-ai/flux-pro/kontext/multi": Endpoint(joined(PRO_FLUX, ratios(*FLUX_RATIOS), images(4),
                                                     {"guidance_scale": Number()}), WORDS_IMAGES, keeps=OPEN),
    "fal-ai/flux-pro/kontext/text-to-image": Endpoint(joined(PRO_FLUX, ratios(*FLUX_RATIOS),
                                                             {"guidance_scale": Number()}), WORDS, keeps=OPEN),
    "fal-ai/flux-pro/v1/fill": Endpoint(joined(PRO_FLUX, IMAGE, MASK), WORDS_MASKED, keeps=OPEN),
    "fal-ai/flux-kontext/dev": Endpoint(joined(OPEN_FLUX, IMAGE, {"resolution_mode": Choice(*KONTEXT_DEV_RATIOS),
                                                                  "enhance_prompt": Boolean()}), WORDS_IMAGE, keeps=OPEN),
    "fal-ai/flux-2": Endpoint(FLUX_2_DEV, WORDS, "png", OPEN),
    "fal-ai/flux-2/edit": Endpoint(joined(FLUX_2_DEV, images(4)), WORDS_IMAGES, "png", OPEN),
    "fal-ai/flux-2/turbo": Endpoint(FLUX_2, WORDS, "png", OPEN),
    "fal-ai/flux-2/turbo/edit": Endpoint(joined(FLUX_2, images(4)), WORDS_IMAGES, "png", OPEN),
    "fal-ai/flux-2-pro": Endpoint(FLUX_2_PRO, WORDS),
    "fal-ai/flux-2-pro/edit": Endpoint(FLUX_2_PRO_EDIT, WORDS_IMAGES),
    "fal-ai/flux-2-pro/outpaint": tool(JPEG_PNG, SYNC, SEED, CHECKER, tolerance(5),
                                       {side: Integer(0, 2048) for side in ("expand_top", "expand_bottom",
                                                                            "expand_left", "expand_right")},
                                       {"auto_crop": Boolean()}, kind="jpeg", keeps="seed", single=False),
    "fal-ai/flux-2-flex": Endpoint(joined(FLUX_2_PRO, STEPS), WORDS),
    "fal-ai/stable-diffusion-v35-large": Endpoint(joined(SIZE, COUNT, SEED, NEGATIVE, STEPS, JPEG_PNG, SYNC, CHECKER,
                                                         {"loras": Array()}), WORDS, keeps=OPEN),
    "fal-ai/fast-sdxl": Endpoint(SDXL, WORDS, keeps=OPEN),
    "fal-ai/fast-sdxl/inpainting": Endpoint(joined(SDXL, IMAGE, MASK, STRENGTH), WORDS_MASKED, keeps=OPEN),
    "fal-ai/recraft/v3/text-to-image": Endpoint(RECRAFT, WORDS, "webp", ""),
    "fal-ai/recraft/v3/image-to-image": Endpoint(joined(NEGATIVE, IMAGE, STRENGTH, SYNC, {
        "colors": Array(), "style": Text(), "style_id": Text()}), WORDS_IMAGE, "webp", ""),
    "fal-ai/nano-banana": Endpoint(joined(BANANA, ratios(*GOOGLE_RATIOS)), WORDS, "png", "description"),
    "fal-ai/nano-banana/edit": Endpoint(joined(BANANA, ratios("auto", *GOOGLE_RATIOS), images(10)), WORDS_IMAGES, "png",
                                        "description"),
    "fal-ai/nano-banana-pro": Endpoint(joined(BANANA_PRO, ratios("auto", *GOOGLE_RATIOS)), WORDS, "png", "description"),
    "fal-ai/nano-banana-pro/edit": Endpoint(joined(BANANA_PRO, ratios("auto", *GOOGLE_RATIOS), images(14)), WORDS_IMAGES,
                                            "png", "description"),
    "fal-ai/nano-banana-2": Endpoint(joined(BANANA_2, ratios(*BANANA_2_RATIOS)), WORDS, "png", "description"),
    "fal-ai/nano-banana-2/edit": Endpoint(joined(BANANA_2, ratios(*BANANA_2_RATIOS), images(14)), WORDS_IMAGES, "png",
                                          "description"),
    "fal-ai/gpt-image-1.5": Endpoint(joined(GPT_IMAGE, {"image_size": Choice(*GPT_SIZES)}), WORDS, "png", ""),
    "fal-ai/gpt-image-1.5/edit": Endpoint(joined(GPT_IMAGE, images(16), {
        "image_size": Choice("auto", *GPT_SIZES), "mask_image_url": File(), "input_fidelity": Choice("low", "high")}),
        WORDS_IMAGES, "png", ""),
    "fal-ai/bytedance/seedream/v4.5/text-to-image": Endpoint(joined(SEEDREAM, {
        "image_size": ImageSize("auto_2K", "auto_4K")}), WORDS, "png"),
    "fal-ai/bytedance/seedream/v4.5/edit": Endpoint(joined(SEEDREAM, images(10), {
        "image_size": ImageSize("auto_2K", "auto_4K")}), WORDS_IMAGES, "png", ""),
    "fal-ai/ideogram/v3": Endpoint(joined(IDEOGRAM, SIZE, NEGATIVE), WORDS, "png"),
    "fal-ai/ideogram/v3/edit": Endpoint(joined(IDEOGRAM_EDIT, IMAGE, MASK), WORDS_MASKED, "png"),
    "fal-ai/ideogram/v3/remix": Endpoint(joined(IDEOGRAM, SIZE, NEGATIVE, IMAGE, STRENGTH), WORDS_IMAGE, "png"),
    "fal-ai/ideogram/v3/replace-background": Endpoint(joined(IDEOGRAM, IMAGE), WORDS_IMAGE, "png"),
    "fal-ai/qwen-image": Endpoint(joined(QWEN, {"loras": Array(), "use_turbo": Boolean()}), WORDS, "png", OPEN),
    "fal-ai/qwen-image-edit/inpaint": Endpoint(joined(QWEN, IMAGE, MASK, STRENGTH), WORDS_MASKED, "png", OPEN),
    "fal-ai/qwen-image-2/text-to-image": Endpoint(QWEN_2, WORDS, "png"),
    "fal-ai/qwen-image-2/edit": Endpoint(joined(QWEN_2, images(3)), WORDS_IMAGES, "png"),
    "fal-ai/z-image/turbo": Endpoint(joined(Z_IMAGE, SIZE), WORDS, "png", OPEN),
    "fal-ai/z-image/turbo/image-to-image": Endpoint(joined(Z_IMAGE, IMAGE, STRENGTH, {"image_size": ImageSize("auto")}),
                                                    WORDS_IMAGE, "png", OPEN),
    "fal-ai/z-image/turbo/inpaint": Endpoint(joined(Z_IMAGE, IMAGE, STRENGTH, {
        "mask_image_url": File(), "image_size": ImageSize("auto")}), ("prompt", "image_url", "mask_image_url"), "png", OPEN),
    "xai/grok-imagine-image": Endpoint(joined(COUNT, output_format("jpeg", "png", "webp"), SYNC, ratios(
        "auto", "1:1", "16:9", "4:3", "3:4", "9:16"), {"resolution": Choice("1K", "4K")}), WORDS, keeps="revised_prompt"),
    "xai/grok-imagine-image/edit": Endpoint(joined(COUNT, output_format("jpeg", "png", "webp"), SYNC, images(3), {
        "resolution": Choice("1k", "2k")}), WORDS, keeps="revised_prompt"),
    "fal-ai/luma-photon": Endpoint(ratios("16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "9:21"), WORDS, keeps=""),
    "fal-ai/birefnet": tool(SYNC, output_format("webp", "png", "gif"), {
        "model": Text(), "operating_resolution": Choice("1024x1024", "2048x2048"), "output_mask": Boolean(),
        "refine_foreground": Boolean()}),
    "fal-ai/birefnet/v2": tool(SYNC, output_format("webp", "png", "gif"), {
        "model": Text(), "operating_resolution": Choice("1024x1024", "2048x2048", "2304x2304"),
        "output_mask": Boolean(), "mask_only": Boolean(), "refine_foreground": Boolean()}),
    "fal-ai/bria/background/remove": tool(SYNC),
    "fal-ai/bria/background/replace": Endpoint(joined(IMAGE, COUNT, SEED, NEGATIVE, SYNC, {
        "ref_image_url": File(), "fast": Boolean(), "refine_prompt": Boolean()}), ("image_url",), "png"),
    "fal-ai/bria/eraser": tool(MASK, SYNC, {"mask_type": Choice("manual", "automatic"), "preserve_alpha": Boolean()},
                               required=("image_url", "mask_url")),
    "fal-ai/esrgan": tool(output_format("png", "jpeg"), {"scale": Number(), "tile": Integer(), "face": Boolean(),
                                                         "model": Text()}),
    "fal-ai/aura-sr": tool(UPSCALED, {"checkpoint": Choice("v1", "v2"), "overlapping_tiles": Boolean()}),
    "fal-ai/clarity-upscaler": Endpoint(joined(IMAGE, SEED, NEGATIVE, STEPS, CHECKER, UPSCALED, {
        "creativity": Number(), "resemblance": Number()}), ("image_url",), "png", "seed timings", True),
    "fal-ai/recraft/vectorize": tool(kind="svg"),
    "fal-ai/recraft/upscale/crisp": tool(SYNC, CHECKER),
    "fal-ai/recraft/upscale/creative": tool(SYNC, CHECKER),
    "fal-ai/nafnet/deblur": tool(SEED),
    "fal-ai/ideogram/v3/reframe": tool(IDEOGRAM, SIZE, required=("image_url", "image_size"), keeps="seed", single=False),
    "fal-ai/iclight-v2": Endpoint(joined(SIZE, COUNT, SEED, NEGATIVE, STEPS, JPEG_PNG, SYNC, CHECKER, IMAGE, {
        "mask_image_url": File(), "initial_latent": Text()}), WORDS_IMAGE, keeps=OPEN),
}

# ---- sizes -----------------------------------------------------------------------------------------------


def size_of_ratio(ratio):
    width, _, height = ratio.partition(":")
    if not height:
        return "1024x1024"
    scale = 1024 / max(float(width), float(height))
    return "%dx%d" % (round(float(width) * scale), round(float(height) * scale))


def size_of(values):
    size = values.get("image_size")
    if isinstance(size, dict):
        return "%dx%d" % (size["width"], size["height"])
    if size is not None:
        return dict(SIZE_NAMES, **AUTO_SIZES).get(size, size)
    return size_of_ratio(values.get("aspect_ratio", values.get("resolution_mode", "1:1")))


# ---- results ---------------------------------------------------------------------------------------------

USED_SEED = 3187724598


def describe_image(picture):
    return {"width": picture.width, "height": picture.height, "content_type": picture.mime, "file_name": None,
            "file_size": len(picture.data)}


def pictures_of(call, endpoint, values):
    kind = values.get("output_format", values.get("format", endpoint.kind))
    size = size_of(values) if not endpoint.single else "64x64"
    return results.make_pictures(call, values.get("prompt", "tool"), values.get("num_images", 1), size, kind)


def items_of(call, pictures, inline):
    if not inline:
        return results.make_items(call, pictures, True, ("file_data", "url"), describe_image)
    items = results.make_items(call, pictures, False, ("file_data", "url"), describe_image)
    for item, picture in zip(items, pictures):
        item["url"] = "data:%s;base64,%s" % (picture.mime, item.pop("file_data"))
    return items


def result_of(call, endpoint, values, flagged):
    """The output; `flagged` says how many images the safety checker marks."""
    pictures = pictures_of(call, endpoint, values)
    items = items_of(call, pictures, values.get("sync_mode", False))
    usual = {"seed": values.get("seed", USED_SEED), "timings": {"inference": 1.84}, "prompt": values.get("prompt"),
             "description": "", "revised_prompt": "A red fox, retold",
             "has_nsfw_concepts": [place < flagged for place in range(len(items))]}
    output = {name: usual[name] for name in endpoint.keeps.split()}
    if endpoint.single:
        output["image"] = items[0] if items else None
    else:
        output["images"] = items
    return output


# ---- jobs ------------------------------------------------------------------------------------------------

STATES = {"queued": "IN_QUEUE", "working": "IN_PROGRESS", "unknown": "PONDERING"}
PLATFORM_ERRORS = {"runner_disconnected": (503, "The runner went away."), "request_timeout": (504, "Request timed out"),
                   "client_cancelled": (499, "Request was cancelled by the client."),
                   "runner_server_error": (500, "The runner failed."), "bad_request": (400, "Bad request.")}
RETRYABLE = ("internal_server_error", "generation_timeout", "downstream_service_error",
             "downstream_service_unavailable")
MODERATED = ("The content could not be processed because it contained material flagged by a content checker.",
             "content_policy_violation", "prompt", 422)


def failure_type(job):
    """The platform's error_type of a job that has failed that way, or None."""
    if job.cancelled:
        return "client_cancelled"
    fail = job.options.get("fail")
    if job.state() != "failed" or fail == "model":
        return None
    return fail if isinstance(fail, str) else "runner_disconnected"


def describe(job):
    state = STATES.get(job.state(), "COMPLETED")
    told = {"status": state, "request_id": job.name, "response_url": job.links["response_url"],
            "status_url": job.links["status_url"], "cancel_url": job.links["cancel_url"]}
    if state == "IN_QUEUE":
        told["queue_position"] = job.position()
    else:
        told["logs"] = logs_of(job)
    if state == "COMPLETED":
        told["metrics"] = {"inference_time": 2.31}
    kind = failure_type(job)
    if kind:
        told.update(error=PLATFORM_ERRORS.get(kind, (500, kind))[1], error_type=kind)
    return told


def logs_of(job):
    if not job.wants_logs:
        return None
    return [{"message": "%d%%|####| step %d" % (100 * step // (job.polls() + 2), step), "level": "INFO", "source": "USER",
             "timestamp": "2026-11-20T10:00:0%d.000Z" % (step % 10)} for step in range(1, job.polled + 1)]


def split_query(text):
    return dict(pair.partition("=")[::2] for pair in text.split("&") if pair)


class Fal(Protocol):
    name = "fal"
    key_pattern = re.compile(r"(sk-|[0-9a-f-]{8,}:[0-9a-f]{8,})")
    routes = (("POST", r"/run/.+", "run"), ("POST", r"/queue/.+", "submit"),
              ("GET", r"/queue/[^/]+/[^/]+/requests/[^/]+/status", "status"),
              ("GET", r"/queue/[^/]+/[^/]+/requests/[^/]+", "result"),
              ("PUT", r"/queue/[^/]+/[^/]+/requests/[^/]+/cancel", "cancel"))

    def authorize(self, call):
        match = re.match(r"Key (\S+)\Z", call.request.header("Authorization") or "")
        if not match:
            raise self.unauthorized("Authentication is required to access this application.")
        key = match.group(1)
        call.session.remember_key(key)
        if not self.key_pattern.match(key) or "bad" in key:
            raise self.unauthorized("No user found for Key ID and Secret: %s" % key)

    # ---- asking for images ----

    def endpoint(self, call, model):
        if model not in ENDPOINTS:
            raise Refused("Application '%s' not found" % model, None, None, 404)
        return ENDPOINTS[model]

    def values(self, call, endpoint):
        values = call.json_object()
        check_fields(values, endpoint.fields, endpoint.required)
        if "mask_url" in endpoint.fields and "image_url" not in values and "mask_url" in values:
            raise Refused("Field required", "missing", "image_url")
        return values

    def check_headers(self, call):
        Choice("normal", "low").check("X-Fal-Queue-Priority", call.request.header("X-Fal-Queue-Priority") or "normal")
        for name in ("X-Fal-Store-IO", "X-Fal-No-Retry"):
            if call.request.header(name) not in (None, "0", "1"):
                raise Refused("%s must be 0 or 1" % name, "bad_request", None, 400)
        seconds = call.request.header("X-Fal-Request-Timeout")
        if seconds is not None and (not seconds.isdigit() or int(seconds) <= 1):
            raise Refused("X-Fal-Request-Timeout must be a number above 1", "bad_request", None, 400)

    def run(self, call, flagged=0):
        if call.request.query:
            raise Refused("There are no query parameters here.", "bad_request", None, 400)
        endpoint = self.endpoint(call, call.rest[len("/run/"):])
        values = self.values(call, endpoint)
        return json_reply(result_of(call, endpoint, values, flagged))

    def submit(self, call, flagged=0):
        self.check_headers(call)
        if set(split_query(call.request.query)) - {"fal_webhook", "fal_max_queue_length"}:
            raise Refused("Unknown query parameter in %s" % call.request.query, "bad_request", None, 400)
        model = call.rest[len("/queue/"):]
        endpoint = self.endpoint(call, model)
        values = self.values(call, endpoint)
        name = "%08d-b745-4b3e-ae38-1200304cf45b" % call.session.next_number("job")
        job = jobs.start(call, name, values, describe)
        job.output = result_of(call, endpoint, values, flagged)
        job.application = "/".join(model.split("/")[:2])
        job.wants_logs = True
        job.links = self.links(call, job)
        return json_reply(dict(describe(job), queue_position=job.position()))

    def links(self, call, job):
        origin = call.server.origin_url("tls" if call.origin == "tls" else "api")
        at = "%s/s/%s/%s/queue/%s/requests/%s" % (origin, call.session.name, self.name, job.application, job.name)
        status = call.file_url("jobs/" + job.name) if job.options.get("elsewhere") else at + "/status"
        return {"response_url": at, "status_url": status, "cancel_url": at + "/cancel"}

    # ---- jobs ----

    def find(self, call):
        application, _, rest = call.rest[len("/queue/"):].partition("/requests/")
        job = jobs.find(call, rest.split("/")[0])
        if not job or job.application != application:
            raise Refused("Request not found", "not_found", None, 404)
        return job

    def status(self, call):
        query = split_query(call.request.query)
        if set(query) - {"logs"} or query.get("logs", "0") not in ("0", "1"):
            raise Refused("Unknown query parameter in %s" % call.request.query, "bad_request", None, 400)
        job = self.find(call)
        with call.session.changed:
            job.wants_logs = query.get("logs") == "1"
            job.poll()
            return json_reply(describe(job), 200 if describe(job)["status"] == "COMPLETED" else 202)

    def result(self, call):
        job = self.find(call)
        if describe(job)["status"] != "COMPLETED":
            raise Refused("Request is still in progress", "bad_request", None, 400)
        kind = failure_type(job)
        if kind:
            status, words = PLATFORM_ERRORS.get(kind, (500, kind))
            raise Refused(words, kind, None, status)
        if job.state() == "moderated":
            raise Refused(*MODERATED)
        if job.state() == "failed":
            raise Refused("Failed to load the image. Please ensure the image file is not corrupted.",
                          "image_load_error", "image_url", 422)
        if "result_status" in job.options:
            raise Refused("The model failed.", "internal_server_error", "prompt", job.options["result_status"])
        return json_reply(job.output)

    def cancel(self, call):
        if call.request.body or call.request.header("Content-Length") != "0":
            raise Refused("A cancel has no body.", "bad_request", None, 400)
        job = self.find(call)
        with call.session.changed:
            if describe(job)["status"] == "COMPLETED":
                return json_reply({"status": "ALREADY_COMPLETED"}, 400)
            was_queued = job.state() == "queued"
            job.cancelled = True
        return json_reply({"status": "OK"}) if was_queued else json_reply({"status": "CANCELLATION_REQUESTED"}, 202)

    # ---- errors ----

    def error(self, refused):
        """A list where a field, or the model, is to blame; a text where the platform is."""
        if refused.param is not None:
            status = 422 if refused.status == 400 else refused.status
            detail = {"loc": ["body"] + location_of(refused.param), "msg": refused.message, "type": refused.code,
                      "url": "https://docs.fal.ai/errors#%s" % refused.code, "ctx": {}, "input": {"prompt": "..."}}
            return json_reply({"detail": [detail]}, status, [
                ("X-Fal-Retryable", "true" if refused.code in RETRYABLE else "false")])
        told = {"detail": refused.message}
        if refused.code in PLATFORM_ERRORS:
            told["error_type"] = refused.code
        return json_reply(told, refused.status, [("X-Fal-Error-Type", refused.code)] if refused.code else ())

    def headers(self, call):
        return [("x-fal-request-id", "fal_%s_%d" % (call.session.name, call.session.next_number("request")))]

    def moderation(self, call, variant):
        flagged = {"items": 99, "mixed": 1}.get(variant)
        if flagged is None:
            raise Refused(*MODERATED)
        call.refuse_repeated_headers()
        self.authorize(call)
        return self.route(call)(call, flagged)


def location_of(param):
    return [int(word) if word.isdigit() else word for word in param.split(".")]


PROTOCOL = Fal()
