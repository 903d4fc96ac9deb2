"""Recraft's image API: generation and a dozen calls on images, as JSON or as a form. All of them answer at once: those
that make images with `data`, those that process one with a single `image`. Errors are plain text or JSON.

Not as the real one: pictures smaller than its least size of 256 are taken, for the tests' pictures are small."""

import json
import time
import uuid

import formats
import results
from checks import Array, Boolean, Choice, Field, Integer, Object, Refused, Text, check_fields
from reply import json_reply, text_reply
from .base import Protocol
from .openai import split_parts

# ---- models ----------------------------------------------------------------------------------------------

RATIOS = ("1:1", "2:1", "1:2", "3:2", "2:3", "4:3", "3:4", "5:4", "4:5", "6:10", "14:10", "10:14", "16:9", "9:16")
SIZES_V4 = ("1024x1024", "1536x768", "768x1536", "1280x832", "832x1280", "1216x896", "896x1216", "1152x896",
            "896x1152", "832x1344", "1280x896", "896x1280", "1344x768", "768x1344")
SIZES_V2 = ("1024x1024", "2048x1024", "1024x2048", "1536x1024", "1024x1536", "1365x1024", "1024x1365", "1280x1024",
            "1024x1280", "1024x1707", "1434x1024", "1024x1434", "1820x1024", "1024x1820", "1707x1024")


def doubled(size):
    return "x".join(str(2 * int(side)) for side in size.split("x"))


class Model:
    def __init__(self, name, generation, kinds=("raster", "vector")):
        self.name = name
        self.generation = generation
        self.kinds = kinds

    @property
    def sizes(self):
        if self.generation in ("v2", "v3"):
            return SIZES_V2
        return tuple(map(doubled, SIZES_V4)) if "_pro" in self.name else SIZES_V4


MODELS = [Model("recraftv2", "v2"), Model("recraftv3", "v3"), Model("recraftv4", "v4"), Model("recraftv4_pro", "v4"),
          Model("recraftv4_1", "v4"), Model("recraftv4_1_pro", "v4"), Model("recraftv4_1_utility", "v4"),
          Model("recraftv4_1_utility_pro", "v4"), Model("recraftv4_1_flash", "flash", ("raster",)),
          Model("recraftv4_styles", "styles"), Model("recraftv4_styles_pro", "styles")]
KINDS = {}
for _model in MODELS:
    KINDS[_model.name] = (_model, "raster")
    for _kind in _model.kinds:
        KINDS["%s_%s" % (_model.name, _kind)] = (_model, _kind)

DEFAULT_MODEL = "recraftv4_1"
PROMPT_LENGTH = {"v2": 1000, "v3": 1000}
# What only some generations know.
OLD_FIELDS = ("style", "substyle", "negative_prompt", "text_layout")
OLD_CONTROLS = ("artistic_level", "no_text")
EDITING = ("v3",)
TRANSFORMING = ("v3", "v4", "flash")
ALL = ("v2", "v3", "v4", "flash", "styles")


def refused(message, code="invalid_request"):
    return Refused(message, code)


def model_of(values, generations):
    name = values.get("model", DEFAULT_MODEL)
    if not isinstance(name, str) or name not in KINDS:
        raise refused("unknown model: %s" % (name,))
    model, kind = KINDS[name]
    if model.generation not in generations:
        raise refused("model %s is not supported by this operation" % name)
    return model, kind


# ---- fields ----------------------------------------------------------------------------------------------

class Decimal(Field):
    """A number within bounds; in a form, its text."""
    expected = "a number"
    types = (int, float)

    def __init__(self, lowest, highest, open_end=False):
        self.lowest = lowest
        self.highest = highest
        self.open_end = open_end

    def check_value(self, name, value):
        if not self.lowest <= value <= self.highest or self.open_end and value == self.highest:
            raise refused("%s must be between %s and %s" % (name, self.lowest, self.highest))

    def from_text(self, name, text):
        try:
            return float(text)
        except ValueError:
            raise refused("%s must be a number" % name)


class Structure(Object):
    """An object; in a form, its JSON."""

    def from_text(self, name, text):
        try:
            return json.loads(text)
        except ValueError:
            raise refused("%s must be JSON" % name)


class Structures(Array):
    from_text = Structure.from_text


class Uuid(Text):
    def check_value(self, name, value):
        try:
            uuid.UUID(value)
        except ValueError:
            raise refused("%s must be a UUID" % name)


REPLY = {"response_format": Choice("url", "b64_json"), "image_format": Choice("png", "webp"), "expire": Boolean()}
MAKING = dict(REPLY, model=Text(), n=Integer(1, 6), random_seed=Integer(0, 0xFFFFFFFF))
DRAWING = dict(MAKING, prompt=Text(empty=False), style=Text(empty=False), substyle=Text(empty=False), style_id=Uuid(),
               style_match=Choice("regular", "precise", "flexible"), negative_prompt=Text(),
               creativity=Choice("simple", "standard", "eccentric"), block_nsfw=Boolean(),
               calculate_features=Boolean(), text_layout=Structures(), controls=Structure())
GENERATING = dict(DRAWING, size=Text(), upscale=Choice("upscale4mp", "upscale16mp"))
SIDE = Integer(0, 4096)
EXPANSIONS = ("expand_left", "expand_right", "expand_top", "expand_bottom")
OUTPAINTING = dict(DRAWING, size=Text(), zoom_out_percentage=Decimal(0, 100, True), **dict.fromkeys(EXPANSIONS, SIDE))
TRACING = dict(REPLY, color_reduction=Text(), max_num_colors=Integer(0), max_num_shapes=Integer(0),
               limit_num_shapes=Text(), return_gradients=Text(), shape_stacking=Text(), small_shape_filter=Text(),
               strict_color_palette=Boolean(), svg_compression=Text())


class Operation:
    """What one call takes. `images` are its input images by the name that a form has for them; `single`: it answers
    one `image` instead of `data`."""

    def __init__(self, fields, required=(), images=(), models=None, single=False, styles=False):
        self.fields = fields
        self.required = required
        self.images = images
        self.models = models
        self.single = single
        self.styles = styles


IMAGE = ("image",)
BOTH = ("image", "mask")
FILE = ("file",)
GENERATE = Operation(GENERATING, ("prompt",), models=ALL, styles=True)
OPERATIONS = {
    "generations": GENERATE, "generations/raster": GENERATE, "generations/vector": GENERATE,
    "imageToImage": Operation(dict(DRAWING, strength=Decimal(0, 1)), ("prompt", "strength"), IMAGE, TRANSFORMING),
    "inpaint": Operation(DRAWING, ("prompt",), BOTH, EDITING),
    "generateBackground": Operation(DRAWING, ("prompt",), BOTH, EDITING),
    "replaceBackground": Operation(DRAWING, ("prompt",), IMAGE, EDITING),
    "outpaint": Operation(OUTPAINTING, ("prompt",), IMAGE, EDITING),
    "variateImage": Operation(dict(MAKING, size=Text()), ("size",), IMAGE, ALL),
    "explore": Operation(dict(GENERATING), ("prompt",), models=ALL),
    "eraseRegion": Operation(REPLY, (), BOTH, single=True),
    "removeBackground": Operation(REPLY, (), FILE, single=True),
    "vectorize": Operation(TRACING, (), FILE, single=True),
    "crispUpscale": Operation(REPLY, (), FILE, single=True),
    "creativeUpscale": Operation(REPLY, (), FILE, single=True),
}
ENLARGES = {"crispUpscale": 4, "creativeUpscale": 4}


# ---- checks ----------------------------------------------------------------------------------------------

def check_model(values, operation, action):
    """(model, kind), or None where the call has none."""
    if not operation.models:
        return None
    model, kind = model_of(values, operation.models)
    wanted = action.partition("/")[2]
    if wanted and wanted != kind:
        raise refused("model %s can't be used for %s generation" % (values.get("model"), wanted))
    check_generation(values, model)
    check_size(values, model, kind)
    return model, kind


def check_generation(values, model):
    if len(values.get("prompt", "")) > PROMPT_LENGTH.get(model.generation, 10000):
        raise refused("prompt is too long")
    if model.generation in ("v2", "v3"):
        return
    for name in OLD_FIELDS:
        if name in values:
            raise refused("%s is not supported by model %s" % (name, model.name))
    for name in OLD_CONTROLS:
        if name in values.get("controls", {}):
            raise refused("controls.%s is not supported by model %s" % (name, model.name))


def check_size(values, model, kind):
    size = values.get("size")
    if size is None or size in RATIOS or (kind == "raster" and size in model.sizes):
        return
    raise refused("unsupported size %s for model %s" % (size, model.name))


def check_styles(values, model, references):
    if model and model.generation == "styles" and "style_id" not in values and not references:
        raise refused("a style is required for model %s" % model.name)
    if model and model.generation == "flash" and ("style_id" in values or references):
        raise refused("styles are not supported by model %s" % model.name)
    if ("style_id" in values) + ("style" in values) + bool(references) > 1:
        raise refused("style, style_id and style references exclude each other")


def check_colour(name, value):
    rgb = value.get("rgb") if isinstance(value, dict) else None
    if not isinstance(rgb, list) or len(rgb) != 3 or not all(type(c) is int and 0 <= c <= 255 for c in rgb):
        raise refused("%s must hold rgb with three numbers from 0 to 255" % name)


def check_controls(controls):
    for name in controls:
        if name not in ("colors", "background_color") + OLD_CONTROLS:
            raise refused("unknown controls.%s" % name)
    colours = controls.get("colors", [])
    if not isinstance(colours, list) or len(colours) > 10:
        raise refused("controls.colors takes at most 10 colors")
    for colour in colours:
        check_colour("controls.colors", colour)
    if "background_color" in controls:
        check_colour("controls.background_color", controls["background_color"])


def check_outpaint(values):
    sides = any(name in values for name in EXPANSIONS)
    if sides and "size" in values:
        raise refused("expand_* and size exclude each other")
    if not sides and "size" not in values and "zoom_out_percentage" not in values:
        raise refused("one of expand_*, size and zoom_out_percentage is required")


# ---- input images ----------------------------------------------------------------------------------------

MOST_BYTES = 10 << 20
MOST_SIDE = 4096
MOST_PIXELS = 16 << 20
MOST_STYLES = 10


def read_image(name, data):
    if len(data) > MOST_BYTES:
        raise refused("%s: the file is too large" % name)
    try:
        image = formats.read(data)
    except formats.BadImage as error:
        raise refused("%s: %s" % (name, error))
    if image.kind == "gif":
        raise refused("%s: unsupported image format" % name)
    if max(image.width, image.height) > MOST_SIDE or image.width * image.height > MOST_PIXELS:
        raise refused("%s: the image is too large" % name)
    return image


def check_mask(mask, image):
    if image and (mask.width, mask.height) != (image.width, image.height):
        raise refused("mask must have the size of the image")
    pixels = mask.parsed.pixels() if mask.parsed else None
    if mask.kind == "png" and mask.parsed.channels != 1:
        raise refused("mask must be a grayscale image")
    if pixels is not None and set(pixels) - {0, 255}:
        raise refused("mask must have only values 0 and 255")


def read_json_image(name, text):
    """The image of a data: URL; None for one that lies elsewhere, which isn't fetched."""
    Text(empty=False).check(name, text)
    if text.startswith(("https://", "http://")):
        return None
    try:
        mime, data = formats.read_data_uri(text)
    except formats.BadImage as error:
        raise refused("%s: %s" % (name, error))
    image = read_image(name, data)
    if mime != image.mime:
        raise refused("%s: it is %s but declared as %s" % (name, image.mime, mime))
    return image


def json_names(operation):
    """The JSON member of each input image."""
    return {name: "mask_url" if name == "mask" else "image_url" for name in operation.images}


class Recraft(Protocol):
    name = "recraft"
    key_prefixes = ("sk-", "recraft-")
    routes = (("POST", r"/v1/images/(?:%s)" % "|".join(OPERATIONS), "operate"), ("POST", r"/v1/styles", "style"),
              ("GET", r"/v1/users/me", "me"))

    def unauthorized(self, message):
        return Refused("request unauthorized: " + message, None, None, 401)

    def operate(self, call):
        action = call.rest[len("/v1/images/"):]
        operation = OPERATIONS[action]
        values, images, references = self.read(call, operation)
        check_fields(values, operation.fields, operation.required)
        found = check_model(values, operation, action)
        check_styles(values, found and found[0], references)
        check_controls(values.get("controls", {}))
        if action == "outpaint":
            check_outpaint(values)
        if images.get("mask"):
            check_mask(images["mask"], images.get("image"))
        return self.respond(call, action, operation, values, found, images)

    # ---- reading ----

    def read(self, call, operation):
        if call.media_type() == "multipart/form-data":
            return self.read_form(call, operation)
        return self.read_json(call, operation)

    def read_json(self, call, operation):
        values = call.json_object()
        images = {}
        for name, member in json_names(operation).items():
            if member not in values:
                raise refused("%s is required" % member)
            images[name] = read_json_image(member, values.pop(member))
        references = values.pop("style_reference_urls", []) if operation.styles else []
        self.check_references(references)
        for text in references:
            read_json_image("style_reference_urls", text)
        return values, images, references

    def read_form(self, call, operation):
        texts, files = split_parts(call.form())
        images = {}
        for name in operation.images:
            if len(files.get(name, [])) != 1:
                raise refused("exactly one file named %s is required" % name)
            images[name] = read_image(name, files.pop(name)[0].data)
        references = files.pop("style_references", []) if operation.styles else []
        self.check_references(references)
        for part in references:
            read_image("style_references", part.data)
        if files:
            raise refused("unknown file %s" % sorted(files)[0])
        fields = operation.fields
        values = {name: fields[name].from_text(name, text) if name in fields else text for name, text in texts.items()}
        return values, images, references

    def check_references(self, references):
        if not isinstance(references, list) or len(references) > MOST_STYLES:
            raise refused("at most %d style references are supported" % MOST_STYLES)

    # ---- answers ----

    def respond(self, call, action, operation, values, found, images):
        kind = self.kind_of(action, values, found)
        size = self.size_of(action, values, found, images)
        pictures = results.make_pictures(call, values.get("prompt", action), values.get("n", 1), size, kind,
                                         action == "removeBackground")
        items = results.make_items(call, pictures, values.get("response_format", "url") == "url",
                                   extra=lambda picture: {"image_id": str(uuid.uuid4())})
        answer = {"created": int(time.time()), "credits": 40 * len(pictures)}
        if operation.single:
            answer["image"] = items[0] if items else {}
        else:
            answer["data"] = items
        return json_reply(answer)

    def kind_of(self, action, values, found):
        if action == "vectorize" or found and found[1] == "vector":
            return "svg"
        return values.get("image_format", "webp")

    def size_of(self, action, values, found, images):
        size = values.get("size", "1:1")
        if found and size in RATIOS:
            # The lists are in the order of the ratios only for V4; of V2 and V3 the square will do.
            sizes = found[0].sizes
            return sizes[RATIOS.index(size)] if len(sizes) == len(RATIOS) else sizes[0]
        if found:
            return size
        image, times = images.get("image") or images.get("file"), ENLARGES.get(action, 1)
        return "%dx%d" % (image.width * times, image.height * times) if image else "64x64"

    def style(self, call):
        texts, files = split_parts(call.form())
        if not files:
            raise refused("images are required")
        return json_reply({"id": str(uuid.uuid4()), "style": texts.get("style", "any"), "is_private": True,
                           "creation_time": "2026-11-20T00:00:00Z", "credits": 5})

    def me(self, call):
        return json_reply({"credits": 1000, "email": "test@example.com", "id": str(uuid.uuid4()), "name": "test"})

    def error(self, refused):
        """The router and the key check speak plain text, everything else JSON."""
        if refused.status == 404:
            return text_reply("404 page not found", 404)
        if refused.status in (401, 405):
            return text_reply(refused.message, refused.status)
        return json_reply({"code": refused.code or "invalid_request", "message": refused.message}, refused.status)

    def moderation(self, call, variant):
        if variant == "http":
            return text_reply("prompt rejected by content moderation", 400)
        raise refused("The prompt violates our content policy.", "content_policy")


PROTOCOL = Recraft()
