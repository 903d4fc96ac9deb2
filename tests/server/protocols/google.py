"""Google's Gemini API and Vertex AI: image models by :generateContent, the older Imagen ones by :predict.

The Gemini API (/v1beta/models/M:METHOD) takes its key in x-goog-api-key only; so does Vertex without a project
(/v1beta1/publishers/google/models/M:METHOD), while Vertex with one
(/v1beta1/projects/P/locations/L/publishers/google/models/M:METHOD) takes a bearer token.

A request whose thinkingConfig.includeThoughts is true, or an image_result with "null_entries", has drafts in its
answer, marked as thoughts. moderation: true (the prompt is blocked), "items" (the image is), "http" (status 400),
"empty" (no image, and no word why), "mixed" (predict: the first image of several).
"""

import base64
import re

import formats
import results
from checks import Refused
from reply import json_reply
from .base import Protocol

# ---- the kinds of values that a request is made of, refused in the words of Google's JSON parser ---------------


def invalid(field, message, status=400):
    return Refused(message, "INVALID_ARGUMENT", field, status)


def invalid_value(path, kind, value):
    shown = '"%s"' % value if isinstance(value, str) else value
    return invalid(path, "Invalid value at '%s' (%s), %s" % (path, kind, shown))


class Scalar:
    def __init__(self, kind, types, check=lambda value: True):
        self.kind = kind
        self.types = types
        self.check_value = check

    def check(self, path, value):
        if type(value) not in self.types or not self.check_value(value):
            raise invalid_value(path, self.kind, value)


def is_int32(value):
    return -2 ** 31 <= value < 2 ** 31


class Bytes:
    def check(self, path, value):
        try:
            base64.b64decode(value, validate=True)
        except (TypeError, ValueError):
            raise invalid(path, "Invalid value at '%s' (TYPE_BYTES), Base64 decoding failed for \"%.20s\""
                          % (path, value))


def Enum(kind, *words):
    return Scalar("type.googleapis.com/" + kind, (str,), lambda value: value in words)


class List:
    def __init__(self, item):
        self.item = item

    def check(self, path, value):
        # A lone object where a list should be is taken for the list's only element.
        for place, item in enumerate(value if isinstance(value, list) else [value]):
            self.item.check("%s[%d]" % (path, place), item)


class Any:
    def check(self, path, value):
        if not isinstance(value, dict):
            raise invalid(path, "Invalid value at '%s': expected an object." % path)


def snake(name):
    return re.sub(r"[A-Z]", lambda match: "_" + match.group().lower(), name)


def camel(name):
    return re.sub(r"_(\w)", lambda match: match.group(1).upper(), name)


class Message:
    def __init__(self, **fields):
        self.fields = fields

    def check(self, path, value):
        if not isinstance(value, dict):
            raise invalid(path, "Invalid value at '%s': expected an object." % path)
        for name, item in value.items():
            if camel(name) not in self.fields:
                raise invalid(path, 'Invalid JSON payload received. Unknown name "%s"%s: Cannot find field.'
                              % (name, " at '%s'" % path if path else ""))
            self.fields[camel(name)].check("%s.%s" % (path, snake(name)) if path else snake(name), item)


def camelised(value):
    if isinstance(value, dict):
        return {camel(name): camelised(item) for name, item in value.items()}
    return [camelised(item) for item in value] if isinstance(value, list) else value


STRING = Scalar("TYPE_STRING", (str,))
BOOL = Scalar("TYPE_BOOL", (bool,))
INT32 = Scalar("TYPE_INT32", (int,), is_int32)
FLOAT = Scalar("TYPE_FLOAT", (int, float))
PACKAGE = "google.ai.generativelanguage.v1beta."
PART = Message(text=STRING, inlineData=Message(mimeType=STRING, data=Bytes()),
               fileData=Message(mimeType=STRING, fileUri=STRING), thought=BOOL, thoughtSignature=Bytes())
CONTENT = Message(role=STRING, parts=List(PART))
THINKING = Message(thinkingLevel=Enum(PACKAGE + "ThinkingConfig.ThinkingLevel", "MINIMAL", "LOW", "MEDIUM", "HIGH"),
                   includeThoughts=BOOL, thinkingBudget=INT32)
SAFETY = Message(category=STRING, threshold=Enum(PACKAGE + "SafetySetting.HarmBlockThreshold", "BLOCK_LOW_AND_ABOVE",
                                                 "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH", "BLOCK_NONE", "OFF"))
IMAGE_CONFIG = {"aspectRatio": STRING, "imageSize": STRING}
VERTEX_IMAGE_CONFIG = dict(IMAGE_CONFIG, personGeneration=STRING, prominentPeople=STRING, imageOutputOptions=Message(
    mimeType=STRING, compressionQuality=INT32))


def request_message(is_vertex):
    config = Message(**(VERTEX_IMAGE_CONFIG if is_vertex else IMAGE_CONFIG))
    generation = Message(responseModalities=List(Enum(PACKAGE + "GenerationConfig.Modality", "TEXT", "IMAGE")),
                         imageConfig=config, thinkingConfig=THINKING, seed=INT32, candidateCount=INT32,
                         temperature=FLOAT, topP=FLOAT, topK=FLOAT, maxOutputTokens=INT32)
    others = {"labels": Any()} if is_vertex else {}
    return Message(contents=List(CONTENT), generationConfig=generation, safetySettings=List(SAFETY),
                   tools=List(Any()), systemInstruction=CONTENT, **others)


PARAMETERS = {"sampleCount": INT32, "aspectRatio": STRING, "guidanceScale": FLOAT, "safetySetting": STRING,
              "personGeneration": STRING, "includeSafetyAttributes": BOOL, "includeRaiReason": BOOL,
              "language": STRING, "outputOptions": Message(mimeType=STRING, compressionQuality=INT32),
              "sampleImageSize": STRING}
VERTEX_PARAMETERS = dict(PARAMETERS, seed=Scalar("TYPE_UINT32", (int,), lambda value: 0 <= value < 2 ** 32),
                         negativePrompt=STRING, addWatermark=BOOL, enhancePrompt=BOOL, storageUri=STRING)


def predict_message(is_vertex):
    others = {"labels": Any()} if is_vertex else {}
    return Message(instances=List(Message(prompt=STRING)),
                   parameters=Message(**(VERTEX_PARAMETERS if is_vertex else PARAMETERS)), **others)


# ---- models --------------------------------------------------------------------------------------------------

OLD_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
ALL_RATIOS = OLD_RATIOS + ("1:4", "4:1", "1:8", "8:1")
IMAGEN_RATIOS = ("1:1", "3:4", "4:3", "9:16", "16:9")
# Of 1K; others are multiples.
EDGES = {"1:1": (1024, 1024), "2:3": (848, 1264), "3:2": (1264, 848), "3:4": (896, 1200), "4:3": (1200, 896),
         "4:5": (928, 1152), "5:4": (1152, 928), "9:16": (768, 1376), "16:9": (1376, 768), "21:9": (1584, 672),
         "1:4": (512, 2048), "4:1": (2048, 512), "1:8": (384, 3072), "8:1": (3072, 384)}
TIMES = {"1K": 1, "2K": 2, "4K": 4}
INPUT_TYPES = ("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif")
MOST_BYTES = 20 << 20


class Model:
    def __init__(self, ratios, sizes, images, levels=()):
        self.ratios = ratios
        self.sizes = sizes
        self.images = images
        self.levels = levels


GEMINI = {
    "gemini-nano-banana-2.1": Model(ALL_RATIOS, ("1K", "2K", "4K"), 14, ("MINIMAL", "MEDIUM", "HIGH")),
    "gemini-3-pro-image": Model(OLD_RATIOS, ("1K", "2K", "4K"), 14),
    "gemini-3.1-flash-lite-image": Model(OLD_RATIOS, ("1K",), 14, ("MINIMAL", "HIGH")),
    "gemini-2.5-flash-image": Model(OLD_RATIOS, (), 3),
}
# They are gone from the real service; here they still draw.
IMAGEN = ("imagen-4.0-generate-001", "imagen-4.0-ultra-generate-001", "imagen-4.0-fast-generate-001")
PREDICT_MODELS = dict.fromkeys(IMAGEN)
MODELS = {"generateContent": GEMINI, "predict": PREDICT_MODELS}

ADDRESS = re.compile(r"/(?P<version>v\w+)/(?:projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/)?"
                     r"(?P<vertex>publishers/google/)?models/(?P<model>[^/:]+):(?P<method>\w+)\Z")


def address(call):
    return ADDRESS.match(call.rest).groupdict()


def check_model(place):
    if place["model"] not in MODELS[place["method"]]:
        raise Refused("models/%s is not found for API version %s, or is not supported for %s. Call ListModels to see "
                      "the list of available models and their supported methods."
                      % (place["model"], place["version"], place["method"]), "NOT_FOUND", None, 404)
    return MODELS[place["method"]][place["model"]]


def check_location(place):
    if place["project"] and not re.match(r"[a-z0-9-]+\Z", place["location"]):
        raise Refused("Invalid location %s." % place["location"], "INVALID_ARGUMENT")


# ---- checks --------------------------------------------------------------------------------------------------

def check_inline(path, blob):
    data, mime = blob.get("data", ""), blob.get("mimeType")
    if mime not in INPUT_TYPES:
        raise invalid(path, "Unsupported MIME type: %s" % mime)
    try:
        image = formats.read(base64.b64decode(data))
    except formats.BadImage:
        raise invalid(path, "Unable to process input image. Please retry or report in "
                      "https://developers.generativeai.google/guide/troubleshooting")
    if image.mime != mime:
        raise invalid(path, "The image is %s but was declared as %s." % (image.mime, mime))


def check_part(path, part):
    kinds = [name for name in ("text", "inlineData", "fileData") if name in part]
    if len(kinds) != 1:
        raise invalid(path, "%s.data: required oneof field 'data' must have one initialized field" % path)
    if "inlineData" in part:
        check_inline(path + ".inline_data", part["inlineData"])
    if "fileData" in part and not part["fileData"].get("fileUri", "").startswith(("https://", "gs://")):
        raise invalid(path + ".file_data", "Invalid or unsupported file uri: %s" % part["fileData"].get("fileUri"))


def as_list(value):
    return value if isinstance(value, list) else [value]


def check_contents(document, model, is_vertex):
    contents = as_list(document.get("contents") or [])
    if not contents:
        raise invalid("contents", "* GenerateContentRequest.contents: contents is not specified")
    parts = []
    for place, content in enumerate(contents):
        path = "contents[%d]" % place
        if content.get("role", "user" if not is_vertex else None) not in ("user", "model"):
            raise invalid(path, "Please use a valid role: user, model.")
        parts += as_list(content.get("parts") or [])
        if not content.get("parts"):
            raise invalid(path, "* GenerateContentRequest.%s.parts: contents.parts must not be empty." % path)
        for index, part in enumerate(as_list(content["parts"])):
            check_part("%s.parts[%d]" % (path, index), part)
    if sum("text" not in part for part in parts) > model.images:
        raise invalid("contents", "Image input limit is %d images." % model.images)
    if not any(part.get("text") for part in parts):
        raise invalid("contents", "Unable to submit request because it must have a text parameter.")
    return parts


def check_generation(config, model):
    image = config.get("imageConfig", {})
    if image.get("aspectRatio", model.ratios[0]) not in model.ratios:
        raise invalid("generation_config.image_config.aspect_ratio",
                      "Unsupported aspect ratio: %s" % image["aspectRatio"])
    if "imageSize" in image and image["imageSize"] not in model.sizes:
        raise invalid("generation_config.image_config.image_size", "Request contains an invalid argument.")
    if config.get("candidateCount", 1) != 1:
        raise invalid("generation_config.candidate_count", "Multiple candidates is not enabled for this model")
    level = config.get("thinkingConfig", {}).get("thinkingLevel")
    if level is not None and level not in model.levels:
        raise invalid("generation_config.thinking_config", "Thinking level %s is not supported for this model." % level)
    output = image.get("imageOutputOptions", {})
    if output.get("mimeType", "image/png") not in ("image/png", "image/jpeg"):
        raise invalid("generation_config.image_config.image_output_options", "Request contains an invalid argument.")


# ---- answers -------------------------------------------------------------------------------------------------

THOUGHT = "**Sketching**\n\nA first draft, to be thrown away."


def size_of(image):
    wide, high = EDGES[image.get("aspectRatio", "1:1")]
    times = TIMES[image.get("imageSize", "1K")]
    return "%dx%d" % (wide * times, high * times)


def inline_part(call, picture, **others):
    return dict({"inlineData": {"mimeType": picture.mime, "data": results.base64_text(call, picture)}}, **others)


def draw(call, prompt, image, count=1):
    kind = image.get("imageOutputOptions", {}).get("mimeType", "image/png").partition("/")[2]
    return results.make_pictures(call, prompt, count, size_of(image), kind)


def thought_parts(call, prompt, image):
    draft = draw(call, "draft of " + prompt, dict(image, imageSize="1K"))[0]
    return [{"text": THOUGHT, "thought": True}, inline_part(call, draft, thought=True)]


def image_parts(call, document, prompt):
    config = document.get("generationConfig", {})
    image = config.get("imageConfig", {})
    wanted = call.option("image_result")
    parts = []
    if config.get("thinkingConfig", {}).get("includeThoughts") or wanted.get("null_entries"):
        parts += thought_parts(call, prompt, image)
    if "TEXT" in config.get("responseModalities", ("TEXT", "IMAGE")):
        parts.append({"text": wanted.get("revised_prompt", "Here it is.")})
    pictures = draw(call, prompt, image)[call.behaviour.get("drop_items", 0):]
    if wanted.get("empty"):
        pictures = []
    for picture in pictures:
        if wanted.get("url"):
            parts.append({"fileData": {"mimeType": picture.mime, "fileUri": results.place(call, picture)}})
        else:
            parts.append(inline_part(call, picture, thoughtSignature="Q3Q="))
    return parts


def usage(parts, made):
    seen = sum(len(part["text"].split()) if "text" in part else 258 for part in parts)
    told = {"promptTokenCount": seen, "candidatesTokenCount": 1120 * made, "totalTokenCount": seen + 1120 * made,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": seen}]}
    if made:
        told["candidatesTokensDetails"] = [{"modality": "IMAGE", "tokenCount": 1120 * made}]
    return told


def prompt_of(parts):
    return next(part["text"] for part in parts if part.get("text"))


STATUS_WORDS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
                405: "UNIMPLEMENTED", 409: "ABORTED", 429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 500: "INTERNAL",
                501: "UNIMPLEMENTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}
RPC = "type.googleapis.com/google.rpc."
# Reasons that have an ErrorInfo of their own.
REASONS = ("API_KEY_INVALID", "ACCESS_TOKEN_TYPE_UNSUPPORTED", "CREDENTIALS_MISSING")


def details_of(refused):
    if refused.code in REASONS:
        return [{"@type": RPC + "ErrorInfo", "reason": refused.code, "domain": "googleapis.com",
                 "metadata": {"service": "generativelanguage.googleapis.com"}},
                {"@type": RPC + "LocalizedMessage", "locale": "en-US", "message": refused.message}]
    if refused.status == 429:
        return [{"@type": RPC + "QuotaFailure", "violations": [
                    {"quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
                     "quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}]},
                {"@type": RPC + "RetryInfo", "retryDelay": "37s"}]
    if refused.param:
        return [{"@type": RPC + "BadRequest", "fieldViolations": [
            {"field": refused.param, "description": refused.message}]}]
    return []


VERTEX = r"v1(beta1)?/(projects/[^/]+/locations/[^/]+/)?publishers/google"
MODEL = r"/(v1|v1beta|" + VERTEX + r")/models/[^/:]+"


class Google(Protocol):
    name = "google"
    key_prefixes = ("sk-", "AIza", "AQ.", "ya29.")
    routes = (("POST", MODEL + ":generateContent", "generate_content"), ("POST", MODEL + ":predict", "predict"))

    # ---- keys ----

    def authorize(self, call):
        if len(call.request.all_headers("x-goog-api-key")) > 1:
            raise Refused("The header x-goog-api-key was sent more than once.", "repeated_header")
        if "key=" in call.request.query:
            raise invalid("key", "A key in the URL is a key in every log.")
        if call.request.query:
            name = call.request.query.partition("=")[0]
            raise invalid(name, 'Invalid JSON payload received. Unknown name "%s": Cannot bind query parameter.' % name)
        if "/projects/" in call.rest:
            self.authorize_token(call)
        else:
            self.authorize_key(call)

    def authorize_token(self, call):
        if call.request.header("x-goog-api-key"):
            raise Refused("API keys are not supported by this API. Expected OAuth2 access token or other "
                          "authentication credentials that assert a principal.", "CREDENTIALS_MISSING", None, 401)
        token = call.bearer()
        if token:
            call.session.remember_key(token)
        if not self.is_right(token):
            raise Refused("Request had invalid authentication credentials (%s). Expected OAuth 2 access token, login "
                          "cookie or other valid authentication credential." % token,
                          "ACCESS_TOKEN_TYPE_UNSUPPORTED", None, 401)

    def authorize_key(self, call):
        key = call.request.header("x-goog-api-key")
        if key:
            call.session.remember_key(key)
        if call.request.header("Authorization"):
            raise Refused("Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie "
                          "or other valid authentication credential.", "ACCESS_TOKEN_TYPE_UNSUPPORTED", None, 401)
        if not key:
            raise Refused("Method doesn't allow unregistered callers (callers without established identity). Please "
                          "use API Key or other form of API consumer identity to call this API.", None, None, 403)
        if not self.is_right(key):
            raise Refused("API key not valid: %s. Please pass a valid API key." % key, "API_KEY_INVALID", None, 400)

    def is_right(self, key):
        return bool(key) and key.startswith(self.key_prefixes) and "bad" not in key

    # ---- calls ----

    def read(self, call, message):
        if len(call.request.body) > MOST_BYTES:
            raise invalid("", "Request payload size exceeds the limit: %d bytes." % MOST_BYTES)
        document = call.json_object()
        message.check("", document)
        return camelised(document)

    def read_generation(self, call):
        place = address(call)
        model = check_model(place)
        check_location(place)
        is_vertex = bool(place["vertex"])
        document = self.read(call, request_message(is_vertex))
        parts = check_contents(document, model, is_vertex)
        check_generation(document.get("generationConfig", {}), model)
        return place, document, parts

    def generate_content(self, call):
        place, document, parts = self.read_generation(call)
        made = image_parts(call, document, prompt_of(parts))
        candidate = {"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": made}}
        return self.tell(call, place, parts, {"candidates": [candidate]},
                         sum("thoughtSignature" in part for part in made))

    def tell(self, call, place, parts, document, made=0):
        return json_reply(dict(document, usageMetadata=usage(parts, made), modelVersion=place["model"],
                               responseId="resp-%d" % call.session.next_number("response")))

    def read_prediction(self, call):
        place = address(call)
        check_model(place)
        check_location(place)
        document = self.read(call, predict_message(bool(place["vertex"])))
        instances, parameters = as_list(document.get("instances") or []), document.get("parameters", {})
        if len(instances) != 1 or not instances[0].get("prompt"):
            raise invalid("instances", "Prompt is required.")
        self.check_parameters(parameters)
        return place, instances[0], parameters

    def check_parameters(self, parameters):
        if not 1 <= parameters.get("sampleCount", 1) <= 4:
            raise invalid("parameters", "Image generation failed: sampleCount must be between 1 and 4.")
        if parameters.get("aspectRatio", "1:1") not in IMAGEN_RATIOS:
            raise invalid("parameters", "Unsupported aspect ratio %s." % parameters["aspectRatio"])
        if parameters.get("sampleImageSize", "1K") not in ("1K", "2K"):
            raise invalid("parameters", "Unsupported sampleImageSize.")
        if "seed" in parameters and parameters.get("addWatermark", True):
            raise invalid("parameters", "Seed is not supported when watermark is enabled.")

    def predict(self, call, blocked=0):
        place, instance, parameters = self.read_prediction(call)
        output = parameters.get("outputOptions", {}).get("mimeType", "image/png")
        image = {"aspectRatio": parameters.get("aspectRatio", "1:1"),
                 "imageSize": parameters.get("sampleImageSize", "1K"), "imageOutputOptions": {"mimeType": output}}
        pictures = draw(call, instance["prompt"], image, parameters.get("sampleCount", 4))
        pictures = pictures[:max(0, len(pictures) - call.behaviour.get("drop_items", 0))]
        told = [{"mimeType": picture.mime, "bytesBase64Encoded": results.base64_text(call, picture)}
                for picture in pictures]
        if "revised_prompt" in call.option("image_result"):
            told = [dict(item, prompt=call.option("image_result")["revised_prompt"]) for item in told]
        told[:blocked] = [{"raiFilteredReason": "Unable to show generated images. All images were filtered out because "
                           "they violated the usage guidelines. Support codes: 29310472"} for _ in told[:blocked]]
        return json_reply({"predictions": told} if told and not call.option("image_result").get("empty") else {})

    # ---- refusals ----

    def error(self, refused):
        told = {"code": refused.status, "message": refused.message,
                "status": STATUS_WORDS.get(refused.status, "UNKNOWN")}
        details = details_of(refused)
        return json_reply({"error": dict(told, details=details) if details else told}, refused.status)

    def moderation(self, call, variant):
        self.authorize(call)
        if call.rest.endswith(":predict"):
            return self.predict(call, {"mixed": 1}.get(variant, 4))
        place, document, parts = self.read_generation(call)
        return MODERATION.get(variant, MODERATION[True])(self, call, place, parts)

    def headers(self, call):
        return [("server-timing", "gfet4t7; dur=1234"), ("x-frame-options", "SAMEORIGIN")]


def blocked_prompt(self, call, place, parts):
    return self.tell(call, place, parts, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "safetyRatings": []}})


def blocked_image(self, call, place, parts):
    candidate = {"index": 0, "finishReason": "IMAGE_SAFETY", "finishMessage":
                 "Unable to show the generated image. The image was filtered out because it violated the usage policy."}
    return self.tell(call, place, parts, {"candidates": [candidate]})


def no_image(self, call, place, parts):
    return self.tell(call, place, parts, {"candidates": [{"index": 0, "finishReason": "NO_IMAGE", "content": {}}]})


def refused_prompt(self, call, place, parts):
    raise invalid("", "The prompt could not be submitted. It contains sensitive words that violate Google's "
                  "Responsible AI practices. Try rephrasing the prompt.")


MODERATION = {True: blocked_prompt, "items": blocked_image, "empty": no_image, "http": refused_prompt}

PROTOCOL = Google()
