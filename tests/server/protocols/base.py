"""What the protocols have in common: keys, routes, and errors in their own words."""

import re

from checks import Refused
from misbehave import ERROR_SHAPES
from reply import json_reply


class Protocol:
    name = None
    # (method, pattern of the path below the protocol's name, name of the function)
    routes = ()
    key_prefixes = ("sk-",)
    key_optional = False
    error_shape = "object"

    def answer(self, call):
        call.refuse_repeated_headers()
        self.authorize(call)
        return self.route(call)(call)

    def authorize(self, call):
        if self.key_optional and not call.request.header("Authorization"):
            return
        key = call.bearer()
        if not key:
            raise self.unauthorized("You didn't provide an API key in an Authorization header using Bearer auth.")
        call.session.remember_key(key)
        if not key.startswith(self.key_prefixes) or "bad" in key:
            # A provider repeats the key, so that a client that prints it unredacted is found out.
            raise self.unauthorized("Incorrect API key provided: %s." % key)

    def unauthorized(self, message):
        return Refused(message, "invalid_api_key", None, 401)

    def route(self, call):
        right_path = False
        for method, pattern, function in self.routes:
            if re.match(pattern + r"\Z", call.rest):
                right_path = True
                if method == call.request.method:
                    return getattr(self, function)
        if right_path:
            raise Refused("Not allowed to %s here." % call.request.method, "method_not_supported", None, 405)
        raise Refused("Invalid URL (%s %s)" % (call.request.method, call.rest), None, None, 404)

    def error(self, refused):
        return json_reply(ERROR_SHAPES[self.error_shape](refused), refused.status)

    def headers(self, call):
        return [("x-request-id", "req_%s_%d" % (call.session.name, call.session.next_number("request")))]

    def moderation(self, call, variant):
        raise Refused("Your request was rejected by the safety system.", "content_policy_violation")
