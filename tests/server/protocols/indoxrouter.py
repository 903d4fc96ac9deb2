"""IndoxHub, earlier IndoxRouter: an envelope of its own, and errors that may come with status 200."""

import uuid

import results
from checks import Boolean, Choice, Integer, Nullable, Number, Object, Refused, Text, check_fields
from reply import json_reply
from .atoma import PlainSize
from .base import Protocol

FIELDS = {"prompt": Text(empty=False), "model": Text(empty=False), "provider": Text(), "size": PlainSize(),
          "n": Integer(1, 10), "quality": Text(), "style": Text(), "response_format": Choice("url", "b64_json"),
          "user": Text(), "byok_api_key": Text(), "additional_params": Object()}
OPENAI_FIELDS = {"background": Text(), "moderation": Text(), "output_format": Choice("png", "jpeg", "webp"),
                 "output_compression": Integer(0, 100)}
GOOGLE_FIELDS = {"negative_prompt": Text(), "aspect_ratio": Text(), "guidance_scale": Number(), "seed": Integer(),
                 "safety_filter_level": Text(), "person_generation": Text(), "include_safety_attributes": Boolean(),
                 "include_rai_reason": Boolean(), "language": Text(), "output_mime_type": Text(),
                 "add_watermark": Boolean(), "enhance_prompt": Boolean()}
# What a provider behind the router adds to the fields, and which of them it doesn't know.
UPSTREAM = {"openai": (OPENAI_FIELDS, ()), "google": (GOOGLE_FIELDS, ("size",)), "xai": ({}, ("size",))}


def fields_for(model):
    extra, unknown = UPSTREAM.get(model.partition("/")[0], ({}, ()))
    fields = dict(FIELDS, **extra)
    for name in unknown:
        fields.pop(name)
    return {name: Nullable(field) for name, field in fields.items()}


class IndoxRouter(Protocol):
    name = "indoxrouter"
    key_prefixes = ("sk-", "indox-")
    error_shape = "detail_text"
    routes = (("POST", r"/api/v1/images/generations", "generations"),)

    def envelope(self, call, success, message, data, **more):
        number = call.session.next_number("envelope")
        told = {"request_id": str(uuid.uuid5(uuid.NAMESPACE_URL, "%s/%d" % (call.session.name, number)))}
        told.update(more)
        told.update(success=success, message=message, data=data)
        return told

    def generations(self, call):
        document = call.json_object()
        model = document.get("model")
        if not isinstance(model, str) or not all(model.partition("/")):
            raise Refused("Invalid model format. Use 'provider/model'.", "invalid_value", "model")
        check_fields(document, fields_for(model), ("prompt", "model"))
        pictures = results.make_pictures(call, document["prompt"], document.get("n") or 1, document.get("size"),
                                         document.get("output_format") or "png")
        as_url = document.get("response_format") != "b64_json"
        items = results.make_items(call, pictures, as_url, extra=lambda picture: {"revised_prompt": None})
        items = [item and {"url": None, "b64_json": None, **item} for item in items]
        provider, _, name = model.partition("/")
        usage = {"tokens_prompt": 5, "tokens_completion": 11, "tokens_total": 16, "cost": 0.04 * len(items),
                 "latency": 12}
        return json_reply(dict(self.envelope(call, True, "", items, created_at="2026-04-07T12:00:00Z",
                                             duration_ms=12.5, provider=provider, model=name), usage=usage))

    def moderation(self, call, variant):
        message = "Your request was rejected by the safety system."
        if variant == "ok":
            return json_reply(self.envelope(call, False, message, ""))
        return super().moderation(call, variant)


PROTOCOL = IndoxRouter()
