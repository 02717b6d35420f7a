# Lint: clang-tidy with one stamp per C file, so that only what changed is
# looked at again, then the rest in .ci/lint.
TIDY_STAMPS := $(SOURCES:%.c=$(BUILD)/%.tidy)
$(TIDY_STAMPS): $(BUILD)/%.tidy: %.c .clang-tidy \
    tests/unit/.clang-tidy $(wildcard common/*.h \
    common/*/*.h plugins/*.h plugins/*/*.h driver/*.h driver/*/*.h \
    tests/unit/*.h)
	@mkdir -p $(@D)
	clang-tidy --quiet --warnings-as-errors='*' $< -- \
	  $(CPPFLAGS) -std=gnu11 2>$@.err || { cat $@.err >&2; false; }
	@rm $@.err
	@touch $@

.PHONY: lint lint-now
lint: ## clang-tidy, cppcheck, shellcheck, codespell, gofmt, podchecker
	.ci/deps build test vcsim lint
	$(MAKE) BUILD=$(BUILD)-lint lint-now
lint-now: $(TIDY_STAMPS)
	.ci/lint $(SOURCES)
