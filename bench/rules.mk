# What the OVA rows are measured against.
bench_SRCS := bench/inflate.c
BENCH_INFLATE := $(BUILD)/bench/inflate
$(BENCH_INFLATE): $(bench_SRCS:%.c=$(BUILD)/%.o)
	$(CC) $(LDFLAGS) -Wl,--as-needed -o $@ $< $(LIBS)

# The smoke test runs it.
check-now check-quick: $(BENCH_INFLATE)

# BENCH='ova copy': only these parts; BENCH_ARGS: see bench/run.py --help.
BENCH ?=
BENCH_ROUNDS ?= 5
.PHONY: bench bench-now
bench: ## measure the data path against its peers (BENCH='ova copy': parts)
	.ci/deps build run guest bench
	$(MAKE) bench-now
bench-now: all $(BENCH_INFLATE) $(BUILD)/guests/bios.raw
	bench/run.py $(BUILD) --rounds $(BENCH_ROUNDS) \
	  --guest $(BUILD)/guests/bios.raw $(BENCH_ARGS) $(BENCH)
