#!/bin/sh
# From a network on PyPI to a small program in C that finds speech in a recording.  Called by `make demo`, after nnc was built.
# What is downloaded stays in .cache/demo, so that a second run needs no network.
set -eu
cd "$(dirname "$0")/.."
nnc=${NNC:-$PWD/build/release/nnc}
cache=.cache/demo
work=build/demo
wheel='silero-vad==6.2.3'
model=silero_vad_16k_op15.onnx
sound=Front_Center.wav
mkdir -p "$cache" "$work"

say() { printf '\n== %s\n' "$*"; }
give_up() { echo "demo: $*" >&2; exit 1; }

fetch_model() {
    pip="python3 -m pip"
    $pip --version >/dev/null 2>&1 || {
        python3 -c 'import ensurepip' 2>/dev/null || scripts/setup.sh --packages python3-venv
        python3 -m venv "$cache/pip"
        pip="$cache/pip/bin/python -m pip"
    }
    rm -rf "$cache/wheel"
    $pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$cache/wheel" "$wheel" ||
        give_up "cannot download $wheel from PyPI"
    python3 -m zipfile -e "$cache"/wheel/*.whl "$cache/wheel"
    mv "$cache/wheel/silero_vad/data/$model" "$cache/$model"
    rm -rf "$cache/wheel" "$cache/pip"
}

fetch_sound() {
    if [ -f "/usr/share/sounds/alsa/$sound" ]; then
        cp "/usr/share/sounds/alsa/$sound" "$cache/$sound"
        return
    fi
    rm -rf "$cache/deb"
    mkdir "$cache/deb"
    (cd "$cache/deb" && { apt-get download -qq alsa-utils 2>apt.log ||
        { ../../../scripts/setup.sh --update && apt-get download -qq alsa-utils 2>apt.log; } ||
        { cat apt.log >&2; exit 1; }; }) || give_up "cannot download the Debian package alsa-utils"
    dpkg-deb -x "$cache"/deb/alsa-utils_*.deb "$cache/deb"
    mv "$cache/deb/usr/share/sounds/alsa/$sound" "$cache/$sound"
    rm -rf "$cache/deb"
}

[ -f "$cache/$model" ] || { say "downloading $wheel from PyPI"; fetch_model; }
[ -f "$cache/$sound" ] || { say "downloading $sound from Debian's alsa-utils"; fetch_sound; }

pins="--dim batch=1 --dim sequence=576"
say "nnc $model -o silero.c --name=silero $pins"
"$nnc" "$cache/$model" -o "$work/silero.c" --name=silero $pins
"$nnc" info $pins "$cache/$model"

say "gcc -O3 -march=native vad.c wav.c silero.c -o vad -lm"
for source in models/silero-vad/vad.c models/silero-vad/wav.c "$work/silero.c"; do
    gcc -O3 -march=native -Wall -Wextra -Imodels/silero-vad -I"$work" -c "$source" -o "$work/$(basename "$source" .c).o"
done
gcc "$work/vad.o" "$work/wav.o" "$work/silero.o" -o "$work/vad" -lm

json=$("$nnc" info --json $pins "$cache/$model")
number() { printf '%s' "$json" | tr ',{}' '\n' | sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p" | head -1; }
arena=$(number workspace_bytes)
bound=$(number workspace_lower_bound)
weights=$(number weights_bytes)
total=$(size "$work/silero.o" | awk 'NR == 2 { print $1 }')

say "sizes in bytes"
printf '  text    %8d\n  weights %8d\n' $((total - weights)) "$weights"
printf '  arena   %8d, its lower bound %d: ratio %s\n' "$arena" "$bound" "$(awk "BEGIN { printf \"%.3f\", $bound ? $arena / $bound : 1 }")"

say "vad $sound"
"$work/vad" "$cache/$sound"
