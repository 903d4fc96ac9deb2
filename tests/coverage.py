#!/usr/bin/env python3
"""How much of tarash_image.h the tests run:  tests/coverage.py [PROGRAM ...]      (default: all, `make coverage`)

Builds every tests/test_*.c, the replay of the fuzz corpora and the command-line tool with gcc --coverage, runs them, and adds up
what gcov says about the header. Prints the percentages of lines and branches and the lines that never ran; writes every
line and branch that is missing, with its text, to build/coverage/missing.txt. Fails below the goals, where something is
missing that tests/uncovered.txt gives no reason for, and where the fuzz corpora don't reach a function that reads what a
provider sends."""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
import run  # noqa: E402  (after dont_write_bytecode)

HEADER = "tarash_image.h"
FOLDER = os.path.join("build", "coverage")
LINES_GOAL, BRANCHES_GOAL = 95.0, 90.0


class Coverage:
    """Counts of the header's lines and branches, added up over programs."""

    def __init__(self):
        self.lines = {}     # number: times
        self.branches = {}  # (number, place in the line): times
        self.functions = {}  # line: name

    def add(self, document):
        for file in document["files"]:
            if os.path.basename(file["file"]) != HEADER:
                continue
            for line in file["lines"]:
                number = line["line_number"]
                self.lines[number] = self.lines.get(number, 0) + line["count"]
                self.functions[number] = line.get("function_name", "")
                for place, branch in enumerate(line["branches"]):
                    key = (number, place)
                    self.branches[key] = self.branches.get(key, 0) + branch["count"]

    @staticmethod
    def share(counts):
        covered = sum(1 for count in counts.values() if count)
        return covered, len(counts), 100.0 * covered / max(1, len(counts))


def programs():
    names = [os.path.splitext(os.path.basename(source))[0]
             for source in sorted(glob.glob(os.path.join(run.ROOT, "tests", "test_*.c")))]
    return names + ["replay"]


def run_program(name):
    status, output = run.build(os.path.join(FOLDER, name))
    if status != 0:
        return "%s doesn't build\n%s" % (name, output)
    status, output = run.execute([os.path.join(FOLDER, name)])
    return None if status == 0 else "%s: exit status %s\n%s" % (name, status, output[-3000:])


def run_tool():
    """Every tests/test_*.py that tries the command-line tool."""
    tool = os.path.join(FOLDER, "tarash-image")
    status, output = run.build(tool)
    env = run.environment()
    env["TARASH_IMAGE_TOOL"] = os.path.join(run.ROOT, tool)
    for script in sorted(glob.glob(os.path.join(run.ROOT, "tests", "test_*.py"))) if status == 0 else []:
        with open(script, encoding="utf-8") as file:
            if "TARASH_IMAGE_TOOL" not in file.read():
                continue
        status, output = run.execute([sys.executable, "-B", script], env)
    return None if status == 0 else "tarash-image: exit status %s\n%s" % (status, output[-3000:])


def documents(notes):
    text = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", notes],
                          cwd=run.ROOT, stdout=subprocess.PIPE, check=True).stdout
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def gather(coverage):
    for notes in sorted(glob.glob(os.path.join(run.ROOT, FOLDER, "*.gcda"))):
        for document in documents(notes):
            coverage.add(document)


def header_text():
    with open(os.path.join(run.ROOT, HEADER), encoding="utf-8") as file:
        return file.read()


def reading_functions():
    """What the adapters have for replies, by their names; the mock and the user's own providers read nothing foreign."""
    text, names = header_text(), set()
    for adapter, members in re.findall(r"static const tarimg_adapter tarimg_(\w+)_adapter = \{(.*?)\};", text, re.S):
        words = [word for word in re.split(r"[\s,]+", members) if word]
        if not adapter.startswith(("mock", "custom")):
            names.update(words[place] for place in (1, 2, 6) if words[place] != "NULL")  # read, event, error
    for members in re.findall(r"tarimg_hf_dialects\[\] = \{(.*?)\};", text, re.S):
        names.update(re.findall(r"tarimg_\w*read\w*", members))
    return names


def unread():
    """Those that no file of the corpora reaches."""
    ran = set()
    for notes in glob.glob(os.path.join(run.ROOT, FOLDER, "*replay*.gcda")):
        for document in documents(notes):
            for file in document["files"]:
                ran.update(function["name"] for function in file["functions"] if function["execution_count"])
    return sorted(reading_functions() - ran)


class Reasons:
    """tests/uncovered.txt: why something is missing."""

    def __init__(self):
        self.rules = []
        with open(os.path.join(run.ROOT, "tests", "uncovered.txt"), encoding="utf-8") as file:
            for line in file.read().splitlines():
                if line and not line.startswith("#"):
                    kind, pattern, reason = line.split("  ", 2)
                    self.rules.append([kind, re.compile(pattern), reason.strip(), 0])

    def find(self, kind, where):
        for rule in self.rules:
            if rule[0] == kind and rule[1].search(where):
                rule[3] += 1
                return rule[2]
        return None

    def unused(self):
        return [rule[1].pattern for rule in self.rules if not rule[3]]


def ranges(numbers):
    """Neighbours joined; lines without code between them don't part them."""
    joined = []
    for number in numbers:
        if joined and number - joined[-1][1] <= 1:
            joined[-1][1] = number
        else:
            joined.append([number, number])
    return ["%d" % a if a == b else "%d-%d" % (a, b) for a, b in joined]


def write_missing(coverage, reasons):
    """The file's path, and how many lines of it have no reason."""
    texts, unexplained = header_text().splitlines(), 0
    path = os.path.join(run.ROOT, FOLDER, "missing.txt")
    with open(path, "w", encoding="utf-8") as out:
        for number in sorted(coverage.lines):
            sides = [coverage.branches[key] for key in sorted(coverage.branches) if key[0] == number] \
                if (number, 0) in coverage.branches else []
            if not coverage.lines[number]:
                mark = "never"
            elif 0 in sides:
                mark = "%d of %d" % (sum(1 for side in sides if side), len(sides))
            else:
                continue
            where = "%s: %s" % (coverage.functions[number], texts[number - 1].strip())
            reason = reasons.find("line" if mark == "never" else "branch", where)
            unexplained += reason is None
            out.write("%6d %-9s %s\n%17s%s\n" % (number, mark, where, "", reason or "NO REASON"))
    return path, unexplained


def main(names):
    shutil.rmtree(os.path.join(run.ROOT, FOLDER), ignore_errors=True)
    os.makedirs(os.path.join(run.ROOT, FOLDER))
    with ThreadPoolExecutor(run.JOBS) as pool:
        problems = [problem for problem in pool.map(run_program, names or programs()) if problem]
    if not names:
        problems += filter(None, [run_tool()])
    coverage = Coverage()
    gather(coverage)
    missing = [number for number in sorted(coverage.lines) if not coverage.lines[number]]
    by_function = {}
    for number in missing:
        by_function.setdefault(coverage.functions[number], []).append(number)
    for function in sorted(by_function, key=lambda name: by_function[name][0]):
        print("never run: %-44s %s" % (function, ", ".join(ranges(by_function[function]))))
    reasons = Reasons()
    path, unexplained = write_missing(coverage, reasons)
    print("every missing line and branch, and why: %s" % os.path.relpath(path, run.ROOT))
    lines, branches = Coverage.share(coverage.lines), Coverage.share(coverage.branches)
    print("lines:    %5.1f %% (%d of %d), goal %g %%" % (lines[2], lines[0], lines[1], LINES_GOAL))
    print("branches: %5.1f %% (%d of %d), goal %g %%" % (branches[2], branches[0], branches[1], BRANCHES_GOAL))
    if not names and unexplained:
        problems.append("%d of them have no reason in tests/uncovered.txt" % unexplained)
    if not names and unread():
        problems.append("the fuzz corpora don't reach: " + ", ".join(unread()))
    for problem in problems:
        print("---- " + problem)
    if not names and reasons.unused():
        print("reasons without need: " + ", ".join(reasons.unused()))
    return 1 if problems or lines[2] < LINES_GOAL or branches[2] < BRANCHES_GOAL else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
