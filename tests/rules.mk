# C unit tests: tests/unit/test-*.c, one program each, with cmocka.
UNIT_TESTS += $(basename $(wildcard tests/unit/test-*.c))
UNIT_BINS := $(UNIT_TESTS:%=$(BUILD)/%)
$(UNIT_BINS): %: %.o $(BUILD)/libdriver.a $(BUILD)/libova.a \
    $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -Wl,--as-needed -o $@ $^ -lcmocka $(LIBS)

# Fuzzers: tests/fuzz/fuzz-*.c with LLVMFuzzerTestOneInput.
FUZZERS += $(basename $(wildcard tests/fuzz/fuzz-*.c))
FUZZ_BINS := $(FUZZERS:%=$(BUILD)/%)
$(FUZZ_BINS): %: %.o $(BUILD)/libdriver.a $(BUILD)/libova.a \
    $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS)
