/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabird --snapshot: one more snapshot, and what has become of it. The server answers each question at once, so it is asked
 * again and again, as long as it takes.
 */
#include "server/main/snapshot_now.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "server/base/clock.h"
#include "server/main/signals.h"
#include "server/main/talk.h"

#define LOOK_AGAIN (10 * CLOCK_MILLISECOND)

static enum sabir_error await(struct talk *t, attach_SnapshotState *state)
{
	const struct timespec pause = { .tv_nsec = LOOK_AGAIN };
	struct attach_message question = { .type = ATTACH_SNAPSHOT }, answer;
	for (;;) {
		t->deadline = clock_deadline(TALK_PATIENCE);
		enum sabir_error error = talk_ask(t, &question, ATTACH_SNAPSHOT_STATE, &answer);
		if (error)
			return error;
		*state = answer.snapshot_state;
		if (state->written)
			return SABIR_OK;
		question.snapshot.number = state->number;
		nanosleep(&pause, NULL);
	}
}

int snapshot_now(const char *socket_path)
{
	attach_SnapshotState state;
	struct talk t;
	enum sabir_error error = SABIR_UNAVAILABLE;
	if (talk_begin(&t, socket_path)) {
		error = await(&t, &state);
		if (error)
			fprintf(stderr, "sabird: no snapshot: %s\n", *t.detail ? t.detail : error_message(error));
	}
	talk_end(&t);
	if (error)
		return EXIT_FAILED;
	printf("%s: %" PRIu64 " objects, %" PRIu64 " bytes, written in %" PRIu64 " ms\n", state.file, state.n_objects,
	       state.size_bytes, state.write_ms);
	if (state.n_damaged)
		printf("%" PRIu64 " damaged objects are not in it\n", state.n_damaged);
	return EXIT_IN_ORDER;
}
