# SPDX-License-Identifier: Apache-2.0
"""Checks that run another program: clang-format, mandoc, lamina itself.  Skipped where it is not installed."""

import os
import re
import shutil
import subprocess

from tree import c_files, read, walk

# Versions of clang-format disagree about details; this one decides.
FORMAT_VERSION = "14"


class Skip(Exception):
    pass


def _run(argv, cwd=None):
    return subprocess.run(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
                          check=False)


def formatted(root):
    """C files are as clang-format leaves them."""
    tool = shutil.which(f"clang-format-{FORMAT_VERSION}") or shutil.which("clang-format")
    if not tool:
        raise Skip("clang-format is not installed")
    version = re.search(r"version (\d+)", _run([tool, "--version"]).stdout)
    if not version or version.group(1) != FORMAT_VERSION:
        raise Skip(f"this is not clang-format {FORMAT_VERSION}, which decides the layout")
    files = c_files(root)
    if not files:
        return
    out = _run([tool, "--dry-run", "--style=file"] + files, cwd=root).stdout
    seen = set()
    for path, line in re.findall(r"^(\S+?):(\d+):\d+: warning: code should be clang-formatted", out, re.M):
        if path not in seen:
            seen.add(path)
            yield f"{path}:{line}: not as clang-format has it; run clang-format -i {path}"


def man(root):
    """Man pages are clean for mandoc."""
    if not shutil.which("mandoc"):
        raise Skip("mandoc is not installed")
    for path in walk(root):
        if re.fullmatch(r"docs/man/.*\.[1-8]", path):
            out = _run(["mandoc", "-Tlint", "-Wwarning", path], cwd=root).stdout
            for line, what in re.findall(r"^mandoc: \S+?:(\d+):\d+: (.*)$", out, re.M):
                yield f"{path}:{line}: {what}"
            if "mandoc:" in out and not re.search(r"^mandoc: \S+?:\d+:\d+:", out, re.M):
                yield f"{path}:1: {out.strip()}"


def _page_text(root, path):
    """The page as plain text, options included."""
    raw = read(root, path)
    flags = re.sub(r"\bFl Fl ", "--", re.sub(r"\\-|\\\(hy", "-", raw))
    return re.sub(r"\\&", "", flags)


def usage(root, lamina):
    """Every subcommand has a man page and answers --help, and the page names every option of that help."""
    if not lamina or not os.path.exists(lamina):
        raise Skip("there is no lamina program in this build")
    listing = _run([lamina, "--help"]).stdout
    for name in re.findall(r"^  (\w+)  +\S", listing, re.M):
        page = f"docs/man/lamina-{name}.8"
        if not os.path.exists(os.path.join(root, page)):
            yield f"tools/main.c:1: lamina {name} has no man page {page}"
            continue
        out = _run([lamina, name, "--help"])
        if out.returncode != 0 or not re.search(r"^usage:", out.stdout, re.I | re.M):
            yield f"tools/main.c:1: lamina {name} --help does not print its usage and exit with 0"
            continue
        text = _page_text(root, page)
        for option in sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", out.stdout))):
            if not re.search(re.escape(option) + r"(?![\w-])", text) and option not in ("--help", "--usage"):
                yield f"{page}:1: does not tell about {option}"
