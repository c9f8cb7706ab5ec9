#!/usr/bin/env python3
"""Programs that stop: what is told of an assertion or an index that fails when a program runs, compiled and interpreted."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent / "stops"
NNC = os.environ["NNC"]


def run(verb, name, how):
    done = subprocess.run([NNC, verb, *how, f"{name}.nn"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=100)
    return done.returncode, done.stdout, done.stderr


class Stops(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="nnc-stops-")
        self.addCleanup(self.folder.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder.name)

    def both(self, verb, name, error):
        """The program stops with status 1 and exactly this on stderr; gives what it printed."""
        shutil.copy(HERE / f"{name}.nn", ".")
        for how in [], ["--interpret"]:
            status, out, err = run(verb, name, how)
            self.assertEqual((status, err), (1, error), f"{name} {how}")
        return out

    def test_experiment(self):
        out = self.both("run", "experiment", """\
experiment.nn:3:10: error: half takes small numbers
      assert x < 2.0, "half takes small numbers"
             ^~~~~~~
experiment.nn:3:10: note: in experiment two
""")
        self.assertIn("others run", out)
        results = pathlib.Path("experiment.results")
        told = json.loads((results / "results.json").read_text())["experiments"]
        self.assertEqual([e["status"] for e in told], ["stopped", "ok"])
        self.assertIn("half takes small numbers", told[0]["error"])
        self.assertIn("turn 1", (results / "two" / "log.jsonl").read_text())
        self.assertEqual((results / "two" / "x.npy").stat().st_size, 128 + 2 * 4)

    def test_sweep(self):
        out = self.both("run", "sweep", """\
sweep.nn:7:14: error: x * 0.0 + rate * seed < 0.7 or w == 8
          assert x * 0.0 + rate * seed < 0.7 or w == 8
                 ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
sweep.nn:7:14: note: in experiment grid at w = 4, rate = 0.5, seed = 2
""")
        self.assertTrue(out.split("4 0.5 2\n")[1].startswith("  "), out)

    def test_loop(self):
        out = self.both("test", "loop", """\
loop.nn:7:12: error: x < 3.5
        assert x < 3.5
               ^~~~~~~
loop.nn:7:12: note: in test loop
""")
        self.assertIn("3\n", out)
        self.assertNotIn("4\n", out)

    def test_index(self):
        self.both("run", "index", """\
index.nn:7:7: error: an index is out of range for an axis of size 4
        x[i..i + 2][0] + x[i]
          ^~~~~~~~
index.nn:7:7: note: in experiment pick at k = 3
""")


if __name__ == "__main__":
    sys.exit(unittest.main())
