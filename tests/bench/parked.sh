# SPDX-License-Identifier: Apache-2.0
# What Gets that wait cost: memory for each, and the rate of other calls. Sourced by run, which gives it a server of its
# own: memory that was used before and is free would hide what they take.

resident_kib() {
	awk '/^VmRSS:/ { print $2 }' "/proc/$SERVER_PROCESS/status"
}

# Parks $N_PARKED Gets in a process of their own; returns when the server has them.
park_start() {
	local line
	"$BENCH/park" "unix:$SERVER_DIR/grpc.sock" "$N_PARKED" <"$SERVER_DIR/park.in" >"$SERVER_DIR/park.out" &
	PARK_PID=$!
	exec {PARK_IN}>"$SERVER_DIR/park.in" {PARK_OUT}<"$SERVER_DIR/park.out"
	read -r -u "$PARK_OUT" line
}

# Ends them; sets N_WOKEN to the number of them that one put had ended before.
park_stop() {
	exec {PARK_IN}>&-
	read -r -u "$PARK_OUT" N_WOKEN
	exec {PARK_OUT}<&-
	wait "$PARK_PID"
}

# Parking takes longer than a round, so there are several of them for each time.
rounds_of() {
	for _ in 1 2 3 4 5; do
		rate_round "$1" "$SERVER_PROCESS" "unix:$SERVER_DIR/grpc.sock"
	done
}

rounds_parked() {
	park_start
	rounds_of parked
	park_stop
}

bench_parked() {
	local before after target=unix:$SERVER_DIR/grpc.sock
	echo "$N_PARKED Gets parked on other queues, unary calls beside them as above, over a unix socket:"
	mkfifo "$SERVER_DIR/park.in" "$SERVER_DIR/park.out"
	"$BENCH/rate" "$target" create
	"$BENCH/park" "$target" 0 create
	"$BENCH/rate" "$target" 30000 >/dev/null # so that all it needs anyway is there
	before=$(resident_kib)
	park_start
	after=$(resident_kib)
	park_stop
	awk -v kib=$((after - before)) -v n="$N_PARKED" -v woken="$N_WOKEN" 'BEGIN {
		printf "memory %.1f KiB for each of them (at most 16); one put woke %d\n", kib / n, woken }'
	for round in $(seq $((REMOTE_ROUNDS / 3))); do
		in_turns "$round" "rounds_of alone" rounds_parked
	done
	awk -v alone="$(rate_text alone)" -v parked="$(rate_text parked)" \
		-v ratio="$(median_ratio "$SERVER_DIR/parked" "$SERVER_DIR/alone")" 'BEGIN {
			form = "rate   alone %s   with them %s   slower by %.1f%% (at most 5%%)\n"
			printf form, alone, parked, (1 - ratio) * 100 }'
}
