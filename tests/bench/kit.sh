# SPDX-License-Identifier: Apache-2.0
# What the parts of the benchmark share. Sourced by run.

BENCH=$SABIR_BUILD/tests/bench

median() {
	sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# The median of the ratios of two files, line by line: what slows the machine for a while slows both of a pair.
median_ratio() {
	paste "$1" "$2" | awk '{ printf "%.4f\n", $1 / $2 }' | median
}

# A process's processor time so far, in ticks.
ticks_of() {
	local stat
	stat=$(<"/proc/$1/stat")
	# shellcheck disable=SC2086
	set -- ${stat##*) }
	echo $((${12} + ${13}))
}

# rate_round NAME PID TARGET: one round against the server PID; its calls per second go into the file NAME, the server's
# microseconds of processor time for each call into NAME.cpu. Rounds are short and many: on a machine that is shared, what
# disturbs them comes and goes.
rate_round() {
	local before calls=10000
	before=$(ticks_of "$2")
	"$BENCH/rate" "$3" $calls >>"$SERVER_DIR/$1"
	echo $((($(ticks_of "$2") - before) * 1000000 / $(getconf CLK_TCK) / calls)) >>"$SERVER_DIR/$1.cpu"
}

# "calls per second (processor time)" of a name; the time is the mean, for a round has few ticks.
rate_text() {
	printf '%6.0f (%4.1f us)' "$(median <"$SERVER_DIR/$1")" \
		"$(awk '{ sum += $1 } END { print sum / NR }' "$SERVER_DIR/$1.cpu")"
}

# in_turns ROUND FIRST SECOND: runs both commands, which are words, the other one first in every second round
in_turns() {
	if [ $(($1 % 2)) = 0 ]; then
		$2
		$3
	else
		$3
		$2
	fi
}
