# SPDX-License-Identifier: Apache-2.0
"""FIBER_FN along the call graph.

The rule has no exceptions: a function that calls a FIBER_FN function, directly or through a structure's member that
is marked FIBER_FN, is FIBER_FN itself, be it static, inline, or the first function of a fiber.  The chain ends
at the functions that start fibers (fiber_spawn, reactor_run), which take a function's address and do not switch.

A mark counts for a global function wherever one of its declarations carries it, for a static one in its own file.
The calls are the compiler's (gcc -fcallgraph-info) at -O0, where nothing has been inlined away.  A call through a
plain function pointer is not seen: there the promise is kept at run time by fiber_no_switch_begin().
"""

import json
import os
import re
import shlex
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

from tree import c_files, line_of, read, strip

_mark = re.compile(r"\bFIBER_FN\b")
_pointer = re.compile(r"\(\s*\*\s*(\w+)\s*(?:\[[^\]]*\]\s*)?\)\s*\(")
_function = re.compile(r"(\w+)\s*\(")


def _declaration(text, pos):
    """The declaration around text[pos]: its start, and the text from there to its body or end."""
    start = max(text.rfind(c, 0, pos) for c in ";{}") + 1
    hash_line = text.rfind("\n#", 0, pos)
    if hash_line >= start:
        start = text.index("\n", hash_line + 1) + 1 if "\n" in text[hash_line + 1:pos] else pos
    end = min((i for i in (text.find(c, pos) for c in ";{") if i >= 0), default=len(text))
    return text[start:end]


class Marks:
    """Who carries FIBER_FN: global functions, (file, static function), and pointer members."""

    def __init__(self, root):
        self.globals, self.statics, self.pointers = set(), set(), set()
        for path in c_files(root):
            text = strip(read(root, path))
            for m in _mark.finditer(text):
                line = text[text.rfind("\n", 0, m.start()) + 1:m.start()]
                if not line.lstrip().startswith("#"):
                    self._add(path, _declaration(text, m.start()))

    def _add(self, path, declaration):
        plain = re.sub(r"\b(FIBER_FN|MUST_CHECK|PRINTF_FMT\s*\([^)]*\)|__attribute__\s*\(\(.*?\)\))", " ", declaration)
        pointer = _pointer.search(plain)
        function = _function.search(plain)
        if pointer and (not function or pointer.start() < function.end()):
            self.pointers.add(pointer.group(1))
        elif function and re.search(r"\bstatic\b", plain):
            self.statics.add((path, function.group(1)))
        elif function:
            self.globals.add(function.group(1))


def _command(entry, out):
    """The compile command of one file, with only what decides meaning: -I, -D, -std."""
    argv = entry.get("arguments") or shlex.split(entry["command"])
    kept, want = [], False
    for arg in argv[1:]:
        if want or re.match(r"-(I.|D.|std=|isystem.)", arg):
            kept.append(arg)
            want = False
        elif arg in ("-I", "-D", "-isystem", "-include"):
            kept.append(arg)
            want = True
    return ["gcc"] + kept + ["-O0", "-w", "-fcallgraph-info", "-c", entry["file"], "-o", out]


_node = re.compile(r'^node: \{ title: "([^"]*)" label: "([^"\\]*)\\n([^"\\]*?):(\d+):\d+[^"]*"([^}]*)\}', re.M)
_edge = re.compile(r'^edge: \{ sourcename: "([^"]*)" targetname: "([^"]*)" label: "([^"]*?):(\d+):(\d+)" \}', re.M)


def _graph(root, entry, tmp):
    """The call graph of one file as text, or the compiler's complaint."""
    name = os.path.relpath(entry["file"], root).replace("/", "__")
    out = os.path.join(tmp, name + ".o")
    done = subprocess.run(_command(entry, out), cwd=entry["directory"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    ci = out[:-2] + ".ci"
    if done.returncode or not os.path.exists(ci):
        return None, done.stdout.strip() or "no call graph"
    with open(ci, encoding="utf-8") as f:
        return f.read(), None


class Checker:
    def __init__(self, root):
        self.root = os.path.realpath(root)
        self.marks = Marks(root)
        self.texts = {}

    def _path(self, name, directory):
        full = os.path.realpath(os.path.join(directory, name))
        return os.path.relpath(full, self.root)

    def _is_marked(self, title, nodes):
        if ":" not in title:
            return title in self.marks.globals
        name, path = nodes.get(title, (title.rsplit(":", 1)[1], None))
        return (path, name) in self.marks.statics

    def _indirect_name(self, path, line, column):
        """The member that is called at this place of the source."""
        if path not in self.texts:
            self.texts[path] = strip(read(self.root, path)).split("\n")
        rest = self.texts[path][line - 1][column - 1:] + " " + " ".join(self.texts[path][line:line + 3])
        m = re.match(r"[^;]*?(?:->|\.)\s*(\w+)\s*\)?\s*\(", rest)
        return m.group(1) if m else None

    def complaints(self, graph, directory):
        nodes = {}
        for title, name, file, _, _ in _node.findall(graph):
            nodes[title] = (name, self._path(file, directory))
        for source, target, file, line, column in _edge.findall(graph):
            path = self._path(file, directory)
            if target == "__indirect_call":
                callee = self._indirect_name(path, int(line), int(column))
                if callee not in self.marks.pointers:
                    continue
            elif self._is_marked(target, nodes):
                callee = nodes.get(target, (target.rsplit(":", 1)[-1], None))[0]
            else:
                continue
            if not self._is_marked(source, nodes):
                caller = nodes.get(source, (source, None))[0]
                yield f"{path}:{line}: {caller} calls {callee}, which may switch, and is not marked FIBER_FN itself"


def fiber(root, build):
    """Every function that calls a FIBER_FN function is marked FIBER_FN."""
    root = os.path.realpath(root)
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        entries = {e["file"]: e for e in json.load(f) if e["file"].endswith(".c")}
    checker = Checker(root)
    seen = set()
    with tempfile.TemporaryDirectory() as tmp, ThreadPoolExecutor(os.cpu_count()) as pool:
        for entry, (graph, error) in zip(entries.values(), pool.map(lambda e: _graph(root, e, tmp), entries.values())):
            if error:
                yield f"{os.path.relpath(entry['file'], root)}:1: does not compile: {error}"
                continue
            for complaint in checker.complaints(graph, entry["directory"]):
                if complaint not in seen:
                    seen.add(complaint)
                    yield complaint
