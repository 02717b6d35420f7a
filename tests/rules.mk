# C unit tests: tests/unit/test-*.c, one program each, with cmocka.
UNIT_TESTS += $(basename $(wildcard tests/unit/test-*.c))
UNIT_BINS := $(UNIT_TESTS:%=$(BUILD)/%)
$(UNIT_BINS): %: %.o $(ARCHIVES)
	$(CC) $(LDFLAGS) -Wl,--as-needed -o $@ $(filter %.o %.a,$^) -lcmocka \
	  $(LIBS)

# Fuzzers: tests/fuzz/fuzz-*.c with LLVMFuzzerTestOneInput.
FUZZERS += $(basename $(wildcard tests/fuzz/fuzz-*.c))
FUZZ_BINS := $(FUZZERS:%=$(BUILD)/%)
$(FUZZ_BINS): %: %.o $(ARCHIVES)
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $(filter %.o %.a,$^) $(LIBS)

# Shell tests; those that boot or convert a guest say "# slow".  They go
# first: they take longest.
SHELL_TESTS += $(wildcard tests/test-*.sh)
SLOW_TESTS := $(if $(SHELL_TESTS),\
  $(shell grep -l '^\# slow$$' $(SHELL_TESTS)))
QUICK_TESTS := $(filter-out $(SLOW_TESTS),$(SHELL_TESTS))

# The guests that slow tests and the demo use, made once.  That of the
# Windows test needs FUSE, so it is left to that test.
GUESTS := $(patsubst %,$(BUILD)/guests/%.raw,bios uefi static-networkd \
  static-ifupdown static-mixed)
MAKE_GUEST := tests/tools/make-guest.sh
$(BUILD)/guests/bios.raw: $(MAKE_GUEST)
	@mkdir -p $(@D)
	$(MAKE_GUEST) --firmware bios $@
$(BUILD)/guests/uefi.raw: $(MAKE_GUEST)
	@mkdir -p $(@D)
	$(MAKE_GUEST) --firmware uefi --data $(@D)/data.raw $@
# Whose addresses are bound to a name: NETWORK is the last part.
$(BUILD)/guests/static-%.raw: $(MAKE_GUEST)
	@mkdir -p $(@D)
	$(MAKE_GUEST) --network $* $@
$(BUILD)/guests/windows.raw: tests/tools/make-phony-windows.sh
	@mkdir -p $(@D)
	tests/tools/make-phony-windows.sh --virtio $(@D)/virtio-win $@

# The vCenter that tests of the vSphere source run against, from Debian's
# Go packages.  Without them there is none, and those tests are skipped.
VCSIM := $(BUILD)/vcsim
GOVMOMI := /usr/share/gocode/src/github.com/vmware/govmomi
GO_ENV := GO111MODULE=off GOFLAGS= GOPATH=/usr/share/gocode \
  GOCACHE=$(abspath $(BUILD))/go-cache
$(VCSIM): $(wildcard tests/vcsim/*.go)
	@mkdir -p $(@D)
	@if ! command -v go >/dev/null || ! [ -d $(GOVMOMI) ]; then \
	  echo "no vCenter simulator: '.ci/deps vcsim' installs what it needs"; \
	else \
	  echo go build -o $@ ./tests/vcsim; \
	  $(GO_ENV) go build -o $@ ./tests/vcsim; \
	fi

# What Go's own engine makes of templates; needs the Debian package
# golang-github-masterminds-sprig-dev, the test of it does not.
.PHONY: template-cases
template-cases: ## have Go make tests/data/template-cases.json anew
	cd tests/tools/template-cases && \
	  $(GO_ENV) go run . >$(abspath $(BUILD))/template-cases.json
	cp $(BUILD)/template-cases.json tests/data/

RUN_TESTS = BUILD=$(BUILD) SAN=$(SAN) TESTS='$(TESTS)' tests/run

.PHONY: check check-now check-quick
check: ## run all tests; TESTS='PATTERN ...' selects
	.ci/deps build run test vcsim guest browser
	$(MAKE) check-now
# Without TESTS the guests are made here, before the time limits begin.
check-now: all $(UNIT_BINS) $(VCSIM) $(if $(TESTS),,$(GUESTS))
	$(RUN_TESTS) $(SLOW_TESTS) $(QUICK_TESTS) $(UNIT_BINS)
check-quick: all $(UNIT_BINS) $(VCSIM)
	$(RUN_TESTS) --no-slow $(QUICK_TESTS) $(UNIT_BINS)

.PHONY: check-asan
check-asan: ## run the quick tests with AddressSanitizer
	.ci/deps build run test vcsim
	$(MAKE) BUILD=$(BUILD)-address SAN=address check-quick

.PHONY: check-ubsan
check-ubsan: ## run the quick tests with UndefinedBehaviorSanitizer
	.ci/deps build run test vcsim
	$(MAKE) BUILD=$(BUILD)-undefined SAN=undefined check-quick

.PHONY: check-valgrind
check-valgrind: ## run the quick tests with valgrind
	.ci/deps build run test vcsim valgrind
	$(MAKE) BUILD=$(BUILD)-valgrind SAN=valgrind check-quick

.PHONY: coverage coverage-now
coverage: ## run the quick tests and print what they cover
	.ci/deps build run test vcsim coverage
	$(MAKE) BUILD=$(BUILD)-coverage SAN=coverage coverage-now
coverage-now: check-quick
	gcovr --root . --object-directory $(BUILD) --exclude tests/ \
	  --sort-percentage --print-summary

# FUZZ_SECONDS for each fuzzer; new inputs go to the build folder, what
# fails to $(BUILD)/NAME-crash-*.
FUZZ_SECONDS ?= 60
.PHONY: fuzz fuzz-now
fuzz: ## run each fuzzer for FUZZ_SECONDS (60)
	.ci/deps build fuzz
	$(MAKE) BUILD=$(BUILD)-fuzz SAN=fuzzer fuzz-now
fuzz-now: $(FUZZ_BINS)
	tests/fuzz/run $(BUILD) $(FUZZ_SECONDS) $(FUZZ_BINS)
