"""The vocabulary of scripts: which keys a behaviour may have, and which requests it is meant for."""

MATCHING = ("where", "method", "path_contains", "times")
# Each of these replaces the normal answer.
ANSWERS = ("status", "redirect", "moderation", "raw", "stall")
DETAILS = ("headers", "body", "error_shape", "error_code")
# These change what a protocol puts into its answer.
CONTENTS = ("image_result", "base64", "sse", "drop_items", "jobs", "merge", "echo", "spoil")
# And these how the answer travels.
TRANSPORT = ("delay_ms", "early", "no_continue", "trickle", "reset", "close_after_bytes", "content_length",
             "endless_body", "endless_headers", "chunked", "gzip", "gzip_bomb", "http10", "close_idle", "interim")
KNOWN = set(MATCHING + ANSWERS + DETAILS + CONTENTS + TRANSPORT)

CHOICES = {
    "where": ("api", "files", "any"),
    "moderation": (True, "dalle", "stream", "items", "mixed", "empty", "http", "ok"),
    "reset": ("before", "in_headers", "after_headers", "in_body", "in_request"),
    "chunked": (True, "broken", "truncated"),
    "close_idle": (True, "on_next_request"),
    "error_shape": ("object", "string", "detail_text", "detail_object", "detail_list", "message", "sdcpp",
                    "xai", "numeric_code", "string_code", "html", "empty"),
}
IMAGE_RESULT = ("url", "both", "empty", "null_entries", "all_null", "bytes", "mime", "size", "url_text",
                "other_host", "revised_prompt", "index")
BYTES = ("html", "empty", "truncated", "png", "jpeg", "webp", "gif", "svg", "garbage")
SSE = ("stop_after", "error", "bare_error", "moderation", "crlf", "cr", "comments", "no_completed", "no_space",
       "multi_line", "no_event_lines", "done", "every_ms", "byte_order_mark", "json")
JOBS = ("polls", "fail", "url", "elsewhere", "moderation", "vanish", "result_status", "unknown_state")
ECHO = ("texts", "urls", "names")
SPOIL = ("at", "how")
BASE64 = ("newlines", "urlsafe", "nopad", "escaped_slashes", "data_uri", "spaces")


class BadScript(Exception):
    pass


def require(condition, message):
    if not condition:
        raise BadScript(message)


def check_words(words, known, what):
    for word in words:
        require(word in known, "unknown %s %r" % (what, word))


def check_base64(value):
    name, colon, place = value.partition(":")
    require(value in BASE64 or (name == "garbage_at" and place.isdigit()), "unknown base64 %r" % value)


def check(behaviour):
    """A misspelt behaviour would let a test pass for the wrong reason."""
    require(isinstance(behaviour, dict), "a behaviour must be an object")
    check_words(behaviour, KNOWN, "behaviour")
    for name, choices in CHOICES.items():
        require(name not in behaviour or behaviour[name] in choices,
                "%s can't be %r" % (name, behaviour.get(name)))
    require(isinstance(behaviour.get("times", 1), int), "times must be an integer")
    image_result = behaviour.get("image_result", {})
    check_words(image_result, IMAGE_RESULT, "image_result")
    require(image_result.get("bytes", "png") in BYTES, "unknown bytes")
    check_words(behaviour.get("sse", {}), SSE, "sse")
    check_words(behaviour.get("jobs", {}), JOBS, "jobs")
    check_words(behaviour.get("echo", {}), ECHO, "echo")
    check_words(behaviour.get("spoil", {}), SPOIL, "spoil")
    if "base64" in behaviour:
        check_base64(behaviour["base64"])


def matches(behaviour, kind, request):
    # What "jobs" says holds for a job's whole life, so only its creation may use it up.
    method = behaviour.get("method", "POST" if "jobs" in behaviour else request.method)
    return (behaviour.get("where", "api") in (kind, "any") and method == request.method
            and behaviour.get("path_contains", "") in request.target)


def fill_in(value, words):
    """Replaces words like {FILES} in every text of a behaviour."""
    if isinstance(value, str):
        for word, text in words.items():
            value = value.replace(word, text)
        return value
    if isinstance(value, list):
        return [fill_in(item, words) for item in value]
    if isinstance(value, dict):
        return {key: item if key == "raw" else fill_in(item, words) for key, item in value.items()}
    return value
