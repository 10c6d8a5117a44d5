# SPDX-License-Identifier: Apache-2.0
# For scripts of suites: a sabird of their own, gone when the script ends. Sourced, from the top of the tree.
#
#   server_start [OPTION...]   sets $SERVER_DIR, $LOCAL_URL (shared memory), $REMOTE_URL and $TCP_URL (gRPC)
#                              $SERVER_PID is for signals and wait (the keeper), $SERVER_PROCESS is the one that serves
#   server_process             sets $SERVER_PROCESS anew, after the server's death
#   server_stop                ends it; sets $SERVER_STATUS
#   server_clean               ends it and removes what it left; of itself when the script ends
#
# What a sanitizer has to say in a server's log is shown, and the script then ends with status 1 whatever it had found.

SABIR_BUILD=${SABIR_BUILD:-build}
SABIRD=${SABIRD:-$SABIR_BUILD/bin/sabird}
SANITIZER_REPORT='(Address|Leak|Thread|UndefinedBehavior)Sanitizer|: runtime error: '

server_start() {
	server_reports
	SERVER_DIR=$(mktemp -d "${TMPDIR:-/tmp}/sabir.XXXXXX")
	LOCAL_URL=unix:$SERVER_DIR/sabir.sock
	REMOTE_URL=grpc+unix:$SERVER_DIR/grpc.sock
	SERVER_PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	TCP_URL=grpc://127.0.0.1:$SERVER_PORT
	"$SABIRD" --socket "$SERVER_DIR/sabir.sock" --listen "unix:$SERVER_DIR/grpc.sock" --listen "127.0.0.1:$SERVER_PORT" "$@" \
		>>"$SERVER_DIR/log" 2>&1 &
	SERVER_PID=$!
	trap server_clean EXIT
	trap 'exit 130' INT TERM
	for _ in $(seq 100); do
		if "$SABIRD" --health --socket "$SERVER_DIR/sabir.sock" >/dev/null 2>&1; then
			server_process
			return 0
		fi
		if ! kill -0 "$SERVER_PID" 2>/dev/null; then
			break
		fi
		sleep 0.05
	done
	cat "$SERVER_DIR/log" >&2
	echo "the server did not start" >&2
	return 1
}

server_process() {
	local children
	read -r children _ <"/proc/$SERVER_PID/task/$SERVER_PID/children" || true
	SERVER_PROCESS=${children:-$SERVER_PID}
}

server_stop() {
	kill -TERM "$SERVER_PID" 2>/dev/null
	SERVER_STATUS=0
	wait "$SERVER_PID" || SERVER_STATUS=$?
	SERVER_PID=
	server_reports
}

# Shows what sanitizers have reported in the log, from the first report on; once.
server_reports() {
	local log=${SERVER_DIR:-}/log
	[ "$log" != "${SERVER_REPORTED:-}" ] && grep -qE "$SANITIZER_REPORT" "$log" 2>/dev/null || return 0
	SERVER_REPORTED=$log
	echo "in the server's log:"
	sed -nE "/$SANITIZER_REPORT/,\$ p" "$log" | head -n 400
}

server_clean() {
	local status=$?
	if [ -n "${SERVER_PID:-}" ]; then
		# On Ctrl-C it has had a signal before, and this is its second: a status that must not end a "set -e" here.
		kill -TERM "$SERVER_PID" 2>/dev/null || true
		wait "$SERVER_PID" 2>/dev/null || true
	fi
	server_reports
	rm -rf "${SERVER_DIR:-}"
	if [ -n "${SERVER_REPORTED:-}" ] && [ "$status" -eq 0 ]; then
		exit 1
	fi
}
