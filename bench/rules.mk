# What the OVA rows are measured against, and the line with a delay.
bench_SRCS := bench/inflate.c bench/tundelay.c
BENCH_INFLATE := $(BUILD)/bench/inflate
BENCH_PROGRAMS := $(BENCH_INFLATE) $(BUILD)/bench/tundelay
$(BENCH_PROGRAMS): %: %.o
	$(CC) $(LDFLAGS) -Wl,--as-needed -o $@ $< $(LIBS)

# The smoke test runs it.
check-now check-quick: $(BENCH_PROGRAMS)

# BENCH='ova copy': only these parts; BENCH_ARGS: see bench/run.py --help.
BENCH ?=
BENCH_ROUNDS ?= 5
.PHONY: bench bench-now
bench: ## measure the data path against its peers (BENCH='ova copy': parts)
	.ci/deps build run guest vcsim bench
	$(MAKE) bench-now
bench-now: all $(BENCH_PROGRAMS) $(VCSIM) $(BUILD)/guests/bios.raw
	bench/run.py $(BUILD) --rounds $(BENCH_ROUNDS) \
	  --guest $(BUILD)/guests/bios.raw $(BENCH_ARGS) $(BENCH)
