#!/usr/bin/env python3
"""How much of tarash_image.h the tests run:  tests/coverage.py [PROGRAM ...]      (default: all, `make coverage`)

Builds every tests/test_*.c, the replay of the fuzz corpora and the command-line tool with gcc --coverage, runs them, and adds up
what gcov says about the header. Prints the percentages of lines and branches and the lines that never ran; writes every
line and branch that is missing, with its text, to build/coverage/missing.txt. Fails below the goals."""

import glob
import json
import os
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


def gather(coverage):
    for notes in sorted(glob.glob(os.path.join(run.ROOT, FOLDER, "*.gcda"))):
        text = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", notes],
                              cwd=run.ROOT, stdout=subprocess.PIPE, check=True).stdout
        for line in text.splitlines():
            if line.strip():
                coverage.add(json.loads(line))


def ranges(numbers):
    """Neighbours joined; lines without code between them don't part them."""
    joined = []
    for number in numbers:
        if joined and number - joined[-1][1] <= 1:
            joined[-1][1] = number
        else:
            joined.append([number, number])
    return ["%d" % a if a == b else "%d-%d" % (a, b) for a, b in joined]


def write_missing(coverage):
    with open(os.path.join(run.ROOT, HEADER), encoding="utf-8") as file:
        texts = file.read().splitlines()
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
            out.write("%6d %-9s %-40s %s\n" % (number, mark, coverage.functions[number], texts[number - 1].strip()))
    return path


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
    print("every missing line and branch: %s" % os.path.relpath(write_missing(coverage), run.ROOT))
    lines, branches = Coverage.share(coverage.lines), Coverage.share(coverage.branches)
    print("lines:    %5.1f %% (%d of %d), goal %g %%" % (lines[2], lines[0], lines[1], LINES_GOAL))
    print("branches: %5.1f %% (%d of %d), goal %g %%" % (branches[2], branches[0], branches[1], BRANCHES_GOAL))
    for problem in problems:
        print("---- " + problem)
    return 1 if problems or lines[2] < LINES_GOAL or branches[2] < BRANCHES_GOAL else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
