#!/usr/bin/env python3
"""The workspace of a gradient through a solver grows with the steps if they are taped, not if they are rebuilt."""

import os
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, "models", "neural-de", "neural-de.nn")


def workspace(name, steps):
    """Bytes that the header of the exported function asks for."""
    with tempfile.TemporaryDirectory() as folder:
        command = [os.environ["NNC"], PROGRAM, f"--name={name}", f"--set=export_steps={steps}", "-o",
                   os.path.join(folder, "gradient.c")]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        with open(os.path.join(folder, name + ".h"), encoding="utf-8") as f:
            return int(re.search(r"_WORKSPACE_BYTES (\d+)", f.read()).group(1))


class Workspace(unittest.TestCase):
    def test_taped_steps_grow_linearly(self):
        (a, b, c) = (workspace("taped", n) for n in (40, 80, 160))
        self.assertGreater(b, a)
        self.assertEqual(c - b, 2 * (b - a))

    def test_rebuilt_steps_need_the_same_for_any_number(self):
        self.assertEqual(workspace("rebuilt", 40), workspace("rebuilt", 1600))


if __name__ == "__main__":
    sys.exit(unittest.main())
