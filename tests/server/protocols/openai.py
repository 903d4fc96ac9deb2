"""OpenAI's Images API: generations, edits (form and JSON), variations, streaming; as strict as the real one."""

import time

import formats
import multipart
import results
import sse
from checks import (Array, Boolean, Choice, Integer, Nullable, Object, Refused, Size, Text, check_fields)
from reply import json_reply
from .base import Protocol

# ---- models ----------------------------------------------------------------------------------------------

GPT_FIXED_SIZES = ("auto", "1024x1024", "1536x1024", "1024x1536")
LEAST_PIXELS, MOST_PIXELS, LONGEST_EDGE = 655360, 8294400, 3840


def judge_listed(*sizes):
    def judge(size):
        if size not in sizes:
            return "Invalid value: '%s'. Supported values are: %s." % (size, ", ".join(map(repr, sizes)))
        return None
    return judge


def judge_free(size):
    if size == "auto":
        return None
    width, _, height = size.partition("x")
    if not (width.isascii() and height.isascii() and width.isdigit() and height.isdigit()):
        return "Invalid size '%s'. Expected WIDTHxHEIGHT or 'auto'." % size
    if width.startswith("0") or height.startswith("0") or len(size) > 12:
        return "Invalid size '%s'. Expected WIDTHxHEIGHT or 'auto'." % size
    width, height = int(width), int(height)
    rules = ((width % 16 == 0 and height % 16 == 0, "Width and height must both be divisible by 16"),
             (max(width, height) <= LONGEST_EDGE, "The longest edge must be at most 3840"),
             (max(width, height) <= 3 * min(width, height), "The aspect ratio must be between 1:3 and 3:1"),
             (LEAST_PIXELS <= width * height <= MOST_PIXELS, "The pixel count is outside of the supported range"))
    return next(("Invalid size '%s'. %s." % (size, told) for kept, told in rules if not kept), None)


class Family:
    def __init__(self, models, sizes, qualities, prompt_length, highest_n=10, legacy=False, backgrounds=(),
                 formats=(), fidelity=(), extra=(), markup=False, edits=True, variations=False, styles=()):
        self.models = models
        self.sizes = sizes
        self.qualities = qualities
        self.prompt_length = prompt_length
        self.highest_n = highest_n
        self.legacy = legacy
        self.backgrounds = backgrounds
        self.formats = formats
        self.fidelity = fidelity
        self.extra = extra
        self.markup = markup
        self.edits = edits
        self.variations = variations
        self.styles = styles


ALL_QUALITIES = ("auto", "low", "medium", "high", "xhigh", "max")
ALL_BACKGROUNDS = ("auto", "opaque", "transparent")
USUAL_FORMATS = ("png", "jpeg", "webp")
GPT_FIELDS = ("background", "output_format", "output_compression", "moderation", "stream", "partial_images",
              "safety_identifier")
NEWEST_FIELDS = ("complexity", "frame_count", "frame_duration_ms", "svg")

FAMILIES = (
    Family(("gpt-image-2.6-sunburst", "gpt-image-2.6-flare"), judge_free, ALL_QUALITIES, 32000,
           backgrounds=ALL_BACKGROUNDS, formats=USUAL_FORMATS + ("gif", "svg"), extra=NEWEST_FIELDS, markup=True),
    Family(("gpt-image-2.5-sunburst", "gpt-image-2.5-flare", "gpt-image-2.5-sunburst-2026-09-08",
            "gpt-image-2.5-flare-2026-09-08"), judge_free, ALL_QUALITIES, 32000,
           backgrounds=ALL_BACKGROUNDS, formats=USUAL_FORMATS, markup=True),
    Family(("gpt-image-2", "gpt-image-2-2026-04-21"), judge_free, ALL_QUALITIES[:4], 32000,
           backgrounds=ALL_BACKGROUNDS, formats=USUAL_FORMATS),
    Family(("gpt-image-1", "gpt-image-1.5", "gpt-image-1.5-2025-12-16", "chatgpt-image-latest"),
           judge_listed(*GPT_FIXED_SIZES), ALL_QUALITIES[:4], 32000, backgrounds=ALL_BACKGROUNDS,
           formats=USUAL_FORMATS, fidelity=("low", "high")),
    Family(("gpt-image-1-mini",), judge_listed(*GPT_FIXED_SIZES), ALL_QUALITIES[:4], 32000,
           backgrounds=ALL_BACKGROUNDS, formats=USUAL_FORMATS, fidelity=("low",)),
    Family(("dall-e-3",), judge_listed("1024x1024", "1792x1024", "1024x1792"), ("standard", "hd"), 4000,
           highest_n=1, legacy=True, edits=False, styles=("vivid", "natural")),
    Family(("dall-e-2",), judge_listed("256x256", "512x512", "1024x1024"), ("standard",), 1000,
           legacy=True, variations=True),
)
FAMILY_OF = {model: family for family in FAMILIES for model in family.models}
NO_TRANSPARENCY = ("gpt-image-2", "gpt-image-2-2026-04-21")


def family_of(values):
    model = values.get("model")
    if model is None:
        raise Refused("you must provide a model parameter", "missing_required_parameter", "model")
    if not isinstance(model, str) or model not in FAMILY_OF:
        raise Refused("The model '%s' does not exist." % (model,), "model_not_found", "model", 404)
    return FAMILY_OF[model]


# ---- fields ----------------------------------------------------------------------------------------------

def common_fields(family):
    fields = {"model": Text(), "prompt": Text(family.prompt_length, empty=False),
              "n": Nullable(Integer(1, family.highest_n)), "size": Nullable(Size(family.sizes)),
              "quality": Choice(*family.qualities), "user": Text()}
    if family.legacy:
        fields["response_format"] = Choice("url", "b64_json")
    if family.styles:
        fields["style"] = Choice(*family.styles)
    kinds = gpt_fields(family)
    fields.update({name: kinds[name] for name in (() if family.legacy else GPT_FIELDS) + family.extra})
    return fields


def gpt_fields(family):
    return {"background": Choice(*family.backgrounds), "output_format": Choice(*family.formats),
            "output_compression": Integer(0, 100), "moderation": Choice("auto", "low"), "stream": Boolean(),
            "partial_images": Integer(0, 3), "safety_identifier": Text(128),
            "complexity": Choice("low", "medium", "high"), "frame_count": Integer(2, 16),
            "frame_duration_ms": Integer(10, 655350), "svg": Object()}


def edit_fields(family):
    fields = common_fields(family)
    fields.pop("svg", None)
    fields.pop("style", None)
    if family.fidelity:
        fields["input_fidelity"] = Choice(*family.fidelity)
    if "svg" in family.formats:
        fields["output_format"] = Choice(*(name for name in family.formats if name != "svg"))
    return fields


def check_fidelity(values, family):
    """Has a code of its own where the model doesn't know the field."""
    if "input_fidelity" in values and not family.fidelity and not family.legacy:
        raise Refused("input_fidelity is not supported for this model.", "invalid_input_fidelity_model",
                      "input_fidelity", 400, "image_generation_user_error")


# What must not come together: (is it so?, parameter, message)
COMBINATIONS = (
    (lambda v: v.get("background") == "transparent" and v["model"] in NO_TRANSPARENCY, "background",
     "Transparent background is not supported for this model."),
    (lambda v: v.get("background") == "transparent" and v.get("output_format", "png") == "jpeg", "background",
     "Transparent background is not supported for JPEG output format."),
    (lambda v: "output_compression" in v and v.get("output_format", "png") not in ("jpeg", "webp"),
     "output_compression", "Compression less than 100 is only supported for JPEG and WebP output formats."),
    (lambda v: "partial_images" in v and not v.get("stream"), "partial_images",
     "partial_images is only supported when streaming."),
    (lambda v: v.get("stream") and (v.get("n") or 1) > 1, "n", "Streaming is only supported for n=1."),
    (lambda v: v.get("stream") and v.get("output_format") in ("gif", "svg"), "stream",
     "Streaming is not supported for this output format."),
    (lambda v: v.get("output_format") != "gif" and ("frame_count" in v or "frame_duration_ms" in v), "frame_count",
     "Frames are only supported for GIF output."),
    (lambda v: v.get("output_format") != "svg" and "svg" in v, "svg", "svg is only supported for SVG output."),
    (lambda v: v.get("output_format") == "svg" and (v.get("n") or 1) > 1, "n", "n must be 1 for SVG output."),
)


def check_combinations(values):
    for applies, param, message in COMBINATIONS:
        if applies(values):
            raise Refused(message, "invalid_value", param)


# ---- input images ----------------------------------------------------------------------------------------

MOST_IMAGES = 16
IMAGE_BYTES = 50 << 20
MASK_BYTES = 4 << 20
LONGEST_URL = 20971520


def bad_image(param, message):
    return Refused("Invalid image file or mode for '%s': %s." % (param, message), "invalid_image_file", param, 400,
                   "image_generation_user_error")


def read_image(param, data, content_type, limit=IMAGE_BYTES, kinds=("png", "jpeg", "webp")):
    if len(data) >= limit:
        raise bad_image(param, "the file is too large")
    try:
        image = formats.read(data)
    except formats.BadImage as error:
        raise bad_image(param, str(error))
    if image.kind not in kinds:
        raise bad_image(param, "%s is not supported here" % image.mime)
    if content_type != image.mime:
        raise bad_image(param, "it is %s but was declared as %s" % (image.mime, content_type))
    return image


def check_mask(mask, first, param="mask"):
    """`first` is None where the first image is not at hand, as with a URL."""
    if not mask.has_alpha:
        raise bad_image(param, "it has no alpha channel")
    if first and (mask.width, mask.height) != (first.width, first.height):
        raise bad_image(param, "its size differs from that of the first image")


def split_parts(parts):
    """Form parts, as (text by name, files by name); which is which depends on the filename alone."""
    texts, files = {}, {}
    for part in parts:
        if part.filename is not None:
            files.setdefault(part.name, []).append(part)
        elif part.name in texts:
            raise Refused("Duplicate parameter: '%s'." % part.name, "duplicate_parameter", part.name)
        else:
            texts[part.name] = text_of(part)
    return texts, files


def text_of(part):
    try:
        return part.text()
    except multipart.BadForm as error:
        raise Refused(str(error), "invalid_form", part.name)


def typed(texts, fields):
    return {name: fields[name].from_text(name, text) if name in fields else text for name, text in texts.items()}


def file_parts(files, name, most, required=False):
    """The parts of `name` or, if there are several, of `name[]`."""
    plain, listed = files.get(name, []), files.get(name + "[]", [])
    if plain and listed or len(plain) > 1:
        raise Refused("Duplicate parameter: '%s'. Use '%s[]' for several files." % (name, name),
                      "duplicate_parameter", name)
    found = plain or listed
    if required and not found:
        raise Refused("Missing required parameter: '%s'." % name, "missing_required_parameter", name)
    if len(found) > most:
        raise Refused("Invalid '%s': at most %d are supported." % (name, most), "array_above_max_length", name)
    return found


def one_file(files, name):
    parts = files.get(name, [])
    if len(parts) > 1:
        raise Refused("Duplicate parameter: '%s'." % name, "duplicate_parameter", name)
    return parts[0] if parts else None


def check_file_names(files, allowed):
    for name in files:
        if name not in allowed:
            raise Refused("Unknown parameter: '%s'." % name, "unknown_parameter", name)


# ---- answers ---------------------------------------------------------------------------------------------

def usage_of(values, image_count, pictures, detailed=True):
    words, seen, made = len(values.get("prompt", "").split()), 100 * image_count, 1600 * len(pictures)
    usage = {"total_tokens": words + seen + made, "input_tokens": words + seen, "output_tokens": made,
             "input_tokens_details": {"text_tokens": words, "image_tokens": seen}}
    if detailed:
        usage["output_tokens_details"] = {"text_tokens": 0, "image_tokens": made}
    return usage


def settings_of(values, pictures):
    """What an answer tells of the settings that it was made with."""
    chosen = {"background": "opaque", "quality": "medium"}
    told = {name: values[name] if values.get(name, "auto") != "auto" else chosen[name] for name in chosen}
    told["output_format"] = values.get("output_format", "png")
    told["size"] = "%dx%d" % (pictures[0].width, pictures[0].height) if pictures else values.get("size")
    return told


def pictures_for(call, values, salt=""):
    return results.make_pictures(call, salt + values.get("prompt", "variation"), values.get("n") or 1,
                                 values.get("size"), values.get("output_format", "png"),
                                 values.get("background") == "transparent")


def revised(values):
    """Only dall-e-3 rewrote prompts."""
    if values.get("model") != "dall-e-3":
        return lambda picture: {}
    return lambda picture: {"revised_prompt": "A detailed view: " + values["prompt"]}


def plain_answer(call, values, image_count=0, legacy=False):
    pictures = pictures_for(call, values)
    as_url = legacy and values.get("response_format", "url") == "url"
    document = {"created": int(time.time())}
    if not legacy:
        document.update(settings_of(values, pictures))
    document["data"] = results.make_items(call, pictures, as_url, extra=revised(values))
    if not legacy:
        document["usage"] = usage_of(values, image_count, pictures)
    return json_reply(document)


def streamed_answer(call, values, prefix, image_count=0):
    final = pictures_for(call, values)
    common = dict(settings_of(values, final), created_at=int(time.time()))
    events = []
    for index in range(values.get("partial_images", 0)):
        preview = pictures_for(call, values, "preview %d of " % index)[0]
        events.append((prefix + ".partial_image", dict(common, type=prefix + ".partial_image",
                       b64_json=results.base64_text(call, preview), partial_image_index=index)))
    for picture in final:
        events.append((prefix + ".completed", dict(common, type=prefix + ".completed",
                       b64_json=results.base64_text(call, picture),
                       usage=usage_of(values, image_count, final, False))))
    return sse.stream(call, events)


def answer(call, values, prefix, image_count=0, legacy=False):
    if values.get("stream") and not call.option("sse").get("json"):
        return streamed_answer(call, values, prefix, image_count)
    return plain_answer(call, values, image_count, legacy)


# ---- the protocol ----------------------------------------------------------------------------------------

MODERATION = {
    True: ("Your request was rejected by the safety system. If you believe this is an error, contact us and include "
           "the request ID. safety_violations=[violence].", "moderation_blocked", "image_generation_user_error"),
    "dalle": ("Your request was rejected as a result of our safety system. Your prompt may contain text that is "
              "not allowed by our safety system.", "content_policy_violation", "invalid_request_error"),
}


class OpenAI(Protocol):
    name = "openai"
    routes = (("POST", r"/v1/images/generations", "generations"), ("POST", r"/v1/images/edits", "edits"),
              ("POST", r"/v1/images/variations", "variations"))

    def generations(self, call):
        values = call.json_object()
        family = family_of(values)
        check_fields(values, common_fields(family), ("prompt", "model"))
        check_combinations(values)
        return answer(call, values, "image_generation", 0, family.legacy)

    def edits(self, call):
        if call.media_type() == "application/json":
            return self.edits_json(call)
        return self.edits_form(call)

    def edits_form(self, call):
        texts, files = split_parts(call.form())
        family = self.editing_family(texts)
        check_fidelity(texts, family)
        fields = edit_fields(family)
        values = typed(texts, fields)
        check_fields(values, fields, ("prompt", "model"))
        check_combinations(values)
        count = self.check_edit_files(files, values, family)
        return answer(call, values, "image_edit", count, family.legacy)

    def editing_family(self, values):
        family = family_of(values)
        if not family.edits:
            raise Refused("The model '%s' does not support edits." % values["model"], "invalid_value", "model")
        return family

    def check_edit_files(self, files, values, family):
        allowed = ("image", "mask") if family.legacy else ("image", "image[]", "mask")
        check_file_names(files, allowed + (("markup",) if family.markup else ()))
        parts = file_parts(files, "image", 1 if family.legacy else MOST_IMAGES, True)
        images = [self.read_part(part, family) for part in parts]
        mask, markup = one_file(files, "mask"), one_file(files, "markup")
        if mask and markup or mask and values.get("output_format") == "gif":
            raise Refused("mask can't be combined with this.", "invalid_value", "mask")
        for part in filter(None, (mask, markup)):
            overlay = read_image(part.name, part.data, part.content_type, MASK_BYTES, ("png",))
            check_mask(overlay, images[0], part.name)
        return len(images)

    def read_part(self, part, family):
        if not family.legacy:
            return read_image(part.name, part.data, part.content_type)
        image = read_image(part.name, part.data, part.content_type, MASK_BYTES, ("png",))
        if image.width != image.height:
            raise bad_image(part.name, "it must be square")
        return image

    def edits_json(self, call):
        document = call.json_object()
        family = self.editing_family(document)
        if family.legacy:
            raise Refused("Unsupported content type: 'application/json'.", "unsupported_content_type")
        check_fidelity(document, family)
        fields = dict(edit_fields(family), images=Array(), mask=Object())
        check_fields(document, fields, ("prompt", "model", "images"))
        check_combinations(document)
        images = self.read_references(document["images"])
        if "mask" in document:
            self.read_json_mask(document["mask"], images[0])
        return answer(call, document, "image_edit", len(images), False)

    def read_references(self, entries):
        if not 1 <= len(entries) <= MOST_IMAGES:
            raise Refused("Invalid 'images': 1 to %d are supported." % MOST_IMAGES, "invalid_value", "images")
        return [self.read_reference("images[%d]" % place, entry) for place, entry in enumerate(entries)]

    def read_json_mask(self, entry, first):
        mask = self.read_reference("mask", entry, MASK_BYTES, ("png",))
        if mask:
            check_mask(mask, first)

    def read_reference(self, param, entry, limit=IMAGE_BYTES, kinds=("png", "jpeg", "webp")):
        """The image of a data: URI; None for a URL or a file id, which are only looked at."""
        if not isinstance(entry, dict) or len(entry) != 1 or not set(entry) <= {"image_url", "file_id"}:
            raise Refused("Invalid '%s': expected exactly one of image_url and file_id." % param, param=param)
        (key, value), = entry.items()
        Text(LONGEST_URL, empty=False).check("%s.%s" % (param, key), value)
        if key == "file_id":
            if not value.startswith("file-"):
                raise Refused("Invalid file id.", "invalid_value", param + ".file_id")
            return None
        if value.startswith(("https://", "http://")):
            return None
        try:
            mime, data = formats.read_data_uri(value)
        except formats.BadImage as error:
            raise bad_image(param + ".image_url", str(error))
        return read_image(param + ".image_url", data, mime, limit, kinds)

    def variations(self, call):
        texts, files = split_parts(call.form())
        texts.setdefault("model", "dall-e-2")
        family = family_of(texts)
        if not family.variations:
            raise Refused("The model '%s' does not support variations." % texts["model"], "invalid_value", "model")
        fields = common_fields(family)
        for name in ("prompt", "quality"):
            fields.pop(name)
        values = typed(texts, fields)
        check_fields(values, fields, ())
        check_file_names(files, ("image",))
        for part in file_parts(files, "image", 1, True):
            self.read_part(part, family)
        return answer(call, values, "image_variation", 1, True)

    def headers(self, call):
        return super().headers(call) + [("openai-version", "2020-10-01"), ("openai-processing-ms", "12"),
                                        ("openai-organization", "user-test")]

    def moderation(self, call, variant):
        if variant == "stream":
            call.behaviour = dict(call.behaviour, sse={"moderation": True})
            return sse.stream(call, [])
        message, code, kind = MODERATION.get(variant, MODERATION[True])
        return self.error(Refused(message, code, None, 400, kind))


PROTOCOL = OpenAI()
