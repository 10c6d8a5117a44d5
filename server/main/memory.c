/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting on memory.
 *
 *   new:        make it, become an owner, fill it (restore.c), give it into keeping: a server that dies before leaves nothing that the
 *               next could take for whole
 *   inherited:  map it and check it, mend owners' entries that were written over (memory_owners.c), become an owner, recover the
 *               former servers, the newest first, then look after the others
 *
 * The order among the former servers matters: one that died while it recovered another stands in the middle of that one's
 * repairs, so it is recovered first (objects/recover.c). Their numbers rise from server to server.
 *
 * There is never more than one: the pidfd of each is in keeping, and the next one waits for its end, and makes sure of it. A keeper
 * has seen its server's end anyway; a manager that starts a new keeper may have seen only that of the old one.
 *
 * That a program is alive is said by its pidfd alone, which was given into keeping before the program was told of its owner.
 * So an entry without a pidfd is nobody's who could touch the memory, with one exception: a manager may have had no room for
 * the pidfd. Then the entry, which says that its program was told, stays as it is: nobody living is declared dead.
 */
#include "server/main/memory.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/objects/object.h"
#include "server/shm/event.h"

/* A stopped program that holds an object's lock must not stop the main loop: a recovery is tried again later. */
#define LOCK_PATIENCE (20 * 1000000ull)
/* Entries that no client can take: for servers whose former is not recovered yet. */
#define SERVER_OWNERS 16u
/* Lanes that are kept for the next server, and for the one behind it if it dies at once. */
#define N_SPARES 4u
#define FORMER_PATIENCE_MS 200
#define KILL_PATIENCE_MS 10000
#define MOST_NUMBER (UINT32_MAX >> SEG_OWNER_NUMBER_SHIFT)

static uint32_t flags_of(const struct segment *seg, uint32_t owner)
{
	return load32_relaxed(&seg->owners[owner].flags);
}

static bool is_free(const struct segment *seg, uint32_t owner)
{
	return (owner_word(seg, owner) & 15) == SEG_OWNER_FREE;
}

/* The newest of the servers that are numbered below `below` and that are not this one; false: there is none. */
static bool newest_server(const struct memory *m, uint32_t below, uint32_t *owner, uint32_t *number)
{
	bool found = false;
	for (uint32_t i = 0; i < m->seg.n_owners; i++) {
		uint32_t flags = flags_of(&m->seg, i), its = flags >> SEG_OWNER_NUMBER_SHIFT;
		if (i == m->owner || is_free(&m->seg, i) || !(flags & SEG_OWNER_SERVER) || its >= below)
			continue;
		if (found && its < *number)
			continue;
		found = true;
		*owner = i;
		*number = its;
	}
	return found;
}

static enum sabir_error become_owner(struct memory *m)
{
	uint32_t former, number = 0;
	(void)newest_server(m, MOST_NUMBER, &former, &number);
	enum sabir_error error = owners_remember(&m->seg);
	if (!error)
		error = owner_open(&m->seg, (uint32_t)getpid(), "sabird", &m->owner);
	if (!error)
		store32_release(&m->seg.owners[m->owner].flags, SEG_OWNER_SERVER | (number + 1)
											   << SEG_OWNER_NUMBER_SHIFT);
	return error;
}

/* A spare of a former server's: the living may have taken all that are free. And the number of the servers' lanes stays the same. */
static enum sabir_error open_lane(struct memory *m, struct lane *lane)
{
	uint32_t former, number;
	for (uint32_t below = MOST_NUMBER; newest_server(m, below, &former, &number); below = number)
		if (lane_take_spare(&m->seg, former, m->owner, lane) == SABIR_OK)
			return SABIR_OK;
	return lane_open(&m->seg, m->owner, lane);
}

/* What one of them held while a stopped program is in the way stays for memory_heirs. */
static void recover_servers(struct memory *m)
{
	uint32_t former, number;
	for (uint32_t below = MOST_NUMBER; newest_server(m, below, &former, &number); below = number) {
		enum sabir_error error = owner_recover(&m->lane, former);
		if (error)
			log_warning("recovery of the former server has to wait", log_u64("owner", former),
				    log_text("error", error_name(error)));
	}
}

static enum sabir_error open_parked(struct memory *m)
{
	enum sabir_error error = lane_open(&m->seg, m->owner, &m->parked);
	m->parked.lock_rings = true;
	m->parked.actor = (struct actor){ 0 }; /* it acts for the sessions of the calls */
	return error;
}

/* ---------------------------------------------------------------- one at a time */

static bool await_end(int pidfd, int timeout_ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	return poll(&p, 1, timeout_ms) == 1;
}

static void self_name(char name[NOTIFY_NAME_SIZE])
{
	snprintf(name, NOTIFY_NAME_SIZE, "server-%d", (int)getpid());
}

static bool see_end(struct kept *kept, const char *name)
{
	char self[NOTIFY_NAME_SIZE];
	int pidfd = kept_take(kept, name, false);
	self_name(self);
	/* Who had our number is dead. */
	bool dead = !strcmp(name, self) || await_end(pidfd, FORMER_PATIENCE_MS);
	if (!dead) {
		log_warning("a former server still lives, and is killed", log_text("server", name));
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		dead = await_end(pidfd, KILL_PATIENCE_MS);
	}
	close(pidfd);
	return dead;
}

static bool keep_self(void)
{
	char name[NOTIFY_NAME_SIZE];
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (pidfd < 0)
		return true; /* an old kernel, a strict sandbox: then the keeper alone sees its end */
	self_name(name);
	bool stored = notify_store(name, &pidfd, 1);
	close(pidfd);
	return stored;
}

/* Sees the ends of all former servers, and puts this one in their place. */
static enum sabir_error succeed(struct kept *kept, char *detail, size_t size)
{
	char name[NOTIFY_NAME_SIZE];
	for (size_t i = 0; kept_find(kept, "server-", &i);) {
		snprintf(name, sizeof(name), "%s", kept->fds[i].name);
		if (!see_end(kept, name)) {
			snprintf(detail, size, "a server before this one does not end");
			return SABIR_UNAVAILABLE;
		}
		notify_forget(name);
	}
	if (keep_self())
		return SABIR_OK;
	snprintf(detail, size, "the keeper does not answer");
	return SABIR_UNAVAILABLE;
}

bool memory_keep(const struct memory *m)
{
	return keep_self() && notify_store("bell", &m->seg.bell_fd, 1) && notify_store("memory", &m->seg.fd, 1);
}

void memory_forget(void)
{
	char name[NOTIFY_NAME_SIZE];
	self_name(name);
	notify_forget(name);
	notify_forget("memory");
	notify_forget("bell");
}

/* ---------------------------------------------------------------- new */

static void describe(const struct config *config, struct segment_options *options)
{
	uint64_t n_lanes = config_number(config, OPTION_MAX_LANES) + N_SPARES;
	*options = (struct segment_options){
		.memory_limit = config_number(config, OPTION_MEMORY_LIMIT),
		.n_owners = (uint32_t)(config_number(config, OPTION_MAX_OWNERS) +
				       config_number(config, OPTION_MAX_SESSIONS) + SERVER_OWNERS),
		.n_lanes = (uint32_t)(n_lanes > SEG_MAX_LANES ? SEG_MAX_LANES : n_lanes),
		.n_objects = (uint32_t)config_number(config, OPTION_MAX_OBJECTS),
		.max_item_bytes = config_number(config, OPTION_MAX_ITEM_BYTES),
	};
	if (options->n_owners > SEG_MAX_OWNERS)
		options->n_owners = SEG_MAX_OWNERS;
}

static enum sabir_error make(const struct config *config, struct memory *m, char *detail, size_t size)
{
	struct segment_options options;
	describe(config, &options);
	enum sabir_error error = segment_create(&options, &m->seg);
	if (!error)
		error = become_owner(m);
	if (!error)
		error = lane_open(&m->seg, m->owner, &m->lane);
	if (!error)
		error = object_init_directory(&m->lane);
	if (!error)
		error = open_parked(m);
	if (error)
		snprintf(detail, size, "can't make the shared memory: %s", error_message(error));
	return error;
}

enum sabir_error memory_settle(const struct memory *m, char *detail, size_t size)
{
	if (m->inherited || (notify_store("bell", &m->seg.bell_fd, 1) && notify_store("memory", &m->seg.fd, 1)))
		return SABIR_OK;
	snprintf(detail, size, "the keeper does not take the memory");
	return SABIR_UNAVAILABLE;
}

/* ---------------------------------------------------------------- inherited */

/* Takes the descriptors. */
static enum sabir_error inherit(const int fds[2], const struct kept *kept, struct memory *m, char *detail, size_t size)
{
	enum sabir_error error = segment_map(fds[0], fds[1], &m->seg);
	if (error) {
		snprintf(
			detail, size,
			"the memory of the server before this one can't be used: it is damaged, or its layout is not "
			"version %u; local programs that are attached go on with it, a new start begins with new memory",
			SEG_LAYOUT_VERSION);
		return error;
	}
	memory_mend_owners(&m->seg, kept);
	error = become_owner(m);
	if (!error)
		error = open_lane(m, &m->lane);
	if (!error) {
		m->lane.lock_patience_ns = LOCK_PATIENCE;
		recover_servers(m);
		error = open_parked(m);
	}
	if (error)
		snprintf(detail, size, "can't go on with the memory of the server before this one: %s",
			 error_message(error));
	return error;
}

enum sabir_error memory_start(const struct config *config, struct kept *kept, struct memory *m, char *detail,
			      size_t size)
{
	int memfd = kept_take(kept, "memory", false), bell_fd = kept_take(kept, "bell", false);
	enum sabir_error error = succeed(kept, detail, size);
	m->owner = UINT32_MAX;
	m->inherited = memfd >= 0;
	if (error) {
		if (memfd >= 0)
			close(memfd);
		if (bell_fd >= 0)
			close(bell_fd);
	} else if (m->inherited) {
		error = inherit((const int[]){ memfd, bell_fd }, kept, m, detail, size);
	} else {
		if (bell_fd >= 0)
			close(bell_fd);
		notify_forget("bell");
		error = make(config, m, detail, size);
	}
	if (!error)
		memory_tick(m);
	m->lane.lock_patience_ns = LOCK_PATIENCE;
	return error;
}

/* ---------------------------------------------------------------- heirs */

static bool adopt_client(struct memory *m, struct kept *kept, uint32_t owner, const struct memory_heir *heir)
{
	char name[NOTIFY_NAME_SIZE];
	uint32_t generation = (uint32_t)(owner_word(&m->seg, owner) >> 32);
	snprintf(name, sizeof(name), "client-%u-%u", owner, generation);
	int pidfd = kept_take(kept, name, false), socket = kept_take(kept, name, true);
	if (pidfd < 0) {
		if (socket >= 0)
			close(socket);
		return false;
	}
	heir->adopt(heir->context, owner, socket, pidfd);
	return true;
}

/* What is kept of programs whose owners are gone. */
static void forget_gone(struct kept *kept)
{
	char name[NOTIFY_NAME_SIZE];
	for (size_t i = kept->n; i-- > 0;) {
		if (i >= kept->n || strncmp(kept->fds[i].name, "client-", 7) != 0)
			continue;
		snprintf(name, sizeof(name), "%s", kept->fds[i].name);
		notify_forget(name);
		kept_remove(kept, name);
	}
}

void memory_heirs(struct memory *m, struct kept *kept, const struct memory_heir *heir)
{
	(void)owners_mend(&m->seg); /* it has taken a while to come here */
	for (uint32_t i = 0; m->inherited && i < m->seg.n_owners; i++) {
		uint32_t flags = flags_of(&m->seg, i);
		if (i == m->owner || is_free(&m->seg, i) || adopt_client(m, kept, i, heir))
			continue;
		if ((flags & SEG_OWNER_REMOTE) && heir->resume(heir->context, i))
			continue;
		if ((flags & SEG_OWNER_WELCOMED) && (owner_word(&m->seg, i) & 15) == SEG_OWNER_LIVE)
			log_error("a local program's descriptor was not kept: its death will not be noticed",
				  log_u64("owner", i), log_u64("pid", m->seg.owners[i].pid));
		else
			heir->recover(heir->context, i);
	}
	forget_gone(kept);
}

void memory_look_again(struct memory *m)
{
	/* The former may have died between reading the bell and taking back that it rings. */
	bell_answer(&m->seg);
	for (uint32_t i = 0; i < m->seg.n_objects; i++)
		if ((load64_acquire(&m->seg.objects[i].word) & 15) == SEG_OBJECT_LIVE)
			bell_ring(&m->seg, i);
	object_ttl_look_again(&m->seg);
}

void memory_tick(struct memory *m)
{
	uint32_t n_mended = owners_mend(&m->seg);
	if (n_mended)
		log_error("entries of owners were written over, and are mended", log_u64("n", n_mended));
	if (epoch_mend(&m->seg))
		log_error("the epoch was written over, and is mended");
	lanes_mend(&m->seg);
	lanes_spare(&m->seg, m->owner, N_SPARES);
}

void memory_stop(struct memory *m)
{
	struct lane spare;
	if (!m->seg.base)
		return;
	while (m->owner != UINT32_MAX && lane_take_spare(&m->seg, m->owner, m->owner, &spare) == SABIR_OK)
		lane_close(&spare);
	lane_close(&m->parked);
	lane_close(&m->lane);
	if (m->owner != UINT32_MAX)
		owner_close(&m->seg, m->owner);
	segment_unmap(&m->seg);
}
