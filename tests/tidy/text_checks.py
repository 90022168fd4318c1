# SPDX-License-Identifier: Apache-2.0
"""Checks that need nothing but the text of the tree."""

import os
import re

from tree import c_files, is_text, line_of, read, strip, strip_comments, walk

# What a folder may include besides itself.
ARROWS = {
    "dev": set(),
    "extent": {"dev"},
    "layout": {"extent", "dev"},
    "proto": {"dev"},
    "mds": {"proto", "layout", "extent", "dev"},
    "tools": {"mds", "proto", "layout", "extent", "dev"},
    "tests": {"tools", "mds", "proto", "layout", "extent", "dev"},
}

_include = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def includes(root):
    """Includes follow the arrows between the folders and are written "folder/file.h"."""
    for path in c_files(root):
        folder = path.split("/")[0]
        text = strip_comments(read(root, path))
        for m in _include.finditer(text):
            where = f"{path}:{line_of(text, m.start())}"
            target = m.group(2)
            other = target.split("/")[0]
            if m.group(1) == "<":
                if other in ARROWS and os.path.exists(os.path.join(root, target)):
                    yield f'{where}: write our own header as "{target}"'
            elif "/" not in target or other not in ARROWS:
                yield f'{where}: write the include as "folder/file.h", not "{target}"'
            elif other != folder and other not in ARROWS[folder]:
                yield f"{where}: {folder}/ may not include {other}/ ({target})"


def spdx(root):
    """Every source, script and CMake file names its licence in its first lines."""
    for path in walk(root):
        name = os.path.basename(path)
        full = os.path.join(root, path)
        source = name.endswith((".c", ".h", ".S", ".py", ".sh", ".cmake", ".x")) or name == "CMakeLists.txt"
        source = source or re.fullmatch(r".*\.[1-8]", name) is not None
        if not source and not (os.access(full, os.X_OK) and is_text(root, path)):
            continue
        head = read(root, path).split("\n")[:4]
        if not any("SPDX-License-Identifier: Apache-2.0" in line for line in head):
            yield f'{path}:1: no line "SPDX-License-Identifier: Apache-2.0"'


FILE_LINES = 800
FUNCTION_LINES = 90


def _functions(text):
    """(first line, last line, name) of the functions in kernel layout: braces alone in column one."""
    begin = None
    lines = strip(text).split("\n")
    for number, line in enumerate(lines, 1):
        if line == "{":
            begin = number
        elif line.startswith("}") and begin:
            name = "?"
            for above in range(begin - 2, max(begin - 9, -1), -1):
                m = re.match(r"[A-Za-z_].*?(\w+)\s*\(", lines[above])
                if m:
                    name = m.group(1)
                    break
            yield begin, number, name
            begin = None


def sizes(root):
    """Files stay below 800 lines and functions below 90."""
    for path in c_files(root):
        text = read(root, path)
        nr = text.count("\n")
        if nr >= FILE_LINES:
            yield f"{path}:{nr}: a file of {nr} lines; split it below {FILE_LINES}"
        for first, last, name in _functions(text):
            if last - first >= FUNCTION_LINES:
                yield f"{path}:{first}: {name} has {last - first} lines; split it below {FUNCTION_LINES}"


def names(root):
    """File names are unique in the tree, so that a function's prefix names its file; x.c and x.h are a pair."""
    stems = {}
    for path in c_files(root):
        stem = path.rsplit(".", 1)[0]
        other = stems.setdefault(os.path.basename(stem), stem)
        if other != stem:
            yield f"{path}:1: there is also {other}; file names are unique, a .c and a .h of one name lie side by side"


_leftover = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")


def leftovers(root):
    """Nothing is left for later in the tree: what is not done is an issue, not a comment."""
    for path in walk(root):
        if path == "LICENSE" or not is_text(root, path):
            continue
        text = read(root, path)
        for m in _leftover.finditer(text):
            yield f"{path}:{line_of(text, m.start())}: {m.group(1)} left in the tree"


# Calls that would go past a seam, and where they are at home; and calls that no C program should make.
_seams = {
    r"time|clock_gettime|gettimeofday|ftime|clock|timespec_get": "take the time from the reactor",
    r"rand|random|srand|srandom|rand_r|drand48|lrand48|getrandom|getentropy|arc4random": "take chance from the reactor",
    r"pthread_\w+|thrd_\w+|signal": "threads and signals belong to dev/",
}
_never = {
    r"sleep|usleep|nanosleep": "wait with a fiber or a timer of the reactor",
    r"strcpy|strcat|sprintf|vsprintf|gets|strtok|stpcpy": "can write beyond its buffer or keeps state; use snprintf",
    r"atoi|atol|atoll": "hides errors; use strtoull and check",
    r"alloca": "is not bounded",
}
_seam_homes = ("dev/", "tests/dev/")


def _calls(pattern):
    return re.compile(r"(?<![\w.>])(?:%s)\s*\(" % pattern)


def banned(root):
    """No calls past the seams outside of dev's real back ends, and none that are dangerous anywhere."""
    for path in c_files(root):
        text = strip(read(root, path))
        lines = read(root, path).split("\n")
        rules = dict(_never)
        if not path.startswith(_seam_homes):
            rules.update(_seams)
        for pattern, why in rules.items():
            for m in _calls(pattern).finditer(text):
                name = m.group(0).rstrip("( \t\n")
                yield f"{path}:{line_of(text, m.start())}: {name}(): {why}"
        for m in _calls("abort").finditer("" if path.startswith("tests/") else text):
            number = line_of(text, m.start())
            above = lines[number - 2] if number > 1 else ""
            if not re.search(r"\*/|//|log_|fprintf|fputs|print", above + lines[number - 1]):
                yield f"{path}:{number}: abort() without a reason (a message or a comment) on the line above"


_link = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_fence = re.compile(r"^```.*?^```", re.M | re.S)


def _anchors(text):
    for heading in re.findall(r"^#+ +(.*)$", _fence.sub("", text), re.M):
        plain = re.sub(r"[`*]|\[|\]\([^)]*\)", "", heading).strip().lower()
        yield re.sub(r" ", "-", re.sub(r"[^\w\- ]", "", plain))


def links(root):
    """Links between the documents resolve, headings included."""
    for path in walk(root):
        if not path.endswith(".md"):
            continue
        text = _fence.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), read(root, path))
        for m in _link.finditer(text):
            target, _, anchor = m.group(1).partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            where = f"{path}:{line_of(text, m.start())}"
            file = os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path
            if not os.path.exists(os.path.join(root, file)):
                yield f"{where}: link to {target}, which is not there"
            elif anchor and file.endswith(".md") and anchor not in _anchors(read(root, file)):
                yield f"{where}: {file} has no heading #{anchor}"
