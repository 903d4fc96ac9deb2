"""Server-sent events, and the ways in which streams go wrong or merely differ."""

import json

from reply import Reply

ERRORS = {
    "error": lambda message, code: {"type": "error", "error": {"type": "server_error", "code": code,
                                                               "message": message, "param": None}},
    "bare_error": lambda message, code: {"type": "server_error", "code": code, "message": message, "param": None},
    "moderation": lambda message, code: {"type": "error", "error": {
        "type": "image_generation_user_error", "code": "moderation_blocked", "param": None,
        "message": "Your request was rejected by the safety system. safety_violations=[violence]."}},
}
LINE_ENDS = {"crlf": "\r\n", "cr": "\r"}


def without_completed(events):
    return [event for event in events if not event[0].endswith(".completed")]


def changed_events(events, options):
    for name, document in ERRORS.items():
        if options.get(name):
            error = ("error", document("The server had an error while processing your request.", "server_error"))
            return without_completed(events) + [error]
    return without_completed(events) if options.get("no_completed") else events


def data_lines(document, options):
    colon = "data:" if options.get("no_space") else "data: "
    # Line breaks are free between the tokens of JSON, so an event may be spread over many lines.
    text = json.dumps(document, indent=0 if options.get("multi_line") else None)
    return [colon + line for line in text.split("\n")]


def event_bytes(event, options, end):
    name, document = event
    lines = [": keep-alive", ""] if options.get("comments") else []
    if not options.get("no_event_lines"):
        lines.append("event: " + name)
    lines += data_lines(document, options)
    if options.get("comments"):
        lines += [": between", "id: 7", "retry: 1000"]
    return (end.join(lines) + end + end).encode("utf-8")


def stream(call, events):
    """A reply that streams (name, document) pairs."""
    options = call.option("sse")
    end = next((LINE_ENDS[name] for name in LINE_ENDS if options.get(name)), "\n")
    events = changed_events(events, options)[:options.get("stop_after")]
    pieces = [event_bytes(event, options, end) for event in events]
    if options.get("done"):
        pieces.append(("data: [DONE]" + end + end).encode())
    if options.get("byte_order_mark"):
        pieces.insert(0, b"\xef\xbb\xbf")
    reply = Reply(200, (), pieces, "text/event-stream; charset=utf-8")
    reply.set_header("Cache-Control", "no-cache")
    reply.pause = options.get("every_ms", 0) / 1000
    return reply
