"""Together: width and height as numbers, "base64" in the request and "b64_json" in the answer. What takes input images
is up to the model: image_url (one text) or reference_images (a list). moderation: true is status 422.
"""

import formats
import results
from checks import Array, Boolean, Choice, Integer, Number, Refused, Text, check_fields
from reply import json_reply
from .base import Protocol

FIELDS = {"model": Text(empty=False), "prompt": Text(empty=False), "width": Integer(64, 4096),
          "height": Integer(64, 4096), "n": Integer(1, 4), "steps": Integer(1, 100), "seed": Integer(),
          "negative_prompt": Text(), "guidance_scale": Number(), "guidance": Number(), "image_url": Text(empty=False),
          "reference_images": Array(), "image_loras": Array(), "output_format": Choice("jpeg", "png"),
          "response_format": Choice("base64", "url"), "disable_safety_checker": Boolean()}
# Beginning of a model's name -> fields that it refuses.
REFUSED = (("black-forest-labs/FLUX.2-dev", ("image_url",)),
           ("google/", ("image_url", "steps", "seed", "negative_prompt", "guidance_scale", "guidance")),
           ("black-forest-labs/FLUX.1-kontext", ("reference_images",)),
           ("black-forest-labs/FLUX.1-schnell", ("image_url", "reference_images")))
MODELS = ("black-forest-labs/", "google/", "stabilityai/", "ByteDance-Seed/", "Qwen/")


def fields_of(model):
    if not isinstance(model, str) or not model.startswith(MODELS) or model.endswith("/"):
        raise Refused("Unable to access model %s. Please visit https://api.together.ai/models to view the list of "
                      "supported models." % (model,), "model_not_available", None, 404)
    refused = [name for start, names in REFUSED if model.startswith(start) for name in names]
    return {name: field for name, field in FIELDS.items() if name not in refused}


def check_image(param, text):
    Text(empty=False).check(param, text)
    if text.startswith(("https://", "http://")):
        return
    try:
        mime, data = formats.read_data_uri(text)
        image = formats.read(data)
    except formats.BadImage as error:
        raise Refused("%s is neither a URL nor an image: %s" % (param, error), "invalid_image", param)
    if mime != image.mime:
        raise Refused("%s is %s but says %s" % (param, image.mime, mime), "invalid_image", param)


def check_images(document):
    if "image_url" in document:
        check_image("image_url", document["image_url"])
    for place, text in enumerate(document.get("reference_images", ())):
        check_image("reference_images[%d]" % place, text)


class Together(Protocol):
    name = "together"
    key_prefixes = ("sk-", "tgp_v1_")
    routes = (("POST", r"/v1/images/generations", "generations"),)

    def generations(self, call):
        document = call.json_object()
        check_fields(document, fields_of(document.get("model")), ("model", "prompt"))
        check_images(document)
        size = "%dx%d" % (document.get("width", 1024), document.get("height", 1024))
        pictures = results.make_pictures(call, document["prompt"], document.get("n", 1), size,
                                         document.get("output_format", "jpeg"))
        items = results.make_items(call, pictures, document.get("response_format", "url") == "url")
        items = [item and dict(index=place, type="b64_json" if "b64_json" in item else "url", **item)
                 for place, item in enumerate(items)] if not call.option("image_result").get("index") else items
        return json_reply({"id": "img-%d" % call.session.next_number("image"), "model": document["model"],
                           "object": "list", "data": items})

    def moderation(self, call, variant):
        raise Refused("The prompt or the image was flagged: NSFW content detected.", "nsfw_content", "prompt", 422)


PROTOCOL = Together()
