# A thin front for CMake: the presets of CMakePresets.json do the work.
#
#   make            nnc in build/release/nnc
#   make demo       a real network from PyPI to C, and running on a recording
#   make test       the quick tests, under 20 minutes on two cores; make test-all adds the long ones
#   make bench      speed against other engines, written to docs/bench.md
#   make bench-train  training steps against PyTorch, written to docs/bench-train.md; downloads 3 GB
#   make bench-loops  loops and scalar programs against hand-written C, as ratios of time
#   make papers     the experiments of models/, their claims written to docs/papers.md
#   make asan       a build with address and undefined-behaviour sanitizers
#   make fuzz       the libFuzzer entry points, in build/fuzz
#   make format     clang-format over every C file; make tidy runs clang-tidy
#   make docs       the pages of docs/ that are generated
#   make install    nnc and its manual page below PREFIX

PREFIX ?= /usr/local
JOBS   ?= $(shell nproc)
CTEST  := scripts/test.sh build/release -j $(JOBS)
C_FILES = $(shell git ls-files '*.c' '*.h')

# The compiler alone; `make test` and `make fuzz` build the tests as well.
release asan debug: setup
	$(call configure,$@)
	@cmake --build --preset $@ -j $(JOBS) --target nnc

fuzz: setup-tests
	$(call configure,$@)
	@cmake --build --preset $@ -j $(JOBS)

everything: setup-tests
	$(call configure,release)
	$(call configure,asan)
	@cmake --build --preset release -j $(JOBS)
	@cmake --build --preset asan -j $(JOBS)

define configure
	@cmake --preset $1 -DNNC_TEST_JOBS=$(JOBS) $(CONFIGURE_$1) >build/.$1.log 2>&1 || { cat build/.$1.log; exit 1; }
endef

# The plain build's tests also run the programs of the asan build.
CONFIGURE_release = -DNNC_PYTHON=$(NNC_PYTHON) -DNNC_ASAN_BUILD=$(CURDIR)/build/asan

.DEFAULT_GOAL := release
all: release

setup:
	@mkdir -p build
	@scripts/setup.sh

setup-tests:
	@mkdir -p build
	@scripts/setup.sh --tests

test: everything
	@$(CTEST) -L quick

test-all: everything
	@$(CTEST)

demo: release
	@scripts/demo.sh

bench: release
	@scripts/setup.sh --bench
	@scripts/bench.sh

bench-train: release
	@scripts/setup.sh --bench-train
	@scripts/bench-train.sh

papers: release
	@scripts/papers.py --write

docs: release
	@scripts/docs.sh

format:
	@clang-format -i $(C_FILES)

tidy: release
	@clang-tidy-19 -p build/release --quiet $(filter %.c,$(C_FILES))

install: release
	@cmake --install build/release --prefix $(PREFIX)

clean:
	@rm -rf build

bench-loops: release
	@sh bench/spins/run.sh
	@sh bench/scalar/run.sh

.PHONY: all release asan debug fuzz everything setup setup-tests test test-all demo bench bench-train bench-loops docs format tidy install clean
