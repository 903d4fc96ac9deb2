"""A strict reader of multipart/form-data."""

import re

BOUNDARY = re.compile(r'multipart/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))\s*(?:;|\Z)',
                      re.I)
PARAMETER = re.compile(r';\s*([A-Za-z*]+)=(?:"((?:[^"\\]|\\.)*)"|([^;\s"]+))')


class BadForm(Exception):
    pass


# Browsers and newer libcurl write these three as URLs would; older libcurl writes backslashes.
ESCAPES = {"%22": '"', "%0D": "\r", "%0A": "\n"}


def unescape(quoted):
    return re.sub(r"\\(.)|%22|%0D|%0A", lambda match: match.group(1) or ESCAPES[match.group()], quoted)


class Part:
    def __init__(self, headers, data):
        self.headers = headers
        self.data = data
        fields = {name.lower(): value for name, value in headers}
        disposition = fields.get("content-disposition", "")
        if not disposition.lower().startswith("form-data"):
            raise BadForm("a part without Content-Disposition: form-data")
        parameters = {}
        for name, quoted, plain in PARAMETER.findall(disposition):
            parameters[name.lower()] = plain or unescape(quoted)
        if "name" not in parameters:
            raise BadForm("a part without a name")
        self.name = parameters["name"]
        self.filename = parameters.get("filename")
        self.content_type = fields.get("content-type")

    def text(self):
        try:
            return self.data.decode("utf-8")
        except UnicodeDecodeError:
            raise BadForm("part '%s' is not UTF-8" % self.name)


def parse(content_type, body):
    match = BOUNDARY.match(content_type)
    if not match:
        raise BadForm("Content-Type has no usable boundary")
    delimiter = b"\r\n--" + (match.group(1) or match.group(2)).encode("latin-1")
    pieces = (b"\r\n" + body).split(delimiter)
    if len(pieces) < 2 or pieces[0]:
        raise BadForm("the body doesn't begin with the boundary")
    if pieces[-1] not in (b"--", b"--\r\n"):
        raise BadForm("the closing boundary is missing")
    return [parse_part(piece) for piece in pieces[1:-1]]


def parse_part(piece):
    if not piece.startswith(b"\r\n"):
        raise BadForm("a boundary line has something behind it")
    head, separator, data = piece[2:].partition(b"\r\n\r\n")
    if not separator:
        raise BadForm("a part's headers don't end")
    headers = []
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon or not name:
            raise BadForm("a part has a malformed header line")
        headers.append([name, value.strip()])
    return Part(headers, data)
