/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_CONTROL_TEST_CHILD_H
#define SABIR_CONTROL_TEST_CHILD_H

/* Clients of the front that are processes of their own: they attach for real and work on the memory that they got. */
#include "server/control/test_kit.h"

#include <fcntl.h>

/* Two pipes between a test and its child: lines of one byte. */
struct rope {
	int to_child[2], to_test[2];
};

static struct rope rope;

static inline void say(int fd)
{
	CU_ASSERT_EQUAL(write(fd, "x", 1), 1);
}

static inline void hear(int fd)
{
	char byte;
	CU_ASSERT_EQUAL(read(fd, &byte, 1), 1);
}

struct attached {
	int socket;
	struct segment seg;
	struct lane lane;
};

/* In a child: attaches and opens a lane, as libsabir does, or ends the child. The lane points into `a`. */
static inline void child_attach(struct attached *a)
{
	struct attach_reader reader;
	struct attach_message answer,
		hello = { .type = ATTACH_HELLO, .hello = { .layout_version = SEG_LAYOUT_VERSION } };
	char detail[ATTACH_DETAIL_SIZE];
	uint64_t deadline = clock_deadline(10 * CLOCK_SECOND);
	segment_unmap(&kit.seg); /* what fork has left of the server's */
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	attach_reader_init(&reader);
	if (attach_dial(kit.path, deadline, detail, &a->socket) ||
	    attach_ask(a->socket, &hello, pidfd, deadline, &reader, detail, &answer) || answer.type != ATTACH_WELCOME ||
	    segment_map(attach_take_fd(&reader, 0), attach_take_fd(&reader, 1), &a->seg) ||
	    lane_open(&a->seg, answer.welcome.owner_index, &a->lane))
		_exit(99);
	close(pidfd);
}

/* Starts a child that attaches and then lives by `act`; returns when it is attached. */
static inline pid_t start_child(void (*act)(struct attached *a))
{
	CU_ASSERT_EQUAL_FATAL(pipe2(rope.to_child, O_CLOEXEC) | pipe2(rope.to_test, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (!pid) {
		struct attached a;
		child_attach(&a);
		act(&a);
		_exit(0);
	}
	CU_ASSERT_TRUE(kit_await_attached(1));
	return pid;
}

static inline void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(rope.to_child[0]);
	close(rope.to_child[1]);
	close(rope.to_test[0]);
	close(rope.to_test[1]);
}

static inline void wait_for_ever(struct attached *a)
{
	(void)a;
	for (;;)
		pause();
}

#endif
