"""The files origin: result images, and images to order. No credential has any business here."""

import re

import formats
import results
from reply import Reply, json_reply, text_reply

FORBIDDEN = ("authorization", "x-api-key", "api-key", "x-key", "x-goog-api-key", "cookie", "proxy-authorization",
             "openai-organization", "openai-project", "x-amz-security-token", "x-amz-date")
KEY_IN_URL = re.compile(r"\b(sk-|xai-|indox-)|[?&](api_?key|key|access_token|token)=", re.I)
STATIC = re.compile(r"static/(?:([^/]+)/)?(\d{1,5})x(\d{1,5})\.(png|jpg|jpeg|webp|gif|svg)\Z")


def leak_of(session, request):
    """What a request gives away, or None."""
    for name, value in request.headers:
        if name.lower() in FORBIDDEN:
            return "header " + name
        if any(key in value for key in session.keys):
            return "a key in header " + name
    if KEY_IN_URL.search(request.target) or any(key in request.target for key in session.keys):
        return "a key in the URL"
    return None


class Files:
    name = "files"

    def answer(self, call):
        leak = leak_of(call.session, call.request)
        if leak:
            call.session.note(call.entry, "leak", leak)
            return text_reply("credentials don't belong here: " + leak, 400)
        if call.request.method not in ("GET", "HEAD"):
            return text_reply("method not allowed", 405)
        for find in (self.stored, self.static, self.job):
            reply = find(call)
            if reply:
                return self.spoilt(call, reply)
        return text_reply("no such file", 404)

    def spoilt(self, call, reply):
        wanted = call.option("image_result")
        reply.body = results.SPOILERS.get(wanted.get("bytes"), lambda data: data)(reply.body)
        if "mime" in wanted:
            reply.set_header("Content-Type", wanted["mime"])
        return reply

    def headers(self, call):
        return ()

    def stored(self, call):
        found = call.session.files.get(call.rest)
        return found and Reply(200, (), found[0], found[1])

    def static(self, call):
        match = STATIC.match(call.rest)
        if not match:
            return None
        label, width, height, extension = match.groups()
        kind = formats.FORMAT_OF_EXTENSION[extension]
        data = formats.make(kind, label or "static", 0, int(width), int(height))
        return Reply(200, (), data, formats.MIME[kind])

    def job(self, call):
        """Jobs whose status address lies elsewhere; see the jobs protocol."""
        name = call.rest[len("jobs/"):]
        job = call.session.jobs.get(name) if call.rest.startswith("jobs/") else None
        if not job:
            return None
        with call.session.changed:
            job.poll()
            return json_reply(job.tell(job))

    def error(self, refused):
        return text_reply(refused.message, refused.status)

    def moderation(self, call, variant):
        return text_reply("blocked", 451)


FILES = Files()
