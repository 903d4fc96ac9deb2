"""Result images, and the list of items that hold them, with what a behaviour wants changed."""

import binascii
import textwrap

import formats


class Picture:
    def __init__(self, kind, data, mime, width, height):
        self.kind = kind
        self.data = data
        self.mime = mime
        self.width = width
        self.height = height


SPOILERS = {
    "html": lambda data: b"<!DOCTYPE html><html><body>Link expired</body></html>",
    "garbage": lambda data: bytes((7 * i + 1) % 251 for i in range(256)),
    "empty": lambda data: b"",
    "truncated": lambda data: data[:len(data) // 2],
}


def dimensions(size):
    if size in (None, "auto"):
        return 1024, 1024
    width, _, height = size.partition("x")
    return int(width), int(height)


def make_pictures(call, prompt, count, size, kind="png", transparent=False):
    wanted = call.option("image_result")
    width, height = dimensions(wanted.get("size", size))
    bytes_wanted = wanted.get("bytes")
    if bytes_wanted in formats.MAKERS:
        kind = bytes_wanted
    spoil = SPOILERS.get(bytes_wanted, lambda data: data)
    mime = "text/html" if bytes_wanted == "html" else formats.MIME[kind]
    return [Picture(kind, spoil(formats.make(kind, prompt, index, width, height, transparent)),
                    wanted.get("mime", mime), width, height) for index in range(count)]


# ---- base64, as some servers write it --------------------------------------------------------------------

def spoil_at(text, place):
    place = min(place, len(text) - 1)
    return text[:place] + "*" + text[place + 1:]


BASE64 = {
    "newlines": lambda text, picture: "\n".join(textwrap.wrap(text, 76)),
    "spaces": lambda text, picture: " " + " ".join(textwrap.wrap(text, 64)) + " ",
    "urlsafe": lambda text, picture: text.replace("+", "-").replace("/", "_"),
    "nopad": lambda text, picture: text.rstrip("="),
    "data_uri": lambda text, picture: "data:%s;base64,%s" % (picture.mime, text),
}


def base64_text(call, picture):
    text = binascii.b2a_base64(picture.data, newline=False).decode("ascii")
    name, _, place = call.behaviour.get("base64", "").partition(":")
    if name == "garbage_at":
        return spoil_at(text, int(place))
    return BASE64[name](text, picture) if name in BASE64 else text


# ---- items -----------------------------------------------------------------------------------------------

def place(call, picture):
    wanted = call.option("image_result")
    if "url_text" in wanted:
        return wanted["url_text"]
    extension = "jpg" if picture.kind == "jpeg" else picture.kind
    name = "image-%d.%s" % (call.session.next_number("file"), extension)
    return call.keep(name, picture.data, picture.mime)


def make_item(call, picture, as_url, names, extra):
    wanted = call.option("image_result")
    base64_name, url_name = names
    as_url = wanted.get("url", as_url or "url_text" in wanted)
    item = {}
    if not as_url or wanted.get("both"):
        item[base64_name] = base64_text(call, picture)
    if as_url or wanted.get("both"):
        item[url_name] = place(call, picture)
    item.update(extra(picture))
    if "revised_prompt" in wanted:
        item["revised_prompt"] = wanted["revised_prompt"]
    return item


def make_items(call, pictures, as_url, names=("b64_json", "url"), extra=lambda picture: {}):
    wanted = call.option("image_result")
    pictures = pictures[:max(0, len(pictures) - call.behaviour.get("drop_items", 0))]
    if wanted.get("empty"):
        return []
    if wanted.get("all_null"):
        return [{name: None for name in names} for _ in pictures]
    items = [make_item(call, picture, as_url, names, extra) for picture in pictures]
    if wanted.get("index"):
        items = [dict(item, index=index) for index, item in enumerate(items)]
    if wanted.get("index") == "reversed":
        items.reverse()
    if wanted.get("null_entries"):
        blank = dict.fromkeys(names)
        items = [None, blank] + [dict(blank, **item) for item in items]
    return items
