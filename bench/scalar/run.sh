#!/bin/sh
# bench/scalar/run.sh [nnc] - time of emitted loops as a multiple of hand-written C, for each compiler and level at hand.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
nnc=${1:-$here/../../build/release/nnc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for name in lu collatz sieve edges jacobi; do
    "$nnc" "$here/$name.ir" -o $name.c
done
for cc in gcc clang; do
    command -v $cc >/dev/null || continue
    for flags in "-O2" "-O3 -march=native"; do
        $cc -std=c99 -D_POSIX_C_SOURCE=200809L $flags -I"$here" -I. "$here/main.c" "$here/hand.c" ./*.c -lm -o loops
        printf '%-6s %-18s' "$cc" "$flags"
        ./loops
    done
done
