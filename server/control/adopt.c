/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From one server to the next on the same memory. What proves a program's life and death, its pidfd, and its control socket
 * are in keeping from before the program is told of its owner until the owner is recovered; so the next server has them,
 * and a death that nobody saw is seen by it. All else that a connection knows is in the owner's entry.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/base/utf8.h"
#include "server/control/connection.h"

#define NAME_SIZE 48

static void name_of(const struct connection *c, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, "client-%u-%u", c->owner, c->generation);
}

bool connection_keep(const struct connection *c)
{
	const struct control_keeper *keeper = &c->control->options.keeper;
	const int fds[2] = { c->pidfd.fd, c->socket.fd };
	char name[NAME_SIZE];
	name_of(c, name);
	return !keeper->keep || keeper->keep(name, fds, c->socket.fd >= 0 ? 2 : 1);
}

void connection_forget(const struct connection *c)
{
	const struct control_keeper *keeper = &c->control->options.keeper;
	char name[NAME_SIZE];
	name_of(c, name);
	if (keeper->forget)
		keeper->forget(name);
}

static void leave_source(struct connection *c, struct loop_fd *source)
{
	int fd = source->fd;
	if (fd < 0)
		return;
	loop_remove(c->control->options.loop, source);
	close(fd);
}

void connection_leave(struct connection *c)
{
	leave_source(c, &c->socket);
	leave_source(c, &c->pidfd);
	connection_free(c);
}

/* A connection that has the owner; NULL: no memory, after which nobody would see the owner's end. */
static struct connection *heir(struct control *control, uint32_t owner, const struct peer *peer)
{
	const struct seg_owner *o = &control->options.seg->owners[owner];
	struct connection *c = connection_new(control, peer);
	char label[sizeof(o->label)];
	if (!c) {
		log_error("an owner of the former server can't be looked after", log_u64("owner", owner));
		return NULL;
	}
	memcpy(label, o->label, sizeof(label));
	utf8_show((struct span){ (const uint8_t *)label, strnlen(label, sizeof(label) - 1) }, c->label,
		  sizeof(c->label));
	c->owner = owner;
	c->generation = (uint32_t)(owner_now(control->options.seg, owner) >> 32);
	c->state = CONNECTION_ORPHANED;
	control->counters.attached++;
	return c;
}

void control_recover(struct control *control, uint32_t owner)
{
	const struct peer nobody = { .pid = (pid_t)control->options.seg->owners[owner].pid };
	struct connection *c = heir(control, owner, &nobody);
	if (c)
		connection_release(c, "it is of the former server's");
}

void control_settle(struct control *control)
{
	connections_recover(control);
}

/* Watches the descriptors; false: that can't be, and the program must not be taken for dead. */
static bool watch(struct connection *c, int socket, int pidfd)
{
	struct loop *loop = c->control->options.loop;
	if (loop_add(loop, &c->pidfd, pidfd, EPOLLIN)) {
		log_error("a local program can't be watched", log_u64("owner", c->owner), log_text("label", c->label));
		close(pidfd);
		if (socket >= 0)
			close(socket);
		return false;
	}
	if (socket >= 0 && loop_add(loop, &c->socket, socket, EPOLLIN))
		close(socket);
	return true;
}

void control_adopt(struct control *control, uint32_t owner, int socket, int pidfd)
{
	const struct seg_owner *o = &control->options.seg->owners[owner];
	struct peer peer = { .pid = (pid_t)o->pid };
	if (socket >= 0)
		(void)peer_identify(socket, &peer);
	struct connection *c = heir(control, owner, &peer);
	if (!c) {
		close(pidfd);
		if (socket >= 0)
			close(socket);
		return;
	}
	if (!watch(c, socket, pidfd))
		return;
	if ((owner_now(control->options.seg, owner) & 15) == SEG_OWNER_DEAD) {
		connection_release(c, "the former server had begun");
		return;
	}
	if (c->socket.fd < 0)
		return;
	c->state = CONNECTION_ATTACHED;
	if (!(load32_acquire(&o->flags) & SEG_OWNER_WELCOMED))
		connection_welcome(c);
}
