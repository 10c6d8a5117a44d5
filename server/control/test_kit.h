/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_CONTROL_TEST_KIT_H
#define SABIR_CONTROL_TEST_KIT_H

/*
 * A front on a socket in a folder of its own, and clients of it. The loop is turned by the test itself, so that nothing
 * happens between two lines of it. For *_test.c only.
 */
#include <CUnit/Basic.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/attach/attach.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/control/control.h"
#include "server/objects/object.h"

#define KIT_OWNERS 3 /* one is the server's */

struct kit {
	struct loop loop;
	struct segment seg;
	uint32_t owner;
	struct lane lane;
	struct control *control;
	char folder[32];
	char path[64];
	char detail[CONTROL_DETAIL_SIZE];
};

static struct kit kit;

static inline struct control_options kit_options(void)
{
	return (struct control_options){ .loop = &kit.loop,
					 .seg = &kit.seg,
					 .lane = &kit.lane,
					 .path = kit.path,
					 .policy = { .group = CONTROL_NO_GROUP },
					 .version = "test",
					 .detail = kit.detail };
}

static inline void kit_start(const struct control_options *options)
{
	CU_ASSERT_EQUAL_FATAL(control_start(options, &kit.control), SABIR_OK);
}

static inline void kit_stop(void)
{
	control_free(kit.control);
	kit.control = NULL;
}

/* For CU_add_suite_with_setup_and_teardown: each test has its own front. */
static void kit_setup(void)
{
	const struct segment_options options = {
		.memory_limit = 4 << 20, .n_owners = KIT_OWNERS, .n_lanes = 16, .n_objects = 64, .max_item_bytes = 65536
	};
	kit = (struct kit){ .folder = "/tmp/sabir-control-XXXXXX" };
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(kit.folder));
	snprintf(kit.path, sizeof(kit.path), "%s/s.sock", kit.folder);
	log_set_level(LOG_LEVEL_ERROR);
	CU_ASSERT_EQUAL_FATAL(loop_init(&kit.loop), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(segment_create(&options, &kit.seg), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(owner_open(&kit.seg, (uint32_t)getpid(), "server", &kit.owner), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(lane_open(&kit.seg, kit.owner, &kit.lane), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(object_init_directory(&kit.lane), SABIR_OK);
	const struct control_options control = kit_options();
	kit_start(&control);
}

static void kit_teardown(void)
{
	kit_stop();
	lane_close(&kit.lane);
	segment_unmap(&kit.seg);
	loop_fini(&kit.loop);
	CU_ASSERT_EQUAL(rmdir(kit.folder), 0); /* nothing is left behind */
}

/* Handles all that has happened. */
static inline void kit_turn(void)
{
	for (int i = 0; i < 8; i++)
		loop_turn(&kit.loop, 0);
}

static inline struct control_counters kit_counters(void)
{
	struct control_counters counters;
	control_counters(kit.control, &counters);
	return counters;
}

/* Waits for an event at a time until so many programs are attached; false after 10 s. */
static inline bool kit_await_attached(uint32_t n)
{
	uint64_t deadline = clock_deadline(10 * CLOCK_SECOND);
	while (kit_counters().attached != n && clock_left(deadline))
		loop_turn(&kit.loop, 50 * CLOCK_MILLISECOND);
	return kit_counters().attached == n;
}

/* ---------------------------------------------------------------- a client in this process */

struct client {
	int socket;
	struct attach_reader reader;
	struct attach_message answer;
	char detail[ATTACH_DETAIL_SIZE];
};

static inline void client_open(struct client *c)
{
	memset(c, 0, sizeof(*c));
	attach_reader_init(&c->reader);
	CU_ASSERT_EQUAL_FATAL(attach_dial(kit.path, clock_deadline(CLOCK_SECOND), c->detail, &c->socket), SABIR_OK);
}

static inline void client_close(struct client *c)
{
	attach_reader_fini(&c->reader);
	if (c->socket >= 0)
		close(c->socket);
	c->socket = -1;
	kit_turn();
}

/* Lets the front work and reads its answer: OK, EMPTY (it said nothing) or CLOSED. */
static inline enum sabir_error client_answer(struct client *c)
{
	kit_turn();
	return attach_receive(c->socket, &c->reader, c->detail, &c->answer);
}

static inline void client_bytes(struct client *c, const void *bytes, size_t len)
{
	CU_ASSERT_EQUAL(send(c->socket, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

static inline void client_send(struct client *c, enum attach_type type)
{
	struct attach_message message = { .type = type };
	CU_ASSERT_EQUAL(attach_send(c->socket, &message, NULL, 0), SABIR_OK);
}

/* Sends a HELLO with these descriptors. */
static inline void client_hello(struct client *c, const int *fds, unsigned n_fds)
{
	struct attach_message hello = { .type = ATTACH_HELLO };
	hello.hello.layout_version = SEG_LAYOUT_VERSION;
	strcpy(hello.hello.label, "test");
	CU_ASSERT_EQUAL(attach_send(c->socket, &hello, fds, n_fds), SABIR_OK);
}

/* HELLO with this process's pidfd, and the answer. */
static inline enum sabir_error client_attach(struct client *c)
{
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	client_open(c);
	client_hello(c, &pidfd, 1);
	close(pidfd);
	return client_answer(c);
}

/* The answer is a refusal with this error, after which the socket is closed. Its text is in `detail`. */
static inline void client_expect_refusal(struct client *c, enum sabir_error error)
{
	CU_ASSERT_EQUAL(client_answer(c), SABIR_OK);
	CU_ASSERT_EQUAL(c->answer.type, ATTACH_REFUSED);
	CU_ASSERT_EQUAL(c->answer.refused.error, (uint32_t)error);
	CU_ASSERT_TRUE(strlen(c->answer.refused.detail) > 0);
	snprintf(c->detail, sizeof(c->detail), "%s", c->answer.refused.detail);
	CU_ASSERT_EQUAL(client_answer(c), SABIR_CLOSED);
	client_close(c);
}

/* A good client is served: whatever happened before has done no harm. */
static inline void kit_expect_service(void)
{
	struct client c;
	CU_ASSERT_EQUAL(client_attach(&c), SABIR_OK);
	CU_ASSERT_EQUAL(c.answer.type, ATTACH_WELCOME);
	client_send(&c, ATTACH_GOODBYE);
	CU_ASSERT_EQUAL(client_answer(&c), SABIR_CLOSED);
	client_close(&c);
	CU_ASSERT_EQUAL(kit_counters().attached, 0);
}

static inline int kit_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

#endif
