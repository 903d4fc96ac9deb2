"""Carries out behaviours: what is answered instead, how an answer is changed, and how it travels."""

import email.utils
import gzip
import json
import re
import zlib

from checks import Refused
from reply import REASONS, Reply, json_reply, text_reply

ENDLESS = 1 << 30
STALL_SECONDS = 600
FILL = b"A" * 65536
BLANKS = b" " * 65536


# ---- instead of the normal answer ------------------------------------------------------------------------

STATUS_WORDS = {
    400: ("Invalid request.", "invalid_request", "invalid_request_error"),
    401: ("Incorrect API key provided.", "invalid_api_key", "invalid_request_error"),
    402: ("Insufficient credits.", "insufficient_credits", "billing_error"),
    403: ("You don't have access to this resource.", "access_denied", "permission_error"),
    404: ("The requested resource was not found.", "not_found", "invalid_request_error"),
    429: ("Rate limit exceeded for images per minute.", "rate_limit_exceeded", "requests"),
    503: ("The server is overloaded or not ready yet.", "server_overloaded", "server_error"),
}
OTHER_STATUS = ("The server had an error while processing your request.", "server_error", "server_error")


def refusal_of_status(call, status):
    message, code, kind = STATUS_WORDS.get(status, OTHER_STATUS)
    return Refused(message, call.behaviour.get("error_code", code), None, status, kind)


ERROR_SHAPES = {
    "object": lambda r: {"error": {"message": r.message, "type": r.kind, "param": r.param, "code": r.code}},
    "string": lambda r: {"error": r.message},
    "detail_text": lambda r: {"detail": r.message},
    "detail_object": lambda r: {"detail": {"error": r.message}},
    "detail_list": lambda r: {"detail": [{"loc": ["body", "prompt"], "msg": r.message, "type": r.code}]},
    "message": lambda r: {"message": r.message},
    "sdcpp": lambda r: {"error": "server_error", "message": r.message},
    "xai": lambda r: {"code": r.code, "error": r.message},
    "numeric_code": lambda r: {"error": {"code": r.status, "message": r.message, "metadata": {}}},
    "string_code": lambda r: {"error": {"message": r.message, "type": "None", "param": "None",
                                        "code": str(r.status)}},
}
ERROR_TEXTS = {
    "html": lambda r: ("<html><head><title>%d</title></head><body>nginx</body></html>" % r.status, "text/html"),
    "empty": lambda r: ("", None),
}


def shaped_error(refused, shape):
    if shape in ERROR_TEXTS:
        text, content_type = ERROR_TEXTS[shape](refused)
        return Reply(refused.status, (), text.encode(), content_type)
    return json_reply(ERROR_SHAPES[shape](refused), refused.status)


def answer_status(call, protocol, status):
    body = call.behaviour.get("body")
    if isinstance(body, str):
        kind = "application/json" if body[:1] in ("{", "[") else "text/plain"
        return Reply(status, (), body.encode("utf-8", "surrogatepass"), kind)
    if body is not None:
        return json_reply(body, status)
    refused = refusal_of_status(call, status)
    if "error_shape" in call.behaviour:
        return shaped_error(refused, call.behaviour["error_shape"])
    if status < 400:
        return Reply(status)
    return protocol.error(refused)


def answer_redirect(call, protocol, redirect):
    reply = text_reply("moved", redirect.get("status", 302))
    reply.set_header("Location", redirect["to"])
    return reply


def answer_moderation(call, protocol, variant):
    return protocol.moderation(call, variant)


ANSWERS = {"status": answer_status, "redirect": answer_redirect, "moderation": answer_moderation}


def choose_answer(call, protocol):
    for name, make in ANSWERS.items():
        if name in call.behaviour:
            return make(call, protocol, call.behaviour[name])
    return protocol.answer(call)


def answer(call, protocol):
    try:
        reply = choose_answer(call, protocol)
    except Refused as refused:
        reply = protocol.error(refused)
    for name, value in protocol.headers(call):
        reply.set_header(name, value)
    return reply


# ---- changes to an answer, in this order -----------------------------------------------------------------

def change_headers(reply, headers, call):
    for name, value in headers.items():
        reply.set_header(name, value)


def change_merge(reply, members, call):
    document = reply.document()
    if isinstance(document, dict):
        document.update(members)
        reply.body = json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")


STATE_WORDS = ("status", "state", "code", "type", "finishReason", "id")


def echoed(value, wanted, name=None):
    """A JSON value that repeats what a behaviour wants repeated."""
    if isinstance(value, dict):
        told = {key: echoed(item, wanted, key) for key, item in value.items()}
        return dict(told, **{wanted["names"]: wanted["names"]}) if "names" in wanted else told
    if isinstance(value, list):
        return [echoed(item, wanted, name) for item in value]
    if not isinstance(value, str) or name in STATE_WORDS or value.startswith("data:"):
        return value
    if re.match(r"https?://", value):
        return value + ("&" if "?" in value else "?") + "told=" + wanted["urls"] if "urls" in wanted else value
    if value.startswith("{"):
        return json.dumps(echoed(json.loads(value), wanted))
    return "%s: %s" % (value, wanted["texts"]) if "texts" in wanted and " " in value.strip() else value


def change_echo(reply, wanted, call):
    document = reply.document() if isinstance(reply.body, bytes) else None
    if document is not None:
        reply.body = json.dumps(echoed(document, wanted), ensure_ascii=False).encode("utf-8", "surrogatepass")


# ---- one value of an answer is another ----

MARK = "spoilt-here"
INSTEAD = {
    "null": "null", "true": "true", "number": "17.5", "huge": "-1e99999", "integer": "9223372036854775808",
    "text": '"x"', "empty": '""', "list": "[]", "object": "{}", "surrogate": '"a\\ud83d"', "nul": '"a\\u0000b"',
    "deep": "[" * 500 + "]" * 500, "long": '"%s"' % ("x" * 70000),
}


def places_of(holder, name, found):
    """Where values stand: (what holds it, its name or index), from the outside in."""
    value = holder[name]
    found.append((holder, name))
    children = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for child in children:
        places_of(value, child, found)
    return found


def spoilt_text(document, holder, name, how):
    value = json.dumps(holder[name], ensure_ascii=False)
    if how == "missing" and holder is not document:
        del holder[name]
        return json.dumps(document[0], ensure_ascii=False)
    holder[name] = MARK
    label = json.dumps(name) + ": " if isinstance(holder, dict) else ""
    raw = {"list_of": "[%s]" % value, "twice": '%s, %snull' % (value, label), "again": 'null, %s%s' % (label, value)}
    return json.dumps(document[0], ensure_ascii=False).replace('"%s"' % MARK, raw.get(how) or INSTEAD.get(how, value), 1)


def change_spoil(reply, wanted, call):
    document = [reply.document() if isinstance(reply.body, bytes) else None]
    if document[0] is None:
        return
    places = places_of(document, 0, [])
    call.session.note(call.entry, "places", len(places))
    if 0 <= wanted["at"] < len(places):
        text = spoilt_text(document, *places[wanted["at"]], wanted["how"])
        reply.body = text.encode("utf-8", "surrogatepass")


def change_base64(reply, name, call):
    # Only slashes are left to do here: how they are escaped is decided when JSON becomes text.
    if name == "escaped_slashes":
        reply.body = ([piece.replace(b"/", b"\\/") for piece in reply.body] if not isinstance(reply.body, bytes)
                      else reply.body.replace(b"/", b"\\/"))


def change_gzip(reply, value, call):
    reply.body = gzip.compress(reply.body_bytes(), 6)
    reply.framing = "length"
    reply.set_header("Content-Encoding", "gzip")


def opening(body):
    """As much of an answer as makes what follows look like the inside of its first image: of that, the first bytes, too."""
    match = re.match(rb'(?s).*?"(?:b64_json|b64|url|link)":\s*"(?:[A-Za-z0-9+/]{64})?', body)
    return match.group() if match else body[:64]


def filled(start, total, fill=FILL):
    yield start
    sent = len(start)
    while sent < total:
        yield fill
        sent += len(fill)


def change_gzip_bomb(reply, megabytes, call):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    pieces = [packer.compress(piece) for piece in filled(opening(reply.body_bytes()), megabytes << 20)]
    reply.body = b"".join(pieces) + packer.flush()
    reply.framing = "length"
    reply.set_header("Content-Encoding", "gzip")


def change_endless_body(reply, value, call):
    blanks = value == "blanks"
    reply.body = filled(b"" if blanks else opening(reply.body_bytes()), ENDLESS, BLANKS if blanks else FILL)
    reply.framing = "chunked" if value == "chunked" else "close"


def change_chunked(reply, value, call):
    reply.framing = "chunked"
    reply.chunk_fault = value if value is not True else None
    reply.closes = reply.closes or value is not True


def change_http10(reply, value, call):
    reply.version = "HTTP/1.0"
    reply.framing = "close"


def change_content_length(reply, length, call):
    reply.framing = "length"
    reply.declared_length = length
    reply.closes = True


def change_endless_headers(reply, value, call):
    reply.filler_headers = True


def change_interim(reply, interim, call):
    reply.interim = interim


def change_trickle(reply, trickle, call):
    reply.trickle = (trickle["chunk"], trickle["every_ms"] / 1000, trickle.get("head", False))


def change_close_after_bytes(reply, count, call):
    reply.cut = (lambda head, body: head + count, "end")


RESET_PLACES = {
    "in_headers": lambda head, body: head // 2,
    "after_headers": lambda head, body: head,
    "in_body": lambda head, body: head + max(1, body // 2),
}


def change_reset(reply, place, call):
    if place in RESET_PLACES:
        reply.cut = (RESET_PLACES[place], "reset")


def change_close_idle(reply, value, call):
    reply.after = value


CHANGES = (
    ("headers", change_headers), ("merge", change_merge), ("echo", change_echo), ("spoil", change_spoil),
    ("base64", change_base64),
    ("gzip", change_gzip),
    ("gzip_bomb", change_gzip_bomb), ("endless_body", change_endless_body), ("chunked", change_chunked),
    ("http10", change_http10), ("content_length", change_content_length),
    ("endless_headers", change_endless_headers), ("interim", change_interim), ("trickle", change_trickle),
    ("close_after_bytes", change_close_after_bytes), ("reset", change_reset), ("close_idle", change_close_idle),
)


def change(reply, call):
    for name, apply in CHANGES:
        if name in call.behaviour:
            apply(reply, call.behaviour[name], call)


# ---- sending ---------------------------------------------------------------------------------------------

def head_lines(reply, closes):
    lines = ["%s %d %s" % (reply.version, reply.status, REASONS.get(reply.status, "Status")),
             "Date: " + email.utils.formatdate(usegmt=True)]
    lines += ["%s: %s" % (name, value) for name, value in reply.headers]
    if reply.framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
    elif reply.framing == "length" and reply.status != 204:
        length = reply.declared_length
        lines.append("Content-Length: %d" % (len(reply.body_bytes()) if length is None else length))
    if closes:
        lines.append("Connection: close")
    return lines


def head_bytes(reply, closes):
    return ("\r\n".join(head_lines(reply, closes)) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def body_pieces(reply):
    pieces = split(reply.body, 1 << 16) if isinstance(reply.body, bytes) else reply.body
    return chunked_pieces(reply, pieces) if reply.framing == "chunked" else pieces


def split(data, size):
    return (data[start:start + size] for start in range(0, len(data), size))


def chunked_pieces(reply, pieces):
    if reply.chunk_fault == "broken":
        start = next(iter(pieces), b"")[:40]
        yield b"%x\r\n%s\r\nzz\r\nnot a chunk size\r\n" % (len(start), start)
        return
    for piece in pieces:
        if piece:
            yield b"%x\r\n%s\r\n" % (len(piece), piece)
    if reply.chunk_fault != "truncated":
        yield b"0\r\n\r\n"


def send_filler_headers(wire, reply):
    wire.send(head_lines(reply, False)[0].encode() + b"\r\n")
    line = b"X-Filler: " + b"a" * 1000 + b"\r\n"
    for _ in range(ENDLESS // len(line)):
        wire.send(line)
    wire.end()


def send_interim(wire, reply):
    status, count = reply.interim["status"], reply.interim["count"]
    hint = "" if status == 100 else "Link: </x>\r\n"
    block = "HTTP/1.1 %d %s\r\n%s\r\n" % (status, REASONS.get(status, "Status"), hint)
    for _ in range(ENDLESS // len(block) if count < 0 else count):
        wire.send(block.encode())


def set_cut(wire, reply, head):
    if not reply.cut:
        return
    # Only the generated bodies have no length of their own; they are longer than any cut.
    counted = isinstance(reply.body, (bytes, list))
    body = sum(map(len, body_pieces(reply))) if counted else 1 << 20
    position, ending = reply.cut[0](len(head), body), getattr(wire, reply.cut[1])
    wire.limit = (wire.sent + position, ending)


def send_reply(wire, reply, keeps_alive, with_body=True):
    """Returns whether the connection can take another request."""
    closes = reply.closes or not keeps_alive or reply.framing == "close"
    if reply.filler_headers:
        send_filler_headers(wire, reply)
    head = head_bytes(reply, closes)
    if reply.interim:
        send_interim(wire, reply)
    set_cut(wire, reply, head)
    slow = reply.trickle[:2] if reply.trickle else None
    wire.trickle = slow if slow and reply.trickle[2] else None
    wire.send(head)
    wire.trickle = slow
    for place, piece in enumerate(body_pieces(reply) if with_body else ()):
        if place and reply.pause:
            wire.wait(reply.pause)
        wire.send(piece)
    wire.limit = wire.trickle = None
    wire.drop_next = reply.after == "on_next_request"
    return not closes and reply.after is not True


def take_over(wire, call):
    """Behaviours that leave nothing to answer."""
    behaviour = call.behaviour
    if "delay_ms" in behaviour:
        wire.wait(behaviour["delay_ms"] / 1000)
    if behaviour.get("stall"):
        wire.wait(STALL_SECONDS)
        wire.end()
    if behaviour.get("reset") in ("before", "in_request"):
        wire.reset()
    if "raw" in behaviour:
        wire.send(behaviour["raw"].encode("latin-1"))
        wire.end()


def perform(wire, call, protocol):
    take_over(wire, call)
    reply = answer(call, protocol)
    change(reply, call)
    call.session.note(call.entry, "status", reply.status)
    # A body that was asked about and refused doesn't come.
    keeps_alive = call.request.keeps_alive and (call.request.complete or "no_continue" in call.behaviour)
    return send_reply(wire, reply, keeps_alive, call.request.method != "HEAD")
