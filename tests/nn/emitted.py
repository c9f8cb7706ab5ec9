#!/usr/bin/env python3
"""What papers claim of the code that is made for them: the exported functions of models/."""

import os
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def emitted(model, name, *options):
    """The C text of an exported function and the sizes in bytes that its header states."""
    program = os.path.join(ROOT, "models", model, model + ".nn")
    with tempfile.TemporaryDirectory() as folder:
        code = os.path.join(folder, "code.c")
        subprocess.run([os.environ["NNC"], program, "--name=" + name, *options, "-o", code], check=True,
                       capture_output=True, timeout=120)
        with open(code, encoding="utf-8") as c, open(os.path.join(folder, name + ".h"), encoding="utf-8") as h:
            return c.read(), {k: int(n) for k, n in re.findall(r"define [A-Z]+_(\w+)_BYTES (\d+)", h.read())}


class Gradients(unittest.TestCase):
    """neural-de: the workspace of a gradient through a solver grows with the steps if they are taped only."""

    def workspace(self, name, steps):
        return emitted("neural-de", name, f"--set=export_steps={steps}")[1]["WORKSPACE"]

    def test_taped_steps_grow_linearly(self):
        (a, b, c) = (self.workspace("taped", n) for n in (40, 80, 160))
        self.assertGreater(b, a)
        self.assertEqual(c - b, 2 * (b - a))

    def test_rebuilt_steps_need_the_same_for_any_number(self):
        self.assertEqual(self.workspace("rebuilt", 40), self.workspace("rebuilt", 1600))


class Builds(unittest.TestCase):
    """hypernet-cl: the network of one task has the weights that were written, and no generator."""

    def test_specialised_has_no_generator(self):
        (composed, large), (specialised, small) = (emitted("hypernet-cl", n) for n in ("composed", "specialised"))
        self.assertIn("sigmoid", composed)
        self.assertNotRegex(specialised, r"sigmoid|tanh|expf")
        weights = 4 * (24 * 32 + 32 + 32 * 4 + 4)
        self.assertTrue(weights <= small["WEIGHTS"] < weights + 64)
        self.assertGreaterEqual(large["WEIGHTS"], 4 * 3832)


if __name__ == "__main__":
    sys.exit(unittest.main())
