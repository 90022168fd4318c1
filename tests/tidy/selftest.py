# SPDX-License-Identifier: Apache-2.0
"""Does every tidy check still see its sin?  Each case is a small tree; a bad one must give exactly the complaints named,
a good one none."""

import json
import os
import shutil
import sys
import tempfile
import unittest

import tidy
from tool_checks import FORMAT_VERSION, Skip

LICENCE = "/* SPDX-License-Identifier: Apache-2.0 */\n"


class TidyTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="tidy-")
        self.addCleanup(shutil.rmtree, self.root)

    def write(self, path, text, mode=0o644):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(full, mode)

    def expect(self, check, *places, **options):
        """The check complains at exactly these places: "path:line", or "path:line: part of the message"."""
        try:
            got = tidy.run(check, self.root, **options)
        except Skip as why:
            self.skipTest(str(why))
        self.assertEqual(len(got), len(places), got)
        for place in places:
            where, _, part = place.partition(": ")
            self.assertTrue(any(g.startswith(where + ": ") and part in g for g in got), (place, got))

    def test_includes(self):
        self.write("dev/a.h", '#include "dev/b.h"\n#include <stdint.h>\n')
        self.write("extent/a.c", '#include "dev/a.h"\n/* #include "mds/x.h" */\n')
        self.write("tests/dev/test_a.c", '#include "tools/cmd.h"\n#include "extent/a.h"\n')
        self.expect("includes")
        self.write("dev/b.c", '#include "a.h"\n#include "extent/a.h"\n#include <dev/a.h>\n')
        self.write("layout/c.c", '#include "proto/p.h"\n')
        self.write("proto/d.c", '\n# include "extent/p.h"\n')
        self.write("extent/e.c", '#include "tests/sim/sim.h"\n')
        self.expect("includes", "dev/b.c:1", "dev/b.c:2: may not include", "dev/b.c:3", "layout/c.c:1", "proto/d.c:2",
                    "extent/e.c:1")

    def test_spdx(self):
        self.write("dev/a.c", LICENCE)
        self.write("docs/a.md", "no licence needed\n")
        self.write("tools/check", "#!/bin/bash\n# SPDX-License-Identifier: Apache-2.0\n", 0o755)
        self.expect("spdx")
        self.write("dev/b.h", "#pragma once\n" * 9 + LICENCE)
        self.write("CMakeLists.txt", "project(x)\n")
        self.write("tools/run", "#!/bin/bash\n", 0o755)
        self.write("tests/t.py", "pass\n")
        self.write("docs/man/a.8", ".Dd now\n")
        self.expect("spdx", "dev/b.h:1", "CMakeLists.txt:1", "tools/run:1", "tests/t.py:1", "docs/man/a.8:1")

    def test_sizes(self):
        self.write("dev/a.c", "int f(void)\n{\n" + "\tg();\n" * 88 + "}\n" + "int x[] = {\n" + "1,\n" * 600 + "};\n")
        self.expect("sizes")
        self.write("dev/b.c", "int\tbig(void)\n{\n" + "\tg();\n" * 89 + "}\n")
        self.write("dev/c.c", "\n" * 800)
        self.expect("sizes", "dev/b.c:2: big", "dev/c.c:800")

    def test_names(self):
        self.write("dev/a.c", "")
        self.write("dev/a.h", "")
        self.expect("names")
        self.write("extent/a.c", "")
        self.write("extent/b.c", "")
        self.write("dev/b.h", "")
        self.expect("names", "extent/a.c:1: dev/a", "extent/b.c:1: dev/b")

    def test_leftovers(self):
        self.write("dev/a.c", 'mkstemp("aXXXXXX");\n')
        self.expect("leftovers")
        self.write("dev/b.c", "\n/* TO" "DO: more */\n")
        self.write("docs/a.md", "FIX" "ME\n")
        self.write("tools/c", "# XX" "X\n")
        self.expect("leftovers", "dev/b.c:2", "docs/a.md:1", "tools/c:1")

    def test_banned(self):
        self.write("dev/a.c", "int f(void)\n{\n\treturn clock_gettime(1, 0) + pthread_create();\n}\n")
        self.write("extent/a.c", '/* time() */ x->time(1); reactor_random(r); s = "rand()"; fiber_sleep_ns(1);\n'
                                 "/* no way on */\nabort();\n")
        self.expect("banned")
        self.write("extent/b.c", "\n\tt = time(NULL);\n\tpthread_mutex_lock(&m);\n\tx = rand ();\n\n\tabort();\n")
        self.write("dev/b.c", "\tusleep(1);\n\tstrcpy(a, b);\n")
        self.write("tests/sim/c.c", "\tgettimeofday(&tv, NULL);\n")
        self.expect("banned", "extent/b.c:2", "extent/b.c:3", "extent/b.c:4", "extent/b.c:6", "dev/b.c:1", "dev/b.c:2",
                    "tests/sim/c.c:1")

    def test_links(self):
        self.write("docs/a.md", "# Some `code` here\n[b](b.md) [up](../README.md#hello) [me](#some-code-here)\n")
        self.write("docs/b.md", "[web](https://example.org/x)\n```\n[no](link.md)\n```\n")
        self.write("README.md", "## Hello\n[dir](docs/)\n")
        self.expect("links")
        self.write("docs/c.md", "\n[gone](gone.md)\n[no heading](b.md#there)\n[nor here](#here)\n")
        self.expect("links", "docs/c.md:2", "docs/c.md:3", "docs/c.md:4")

    def test_format(self):
        shutil.copy(os.path.join(os.path.dirname(__file__), "..", "..", ".clang-format"), self.root)
        self.write("dev/a.c", LICENCE + "int f(void)\n{\n\treturn 1;\n}\n")
        self.expect("format")
        self.write("dev/b.c", LICENCE + "int f(void)\n{\n  return  1;\n}\n")
        self.expect("format", "dev/b.c:3: clang-format")

    def test_man(self):
        page = ('.\\" SPDX-License-Identifier: Apache-2.0\n.Dd November 21, 2026\n.Dt X 8\n.Os\n.Sh NAME\n.Nm x\n'
                ".Nd a page\n.Sh DESCRIPTION\nText.\n")
        self.write("docs/man/x.8", page)
        self.expect("man")
        self.write("docs/man/y.8", page + ".Bogus\n")
        self.expect("man", "docs/man/y.8:10")

    def test_usage(self):
        program = ("#!/bin/sh\ncase $1 in --help) echo 'commands:'; echo '  good    it is'; echo '  %s    too';;\n"
                   "good) echo 'usage: lamina good [--all] [--help]';; %s) exit 1;; bad) echo 'usage: bad [--odd]';; esac\n")
        self.write("docs/man/lamina-good.8", ".Fl Fl all\n")
        self.write("lamina", program % ("good", "none"), 0o755)
        lamina = os.path.join(self.root, "lamina")
        self.expect("usage", lamina=lamina)
        self.write("lamina", program % ("none", "none"), 0o755)
        self.expect("usage", "tools/main.c:1: no man page", lamina=lamina)
        self.write("docs/man/lamina-none.8", "\n")
        self.expect("usage", "tools/main.c:1: --help", lamina=lamina)
        self.write("lamina", program % ("bad", "none"), 0o755)
        self.write("docs/man/lamina-bad.8", ".Fl Fl oddity\n")
        self.expect("usage", "docs/man/lamina-bad.8:1: --odd", lamina=lamina)

    def fiber(self, source, *places):
        self.write("dev/base.h", "#define FIBER_FN\n#define MUST_CHECK __attribute__((warn_unused_result))\n")
        self.write("dev/a.h", '#pragma once\n#include "dev/base.h"\nFIBER_FN int sw(int a) MUST_CHECK;\nint plain(void);\n'
                              "struct ops { FIBER_FN int (*go)(int); int (*stay)(int); };\n")
        self.write("dev/a.c", '#include "dev/a.h"\n' + source)
        full = os.path.join(self.root, "dev/a.c")
        command = f"gcc -I{self.root} -O2 -Wall -o a.o -c {full}"
        self.write("build/compile_commands.json",
                   json.dumps([{"directory": self.root, "file": full, "command": command}]))
        self.expect("fiber", *places, build=os.path.join(self.root, "build"))

    def test_fiber_good(self):
        self.fiber("static FIBER_FN int in(void)\n{\n\treturn sw(1);\n}\n"
                   "FIBER_FN int out(struct ops *o)\n{\n\treturn in() + o->go(1);\n}\n"
                   "int start(struct ops *o)\n{\n\treturn plain() + o->stay(2) + (o ? sizeof(sw(1)) : 0);\n}\n"
                   "void *root = in;\n")

    def test_fiber_direct(self):
        self.fiber("int bad(void)\n{\n\tint x = plain();\n\treturn x + sw(2);\n}\n", "dev/a.c:5: bad calls sw")

    def test_fiber_inlined(self):
        """A static function between the two, which any optimizer would inline."""
        self.fiber("static inline int in(void)\n{\n\treturn sw(1);\n}\nFIBER_FN int out(void)\n{\n\treturn in();\n}\n",
                   "dev/a.c:4: in calls sw")
        self.fiber("static FIBER_FN inline int in(void)\n{\n\treturn sw(1);\n}\nint out(void)\n{\n\treturn in();\n}\n",
                   "dev/a.c:8: out calls in")

    def test_fiber_member(self):
        self.fiber("int bad(struct ops *o)\n{\n\treturn o->stay(1) +\n\t       o->go(2);\n}\n", "dev/a.c:5: bad calls go")

    def test_fiber_header(self):
        self.write("dev/b.h", '#include "dev/a.h"\nstatic inline int in(void)\n{\n\treturn sw(1);\n}\n')
        self.fiber('#include "dev/b.h"\nFIBER_FN int out(void)\n{\n\treturn in();\n}\n', "dev/b.h:4: in calls sw")

    def test_fiber_does_not_compile(self):
        self.fiber("int bad(\n", "dev/a.c:1: does not compile")


if __name__ == "__main__":
    assert FORMAT_VERSION
    sys.dont_write_bytecode = True
    unittest.main()
