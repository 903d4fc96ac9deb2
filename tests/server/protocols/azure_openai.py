"""Azure OpenAI: OpenAI's protocol at deployments of one's own, in three styles of URL:

    /openai/deployments/NAME/images/...?api-version=DATE     the classic one; the version is required
    /openai/v1/images/...[?api-version=v1|preview]           "model" names the deployment
    /api/projects/NAME/openai/v1/images/...                  a project of the Foundry; takes no version

The key is the header api-key, or a token (a JWT) behind Authorization: Bearer; never both. Edits are forms only, and
images PNG or JPEG only. moderation: true is the long form, "dalle" and "items" the short one (prompt, result), "http"
the spelling of the text endpoints, "ok" GPT image's own words, "stream" within a stream.
"""

import re
import time
import urllib.parse

import sse
from checks import Refused, check_fields
from reply import json_reply
from . import openai

# Deployment -> model behind it. A model's own name is a deployment, too.
DEPLOYMENTS = {"img-dep": "gpt-image-2", "picture maker/1": "gpt-image-2", "old-dep": "gpt-image-1.5"}
MODELS = ("gpt-image-2", "gpt-image-1.5", "gpt-image-1-mini", "dall-e-3")
RETIRED = ("dall-e-2", "gpt-image-1")
FORMATS = ("png", "jpeg")
CLASSIC_VERSIONS = {"2025-04-01-preview": ("gpt-image", "dall-e"), "2024-10-21": ("dall-e",)}
V1_VERSIONS = ("v1", "preview")
TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+\Z")
CLASSIC = re.compile(r"/openai/deployments/([^/]+)/images/(generations|edits)\Z")
V1 = re.compile(r"(/api/projects/[^/]+)?/openai/v1/images/(generations|edits)\Z")

SAFE = {"severity": "safe", "filtered": False}
VERDICT = {"sexual": SAFE, "violence": SAFE, "hate": SAFE, "self_harm": SAFE}
PROMPT_VERDICT = dict(VERDICT, profanity={"detected": False, "filtered": False},
                      custom_blocklists={"filtered": False, "details": []})
GUILTY = dict(PROMPT_VERDICT, jailbreak={"detected": False, "filtered": False},
              sexual={"severity": "high", "filtered": True})


def azure_family(family):
    formats = [name for name in family.formats if name in FORMATS]
    return openai.Family(family.models, family.sizes, family.qualities, family.prompt_length, family.highest_n,
                         family.legacy, family.backgrounds, formats, family.fidelity, (), False, family.edits, False,
                         family.styles)


FAMILY_OF = {model: azure_family(openai.FAMILY_OF[model]) for model in MODELS}


def short(code, message, status):
    """The form that has neither type nor param."""
    return Refused(message, code, None, status, None)


def no_route():
    return short("404", "Resource not found", 404)


def no_deployment():
    return short("DeploymentNotFound", "The API deployment for this resource does not exist. If you created the "
                 "deployment within the last 5 minutes, please wait a moment and try again.", 404)


def model_of(deployment):
    model = DEPLOYMENTS.get(deployment, deployment)
    if model in RETIRED or model not in MODELS:
        raise no_deployment()
    return model


def versions_of(call):
    pairs = urllib.parse.parse_qsl(call.request.query, keep_blank_values=True)
    for name, _ in pairs:
        if name != "api-version":
            raise short("BadRequest", "Unknown query parameter: %s" % name, 400)
    if len(pairs) > 1:
        raise short("BadRequest", "api-version was given more than once", 400)
    return [value for _, value in pairs]


class AzureOpenAI(openai.OpenAI):
    name = "azure_openai"

    def answer(self, call):
        call.refuse_repeated_headers()
        if len(call.request.all_headers("api-key")) > 1:
            raise short("401", "The header api-key was sent more than once.", 401)
        self.authorize(call)
        return self.operation(call)

    # ---- keys ----

    def authorize(self, call):
        key, token = call.request.header("api-key"), call.request.header("Authorization")
        for secret in filter(None, (key, token and token.split()[-1])):
            call.session.remember_key(secret)
        if bool(key) == bool(token):
            raise short("401", "Access denied due to missing subscription key, or to more than one credential.", 401)
        if key and ("bad" in key or TOKEN.match(key)):
            raise short("401", "Access denied due to invalid subscription key or wrong API endpoint: %s. Make sure "
                        "to provide a valid key for an active subscription." % key, 401)
        if token and ("bad" in token or not TOKEN.match(call.bearer() or "")):
            raise short("Unauthorized", "Access token is missing, invalid, audience is incorrect, or have expired: "
                        "%s." % token, 401)

    # ---- addresses ----

    def operation(self, call):
        classic, v1 = CLASSIC.match(call.rest), V1.match(call.rest)
        if not classic and not v1:
            raise no_route()
        if call.request.method != "POST":
            raise short("405", "Method not allowed", 405)
        return self.classic(call, *classic.groups()) if classic else self.v1(call, *v1.groups())

    def classic(self, call, name, operation):
        model = model_of(urllib.parse.unquote(name))
        versions = versions_of(call)
        if not versions:
            raise no_route()
        if not model.startswith(CLASSIC_VERSIONS.get(versions[0], ())):
            raise short("BadRequest", "API version not supported", 400) if versions[0] not in CLASSIC_VERSIONS \
                else no_route()
        return self.perform(call, operation, lambda values: model)

    def v1(self, call, project, operation):
        for version in versions_of(call):
            if project or version not in V1_VERSIONS:
                raise short("BadRequest", "API version not supported", 400)
        return self.perform(call, operation, self.named_model)

    def named_model(self, values):
        if not isinstance(values.get("model"), str):
            raise Refused("you must provide a model parameter", "missing_required_parameter", "model")
        return model_of(values["model"])

    # ---- operations ----

    def perform(self, call, operation, model_for):
        return self.generate(call, model_for) if operation == "generations" else self.edit(call, model_for)

    def generate(self, call, model_for):
        values = call.json_object()
        model = model_for(values)
        family = FAMILY_OF[model]
        check_fields(values, openai.common_fields(family), ("prompt",))
        return self.respond(call, dict(values, model=model), "image_generation", 0, family)

    def edit(self, call, model_for):
        texts, files = openai.split_parts(call.form())
        model = model_for(texts)
        family = self.editing_family_of(model)
        openai.check_fidelity(texts, family)
        fields = openai.edit_fields(family)
        values = openai.typed(texts, fields)
        check_fields(values, fields, ("prompt",))
        count = self.check_edit_files(files, values, family)
        return self.respond(call, dict(values, model=model), "image_edit", count, family)

    def editing_family_of(self, model):
        if not FAMILY_OF[model].edits:
            raise no_route()
        return FAMILY_OF[model]

    def read_part(self, part, family):
        return openai.read_image(part.name, part.data, part.content_type, kinds=FORMATS)

    def respond(self, call, values, prefix, count, family):
        openai.check_combinations(values)
        if "output_compression" in values and values.get("output_format") != "jpeg":
            raise Refused("Compression is only supported for JPEG.", "invalid_value", "output_compression")
        reply = openai.answer(call, values, prefix, count, family.legacy)
        return self.with_verdicts(reply) if isinstance(reply.body, bytes) else reply

    def with_verdicts(self, reply):
        document = reply.document()
        for item in document.get("data") or ():
            if item:
                item.update(prompt_filter_results=PROMPT_VERDICT, content_filter_results=VERDICT)
        return json_reply(document, reply.status)

    # ---- refusals ----

    def error(self, refused):
        if refused.kind is None:
            return json_reply({"error": {"code": str(refused.code), "message": refused.message}}, refused.status)
        if refused.status in (401, 403, 404, 429):
            return json_reply({"error": {"code": str(refused.status), "message": refused.message}}, refused.status)
        return json_reply({"error": {"code": refused.code, "message": refused.message, "type": refused.kind,
                                     "param": refused.param}}, refused.status)

    def headers(self, call):
        number = call.session.next_number("request")
        return [("apim-request-id", "apim_%s_%d" % (call.session.name, number)),
                ("x-request-id", "req_%s_%d" % (call.session.name, number)), ("x-ms-region", "Sweden Central")]

    def moderation(self, call, variant):
        if variant == "stream":
            call.behaviour = dict(call.behaviour, sse={"moderation": True})
            return sse.stream(call, [])
        return json_reply(MODERATION.get(variant, MODERATION[True])(), 400)


def short_filter(message):
    return {"created": int(time.time()), "error": {"code": "contentFilter", "message": message}}


MODERATION = {
    True: lambda: {"error": {
        "code": "content_policy_violation", "type": "invalid_request_error", "param": None,
        "message": "Your request was rejected as a result of our safety system.",
        "inner_error": {"code": "ResponsibleAIPolicyViolation", "revised_prompt": "A calm scene.",
                        "content_filter_results": GUILTY}}},
    "dalle": lambda: short_filter("Your task failed as a result of our safety system."),
    "items": lambda: short_filter("Generated image was filtered as a result of our safety system."),
    "http": lambda: {"error": {
        "code": "content_filter", "type": None, "param": "prompt", "status": 400,
        "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": GUILTY}}},
    "ok": lambda: {"error": {
        "code": "moderation_blocked", "type": "image_generation_user_error", "param": None,
        "message": "Your request was rejected by the safety system. If you believe this is an error, contact us at "
                   "Azure support ticket and include the request ID. safety_violations=[violence]."}},
}

PROTOCOL = AzureOpenAI()
