#!/usr/bin/env python3
"""One PyTorch process of the benchmark, on one thread.  It starts from what `nnc run NET.nn check` has saved in FOLDER.

usage: worker.py check NET FOLDER      differences of the loss, the gradient and of ten steps from nnc's, as JSON
       worker.py MODE NET FOLDER       MODE eager or compile: for each number read, run so many steps and print the
                                       seconds of processor time; at the end of the input, the peaks of memory
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

import twins

torch.set_num_threads(1)
torch.manual_seed(0)


def status(field):
    """Bytes of a line of /proc/self/status."""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def difference(got, want):
    """The largest difference over the largest magnitude."""
    return float(np.abs(got - want).max() / max(np.abs(want).max(), 1e-30))


def compare(net, folder, file, values):
    saved = np.load(folder / file)
    return max((difference(saved[k], net.theirs(k, values[k])), k) for k in net.names)


def check(net, batches, folder):
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    result = {}
    for step in range(10):
        optimizer.zero_grad()
        loss = net.loss(*batches[step % len(batches)])
        loss.backward()
        if step == 0:
            result["loss"] = difference(np.load(folder / "loss.npz")["value"], loss.detach().numpy())
            result["gradient"] = compare(net, folder, "gradient.npz", {k: v.grad for k, v in net.record().items()})
        optimizer.step()
    result["after"] = compare(net, folder, "after.npz", net.record())
    print(json.dumps(result))


def serve(mode, net, batches):
    """Adam is the fused one, which is the fastest that PyTorch has."""
    loaded = status("VmRSS")
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=1e-3, fused=True)
    loss = torch.compile(net.loss) if mode == "compile" else net.loss
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.process_time()
        for step in range(int(line)):
            optimizer.zero_grad(set_to_none=True)
            loss(*batches[step % len(batches)]).backward()
            optimizer.step()
        print(time.process_time() - start, flush=True)
    print(json.dumps({"peak": status("VmHWM"), "loaded": loaded}))


def main():
    mode, name, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    before = np.load(folder / "before.npz")
    make = twins.PinnForward if mode == "compile" and name == "pinn" else twins.NETS[name]
    net = make({k: before[k] for k in before.files})
    batches = twins.batches_of(folder / "batches.npz")
    if mode == "check":
        check(net, batches, folder)
    else:
        serve(mode, net, batches)


if __name__ == "__main__":
    main()
