#!/usr/bin/env python3
"""The tables of providers that README.md and the header's manual show, made from what the library itself tells.

    python3 tests/tables.py [--write] [build/tarash-image]

prints them, or writes them to their places.
"""

import json
import os
import re
import subprocess
import sys
import textwrap

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FIELDS = (("size", "size"), ("ratio", "aspect_ratio"), ("seed", "seed"), ("negative", "negative_prompt"),
          ("quality", "quality"), ("style", "style"), ("format", "output_format"), ("background", "background"),
          ("user", "user"), ("previews", "partial_images"))


def listed(tool, what):
    done = subprocess.run([tool, "--list-" + what, "--json"], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.decode("utf-8"))


def fits(pattern, model):
    return model.startswith(pattern[:-1]) if pattern.endswith("*") else model == pattern


def capabilities(provider, models):
    """Of the provider's default model, as the library looks them up."""
    default = provider["default_model"] or ""
    for model in models:
        if model["provider"] == provider["name"] and fits(model["id"], default):
            return model["capabilities"]
    return provider["capabilities"]


def all_capabilities(provider, models):
    """Of every model and operation that is known."""
    return [provider["capabilities"]] + [model["capabilities"] for model in models
                                         if model["provider"] == provider["name"]] + [
        operation["capabilities"] for operation in provider["operations"] if operation["capabilities"]]


def key_of(provider):
    variables = provider["key_variables"]
    return (variables[0] if variables else None), provider["key_optional"]


def images_of(known):
    """The most that any model takes."""
    counts = [one["max_input_images"] for one in known if "images" in one["fields"]]
    return "-" if not counts else "any" if not all(counts) else str(max(counts))


def mask_of(known):
    return ", ".join(sorted({one["mask"] for one in known if "mask" in one["fields"]})) or "-"


def field_of(field, default, known):
    if field in default["fields"]:
        return "yes"
    return "some" if any(field in one["fields"] for one in known) else "-"


def markdown(cells):
    return "| %s |" % " | ".join(cells)


def provider_table(providers, models):
    """README: every provider at its default model."""
    head = ["provider", "key from", "default model", "n per call", "images in", "mask"] + [name for name, _ in FIELDS]
    lines = [markdown(head), "|" + "---|" * len(head)]
    for provider in providers:
        known, usual = all_capabilities(provider, models), capabilities(provider, models)
        key, optional = key_of(provider)
        default = provider["default_model"]
        cells = ["`%s`" % provider["name"], ("`%s`%s" % (key, " (optional)" if optional else "")) if key else "none",
                 "`%s`" % default if default else "yours", str(usual["max_n"] or "any"), images_of(known),
                 mask_of(known)]
        lines.append(markdown(cells + [field_of(field, usual, known) for _, field in FIELDS]))
    return lines


def operation_table(providers):
    """README: an operation, and the providers that have it."""
    found = {}
    for provider in providers:
        for operation in provider["operations"]:
            found.setdefault(operation["name"], []).append(provider["name"])
    lines = [markdown(["operation", "providers"]), "|---|---|"]
    for name in sorted(found, key=lambda one: (-len(found[one]), one)):
        lines.append(markdown(["`%s`" % name, ", ".join("`%s`" % provider for provider in found[name])]))
    return lines


def manual_table(providers, models):
    """The header's manual: what a provider is called, where its key and its address come from."""
    lines = ["     %-19s %-27s %-47s %-7s %s" % ("name", "key from", "base URL", "images", "mask")]
    for provider in providers:
        known = all_capabilities(provider, models)
        address = provider["base_url"] or "yours (base_url)"
        lines.append("     %-19s %-27s %-47s %-7s %s" % (
            provider["name"], key_of(provider)[0] or "none", "none" if address == "mock:" else address,
            images_of(known), mask_of(known)))
    return lines


def variables_of(provider):
    """What the environment may hold besides the key: "keys A; base URL B; option C" """
    told = []
    if provider["key_variables"][1:]:
        told.append("keys " + ", ".join(provider["key_variables"][1:]))
    if provider["base_url_variable"]:
        told.append("base URL " + provider["base_url_variable"].replace(",", ", "))
    options = {}
    for option in provider["option_variables"] or []:
        name, variable = option.split("=")
        options.setdefault(name, []).append(variable)
    return "; ".join(told + ["%s %s" % (name, ", ".join(options[name])) for name in options])


def variable_table(providers):
    """The header's manual: the other variables that are read."""
    lines = []
    for provider in providers:
        text = variables_of(provider) if provider["key_variables"] else ""
        head = "       %-19s " % provider["name"]
        for line in textwrap.wrap(text, 108 - len(head), break_long_words=False, break_on_hyphens=False):
            lines.append(head + line)
            head = " " * len(head)
    return lines


def switch_list(providers):
    """The header's manual: the switches that leave a provider out."""
    lines, line = [], "    "
    for number, provider in enumerate(providers):
        word = "TARASH_IMAGE_NO_%s%s" % (provider["name"].upper(), "," if number + 1 < len(providers) else "")
        if len(line) + 1 + len(word) > 108:
            lines.append(line)
            line = "    "
        line += " " + word
    return lines + [line]


def places(providers, models):
    """(file, the line before a table, the line after it, the table)"""
    return (
        ("README.md", r"<!-- providers -->\n", r"<!-- end -->", provider_table(providers, models)),
        ("README.md", r"<!-- operations -->\n", r"<!-- end -->", operation_table(providers)),
        ("tarash_image.h", r"   PROVIDERS\n\n", r"     Other environment", manual_table(providers, models)),
        ("tarash_image.h", r"Other environment variables:\n", r"     What the tables", variable_table(providers)),
        ("tarash_image.h", r"saving and the file sink are UNSUPPORTED\n", r" +the provider stays known by name",
         switch_list(providers)))


def path_of(name):
    return os.path.join(ROOT, name)


def found_in(text, before, after):
    match = re.search("(%s)(.*?)(?=%s)" % (before, after), text, re.S)
    return match and (match.start(2), match.end(2))


def shown(lines, name):
    """A blank line stands below the manual's tables, but not below its list of switches."""
    return "\n".join(lines) + ("\n\n" if name.endswith(".h") and "   " in lines[0].strip() else "\n")


def write(place):
    name, before, after, lines = place
    with open(path_of(name), encoding="utf-8") as file:
        text = file.read()
    start, end = found_in(text, before, after)
    with open(path_of(name), "w", encoding="utf-8") as file:
        file.write(text[:start] + shown(lines, name) + text[end:])


def problems(tool):
    """Tables that differ from what the library tells; [] if all is well."""
    told = []
    for name, before, after, lines in places(listed(tool, "providers"), listed(tool, "models")):
        with open(path_of(name), encoding="utf-8") as file:
            text = file.read()
        found = found_in(text, before, after)
        if not found or text[found[0]:found[1]] != shown(lines, name):
            told.append("%s: the table after %r differs; see tests/tables.py --write" % (name, before))
    return told


def main():
    arguments = [one for one in sys.argv[1:] if one != "--write"]
    tool = arguments[0] if arguments else path_of("build/tarash-image")
    for place in places(listed(tool, "providers"), listed(tool, "models")):
        if "--write" in sys.argv:
            write(place)
        else:
            print("\n".join(place[3]), end="\n\n")


if __name__ == "__main__":
    main()
