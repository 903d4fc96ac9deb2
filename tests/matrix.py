"""The compile matrix: the header with every compiler, language version and switch, without a warning."""

import os
import re
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WARNINGS = ("-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef -Werror").split()
STANDARDS = ("c99", "c11", "c++11", "c++17")
COMPILERS = (("gcc", "gcc", "g++"), ("clang", "clang", "clang++"))

IMPLEMENTATION = '#define TARASH_IMAGE_IMPLEMENTATION\n#include "tarash_image.h"\n'
DECLARATION = '#include "tarash_image.h"\n'
# Uses the declarations, so that they are more than parsed.
USER = DECLARATION + """
int main(void) {
    tarash_image_response response;
    tarash_image_error error;
    response.storage = NULL;
    error.result = TARASH_IMAGE_ERROR_TIMEOUT;
    return error.result != TARASH_IMAGE_ERROR_TIMEOUT || tarash_image_version()[0] == '\\0' || response.storage != NULL;
}
"""
OPTIONAL_MAIN = "int main(void) { return tarash_image_version()[0] == '\\0'; }\n"


def provider_switches():
    """Every TARASH_IMAGE_NO_<PROVIDER> that the header knows."""
    with open(os.path.join(ROOT, "tarash_image.h"), encoding="utf-8") as file:
        names = set(re.findall(r"\bTARASH_IMAGE_NO_[A-Z][A-Z0-9_]*", file.read()))
    return sorted(names - {"TARASH_IMAGE_NO_STDIO", "TARASH_IMAGE_NO_RETRIES"})


def define(*names):
    return "".join("#define %s\n" % name for name in names)


def sources():
    """(name, source, optimisation): what is compiled with each compiler and standard."""
    switches = provider_switches()
    yield "implementation", IMPLEMENTATION, "-O2"
    yield "declaration only", DECLARATION, "-O0"
    yield "declaration twice", DECLARATION * 2, "-O0"
    yield "TARASH_IMAGE_STATIC", define("TARASH_IMAGE_STATIC") + IMPLEMENTATION + OPTIONAL_MAIN, "-O0"
    yield "TARASH_IMAGE_NO_STDIO", define("TARASH_IMAGE_NO_STDIO") + IMPLEMENTATION, "-O0"
    for switch in switches:
        yield switch, define(switch) + IMPLEMENTATION, "-O0"
    yield "every TARASH_IMAGE_NO_...", define("TARASH_IMAGE_NO_STDIO", *switches) + IMPLEMENTATION, "-O0"
    yield "implementation twice", IMPLEMENTATION + IMPLEMENTATION.replace("#define TARASH_IMAGE_IMPLEMENTATION\n", ""), "-O0"
    yield "declaration, then implementation", DECLARATION + IMPLEMENTATION, "-O0"
    yield "after system headers", "#include <stdio.h>\n#include <string.h>\n#include <time.h>\n" + IMPLEMENTATION, "-O0"
    yield "before system headers", IMPLEMENTATION + "#include <stdio.h>\n#include <time.h>\n", "-O0"
    yield "NDEBUG", define("NDEBUG") + IMPLEMENTATION, "-O0"


def curl_flags():
    for command in (["pkg-config", "--cflags", "libcurl"], ["curl-config", "--cflags"]):
        if shutil.which(command[0]):
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            if result.returncode == 0:
                return result.stdout.split()
    return []


def curl_libraries():
    for command in (["pkg-config", "--libs", "libcurl"], ["curl-config", "--libs"]):
        if shutil.which(command[0]):
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            if result.returncode == 0:
                return result.stdout.split()
    return ["-lcurl"]


def is_cxx(standard):
    return standard.startswith("c++")


def command_for(compiler, standard):
    command = [compiler, "-std=" + standard, "-x", "c++" if is_cxx(standard) else "c"] + WARNINGS
    if not is_cxx(standard):
        command.append("-Wstrict-prototypes")
    return command + ["-I" + ROOT] + curl_flags()


def run(command, source=None):
    """None if it went well, else what was printed."""
    result = subprocess.run(command, input=source, capture_output=True, text=True, errors="replace", check=False)
    return None if result.returncode == 0 else (result.stdout + result.stderr or "exit status %d" % result.returncode)


def compile_one(compiler, standard, source, optimisation):
    return run(command_for(compiler, standard) + [optimisation, "-c", "-o", os.devnull, "-"], source)


def compile_example(compiler, path):
    return run(command_for(compiler, "c99") + ["-O1", "-c", "-o", os.devnull, path])


def two_units(compiler, standard, folder):
    """The implementation in one file, its user in another, linked and run."""
    base = os.path.join(folder, re.sub(r"\W", "_", compiler + standard))
    parts = (("impl", IMPLEMENTATION), ("user", USER))
    for part, source in parts:
        problem = run(command_for(compiler, standard) + ["-c", "-o", "%s_%s.o" % (base, part), "-"], source)
        if problem:
            return problem
    objects = ["%s_%s.o" % (base, part) for part, _ in parts]
    return run([compiler] + objects + ["-o", base] + curl_libraries() + ["-lm"]) or run([base])


def checks(folder):
    """(name, function): each returns None or what went wrong."""
    examples = os.path.join(ROOT, "examples")
    os.makedirs(folder, exist_ok=True)
    for name, c_compiler, cxx_compiler in COMPILERS:
        for standard in STANDARDS:
            compiler = cxx_compiler if is_cxx(standard) else c_compiler
            if not shutil.which(compiler):
                print("matrix: no %s here, so nothing is compiled with it for %s" % (compiler, standard))
                continue
            for what, source, optimisation in sources():
                yield ("%s %s: %s" % (name, standard, what),
                       lambda a=compiler, b=standard, c=source, d=optimisation: compile_one(a, b, c, d))
            yield ("%s %s: two units" % (name, standard),
                   lambda a=compiler, b=standard: two_units(a, b, folder))
        if shutil.which(c_compiler):
            for file in sorted(os.listdir(examples)):
                if file.endswith(".c"):
                    yield ("%s c99: examples/%s" % (name, file),
                           lambda a=c_compiler, b=os.path.join(examples, file): compile_example(a, b))
