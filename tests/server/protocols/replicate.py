"""Replicate: every model has input fields of its own, and every call is a prediction that is polled.

    POST /v1/models/OWNER/NAME/predictions         official models
    POST /v1/predictions                           any model, by "version"
    POST /v1/deployments/OWNER/NAME/predictions    acme/fast-lane, which runs flux-schnell
    GET  /v1/predictions/ID
    POST /v1/predictions/ID/cancel

With "Prefer: wait" a prediction without the behaviour "jobs" is done at once. "jobs": {"fail": TEXT} fails with that
text; {"fail": "canceled"} and {"fail": "aborted"} end in these statuses. The models of acme are made up: new-painter
takes the common field names, sketcher answers with an object and needs a version.
"""

import re

import formats
import jobs
import results
from checks import Boolean, Choice, Field, Integer, Number, Refused, Text
from reply import json_reply
from .base import Protocol

# ---- kinds of input fields -------------------------------------------------------------------------------


class Range(Number):
    def __init__(self, lowest, highest):
        self.bounds = Integer(lowest, highest)

    def check_value(self, name, value):
        self.bounds.check_value(name, value)


class Multiple(Integer):
    def __init__(self, lowest, highest, step):
        Integer.__init__(self, lowest, highest)
        self.step = step

    def check_value(self, name, value):
        Integer.check_value(self, name, value)
        if value % self.step:
            raise Refused("Must be a multiple of %d" % self.step, "multiple_of", name)


class Numeral(Choice):
    """A ratio like 16:9 in any numbers."""

    def __init__(self):
        Choice.__init__(self, "any W:H")

    def check_value(self, name, value):
        if not re.match(r"[1-9]\d*:[1-9]\d*\Z", value):
            Choice.check_value(self, name, value)


class Source(Field):
    """A file: a URL, or a data: URI with a picture in it."""
    expected = "a string"
    types = (str,)

    def check_value(self, name, value):
        if not re.match(r"https?://[^/\s]+", value):
            self.read(name, value)

    def read(self, name, value):
        try:
            mime, data = formats.read_data_uri(value)
            image = formats.read(data)
        except formats.BadImage as error:
            raise Refused("Does not match format 'uri': %s" % error, "format", name)
        if mime != image.mime:
            raise Refused("Is %s, but declared as %s" % (image.mime, mime), "format", name)
        return image


class Sources(Field):
    expected = "an array"
    types = (list,)

    def __init__(self, most):
        self.most = most

    def check_value(self, name, value):
        if len(value) > self.most:
            raise Refused("Array must have at most %d items" % self.most, "array_max_items", name)
        for place, item in enumerate(value):
            Source().check("%s.%d" % (name, place), item)


# ---- models ----------------------------------------------------------------------------------------------

ELEVEN = ("1:1", "16:9", "21:9", "3:2", "2:3", "4:5", "5:4", "3:4", "4:3", "9:16", "9:21")
NINE = ("1:1", "16:9", "3:2", "2:3", "4:5", "5:4", "9:16", "3:4", "4:3")
IDEOGRAM = ("1:3", "3:1", "1:2", "2:1", "9:16", "16:9", "10:16", "16:10", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4",
            "1:1")
NANO = ("match_input_image", "1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
SEED = Integer(-(1 << 63), (1 << 63) - 1)
PROMPT = {"prompt": Text(empty=False)}
WEBP_JPG_PNG = {"output_format": Choice("webp", "jpg", "png"), "output_quality": Integer(0, 100)}
JPG_PNG = {"output_format": Choice("jpg", "png")}


def merged(*parts):
    return {name: field for part in parts for name, field in part.items()}


class Model:
    def __init__(self, fields, kind="webp", output="string", required=("prompt",), official=True):
        self.fields = merged(PROMPT, fields)
        self.kind = kind
        self.output = output
        self.required = required
        self.official = official


def flux_1(steps):
    return merged({"aspect_ratio": Choice(*ELEVEN), "megapixels": Choice("1", "0.25"), "num_outputs": Integer(1, 4),
                   "num_inference_steps": Integer(1, steps), "seed": SEED, "disable_safety_checker": Boolean(),
                   "go_fast": Boolean()}, WEBP_JPG_PNG)


def flux_2(step, most):
    return merged({"aspect_ratio": Choice("match_input_image", "custom", *NINE), "width": Multiple(256, 2048, step),
                   "height": Multiple(256, 2048, step), "seed": SEED, "safety_tolerance": Integer(1, 5),
                   "resolution": Choice("match_input_image", "0.5 MP", "1 MP", "2 MP", "4 MP"),
                   "input_images": Sources(most)}, WEBP_JPG_PNG)


def stable_3(negative):
    fields = merged({"aspect_ratio": Choice(*ELEVEN), "cfg": Range(0, 20), "steps": Integer(1, 50), "seed": SEED,
                     "prompt_strength": Range(0, 1), "image": Source()}, WEBP_JPG_PNG)
    return merged(fields, {"negative_prompt": Text()} if negative else {})


KONTEXT = merged({"aspect_ratio": Choice("9:21", "2:1", "1:2", *NANO), "seed": SEED, "safety_tolerance": Integer(0, 6),
                  "prompt_upsampling": Boolean(), "input_image": Source()}, JPG_PNG)
IDEOGRAM_3 = {"aspect_ratio": Choice(*IDEOGRAM), "resolution": Text(),
              "magic_prompt_option": Choice("Auto", "On", "Off"), "style_preset": Text(),
              "style_type": Choice("None", "Auto", "General", "Realistic", "Design"),
              "seed": Integer(0, 2147483647), "image": Source(), "mask": Source(),
              "style_reference_images": Sources(3)}
SEEDREAM = {"aspect_ratio": Choice(*NANO), "width": Integer(1024, 4096), "height": Integer(1024, 4096),
            "sequential_image_generation": Choice("disabled", "auto"), "max_images": Integer(1, 15),
            "enhance_prompt": Boolean()}
RECRAFT = {"aspect_ratio": Choice("Not set", *IDEOGRAM), "size": Text()}

MODELS = {
    "black-forest-labs/flux-schnell": Model(flux_1(4), output="list"),
    "black-forest-labs/flux-dev": Model(merged(flux_1(50), {"guidance": Range(0, 10), "prompt_strength": Range(0, 1),
                                                            "image": Source()}), output="list"),
    "black-forest-labs/flux-1.1-pro": Model(merged(
        {"aspect_ratio": Choice("custom", *NINE), "width": Multiple(256, 1440, 16), "height": Multiple(256, 1440, 16),
         "seed": SEED, "safety_tolerance": Integer(1, 6), "prompt_upsampling": Boolean(), "image_prompt": Source()},
        WEBP_JPG_PNG)),
    "black-forest-labs/flux-1.1-pro-ultra": Model(merged(
        {"aspect_ratio": Choice(*ELEVEN), "raw": Boolean(), "image_prompt_strength": Range(0, 1), "seed": SEED,
         "safety_tolerance": Integer(1, 6), "image_prompt": Source()}, JPG_PNG), kind="jpeg"),
    "black-forest-labs/flux-kontext-pro": Model(KONTEXT, kind="png"),
    "black-forest-labs/flux-kontext-max": Model(KONTEXT, kind="png"),
    "black-forest-labs/flux-fill-pro": Model(merged(
        {"image": Source(), "mask": Source(), "steps": Integer(15, 50), "guidance": Range(1, 100), "outpaint": Text(),
         "seed": SEED, "prompt_upsampling": Boolean(), "safety_tolerance": Integer(1, 6)}, JPG_PNG), kind="jpeg",
        required=("prompt", "image")),
    "black-forest-labs/flux-2-pro": Model(flux_2(16, 8)),
    "black-forest-labs/flux-2-flex": Model(merged(
        flux_2(32, 10), {"prompt_upsampling": Boolean(), "guidance": Range(0, 20), "steps": Integer(1, 50)})),
    "black-forest-labs/flux-2-dev": Model(merged(
        {"aspect_ratio": Choice("match_input_image", "custom", *NINE), "width": Integer(256, 1440),
         "height": Integer(256, 1440), "go_fast": Boolean(), "seed": SEED, "disable_safety_checker": Boolean(),
         "input_images": Sources(4)}, WEBP_JPG_PNG)),
    "black-forest-labs/flux-3-image": Model(merged(
        {"aspect_ratio": Choice("auto", *ELEVEN), "resolution": Choice("768sq", "1k", "1.5k", "2k", "4k"),
         "grounding": Boolean(), "safety_tolerance": Integer(0, 4), "images": Sources(10)}, WEBP_JPG_PNG)),
    "stability-ai/stable-diffusion-3.5-large": Model(stable_3(False), output="list"),
    "stability-ai/stable-diffusion-3.5-medium": Model(stable_3(False), output="list"),
    "stability-ai/stable-diffusion-3.5-large-turbo": Model(stable_3(True), output="list"),
    "stability-ai/sdxl": Model(
        {"width": Integer(1), "height": Integer(1), "num_outputs": Integer(1, 4), "negative_prompt": Text(),
         "guidance_scale": Range(1, 50), "num_inference_steps": Integer(1, 500), "scheduler": Text(), "seed": SEED,
         "prompt_strength": Range(0, 1), "refine": Text(), "image": Source(), "mask": Source()},
        kind="png", output="list", official=False),
    "recraft-ai/recraft-v3": Model(merged(RECRAFT, {"style": Text()})),
    "recraft-ai/recraft-v4": Model(RECRAFT),
    "ideogram-ai/ideogram-v3-turbo": Model(IDEOGRAM_3, kind="png"),
    "ideogram-ai/ideogram-v3-quality": Model(IDEOGRAM_3, kind="png"),
    "ideogram-ai/ideogram-4-5": Model(
        {"size": Text(), "quality": Text(), "num_images": Integer(1, 8), "seed": Integer(0, 2147483647),
         "images": Sources(5), "mask": Source()}, kind="png", output="list"),
    "google/nano-banana": Model(merged({"aspect_ratio": Choice(*NANO), "image_input": Sources(14)}, JPG_PNG),
                                kind="jpeg"),
    "google/nano-banana-pro": Model(merged(
        {"aspect_ratio": Choice(*NANO), "image_input": Sources(14), "resolution": Choice("1K", "2K", "4K"),
         "safety_filter_level": Text()}, JPG_PNG), kind="jpeg"),
    "google/imagen-4": Model(merged(
        {"aspect_ratio": Choice("1:1", "9:16", "16:9", "3:4", "4:3"), "image_size": Choice("1K", "2K"),
         "safety_filter_level": Text()}, JPG_PNG), kind="jpeg"),
    "bytedance/seedream-4": Model(merged(
        SEEDREAM, {"size": Choice("1K", "2K", "4K", "custom"), "image_input": Sources(10)}),
        kind="jpeg", output="list"),
    "bytedance/seedream-4.5": Model(merged(
        SEEDREAM, {"size": Choice("2K", "4K", "custom"), "image_input": Sources(14)}), kind="jpeg", output="list"),
    "qwen/qwen-image": Model(merged(
        {"aspect_ratio": Choice(*NINE), "image_size": Choice("optimize_for_quality", "optimize_for_speed"),
         "width": Integer(512, 2048), "height": Integer(512, 2048), "negative_prompt": Text(),
         "guidance": Range(0, 10), "num_inference_steps": Integer(1, 50), "seed": SEED, "go_fast": Boolean(),
         "enhance_prompt": Boolean(), "strength": Range(0, 1), "image": Source()}, WEBP_JPG_PNG), output="list"),
    "openai/gpt-image-1.5": Model(
        {"aspect_ratio": Choice("1:1", "3:2", "2:3"), "quality": Choice("auto", "low", "medium", "high"),
         "number_of_images": Integer(1, 10), "background": Choice("auto", "transparent", "opaque"),
         "moderation": Choice("auto", "low"), "output_format": Choice("png", "jpeg", "webp"),
         "output_compression": Integer(0, 100), "openai_api_key": Text(), "input_images": Sources(10)},
        output="list"),
    "acme/new-painter": Model(merged(
        {"negative_prompt": Text(), "aspect_ratio": Numeral(), "width": Integer(1), "height": Integer(1),
         "seed": SEED, "num_outputs": Integer(1, 4), "image": Source(), "mask": Source(), "glaze": Text(),
         "output_format": Choice("webp", "jpg", "png")}), output="list"),
    "acme/sketcher": Model({"seed": SEED, "width": Integer(1), "height": Integer(1), "image": Source()}, kind="png",
                           output="object", official=False),
}
VERSIONS = {
    "7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c962f9bdc": "stability-ai/sdxl",
    "5c1d" * 16: "acme/sketcher",
}
DEPLOYMENTS = {"acme/fast-lane": "black-forest-labs/flux-schnell"}

# ---- checks ----------------------------------------------------------------------------------------------

BODY = ("input", "webhook", "webhook_events_filter", "stream")
EVENTS = ("start", "output", "logs", "completed")
WAIT = re.compile(r"wait(=([1-9]|[1-5][0-9]|60))?\Z")
DEADLINE = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?\Z")
SHORTEST_DEADLINE = 5


class Invalid(Refused):
    """What is wrong with a request, field by field: (type, field, description)."""

    def __init__(self, problems):
        Refused.__init__(self, "".join("- %s: %s\n" % (field, told) for _, field, told in problems), status=422)
        self.problems = problems


def reworded(refused, field):
    name = field.rpartition(".")[2]
    if refused.code == "invalid_value" and "Supported values are: " in refused.message:
        listed = refused.message.partition("Supported values are: ")[2].rstrip(".").replace("'", '"')
        return "enum", field, "%s must be one of the following: %s" % (name, listed)
    return refused.code, field, refused.message


def problem_of(name, field, value):
    try:
        field.check(name, value)
    except Refused as refused:
        return reworded(refused, "input." + name)
    return None


def not_allowed(place, name):
    return "additional_property_not_allowed", place, "Additional property %s is not allowed" % name


def check_input(values, model):
    problems = [not_allowed("input", name) for name in values if name not in model.fields]
    problems += [("required", "input", "%s is required" % name) for name in model.required if name not in values]
    problems += [problem_of(name, field, values[name]) for name, field in model.fields.items() if name in values]
    problems = [problem for problem in problems if problem]
    if problems:
        raise Invalid(problems)
    check_mask(values)
    return values


def check_mask(values):
    if "mask" not in values:
        return
    if "image" not in values and not values.get("images"):
        raise Invalid([("required", "input", "image is required with mask")])
    image = values.get("image") or values["images"][0]
    if image.startswith("data:") and values["mask"].startswith("data:"):
        image, mask = (Source().read(name, text) for name, text in (("image", image), ("mask", values["mask"])))
        if (image.width, image.height) != (mask.width, mask.height):
            raise Invalid([("size", "input.mask", "The mask must have the size of the image")])


def check_body(document, names):
    for name in document:
        if name not in names:
            raise Invalid([not_allowed("(root)", name)])
    for name in ("input",) + tuple(set(names) - set(BODY)):
        if name not in document:
            raise Invalid([("required", "(root)", "%s is required" % name)])
    if not isinstance(document["input"], dict):
        raise Invalid([("invalid_type", "input", "Invalid type. Expected: object")])
    if "webhook" in document and not str(document["webhook"]).startswith("https://"):
        raise Invalid([("format", "webhook", "Must be an HTTPS URL")])
    for event in document.get("webhook_events_filter", ()):
        if event not in EVENTS:
            raise Invalid([("enum", "webhook_events_filter", "must be one of start, output, logs, completed")])


def check_headers(call):
    prefer = call.request.header("Prefer")
    if prefer is not None and not WAIT.match(prefer):
        raise Refused("Invalid Prefer header: %s" % prefer, status=400)
    after = call.request.header("Cancel-After")
    if after is None:
        return
    match = DEADLINE.match(after)
    hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    if hours * 3600 + minutes * 60 + seconds < SHORTEST_DEADLINE:
        raise Refused("Invalid Cancel-After header: %s" % after, status=400)


def missing():
    return Refused("The requested resource could not be found.", status=404)


# ---- predictions -----------------------------------------------------------------------------------------

EDGE = 256
STATES = {"queued": "starting", "working": "processing", "unknown": "hibernating", "moderated": "failed",
          "cancelled": "canceled", "done": "succeeded"}
SENSITIVE = "The input or output was flagged as sensitive. Please try again with different inputs. (E005)"
OUT_OF_MEMORY = "Model ran out of memory and was terminated (E1001)"
ENDINGS = ("canceled", "aborted")


def size_of(values):
    if values.get("width") and values.get("height"):
        return "%dx%d" % (values["width"], values["height"])
    for name in ("size", "resolution"):
        if re.match(r"\d+x\d+\Z", str(values.get(name))):
            return values[name]
    match = re.match(r"(\d+):(\d+)\Z", values.get("aspect_ratio", "1:1"))
    width, height = map(int, match.groups()) if match else (1, 1)
    longest = max(width, height)
    return "%dx%d" % (max(1, round(EDGE * width / longest)), max(1, round(EDGE * height / longest)))


def count_of(values):
    return next((values[name] for name in ("num_outputs", "num_images", "max_images", "number_of_images")
                 if name in values), 1)


def text_of(item):
    if not item or not any(item.values()):
        return None
    return item["url"] if item.get("url") else item["data"]


def output_of(call, values, model):
    kind = {"jpg": "jpeg"}.get(values.get("output_format"), values.get("output_format", model.kind))
    pictures = results.make_pictures(call, values["prompt"], count_of(values), size_of(values), kind)
    items = results.make_items(call, pictures, True, ("data", "url"))
    texts = [text_of(item) for item in items]
    texts = [text if text is None or "://" in text[:10] or text.startswith("data:") else
             "data:%s;base64,%s" % (formats.MIME[kind], text) for text in texts]
    return {"list": texts, "string": texts[0] if texts else None, "object": {"picture": texts[0] if texts else None,
                                                                            "caption": "a sketch"}}[model.output]


def status_of(job):
    state = job.state()
    if state == "failed" and job.options["fail"] in ENDINGS:
        return job.options["fail"]
    return STATES.get(state, state)


def error_of(job, status):
    if status != "failed":
        return None
    if job.state() == "moderated":
        return SENSITIVE
    return job.options["fail"] if isinstance(job.options["fail"], str) else OUT_OF_MEMORY


def logs_of(job, status):
    if status in ("starting", "aborted"):
        return ""
    lines = ["Using seed: %s" % job.document.get("seed", 7331)]
    lines += ["%3d%%|####      | %d/%d" % (100 * step // (job.polls() + 1), step, job.polls() + 1)
              for step in range(1, min(job.polled, job.polls()) + 1)]
    if status == "succeeded":
        lines += ["100%|##########| done", "Generated image in 2.1s"]
    return "".join(line + "\n" for line in lines)


def describe(job):
    status = status_of(job)
    done = status == "succeeded"
    told = {"id": job.name, "model": job.model, "version": job.version, "input": job.document,
            "logs": logs_of(job, status), "output": job.output if done else None, "data_removed": False,
            "error": error_of(job, status), "source": "api", "status": status,
            "created_at": "2026-11-20T10:00:00.111Z", "urls": job.links}
    if done:
        told["metrics"] = {"predict_time": 2.31, "total_time": 2.35}
    return told


class Replicate(Protocol):
    name = "replicate"
    key_prefixes = ("sk-", "r8_")
    routes = (("POST", r"/v1/models/[^/]+/[^/]+/predictions", "of_model"), ("POST", r"/v1/predictions", "of_version"),
              ("POST", r"/v1/deployments/[^/]+/[^/]+/predictions", "of_deployment"),
              ("GET", r"/v1/predictions/[^/]+", "look"), ("POST", r"/v1/predictions/[^/]+/cancel", "cancel"))

    def of_model(self, call):
        name = "/".join(call.rest.split("/")[3:5])
        if name not in MODELS or not MODELS[name].official:
            raise missing()
        document = call.json_object()
        check_body(document, BODY)
        return self.create(call, name, "hidden", document)

    def of_deployment(self, call):
        name = "/".join(call.rest.split("/")[3:5])
        if name not in DEPLOYMENTS:
            raise missing()
        document = call.json_object()
        check_body(document, BODY)
        return self.create(call, DEPLOYMENTS[name], "hidden", document)

    def of_version(self, call):
        document = call.json_object()
        check_body(document, BODY + ("version",))
        name, _, version = str(document["version"]).rpartition(":")
        if version in MODELS and not name and MODELS[version].official:
            return self.create(call, version, "hidden", document)
        if version not in VERSIONS or name not in ("", VERSIONS[version]):
            raise Refused("The specified version does not exist (or perhaps you don't have permission to use it?)",
                          "version", status=422)
        return self.create(call, VERSIONS[version], version, document)

    def create(self, call, name, version, document):
        check_headers(call)
        values = check_input(document["input"], MODELS[name])
        job = jobs.start(call, "rrr%023d" % call.session.next_number("prediction"), values, describe)
        job.model, job.version, job.links = name, version, self.links(call, job)
        job.output = output_of(call, values, MODELS[name])
        if call.behaviour.get("moderation"):
            job.options, job.polled = {"polls": 0, "moderation": True}, 1
        status = self.wait(call, job)
        return json_reply(describe(job), status)

    def wait(self, call, job):
        """The status code of the answer, after as much waiting as was asked for."""
        if call.request.header("Prefer") is None or job.polled:
            return 201
        job.polled = 1 if "jobs" in call.behaviour else job.polls() + 1
        return 201 if status_of(job) not in ("starting", "processing") else 202

    def links(self, call, job):
        base = "%s/s/%s/replicate/v1/predictions/%s" % (call.server.origin_url(call.origin), call.session.name,
                                                        job.name)
        place = call.file_url("jobs/" + job.name) if job.options.get("elsewhere") else base
        return {"web": "https://replicate.com/p/" + job.name, "get": place, "cancel": base + "/cancel",
                "stream": "https://stream.replicate.com/v1/files/" + job.name}

    def find(self, call):
        job = jobs.find(call, call.rest.split("/")[3])
        if not job:
            raise missing()
        return job

    def look(self, call):
        job = self.find(call)
        with call.session.changed:
            job.poll()
            return json_reply(describe(job))

    def cancel(self, call):
        if call.request.body:
            raise Refused("A cancellation has no body.", status=400)
        job = self.find(call)
        job.cancelled = status_of(job) in ("starting", "processing")
        return json_reply(describe(job))

    def unauthorized(self, message):
        return Refused("You did not pass a valid authentication token. " + message, "unauthenticated", None, 401)

    def error(self, refused):
        if refused.status == 429:
            return json_reply({"detail": "Request was throttled. Your rate limit resets in ~5s.", "status": 429,
                               "retry_after": 5}, 429)
        told = {"title": TITLES.get(refused.status, "Error"), "detail": refused.message, "status": refused.status}
        if refused.code == "version":
            told["title"] = "Invalid version or not permitted"
        if isinstance(refused, Invalid):
            told["invalid_fields"] = [{"type": kind, "field": field, "description": text}
                                      for kind, field, text in refused.problems]
        return json_reply(told, refused.status)

    def moderation(self, call, variant):
        """There is no status for it: the prediction fails."""
        return self.answer(call)


TITLES = {400: "Bad request", 401: "Unauthenticated", 402: "Insufficient credit", 404: "Not Found",
          405: "Method not allowed", 422: "Input validation failed"}

PROTOCOL = Replicate()
