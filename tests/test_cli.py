#!/usr/bin/env python3
"""Tests of the command-line tool against the local server, and of what README.md says about both.

    tests/test_cli.py [Class[.test]]       TARASH_IMAGE_TOOL names the tool (default: build/tarash-image)

Every run is also searched for keys (none may be printed or written), for reports of the sanitizers, and for files that
were left unfinished."""

import base64
import hashlib
import http.client
import http.server
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse
import urllib.request

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SERVER = os.path.join(ROOT, "tests", "server")
sys.path.insert(0, SERVER)
import formats  # noqa: E402
import png  # noqa: E402
import tables  # noqa: E402

TOOL = os.path.abspath(os.environ.get("TARASH_IMAGE_TOOL") or os.path.join(ROOT, "build", "tarash-image"))
CC = shlex.split(os.environ.get("CC") or "cc")
TIME_LIMIT = 60  # seconds for one run
MARK = "Zq7Recognisable9xW"
KEYS = {"OPENAI_API_KEY": "sk-openai-" + MARK, "OPENAI_COMPATIBLE_API_KEY": "sk-compatible-" + MARK,
        "XAI_API_KEY": "xai-" + MARK, "INDOX_ROUTER_API_KEY": "indox-" + MARK,
        "ATOMASDK_BEARER_AUTH": "sk-atoma-" + MARK, "STABILITY_API_KEY": "sk-stability-" + MARK}
WRONG_KEY = "sk-bad-" + MARK


def base64_faces(text):
    """What `text` looks like within base64, at each of the three places where it may begin."""
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + text.encode()).decode()
        yield encoded[-(-shift * 8 // 6):(shift + len(text)) * 8 // 6]


FACES_OF_KEYS = [face.encode() for face in (MARK, *base64_faces(MARK))]


def environment(**more):
    env = {name: value for name, value in os.environ.items()
           if not re.search(r"_API_KEY$|^OPENAI_|^ATOMASDK_|_proxy$|^CURL_|^SSL_CERT", name, re.I)}
    env.update(KEYS, LC_ALL="C")
    env.update(more)
    return {name: value for name, value in env.items() if value is not None}


# ---- the servers -------------------------------------------------------------------------------------------

class Server:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="test_cli-server-")
        self.certificate = self.make_certificate()
        ports = os.path.join(self.folder, "ports.json")
        tls = ["--tls", self.certificate, os.path.join(self.folder, "key.pem")] if self.certificate else []
        self.process = subprocess.Popen([sys.executable, "-B", os.path.join(SERVER, "server.py"), "--ports-file", ports]
                                        + tls, stdin=subprocess.PIPE)
        deadline = time.monotonic() + 20
        while not os.path.exists(ports):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the test server doesn't start")
            time.sleep(0.02)
        with open(ports, encoding="utf-8") as file:
            self.ports = json.load(file)
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def make_certificate(self):
        if not shutil.which("openssl"):
            return None
        names = [os.path.join(self.folder, name) for name in ("certificate.pem", "key.pem")]
        made = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                               "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                               "subjectAltName=IP:127.0.0.1", "-out", names[0], "-keyout", names[1]],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return names[0] if made.returncode == 0 else None

    def control(self, session, command, document=None):
        data = None if document is None else json.dumps(document).encode()
        url = "http://127.0.0.1:%d/_control/%s/%s" % (self.ports["api"], session, command)
        with self.opener.open(url, data, timeout=20) as reply:
            return json.load(reply)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


class ProxyHandler(http.server.BaseHTTPRequestHandler):
    """A forward proxy for which every host is the local API."""

    def do_POST(self):
        target = urllib.parse.urlsplit(self.path)
        self.server.seen.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        onward = http.client.HTTPConnection("127.0.0.1", SERVERS["main"].ports["api"], timeout=20)
        onward.request("POST", target.path, body, {name: value for name, value in self.headers.items()
                                                   if not name.lower().startswith("proxy-")})
        reply = onward.getresponse()
        data = reply.read()
        onward.close()
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.headers["Content-Type"])
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


SERVERS = {}


def setUpModule():
    if not os.access(TOOL, os.X_OK):
        raise RuntimeError("%s isn't there: run make" % TOOL)
    SERVERS["main"] = Server()


def tearDownModule():
    SERVERS.pop("main").stop()


# ---- running the tool --------------------------------------------------------------------------------------

class Run:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err.decode("utf-8", "replace")

    @property
    def text(self):
        return self.out.decode("utf-8")

    @property
    def lines(self):
        return self.text.splitlines()

    @property
    def json(self):
        """The one object on standard output, which must be alone on one line."""
        text = self.text
        if text.count("\n") != 1 or not text.endswith("\n"):
            raise AssertionError("not one line: %r" % text)
        return json.loads(text, parse_constant=lambda word: 1 / 0)


class Case(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        self.server = SERVERS["main"]
        self.folder = tempfile.mkdtemp(prefix="test_cli-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.session = "%s.%s" % (type(self).__name__, self._testMethodName)
        self.key_files = set()

    def tearDown(self):
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(folder, name)
                self.assertFalse(name.endswith((".part", ".tmp")), "left unfinished: " + name)
                if path not in self.key_files:
                    self.search_for_keys(self.read(path), "file " + name)
        self.assertEqual(self.server.control(self.session, "leaks"), [])

    def search_for_keys(self, data, where):
        for face in FACES_OF_KEYS:
            self.assertNotIn(face, data, "a key in " + where)

    # ---- files ----

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)

    def write_key(self, data, name="key"):
        self.key_files.add(self.path(name))
        return self.write(name, data)

    def files(self):
        return sorted(os.listdir(self.folder))

    def write_picture(self, name="in.png", transparent=False):
        data = png.make(name, 0, 64, 64, transparent)
        self.write(name, data)
        return data

    def check_same(self, data, expected):
        """Without showing bytes that nobody can read."""
        sums = [(len(one), hashlib.sha256(one).hexdigest()) for one in (data, expected)]
        self.assertEqual(sums[0], sums[1])

    def check_png(self, data, size=None):
        picture = png.parse(data)
        if size:
            self.assertEqual((picture.width, picture.height), size)

    # ---- the server ----

    def base(self, protocol, session=None, scheme="http"):
        port = self.server.ports["api" if scheme == "http" else "tls"]
        path = "" if protocol == "indoxrouter" or protocol == "atoma" else "/v1"
        return "%s://127.0.0.1:%d/s/%s/%s%s" % (scheme, port, session or self.session, protocol, path)

    def script(self, *behaviours, session=None):
        self.server.control(session or self.session, "script", list(behaviours))

    def log(self, session=None):
        return self.server.control(session or self.session, "log")

    def posts(self, session=None):
        return [entry for entry in self.log(session) if entry["method"] == "POST"]

    def wait_for(self, **numbers):
        query = "&".join("%s=%d" % item for item in numbers.items())
        self.assertTrue(self.server.control(self.session, "wait?" + query)["satisfied"], "the server waits in vain")

    def header(self, entry, name):
        return [value for key, value in entry["headers"] if key.lower() == name.lower()]

    # ---- runs ----

    def check_run(self, run, arguments, status):
        self.search_for_keys(run.out, "standard output")
        self.search_for_keys(run.err.encode(), "standard error")
        for word in ("AddressSanitizer", "LeakSanitizer", "runtime error:"):
            self.assertNotIn(word, run.err, arguments)
        if status is not None:
            self.assertEqual(run.status, status, "%s\n%s%s" % (arguments, run.out[:2000], run.err))
        return run

    def tool(self, *arguments, status=0, env=None, **options):
        done = subprocess.run([TOOL, *arguments], cwd=self.folder, env=environment(**(env or {})),
                              stdin=subprocess.DEVNULL, stdout=options.pop("stdout", subprocess.PIPE),
                              stderr=subprocess.PIPE, timeout=TIME_LIMIT, **options)
        return self.check_run(Run(done.returncode, done.stdout or b"", done.stderr), arguments, status)

    def ask(self, provider, *arguments, protocol=None, status=0, prompt="a cat", **options):
        """The tool with that provider, played by the server; one try unless the arguments want more."""
        base = self.base(protocol or {"openai_compatible": "compatible"}.get(provider, provider))
        prompts = [] if prompt is None else [prompt]
        return self.tool("--provider", provider, "--base-url", base, "--max-retries", "0", *arguments, *prompts,
                         status=status, **options)

    def refused(self, *arguments, says="", status=2, **options):
        run = self.tool(*arguments, status=status, **options)
        self.assertEqual(run.out, b"")
        self.assertTrue(run.err.startswith("tarash-image: "), run.err)
        self.assertIn(says, run.err)
        return run

    def body(self, provider, *arguments, **options):
        """The body of the one request that was sent."""
        self.server.control(self.session, "reset", {})
        self.ask(provider, *arguments, **options)
        (entry,) = self.posts()
        return entry["json"]

    def warnings(self, provider, *arguments):
        return {warning["field"]: warning for warning in self.ask(provider, "--json", *arguments).json["warnings"]}

    def start(self, *arguments):
        # A shell in the background passes on that SIGINT is ignored; the tool must heed it all the same.
        process = subprocess.Popen([TOOL, *arguments], cwd=self.folder, env=environment(), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def interrupt(self, process, status=130):
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIME_LIMIT)
        self.assertLess(time.monotonic() - began, 5)
        return self.check_run(Run(process.returncode, out, err), process.args, status)

    def wait_until(self, condition, what):
        deadline = time.monotonic() + 10
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.01)


# ---- the command line --------------------------------------------------------------------------------------

def options_of_help(text):
    return re.findall(r"^ {2}(?:-\w,| {3}) --([a-z-]+)", text, re.M)


class CommandLine(Case):
    def test_help(self):
        run = self.tool("--help")
        self.assertEqual(run.text, self.tool("-h").text)
        self.assertEqual(run.err, "")
        for status in (0, 2, 3, 4, 5, 6, 7, 130):
            self.assertRegex(run.text, r"(?m)^ +%d  \S" % status)
        self.assertLessEqual(max(map(len, run.lines)), 120)

    def test_every_option_of_help_is_tested_here(self):
        names = options_of_help(self.tool("--help").text)
        self.assertGreater(len(names), 40)
        with open(__file__, encoding="utf-8") as file:
            source = file.read()
        self.assertEqual([name for name in names if not re.search(r'"--%s["=]' % name, source)], [])

    def test_version(self):
        with open(os.path.join(ROOT, "tarash_image.h"), encoding="utf-8") as file:
            version = re.search(r'#define TARASH_IMAGE_VERSION +"([^"]+)"', file.read()).group(1)
        self.assertRegex(self.tool("--version").text, r"\Atarash-image %s \(libcurl/.*\)\n\Z" % re.escape(version))
        self.assertIn("tarash-image %s " % version, self.tool("--help").lines[0])

    def test_an_unknown_option_leads_to_help(self):
        for argument, named in (("--nope", "--nope"), ("--nope=3", "--nope"), ("--Model", "--Model"), ("-z", "-z"),
                                ("-qz", "-z"), ("--mod", "--mod")):
            run = self.refused("--mock", argument, "a cat", says="no option %s;" % named)
            self.assertIn("--help", run.err)

    def test_a_value_that_is_missing_or_too_much(self):
        self.refused("--mock", "a cat", "--size", says="--size needs a value")
        self.refused("--mock", "a cat", "-n", says="--count needs a value")
        self.refused("--mock", "a cat", "-o", says="--out needs a value")
        self.refused("--mock", "--json=yes", "a cat", says="--json takes no value")
        self.refused("--mock", "--strict=", "a cat", says="--strict takes no value")

    def test_both_ways_of_giving_a_value(self):
        self.tool("--mock", "--size=16x16", "--out=a-{index}.png", "-n2", "a cat")
        self.tool("--mock", "--size", "16x16", "--out", "b-{index}.png", "--count", "2", "a cat")
        self.tool("--mock", "-qob-{index}.png", "--size=16x16", "-n", "1", "a cat")
        self.assertEqual(self.files(), ["a-0.png", "a-1.png", "b-0.png", "b-1.png"])
        self.check_same(self.read("a-1.png"), self.read("b-1.png"))

    def test_two_dashes_end_the_options(self):
        body = self.body("openai", "-o", "x.png", "--", prompt="--json")
        self.assertEqual(body["prompt"], "--json")
        self.refused("--mock", "--", "a", "cat", says="more than one prompt")
        self.refused("--mock", "--", "--json", "-n", says="more than one prompt")

    def test_the_prompt(self):
        self.refused("--mock", says="a prompt is needed")
        self.refused("--mock", "a", "cat", says='more than one prompt: "cat" after "a"')
        self.refused("--mock", "auto", "cat", says="--mock=SPEC")
        self.refused("--mock", "", says="prompt")
        self.refused("--mock", b"\xff\xfe", says="prompt")
        self.assertEqual(self.body("openai", prompt="K\u00e4tzchen \U0001f431\nhere")["prompt"],
                         "K\u00e4tzchen \U0001f431\nhere")

    def test_options_after_the_prompt_count(self):
        self.tool("a cat", "--mock", "--size", "16x16", "-o", "x.png")
        self.check_png(self.read("x.png"), (16, 16))

    def test_of_a_repeated_option_the_last_counts(self):
        body = self.body("openai", "--quality", "low", "--size", "1024x1024", "--quality", "high", "--size=1536x1024",
                         "-n", "3", "-n1", "-o", "a.png", "-o", "b.png")
        self.assertEqual((body["quality"], body["size"], body.get("n", 1)), ("high", "1536x1024", 1))
        self.assertEqual(self.files(), ["b.png"])
        self.assertEqual(self.tool("--mock=HTTP", "--mock=HTTP", "--fallback-on", "TIMEOUT", "--fallback-on", "HTTP",
                                   "--fallback", "mock", "--max-retries", "0", "-q", "c").status, 0)

    def test_strict_numbers(self):
        bad = {
            "-n": ("abc", "0", "-1", "1x", " 1", "+1", "1.0", "0x1", "", "65", "2147483648", "99999999999999999999"),
            "--count": ("1,", "1e1"),
            "--seed": ("1x", "", "-", "--1", "1.5", "9223372036854775808", "-9223372036854775809", "1 "),
            "--timeout": ("0", "-1", "1e3", "", ".", "1.2.3", "0.0001", "2147484", "5s", "nan", "inf", "0x10"),
            "--total-timeout": ("0", "1,5", "-0.5", "99999999999999999999999"),
            "--max-retries": ("-1", "101", "1x", "", "4294967296"),
            "--poll-interval": ("0", "x", "-2", "1 "),
            "--max-poll-attempts": ("0", "-5", "1.5", "2147483648"),
            "--partial-images": ("-1", "4", "x", ""),
        }
        for option, values in bad.items():
            for value in values:
                with self.subTest(option=option, value=value):
                    self.refused("--mock", option, value, "a cat")
        self.assertEqual(self.files(), [])
        for option, value in (("--seed", "9223372036854775807"), ("--timeout", "0.5"), ("--timeout", "2000000"),
                              ("--timeout", ".5"), ("--total-timeout", "007"), ("--max-retries", "100"),
                              ("--poll-interval", "0.001"), ("--max-poll-attempts", "100000")):
            self.tool("--mock", "-q", "--size", "16x16", option, value, "a cat")

    def test_bad_words(self):
        for arguments, says in (
                (("--output", "file"), "auto|bytes|url|base64"), (("--output", ""), "--output"),
                (("--on-unknown", "retry"), "fallback|stop"), (("--size", "10"), "size"), (("--size", "0x5"), "size"),
                (("--size", "axb"), "size"), (("--size", "70000x1"), "size"),
                (("--aspect-ratio", "16"), "aspect_ratio"),
                (("--aspect-ratio", "0:1"), "aspect_ratio"), (("--extra", "x"), "extra"), (("--extra", "[]"), "extra"),
                (("--extra", '{"a":1}x'), "extra"), (("--provider-config", "1"), "provider_config"),
                (("--header", "x"), "--header"), (("--header", ": x"), "--header"),
                (("--header", "X-A: b\r\nX-B: c"), "header"), (("--user", ""), "user"), (("--model", ""), "model"),
                (("--provider", ""), "provider"), (("--image", ""), "--image"), (("--image", "=style"), "--image"),
                (("--image", "absent.png"), "absent.png"), (("--mask", ""), "--mask"),
                (("--mask", "absent.png"), "mask"), (("--resume", "x"), "--resume")):
            with self.subTest(arguments=arguments):
                self.refused("--mock", *arguments, "a cat", says=says)
        self.assertEqual(self.files(), [])

    def test_providers_that_nobody_knows(self):
        self.refused("--provider", "nope", "a cat", says="openai_compatible")  # it says which there are
        self.refused("a cat", says="provider")
        self.refused("--model", "nope/x", "a cat", says="nope")
        self.refused("--provider", "openai", "--base-url", self.base("openai"), "--fallback", "nope", "c", says="nope")
        self.refused("--provider", "openai", "--base-url", "ftp://127.0.0.1/", "c", says="base_url")
        self.refused("--provider", "openai", "--base-url", "http://u:p@127.0.0.1/", "c", says="base_url")
        self.refused("--provider", "openai_compatible", "c", says="base_url")
        self.assertEqual(self.log(), [])


# ---- what is sent ------------------------------------------------------------------------------------------

class Sent(Case):
    """Each option in the request that the server got."""

    def test_fields_of_the_body(self):
        for option, value, name, sent in (
                ("--model", "my-model", "model", "my-model"), ("--negative-prompt", "dogs", "negative_prompt", "dogs"),
                ("--size", "256x256", "size", "256x256"), ("--quality", "fine", "quality", "fine"),
                ("--style", "vivid", "style", "vivid"), ("--seed", "-5", "seed", -5),
                ("--seed", "9223372036854775807", "seed", 9223372036854775807),
                ("--output-format", "webp", "output_format", "webp"),
                ("--background", "transparent", "background", "transparent"), ("--user", "u-1", "user", "u-1"),
                ("--output", "url", "response_format", "url"), ("--output", "bytes", "response_format", "b64_json"),
                ("--partial-images", "2", "partial_images", 2), ("--extra", '{"steps":4}', "steps", 4),
                ("--provider-config", '{"response_format":"url"}', "response_format", "url")):
            with self.subTest(option=option):
                self.assertEqual(self.body("openai_compatible", option, value)[name], sent)

    def test_extra_is_merged(self):
        body = self.body("openai", "--quality", "low", "--extra", '{"moderation":"low","quality":"high"}')
        self.assertEqual((body["moderation"], body["quality"]), ("low", "high"))

    def test_aspect_ratio(self):
        body = self.body("xai", "--aspect-ratio", "16:9")
        self.assertEqual(body["aspect_ratio"], "16:9")
        body = self.body("openai", "--aspect-ratio", "16:9")
        width, height = map(int, body["size"].split("x"))
        self.assertAlmostEqual(width / height, 16 / 9, places=1)
        self.assertIn("aspect_ratio", self.warnings("openai", "--aspect-ratio", "16:9"))

    def test_count(self):
        body = self.body("openai", "-n", "3", "-o", "{index}.png")
        self.assertEqual(body["n"], 3)
        self.assertEqual(self.files(), ["0.png", "1.png", "2.png"])

    def test_provider_from_the_model(self):
        self.tool("--model", "openai/gpt-image-2", "--base-url", self.base("openai"), "a cat")
        self.assertEqual(self.posts()[0]["json"]["model"], "gpt-image-2")

    def test_settings_of_the_provider(self):
        self.ask("openai", "--provider-config", '{"organization":"org-1","project":"proj-1"}')
        (entry,) = self.posts()
        self.assertEqual(self.header(entry, "OpenAI-Organization"), ["org-1"])
        self.assertEqual(self.header(entry, "OpenAI-Project"), ["proj-1"])
        self.assertIn("provider_config.zzz", self.warnings("openai", "--provider-config", '{"zzz":1}'))

    def test_headers(self):
        self.ask("openai", "--header", "X-One: a: b", "--header", "X-Two:c", "--header", "X-Three:  d")
        (entry,) = self.posts()
        self.assertEqual([self.header(entry, name) for name in ("X-One", "X-Two", "X-Three")],
                         [["a: b"], ["c"], ["d"]])

    def test_api_version(self):
        self.assertEqual(self.warnings("openai", "--api-version", "2026-01-01")["api_version"]["asked"], "2026-01-01")

    def test_partial_images(self):
        run = self.ask("openai", "--partial-images", "2", "-o", "cat.{ext}")
        self.assertEqual(self.posts()[0]["json"]["partial_images"], 2)
        self.assertEqual(self.files(), ["cat.partial-1.png", "cat.partial-2.png", "cat.png"])
        for name in self.files():
            self.check_png(self.read(name))
        self.assertEqual(run.lines, ["cat.png"])
        self.assertIn("preview: cat.partial-2.png", run.err)
        self.check_same(self.ask("openai", "--partial-images", "1", "-o", "-").out, self.read("cat.png"))
        self.assertEqual(len(self.files()), 3)

    def test_output_format(self):
        for word, kind, name in (("jpeg", "jpeg", "p.jpg"), ("webp", "webp", "p.webp"), ("png", "png", "p.png")):
            (image,) = self.ask("openai", "--output-format", word, "-o", "p.{ext}", "--json").json["images"]
            self.assertEqual((image["path"], image["mime_type"]), (name, formats.MIME[kind]))
            self.assertEqual(formats.read(self.read(name)).kind, kind)

    def test_an_image_file_as_a_form(self):
        data = self.write_picture()
        self.ask("openai", "--image", "in.png")
        (entry,) = self.posts()
        self.assertTrue(entry["path"].endswith("/images/edits"))
        (part,) = [part for part in entry["parts"] if part["filename"]]
        self.assertEqual((part["name"], part["filename"], part["content_type"], part["sha256"]),
                         ("image", "in.png", "image/png", hashlib.sha256(data).hexdigest()))

    def test_several_images_and_a_mask(self):
        names = ("in.png", "b=c.png", "mask.png")
        sums = [hashlib.sha256(self.write_picture(name, name == "mask.png")).hexdigest() for name in names]
        run = self.ask("openai", "--image", "in.png=style", "--image", "b=c.png", "--mask", "mask.png", "--json")
        (entry,) = self.posts()
        parts = [part for part in entry["parts"] if part["filename"]]
        self.assertEqual([part["name"] for part in parts], ["image[]", "image[]", "mask"])
        self.assertEqual([part["sha256"] for part in parts], sums)
        fields = {warning["field"]: warning for warning in run.json["warnings"]}
        self.assertEqual(fields["images[0].role"]["asked"], "style")
        self.assertNotIn("images[1].role", fields)

    def test_roles(self):
        self.write_picture()
        for role in ("first_frame", "last_frame", "asset", "style"):
            self.assertEqual(self.warnings("openai", "--image", "in.png=" + role)["images[0].role"]["asked"], role)
        self.assertEqual(self.warnings("openai", "--image", "in.png=reference"), {})
        self.refused("--mock", "--image", "in.png=other", "c", says="in.png=other")

    def test_an_image_file_within_json(self):
        data = self.write_picture()
        self.ask("xai", "--image", "in.png")
        (entry,) = self.posts()
        (image,) = entry["images"]
        self.assertEqual((image["path"], image["sha256"]), ("image.url", hashlib.sha256(data).hexdigest()))

    def test_an_image_url(self):
        url = "https://images.example/a.png?kind=x"
        self.assertEqual(self.body("xai", "--image", url)["image"], {"url": url, "type": "image_url"})
        styled = "https://images.example/a.png?kind=style"
        self.assertEqual(self.body("xai", "--image", styled + "=reference")["image"]["url"], styled)
        data = "data:image/png;base64," + base64.b64encode(self.write_picture()).decode()
        self.assertEqual(self.body("xai", "--image", data)["image"]["url"], data)

    def test_an_image_without_a_prompt(self):
        self.write_picture()
        self.refused("--mock", says="prompt")
        self.ask("openai_compatible", "--image", "in.png", "--model", "m", prompt=None, status=None)

    def test_images_that_a_provider_can_not_take(self):
        self.write_picture()
        self.assertEqual(self.ask("atoma", "--image", "in.png", "--json", status=2).json["result"], "UNSUPPORTED")
        self.assertEqual(self.log(), [])

    def test_strict(self):
        self.assertEqual(self.warnings("openai", "--style", "vivid")["style"]["sent"], "")
        before = len(self.log())
        error = self.ask("openai", "--style", "vivid", "--strict", "--json", status=2).json["error"]
        self.assertEqual(error["result"], "VALIDATION")
        self.assertIn("style", error["message"])
        self.assertEqual(len(self.log()), before)


class Plans(Case):
    def test_plan(self):
        self.write_picture()
        run = self.ask("openai", "--plan", "--size", "1536x1024", "--style", "vivid", "--fallback",
                       "xai/grok-imagine-image@" + self.base("xai"))
        first, second = run.json
        self.assertLessEqual({"provider", "method", "url", "headers", "body", "warnings"}, set(first))
        self.assertEqual((first["provider"], first["method"], first["url"]),
                         ("openai", "POST", self.base("openai") + "/images/generations"))
        self.assertEqual(first["headers"]["Authorization"], "[redacted]")
        self.assertEqual(first["body"]["size"], "1536x1024")
        self.assertEqual([warning["field"] for warning in first["warnings"]], ["style"])
        self.assertEqual((second["provider"], second["body"]["model"]), ("xai", "grok-imagine-image"))
        self.assertEqual((self.log(), self.files()), ([], ["in.png"]))

    def test_a_form_is_listed_by_its_parts(self):
        data = self.write_picture()
        (link,) = self.ask("openai", "--plan", "--image", "in.png").json
        self.assertIn({"name": "prompt", "value": "a cat"}, link["body"])
        self.assertIn({"name": "image", "filename": "in.png", "content_type": "image/png", "bytes": len(data)},
                      link["body"])

    def test_keys_that_are_headers_are_redacted(self):
        key = "sk-own-" + MARK
        headers = self.ask("openai", "--plan", "--header", "Authorization: Bearer " + key,
                           "--header", "X-Api-Key: " + key).json[0]["headers"]
        self.assertEqual(headers["Authorization"], "[redacted]")
        self.ask("indoxrouter", "--plan", "--provider-config", json.dumps({"byok_api_key": key}))

    def test_a_plan_writes_nothing(self):
        self.assertEqual(self.tool("--mock", "--plan", "-o", "absent/x.png", "c").json[0]["provider"], "mock")
        self.refused("--plan", "--resume", "x", says="--resume")
        self.assertEqual(self.ask("openai", "--plan", "--size", "5", status=2).out, b"")
        self.assertEqual(self.ask("openai", "--plan", "--size", "5", "--json", status=2).json["result"], "VALIDATION")


# ---- what is printed ---------------------------------------------------------------------------------------

MEMBERS = {"result": str, "provider": (str, None), "model": (str, None), "request_id": (str, None), "is_mock": bool,
           "images": list, "warnings": list, "usage": dict, "attempts": list, "error": (dict, None)}
IMAGE = {"index": int, "path": (str, None), "url": (str, None), "mime_type": (str, None), "width": (int, None),
         "height": (int, None), "bytes": (int, None), "revised_prompt": (str, None), "seed": (int, None)}
WARNING = {"field": str, "asked": str, "sent": str, "why": str}
USAGE = {"input_tokens": (int, None), "output_tokens": (int, None), "total_tokens": (int, None)}
ATTEMPT = {"provider": str, "model": str, "result": str, "http_status": (int, None), "delivery": str, "retries": int,
           "elapsed_ms": int, "message": str}
ERROR = {"result": str, "http_status": (int, None), "provider_code": (str, None), "delivery": str,
         "retry_after_ms": (int, None), "message": str, "job_token": (str, None)}


class Json(Case):
    def check_members(self, document, members):
        self.assertEqual(list(document), list(members))
        for name, types in members.items():
            types = types if isinstance(types, tuple) else (types,)
            self.assertIn(None if document[name] is None else type(document[name]), types, name)

    def check(self, run):
        document = run.json
        self.check_members(document, MEMBERS)
        for image in document["images"]:
            self.check_members(image, IMAGE)
        for warning in document["warnings"]:
            self.check_members(warning, WARNING)
        self.check_members(document["usage"], USAGE)
        for attempt in document["attempts"]:
            self.check_members(attempt, ATTEMPT)
        if document["result"] == "OK":
            self.assertIsNone(document["error"])
        else:
            self.check_members(document["error"], ERROR)
            self.assertEqual(document["error"]["result"], document["result"])
            self.assertTrue(document["error"]["message"])
        return document

    def test_success(self):
        document = self.check(self.ask("openai", "--json", "--style", "vivid", "-n", "2", "--size", "1024x1024"))
        data = self.read("tarash-1.png")
        self.assertEqual(document["images"][1], {
            "index": 1, "path": "tarash-1.png", "url": None, "mime_type": "image/png", "width": 1024, "height": 1024,
            "bytes": len(data), "revised_prompt": None, "seed": None})
        self.assertEqual((document["provider"], document["model"], document["is_mock"]),
                         ("openai", "gpt-image-2.5-flare", False))
        self.assertEqual([warning["field"] for warning in document["warnings"]], ["style"])
        self.assertGreater(document["usage"]["total_tokens"], 0)
        (attempt,) = document["attempts"]
        self.assertEqual((attempt["result"], attempt["http_status"], attempt["delivery"], attempt["retries"]),
                         ("OK", 200, "ACCEPTED", 0))

    def test_the_mock(self):
        document = self.check(self.tool("--mock", "--json", "--seed", "7", "--size", "16x16", "a cat"))
        self.assertEqual((document["is_mock"], document["images"][0]["seed"]), (True, 7))

    def test_revised_prompt(self):
        self.script({"image_result": {"revised_prompt": 'a "fine" cat\n\u0001\u001b[31m \u732b'}})
        document = self.check(self.ask("openai_compatible", "--json"))
        self.assertEqual(document["images"][0]["revised_prompt"], 'a "fine" cat\n\u0001\u001b[31m \u732b')

    def test_provider_failure(self):
        self.script({"status": 429, "headers": {"Retry-After": "7"}})
        run = self.ask("openai", "--json", status=4)
        document = self.check(run)
        self.assertEqual({name: document["error"][name] for name in list(ERROR)[:5]}, {
            "result": "RATE_LIMITED", "http_status": 429, "provider_code": "rate_limit_exceeded",
            "delivery": "REJECTED", "retry_after_ms": 7000})
        self.assertEqual((document["images"], len(document["attempts"])), ([], 1))
        self.assertIn(document["error"]["message"], run.err)

    def test_validation_failure(self):
        document = self.check(self.ask("openai", "--json", "--size", "nonsense", status=2))
        self.assertEqual((document["result"], document["attempts"], document["error"]["delivery"]),
                         ("VALIDATION", [], "NOT_SENT"))
        self.assertIn("size", document["error"]["message"])
        self.assertEqual(self.log(), [])

    def test_usage_failure(self):
        for arguments in (("--nope", "--json", "c"), ("--json", "--mock"), ("--mock", "-n", "x", "--json", "c"),
                          ("a", "b", "--json"), ("--json", "--mock", "-o", "-", "c")):
            document = self.check(self.tool(*arguments, status=2))
            self.assertEqual((document["result"], document["provider"], document["images"]), ("VALIDATION", None, []))

    def test_local_failure(self):
        self.assertEqual(self.check(self.tool("--mock", "--json", "-o", "no/x.png", "c", status=7))["result"], "IO")

    def test_no_model_is_null(self):
        self.assertIsNone(self.check(self.ask("openai_compatible", "--json"))["model"])

    def test_all_attempts(self):
        self.script({"status": 503})
        document = self.check(self.ask("openai", "--json", "--fallback", "xai@" + self.base("xai")))
        self.assertEqual([(a["provider"], a["result"], a["http_status"]) for a in document["attempts"]],
                         [("openai", "HTTP", 503), ("xai", "OK", 200)])
        self.assertEqual(document["provider"], "xai")

    def test_text_from_a_server_does_not_move_the_cursor(self):
        self.script({"status": 400, "body": {"error": {"message": "\u001b[2J\u0007 wrong \u009b", "code": "c"}}})
        self.assertNotRegex(self.ask("openai", status=2).err, "[\x00-\x09\x0b-\x1f\x7f-\x9f]")

    def test_broken_text_from_a_server_stays_valid_json(self):
        self.script({"status": 400, "headers": {"Content-Type": "text/plain"}, "body": 'x\udcff"\\\u0000\ud800'})
        self.check(self.ask("openai", "--json", status=2))


class Verbosity(Case):
    def test_quiet(self):
        run = self.ask("openai", "-q", "--style", "vivid", "--partial-images", "1")
        self.assertEqual((run.out, run.err), (b"", ""))
        self.script({"status": 500})
        run = self.ask("openai", "--quiet", status=6)
        self.assertEqual((run.out, run.err.count("\n")), (b"", 1))

    def test_normal(self):
        run = self.ask("openai", "--style", "vivid", "-o", "x.png")
        self.assertEqual(run.lines, ["x.png"])
        self.assertRegex(run.err, r"\Atarash-image: warning: openai: style \"vivid\" was left out: .*\n\Z")
        self.assertEqual(self.tool("--mock=polling,delay=1", "c").err, "")  # no progress where no terminal is

    def test_verbose(self):
        for option in ("-v", "--verbose"):
            self.assertIn("/images/generations", self.ask("openai", option).err)

    def on_terminal(self, *arguments):
        ours, theirs = os.openpty()
        process = subprocess.Popen([TOOL, *arguments], cwd=self.folder, env=environment(), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=theirs)
        os.close(theirs)
        seen = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux's way of saying that nobody holds the other end
                break
            if not piece:
                break
            seen += piece
        os.close(ours)
        out = process.communicate(timeout=TIME_LIMIT)[0]
        return self.check_run(Run(process.returncode, out, seen), arguments, 0)

    def test_progress_on_a_terminal(self):
        run = self.on_terminal("--mock=polling,delay=150", "-o", "x.png", "a cat")
        self.assertEqual(run.lines, ["x.png"])
        for word in ("queued at mock", "processing at mock", "50%"):
            self.assertIn(word, run.err)
        self.assertRegex(run.err, r"\r *\r\Z")  # and it is cleared
        self.assertEqual(self.on_terminal("--mock=polling,delay=20", "-q", "a cat").err, "")

    def test_bytes_on_a_terminal(self):
        self.script({"trickle": {"chunk": 2000, "every_ms": 60}})
        run = self.on_terminal("--provider", "openai", "--base-url", self.base("openai"), "a cat")
        self.assertRegex(run.err, r"\d kB")


# ---- files and pipes ---------------------------------------------------------------------------------------

class Output(Case):
    def mock(self, *arguments, **options):
        return self.tool("--mock", "--size", "16x16", *arguments, "a cat", **options)

    def test_patterns(self):
        os.mkdir(self.path("sub"))
        for arguments, names in (
                ((), ["tarash-0.png"]), (("-n", "2"), ["tarash-0.png", "tarash-1.png"]),
                (("-o", "plain"), ["plain"]), (("--out", "a.jpg"), ["a.jpg"]), (("-o", "x{index}"), ["x0"]),
                (("-n2", "-o", "{index}-{index}.{ext}.{ext}"), ["0-0.png.png", "1-1.png.png"]),
                (("-o", "{foo}{{ext}"), ["{foo}{png"]), (("-o", "sub/y.{ext}"), ["sub/y.png"]),
                (("-o", self.path("absolute.{ext}")), [self.path("absolute.png")]), (("-o", "./-"), ["./-"])):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.mock(*arguments).lines, names)
                for name in names:
                    self.check_png(self.read(name), (16, 16))

    def test_refusals(self):
        for arguments, says in ((("-n", "2", "-o", "a.png"), "{index}"), (("-o", "-", "--json"), "--json"),
                                (("-o", "-", "-n", "2"), "one image"), (("-o", ""), "empty")):
            run = self.mock(*arguments, status=2)
            self.assertIn(says, run.err)
        self.assertEqual(self.files(), [])

    def test_a_folder_that_is_missing_is_noticed_before_anything_is_sent(self):
        run = self.ask("openai", "-o", "absent/x.png", status=7)
        self.assertIn("absent", run.err)
        self.assertEqual(self.log(), [])

    def test_a_directory_is_refused_before_anything_is_sent(self):
        os.mkdir(self.path("folder"))
        for pattern in ("folder", "folder/"):
            run = self.ask("openai", "-o", pattern, status=None)
            self.assertIn(run.status, (2, 7))
        self.assertEqual((self.log(), self.files()), ([], ["folder"]))

    def test_an_error_names_the_file(self):
        self.assertIn("absent0/x.png", self.mock("-o", "absent{index}/x.png", status=7).err)

    def test_an_existing_file_is_replaced_as_a_whole(self):
        self.write("x.png", b"old" * 100000)
        self.mock("-o", "x.png")
        self.check_png(self.read("x.png"), (16, 16))

    def test_a_pipe_gets_exactly_the_image(self):
        run = self.ask("openai", "-o", "-")
        self.check_png(run.out)  # from signature to IEND, and nothing behind it
        self.ask("openai", "-o", "x.png")
        self.check_same(run.out, self.read("x.png"))
        self.check_png(self.mock("-o", "-").out, (16, 16))
        self.check_png(self.ask("openai", "-vo-").out)
        self.assertEqual(self.files(), ["x.png"])

    def test_a_pipe_gets_a_downloaded_image(self):
        self.script({"image_result": {"url": True}})
        self.assertEqual(formats.read(self.ask("xai", "-o", "-").out).kind, "jpeg")

    def test_a_reader_that_has_left(self):
        process = self.start("--mock=latency=200", "-o", "-", "a cat")
        process.stdout.close()
        process.stderr.read()
        self.assertIn(process.wait(TIME_LIMIT), (7, -signal.SIGPIPE))

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full")
    def test_a_full_disk(self):
        with open("/dev/full", "wb") as full:
            for arguments in (("-o", "-"), ("-o", "x.png"), ("--json",), ("--plan",)):
                self.assertIn("standard output", self.mock(*arguments, status=7, stdout=full).err)
            self.tool("--list-providers", status=7, stdout=full)

    def test_output_url(self):
        run = self.ask("openai_compatible", "--output", "url", "-n", "2")
        self.assertEqual(len(run.lines), 2)
        for line in run.lines:
            self.assertIn("/f/%s/" % self.session, line)
        image = self.ask("openai_compatible", "--output", "url", "--json").json["images"][0]
        self.assertEqual((image["path"], image["bytes"]), (None, None))
        self.assertIn("/f/", image["url"])
        self.assertEqual((self.files(), {entry["kind"] for entry in self.log()}), ([], {"api"}))

    def test_output_url_where_there_are_only_bytes(self):
        run = self.ask("openai", "--output", "url", "-o", "x.png")
        self.assertEqual(run.lines, ["x.png"])
        self.assertIn("no URL", run.err)
        self.check_png(self.read("x.png"))

    def test_output_base64(self):
        lines = self.mock("--output", "base64", "-n", "2").lines
        self.assertEqual(len(lines), 2)
        self.check_png(base64.b64decode(lines[1], validate=True), (16, 16))
        self.assertEqual(self.files(), [])
        image = self.mock("--output", "base64", "--json").json["images"][0]
        self.assertEqual((image["base64"], image["path"]), (lines[0], None))
        self.assertEqual(self.mock("--output", "base64", "-o", "x.png").lines, ["x.png"])
        self.check_same(self.read("x.png"), base64.b64decode(lines[0]))

    def test_output_auto_keeps_the_url(self):
        self.script({"image_result": {"url": True}, "times": 2})
        for word in ("auto", "bytes"):
            image = self.ask("openai_compatible", "--output", word, "--json").json["images"][0]
            self.assertIn("/f/", image["url"])
            self.assertEqual(len(self.read(image["path"])), image["bytes"])


class Failures(Case):
    def test_a_file_is_whole_or_as_it_was(self):
        for behaviour in ({"close_after_bytes": 12000}, {"reset": "in_body"}, {"base64": "garbage_at:9000"},
                          {"image_result": {"bytes": "html"}}, {"gzip_bomb": 1}, {"status": 500}):
            with self.subTest(behaviour=behaviour):
                self.write("x.png", b"old")
                self.script(behaviour)
                self.assertNotEqual(self.ask("openai", "-o", "x.png", status=None).status, 0)
                self.assertEqual((self.files(), self.read("x.png")[:20]), (["x.png"], b"old"))

    def test_every_file_that_is_left_is_named(self):
        for behaviour in ({"chunked": "truncated"}, {"close_after_bytes": 30000}, {"base64": "garbage_at:9000"}):
            for name in self.files():
                os.remove(self.path(name))
            with self.subTest(behaviour=behaviour):
                self.script(behaviour)
                images = self.ask("openai", "-n", "2", "-o", "{index}.png", "--json", status=None).json["images"]
                self.assertEqual(self.files(), [image["path"] for image in images if image["path"]])
                for name in self.files():
                    self.check_png(self.read(name))

    def test_partial_success_lists_only_files(self):
        self.script({"image_result": {"url": True}}, {"where": "files", "path_contains": "image-2", "status": 404})
        run = self.ask("xai", "-n", "2", "-o", "{index}.{ext}")
        self.assertIn("some images did not come", run.err)
        self.assertEqual((run.lines, self.files()), (["0.jpg"], ["0.jpg"]))

    def test_a_download_that_breaks_off(self):
        self.script({"image_result": {"url": True}}, {"where": "files", "close_after_bytes": 1000, "times": -1})
        self.ask("xai", "-o", "x.jpg", status=5)
        self.assertEqual(self.files(), [])

    def test_nothing_but_images_goes_to_a_pipe(self):
        self.script({"image_result": {"url": True}}, {"where": "files", "status": 404, "times": -1})
        self.assertEqual(self.ask("xai", "-o", "-", status=6).out, b"")
        for behaviour in ({"status": 500}, {"moderation": True}, {"stall": False, "status": 401}):
            self.script(behaviour)
            self.assertEqual(self.ask("openai", "-o", "-", status=None).out, b"")

    def test_no_path_is_printed_for_an_image_that_failed(self):
        self.script({"image_result": {"url": True}}, {"where": "files", "status": 404, "times": -1})
        self.assertEqual(self.ask("xai", "-o", "x.jpg", status=6).out, b"")


class ExitStatus(Case):
    def test_every_result(self):
        """As README.md has them; the mock says each of them."""
        table = readme_statuses()
        self.assertEqual(set(table.values()), {0, 2, 3, 4, 5, 6, 7, 130})
        self.assertEqual(len(table), 16)
        for name, status in table.items():
            with self.subTest(result=name):
                run = self.tool("--mock=" + name, "--max-retries", "0", "--json", "--size", "16x16", "c", status=status)
                self.assertEqual(run.json["result"], name)
                self.tool("--mock=" + name, "--max-retries", "0", "-q", "--size", "16x16", "c", status=status)

    def test_answers_of_a_provider(self):
        for behaviour, status, result in (
                ({"status": 400}, 2, "VALIDATION"), ({"moderation": True}, 3, "CONTENT_MODERATION"),
                ({"moderation": "dalle"}, 3, "CONTENT_MODERATION"), ({"status": 401}, 4, "AUTHENTICATION"),
                ({"status": 403}, 4, "AUTHENTICATION"), ({"status": 402}, 4, "QUOTA_EXCEEDED"),
                ({"status": 429, "error_code": "insufficient_quota"}, 4, "QUOTA_EXCEEDED"),
                ({"status": 429}, 4, "RATE_LIMITED"), ({"reset": "before"}, 5, "CONNECTION"),
                ({"reset": "in_body"}, 5, "CONNECTION"), ({"status": 500}, 6, "HTTP"), ({"status": 404}, 6, "HTTP"),
                ({"status": 200, "body": "nonsense"}, 6, "BAD_RESPONSE"),
                ({"endless_headers": True}, 6, "TOO_LARGE")):
            with self.subTest(behaviour=behaviour):
                self.script(behaviour)
                self.assertEqual(self.ask("openai", "--json", status=status).json["result"], result)

    def test_nobody_listens(self):
        error = self.tool("--provider", "openai", "--base-url", "http://127.0.0.1:1/v1", "--max-retries", "0", "--json",
                          "c", status=5).json["error"]
        self.assertEqual((error["result"], error["delivery"]), ("CONNECTION", "NOT_SENT"))

    def test_a_missing_key(self):
        run = self.ask("openai", status=2, env={"OPENAI_API_KEY": None})
        self.assertIn("OPENAI_API_KEY", run.err)
        self.ask("openai", status=2, env={"OPENAI_API_KEY": ""})
        self.assertEqual(self.log(), [])


# ---- time and interruption ---------------------------------------------------------------------------------

class Time(Case):
    def test_timeout(self):
        self.script({"stall": True})
        began = time.monotonic()
        error = self.ask("openai", "--timeout", "0.3", "--json", status=5).json["error"]
        self.assertEqual((error["result"], error["delivery"]), ("TIMEOUT", "UNKNOWN"))
        self.assertTrue(0.25 < time.monotonic() - began < 5)

    def test_timeout_holds_for_every_link(self):
        self.script({"stall": True, "times": -1})
        run = self.ask("openai", "--timeout", "0.2", "--fallback", "xai@" + self.base("xai"), "--json", status=5)
        self.assertEqual([attempt["result"] for attempt in run.json["attempts"]], ["TIMEOUT", "TIMEOUT"])

    def test_total_timeout_holds_for_the_chain(self):
        self.script({"stall": True, "times": -1})
        began = time.monotonic()
        self.ask("openai", "--timeout", "20", "--total-timeout", "0.3", "--fallback", "xai@" + self.base("xai"),
                 status=5)
        self.assertLess(time.monotonic() - began, 5)
        self.assertEqual(len(self.posts()), 1)

    def test_max_retries(self):
        for word, posts in (("0", 1), ("1", 2), ("3", 4)):
            self.server.control(self.session, "reset", {})
            self.script({"status": 503, "times": -1, "headers": {"retry-after-ms": "5"}})
            run = self.tool("--provider", "openai", "--base-url", self.base("openai"), "--max-retries", word, "--json",
                            "c", status=6)
            self.assertEqual((len(self.posts()), run.json["attempts"][0]["retries"]), (posts, posts - 1))

    def test_poll_interval(self):
        for word, least, most in (("0.02", 20, 450), ("0.25", 450, 5000)):
            run = self.tool("--mock=polling", "--poll-interval", word, "--json", "--size", "16x16", "c")
            self.assertTrue(least <= run.json["attempts"][0]["elapsed_ms"] < most, run.text)

    def test_max_poll_attempts(self):
        self.tool("--mock=delay=1", "--max-poll-attempts", "2", "-q", "c")
        self.assertIn("max_poll_attempts", self.tool("--mock=delay=1", "--max-poll-attempts", "1", "c", status=5).err)


@unittest.skipIf(os.name == "nt", "needs signals")
class Interrupted(Case):
    def begin(self, *arguments):
        return self.start("--provider", "openai", "--base-url", self.base("openai"), *arguments, "a cat")

    def check(self, run):
        document = run.json
        self.assertEqual((document["result"], document["images"]), ("CANCELLED", []))

    def test_during_a_stalled_reply(self):
        self.script({"stall": True})
        process = self.begin("--json")
        self.wait_for(posts=1)
        self.check(self.interrupt(process))
        self.wait_for(departures=1)
        self.assertEqual(self.files(), [])

    def test_during_an_image(self):
        self.write("x.png", b"old")
        self.script({"trickle": {"chunk": 4000, "every_ms": 300}})
        process = self.begin("--json", "-o", "x.png")
        self.wait_until(lambda: any(name.endswith(".part") for name in self.files()), "no file was begun")
        self.check(self.interrupt(process))
        self.assertEqual((self.files(), self.read("x.png")), (["x.png"], b"old"))

    def test_during_a_wait_before_a_retry(self):
        self.script({"status": 503, "headers": {"Retry-After": "30"}})
        process = self.begin("--json")
        self.wait_for(posts=1)
        time.sleep(0.1)
        self.check(self.interrupt(process))
        self.assertEqual(len(self.posts()), 1)

    def test_during_polling(self):
        process = self.start("--mock=polling,delay=20000", "-v", "--json", "a cat")
        self.assertIn(b"mock", process.stderr.readline())
        self.check(self.interrupt(process))

    def test_without_json(self):
        process = self.start("--mock=latency=20000", "-v", "-o", "-", "a cat")
        self.assertIn(b"mock", process.stderr.readline())
        run = self.interrupt(process)
        self.assertEqual(run.out, b"")
        self.assertIn("cancelled", run.err)

    def test_no_fallback_follows(self):
        self.script({"stall": True})
        process = self.begin("--fallback", "xai@" + self.base("xai"))
        self.wait_for(posts=1)
        self.interrupt(process)
        self.assertEqual(len(self.posts()), 1)


# ---- keys --------------------------------------------------------------------------------------------------

class Keys(Case):
    """That no key is printed or written is looked at after every run of every test; these look for trouble."""

    def sent_keys(self):
        return [value for entry in self.posts() for value in self.header(entry, "Authorization")]

    def test_from_the_environment(self):
        for provider, variable in (("openai", "OPENAI_API_KEY"), ("openai_compatible", "OPENAI_COMPATIBLE_API_KEY"),
                                   ("xai", "XAI_API_KEY"), ("atoma", "ATOMASDK_BEARER_AUTH"),
                                   ("indoxrouter", "INDOX_ROUTER_API_KEY")):
            self.server.control(self.session, "reset", {})
            self.ask(provider, "-q", "-v")
            self.assertEqual(self.sent_keys(), ["Bearer " + KEYS[variable]], provider)

    def test_from_a_file(self):
        key = "sk-file-" + MARK
        for data in (key, key + "\n", key + "\r\n", key + "\n\n"):
            self.server.control(self.session, "reset", {})
            path = self.write_key(data.encode())
            self.ask("openai", "-q", "--api-key-file", path)
            self.ask("openai", "-q", "--api-key-file", "key", env={"OPENAI_API_KEY": None})
            self.assertEqual(self.sent_keys(), ["Bearer " + key] * 2)

    def test_the_file_is_for_the_first_link_only(self):
        self.write_key(b"sk-file-" + MARK.encode())
        self.script({"status": 503})
        self.ask("openai", "--api-key-file", "key", "--header", "X-Own: 1", "--fallback", "xai@" + self.base("xai"))
        self.assertEqual(self.sent_keys(), ["Bearer sk-file-" + MARK, "Bearer " + KEYS["XAI_API_KEY"]])
        self.assertEqual([self.header(entry, "X-Own") for entry in self.posts()], [["1"], []])

    def test_files_without_a_key(self):
        for data, says in ((b"", "holds no key"), (b"\n\r\n", "holds no key"), (b"sk-\0" + MARK.encode(), "no key"),
                           (b"sk-a\n" + MARK.encode(), "control character"), (b"sk-" + b"k" * 65536, "64 KiB"),
                           (MARK.encode() * 6000, "64 KiB")):
            path = self.write_key(data)
            run = self.ask("openai", "--api-key-file", path, status=2)
            self.assertIn(says, run.err)
        self.assertIn("absent", self.ask("openai", "--api-key-file", "absent", status=2).err)
        self.ask("openai", "--api-key-file", ".", status=7)
        self.ask("openai", "--api-key-file", "", status=2)
        self.assertEqual(self.log(), [])

    def test_the_longest_file(self):
        self.write_key(b"sk-" + b"k" * 65533)
        self.ask("openai", "-q", "--api-key-file", "key")
        self.assertEqual(len(self.sent_keys()[0]), 65536 + len("Bearer "))

    def test_a_key_that_the_provider_repeats(self):
        for provider, variable in (("openai", "OPENAI_API_KEY"), ("xai", "XAI_API_KEY"),
                                   ("atoma", "ATOMASDK_BEARER_AUTH"), ("indoxrouter", "INDOX_ROUTER_API_KEY")):
            for arguments in (("-v",), ("-v", "--json"), ("-q",), ("-o", "-")):
                run = self.ask(provider, *arguments, status=4, env={variable: WRONG_KEY})
                self.assertIn("Incorrect API key provided: ****", run.err + run.text)
        self.write_key(WRONG_KEY.encode())
        self.ask("openai", "-v", "--json", "--api-key-file", "key", status=4)

    def test_a_key_that_is_repeated_elsewhere(self):
        key = KEYS["OPENAI_COMPATIBLE_API_KEY"]
        for behaviour in ({"image_result": {"revised_prompt": "for " + key}}, {"status": 500, "body": key},
                          {"status": 429, "body": {"error": {"code": key, "message": "x", "type": key}}},
                          {"headers": {"x-request-id": key}}, {"status": 401, "body": {"detail": key}},
                          {"redirect": {"to": "http://127.0.0.1:1/" + key}},
                          {"image_result": {"url_text": "http://127.0.0.1:1/x?k=" + key}},
                          {"raw": "HTTP/1.1 200 " + key + "\r\n\r\n" + key}):
            for arguments in (("--json", "-v"), ("-v",)):
                with self.subTest(behaviour=behaviour):
                    self.script(behaviour)
                    self.ask("openai_compatible", *arguments, status=None)

    def test_a_key_in_a_setting(self):
        setting = json.dumps({"byok_api_key": "sk-byok-" + MARK})
        self.ask("indoxrouter", "-v", "--json", "--provider-config", setting)
        self.assertEqual(self.posts()[0]["json"]["byok_api_key"], "sk-byok-" + MARK)
        self.script({"status": 400, "body": {"detail": "wrong key sk-byok-" + MARK}})
        self.ask("indoxrouter", "-v", "--json", "--provider-config", setting, status=None)

    def test_no_option_takes_a_key(self):
        names = options_of_help(self.tool("--help").text)
        self.assertEqual([name for name in names if "key" in name], ["api-key-file"])
        self.refused("--api-key", "x", "c", says="no option --api-key;")


# ---- chains and the mock -----------------------------------------------------------------------------------

class Fallback(Case):
    def test_forms(self):
        base = self.base("compatible")
        for form, provider, model, url in (
                ("xai", "xai", "grok-imagine-image-2.0", "https://api.x.ai/v1"),
                ("xai/grok-imagine-image", "xai", "grok-imagine-image", "https://api.x.ai/v1"),
                ("xai@" + base, "xai", "grok-imagine-image-2.0", base),
                ("openai_compatible/org/m@v1@" + base, "openai_compatible", "org/m@v1", base),
                ("openai_compatible/m@https://h.example/v1", "openai_compatible", "m", "https://h.example/v1")):
            with self.subTest(form=form):
                link = self.tool("--mock", "--plan", "--fallback", form, "c").json[1]
                self.assertEqual((link["provider"], link["model"]), (provider, model))
                link = self.ask("openai", "--plan", "--fallback", form).json[1]
                self.assertEqual((link["provider"], link["body"]["model"]), (provider, model))
                self.assertTrue(link["url"].startswith(url + "/"), link["url"])

    def test_bad_forms(self):
        for form in ("", "/m", "p/", "@http://h/", "/", "xai/@http://h/"):
            self.refused("--mock", "--fallback", form, "c", says="PROVIDER/MODEL[@BASE_URL]")

    def test_tried_in_order(self):
        self.script({"status": 503}, {"status": 500})
        run = self.ask("openai", "--json", "--fallback", "xai@" + self.base("xai"),
                       "--fallback", "openai_compatible/m@" + self.base("compatible"))
        self.assertEqual([attempt["provider"] for attempt in run.json["attempts"]],
                         ["openai", "xai", "openai_compatible"])
        self.assertEqual([entry["path"].split("/")[3] for entry in self.posts()], ["openai", "xai", "compatible"])
        self.assertEqual(self.header(self.posts()[2], "Authorization"), ["Bearer " + KEYS["OPENAI_COMPATIBLE_API_KEY"]])

    def test_a_key_for_one_company_does_not_go_to_another(self):
        self.script({"status": 503})
        self.ask("openai", "--fallback", "openai_compatible/m@" + self.base("compatible"),
                 env={"OPENAI_COMPATIBLE_API_KEY": None})
        self.assertEqual(self.header(self.posts()[1], "Authorization"), [])

    def test_fallback_on(self):
        for words, results in (("RATE_LIMITED", {429: 0, 500: 6}), ("http", {429: 4, 500: 0}),
                               ("TIMEOUT,HTTP,RATE_LIMITED", {429: 0, 500: 0}), ("AUTHENTICATION", {401: 0, 500: 6})):
            for sent, status in results.items():
                with self.subTest(words=words, sent=sent):
                    self.script({"status": sent})
                    self.ask("openai", "-q", "--fallback", "xai@" + self.base("xai"), "--fallback-on", words,
                             status=status)
        for words in ("", "OK", "TIMEOUT,", ",TIMEOUT", "TIMEOUT,,HTTP", "TIME", "TIMEOUT HTTP"):
            self.refused("--mock", "--fallback-on", words, "c", says="--fallback-on")

    def test_on_unknown(self):
        for word, status, posts in (("stop", 5, 1), ("fallback", 0, 2), (None, 0, 2)):
            self.server.control(self.session, "reset", {})
            self.script({"reset": "after_headers"})
            options = ("--on-unknown", word) if word else ()
            run = self.ask("openai", "--json", "--fallback", "xai@" + self.base("xai"), *options, status=status)
            self.assertEqual(run.json["attempts"][0]["delivery"], "UNKNOWN")
            self.assertEqual(len(self.posts()), posts)


class Mock(Case):
    def attempts(self, spec, *arguments, status=0):
        return self.tool("--mock=" + spec, "--json", "--size", "16x16", *arguments, "c", status=status).json["attempts"]

    def test_errors(self):
        for spec, status, result, code in (
                ("RATE_LIMITED", 4, "RATE_LIMITED", 429), ("rate_limited", 4, "RATE_LIMITED", 429),
                ("TIMEOUT:504", 5, "TIMEOUT", 504), ("HTTP:503", 6, "HTTP", 503), ("HTTP:599*2", 6, "HTTP", 599),
                ("CONTENT_MODERATION:451", 3, "CONTENT_MODERATION", 451)):
            (attempt,) = self.attempts(spec, "--max-retries", "0", status=status)
            self.assertEqual((attempt["result"], attempt["http_status"]), (result, code))

    def test_a_script(self):
        self.assertEqual(self.attempts("HTTP:503,auto")[0]["retries"], 1)
        self.assertEqual(self.attempts("auto,HTTP")[0]["retries"], 0)
        self.assertEqual(self.attempts("HTTP:503", "--max-retries", "1", status=6)[0]["retries"], 1)

    def test_fallbacks_draw(self):
        attempts = self.attempts("HTTP:503", "--provider", "openai", "--max-retries", "0", "--fallback", "xai")
        self.assertEqual([(a["provider"], a["result"]) for a in attempts], [("openai", "HTTP"), ("xai", "OK")])

    def test_weights(self):
        self.assertEqual(self.attempts("auto*1000000,HTTP*0.001,seed=1", "--max-retries", "0")[0]["result"], "OK")
        (attempt,) = self.attempts("auto*.001,HTTP*100000,seed=1", "--max-retries", "0", status=6)
        self.assertEqual(attempt["result"], "HTTP")
        seen = [self.tool("--mock=weighted,auto,HTTP,seed=%d" % seed, "--max-retries", "0", "-q", "--size", "16x16",
                          "c", status=None).status for seed in list(range(1, 21)) * 2]
        self.assertEqual(seen[:20], seen[20:])  # a seed decides
        self.assertEqual(set(seen), {0, 6})

    def test_latency(self):
        self.assertGreaterEqual(self.attempts("latency=120")[0]["elapsed_ms"], 100)
        self.assertGreaterEqual(self.attempts("latency=120,HTTP", "--max-retries", "0", status=6)[0]["elapsed_ms"], 100)

    def test_delay(self):
        self.assertTrue(80 <= self.attempts("delay=50")[0]["elapsed_ms"] < 900)
        self.assertTrue(80 <= self.attempts("polling,delay=50")[0]["elapsed_ms"] < 900)

    def test_pictures_depend_on_prompt_seed_and_index(self):
        for name, arguments in (("a", ("c",)), ("b", ("c",)), ("d", ("dog",)), ("e", ("--seed", "3", "c"))):
            self.tool("--mock", "--size", "64x48", "-o", name, *arguments)
            self.check_png(self.read(name), (64, 48))
        self.check_same(self.read("a"), self.read("b"))
        self.assertEqual(len({self.read(name) for name in "ade"}), 3)

    def test_good_specs(self):
        for spec in ("auto", "AUTO", "OK", "auto*3", "weighted", "seed=0", "auto,auto*2,seed=18", "latency=0,delay=1"):
            self.tool("--mock=" + spec, "-q", "--size", "16x16", "c")

    def test_bad_specs(self):
        for spec in ("bogus", "bogus=1", "auto:200", "OK:200", "HTTP:", "HTTP:99", "HTTP:600", "HTTP:5x", "HTTP:-1",
                     "auto*", "auto*0", "auto*-1", "auto*1e3", "auto*1000001", "auto*x", "HTTP*2:503", "delay=",
                     "delay=-1", "delay=1x", "latency=1.5", "latency=99999999999", "seed=", "seed=x",
                     "seed=99999999999999999999",
                     "=1", ",", ",auto", "auto,,auto", "auto,", " auto", "polling=1", "weighted*2", "delay=0"):
            with self.subTest(spec=spec):
                self.refused("--mock=" + spec, "c", says="--mock")

    def test_it_needs_no_key_and_no_network(self):
        nothing = dict.fromkeys(KEYS)
        for arguments in ((), ("--provider", "openai"), ("--provider", "xai", "--fallback", "atoma")):
            document = self.tool("--mock", "--json", *arguments, "c", env=nothing).json
            self.assertTrue(document["is_mock"])
        self.tool("--provider", "mock", "--json", "c", env=nothing)


class Resume(Case):
    def fail_to_download(self, *arguments):
        self.script({"image_result": {"url": True}}, {"where": "files", "status": 404})
        return self.ask("xai", *arguments, status=6)

    def resume(self, token, *arguments, **options):
        return self.ask("xai", "--resume", token, *arguments, prompt=None, **options)

    def test_the_image_comes_without_a_new_request(self):
        document = self.fail_to_download("--json").json
        token = document["error"]["job_token"]
        self.assertEqual((document["error"]["delivery"], self.files()), ("ACCEPTED", []))
        self.assertEqual(self.resume(token, "-o", "cat.{ext}").lines, ["cat.jpg"])
        self.check_same(self.read("cat.jpg"), formats.make("jpeg", "a cat", 0, 1024, 1024))
        self.assertEqual([(entry["method"], entry["status"]) for entry in self.log()],
                         [("POST", 200), ("GET", 404), ("GET", 200)])

    def test_a_job_comes_without_a_new_request(self):
        key = {"BFL_API_KEY": "sk-bfl-" + MARK}
        few = ("--max-poll-attempts", "2", "--poll-interval", "0.001")
        self.script({"jobs": {"polls": 4}, "image_result": {"size": "16x16"}})
        document = self.ask("bfl", "--json", *few, env=key, status=5).json
        self.assertEqual((document["error"]["delivery"], self.files()), ("ACCEPTED", []))
        token = document["error"]["job_token"]
        self.ask("bfl", "--resume", token, "-o", "cat.{ext}", "--poll-interval", "0.001", prompt=None, env=key)
        self.assertEqual(len(self.files()), 1)
        self.assertEqual(len(self.posts()), 1)

    def test_each_way_of_output(self):
        run = self.fail_to_download()
        token = run.err.splitlines()[-1]
        self.assertIn("--resume", run.err)
        data = formats.make("jpeg", "a cat", 0, 1024, 1024)
        self.check_same(self.resume(token, "-o", "-").out, data)
        (image,) = self.resume(token, "--json").json["images"]
        self.assertEqual((image["path"], image["bytes"]), ("tarash-0.jpg", len(data)))
        self.check_same(self.read("tarash-0.jpg"), data)
        self.check_same(base64.b64decode(self.resume(token, "--output", "base64").text), data)
        image = self.resume(token, "--output", "base64", "--json").json["images"][0]
        self.check_same(base64.b64decode(image["base64"] or ""), data)
        self.assertEqual(len(self.posts()), 1)

    def test_refusals(self):
        token = self.fail_to_download().err.splitlines()[-1]
        before = self.log()
        self.refused("--resume", token, "a cat", says="no prompt")
        self.refused("--resume", "nonsense", "--provider", "xai", says="token")
        self.refused("--resume", "", "--provider", "xai")
        self.refused("--resume", token[:-9], "--provider", "xai", says="token")
        self.refused("--resume", token, "--provider", "openai", says="xai")
        self.assertEqual(self.log(), before)

    def test_a_token_leads_to_no_private_address_of_its_own_accord(self):
        token = self.fail_to_download().err.splitlines()[-1]
        before = self.log()
        self.tool("--resume", token, "--max-retries", "0", status=6)  # the base URL is the real one here
        self.assertEqual(self.log(), before)


# ---- the way to the provider -------------------------------------------------------------------------------

class Network(Case):
    def test_base_url_from_the_environment(self):
        self.tool("--provider", "openai", "-q", "c", env={"OPENAI_BASE_URL": self.base("openai")})
        self.tool("--provider", "openai", "-q", "c", "--base-url", self.base("openai", "%s.2" % self.session),
                  env={"OPENAI_BASE_URL": self.base("openai")})
        self.assertEqual((len(self.posts()), len(self.posts("%s.2" % self.session))), (1, 1))

    def test_proxy(self):
        proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ProxyHandler)
        proxy.seen = []
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(proxy.server_close)
        self.addCleanup(proxy.shutdown)
        url = "http://images.example/s/%s/openai/v1" % self.session  # a name that only the proxy knows
        self.tool("--proxy", "http://127.0.0.1:%d" % proxy.server_port, "--provider", "openai", "--base-url", url,
                  "-o", "x.png", "a cat")
        self.check_png(self.read("x.png"))
        self.assertEqual(proxy.seen, [url + "/images/generations"])
        self.assertEqual(len(self.posts()), 1)

    def test_a_proxy_that_is_down(self):
        self.ask("openai", "--proxy", "http://127.0.0.1:1", status=5)
        self.assertIn(self.ask("openai", "--proxy", "foo:bar:baz", status=None).status, (2, 5))
        self.assertEqual(self.log(), [])

    def test_ca_file(self):
        if not self.server.certificate:
            self.skipTest("no openssl program")
        secure = ("--provider", "openai", "--base-url", self.base("openai", scheme="https"), "--max-retries", "0")
        self.write("empty.pem", b"")
        self.tool(*secure, "--ca-file", self.server.certificate, "-o", "x.png", "a cat")
        self.check_png(self.read("x.png"))
        self.assertEqual(self.posts()[0]["origin"], "tls")
        for options in ((), ("--ca-file", "absent.pem"), ("--ca-file", "empty.pem")):
            error = self.tool(*secure, *options, "--json", "a cat", status=None).json["error"]
            self.assertIn(error["result"], ("CONNECTION", "VALIDATION"))
            self.assertEqual(error["delivery"], "NOT_SENT")
        self.assertEqual(len(self.posts()), 1)  # the key went nowhere unverified


# ---- what is known -----------------------------------------------------------------------------------------

CAPABILITIES = ["fields", "max_n", "max_input_images", "mask", "seed_min", "seed_max", "sizes", "size_multiple",
                "size_max_edge", "size_max_ratio", "size_min_pixels", "size_max_pixels", "aspect_ratios", "qualities",
                "styles", "backgrounds", "output_formats", "size_min_edge", "input_formats", "mask_is_binary"]


class Lists(Case):
    def check_capabilities(self, capabilities):
        self.assertEqual(list(capabilities), CAPABILITIES)
        self.assertIn(capabilities["mask"], (None, "white", "black", "transparent"))
        self.assertEqual(capabilities["mask"] is not None, "mask" in capabilities["fields"])
        for name in ("sizes", "aspect_ratios", "qualities", "styles", "backgrounds", "output_formats", "input_formats"):
            self.assertTrue(capabilities[name] is None or all(capabilities[name]), name)

    def test_providers(self):
        providers = self.tool("--list-providers", "--json").json
        for provider in providers:
            self.assertEqual(list(provider), [
                "name", "aliases", "base_url", "base_url_variable", "key_variables", "key_optional", "auth_header",
                "auth_prefix", "default_model", "key_hosts", "config_keys", "option_variables", "poll_interval_ms",
                "compiled_in", "operations", "capabilities"])
            self.check_capabilities(provider["capabilities"])
            for operation in provider["operations"]:
                self.assertEqual(list(operation), ["name", "call", "takes_prompt", "needs_prompt", "takes_images",
                                                   "needs_image", "takes_mask", "needs_mask", "capabilities"])
        lines = self.tool("--list-providers").lines
        self.assertEqual([line.split()[0] for line in lines[1:]], [provider["name"] for provider in providers])

    def test_models(self):
        models = self.tool("--list-models", "--json").json
        names = {provider["name"]: provider for provider in self.tool("--list-providers", "--json").json}
        for model in models:
            self.assertEqual(list(model), ["provider", "id", "life", "capabilities"])
            self.assertIn(model["provider"], names)
            self.check_capabilities(model["capabilities"])
        lines = self.tool("--list-models").lines
        self.assertEqual([line.split()[:2] for line in lines[1:]],
                         [[model["provider"], model["id"]] for model in models])
        known = [(model["provider"], model["id"]) for model in models]
        for name in ("openai", "xai"):  # a default must not be a model that the table doesn't know
            self.assertTrue(any(provider == name and names[name]["default_model"].startswith(model.rstrip("*"))
                                for provider, model in known))

    def test_listing_needs_nothing(self):
        self.tool("--list-providers", env=dict.fromkeys(KEYS))
        self.assertEqual(self.tool("--list-models", "--json", "--nope", status=2).json["result"], "VALIDATION")


# ---- README.md ---------------------------------------------------------------------------------------------

def readme():
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        return file.read()


def readme_blocks(language):
    return re.findall(r"(?ms)^```%s\n(.*?)^```" % language, readme())


def readme_table(first_cell):
    """The rows of the table whose header begins with that cell, as dicts."""
    lines = readme().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| %s |" % first_cell))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return [dict(zip(rows[0], row)) for row in rows[2:]]


def readme_statuses():
    return {name: int(row["exit status of the tool"]) for row in readme_table("result")
            for name in re.findall(r"`(\w+)`", row["result"])}


# What the fragments need around them.
FRAGMENT = """#include <stddef.h>
#include "tarash_image.h"
void draw_frame(void);
void fragment(tarash_image_config config, tarash_image_request request, tarash_image_response response, int running);
void fragment(tarash_image_config config, tarash_image_request request, tarash_image_response response, int running) {
%s
(void)config; (void)request; (void)response; (void)running;
}
"""


class Readme(Case):
    def test_the_tables(self):
        """README's and the manual's are what the library tells of itself."""
        self.assertEqual(tables.problems(TOOL), [])

    def test_the_program_compiles_and_draws(self):
        """With the very command that is shown, in a folder with nothing but the header."""
        program = readme_blocks("c")[0]
        self.assertLessEqual(len(program.splitlines()), 25)
        shutil.copy(os.path.join(ROOT, "tarash_image.h"), self.folder)
        self.write("main.c", program.encode())
        command = next(line for line in "".join(readme_blocks("sh")).splitlines() if line.startswith("cc main.c"))
        done = subprocess.run(["sh", "-ec", command.split("#")[0]], cwd=self.folder, env=environment(),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        self.assertEqual((done.returncode, done.stdout), (0, b""))
        self.check_png(self.read("lighthouse.png"), (1024, 1024))

    def test_the_fragments_compile(self):
        blocks = [block for block in readme_blocks("c") if "int main(" not in block]
        self.assertGreaterEqual(len(blocks), 3)
        for number, block in enumerate(blocks):
            with self.subTest(block=block):
                self.write("fragment.c", (FRAGMENT % block).encode())
                done = subprocess.run(CC + ["-std=c99", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", ROOT,
                                            "fragment.c"], cwd=self.folder, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, timeout=120)
                self.assertEqual(done.returncode, 0, done.stdout.decode("utf-8", "replace"))

    def test_the_commands_are_understood(self):
        for name in ("room.png", "mask.png"):
            self.write_picture(name, name == "mask.png")
        text = "".join(readme_blocks("sh")) + "".join("%s\n" % code for code in re.findall(r"`([^`\n]+)`", readme()))
        commands = [line for line in text.splitlines() if line.startswith("build/tarash-image")]
        self.assertGreaterEqual(len(commands), 5)
        for command in commands:
            with self.subTest(command=command):
                words = shlex.split(command, comments=True)[1:]
                lists = [word for word in words if word.startswith("--list-")]
                self.tool(*words, *([] if lists or "--plan" in words else ["--plan"]))

    def test_no_option_is_made_up(self):
        known = set(options_of_help(self.tool("--help").text))
        text = readme().split("## Tests")[0]
        self.assertEqual({name for name in re.findall(r"(?<![\w-])--([a-z][a-z-]+)", text)} - known, set())


if __name__ == "__main__":
    unittest.main()
