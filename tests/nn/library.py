#!/usr/bin/env python3
"""Every file of nn/ holds its own tests, says what each of its declarations is, and is set in the one style."""

import glob
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NNC = os.environ.get("NNC", os.path.join(ROOT, "build", "release", "nnc"))
FILES = sorted(glob.glob(os.path.join(ROOT, "nn", "*.nn")))


def run(*args):
    return subprocess.run([NNC, *args], capture_output=True, text=True, timeout=600)


class Library(unittest.TestCase):
    def test_claims_hold(self):
        with tempfile.TemporaryDirectory() as cache:
            os.environ["NNC_CACHE"] = cache
            for path in FILES:
                r = run("test", path)
                self.assertEqual(r.returncode, 0, path + "\n" + r.stdout[-3000:] + r.stderr[-3000:])
                self.assertIn("0 failed" if "failed" in r.stdout else " ok", r.stdout)

    def test_no_mistakes(self):
        for path in FILES:
            r = run("check", path)
            self.assertEqual((r.returncode, r.stderr), (0, ""), path)

    def test_documented(self):
        r = run("doc", "--check", *FILES)
        self.assertEqual(r.returncode, 0, r.stderr)

    def test_style(self):
        r = run("fmt", "--check", *FILES)
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main())
