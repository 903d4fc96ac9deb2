"""An answer before it is sent."""

import json

REASONS = {100: "Continue", 102: "Processing", 103: "Early Hints", 200: "OK", 202: "Accepted",
           204: "No Content", 301: "Moved Permanently", 302: "Found", 303: "See Other",
           307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request",
           401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
           405: "Method Not Allowed", 408: "Request Timeout", 409: "Conflict", 410: "Gone",
           413: "Content Too Large", 415: "Unsupported Media Type", 422: "Unprocessable Content",
           429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway",
           503: "Service Unavailable", 504: "Gateway Timeout"}


class Reply:
    """`body` is bytes, or an iterable of bytes that are sent one after the other, `pause` seconds apart."""

    def __init__(self, status=200, headers=(), body=b"", content_type=None):
        self.status = status
        self.headers = [list(header) for header in headers]
        self.body = body
        self.pause = 0
        self.version = "HTTP/1.1"
        self.framing = "length" if isinstance(body, bytes) else "chunked"
        self.declared_length = None
        self.chunk_fault = None
        self.filler_headers = False
        self.interim = None
        self.cut = None
        self.trickle = None
        self.closes = False
        self.after = None
        if content_type:
            self.set_header("Content-Type", content_type)

    def set_header(self, name, value):
        """Replaces; a value of None removes, a list gives several lines."""
        self.headers = [header for header in self.headers if header[0].lower() != name.lower()]
        values = value if isinstance(value, list) else [value]
        self.headers += [[name, str(one)] for one in values if one is not None]

    def body_bytes(self):
        return self.body if isinstance(self.body, bytes) else b"".join(self.body)

    def document(self):
        """The JSON of the body, or None if it holds none."""
        try:
            return json.loads(self.body_bytes().decode("utf-8"))
        except ValueError:
            return None


def json_reply(document, status=200, headers=()):
    text = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
    return Reply(status, headers, text.encode("utf-8", "surrogatepass"), "application/json")


def text_reply(text, status=200, headers=()):
    return Reply(status, headers, text.encode("utf-8", "surrogatepass"), "text/plain; charset=utf-8")
