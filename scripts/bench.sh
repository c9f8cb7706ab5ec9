#!/bin/sh
# The benchmark against other engines, into docs/bench.md; arguments go to bench/bench.py.
set -eu
cd "$(dirname "$0")/.."
python=${NNC_PYTHON:-$PWD/.venv/bin/python}
NNC=${NNC:-$PWD/build/release/nnc} exec "$python" bench/bench.py --out docs/bench.md "$@"
