"""Compile ONNX models with nnc and run the emitted C, each in a process of its own.

    model = compile_onnx("net.onnx", Toolchain("gcc", "-O1"))      # raises Refused, Fault or BadCode
    outputs = model.run([x, y])                                    # numpy in, numpy out; raises Crash

How: `nnc net.onnx -o net.c`, then a small driver in C is printed around net.h, compiled with net.c and executed.  The
driver gets every buffer from malloc at its exact size, paints workspace and outputs with a byte, puts guard bytes around
them and looks at the guards afterwards.  So a crash of the emitted code is the crash of one process, and the address
sanitizer sees the true bounds.  The emitted file itself is compiled with the strict warnings it promises to pass.

`isolated` runs many such jobs in forked children with limits on time and memory.

Environment: NNC (the program), NNC_ASAN_BUILD (a build folder with sanitizers), NNC_TEST_JOBS, NNC_TEST_TMP,
NNC_SHARED_DATA.
"""

import hashlib
import json
import os
import pickle
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ml_dtypes  # noqa: F401 - np.dtype("bfloat16"), "int4" and so on; cells below a byte take one
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
NNC = os.path.abspath(os.environ.get("NNC") or ROOT / "build/release/nnc")
ASAN_BUILD = os.path.abspath(os.environ.get("NNC_ASAN_BUILD") or ROOT / "build/asan")
JOBS = int(os.environ.get("NNC_TEST_JOBS") or os.cpu_count() or 1)
TMP = os.path.abspath(os.environ.get("NNC_TEST_TMP") or os.path.join(tempfile.gettempdir(), "nnc-tests"))
SHARED = Path(os.environ.get("NNC_SHARED_DATA") or ROOT.parent / "shared/data")

STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
# A finding must not look like nnc's exit code 1.
ASAN_OPTIONS = {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:exitcode=99", "UBSAN_OPTIONS": "print_stacktrace=1:exitcode=99"}
FINDING = re.compile(r"runtime error: |ERROR: AddressSanitizer")
SANITIZE = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
EXIT_REFUSED, EXIT_DIFFERS = 1, 3
ABSENT = (1 << 64) - 1


class Refused(Exception):
    """nnc said no, with a diagnostic."""


class Fault(Exception):
    """nnc itself crashed, hung, or reported an internal error."""


class BadCode(Exception):
    """The C compiler rejected what nnc emitted."""


class Crash(Exception):
    """The emitted code crashed, hung, or wrote outside its buffers."""


class Toolchain:
    """A C compiler and its options for emitted code."""

    def __init__(self, cc="gcc", *flags):
        self.cc, self.flags = cc, list(flags) or ["-O1"]

    def __str__(self):
        return " ".join([self.cc] + self.flags)

    @staticmethod
    def named(name):
        """'gcc -O2', or 'all' for the matrix every operator has to survive."""
        clang = shutil.which("clang-19") or "clang"
        matrix = [Toolchain("gcc", "-O0"), Toolchain("gcc", "-O2"), Toolchain(clang, "-O0"),
                  Toolchain(clang, "-O2"), Toolchain("gcc", "-O1", *SANITIZE)]
        return matrix if name == "all" else [Toolchain(*name.split())]


# -- running programs ------------------------------------------------------------------------------

def limits(seconds, gigabytes):
    def apply():
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if gigabytes:
            room = gigabytes << 30
            resource.setrlimit(resource.RLIMIT_AS, (room, room))
    return apply


def execute(command, seconds=60, gigabytes=8, **more):
    """subprocess.run with limits; a timeout looks like a death by SIGKILL."""
    try:
        return subprocess.run(command, capture_output=True, timeout=seconds * 3 + 10, text=True, errors="replace",
                              preexec_fn=limits(seconds, gigabytes), **more)
    except subprocess.TimeoutExpired as late:
        return subprocess.CompletedProcess(command, -signal.SIGKILL, "", f"no end after {late.timeout:.0f} s")


def how_it_died(done):
    if done.returncode < 0:
        return f"{signal.Signals(-done.returncode).name}"
    return f"exit {done.returncode}"


def nnc(*args, seconds=60, program=None, gigabytes=8):
    """Run nnc; Refused on its exit code 1, AssertionError on 3 (a comparison), Fault on anything else but 0."""
    done = execute([program or NNC, *map(str, args)], seconds, gigabytes)
    if done.returncode == EXIT_REFUSED and done.stderr.strip():
        raise Refused(done.stderr.strip())
    if done.returncode == EXIT_DIFFERS:
        raise AssertionError(f"nnc {args[0]}: {done.stdout.strip()[-800:]} {done.stderr.strip()[-800:]}")
    if done.returncode != 0:
        raise Fault(f"nnc: {how_it_died(done)}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


# -- a compiled model ------------------------------------------------------------------------------

class Tensor:
    def __init__(self, entry):
        self.name, self.field = entry["name"], entry["field"]
        self.dtype = np.dtype(entry["dtype"])
        self.signed = entry["dtype"] in ("int4", "int2")      # int8_t in C, while ml_dtypes keeps only the low bits
        self.shape, self.bounds = entry["shape"], [high for _, high in entry["bounds"]]

    def from_bytes(self, data, shape):
        array = np.frombuffer(data, np.int8 if self.signed else self.dtype, int(np.prod(shape, dtype=np.int64))).reshape(shape)
        return array.astype(self.dtype)

    def room(self):
        return int(np.prod(self.bounds, dtype=np.int64)) * self.dtype.itemsize


DRIVER = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include "net.h"
#if defined(__SANITIZE_ADDRESS__)
enum { GUARD = 0 };     /* the sanitizer's own guards are better, and want the exact size */
static unsigned char *guarded(size_t bytes, size_t align, unsigned paint)
{
    void *p;
    if (posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align, bytes)) exit(9);
    memset(p, (int)paint, bytes);
    return p;
}
#else
enum { GUARD = 64 };
static unsigned char *guarded(size_t bytes, size_t align, unsigned paint)
{
    size_t room = bytes + 2 * GUARD + 2 * align;
    unsigned char *raw = malloc(room), *p;
    if (!raw) { fputs("driver: out of memory\n", stderr); exit(9); }
    p = (unsigned char *)(((uintptr_t)raw + GUARD + align - 1) / align * align);
    memset(raw, 0xC3, room);
    memset(p, (int)paint, bytes);
    return p;
}
#endif
static void check(const unsigned char *p, size_t bytes, const char *what)
{
    for (int i = 0; p && i < GUARD; i++)
        if (p[-1 - i] != 0xC3 || p[bytes + (size_t)i] != 0xC3) {
            fprintf(stderr, "driver: guard bytes of %s were overwritten\n", what);
            exit(8);
        }
}
static void *fetch(FILE *in, size_t *bytes)
{
    uint64_t n;
    unsigned char *p;
    if (fread(&n, 8, 1, in) != 1) exit(9);
    *bytes = 0;
    if (n == UINT64_MAX) return NULL;       /* an optional without a value */
    *bytes = (size_t)n;
    p = guarded(*bytes, @ALIGN@, 0);
    if (*bytes && fread(p, 1, *bytes, in) != *bytes) exit(9);
    return p;
}
static void put(FILE *out, const void *p, size_t bytes)
{
    uint64_t n = bytes;
    fwrite(&n, 8, 1, out);
    fwrite(p, 1, bytes, out);
}
int main(int argc, char **argv)
{
    FILE *in = fopen(argv[1], "rb"), *out = fopen(argv[2], "wb");
    unsigned paint = (unsigned)atoi(argv[3]);
    int runs = atoi(argv[4]), status = 0;
    unsigned char *work = guarded(@WORK@, @ALIGN@, paint);
    if (argc != 5 || !in || !out) return 9;
    for (int r = 0; r < runs; r++) {
        @NET@_inputs ins;
        @NET@_outputs outs;
        memset(&ins, 0, sizeof ins);
        memset(&outs, 0, sizeof outs);
@FETCH@
        status = @NET@_run(&ins, &outs, work);
        put(out, &status, sizeof status);
        check(work, @WORK@, "the workspace");
@PUT@
        fflush(out);
    }
    return fclose(out) != 0;
}
"""


class Model:
    """An emitted net.c with its driver, compiled by one or more toolchains."""

    def __init__(self, folder, info, net):
        self.folder, self.info, self.net = Path(folder), info, net
        self.inputs = [Tensor(t) for t in info["inputs"]]
        self.outputs = [Tensor(t) for t in info["outputs"]]
        self.sizes = [v for v in info.get("symbols", []) if v["role"] == "in"]         # size_t members of the inputs
        self.found = [v for v in info.get("symbols", []) if v["role"] != "in"]         # size_t * members of the outputs
        self.weights = self.folder / f"{net}.bin"
        if not self.weights.exists() or not self.weights.stat().st_size:
            self.weights = None
        self.programs = []

    def build(self, toolchains, strict=True, seconds=300):
        (self.folder / "driver.c").write_text(self.driver())
        for number, tool in enumerate(toolchains):
            program = f"./driver.{number}"
            for words in (["-c", *(STRICT if strict else ["-std=gnu99", "-Wall", "-Wextra"]), "net.c", "-o", "net.o"],
                          ["-std=gnu99", "-w", "driver.c", "net.o", "-o", program, "-lm"]):
                done = execute([tool.cc, *tool.flags, *words], seconds, None, cwd=self.folder)
                if done.returncode != 0:
                    raise BadCode(f"{tool}: {done.stderr.strip()[:2000] or how_it_died(done)}")
            self.programs.append((program, tool))
        return self

    def driver(self):
        fetch, put = [], []
        for field in (["weights"] if self.weights else []) + [t.field for t in self.inputs]:
            fetch.append(f"size_t n_{field}; void *i_{field} = fetch(in, &n_{field}); ins.{field} = i_{field};")
            put.append(f'check(i_{field}, n_{field}, "input {field}");')
        for v in self.sizes:
            fetch.append(f"{{ size_t n; size_t *p = fetch(in, &n); ins.{v['field']} = *p; }}")
        for v in self.found:
            fetch.append(f"size_t s_{v['field']} = 0; outs.{v['field']} = &s_{v['field']};")
            put.append(f"put(out, &s_{v['field']}, sizeof(size_t));")
        for t in self.outputs:
            fetch.append(f"void *o_{t.field} = guarded({t.room()}, @ALIGN@, paint); outs.{t.field} = o_{t.field};")
            put.append(f'check(o_{t.field}, {t.room()}, "output {t.field}"); put(out, o_{t.field}, {t.room()});')
        upper = self.net.upper()
        text = DRIVER.replace("@FETCH@", "\n".join(fetch)).replace("@PUT@", "\n".join(put))
        return text.replace("@NET@", self.net).replace("@WORK@", f"(size_t){upper}_WORKSPACE_BYTES") \
            .replace("@ALIGN@", f"(size_t){upper}_WORKSPACE_ALIGN")

    def sizes_from(self, arrays):
        """Symbol -> size, from the inputs whose shape in `nnc info` has a symbol standing alone."""
        known = {}
        for tensor, array in zip(self.inputs, arrays):
            for dim, size in zip(tensor.shape, np.shape(array)):
                if isinstance(dim, str) and re.fullmatch(r"[\w.$]+", dim) and not dim.isdigit():
                    known[dim] = size
        return known

    def run_all(self, sets, paint=0xA5, seconds=60, program=0):
        """Run once per list of input arrays, in one process and one workspace; a list of lists of arrays."""
        with open(self.folder / "in.bin", "wb") as out:
            for arrays in sets:
                self.write_inputs(out, arrays)
        path, tool = self.programs[program]
        done = execute([path, "in.bin", "out.bin", str(paint), str(len(sets))], seconds,
                       None if "-fsanitize=address,undefined" in tool.flags else 16, cwd=self.folder,
                       env={**os.environ, **ASAN_OPTIONS})
        if done.returncode != 0:
            raise Crash(f"{tool}: {how_it_died(done)}: {done.stderr.strip()[:3000]}")
        with open(self.folder / "out.bin", "rb") as results:
            return [self.read_outputs(results, arrays) for arrays in sets]

    def serve(self, paint=0xA5):
        """The driver as a server: (process, file to write inputs to, file to read outputs from)."""
        process = subprocess.Popen([self.programs[0][0], "/dev/stdin", "/dev/stdout", str(paint), "2000000000"],
                                   cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return process, process.stdin, process.stdout

    def run(self, arrays, **options):
        """Run on one list of inputs with every toolchain; their results must agree, the first one's are returned."""
        first = None
        for number in range(len(self.programs)):
            got = self.run_all([arrays], program=number, **options)[0]
            if first is None:
                first = got
            for a, b, tensor in zip(first, got, self.outputs):
                if not agree(a, b, 1e-4):
                    raise AssertionError(f"{self.programs[0][1]} and {self.programs[number][1]} differ in {tensor.name}: "
                                         f"{difference(a, b)}")
        return first

    def write_inputs(self, out, arrays):
        if len(arrays) != len(self.inputs):
            raise AssertionError(f"{len(arrays)} inputs given, the model has {len(self.inputs)}")
        known = self.sizes_from(arrays)
        pieces = [self.weights.read_bytes()] if self.weights else []
        for tensor, array in zip(self.inputs, arrays):
            if array is None:
                pieces.append(None)
                continue
            array = np.asarray(array)
            if array.dtype != tensor.dtype:
                raise AssertionError(f"input {tensor.name}: {array.dtype} given, nnc info says {tensor.dtype}")
            pieces.append((array.astype(np.int8) if tensor.signed else array).tobytes())
        for v in self.sizes:
            if v["name"] not in known:
                raise AssertionError(f"net.h wants size {v['name']}, the inputs define {sorted(known)}")
            pieces.append(struct.pack("=Q", known[v["name"]]))
        for data in pieces:
            out.write(struct.pack("=Q", ABSENT if data is None else len(data)) + (data or b""))

    def read_outputs(self, results, arrays):
        def chunk():
            head = results.read(8)
            if len(head) != 8:
                raise Crash("the driver ended early")
            return results.read(struct.unpack("=Q", head)[0])

        status = struct.unpack("=i", chunk())[0]
        if status != 0 and any(a is None for a in arrays):
            raise Refused(f"{self.net}_run returned {status}: an input without a value")
        if status != 0:
            raise Crash(f"{self.net}_run returned {status}")
        sizes = self.sizes_from(arrays)
        for v in self.found:
            sizes[v["name"]] = struct.unpack("=Q", chunk())[0]
        return [t.from_bytes(chunk(), [evaluate(d, sizes) for d in t.shape]) for t in self.outputs]


def evaluate(dim, sizes):
    """A dimension of `nnc info`: a number, or an expression over symbols with floordiv, mod, min and max."""
    if not isinstance(dim, str):
        return dim
    names = {f"s{i}": sizes[name] for i, name in enumerate(sizes)}
    for i, name in sorted(enumerate(sizes), key=lambda pair: -len(pair[1])):
        dim = re.sub(rf"(?<![\w.$]){re.escape(name)}(?![\w.$(])", f"s{i}", dim)
    functions = {"floordiv": lambda a, b: a // b, "mod": lambda a, b: a % b, "min": min, "max": max, "__builtins__": {}}
    return int(eval(dim, functions, names))


def compile_onnx(path, toolchains=None, options=(), folder=None, net="net", strict=True, build=True, seconds=120):
    """Compile `path` to `folder`/net.c and build it; returns a Model."""
    folder = Path(folder or tempfile.mkdtemp(dir=scratch_folder()))
    nnc(path, "-o", folder / "net.c", f"--name={net}", *options, seconds=seconds)
    shared = [o for i, o in enumerate(options) if o.startswith("--dim") or i and options[i - 1] == "--dim"]
    info = json.loads(nnc("info", "--json", *shared, path, seconds=seconds))
    model = Model(folder, info, net)
    return model.build(toolchains or [Toolchain()], strict) if build else model


def ensure(folder):
    os.makedirs(folder, exist_ok=True)
    return folder


def scratch_folder():
    """Where temporary folders go: inside the one of the current job, which is removed with it."""
    here = os.getcwd()
    return here if here.startswith(os.path.realpath(ensure(TMP)) + os.sep) else TMP


# -- comparing -------------------------------------------------------------------------------------

def as_float(a):
    return np.asarray(a).astype(np.float64)


def agree(got, want, tolerance):
    """Same shape and dtype; floats within `tolerance` of the tensor's scale, NaN and inf in the same places."""
    return got.shape == want.shape and got.dtype == want.dtype and relative_error(got, want) <= tolerance


def relative_error(got, want):
    """Largest error over the tensor's largest finite magnitude; inf when NaN or infinities are at different places."""
    if got.size == 0:
        return 0.0
    a, b = as_float(got), as_float(want)
    odd = ~np.isfinite(b)
    if not np.array_equal(a[odd], b[odd], equal_nan=True) or not np.isfinite(a[~odd]).all():
        return np.inf
    if odd.all():
        return 0.0
    scale = max(np.abs(b[~odd]).max(), 1e-30)
    return float(np.abs(a[~odd] - b[~odd]).max() / scale)


def difference(got, want):
    if got.shape != want.shape or got.dtype != want.dtype:
        return f"{got.dtype}{list(got.shape)} against {want.dtype}{list(want.shape)}"
    where = np.flatnonzero(~((as_float(got) == as_float(want)) | (np.isnan(as_float(got)) & np.isnan(as_float(want)))).reshape(-1))
    if not len(where):
        return "equal"
    at = where[0]
    return (f"{len(where)} of {got.size} elements differ, relative error {relative_error(got, want):.3g}, "
            f"first at {at}: {got.reshape(-1)[at]} against {want.reshape(-1)[at]}")


# -- many jobs, each in a child --------------------------------------------------------------------

def isolated(tasks, work, jobs=JOBS, seconds=300, progress=None):
    """Run work(task) for every task in forked children, `jobs` at a time; yields (task, status, value) as they end.

    status is "ok" (value: what work returned), "raised" (value: (type name, text)) or "died" (value: how).  A task's
    temporary folder is the working directory of its child and is removed afterwards."""
    waiting = list(tasks)[::-1]
    running = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            task = waiting.pop()
            folder = tempfile.mkdtemp(dir=ensure(TMP))
            sys.stdout.flush()
            sys.stderr.flush()
            reader, writer = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(reader)
                child(task, work, folder, writer)
            os.close(writer)
            running[reader] = [pid, task, folder, time.monotonic() + seconds, b""]
        ready, _, _ = select.select(list(running), [], [], 1.0)
        for reader in list(running):
            pid, task, folder, deadline, data = running[reader]
            late = time.monotonic() > deadline
            if reader in ready:
                piece = os.read(reader, 1 << 20)
                running[reader][4] += piece
                if piece:
                    continue
            elif not late:
                continue
            if late:
                os.killpg(pid, signal.SIGKILL)
            os.close(reader)
            _, code = os.waitpid(pid, 0)
            del running[reader]
            shutil.rmtree(folder, ignore_errors=True)
            if late:
                yield task, "died", f"no end after {seconds} s"
            elif not data:
                yield task, "died", f"signal {os.WTERMSIG(code)}" if os.WIFSIGNALED(code) else f"exit {code >> 8}"
            else:
                yield (task, *pickle.loads(data))


def child(task, work, folder, writer):
    os.setpgid(0, 0)
    os.chdir(folder)
    try:
        result = ("ok", work(task))
    except BaseException as error:            # noqa: B902 - SystemExit and assertion failures alike
        result = ("raised", (type(error).__name__, str(error)))
    data = memoryview(pickle.dumps(result))
    while data:
        data = data[os.write(writer, data):]
    os._exit(0)


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]
