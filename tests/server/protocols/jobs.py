"""A made-up service with jobs, for providers that are added by a program:

    POST   /jobs             {"prompt", "count"?, "size"?, "seed"?, "image"?, "options"?}, or a form of these
                             -> 202 {"id": "job-1", "state": "queued"}
    GET    /jobs/ID          queued (with "position"), working (with "percent" and "log"), done, failed, cancelled
    GET    /jobs/ID/result   {"pictures": [{"b64"} or {"link"}]}
    DELETE /jobs/ID          cancels
"""

import jobs
import results
from checks import Integer, Object, Refused, Text, check_fields
from reply import json_reply
from .atoma import PlainSize
from .base import Protocol
from .openai import split_parts, typed

FIELDS = {"prompt": Text(empty=False), "count": Integer(1, 10), "size": PlainSize(), "seed": Integer(),
          "image": Text(empty=False), "options": Object()}
FAILURES = {
    "moderation": {"code": "content_policy", "message": "The prompt was refused."},
    "fail": {"code": "out_of_paint", "message": "The painter ran out of paint."},
}
STATES = {"working": "working", "unknown": "contemplating", "moderated": "failed"}


def failure(job):
    return next((told for name, told in FAILURES.items() if job.options.get(name)), None)


def describe(job):
    state = STATES.get(job.state(), job.state())
    told = {"id": job.name, "state": state}
    if state == "queued":
        told["position"] = job.position() + 1
    if state == "working":
        told["percent"] = job.percent()
        told["log"] = "step %d" % job.polled
    if state == "failed":
        told["error"] = failure(job)
    return told


class Jobs(Protocol):
    name = "jobs"
    error_shape = "object"
    routes = (("POST", r"/jobs", "create"), ("GET", r"/jobs/[^/]+", "look"), ("DELETE", r"/jobs/[^/]+", "cancel"),
              ("GET", r"/jobs/[^/]+/result", "result"))

    def create(self, call):
        document = self.read(call)
        check_fields(document, FIELDS, ("prompt",))
        name = "job-%d" % call.session.next_number("job")
        job = jobs.start(call, name, document, describe)
        told = {"id": name, "state": "queued"}
        if job.options.get("elsewhere"):
            told["status_url"] = call.file_url("jobs/" + name)
        return json_reply(told, 202)

    def read(self, call):
        if call.media_type() != "multipart/form-data":
            return call.json_object()
        texts, files = split_parts(call.form())
        if set(files) - {"image"} or len(files.get("image", [])) > 1:
            raise Refused("Only one file is taken, 'image'.", "unknown_parameter")
        return typed(texts, FIELDS)

    def find(self, call):
        job = jobs.find(call, call.rest.split("/")[2])
        if not job:
            raise Refused("There is no such job.", "no_such_job", None, 404)
        return job

    def look(self, call):
        job = self.find(call)
        with call.session.changed:
            job.poll()
            return json_reply(describe(job))

    def cancel(self, call):
        job = self.find(call)
        job.cancelled = True
        return json_reply(describe(job))

    def result(self, call):
        job = self.find(call)
        if job.state() != "done":
            raise Refused("The job is not done.", "not_done", None, 409)
        if "result_status" in job.options:
            raise Refused("The result is gone.", "gone", None, job.options["result_status"])
        pictures = results.make_pictures(call, job.document["prompt"], job.document.get("count", 1),
                                         job.document.get("size", "64x64"))
        as_url = bool(job.options.get("url"))
        return json_reply({"pictures": results.make_items(call, pictures, as_url, ("b64", "link"))})


PROTOCOL = Jobs()
