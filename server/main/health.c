/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabird --health: a container's health check without further tools; and sabird --upgrade. PING goes through the server's main loop, so a
 * PONG says that the loop turns.
 */
#include "server/main/health.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/attach/attach.h"
#include "server/base/clock.h"
#include "server/main/signals.h"

#define PATIENCE (3 * CLOCK_SECOND)
#define UPGRADE_PATIENCE (15 * CLOCK_SECOND)

static enum sabir_error ping(const char *socket_path, char *detail, attach_Pong *pong)
{
	const struct attach_message question = { .type = ATTACH_PING };
	struct attach_message answer = { 0 };
	struct attach_reader reader;
	uint64_t deadline = clock_deadline(PATIENCE);
	int fd;
	enum sabir_error error = attach_dial(socket_path, deadline, detail, &fd);
	if (error)
		return error;
	attach_reader_init(&reader);
	error = attach_ask(fd, &question, -1, deadline, &reader, detail, &answer);
	attach_reader_fini(&reader);
	close(fd);
	if (!error && answer.type != ATTACH_PONG) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "the answer is not a PONG");
		return SABIR_INTERNAL;
	}
	*pong = answer.pong;
	return error;
}

int health_ask(const char *socket_path)
{
	char detail[ATTACH_DETAIL_SIZE] = "";
	attach_Pong pong;
	if (ping(socket_path, detail, &pong)) {
		fprintf(stderr, "sabird: not well: %s\n", detail);
		return EXIT_FAILED;
	}
	printf("well: version %s, %u programs attached\n", pong.server_version, (unsigned)pong.n_attached);
	return EXIT_IN_ORDER;
}

static int no_upgrade(const char *detail)
{
	fprintf(stderr, "sabird: no upgrade: %s\n", detail);
	return EXIT_FAILED;
}

int health_upgrade(const char *socket_path)
{
	char detail[ATTACH_DETAIL_SIZE] = "";
	uint64_t deadline = clock_deadline(UPGRADE_PATIENCE);
	attach_Pong before, now;
	if (ping(socket_path, detail, &before))
		return no_upgrade(detail);
	if (!before.keeper_pid)
		return no_upgrade("the server has no keeper");
	if (kill((pid_t)before.keeper_pid, SIGUSR2))
		return no_upgrade(strerror(errno));
	while (clock_left(deadline)) {
		/* While the one goes and the other comes nobody answers. */
		if (!ping(socket_path, detail, &now) && now.server_pid != before.server_pid) {
			printf("upgraded: version %s, %u programs attached\n", now.server_version,
			       (unsigned)now.n_attached);
			return EXIT_IN_ORDER;
		}
		(void)poll(NULL, 0, 20);
	}
	return no_upgrade("the server is still the one that it was; its log tells why");
}
