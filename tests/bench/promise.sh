# SPDX-License-Identifier: Apache-2.0
# What it costs that nobody's death hurts anyone: local operations beside a libsabir that keeps no records for recovery.
# Sourced by run.

bench_promise() {
	echo "local operations of one process, with what recovery needs and without, ns (ratio at most 1.15):"
	tests/bench/promise "$LOCAL_URL" "$SABIR_BUILD" "$BARE_BUILD" "$PROMISE_ROUNDS"
}
