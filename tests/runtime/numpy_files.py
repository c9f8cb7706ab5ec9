#!/usr/bin/env python3
"""Files of the runtime against NumPy: numpy.savez -> leaves_tool -> numpy.load, and the safetensors format read and
written by its specification.  LEAVES_TOOL and FAKE_PROGRAM name the programs."""
import json
import os
import struct
import subprocess
import sys
import tempfile

import numpy as np

TOOL, FAKE = os.environ["LEAVES_TOOL"], os.environ["FAKE_PROGRAM"]
NAMES = {"F64": "f8", "F32": "f4", "F16": "f2", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1",
         "U64": "u8", "U32": "u4", "U16": "u2", "U8": "u1", "BOOL": "?"}
rng = np.random.default_rng(1)
failures = 0


def check(ok, text):
    global failures
    if not ok:
        failures += 1
        print("FAIL", text)


def same(a, b, where):
    check(sorted(a) == sorted(b), f"{where}: names {sorted(a)} and {sorted(b)}")
    for k in set(a) & set(b):
        ok = a[k].dtype == b[k].dtype and a[k].shape == b[k].shape and a[k].tobytes() == b[k].tobytes()
        check(ok, f"{where}: {k}: {a[k].dtype}{a[k].shape} and {b[k].dtype}{b[k].shape}")


def tool(source, target):
    done = subprocess.run([TOOL, source, target], capture_output=True, text=True)
    return done.returncode, done.stdout.strip()


def read_safetensors(path):
    raw = open(path, "rb").read()
    (n,) = struct.unpack("<Q", raw[:8])
    head, data = json.loads(raw[8:8 + n]), raw[8 + n:]
    check((8 + n) % 8 == 0, "safetensors: the data is not aligned")
    used = sorted(t["data_offsets"] for t in head.values())
    end = 0
    for a, b in used:
        check(a == end, "safetensors: a gap between tensors")
        end = b
    check(end == len(data), "safetensors: bytes behind the last tensor")
    out = {}
    for name, t in head.items():
        a, b = t["data_offsets"]
        dtype = np.dtype(NAMES[t["dtype"]])
        check(a % dtype.itemsize == 0, f"safetensors: {name} is not aligned")
        out[name] = np.frombuffer(data[a:b], dtype).reshape(t["shape"])
    return out


def write_safetensors(path, tree):
    head, data = {"__metadata__": {"by": "test"}}, b""
    codes = {np.dtype(v): k for k, v in NAMES.items()}
    for name, a in tree.items():
        head[name] = {"dtype": codes[a.dtype], "shape": list(a.shape), "data_offsets": [len(data), len(data) + a.nbytes]}
        data += a.tobytes()
    text = json.dumps(head).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)


def random_tree():
    tree = {}
    for i, code in enumerate(NAMES.values()):
        shape = tuple(rng.integers(0, 5, size=rng.integers(0, 4)))
        a = (rng.normal(size=shape) * 50).astype("f8")
        tree[f"layer{i}.w é"] = np.array(np.abs(a) if code[0] == "u" else a).astype(code).reshape(shape)
    return tree


with tempfile.TemporaryDirectory() as d:
    a, b, c = (os.path.join(d, n) for n in ("a.npz", "b.safetensors", "c.npz"))
    for turn in range(10):
        tree = random_tree()
        np.savez(a, **tree)
        check(tool(a, b) == (0, ""), "npz to safetensors")
        same(tree, read_safetensors(b), "npz to safetensors")
        check(tool(b, c) == (0, ""), "safetensors to npz")
        same(tree, dict(np.load(c)), "safetensors to npz")
        write_safetensors(b, tree)
        check(tool(b, c) == (0, ""), "numpy's safetensors to npz")
        same(tree, dict(np.load(c)), "numpy's safetensors to npz")
    big = {"z": np.arange(300000, dtype="i4").reshape(1000, 300), "noise": rng.normal(size=5000)}
    np.savez_compressed(a, **big)
    code, text = tool(a, c)
    if code and "zlib" in text:
        print("built without zlib: compressed archives are refused")
    else:
        check(code == 0, "compressed: " + text)
        same(big, dict(np.load(c)), "compressed")
    np.savez(a, one=big["z"])
    one = os.path.join(d, "one.npy")
    check(tool(a, one) == (0, ""), "npy")
    same({"one": big["z"]}, {"one": np.load(one)}, "npy")
    np.savez(a, text=np.array(["x", "y"]))
    code, text = tool(a, c)
    check(code == 1 and "element type is not a number or bool" in text, "strings: " + text)

    out = os.path.join(d, "out")
    subprocess.run([FAKE, "bits", "--out=" + out], capture_output=True)
    z = np.load(os.path.join(out, "bits", "bits.npz"))
    check(z["full"].shape == (3, 5) and z["full"].dtype == np.float64, "save: full")
    check(z["small"].shape == (3, 5, 2) and z["small"].dtype == np.float32, "save: small")
    check((z["small"][:, :, 1] == 10 * np.arange(3)[:, None] + np.arange(5)).all(), "save: values")
    results = json.load(open(os.path.join(out, "results.json")))
    table = results["experiments"][0]["tables"][0]
    check(np.array_equal(np.array(table["columns"]["full"]), z["full"]), "results.json: the table")
    for line in open(os.path.join(out, "bits", "log.jsonl")):
        json.loads(line)
    import xml.etree.ElementTree
    xml.etree.ElementTree.parse(os.path.join(out, "bits", "full-accuracy-by-bits-seed.svg"))

print("files agree" if not failures else f"{failures} failures")
sys.exit(failures != 0)
