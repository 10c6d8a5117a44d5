/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabird --health: a container's health check without further tools. PING goes through the server's main loop, so a
 * PONG says that the loop turns.
 */
#include "server/main/health.h"

#include <stdio.h>
#include <unistd.h>

#include "proto/attach/attach.h"
#include "server/base/clock.h"
#include "server/main/signals.h"

#define PATIENCE (3 * CLOCK_SECOND)

int health_ask(const char *socket_path)
{
	const struct attach_message ping = { .type = ATTACH_PING };
	char detail[ATTACH_DETAIL_SIZE] = "";
	struct attach_message answer = { 0 };
	struct attach_reader reader;
	uint64_t deadline = clock_deadline(PATIENCE);
	int fd;
	enum sabir_error error = attach_dial(socket_path, deadline, detail, &fd);
	if (!error) {
		attach_reader_init(&reader);
		error = attach_ask(fd, &ping, -1, deadline, &reader, detail, &answer);
		attach_reader_fini(&reader);
		close(fd);
	}
	if (error || answer.type != ATTACH_PONG) {
		fprintf(stderr, "sabird: not well: %s\n", error ? detail : "the answer is not a PONG");
		return EXIT_FAILED;
	}
	printf("well: version %s, %u programs attached\n", answer.pong.server_version,
	       (unsigned)answer.pong.n_attached);
	return EXIT_IN_ORDER;
}
