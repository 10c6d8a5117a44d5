# SPDX-License-Identifier: Apache-2.0
# Unary gRPC calls beside a plain gRPC C++ server, in calls per second, and streams of items. Sourced by run.

# Serves until peer_stop; sets PEER_PID and PEER_PORT. As many threads as sabird has.
peer_start() {
	local n=$(($(nproc) > 4 ? $(nproc) / 4 : 1)) out
	exec {out}< <(exec "$BENCH/grpc_peer" "$n" "unix:$SERVER_DIR/peer.sock" 127.0.0.1:0)
	PEER_PID=$!
	read -r -u "$out" PEER_PORT
	exec {out}<&-
}

peer_stop() {
	kill "$PEER_PID"
	wait "$PEER_PID" 2>/dev/null || true
}

# compare_remote NAME OURS THEIRS
compare_remote() {
	local ours="$1.ours $SERVER_PROCESS $2" theirs="$1.theirs $PEER_PID $3" ratio
	for round in $(seq "$REMOTE_ROUNDS"); do
		in_turns "$round" "rate_round $ours" "rate_round $theirs"
	done
	ratio=$(median_ratio "$SERVER_DIR/$1.ours" "$SERVER_DIR/$1.theirs")
	printf '%-6s sabir %s   gRPC C++ %s   ratio %.2f (at least 0.90)\n' \
		"$1" "$(rate_text "$1.ours")" "$(rate_text "$1.theirs")" "$ratio"
}

# stream_round TARGET FILE MODE: the items/s of one round
stream_round() {
	"$BENCH/stream" "$1" "$3" "$STREAM_ITEMS" >>"$SERVER_DIR/$2.$3"
}

# compare_streams NAME TARGET: Produce beside PutMany, Consume beside GetMany
compare_streams() {
	local modes=() mode
	for _ in $(seq "$ROUNDS"); do
		for mode in produce get put consume; do # each empties what the one before has put
			stream_round "$2" "$1" "$mode"
		done
	done
	for mode in produce consume put get; do
		modes+=("$mode $(sort -n "$SERVER_DIR/$1.$mode" | sed -n "$((ROUNDS / 2 + 1))p")")
	done
	printf '%-6s %s   %s   %s   %s\n' "$1" "${modes[@]}"
}

bench_streams() {
	echo "streams of 100 items of 64 bytes a message, beside PutMany and GetMany of 100 one by one, items/s:"
	compare_streams tcp "127.0.0.1:$SERVER_PORT"
	compare_streams unix "unix:$SERVER_DIR/grpc.sock"
}

bench_remote() {
	echo "unary gRPC calls, 64 outstanding, calls/s (and the server's processor time for each):"
	"$BENCH/rate" "unix:$SERVER_DIR/grpc.sock" create
	peer_start
	compare_remote tcp "127.0.0.1:$SERVER_PORT" "127.0.0.1:$PEER_PORT"
	compare_remote unix "unix:$SERVER_DIR/grpc.sock" "unix:$SERVER_DIR/peer.sock"
	peer_stop
}
