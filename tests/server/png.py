"""PNG files: made cheaply for answers, and checked closely when a client uploads one."""

import functools
import hashlib
import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
# Undoing filters in pure Python is slow, so pixels are only given for pictures of at most this many.
PIXELS_SHOWN = 65536


class BadPNG(Exception):
    pass


class PNG:
    """What a checked file turned out to be; `rows` is the inflated, still filtered image."""

    def __init__(self, width, height, depth, colour, interlaced, transparency, rows):
        self.width = width
        self.height = height
        self.depth = depth
        self.colour = colour
        self.interlaced = interlaced
        self.transparency = transparency
        self.rows = rows
        self.channels = CHANNELS[colour]

    @property
    def has_alpha(self):
        return self.colour in (4, 6) or self.transparency

    def pixels(self):
        """Raw rows without filter bytes, or None where they would take too long or have fewer than 8 bits."""
        if self.depth != 8 or self.interlaced or self.width * self.height > PIXELS_SHOWN:
            return None
        stride = self.width * self.channels
        rows, previous, output = self.rows, bytearray(stride), []
        for start in range(0, len(rows), stride + 1):
            row = bytearray(rows[start + 1:start + 1 + stride])
            UNFILTERS[rows[start]](row, previous, self.channels)
            output.append(bytes(row))
            previous = row
        return b"".join(output)


# ---- making ----------------------------------------------------------------------------------------------

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def colour_of(prompt, index):
    digest = hashlib.sha256(("%s\0%d" % (prompt, index)).encode("utf-8", "surrogatepass")).digest()
    return digest[:6]


def make(prompt, index, width, height, transparent=False):
    return build(width, height, colour_of(prompt, index), transparent)


@functools.lru_cache(maxsize=64)
def build(width, height, colours, transparent):
    """Two halves of different colours; every row but the first repeats the one above, which packs fast."""
    alpha = b"\x80" if transparent else b""
    left = width // 2
    first = b"\0" + (colours[:3] + alpha) * left + (colours[3:] + alpha) * (width - left)
    repeat = b"\2" + bytes(len(first) - 1)
    packer = zlib.compressobj(1)
    packed = [packer.compress(first)]
    packed += [packer.compress(repeat) for _ in range(height - 1)]
    packed.append(packer.flush())
    header = struct.pack(">IIBBBBB", width, height, 8, 6 if transparent else 2, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", b"".join(packed)) + chunk(b"IEND", b"")


# ---- checking --------------------------------------------------------------------------------------------

def chunks(data):
    position = len(SIGNATURE)
    while position < len(data):
        if position + 12 > len(data):
            raise BadPNG("a chunk is cut off")
        (length,) = struct.unpack_from(">I", data, position)
        kind = data[position + 4:position + 8]
        end = position + 12 + length
        if end > len(data):
            raise BadPNG("a chunk is cut off")
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if checksum != zlib.crc32(data[position + 4:end - 4]):
            raise BadPNG("wrong checksum in chunk %r" % kind)
        yield kind, data[position + 8:end - 4]
        position = end


def parse(data):
    """Checks a whole file, checksums and image data included."""
    if not data.startswith(SIGNATURE):
        raise BadPNG("not a PNG")
    found = list(chunks(data))
    names = [name for name, _ in found]
    if not found or names[0] != b"IHDR" or names[-1] != b"IEND" or len(found[0][1]) != 13:
        raise BadPNG("IHDR and IEND must enclose the file")
    width, height, depth, colour, packing, filtering, interlaced = struct.unpack(">IIBBBBB", found[0][1])
    if not width or not height or packing or filtering or interlaced > 1 or depth not in DEPTHS.get(colour, ()):
        raise BadPNG("impossible IHDR")
    rows = inflate(b"".join(content for name, content in found if name == b"IDAT"))
    if not interlaced:
        check_rows(rows, width, height, depth * CHANNELS[colour])
    return PNG(width, height, depth, colour, interlaced, b"tRNS" in names, rows)


def inflate(packed):
    unpacker = zlib.decompressobj()
    try:
        rows = unpacker.decompress(packed, 512 << 20)
    except zlib.error as error:
        raise BadPNG("image data: %s" % error)
    if not unpacker.eof or unpacker.unused_data:
        raise BadPNG("image data doesn't end where it should")
    return rows


def check_rows(rows, width, height, bits):
    stride = 1 + (width * bits + 7) // 8
    if len(rows) != stride * height:
        raise BadPNG("%d bytes of image data where %d are needed" % (len(rows), stride * height))
    if max(rows[::stride]) > 4:
        raise BadPNG("unknown row filter")


def unfilter_none(row, previous, step):
    pass


def unfilter_sub(row, previous, step):
    for i in range(step, len(row)):
        row[i] = (row[i] + row[i - step]) & 255


def unfilter_up(row, previous, step):
    for i, above in enumerate(previous):
        row[i] = (row[i] + above) & 255


def unfilter_average(row, previous, step):
    for i, above in enumerate(previous):
        left = row[i - step] if i >= step else 0
        row[i] = (row[i] + (left + above) // 2) & 255


def unfilter_paeth(row, previous, step):
    for i, above in enumerate(previous):
        left, corner = (row[i - step], previous[i - step]) if i >= step else (0, 0)
        guess = left + above - corner
        nearest = min((abs(guess - left), 0, left), (abs(guess - above), 1, above),
                      (abs(guess - corner), 2, corner))
        row[i] = (row[i] + nearest[2]) & 255


UNFILTERS = (unfilter_none, unfilter_sub, unfilter_up, unfilter_average, unfilter_paeth)
