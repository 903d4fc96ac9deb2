"""Luma's image API (Photon): generations that are polled, input images by URL only.

    POST   /dream-machine/v1/generations/image
    POST   /dream-machine/v1/generations/image/reframe
    GET    /dream-machine/v1/generations/ID
    DELETE /dream-machine/v1/generations/ID

"jobs": {"fail": TEXT} fails with that reason. A generation that was deleted is not found any more.
"""

import re
import uuid

import jobs
import results
from checks import Array, Boolean, Choice, Integer, Number, Object, Refused, Text, check_fields
from reply import Reply, json_reply
from .base import Protocol

MODELS = ("photon-1", "photon-flash-1")
RATIOS = ("1:1", "16:9", "9:16", "4:3", "3:4", "21:9", "9:21")
COMMON = {"model": Choice(*MODELS), "prompt": Text(), "aspect_ratio": Choice(*RATIOS), "format": Choice("jpg", "png"),
          "callback_url": Text(empty=False)}
IMAGE = dict(COMMON, generation_type=Choice("image"), image_ref=Array(), style_ref=Array(), character_ref=Object(),
             modify_image_ref=Object(), sync=Boolean(), sync_timeout=Number())
REFRAME = dict(COMMON, generation_type=Choice("reframe_image"), media=Object(), grid_position_x=Integer(),
               grid_position_y=Integer(), resized_height=Integer(), resized_width=Integer(), x_end=Integer(),
               x_start=Integer(), y_end=Integer(), y_start=Integer())
SHORTEST, LONGEST = 3, 5000
MOST_REFERENCES = 4
EDGE = 256


def check_prompt(document):
    prompt = document.get("prompt")
    if prompt is None:
        raise Refused("Prompt is required")
    if len(prompt) < SHORTEST:
        raise Refused("Prompt is too short, minimum length is %d characters" % SHORTEST)
    if len(prompt) > LONGEST:
        raise Refused("Prompt is too long, maximum length is %d characters" % LONGEST)


def check_url(name, value):
    if not isinstance(value, str) or not re.match(r"https?://[^/\s]+\S*\Z", value):
        raise Refused("Invalid URL in %s" % name, "url_parsing", name, 422)


def check_reference(name, value, keys=("url", "weight")):
    if not isinstance(value, dict) or not set(value) <= set(keys) or "url" not in value:
        raise Refused("Input should be an object with url", "model_type", name, 422)
    check_url(name, value["url"])
    weight = value.get("weight", 1)
    if type(weight) not in (int, float) or not 0 <= weight <= 1:
        raise Refused("Input should be between 0 and 1", "less_than_equal", name, 422)


def check_references(document, name, most):
    entries = document.get(name, [{"url": "https://none"}])
    if not 1 <= len(entries) <= most:
        raise Refused("List should have at most %d items" % most, "too_long", name, 422)
    for entry in entries:
        check_reference(name, entry)


def check_character(document):
    identity = document.get("character_ref", {"identity0": {"images": ["https://none"]}})
    if set(identity) != {"identity0"} or set(identity["identity0"]) != {"images"}:
        raise Refused("Input should be an object with identity0", "model_type", "character_ref", 422)
    images = identity["identity0"]["images"]
    if not isinstance(images, list) or not 1 <= len(images) <= MOST_REFERENCES:
        raise Refused("List should have at most %d items" % MOST_REFERENCES, "too_long", "character_ref", 422)
    for image in images:
        check_url("character_ref", image)


def size_of(document):
    width, height = map(int, document.get("aspect_ratio", "16:9").split(":"))
    longest = max(width, height)
    return "%dx%d" % (round(EDGE * width / longest), round(EDGE * height / longest))


STATES = {"working": "dreaming", "unknown": "daydreaming", "moderated": "failed", "done": "completed"}
MODERATED = "Advanced prompt moderation failed"


def reason_of(job, state):
    if state != "failed":
        return None
    if job.state() == "moderated":
        return MODERATED
    return job.options["fail"] if isinstance(job.options["fail"], str) else "Job failed"


def describe(job):
    state = STATES.get(job.state(), job.state())
    assets = {"video": None, "image": job.url, "progress_video": None} if state == "completed" else None
    return {"id": job.name, "generation_type": job.document["generation_type"], "state": state,
            "failure_reason": reason_of(job, state), "created_at": "2026-11-20T10:00:00.111000Z", "assets": assets,
            "model": job.document["model"], "request": job.document}


class Luma(Protocol):
    name = "luma"
    key_prefixes = ("sk-", "luma-")
    error_shape = "detail_text"
    routes = (("POST", r"/dream-machine/v1/generations/image", "image"),
              ("POST", r"/dream-machine/v1/generations/image/reframe", "reframe"),
              ("GET", r"/dream-machine/v1/generations/[^/]+", "look"),
              ("DELETE", r"/dream-machine/v1/generations/[^/]+", "delete"))

    def image(self, call):
        document = call.json_object()
        check_fields(document, IMAGE, ("model",))
        check_prompt(document)
        check_references(document, "image_ref", MOST_REFERENCES)
        check_references(document, "style_ref", 1)
        check_character(document)
        if "modify_image_ref" in document:
            check_reference("modify_image_ref", document["modify_image_ref"])
        return self.create(call, dict(document, generation_type="image"))

    def reframe(self, call):
        document = call.json_object()
        check_fields(document, REFRAME, ("model", "generation_type", "aspect_ratio", "media"))
        check_reference("media", document["media"], ("url",))
        return self.create(call, document)

    def create(self, call, document):
        number = call.session.next_number("generation")
        name = str(uuid.uuid5(uuid.NAMESPACE_URL, "%s/%d" % (call.session.name, number)))
        job = jobs.start(call, name, document, describe)
        kind = "png" if document.get("format") == "png" else "jpeg"
        pictures = results.make_pictures(call, document.get("prompt", "reframed"), 1, size_of(document), kind)
        items = results.make_items(call, pictures, True, ("data", "url"))
        job.url = items[0]["url"] if items else None
        if call.behaviour.get("moderation"):
            job.options, job.polled = {"polls": 0, "moderation": True}, 1
        if document.get("sync"):
            job.polled = job.polls() + 1
        return json_reply(describe(job), 201)

    def find(self, call):
        job = jobs.find(call, call.rest.split("/")[4])
        if not job or job.cancelled:
            raise Refused("Generation not found", status=404)
        return job

    def look(self, call):
        job = self.find(call)
        with call.session.changed:
            job.poll()
            return json_reply(describe(job))

    def delete(self, call):
        if call.request.body:
            raise Refused("A deletion has no body.", status=400)
        self.find(call).cancelled = True
        return Reply(204)

    def error(self, refused):
        """Fields that are wrong are listed; anything else is one sentence."""
        if refused.status == 422 or (refused.param and refused.status == 400):
            return json_reply({"detail": [{"type": refused.code, "loc": ["body", refused.param],
                                           "msg": refused.message, "input": None, "ctx": {}}]}, 422)
        return json_reply({"detail": refused.message}, refused.status)

    def moderation(self, call, variant):
        return self.answer(call)


PROTOCOL = Luma()
