#!/usr/bin/env python3
"""Mutated .nn programs: `nnc fmt` and `nnc check` must end within 10 seconds with exit code 0 or 1, without a
finding of the sanitizers, and every error and warning must say file:line:column.  What `nnc fmt` accepts it must also be able
to format: the result is accepted, and formatting it again changes nothing.

Half of the mutations are of bytes (flips, cuts, doubled and swapped pieces, odd characters), half of tokens (deleted,
doubled, exchanged with tokens of any program, whole lines moved), which get deeper into the parser and what follows it.

usage: mutate.py [--count N] [--seed FIRST] [--program NNC] [--keep FOLDER] [--commands fmt,check] [FILE.nn ...]

The program is the one of the asan build when that exists.  Files to start from: those of the tests, when none is named.
"""

import argparse
import glob
import os
import random
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SECONDS = 10
FINDING = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|Assertion|stack smashing")
MESSAGE = re.compile(r"^(?!    )(.*?):? ?(error|warning): ", re.M)     # four blanks: a line of the program
PLACE = re.compile(r":\d+:\d+$|\.onnx$")
TOKEN = re.compile(r"\s+|#[^\n]*|\"[^\"\n]*\"|[A-Za-z_]\w*|\d[\w.]*|\.\.|->|[=!<>]=|<<|>>|//|[-+*/]=|.", re.S)
ODD = ["\0", "\xff", "\r", "\t", "\u2212", "\u201c", "\ufeff", "{", "}", "(", ")", "[", "]", '"', "'", "\\", "#", "@", ";",
       "..", "=", "==", "->", "\n", "9" * 30, "1e999", "0x", "_", "'''", "{{{{", "((((((((", "]]]]"]


def default_program():
    asan = os.environ.get("NNC_ASAN_BUILD")
    for path in [os.path.join(asan, "nnc") if asan else "", os.environ.get("NNC", ""),
                 os.path.join(ROOT, "build/release/nnc")]:
        if path and os.path.exists(path):
            return path
    sys.exit("no nnc; name one with --program")


def seeds(paths):
    if not paths:
        for folder in ["tests/frontend/nn/ok", "tests/frontend/nn/fmt", "tests/nn/*", "nn", "models"]:
            paths += sorted(glob.glob(os.path.join(ROOT, folder, "*.nn")))
    return [open(p, "rb").read() for p in paths]


def mutate_bytes(r, data):
    data = bytearray(data)
    for _ in range(r.randint(1, 3)):
        at = r.randint(0, len(data))
        how = r.randrange(6)
        if how == 0 and at < len(data):
            data[at] ^= 1 << r.randrange(8)
        elif how == 1:
            del data[at:at + r.randint(1, 20)]
        elif how == 2:
            other = r.randint(0, len(data))
            data[at:at] = data[other:other + r.randint(1, 60)]
        elif how == 3:
            data[at:at] = r.choice(ODD).encode("utf-8" if r.random() < 0.9 else "utf-16")
        elif how == 4:
            del data[at:]
        else:
            data[at:at + 1] = r.randbytes(r.randint(1, 4))
    return bytes(data)


def mutate_tokens(r, data, words):
    tokens = TOKEN.findall(data.decode("utf-8", "replace"))
    for _ in range(r.randint(1, 3)):
        if not tokens:
            break
        at, other = r.randrange(len(tokens)), r.randrange(len(tokens))
        how = r.randrange(7)
        if how == 0:
            del tokens[at]
        elif how == 1:
            tokens.insert(at, tokens[other])
        elif how == 2:
            tokens[at], tokens[other] = tokens[other], tokens[at]
        elif how == 3:
            tokens[at] = r.choice(words)
        elif how == 4:
            tokens.insert(at, r.choice(words))
        elif how == 5:                           # a piece again, somewhere else
            tokens[at:at] = tokens[other:other + r.randint(1, 40)]
        else:
            del tokens[at:at + r.randint(1, 15)]
    return "".join(tokens).encode("utf-8", "replace")


def run(program, args):
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:abort_on_error=1", UBSAN_OPTIONS="print_stacktrace=1")
    try:
        done = subprocess.run([program, *args], capture_output=True, timeout=SECONDS, env=env)
    except subprocess.TimeoutExpired:
        return None, f"no end within {SECONDS} seconds"
    text = done.stderr.decode("utf-8", "replace")
    if FINDING.search(text):
        return done.returncode, "a finding: " + FINDING.search(text).group()
    if done.returncode not in (0, 1):
        return done.returncode, f"exit code {done.returncode}"
    for where, _ in MESSAGE.findall(text):
        if not PLACE.search(where) and "not formatted" not in text:
            return done.returncode, "a message without a place: " + where[-60:]
    if done.returncode == 1 and not text.strip() and not done.stdout.strip():
        return done.returncode, "exit code 1 without a message"
    return done.returncode, None


def judge(program, path, commands, accepted):
    """What is wrong with how the program treats this file, or None; what parses is counted in accepted."""
    if "check" in commands:
        code, wrong = run(program, ["check", path])
        if wrong:
            return "check: " + wrong
    code, wrong = run(program, ["fmt", "--check", path])
    if wrong:
        return "fmt --check: " + wrong
    before = open(path, "rb").read()
    code, wrong = run(program, ["fmt", path])
    if wrong:
        return "fmt: " + wrong
    if code == 1:
        return None if open(path, "rb").read() == before else "fmt: a file with mistakes was changed"
    accepted.append(path)
    code, wrong = run(program, ["fmt", "--check", path])
    return wrong or (None if code == 0 else "fmt: formatting again changes the file")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--program")
    parser.add_argument("--keep", help="folder for the files that failed")
    parser.add_argument("--commands", default="fmt,check", help="`check` may be left out")
    parser.add_argument("files", nargs="*")
    o = parser.parse_args()
    program = o.program or default_program()
    start = seeds(o.files)
    words = sorted({t for d in start for t in TOKEN.findall(d.decode("utf-8", "replace"))}) + ODD
    failed, accepted = 0, []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "mutated.nn")
        for n in range(o.seed, o.seed + o.count):
            r = random.Random(n)
            data = r.choice(start)
            data = mutate_bytes(r, data) if n % 2 else mutate_tokens(r, data, words)
            with open(path, "wb") as f:
                f.write(data)
            wrong = judge(program, path, o.commands.split(","), accepted)
            if wrong:
                failed += 1
                print(f"seed {n}: {wrong}")
                if o.keep:
                    os.makedirs(o.keep, exist_ok=True)
                    with open(os.path.join(o.keep, f"{n}.nn"), "wb") as f:
                        f.write(data)
    print(f"{o.count} programs, {len(accepted)} of them without mistakes of syntax, {failed} failed")
    if len(accepted) < o.count / 20 and o.count >= 100:
        print("too few of them parse: the mutations prove little")
        return 1
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
