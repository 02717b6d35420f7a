.PHONY: bench bench-now
bench: ## measure the OVA path against its peers (BENCH_ROUNDS=5)
	.ci/deps build run bench
	$(MAKE) bench-now
BENCH_ROUNDS ?= 5
bench-now: all
	bench/ova.py $(BUILD) --rounds $(BENCH_ROUNDS) $(BENCH_ARGS)
