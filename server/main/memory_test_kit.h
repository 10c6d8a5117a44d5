/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_MEMORY_TEST_KIT_H
#define SABIR_MAIN_MEMORY_TEST_KIT_H

/* Servers that are children of the test and die with the memory in their hands. The test is their keeper. For memory*_test.c only. */
#include "server/main/memory.h"

#include <CUnit/Basic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/fault.h"
#include "server/base/log.h"
#include "server/objects/object.h"

static struct config config;
static struct kept kept; /* what the test keeps for the next server */
static int ends[2];      /* the keeper's, the server's */
static char detail[256];

static inline void setup(void)
{
	char *argv[] = { (char *)"sabird",           (char *)"--memory-limit=8M", (char *)"--max-item-bytes=64K",
			 (char *)"--max-owners=4",   (char *)"--max-sessions=4",  (char *)"--max-lanes=12",
			 (char *)"--max-objects=64", (char *)"--rpc-threads=1",   NULL };
	char text[CONFIG_DETAIL_SIZE];
	log_set_level(LOG_LEVEL_ERROR);
	CU_ASSERT_EQUAL_FATAL(config_load(8, argv, NULL, NULL, text, &config), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	notify_through(ends[1]);
}

static inline void teardown(void)
{
	notify_through(-1);
	kept_fini(&kept);
	close(ends[0]);
	close(ends[1]);
	config_fini(&config);
}

static inline void hear(void)
{
	char lines[NOTIFY_SIZE];
	int fds[NOTIFY_MAX_FDS];
	unsigned n_fds;
	while (notify_receive(ends[0], lines, fds, &n_fds) > 0)
		CU_ASSERT_TRUE(kept_by_message(&kept, lines, fds, n_fds));
}

/* A copy for a server, as a fork makes it. */
static inline struct kept copy_of_kept(void)
{
	struct kept copy = { 0 };
	for (size_t i = 0; i < kept.n; i++)
		CU_ASSERT_EQUAL(kept_add(&copy, kept.fds[i].name, dup(kept.fds[i].fd)), SABIR_OK);
	return copy;
}

static inline enum sabir_error begin(struct memory *m)
{
	struct kept copy = copy_of_kept();
	memset(m, 0, sizeof(*m));
	enum sabir_error error = memory_start(&config, &copy, m, detail, sizeof(detail));
	if (!error)
		error = memory_settle(m, detail, sizeof(detail));
	kept_fini(&copy);
	return error;
}

static inline enum sabir_error start(struct memory *m)
{
	enum sabir_error error = begin(m);
	hear();
	return error;
}

/* The test itself was the server, and is to outlive that. */
static inline void die(struct memory *m)
{
	char name[NOTIFY_NAME_SIZE];
	snprintf(name, sizeof(name), "server-%d", (int)getpid());
	kept_remove(&kept, name);
	segment_unmap(&m->seg);
}

/* A server in a child, which does this and dies. */
static inline void run_server(void (*act)(struct memory *m))
{
	fflush(NULL);
	pid_t pid = fork();
	if (!pid) {
		struct memory m;
		if (begin(&m))
			_exit(98);
		act(&m);
		(void)raise(SIGKILL);
	}
	int status;
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	hear();
}

static inline void just_die(struct memory *m)
{
	(void)m;
}

static inline uint32_t n_lanes(const struct segment *seg)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < seg->n_lanes; i++)
		n += (seg->lanes[i].word & 15) == SEG_LANE_LIVE;
	return n;
}

static inline uint32_t n_owners(const struct segment *seg)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < seg->n_owners; i++)
		n += (seg->owners[i].word & 15) != SEG_OWNER_FREE;
	return n;
}

/* ---------------------------------------------------------------- heirs */

struct heirs {
	uint32_t adopted[8], resumed[8], recovered[8];
	unsigned n_adopted, n_resumed, n_recovered;
};

static inline void adopt(void *context, uint32_t owner, int socket, int pidfd)
{
	struct heirs *h = context;
	h->adopted[h->n_adopted++] = owner;
	close(pidfd);
	if (socket >= 0)
		close(socket);
}

static inline bool resume_none(void *context, uint32_t owner)
{
	(void)context, (void)owner;
	return false;
}

static inline bool resume(void *context, uint32_t owner)
{
	struct heirs *h = context;
	h->resumed[h->n_resumed++] = owner;
	return h->n_resumed == 1;
}

static inline void recover(void *context, uint32_t owner)
{
	struct heirs *h = context;
	h->recovered[h->n_recovered++] = owner;
}

#endif
