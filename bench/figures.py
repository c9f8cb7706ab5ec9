"""What both benchmarks say of a machine and of their samples."""

import platform

import numpy as np


def processor():
    with open("/proc/cpuinfo") as info:
        lines = [line.split(":", 1) for line in info if ":" in line]
    facts = {k.strip(): v.strip() for k, v in lines}
    flags = [f for f in ("avx2", "avx512f", "avx512_vnni", "amx_tile") if f in facts.get("flags", "").split()]
    return f"{facts.get('model name', platform.machine())}, family {facts.get('cpu family')} model {facts.get('model')}, {' '.join(flags)}"


def quartiles(ms):
    return np.percentile(ms, [25, 50, 75])


def geomean(values):
    values = [v for v in values if v]
    return float(np.exp(np.mean(np.log(values)))) if values else None
