"""Log entries: a request in a form that a test can look into."""

import hashlib
import time

import call
import formats
import multipart

LONGEST_TEXT = 4 << 20
LONGEST_PART_TEXT = 65536


def new_entry(wire, request, origin, kind):
    return {"origin": origin, "kind": kind, "method": request.method, "path": request.target,
            "headers": request.headers, "connection": wire.number, "arrived": time.monotonic()}


def fill_entry(entry, request):
    entry["complete"] = request.complete
    entry["body_size"] = len(request.body)
    media_type = (request.header("Content-Type") or "").lower()
    if media_type.startswith("multipart/form-data"):
        fill_parts(entry, request)
        return
    text = call.textual(request.body)
    if text is None:
        return
    if len(text) <= LONGEST_TEXT:
        entry["body_text"] = text
    if "json" in media_type:
        entry["json"] = call.json_or_nothing(text)
        entry["images"] = list(images_in(entry["json"], ""))


def fill_parts(entry, request):
    try:
        parts = multipart.parse(request.header("Content-Type"), request.body)
    except multipart.BadForm as error:
        entry["form_error"] = str(error)
        return
    entry["parts"] = [describe_part(part) for part in parts]


def describe_part(part):
    told = {"name": part.name, "filename": part.filename, "content_type": part.content_type,
            "headers": part.headers}
    told.update(describe_bytes(part.data))
    text = call.textual(part.data)
    if text is not None and len(text) <= LONGEST_PART_TEXT:
        told["text"] = text
    return told


def describe_bytes(data):
    told = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    image = formats.describe(data)
    if image:
        told["image"] = image
    return told


def images_in(value, path):
    """Every data: URI of a document, with the path that leads to it."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from images_in(item, "%s.%s" % (path, key) if path else key)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from images_in(item, "%s[%d]" % (path, place))
    elif isinstance(value, str) and value.startswith("data:"):
        yield describe_data_uri(value, path)


def describe_data_uri(text, path):
    try:
        mime, data = formats.read_data_uri(text)
    except formats.BadImage as error:
        return {"path": path, "error": str(error)}
    return dict(describe_bytes(data), path=path, content_type=mime)
