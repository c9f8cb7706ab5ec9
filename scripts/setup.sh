#!/bin/sh
# Install what is missing, and only that.
#
#   scripts/setup.sh            what building nnc needs
#   scripts/setup.sh --tests    and what `make test` needs: clang, a Python environment in .venv
#   scripts/setup.sh --bench    and the engines `make bench` compares with
#   scripts/setup.sh --bench-train    and PyTorch, in .venv-torch, for `make bench-train`
#   scripts/setup.sh --packages NAME...    these Debian packages;  --update: Debian's package lists
#
# Everything is looked for first, so that a machine which has it all needs neither root nor a network.
# Debian package names; elsewhere the names are printed and the rest is yours.
set -eu
cd "$(dirname "$0")/.."

as_root=
if [ "$(id -u)" != 0 ]; then
    as_root=sudo
fi

install() {    # a fresh container has no package lists at all, hence the second try
    command -v apt-get >/dev/null || { echo "setup: please install what Debian calls: $*" >&2; exit 1; }
    [ -z "$as_root" ] || command -v sudo >/dev/null ||
        { echo "setup: as root, please: apt-get install $*" >&2; exit 1; }
    echo "setup: installing $*" >&2
    export DEBIAN_FRONTEND=noninteractive
    $as_root apt-get install -y --no-install-recommends "$@" >.setup.log 2>&1 ||
        { $as_root apt-get update >>.setup.log 2>&1 &&
          $as_root apt-get install -y --no-install-recommends "$@" >>.setup.log 2>&1; } ||
        { tail -5 .setup.log >&2; echo "setup: apt-get failed, see .setup.log" >&2; exit 1; }
    rm -f .setup.log
}

case ${1:-} in
--packages) shift; install "$@"; exit ;;
--update) exec $as_root apt-get -qq update ;;
esac

want=build
for arg; do
    case $arg in
    --tests) [ $want = bench ] || want=tests ;;
    --bench) want=bench ;;
    --bench-train) want=train ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done

missing=
need() {    # need PACKAGE TEST...: the package is missing when the test fails
    package=$1; shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
program() { command -v "$1"; }
header() { [ -e "/usr/include/$1" ] || [ -e "/usr/local/include/$1" ] || echo "#include <$1>" | cc -E -; }
one_of() { ls $1; }

need gcc program gcc
need libc6-dev header stdlib.h
need cmake program cmake
need ninja-build program ninja
need ccache program ccache
need flex program flex
need bison program bison
need protobuf-c-compiler program protoc-c
need libprotobuf-c-dev header protobuf-c/protobuf-c.h
need zlib1g-dev header zlib.h
if [ $want = train ]; then
    need python3-venv python3 -c 'import ensurepip, venv'
elif [ $want != build ]; then
    need g++ program g++
    need clang-19 program clang-19
    need libclang-rt-19-dev one_of '/usr/lib/llvm-19/lib/clang/19/lib/*/libclang_rt.fuzzer*'
    need python3-venv python3 -c 'import ensurepip, venv'
    need graphviz program dot
    need qemu-system-arm program qemu-system-arm    # emitted training on a Cortex-M4
    need gcc-arm-none-eabi program arm-none-eabi-gcc
    need libnewlib-arm-none-eabi one_of /usr/lib/arm-none-eabi/newlib/thumb/v7e-m+fp/hard/libm.a
    need openmpi-bin program mpirun          # sweeps over ranks
    need libopenmpi-dev program mpicc
fi

if [ -n "$missing" ]; then
    install $missing
fi

venv() {    # venv GROUP FOLDER: the environment has the packages of scripts/requirements-GROUP.txt
    list=scripts/requirements-$1.txt
    stamp=$2/.$1
    if cmp -s "$list" "$stamp"; then
        return
    fi
    [ -x "$2/bin/python" ] || python3 -m venv "$2"
    echo "setup: installing $list into $2" >&2
    "$2/bin/python" -m pip install --quiet --disable-pip-version-check -r "$list" ||
        { echo "setup: pip failed; NNC_PYTHON, for PyTorch NNC_TORCH_PYTHON, names a python that has the packages" >&2; exit 1; }
    cp "$list" "$stamp"
}

if [ $want = train ]; then
    [ -n "${NNC_TORCH_PYTHON:-}" ] || venv bench-train .venv-torch
elif [ $want != build ] && [ -z "${NNC_PYTHON:-}" ]; then
    venv tests .venv
    if [ $want = bench ]; then
        venv bench .venv
    fi
fi
