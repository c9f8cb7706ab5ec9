#!/bin/sh
# Training steps against PyTorch, into docs/bench-train.md; arguments go to bench/train/train.py.
set -eu
cd "$(dirname "$0")/.."
python=${NNC_TORCH_PYTHON:-$PWD/.venv-torch/bin/python}
NNC=${NNC:-$PWD/build/release/nnc} exec "$python" bench/train/train.py --out docs/bench-train.md "$@"
