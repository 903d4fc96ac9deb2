"""One request to a protocol, with everything its answer depends on."""

import json
import re

import checks
import multipart
from checks import Refused


class Call:
    def __init__(self, server, session, request, behaviour, entry, kind, rest):
        self.server = server
        self.session = session
        self.request = request
        self.behaviour = behaviour
        self.entry = entry
        self.kind = kind
        self.rest = rest
        self.origin = entry["origin"]

    def option(self, name):
        return self.behaviour.get(name, {})

    def bearer(self):
        match = re.match(r"Bearer (\S+)\Z", self.request.header("Authorization") or "")
        return match.group(1) if match else None

    def media_type(self):
        return (self.request.header("Content-Type") or "").split(";")[0].strip().lower()

    def refuse_repeated_headers(self):
        for name in ("Authorization", "Content-Type", "Host", "Content-Length"):
            if len(self.request.all_headers(name)) > 1:
                raise Refused("The header %s was sent more than once." % name, "repeated_header")

    def json_object(self):
        if self.media_type() != "application/json":
            raise Refused("Unsupported content type: '%s'. This API method only accepts 'application/json' requests."
                          % self.media_type(), "unsupported_content_type")
        try:
            document = checks.strict_json(self.request.body)
        except (ValueError, RecursionError) as error:
            raise Refused("We could not parse the JSON body of your request: %s" % error, "invalid_json")
        if not isinstance(document, dict):
            raise Refused("The body must be a JSON object.", "invalid_type")
        return document

    def form(self):
        if self.media_type() != "multipart/form-data":
            raise Refused("Unsupported content type: '%s'. This API method only accepts 'multipart/form-data' "
                          "requests." % self.media_type(), "unsupported_content_type")
        try:
            return multipart.parse(self.request.header("Content-Type"), self.request.body)
        except multipart.BadForm as error:
            raise Refused("Invalid multipart body: %s." % error, "invalid_form")

    def keep(self, name, data, mime):
        """Stores result bytes and returns the URL that a client fetches them from."""
        self.session.keep_file(name, data, mime)
        return self.file_url(name)

    def file_url(self, name):
        origin = "tls" if self.origin == "tls" else "files"
        host = self.option("image_result").get("other_host", "127.0.0.1")
        return "%s/f/%s/%s" % (self.server.origin_url(origin, host), self.session.name, name)


def textual(body):
    if b"\0" in body:
        return None
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return None


def json_or_nothing(text):
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
