#!/usr/bin/env python3
"""The editors' files: they are what docs/editors/generate.py makes of the table of words, they name the files they
should, and what they show as a word of the language is what the parser takes for one (tests/tools/nn_words.c).

The TextMate grammar is run by a small interpreter of such grammars; the Vim file by Vim, when it is installed.
"""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EDITORS = os.path.join(ROOT, "docs/editors")
PROGRAMS = sorted(glob.glob(os.path.join(ROOT, "tests/frontend/nn/ok/*.nn")) + glob.glob(os.path.join(ROOT, "nn/*.nn")))


def seen_by_parser(path):
    """[(line, column, class, text)]"""
    out = subprocess.run([os.environ["NN_WORDS"], path], capture_output=True, text=True, check=True).stdout
    rows = [line.split(" ", 3) for line in out.splitlines()]
    return [(int(r[0]), int(r[1]), r[2], r[3]) for r in rows]


class TextMate:
    """Scopes of the characters of a line, for grammars with match, begin/end, captures and includes."""

    def __init__(self, grammar):
        self.grammar = grammar

    def rules(self, patterns):
        for p in patterns:
            if "include" in p:
                found = self.grammar["repository"][p["include"][1:]]
                yield from self.rules(found["patterns"] if "begin" not in found and "match" not in found else [found])
            else:
                yield p

    def line(self, text):
        scopes = [""] * len(text)
        stack, at = [{"patterns": self.grammar["patterns"]}], 0
        while at <= len(text):
            top, best, rule = stack[-1], None, None
            if "end" in top:
                best = re.compile(top["end"]).search(text, at)
            for r in self.rules(top["patterns"]):
                m = re.compile(r.get("match") or r["begin"]).search(text, at)
                if m and (best is None or m.start() < best.start()):
                    best, rule = m, r
            if best is None:
                break
            fill = best.end()
            for i in range(at, fill):
                scopes[i] = scopes[i] or next((s["name"] for s in reversed(stack) if s.get("name")), "")
            if rule is None:
                stack.pop()
            else:
                for i in range(best.start(), best.end()):
                    scopes[i] = rule.get("name", "")
                for group, capture in rule.get("captures", {}).items():
                    for i in range(*best.span(int(group))):
                        scopes[i] = capture["name"]
                if "begin" in rule:
                    stack.append(rule)
            if best.end() == at and (rule is None or "begin" not in rule) and best.start() == best.end():
                if rule is not None:
                    at += 1
                    continue
            at = best.end()
            if at == len(text) and rule is None and len(stack) == 1:
                break
        return scopes


def kind_of_scope(scope):
    """Class of the parser that a scope stands for, or None when it is not the editor's to know."""
    for start, kind in [("keyword.declaration", "keyword"), ("keyword.control", "keyword"), ("variable", "name"),
                        ("entity", "name"), ("storage.modifier", "name"), ("support.type", "name"), ("constant.numeric", "number"),
                        ("string", "string"), ("constant.character", "string")]:
        if scope.startswith(start):
            return kind
    return None


class Editors(unittest.TestCase):
    def test_files_are_up_to_date(self):
        done = subprocess.run([sys.executable, os.path.join(EDITORS, "generate.py"), "--check"],
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_package(self):
        with open(os.path.join(EDITORS, "vscode/package.json")) as f:
            package = json.load(f)["contributes"]
        for path in [package["languages"][0]["configuration"], package["grammars"][0]["path"]]:
            with open(os.path.join(EDITORS, "vscode", path)) as f:
                json.load(f)

    def test_textmate(self):
        with open(os.path.join(EDITORS, "vscode/syntaxes/nn.tmLanguage.json")) as f:
            grammar = TextMate(json.load(f))
        checked, keywords, wrong = 0, 0, []
        for path in PROGRAMS:
            with open(path, encoding="utf-8", newline="\n") as f:
                # columns are bytes; other characters stand in strings and comments only
                lines = [line.encode("utf-8").decode("latin-1") for line in f.read().split("\n")]
            scopes = [grammar.line(line) for line in lines]
            for line, column, kind, text in seen_by_parser(path):
                scope = scopes[line - 1][column - 1]
                shown = kind_of_scope(scope)
                if scope.startswith("constant.language"):
                    shown = {"true": "keyword", "false": "keyword", "_": "hole"}.get(text, "name")
                if shown != kind:
                    wrong.append(f"{path}:{line}:{column}: '{text}' is a {kind}, shown as {scope or 'nothing'}")
                checked += 1
                keywords += kind == "keyword"
        self.assertEqual(wrong, [])
        self.assertGreater(checked, 1000)
        self.assertGreater(keywords, 150)

    @unittest.skipUnless(shutil.which("vim"), "vim is not installed")
    def test_vim(self):
        words = [(path, *w) for path in PROGRAMS for w in seen_by_parser(path)]
        with tempfile.TemporaryDirectory() as folder:
            asked, script = os.path.join(folder, "asked"), os.path.join(folder, "ask.vim")
            with open(script, "w") as f:
                f.write(f"set nocompatible encoding=utf-8 rtp^={EDITORS}/vim\nsyntax on\nlet out = []\n")
                for path in PROGRAMS:
                    f.write(f"edit {path}\nset syntax=nn\n")
                    places = [[line, column] for p, line, column, _, _ in words if p == path]
                    f.write(f"for p in {json.dumps(places)}\n"
                            "  call add(out, synIDattr(synID(p[0], p[1], 1), 'name'))\nendfor\n")
                f.write(f"call writefile(out, '{asked}')\nqa!\n")
            subprocess.run(["vim", "-u", "NONE", "-N", "-es", "-S", script], timeout=120,
                           stdin=subprocess.DEVNULL, capture_output=True)
            with open(asked) as f:
                groups = f.read().splitlines()
        self.assertEqual(len(groups), len(words))
        known = {"nnControl": "keyword", "nnDeclare": "keyword", "nnBoolean": "keyword", "nnNumber": "number",
                 "nnString": "string", "nnHole": "hole"}
        wrong = [f"{path}:{line}:{column}: '{text}' is a {kind}, shown as {group or 'nothing'}"
                 for (path, line, column, kind, text), group in zip(words, groups) if known.get(group, "name") != kind]
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    sys.exit(unittest.main())
