# The usual ways in; `make help` lists them. Each installs missing packages first, says what it does,
# and may be run again at any time.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
TEST_JOBS ?= 2
FUZZ_SECONDS ?= 60
CRASH_KILLS ?= 200
CUT_SECONDS ?= 60
SIM_SEEDS ?= 500
SOAK_MINUTES ?= 20

say = @printf '== %s\n' "$(1)"
# $(call configure_and_build,PRESET,TARGET)
define configure_and_build
$(call say,configuring preset $(1))
@cmake --preset $(1) --log-level=NOTICE
$(call say,building $(2) of preset $(1) with $(JOBS) jobs)
@cmake --build --preset $(1) --target $(2) --parallel $(JOBS)
endef
# $(call run_tests,PRESET)
define run_tests
$(call say,testing preset $(1))
@ctest --preset $(1) --output-on-failure --no-label-summary --parallel $(TEST_JOBS)
endef

.PHONY: help deps build demo test crash cut sim soak bench state-cost reload-load format asan tsan fuzz clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

deps:  ## install the packages that are missing (Debian, as root or through sudo)
	@scripts/install-packages

build: deps  ## the release binary at build/vigil
	$(call configure_and_build,release,vigil)
	$(call say,build/vigil is ready)

demo: build  ## a guided run of the binary on sample data
	$(call say,running scripts/demo)
	@scripts/demo

test: deps  ## build everything in release and run all tests
	$(call configure_and_build,release,all)
	$(call run_tests,release)

crash: deps  ## kill the daemon CRASH_KILLS (200) times against a real broker and compare its alerts
	$(call configure_and_build,release,vigil_tests_crash)
	@VIGIL_CRASH_KILLS=$(CRASH_KILLS) VIGIL_BINARY=build/vigil build/tests/vigil_tests_crash

cut: deps  ## cut the network to a real broker for CUT_SECONDS (60) and compare what is delivered
	$(call configure_and_build,release,vigil vigil_tests_integration)
	$(call say,cutting the network for $(CUT_SECONDS) s)
	@VIGIL_BINARY=build/vigil VIGIL_CUT_SECONDS=$(CUT_SECONDS) \
	  build/tests/vigil_tests_integration 'State: a network*'

sim: deps  ## run the whole job in SIM_SEEDS (500) simulated worlds and compare it with a plain model
	$(call configure_and_build,release,vigil_tests_sim)
	@VIGIL_SIM_SEEDS=$(SIM_SEEDS) build/tests/vigil_tests_sim

soak: deps  ## run the daemon at full speed for SOAK_MINUTES (20): memory and state must level off
	$(call configure_and_build,release,vigil vigil_tests_soak)
	@VIGIL_SOAK_SECONDS=$$((60 * $(SOAK_MINUTES))) VIGIL_BINARY=build/vigil build/tests/vigil_tests_soak

bench: deps  ## build and run the benchmarks
	$(call configure_and_build,release,all)
	$(call say,running bench/run)
	@bench/run

state-cost: deps  ## what durable state costs: CPU, pauses, taking it back, its size on disk
	$(call configure_and_build,release,vigil_bench_state)
	@build/bench/vigil_bench_state

reload-load: deps  ## 50 reloads at 200,000 events a second, against a real broker
	$(call configure_and_build,release,vigil vigil_tests_integration)
	$(call say,reloading rules under load)
	@VIGIL_BINARY=build/vigil VIGIL_RELOADS=50 VIGIL_RELOAD_RATE=200000 \
	  build/tests/vigil_tests_integration 'Reload: under load*'

format: deps  ## format all sources in place
	$(call say,formatting with clang-format-14)
	@git ls-files -z --cached --others --exclude-standard -- '*.h' '*.cc' \
	  | xargs -0 -r sh -c 'for f; do [ ! -e "$$f" ] || printf "%s\0" "$$f"; done' sh \
	  | xargs -0 -r clang-format-14 -i

asan: deps  ## all tests under AddressSanitizer and UndefinedBehaviorSanitizer
	$(call configure_and_build,asan,all)
	$(call run_tests,asan)

tsan: deps  ## all tests under ThreadSanitizer
	$(call configure_and_build,tsan,all)
	$(call run_tests,tsan)

fuzz: deps  ## drive every fuzz target for FUZZ_SECONDS (60) with libFuzzer
	$(call configure_and_build,fuzz,all)
	@scripts/fuzz $(FUZZ_SECONDS)

clean:  ## remove every build folder
	rm -rf build build-dev build-asan build-tsan build-fuzz
