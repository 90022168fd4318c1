# SPDX-License-Identifier: Apache-2.0
"""What every tidy check needs: the files of the tree, and source text without comments and strings.

A complaint is the string "path:line: what is wrong"; a check is a function that takes a root directory and yields
complaints, so that selftest.py can point it at a small bad tree and see it complain.
"""

import os
import re

SKIPPED_DIRS = {"build", ".git", "corpus", "__pycache__"}
CODE_FOLDERS = ("dev", "extent", "layout", "proto", "mds", "tools", "tests")


def walk(root):
    """Paths of all files, relative to root, sorted."""
    found = []
    for where, dirs, files in os.walk(root):
        dirs[:] = [d for d in dirs if d not in SKIPPED_DIRS]
        found += [os.path.relpath(os.path.join(where, f), root) for f in files]
    return sorted(found)


def c_files(root):
    return [p for p in walk(root) if p.endswith((".c", ".h")) and p.split("/")[0] in CODE_FOLDERS]


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def is_text(root, path):
    with open(os.path.join(root, path), "rb") as f:
        return b"\0" not in f.read(4096)


def line_of(text, pos):
    return text.count("\n", 0, pos) + 1


_token = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def _blank(match):
    """As many blanks and newlines, so that positions stay; quotes stay to tell a string from nothing."""
    s = match.group(0)
    keep = s[0] if s[0] in "\"'" else " "
    return keep + re.sub(r"[^\n]", " ", s[1:-1]) + keep if len(s) > 1 else s


def strip(text):
    """C text with comments and the insides of literals blanked, positions unchanged."""
    return _token.sub(_blank, text)


def strip_comments(text):
    return _token.sub(lambda m: m.group(0) if m.group(0)[0] in "\"'" else _blank(m), text)
