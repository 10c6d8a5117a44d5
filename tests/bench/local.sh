# SPDX-License-Identifier: Apache-2.0
# Local programs on shared memory, in ns per item. Sourced by run.

# compare_local WHAT ITEMS 'PEER NAME'
compare_local() {
	local what=$1 n=$2 peer=$3 ours=$SERVER_DIR/$1.ours theirs=$SERVER_DIR/$1.theirs dir
	for _ in $(seq "$ROUNDS"); do
		"$BENCH/local" "$what" "$LOCAL_URL" "$n" >>"$ours"
		if [ "$what" = dict ]; then
			dir=$(mktemp -d "$SERVER_DIR/lmdb.XXXXXX")
			"$BENCH/peers" dict "$dir" "$n" >>"$theirs"
			rm -r "$dir"
		else
			"$BENCH/peers" queue "$n" >>"$theirs"
		fi
	done
	awk -v what="$what" -v a="$(median <"$ours")" -v b="$(median <"$theirs")" -v peer="$peer" \
		'BEGIN { printf "%-6s sabir %7.1f ns   %s %7.1f ns   ratio %.2f (at most 0.50)\n", what, a, peer, b, a / b }'
}

# compare_in_place LEN ITEMS
compare_in_place() {
	local len=$1 n=$2 there=$SERVER_DIR/in_place.$1 copied=$SERVER_DIR/copied.$1
	for _ in $(seq "$ROUNDS"); do
		"$BENCH/local" in_place "$LOCAL_URL" "$n" "$len" >>"$there"
		"$BENCH/local" copied "$LOCAL_URL" "$n" "$len" >>"$copied"
	done
	awk -v len="$len" -v a="$(median <"$there")" -v b="$(median <"$copied")" -v r="$(median_ratio "$there" "$copied")" \
		'BEGIN { printf "%8d bytes  in place %9.1f ns   put and get %9.1f ns   ratio %.2f\n", len, a, b, r }'
}

bench_local() {
	echo "local, 64-byte items, for each item:"
	compare_local queue 2000000 "boost message_queue"
	compare_local dict 2000000 "LMDB"
	echo "local, one process writes each item and another reads it, for each item:"
	compare_in_place 4096 200000
	compare_in_place 65536 40000
	compare_in_place 1048576 3000
}
