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

bench_local() {
	echo "local, 64-byte items, for each item:"
	compare_local queue 2000000 "boost message_queue"
	compare_local dict 2000000 "LMDB"
}
