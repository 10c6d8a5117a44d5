/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to the control socket that never says HELLO: it asks, and is gone.
 */
#include "server/main/talk.h"

#include <stdio.h>
#include <unistd.h>

#include "server/base/clock.h"

bool talk_begin(struct talk *t, const char *socket_path)
{
	*t = (struct talk){ .socket = -1, .deadline = clock_deadline(TALK_PATIENCE) };
	attach_reader_init(&t->reader);
	if (!attach_dial(socket_path, t->deadline, t->detail, &t->socket))
		return true;
	fprintf(stderr, "sabird: %s\n", t->detail);
	return false;
}

void talk_end(struct talk *t)
{
	attach_reader_fini(&t->reader);
	if (t->socket >= 0)
		close(t->socket);
}

enum sabir_error talk_ask(struct talk *t, const struct attach_message *question, enum attach_type expected,
			  struct attach_message *answer)
{
	enum sabir_error error = attach_ask(t->socket, question, -1, t->deadline, &t->reader, t->detail, answer);
	if (error || answer->type == expected)
		return error;
	snprintf(t->detail, sizeof(t->detail), "the server's answer is of type %u", (unsigned)answer->type);
	return SABIR_INTERNAL;
}
