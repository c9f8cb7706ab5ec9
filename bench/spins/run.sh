#!/bin/sh
# bench/spins/run.sh [nnc] - emitted against hand-written C for each compiler and level at hand.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
nnc=${1:-$here/../../build/release/nnc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$nnc" "$here/retrieve.ir" -o retrieve.c
for cc in gcc clang; do
    command -v $cc >/dev/null || continue
    for flags in "-O2" "-O3 -march=native"; do
        $cc -std=c99 -D_POSIX_C_SOURCE=200809L $flags -I"$here" -I. "$here/main.c" "$here/hand.c" retrieve.c -lm -o spins
        printf '%-6s %-20s ' "$cc" "$flags"
        ./spins
    done
done
