"""Hugging Face's router: its own inference with raw image bytes, and other providers behind it in their own dialects.

    POST /hf-inference/models/OWNER/NAME     {"inputs", "parameters"?} -> the image itself
    POST /together/v1/images/generations     Together's {"data": [...]}
    POST /fal-ai/MODEL?_subdomain=queue      fal's queue below /fal-ai, with a Bearer token
"""

import base64

import formats
import results
from checks import Boolean, Choice, Integer, Number, Object, Refused, Text, check_fields
from reply import Reply, json_reply
from . import fal
from .base import Protocol

MODELS = ("black-forest-labs/FLUX.1-schnell", "black-forest-labs/FLUX.1-dev", "stabilityai/stable-diffusion-xl-base-1.0",
          "black-forest-labs/FLUX.1-Kontext-dev")
PARAMETERS = {"negative_prompt": Text(), "width": Integer(64, 2048), "height": Integer(64, 2048),
              "num_inference_steps": Integer(1, 100), "guidance_scale": Number(), "seed": Integer(0),
              "scheduler": Text()}
EDIT_PARAMETERS = {"prompt": Text(empty=False), "negative_prompt": Text(), "num_inference_steps": Integer(1, 100),
                   "guidance_scale": Number(), "seed": Integer(0), "target_size": Object()}
TOGETHER = {"model": Text(empty=False), "prompt": Text(empty=False), "width": Integer(64, 2048),
            "height": Integer(64, 2048), "n": Integer(1, 4), "seed": Integer(), "steps": Integer(1, 100),
            "guidance_scale": Number(), "negative_prompt": Text(), "output_format": Choice("jpeg", "png"),
            "response_format": Choice("url", "base64"), "image_url": Text(empty=False),
            "disable_safety_checker": Boolean()}


def image_in(text):
    """The picture that plain base64 holds, or None where it holds none."""
    try:
        return formats.read(base64.b64decode(text, validate=True))
    except (ValueError, formats.BadImage):
        return None


class QueueBehindRouter(fal.Fal):
    """fal's queue as the router shows it: the links in replies are fal's own."""
    name = "huggingface"

    def links(self, call, job):
        at = "https://queue.fal.run/%s/requests/%s" % (job.application, job.name)
        return {"response_url": at, "status_url": at + "/status", "cancel_url": at + "/cancel"}


class HuggingFace(Protocol):
    name = "huggingface"
    key_prefixes = ("sk-", "hf_")
    error_shape = "string"
    routes = (("POST", r"/hf-inference/models/[^/]+/[^/]+", "inference"),
              ("POST", r"/together/v1/images/generations", "together"), ("POST", r"/fal-ai/.+", "queue"),
              ("GET", r"/fal-ai/.+", "queue"), ("PUT", r"/fal-ai/.+", "queue"))

    # ---- hf-inference ----

    def inference(self, call):
        model = call.rest[len("/hf-inference/models/"):]
        if model not in MODELS:
            raise Refused("Model %s does not exist" % model, None, None, 404)
        values = call.json_object()
        check_fields(values, {"inputs": Text(empty=False), "parameters": Object()}, ("inputs",))
        parameters = values.get("parameters", {})
        source = image_in(values["inputs"])
        check_fields(parameters, EDIT_PARAMETERS if source else PARAMETERS, ("prompt",) if source else ())
        self.check_accept(call)
        size = "%dx%d" % (parameters.get("width", 1024), parameters.get("height", 1024))
        picture = results.make_pictures(call, parameters.get("prompt", values["inputs"]) if source else values["inputs"], 1,
                                        "64x64" if source else size, "jpeg")[0]
        return Reply(200, [("x-compute-type", "gpu")], picture.data, picture.mime)

    def check_accept(self, call):
        accepted = call.request.header("Accept") or "*/*"
        if not any(word in accepted for word in ("image/", "*/*")):
            raise Refused("Content type \"%s\" not supported. Supported content types are: image/png, image/jpeg."
                          % accepted, None, None, 400)

    # ---- together ----

    def together(self, call):
        values = call.json_object()
        check_fields(values, TOGETHER, ("model", "prompt"))
        size = "%dx%d" % (values.get("width", 1024), values.get("height", 1024))
        pictures = results.make_pictures(call, values["prompt"], values.get("n", 1), size,
                                         values.get("output_format", "jpeg"))
        as_url = values.get("response_format", "url") == "url"
        items = results.make_items(call, pictures, as_url,
                                   extra=lambda picture: {"type": "url" if as_url else "b64_json"})
        return json_reply({"id": "oR4", "model": values["model"], "object": "list",
                           "data": [dict(item, index=place) for place, item in enumerate(items)]})

    # ---- fal-ai ----

    def queue(self, call, flagged=0):
        """The part of the path and query that is the router's own is taken away, and fal's queue answers."""
        queries = call.request.query.split("&")
        if "_subdomain=queue" not in queries:
            raise Refused("Model not supported by provider fal-ai", None, None, 400)
        call.request.query = "&".join(query for query in queries if query != "_subdomain=queue")
        call.rest = "/queue" + call.rest[len("/fal-ai"):]
        inner = QueueBehindRouter()
        try:
            return inner.route(call)(call)
        except Refused as refused:
            return inner.error(refused)

    # ---- errors ----

    def error(self, refused):
        if refused.status == 422:
            return json_reply({"error": [refused.message]}, 422)
        return json_reply({"error": refused.message}, refused.status)

    def unauthorized(self, message):
        return Refused("Invalid credentials in Authorization header. " + message, None, None, 401)


PROTOCOL = HuggingFace()
