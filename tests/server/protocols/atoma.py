"""Atoma: OpenAI's shape, and URLs in every answer whatever the request says."""

import re
import time

import results
from checks import Field, Integer, Nullable, Refused, Text, check_fields
from reply import json_reply
from .base import Protocol


class PlainSize(Field):
    expected = "a string"
    types = (str,)

    def check_value(self, name, value):
        if not re.match(r"[1-9]\d{0,3}x[1-9]\d{0,3}\Z", value):
            raise Refused("size must be WIDTHxHEIGHT", "invalid_value", name, 422)


FIELDS = {"model": Text(empty=False), "prompt": Text(1000, empty=False), "n": Nullable(Integer(1, 10)),
          "quality": Nullable(Text()), "response_format": Nullable(Text()), "size": Nullable(PlainSize()),
          "style": Nullable(Text()), "user": Nullable(Text())}


class Atoma(Protocol):
    name = "atoma"
    routes = (("POST", r"/v1/images/generations", "generations"),)

    def generations(self, call):
        document = call.json_object()
        check_fields(document, FIELDS, ("model", "prompt"))
        pictures = results.make_pictures(call, document["prompt"], document.get("n") or 1, document.get("size"))
        items = results.make_items(call, pictures, True, extra=lambda picture: {"revised_prompt": None})
        return json_reply({"created": int(time.time()), "data": items})


PROTOCOL = Atoma()
