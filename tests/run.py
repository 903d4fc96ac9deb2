#!/usr/bin/env python3
"""Builds and runs the tests:  tests/run.py [unit|asan|corpus|valgrind|matrix|cli ...]      (default: unit asan corpus matrix cli)

The last line is "N passed, N failed". A program that crashes, hangs, doesn't build or says less than it planned counts
as failed. JOBS=N in the environment: how many run at once (default: 2)."""

import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
import matrix  # noqa: E402  (after dont_write_bytecode)

ROOT = matrix.ROOT
MAKE = os.environ.get("MAKE", "make").split()
JOBS = max(1, int(os.environ.get("JOBS", "2")))
TIME_LIMIT = 900  # seconds for one program
VALGRIND = ["valgrind", "-q", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect",
            "--child-silent-after-fork=yes"]


ONE_BUILD = threading.Lock()  # for targets that more than one job needs


class Outcome:
    def __init__(self, name, passed=0, failed=0, skipped=0, output=""):
        self.name, self.passed, self.failed, self.skipped, self.output = name, passed, failed, skipped, output


def environment():
    """Tests speak to loopback only, and no key of the machine's gets into them."""
    env = {name: value for name, value in os.environ.items()
           if not re.search(r"_API_KEY$|^OPENAI_|^ATOMASDK_|^(https?|all|no)_proxy$|^MAKE|^MFLAGS$", name, re.I)}
    env["CMOCKA_MESSAGE_OUTPUT"] = "tap"
    env.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:allocator_may_return_null=1")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
    return env


def execute(command, env=None, limit=TIME_LIMIT):
    """Exit status (None: too slow) and everything printed. What a crashed program leaves running is ended too."""
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(command, cwd=ROOT, env=env or environment(), stdin=subprocess.DEVNULL,
                                       stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        except OSError as problem:
            return 127, str(problem)
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
            process.wait()
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    return status, text + ("" if status is not None else "\n(stopped after %d s)\n" % limit)


def build(target):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKEFLAGS", "MFLAGS", "MAKELEVEL"))}
    return execute(MAKE + ["--no-print-directory", target], env)


def count_tap(name, status, output):
    """cmocka says "1..N" per group, then "ok N - name", "not ok N - name" or "not ok N # SKIP name" per test."""
    planned = sum(int(n) for n in re.findall(r"^\s*1\.\.(\d+)\s*$", output, re.M))
    lines = re.findall(r"^\s*(not ok|ok)\b[ \t]+\d*(.*)$", output, re.M)
    skipped = sum(1 for _, rest in lines if re.search(r"#\s*skip", rest, re.I))
    failed = sum(1 for word, rest in lines if word == "not ok" and not re.search(r"#\s*skip", rest, re.I))
    passed = len(lines) - failed - skipped
    lost = max(0, planned - len(lines))
    if lost:
        output += "\n%s: %d of %d tests said nothing (exit status %s)\n" % (name, lost, planned, status)
    failed += lost
    if failed == 0 and (status != 0 or not lines):
        output += "\n%s: exit status %s after %d tests\n" % (name, status, len(lines))
        failed = 1
    return Outcome(name, passed, failed, skipped, output)


def unit_program(source, folder, prefix=()):
    name = os.path.splitext(os.path.basename(source))[0]
    label = "%s/%s%s" % (folder, name, " (valgrind)" if prefix else "")
    status, output = build("build/%s/%s" % (folder, name))
    if status != 0:
        return Outcome(label, failed=1, output="it doesn't build\n" + output)
    warnings = output if "warning:" in output else ""
    status, output = execute(list(prefix) + [os.path.join("build", folder, name)])
    return count_tap(label, status, warnings + output)


def unit_stage(folder, prefix=()):
    sources = sorted(glob.glob(os.path.join(ROOT, "tests", "test_*.c")))
    return [(lambda source=source: unit_program(source, folder, prefix)) for source in sources]


def corpus_stage():
    """What fuzzing has found, and what it began with, through every fuzz target."""
    def replay():
        status, output = build("build/fuzz/replay")
        if status != 0:
            return Outcome("fuzz/replay", failed=1, output="it doesn't build\n" + output)
        status, output = execute(["build/fuzz/replay"])
        return count_tap("fuzz/replay", status, output)
    return [replay]


def valgrind_stage():
    if not shutil.which("valgrind"):
        return [lambda: Outcome("valgrind", failed=1, output="valgrind isn't here\n")]
    return unit_stage("tests", VALGRIND)


def matrix_stage():
    def check(name, function):
        problem = function()
        return Outcome("matrix " + name, failed=1, output=problem) if problem else Outcome("matrix " + name, passed=1)
    return [(lambda name=name, function=function: check(name, function))
            for name, function in matrix.checks(os.path.join(ROOT, "build", "matrix"))]


def count_unittest(name, status, output):
    ran = re.findall(r"^Ran (\d+) tests?", output, re.M)
    total = int(ran[-1]) if ran else 0
    words = re.findall(r"^(?:OK|FAILED)(?: \((.*)\))?\s*$", output, re.M)
    numbers = dict(re.findall(r"([a-z ]+)=(\d+)", words[-1])) if words else {}
    numbers = {key.strip(): int(value) for key, value in numbers.items()}
    failed = numbers.get("failures", 0) + numbers.get("errors", 0) + numbers.get("unexpected successes", 0)
    skipped = numbers.get("skipped", 0)
    if status != 0 or not ran:
        failed = max(1, failed)
    return Outcome(name, max(0, total - failed - skipped), failed, skipped, output)


def python_program(script, tool):
    label = "%s with %s" % (os.path.basename(script), tool)
    with ONE_BUILD:
        for target in (tool, "all"):
            status, output = build(target)
            if status != 0:
                break
    if status != 0:
        return Outcome(label, failed=1, output="it doesn't build\n" + output)
    env = environment()
    env["TARASH_IMAGE_TOOL"] = os.path.join(ROOT, tool)
    status, output = execute([sys.executable, "-B", script], env)
    return count_unittest(label, status, output)


def cli_stage():
    """Every tests/test_*.py; those that heed TARASH_IMAGE_TOOL run with the sanitizers' build too."""
    jobs = []
    for script in sorted(glob.glob(os.path.join(ROOT, "tests", "test_*.py"))):
        with open(script, encoding="utf-8") as file:
            heeds = "TARASH_IMAGE_TOOL" in file.read()
        for tool in ["build/tarash-image"] + (["build/asan/tarash-image"] if heeds else []):
            jobs.append(lambda script=script, tool=tool: python_program(script, tool))
    return jobs


STAGES = {"unit": lambda: unit_stage("tests"), "asan": lambda: unit_stage("asan"), "corpus": corpus_stage,
          "valgrind": valgrind_stage, "matrix": matrix_stage, "cli": cli_stage}


def run_stage(name):
    passed = failed = skipped = 0
    with ThreadPoolExecutor(JOBS) as pool:
        for outcome in pool.map(lambda job: job(), STAGES[name]()):
            passed, failed, skipped = passed + outcome.passed, failed + outcome.failed, skipped + outcome.skipped
            if outcome.failed:
                print("---- %s\n%s" % (outcome.name, outcome.output.rstrip()))
            if outcome.failed or name != "matrix":
                print("%-40s %4d passed, %d failed%s" % (outcome.name, outcome.passed, outcome.failed,
                                                        ", %d skipped" % outcome.skipped if outcome.skipped else ""))
            sys.stdout.flush()
    print("== %-37s %4d passed, %d failed" % (name, passed, failed))
    return passed, failed, skipped


def main(names):
    unknown = [name for name in names if name not in STAGES]
    if unknown:
        sys.exit("run.py: no part %s; there are %s" % (", ".join(unknown), ", ".join(STAGES)))
    totals = [run_stage(name) for name in names or ["unit", "asan", "corpus", "matrix", "cli"]]
    passed, failed, skipped = (sum(column) for column in zip(*totals))
    if skipped:
        print("%d skipped" % skipped)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
