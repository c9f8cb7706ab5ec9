"""Exported training: ten steps of emitted C on this machine and on a Cortex-M4 under QEMU leave the same bits, under the
sanitizers too, and what they leave is what the native program's training leaves.  The C is clean under strict warnings.

usage: board.py [NAME ...]     names of programs in tests/nn/board"""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent / "board"
NNC = os.environ["NNC"]
STRICT = "-std=c99 -pedantic -Wall -Wextra -Wconversion -Wshadow -Werror".split()
SANITIZE = "-g -fsanitize=address,undefined -fno-sanitize-recover=all".split()
CLANG = shutil.which("clang-19") or "clang"
STEPS, ROWS, FEATURES, CLASSES = 10, 16, 8, 3
M4 = "-mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16".split()
QEMU = ("qemu-system-arm -M mps2-an386 -display none -monitor none -serial none -chardev stdio,id=out "
        "-semihosting-config enable=on,target=native,chardev=out -kernel").split()
SIZE = {"float32": "f", "float64": "d", "int32": "i", "int64": "q", "uint32": "I"}


def must(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def make_batch():
    """The set of the native program, and the same as C."""
    rng = np.random.default_rng(7)
    x = rng.standard_normal((ROWS, FEATURES)).astype(np.float32)
    y = rng.integers(0, CLASSES, ROWS).astype(np.int32)
    np.save("x.npy", x)
    np.save("y.npy", y)
    numbers = ", ".join(f"{float(v).hex()}f" for v in x.ravel())
    labels = ", ".join(str(v) for v in y)
    pathlib.Path("batch.h").write_text(
        f"#include <stdint.h>\nenum {{ STEPS = {STEPS} }};\nstatic const float batch_x[] = {{{numbers}}};\n"
        f"static const int32_t batch_y[] = {{{labels}}};\n")


def on_host(compiler, *flags):
    must(compiler, *STRICT, *flags, "-I.", "fit.c", str(HERE / "main.c"), "-o", "host", "-lm")
    return must("./host").split()


def on_board():
    must("arm-none-eabi-gcc", "-O2", "-std=gnu99", "-Wall", "-DBOARD", *M4, "-nostartfiles", "-I.", "-T", str(HERE / "link.ld"),
         str(HERE / "start.c"), str(HERE / "main.c"), "fit.c", "-lm", "-lc", "-lgcc", "-o", "board.elf")
    return must(*QEMU, "board.elf").split()


def predicts_as_trained():
    """An exported function takes the trained parameters from the state: its scores fit the labels better than before."""
    must(NNC, "--reproducible", "--name=predict", "fit.nn", "-o", "predict.c")
    fields = [line.split("*")[1].split(";")[0] for line in pathlib.Path("predict.h").read_text().splitlines()
              if line.startswith("    const") and "*net_" in line]
    assert fields, "no parameters among the inputs of predict"
    pathlib.Path("predict_main.c").write_text(
        "#include \"predict.h\"\n#include <math.h>\n#define main train\n#include \"" + str(HERE / "main.c") + """\"
#undef main
static double mean_loss(void)
{
    static float y[PREDICT_OUTPUT_Y_ELEMENTS];
    static union { double aligned; unsigned char bytes[PREDICT_WORKSPACE_BYTES]; } room;
    predict_inputs in = {.x = batch_x, .n = 16, """ + ", ".join(f".{f} = state.{f}" for f in fields) + """};
    predict_outputs out = {.y = y};
    double sum = 0;
    if (predict_run(&in, &out, room.bytes) != PREDICT_OK)
        return -1;
    for (int i = 0; i < 16; i++)
        sum += log(exp(y[3 * i]) + exp(y[3 * i + 1]) + exp(y[3 * i + 2])) - y[3 * i + batch_y[i]];
    return sum / 16;
}
int main(void)
{
    fit_init(&state);
    double before = mean_loss();
    int status = train();
    printf("%.9g %.9g\\n", before, mean_loss());
    return status;
}
""")
    must("gcc", *STRICT, *SANITIZE, "-I.", "fit.c", "predict.c", "predict_main.c", "-o", "predict", "-lm")
    before, after = map(float, must("./predict").split()[-2:])
    assert 0 <= after < before, f"the loss of predict goes from {before} to {after}"


def state_of(line):
    """The members of fit_state by name, laid out as C does."""
    raw, at, state = bytes.fromhex(line), 0, {}
    for field in json.loads(must(NNC, "info", "--json", "fit.nn", "--name=fit"))["state"]:
        code, n = SIZE[field["dtype"]], int(np.prod(field["shape"], dtype=int))
        at = -(-at // struct.calcsize(code)) * struct.calcsize(code)
        state[field["name"]] = np.frombuffer(raw, np.dtype(field["dtype"]), n, at)
        at += n * struct.calcsize(code)
    assert -(-at // 8) * 8 >= len(raw) >= at, "fit_state is not as described"
    return state


def safetensors(path):
    raw = pathlib.Path(path).read_bytes()
    n = struct.unpack("<Q", raw[:8])[0]
    for name, entry in json.loads(raw[8:8 + n]).items():
        if name != "__metadata__":
            yield name, np.frombuffer(raw[8 + n:][slice(*entry["data_offsets"])],
                                      {"F32": np.float32, "I32": np.int32}[entry["dtype"]])


def same_as_native(line):
    must(NNC, "run", "--quiet", "fit.nn")
    saved = list(pathlib.Path(".").rglob("trained.safetensors"))
    assert len(saved) == 1, saved
    state, worst, seen = state_of(line), 0.0, 0
    for name, want in safetensors(saved[0]):
        got = state["net." + name.replace("params.", "").replace("state.", "")]
        worst = max(worst, float(np.abs(got - want).max()))
        seen += 1
    assert seen == sum(name.startswith("net.") for name in state), f"{seen} tensors saved of {list(state)}"
    assert worst <= 1e-6, f"the native training is {worst:g} away"
    return worst


def check(name):
    shutil.copy(HERE / f"{name}.nn", "fit.nn")
    make_batch()
    must(NNC, "--reproducible", "--name=fit", "fit.nn", "-o", "fit.c")
    want = on_host("gcc", "-O2", "-ffp-contract=off")
    assert len(want) == STEPS + 1, want
    losses = [struct.unpack("<f", bytes.fromhex(v))[0] for v in want[:STEPS]]
    assert losses[-1] < losses[0], f"the loss goes from {losses[0]} to {losses[-1]}"
    for other in [("gcc", "-O3", "-march=native"), ("gcc", "-O2", "-DFIT_PORTABLE"), (CLANG, "-O2"),
                  (CLANG, "-O1", *SANITIZE)]:
        assert on_host(*other) == want, f"{' '.join(other)}: other bits than gcc -O2"
    predicts_as_trained()
    away = same_as_native(want[STEPS])
    board = "no Cortex-M4 here: qemu-system-arm or arm-none-eabi-gcc is missing"
    if shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-gcc"):
        assert on_board() == want, "the Cortex-M4 gives other bits"
        board = "Cortex-M4 equal to the bit"
    print(f"{name}: loss {losses[0]:.4f} to {losses[-1]:.4f}, native within {away:.1e}, {board}")


def exchange():
    """State is written when nobody reads the old value any more: the interpreter before and after each pass agrees."""
    done = subprocess.run([NNC, "--check-passes", str(HERE / "exchange.ir"), "--name=fit", "-o", "fit.c"], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    must("gcc", *STRICT, "-c", "fit.c", "-o", "fit.o")
    text = pathlib.Path("fit.c").read_text()
    assert text.count("saved") == 3, "one of two states that change places is saved"
    program = subprocess.run([NNC, str(HERE / "exchange.ir"), "-o", "fit"], stdin=subprocess.DEVNULL, text=True,
                             capture_output=True, timeout=60)
    assert program.returncode and "has state" in program.stderr, program.stderr
    print("exchange: as the interpreter says")


def main():
    names = sys.argv[1:] or sorted(p.stem for p in HERE.glob("*.nn")) + ["exchange"]
    failed = 0
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                exchange() if name == "exchange" else check(name)
            except AssertionError as e:
                failed += 1
                print(f"{name}: {e}")
            os.chdir("/")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
