#!/bin/sh
# bench/spins/run.sh [nnc] - emitted against hand-written C for each compiler and level at hand, from IR and from .nn.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
nnc=${1:-$here/../../build/release/nnc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for from in ir nn; do
    "$nnc" "$here/retrieve.$from" -o retrieve.c
    define=
    [ $from = ir ] || define=-DFROM_NN
    for cc in gcc clang; do
        command -v $cc >/dev/null || continue
        for flags in "-O2" "-O3 -march=native"; do
            $cc -std=c99 -D_POSIX_C_SOURCE=200809L $define $flags -I"$here" -I. "$here/main.c" "$here/hand.c" retrieve.c \
                -lm -o spins
            printf '.%s %-6s %-20s ' $from "$cc" "$flags"
            ./spins
        done
    done
done
