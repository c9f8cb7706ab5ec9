#!/usr/bin/env python3
"""`nnc fmt` from the command line: in place, --check, standard input, links, modes, files that cannot be formatted."""

import os
import stat
import subprocess
import sys
import tempfile
import unittest

NNC = os.environ["NNC"]
UGLY, NICE = "fn f( x )=x+1 # sum\n", "fn f(x) = x + 1  # sum\n"


def fmt(*args, text=None):
    done = subprocess.run([NNC, "fmt", *args], capture_output=True, text=True, input=text, timeout=10, errors="replace")
    return done.returncode, done.stdout, done.stderr


class Fmt(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name, text=None):
        path = os.path.join(self.folder.name, name)
        if text is not None:
            with open(path, "w") as f:
                f.write(text)
        return path

    def text(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def test_in_place(self):
        a, b = self.path("a.nn", UGLY), self.path("b.nn", NICE)
        before = os.stat(b)
        self.assertEqual(fmt(a, b), (0, "", ""))
        self.assertEqual((self.text("a.nn"), self.text("b.nn")), (NICE, NICE))
        self.assertEqual(os.stat(b).st_ino, before.st_ino, "what is in style already is not written")
        self.assertEqual(sorted(os.listdir(self.folder.name)), ["a.nn", "b.nn"], "no temporary file stays")

    def test_check(self):
        a, b = self.path("a.nn", UGLY), self.path("b.nn", NICE)
        code, out, err = fmt("--check", a, b)
        self.assertEqual((code, err), (1, ""))
        self.assertIn("a.nn: not formatted", out)
        self.assertNotIn("b.nn", out)
        self.assertEqual(self.text("a.nn"), UGLY)
        self.assertEqual(fmt("--check", b)[0], 0)

    def test_mistakes(self):
        a, b = self.path("a.nn", "fn f( = 3\n"), self.path("b.nn", UGLY)
        code, out, err = fmt(a, b)
        self.assertEqual(code, 1)
        self.assertIn("a.nn:1:7: error: unexpected '='", err)
        self.assertEqual(self.text("a.nn"), "fn f( = 3\n", "a file with mistakes is not touched")
        self.assertEqual(self.text("b.nn"), NICE, "the others are")

    def test_standard_input(self):
        self.assertEqual(fmt("-", text=UGLY), (0, NICE, ""))
        self.assertEqual(fmt("--check", "-", text=UGLY)[0], 1)
        code, out, err = fmt("-", text="fn f( = 3\n")
        self.assertEqual((code, out), (1, ""))
        self.assertIn("<stdin>:1:7: error:", err)

    def test_links_and_modes(self):
        a, link = self.path("a.nn", UGLY), self.path("link.nn")
        os.chmod(a, 0o640)
        os.symlink("a.nn", link)
        self.assertEqual(fmt(link)[0], 0)
        self.assertTrue(os.path.islink(link))
        self.assertEqual(self.text("a.nn"), NICE)
        self.assertEqual(stat.S_IMODE(os.stat(a).st_mode), 0o640)

    def test_what_is_no_file(self):
        self.assertEqual(fmt()[0], 2)
        code, _, err = fmt(self.path("none.nn"))
        self.assertEqual(code, 1)
        self.assertIn("cannot read", err)
        code, _, err = fmt(self.folder.name)
        self.assertEqual(code, 1)
        self.assertIn("is a folder", err)

    def test_not_text(self):
        path = self.path("a.nn")
        for data, message in [(b"\0\1", "NUL"), (b"\xff", "UTF-8")]:
            with open(path, "wb") as f:
                f.write(data)
            code, _, err = fmt(path)
            self.assertEqual(code, 1)
            self.assertIn(message, err)


if __name__ == "__main__":
    sys.exit(unittest.main())
