"""Amazon Bedrock: InvokeModel with Stability's models; bearer keys, and signatures that are checked in full."""

import base64
import binascii
import calendar
import hashlib
import hmac
import re
import time
import urllib.parse

import results
from checks import Choice, Field, Refused, check_fields
from reply import json_reply
from . import stability
from .base import Protocol
from .stability import SERVICES, USUAL_SEED, fields_of, read_image, size_of

# ---- signatures ------------------------------------------------------------------------------------------

# Made-up credentials that the server knows: access key -> (secret, session token or None).
CREDENTIALS = {
    "AKIATARASHWIRETEST00": ("wJalrXUtnFEMI/K7MDENG+bPxRfiCYwiretest00", None),
    "ASIATARASHWIRETEST00": ("Jb3dXUtnFEMI/K7MDENG+bPxRfiCYwiretest01", "FwoGZXIvYXdzEWIRE//test+session=token=="),
    # Searched for in whatever comes out of a client.
    "ASIATARASHWIRETEST01": ("7e57c0de5ec2e7f00d9a/K7MDENG+bPxRfiCYwire", "FwoGZXIvYXdz//7e57c0de5ec2e7f00d9a+session=="),
}
AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([a-z0-9-]+)/([a-z]+)/aws4_request, "
                           r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})\Z")
LONGEST_DRIFT = 15 * 60


def signature_fault(message, kind="InvalidSignatureException"):
    return Refused(message, kind, None, 403)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def keyed(key, text):
    return hmac.new(key, text.encode("utf-8"), hashlib.sha256).digest()


def canonical_headers(request, names):
    lines = []
    for name in names:
        values = request.all_headers(name)
        if not values:
            raise signature_fault("The signed header %s is missing." % name)
        lines.append("%s:%s\n" % (name, ",".join(re.sub(" +", " ", value.strip()) for value in values)))
    return "".join(lines)


def canonical_request(request, names, body_hash):
    # Whatever the path is on the wire, it is encoded once more; S3 alone does without.
    path = urllib.parse.quote(request.path, safe="/-_.~")
    query = "&".join(sorted(request.query.split("&"))) if request.query else ""
    return "\n".join((request.method, path, query, canonical_headers(request, names), ";".join(names), body_hash))


def signature_of(secret, scope, moment, canonical):
    key = ("AWS4" + secret).encode("utf-8")
    for word in scope.split("/"):
        key = keyed(key, word)
    return keyed(key, "\n".join(("AWS4-HMAC-SHA256", moment, scope, digest(canonical.encode("utf-8"))))).hex()


def check_moment(request, day):
    moment = request.header("X-Amz-Date") or ""
    if not re.match(r"\d{8}T\d{6}Z\Z", moment) or not moment.startswith(day):
        raise signature_fault("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date.")
    then = calendar.timegm(time.strptime(moment, "%Y%m%dT%H%M%SZ"))
    if abs(time.time() - then) > LONGEST_DRIFT:
        raise signature_fault("Signature expired: %s" % moment)
    return moment


def check_signed_names(request, names):
    if list(names) != sorted(names) or "host" not in names:
        raise signature_fault("'Host' must be a 'SignedHeader', and the list sorted.")
    for name, _ in request.headers:
        if name.lower().startswith("x-amz-") and name.lower() not in names:
            raise signature_fault("'%s' must be a 'SignedHeader'." % name)


def check_token(request, token):
    found = request.header("X-Amz-Security-Token")
    if found != token:
        raise signature_fault("The security token included in the request is invalid: %s" % found,
                              "UnrecognizedClientException")


def check_signature(call, authorization):
    request = call.request
    match = AUTHORIZATION.match(authorization)
    if not match:
        raise signature_fault("Authorization header is malformed.", "IncompleteSignatureException")
    access, day, region, service, listed, signature = match.groups()
    if access not in CREDENTIALS:
        raise signature_fault("The security token included in the request is invalid: %s" % access,
                              "UnrecognizedClientException")
    secret, token = CREDENTIALS[access]
    for text in filter(None, (secret, token)):
        call.session.remember_key(text)
    check_token(request, token)
    names = listed.split(";")
    check_signed_names(request, names)
    moment = check_moment(request, day)
    if service != "bedrock":
        raise signature_fault("Credential should be scoped to correct service: 'bedrock'.")
    body_hash = digest(request.body)
    if (request.header("X-Amz-Content-Sha256") or body_hash) != body_hash:
        raise signature_fault("The body's hash is not what x-amz-content-sha256 says.")
    scope = "%s/%s/%s/aws4_request" % (day, region, service)
    canonical = canonical_request(request, names, body_hash)
    if not hmac.compare_digest(signature_of(secret, scope, moment, canonical), signature):
        raise signature_fault("The request signature we calculated does not match the signature you provided. The "
                              "Canonical String for this request should have been '%s'" % canonical)


# ---- models ----------------------------------------------------------------------------------------------

class Base64Image(Field):
    expected = "a string"
    types = (str,)

    def __init__(self, rule):
        self.rule = rule

    def check_value(self, name, value):
        try:
            data = base64.b64decode(value, validate=True)
        except binascii.Error:
            raise Refused("#/%s: not base64" % name)
        image = read_image(name, data, None)
        self.rule.check(name, image)


BOTH = Choice("png", "jpeg")
TEXT_ONLY = fields_of("prompt", "negative_prompt", "aspect_ratio", mode=Choice("text-to-image"), output_format=BOTH)
SD3 = fields_of("prompt", "negative_prompt", "aspect_ratio", mode=Choice("text-to-image", "image-to-image"),
                strength=stability.UNIT)

# The part of a model's id behind "stability." -> the service that it is.
MODELS = {
    "stable-image-inpaint-v1:0": "edit/inpaint", "stable-image-erase-object-v1:0": "edit/erase",
    "stable-outpaint-v1:0": "edit/outpaint", "stable-image-search-replace-v1:0": "edit/search-and-replace",
    "stable-image-search-recolor-v1:0": "edit/search-and-recolor",
    "stable-image-remove-background-v1:0": "edit/remove-background",
    "stable-image-control-sketch-v1:0": "control/sketch",
    "stable-image-control-structure-v1:0": "control/structure", "stable-image-style-guide-v1:0": "control/style",
    "stable-style-transfer-v1:0": "control/style-transfer", "stable-fast-upscale-v1:0": "upscale/fast",
    "stable-conservative-upscale-v1:0": "upscale/conservative",
    "stable-creative-upscale-v1:0": "upscale/creative",
}
GENERATORS = {
    "stable-image-core-v1:1": TEXT_ONLY, "stable-image-ultra-v1:1": TEXT_ONLY, "sd3-5-large-v1:0": SD3,
    # No such model is sold; its name has nothing to escape, so that any signer can sign its path.
    "plain-name": SD3,
}


class Model:
    def __init__(self, fields, required, files, needed, check, scale):
        self.fields = dict(fields, **{name: Base64Image(rule) for name, rule in files.items()})
        self.required = tuple(required) + tuple(needed)
        self.files = files
        self.check = check
        self.scale = scale


def model_named(name):
    match = re.match(r"(?:(?:us|eu|apac)\.)?stability\.(.+)\Z", name)
    short = match.group(1) if match else None
    if short in GENERATORS:
        fields = GENERATORS[short]
        files = SERVICES["generate/sd3"].files if fields is SD3 else {}
        return Model(fields, ("prompt",), files, (), stability.check_sd3 if files else None, 1)
    if short in MODELS:
        service = SERVICES[MODELS[short]]
        return Model(service.fields, service.required, service.files, service.needed, service.check, service.scale)
    raise Refused("The provided model identifier is invalid.", "ValidationException")


class Bedrock(Protocol):
    name = "bedrock"
    key_prefixes = ("sk-", "bedrock-api-key-", "ABSK")
    routes = (("POST", r"/model/[^/]+/invoke", "invoke"),)

    def authorize(self, call):
        authorization = call.request.header("Authorization") or ""
        if authorization.startswith("AWS4-"):
            return check_signature(call, authorization)
        return super().authorize(call)

    def unauthorized(self, message):
        return Refused(message, "AccessDeniedException", None, 403)

    def invoke(self, call, reason=None):
        encoded = call.rest.split("/")[2]
        if re.search(r"[^A-Za-z0-9._~%-]", encoded):
            raise Refused("The model id must be percent-encoded: %s" % encoded, "ValidationException")
        if call.request.header("Accept") not in (None, "*/*", "application/json"):
            raise Refused("The Accept header is not supported.", "ValidationException")
        model = model_named(urllib.parse.unquote(encoded))
        document = call.json_object()
        check_fields(document, model.fields, model.required)
        values = {name: value for name, value in document.items() if name not in model.files}
        images = {name: read_image(name, base64.b64decode(document[name]), None)
                  for name in model.files if name in document}
        if model.check:
            model.check(values, images)
        return self.respond(call, values, size_of(values, images, model.scale), reason)

    def respond(self, call, values, size, reason):
        if reason:
            return json_reply({"finish_reasons": [reason]})
        pictures = results.make_pictures(call, values.get("prompt", "no prompt"), 1, size,
                                         values.get("output_format", "png"))
        pictures = pictures[:0] if call.behaviour.get("drop_items") else pictures
        return json_reply({"seeds": [values.get("seed", 0) or USUAL_SEED], "finish_reasons": [None],
                           "images": [results.base64_text(call, picture) for picture in pictures]})

    # ---- errors ----

    KINDS = {400: "ValidationException", 402: "ServiceQuotaExceededException", 403: "AccessDeniedException",
             404: "ResourceNotFoundException", 405: "UnknownOperationException", 408: "ModelTimeoutException",
             424: "ModelErrorException", 429: "ThrottlingException", 503: "ServiceUnavailableException"}

    def error(self, refused):
        kind = refused.code if (refused.code or "").endswith("Exception") else \
            self.KINDS.get(refused.status, "InternalServerException")
        told = "#/%s: %s" % (refused.param, refused.message) if refused.param else refused.message
        return json_reply({"message": told}, refused.status,
                          [("x-amzn-ErrorType", kind + ":http://internal.amazon.com/coral/com.amazon.bedrock/")])

    def headers(self, call):
        return [("x-amzn-RequestId", "c0ffee00-%04d" % call.session.next_number("request"))]

    def moderation(self, call, variant):
        """True: finish_reasons alone, status 200. "items": the other moderated reply. "http": status 400."""
        self.authorize(call)
        if variant == "items":
            return json_reply({"status": "Request Moderated", "id": "m1",
                               "details": {"Moderation Reasons": ["Content Moderated"]}})
        if variant == "http":
            raise Refused("This request has been blocked by our content filters. Our filters automatically flagged "
                          "this prompt because it may conflict our AUP or AWS Responsible AI Policy.",
                          "ValidationException")
        return self.invoke(call, "Filter reason: prompt")


PROTOCOL = Bedrock()
