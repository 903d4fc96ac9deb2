"""Image formats besides PNG: small real files for answers, and reading the kind and size of uploads."""

import base64
import hashlib
import re
import struct

import png

MIME = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif",
        "svg": "image/svg+xml"}
FORMAT_OF_EXTENSION = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp", "gif": "gif", "svg": "svg"}


class BadImage(Exception):
    pass


# ---- making ----------------------------------------------------------------------------------------------

def make(kind, prompt, index, width, height, transparent=False):
    return MAKERS[kind](prompt, index, width, height, transparent)


def make_jpeg(prompt, index, width, height, transparent=False):
    """A flat grey baseline JPEG. Its codes are chosen so that each block after the first is two zero bits."""
    first = "10" + jpeg_difference(png.colour_of(prompt, index)[0]) + "0"
    scan = jpeg_scan(first, ((width + 7) // 8) * ((height + 7) // 8)).replace(b"\xff", b"\xff\x00")
    return b"".join((
        b"\xff\xd8", segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"), segment(0xDB, b"\0" + b"\x08" * 64),
        segment(0xC0, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0"),
        segment(0xC4, b"\x00" + b"\1\1" + bytes(14) + b"\0\x07"), segment(0xC4, b"\x10" + b"\1" + bytes(15) + b"\0"),
        segment(0xDA, b"\1\1\0\0\x3f\0"), scan, b"\xff\xd9"))


def jpeg_difference(level):
    """Seven bits, which is what the one code for differences takes: 64 to 127, or the negative of these less one."""
    return format(level // 2, "07b")


def jpeg_scan(first, blocks):
    total = len(first) + 2 * (blocks - 1)
    length = (total + 7) // 8
    padding = length * 8 - total
    head = int(first.ljust(16, "0"), 2).to_bytes(2, "big")
    scan = bytearray(head + bytes(length - 2))
    scan[-1] |= (1 << padding) - 1
    return bytes(scan)


def segment(marker, data):
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def make_webp(prompt, index, width, height, transparent=False):
    """Lossless WebP of one colour: every prefix code has a single symbol, so pixels take no bits at all."""
    red, green, blue = png.colour_of(prompt, index)[:3]
    alpha = 128 if transparent else 255
    fields = [(width - 1, 14), (height - 1, 14), (int(transparent), 1), (0, 3), (0, 1), (0, 1), (0, 1)]
    for symbol in (green, red, blue, alpha):
        fields += [(1, 1), (0, 1), (1, 1), (symbol, 8)]
    fields += [(1, 1), (0, 1), (0, 1), (0, 1)]
    number = used = 0
    for value, bits in fields:
        number |= value << used
        used += bits
    data = b"\x2f" + number.to_bytes((used + 7) // 8, "little")
    padded = data + b"\0" * (len(data) % 2)
    content = b"WEBPVP8L" + struct.pack("<I", len(data)) + padded
    return b"RIFF" + struct.pack("<I", len(content)) + content


def make_gif(prompt, index, width, height, transparent=False):
    """A clear code before every second pixel keeps LZW at three bits."""
    colours = png.colour_of(prompt, index)
    pixels = width * height
    codes = [4, 0, 0] * (pixels // 2) + [4, 0] * (pixels % 2) + [5]
    text = "".join(reversed([format(code, "03b") for code in codes]))
    number, used = int(text, 2), len(text)
    data = number.to_bytes((used + 7) // 8, "little")
    blocks = b"".join(bytes([len(data[i:i + 255])]) + data[i:i + 255] for i in range(0, len(data), 255))
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + colours
    return head + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\2" + blocks + b"\0;"


def make_svg(prompt, index, width, height, transparent=False):
    colour = png.colour_of(prompt, index)[:3].hex()
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d"><rect width="100%%" height="100%%" '
            'fill="#%s"/></svg>' % (width, height, colour)).encode()


MAKERS = {"png": png.make, "jpeg": make_jpeg, "webp": make_webp, "gif": make_gif, "svg": make_svg}


# ---- reading ---------------------------------------------------------------------------------------------

class Image:
    def __init__(self, kind, width, height, has_alpha, parsed=None):
        self.kind = kind
        self.mime = MIME[kind]
        self.width = width
        self.height = height
        self.has_alpha = has_alpha
        self.parsed = parsed


def read_png(data):
    try:
        parsed = png.parse(data)
    except png.BadPNG as error:
        raise BadImage(str(error))
    return Image("png", parsed.width, parsed.height, parsed.has_alpha, parsed)


def read_jpeg(data):
    position = 2
    while position + 9 < len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        length = struct.unpack_from(">H", data, position + 2)[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, position + 5)
            return Image("jpeg", width, height, False)
        position += 2 + length
    raise BadImage("a JPEG without a frame")


def read_webp(data):
    kind = data[12:16]
    if kind == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return Image("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1))
    if kind == b"VP8X" and len(data) >= 30:
        width, height = (int.from_bytes(data[at:at + 3], "little") + 1 for at in (24, 27))
        return Image("webp", width, height, bool(data[20] & 0x10))
    if kind == b"VP8 " and len(data) >= 30:
        width, height = struct.unpack_from("<HH", data, 26)
        return Image("webp", width & 0x3FFF, height & 0x3FFF, False)
    raise BadImage("a WebP that is cut off")


def read_gif(data):
    if len(data) < 14:
        raise BadImage("a GIF that is cut off")
    width, height = struct.unpack_from("<HH", data, 6)
    return Image("gif", width, height, False)


READERS = ((re.compile(rb"\x89PNG\r\n\x1a\n"), read_png), (re.compile(rb"\xff\xd8\xff"), read_jpeg),
           (re.compile(rb"RIFF....WEBP", re.S), read_webp), (re.compile(rb"GIF8[79]a"), read_gif))


def read(data):
    for magic, reader in READERS:
        if magic.match(data):
            return reader(data)
    raise BadImage("not a PNG, JPEG, WebP or GIF file")


DATA_URI = re.compile(r"data:([a-z0-9.+/-]+);base64,([A-Za-z0-9+/]*={0,2})\Z")


def read_data_uri(text):
    """The MIME type and bytes of a data: URI, or BadImage; the base64 must be padded and without line breaks."""
    match = DATA_URI.match(text)
    if not match:
        raise BadImage("not a data URI with plain base64")
    try:
        return match.group(1), base64.b64decode(match.group(2), validate=True)
    except ValueError:
        raise BadImage("broken base64 in a data URI")


# ---- for the log -----------------------------------------------------------------------------------------

def describe(data):
    """What a test may want to know of uploaded bytes; None if they are no image."""
    try:
        image = read(data)
    except BadImage:
        return None
    told = {"kind": image.kind, "width": image.width, "height": image.height, "has_alpha": image.has_alpha}
    if image.parsed:
        told["channels"] = image.parsed.channels
        pixels = image.parsed.pixels()
        if pixels is not None:
            told["pixels_sha256"] = hashlib.sha256(pixels).hexdigest()
            if len(pixels) <= 16384:
                told["pixels"] = pixels.hex()
    return told
