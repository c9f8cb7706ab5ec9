#!/usr/bin/env python3
"""Every piece of .nn text in the documents parses: as a file, or as the body of a function.

Blocks of ``` without a language, and those marked `nn`, are programs unless they show messages or tables of output.
"""

import os
import re
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGES = ["docs/language.md", "docs/tutorial.md", "README.md"]
OUTPUT = re.compile(r": error:| FAIL |^\s*ok\s|^\$ |^nnc |^    .*│|[├└─]", re.M)


def pieces(page):
    """[(line, text)] of the programs on a page; the appendix with the grammar is none."""
    with open(os.path.join(ROOT, page), encoding="utf-8") as f:
        text = f.read().split("## Appendix")[0]
    for m in re.finditer(r"^```(\w*)\n(.*?)^```", text, re.S | re.M):
        if m.group(1) in ("", "nn") and not OUTPUT.search(m.group(2)):
            yield text.count("\n", 0, m.start()) + 2, m.group(2)


def mistakes(text):
    done = subprocess.run([os.environ["NNC"], "fmt", "-"], input=text, capture_output=True, text=True, timeout=10)
    return done.stderr if done.returncode else ""


class Docs(unittest.TestCase):
    def test_programs_parse(self):
        count = 0
        for page in PAGES:
            for line, text in pieces(page):
                wrong = mistakes(text)
                if wrong:
                    wrong = mistakes("fn body() {\n" + text + "}\n")
                self.assertEqual(wrong, "", f"{page}:{line}\n{text}")
                count += 1
        self.assertGreater(count, 5)


if __name__ == "__main__":
    sys.exit(unittest.main())
