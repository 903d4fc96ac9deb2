"""A server that is like OpenAI's but takes anything, as LocalAI and stable-diffusion.cpp do: the key is optional,
fields that it doesn't know are ignored. It answers with URLs unless b64_json is asked for, and streams only where a
behaviour has "sse". Models named gpt-image refuse response_format, as behind a proxy."""

import time

import formats
import results
from checks import Refused, Text
from reply import json_reply
from . import openai

WORD_SIZE = "512x512"
MOST_COUNT = 64


def lenient_size(value):
    """LocalAI falls back to its default where it can't read a size."""
    width, _, height = str(value).partition("x")
    return value if width.isdigit() and height.isdigit() and len(str(value)) < 12 else WORD_SIZE


def lenient_count(value):
    text = str(value if value is not None else 1)
    if not text.isdigit() or not 1 <= int(text) <= MOST_COUNT:
        raise Refused("n must be between 1 and %d" % MOST_COUNT, "invalid_value", "n")
    return int(text)


def lenient_format(value):
    return value if value in formats.MAKERS else "png"


class Compatible(openai.OpenAI):
    name = "compatible"
    key_prefixes = ("",)
    key_optional = True
    routes = (("POST", r"(/v1)?/images/generations", "generations"), ("POST", r"(/v1)?/images/edits", "edits"),
              ("POST", r"(/v1)?/images/variations", "variations"))

    def generations(self, call):
        return self.respond(call, call.json_object(), "image_generation", 0)

    def edits_json(self, call):
        document = call.json_object()
        return self.respond(call, document, "image_edit", len(document.get("images") or ()))

    def edits_form(self, call):
        return self.respond_to_form(call, "image_edit")

    def variations(self, call):
        return self.respond_to_form(call, "image_variation")

    def respond_to_form(self, call, prefix):
        texts, files = openai.split_parts(call.form())
        parts = files.get("image", []) + files.get("image[]", [])
        if not parts:
            raise Refused("Missing required parameter: 'image'.", "missing_required_parameter", "image")
        for part in parts + files.get("mask", []):
            self.check_magic(part)
        return self.respond(call, texts, prefix, len(parts))

    def check_magic(self, part):
        try:
            formats.read(part.data)
        except formats.BadImage as error:
            raise openai.bad_image(part.name, str(error))

    def respond(self, call, values, prefix, image_count):
        if prefix != "image_variation":
            Text(empty=False).check("prompt", values.get("prompt", ""))
        if "response_format" in values and "gpt-image" in str(values.get("model")):
            raise Refused("Unknown parameter: 'response_format'.", "unknown_parameter", "response_format")
        values = dict(values, n=lenient_count(values.get("n")), size=lenient_size(values.get("size")),
                      output_format=lenient_format(values.get("output_format")))
        if "sse" in call.behaviour and values.get("stream") in (True, "true"):
            partials = int(values.get("partial_images") or 0)
            return openai.answer(call, dict(values, stream=True, partial_images=partials), prefix, image_count)
        return self.plain(call, values)

    def plain(self, call, values):
        as_url = values.get("response_format") != "b64_json" and "gpt-image" not in str(values.get("model"))
        items = results.make_items(call, openai.pictures_for(call, values), as_url)
        return json_reply({"created": int(time.time()), "data": items,
                           "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}})


PROTOCOL = Compatible()
