# SPDX-License-Identifier: Apache-2.0
# What it costs that nobody's death hurts anyone: local operations beside a libsabir that keeps no records for recovery.
# Sourced by run.

# Of the rounds' medians: what disturbs a round for as long as it takes only ever makes it slower.
least() {
	sort -n | head -1
}

# promise_round NAME BUILD: the ns of every operation, a line each, into the file NAME of the round
promise_round() {
	"$2/tests/bench/ops" "$LOCAL_URL" "$PROMISE_BATCHES" >"$SERVER_DIR/$1"
}

bench_promise() {
	local round
	echo "local operations of one process, with what recovery needs and without, ns (ratio at most 1.15):"
	for round in $(seq "$ROUNDS"); do
		in_turns "$round" "promise_round real.$round $SABIR_BUILD" "promise_round bare.$round $BARE_BUILD"
	done
	cut -f1 "$SERVER_DIR/real.1" | while read -r name; do
		for round in $(seq "$ROUNDS"); do
			sed -n "s/^$name\t//p" "$SERVER_DIR/real.$round" >>"$SERVER_DIR/$name.real"
			sed -n "s/^$name\t//p" "$SERVER_DIR/bare.$round" >>"$SERVER_DIR/$name.bare"
		done
		awk -v name="$name" -v a="$(least <"$SERVER_DIR/$name.real")" -v b="$(least <"$SERVER_DIR/$name.bare")" \
			'BEGIN { printf "%-26s %8.1f %8.1f   ratio %.2f%s\n", name, a, b, a / b, (a / b > 1.15 ? "  above" : "") }'
	done
}
