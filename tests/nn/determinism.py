#!/usr/bin/env python3
"""The same numbers from one thread, two threads and two MPI ranks."""

import glob
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NNC = os.environ.get("NNC", os.path.join(ROOT, "build", "release", "nnc"))
PROGRAM = os.path.join(ROOT, "models", "dense-hebbian", "dense-hebbian.nn")
EXPERIMENTS = ["collapse", "ultra_storage"]


def tables(folder):
    """The bytes of all tables that a run wrote."""
    found = {}
    for path in sorted(glob.glob(os.path.join(folder, "*", "*.csv"))):
        with open(path, "rb") as f:
            found[os.path.relpath(path, folder)] = f.read()
    return found


class Determinism(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        os.environ["NNC_CACHE"] = os.path.join(self.dir, "cache")

    def tearDown(self):
        shutil.rmtree(self.dir)

    def run_it(self, name, *options, before=()):
        out = os.path.join(self.dir, name)
        r = subprocess.run([*before, NNC, "run", PROGRAM, *EXPERIMENTS, "--results=" + out, *options],
                           capture_output=True, text=True, timeout=600)
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        found = tables(out)
        self.assertTrue(found)
        return found

    def test_threads(self):
        self.assertEqual(self.run_it("one", "--threads=1"), self.run_it("two", "--threads=2"))

    @unittest.skipUnless(shutil.which("mpirun") and shutil.which("mpicc"), "OpenMPI is not installed")
    def test_ranks(self):
        mpirun = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "2"]
        self.assertEqual(self.run_it("alone", "--threads=1"), self.run_it("ranks", "--threads=1", before=mpirun))


if __name__ == "__main__":
    sys.exit(unittest.main())
