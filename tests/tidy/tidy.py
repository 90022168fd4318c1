# SPDX-License-Identifier: Apache-2.0
"""The house rules that a program can check.  tidy.py CHECK [--root DIR] [--build DIR] [--lamina PROGRAM]

Exit: 0 nothing to say, 1 complaints (on standard output), 77 the check's tool is not installed.
"""

import argparse
import os
import sys

import fiber_check
import text_checks
import tool_checks

TEXT_CHECKS = {name: getattr(text_checks, name)
               for name in ("includes", "spdx", "sizes", "names", "leftovers", "banned", "links")}
CHECKS = sorted(TEXT_CHECKS) + ["format", "man", "usage", "fiber"]


def run(check, root, build=None, lamina=None):
    """All complaints of one check."""
    if check == "format":
        return list(tool_checks.formatted(root))
    if check == "man":
        return list(tool_checks.man(root))
    if check == "usage":
        return list(tool_checks.usage(root, lamina))
    if check == "fiber":
        return list(fiber_check.fiber(root, build))
    return list(TEXT_CHECKS[check](root))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("check", choices=CHECKS)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(__file__), "..", ".."))
    parser.add_argument("--build", help="build directory with compile_commands.json")
    parser.add_argument("--lamina", help="the lamina program")
    args = parser.parse_args()
    try:
        complaints = run(args.check, args.root, args.build, args.lamina)
    except tool_checks.Skip as why:
        print(f"skipped: {why}")
        return 77
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
