#!/usr/bin/env python3
"""The test server: plays image providers on loopback, strictly, and misbehaves on demand.

    python3 server.py --ports-file FILE [--port N] [--tls CERT KEY] [--stay] [--verbose]

writes {"api": PORT, "files": PORT, "tls": PORT, "pid": PID} to FILE once it listens ("tls" only with --tls) and runs
until its standard input ends, so that it dies with its parent; --stay makes it run on. --port fixes the API's port.

Origins: the API, and the files origin that result URLs point to. With --tls a third one serves both over https; what
was asked for there has its result URLs there too.

PATHS

    /s/NAME/PROTOCOL/...      NAME is a session: its own log, script, files and jobs. PROTOCOL is the name of one of
                              the modules in protocols/ (openai, compatible, azure_openai, google, fal, ...), and what
                              follows is the provider's path, e.g. /s/t1/openai/v1/images/generations
    /v1/...                   session "default", protocol openai
    /f/NAME/FILE              result files of a session; any credential here is answered with 400 and is a leak
    /f/NAME/static/[LABEL/]WxH.EXT
                              an image to order: png, jpg, webp, gif, svg
    /f/NAME/jobs/ID           a job's status without a key (see "elsewhere")

Keys that begin with sk-, or as the provider's own do (xai-, indox-, r8_, key_, ...), are right; one that contains "bad" is
wrong. automatic1111 takes user:password, bedrock checks signatures.

CONTROL: on the API's origin, /_control/NAME/...

    POST script   a JSON list of behaviours; replaces what was left of the last script. A word that no behaviour
                  has is refused with 400.
    GET script    what is left of it
    POST reset    forgets log, script, files, jobs and counters
    GET log       every request received, in order: {sequence, origin (api, files, tls), kind (api, files), method,
                  path (with query), headers ([name, value] as sent), connection (number), arrived (monotonic seconds),
                  complete, body_size, body_text, json, parts, images, form_error, status, leak, peer_left, dropped}.
                  parts: {name, filename, content_type, headers, size, sha256, text, image}; images: the data: URIs of
                  a JSON body, {path, content_type, size, sha256, image}; image: {kind, width, height, has_alpha,
                  channels, pixels_sha256, pixels (hex, small pictures)}. Fields that don't apply are missing.
                  peer_left: the client went before its answer was whole. dropped: see close_idle.
    GET posts     {"posts": how many POSTs came}
    GET leaks     the log entries with a leak
    GET wait?requests=N&posts=N&departures=N&timeout_ms=M
                  answers once as many have been seen: {"satisfied": true or false}

BEHAVIOURS: each request takes the first of the script that matches it; after "times" uses it is gone.
{API}, {FILES}, {TLS} and {SESSION} in their texts (not in raw) become the origins' URLs and the session's name.

  which requests
    where            "api" (default), "files" or "any"
    method           e.g. "GET"; behaviours with "jobs" are for POST unless they say otherwise
    path_contains    part of the path and query
    times            1 unless given; -1 = without end

  another answer
    status           with "body" (text or JSON value) and "headers"; without a body it is the provider's own
                     error, or one in "error_shape": object, string, detail_text, detail_object, detail_list,
                     message, sdcpp, xai, numeric_code, string_code, html, empty; "error_code" sets its code
    moderation       true: the provider's own way of refusing. openai also "dalle", "stream"; xai also "items",
                     "mixed", "empty", "http"; indoxrouter also "ok" (status 200)
    redirect         {"status": 302, "to": URL}
    raw              these bytes (code points 0 to 255) and nothing else, then the end of the connection
    stall            true: no answer until the client leaves

  other contents
    image_result     {"url": true or false, "both", "empty", "null_entries" (among the real ones), "all_null",
                     "bytes": html, empty, truncated, garbage, png, jpeg, webp, gif, svg, "mime": TEXT, "size": "WxH",
                     "url_text": any URL instead, "other_host": e.g. "localhost", "revised_prompt": TEXT,
                     "index": true or "reversed"}; on the files origin "bytes" and "mime" change what is served
    base64           "newlines", "spaces", "urlsafe", "nopad", "escaped_slashes", "data_uri", "garbage_at:N"
    drop_items       so many images fewer than asked for
    merge            an object whose members replace those of the JSON answer
    echo             {"texts": T, "urls": T, "names": T}: the JSON answer repeats T at the end of every sentence, in the
                     query of every URL, as a member of every object
    spoil            {"at": N, "how": WORD}: the N-th value of the JSON answer, counted from the outside in, is null, true,
                     number, huge, integer, text, empty, list, object, surrogate, nul, deep, long, list_of (itself),
                     missing, or stands twice (then null) or again (after null); the log's "places" says how many there are
    sse              {"stop_after": events, "error", "bare_error", "moderation" (instead of the last event),
                     "no_completed", "crlf", "cr", "comments", "no_space", "multi_line", "no_event_lines", "done"
                     ([DONE] at the end), "byte_order_mark", "every_ms": N, "json" (a plain answer after all)}
    jobs             {"polls": how many before it is done (3), "fail", "moderation", "vanish" (404 to polls), "url"
                     (links instead of base64), "elsewhere" (status_url at the files origin), "result_status": N,
                     "unknown_state"}
    headers          {name: text, list of texts, or null to remove}; with normal answers too

  other transport
    delay_ms           before the answer
    early              answers before it has read the body, and closes
    no_continue        answers a request with "Expect: 100-continue" without its body, and stays
    trickle            {"chunk": bytes, "every_ms": N, "head": true to include the header lines}
    reset              a real TCP reset: "in_request" (the body unread), "before" the answer, "in_headers",
                       "after_headers", "in_body"
    close_after_bytes  so many bytes of the body
    content_length     says this, whatever the body's length; the connection then closes
    endless_body       true or "chunked": fills the first image until 1 GiB, or until the client leaves; "blanks":
                       nothing but those
    endless_headers    true
    interim            {"status": 100 to 199, "count": so many of these before the answer, -1 = without end}
    chunked            true, "broken" (no chunk size where one should be) or "truncated" (the last chunk is missing)
    gzip               true: Content-Encoding: gzip
    gzip_bomb          megabytes of image text in a small gzip body
    http10             true: HTTP/1.0, ended by closing
    close_idle         true: closes after a normal answer without having said so; "on_next_request": closes when the
                       next request on that connection has arrived, which the log shows as dropped
"""

import sys

sys.dont_write_bytecode = True

import argparse
import json
import os
import re
import socket
import ssl
import threading
import traceback

import call as calls
import control
import misbehave
import protocols
import record
from checks import Refused
from files import FILES
from reply import json_reply, text_reply
from sessions import Sessions
from wire import BadRequest, Gone, PeerLeft, Wire

CONTROL_PATH = re.compile(r"/_control/([\w.-]+)/(\w+)\Z")
SESSION_PATH = re.compile(r"/s/([\w.-]+)/(\w+)(/.*)?\Z")
FILE_PATH = re.compile(r"/f/([\w.-]+)/(.*)\Z")


class Unknown:
    """Stands for a protocol where the path names none."""
    name = "unknown"

    def answer(self, call):
        raise Refused("There is nothing at %s." % call.request.path, "not_found", None, 404)

    def headers(self, call):
        return ()

    def error(self, refused):
        return json_reply({"error": {"message": refused.message}}, refused.status)

    def moderation(self, call, variant):
        return self.answer(call)


class Server:
    def __init__(self, verbose=False):
        self.verbose = verbose
        self.sessions = Sessions()
        self.protocols = protocols.load()
        self.ports = {}
        self.lock = threading.Lock()
        self.connections = 0

    def origin_url(self, origin, host="127.0.0.1"):
        return "%s://%s:%d" % ("https" if origin == "tls" else "http", host, self.ports[origin])

    # ---- listening ----

    def listen(self, origin, port=0, context=None):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
        self.ports[origin] = listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(listener, origin, context), daemon=True).start()

    def accept(self, listener, origin, context):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self.serve, args=(connection, origin, context), daemon=True).start()

    def serve(self, connection, origin, context):
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context:
                connection = context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()
            return
        with self.lock:
            self.connections += 1
            wire = Wire(connection, self.connections)
        try:
            while self.serve_request(wire, origin):
                pass
            wire.close()
        except BadRequest as error:
            self.refuse(wire, str(error))
        except Gone:
            wire.release()
        except Exception:
            traceback.print_exc()
            wire.release()

    def refuse(self, wire, message):
        try:
            misbehave.send_reply(wire, text_reply(message, 400), False)
        except Gone:
            pass
        wire.close()

    # ---- one request ----

    def serve_request(self, wire, origin):
        request = wire.read_head()
        if request is None:
            return False
        if self.verbose:
            sys.stderr.write("%s %s %s\n" % (origin, request.method, request.target))
        match = CONTROL_PATH.match(request.path)
        if match and origin == "api":
            wire.read_body(request)
            reply = control.answer(self, self.sessions.get(match.group(1)), match.group(2), request)
            return misbehave.send_reply(wire, reply, request.keeps_alive)
        return self.serve_session(wire, request, origin)

    def serve_session(self, wire, request, origin):
        kind, session, protocol, rest = self.place(request.path, origin)
        entry = record.new_entry(wire, request, origin, kind)
        if getattr(wire, "drop_next", False):
            return self.drop(wire, session, entry)
        behaviour = session.take_behaviour(kind, request)
        unread = behaviour.get("early") or (behaviour.get("no_continue") and request.header("Expect"))
        if not unread and behaviour.get("reset") != "in_request":
            self.read_body(wire, request, session, entry)
        record.fill_entry(entry, request)
        session.record(entry)
        call = calls.Call(self, session, request, behaviour, entry, kind, rest)
        try:
            return misbehave.perform(wire, call, protocol)
        except PeerLeft:
            session.note(entry, "peer_left", True)
            raise

    def drop(self, wire, session, entry):
        entry["dropped"] = True
        session.record(entry)
        wire.close()
        raise PeerLeft()

    def read_body(self, wire, request, session, entry):
        try:
            wire.read_body(request)
        except Gone:
            record.fill_entry(entry, request)
            entry["peer_left"] = True
            session.record(entry)
            raise

    def place(self, path, origin):
        """(kind, session, protocol, rest) of a path. The files origin has no APIs: a key sent there is a leak."""
        match = FILE_PATH.match(path)
        if match:
            return "files", self.sessions.get(match.group(1)), FILES, match.group(2)
        match = SESSION_PATH.match(path)
        name, protocol, rest = match.groups("") if match else ("default", "openai", path)
        session = self.sessions.get(name)
        if origin == "files":
            return "files", session, FILES, path
        if not match and not path.startswith("/v1/"):
            protocol = None
        return "api", session, self.protocols.get(protocol, Unknown()), rest


# ---- running -----------------------------------------------------------------------------------------------

def arguments():
    parser = argparse.ArgumentParser(description="Plays image providers on loopback, for tests.")
    parser.add_argument("--ports-file", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    parser.add_argument("--stay", action="store_true", help="run on after the end of standard input")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def write_atomically(path, text):
    with open(path + ".new", "w") as file:
        file.write(text)
    os.replace(path + ".new", path)


def main():
    options = arguments()
    server = Server(options.verbose)
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*options.tls)
        server.listen("tls", 0, context)
    server.listen("files")
    server.listen("api", options.port)
    write_atomically(options.ports_file, json.dumps(dict(server.ports, pid=os.getpid())))
    if options.stay:
        threading.Event().wait()
    while sys.stdin.buffer.read(65536):
        pass
    # Threads may hang in answers that stall on purpose; nothing here needs an orderly end.
    os._exit(0)


if __name__ == "__main__":
    main()
