/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_CONTROL_CONTROL_H
#define SABIR_CONTROL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/base/loop.h"
#include "server/ops/sessions.h"
#include "server/shm/lane.h"

/*
 * Front 1: the control socket (proto/attach). It hands the segment to local programs, gives each an owner entry,
 * watches each one's pidfd and recovers the owner of a program that has said goodbye or is proved dead. All of it
 * runs in the loop's thread.
 */
struct control;

#define CONTROL_DETAIL_SIZE 256
#define CONTROL_NO_GROUP ((gid_t)-1)

/*
 * Who may attach. Without lists: whom the socket's permissions let in. With a list: root, the server's own user, and
 * whoever is on one of the lists; supplementary groups count.
 */
struct control_policy {
	const uid_t *uids;
	size_t n_uids;
	const gid_t *gids;
	size_t n_gids;
	uint32_t mode; /* permissions of the socket; 0: 0660, or with a list 0666 */
	gid_t group;   /* of the socket; CONTROL_NO_GROUP: the server's */
};

/*
 * Where descriptors are that outlive the server. keep: false if they are not taken now; they stay the caller's. What is
 * kept: "control" (listener and lock) and, before its program is told of it, "client-INDEX-GENERATION" (pidfd and socket)
 * of each owner. Both NULL: nowhere.
 */
struct control_keeper {
	bool (*keep)(const char *name, const int *fds, unsigned n_fds);
	void (*forget)(const char *name);
};

struct control_options {
	struct loop *loop; /* these three are borrowed until control_free */
	struct segment *seg;
	struct lane *lane;           /* recovers */
	struct sessions *sessions;   /* borrowed too; NULL: there are none */
	struct snapshots *snapshots; /* the same */
	const char *path;
	struct control_policy policy; /* the lists are borrowed too */
	const char *version;
	uint64_t hello_timeout_ns; /* 0: 5 s */
	uint32_t max_attached;     /* 0: as many as there are owners */
	uint32_t max_connections;  /* 0: the segment's owners and 128 more that have not introduced themselves */
	struct control_keeper keeper;
	uint32_t keeper_pid; /* is told to who asks; 0: there is none */
	int kept_fd;         /* of the server before this one: its listener, or 0 */
	int kept_lock_fd;    /* and its lock; both are taken */
	char *detail;        /* where a text goes when control_start fails: CONTROL_DETAIL_SIZE bytes, or NULL */
};

/*
 * Listens and serves. A lock file beside the socket (path.lock) keeps two servers apart: a socket that a dead server
 * left is replaced. Errors: INVALID_ARGUMENT (the path), ALREADY_EXISTS (another server has it, or the path is
 * something else), PERMISSION_DENIED, UNAVAILABLE (another reason), NO_MEMORY.
 */
enum sabir_error control_start(const struct control_options *options, struct control **control);

/* Where the same objects are served over gRPC: hints for clients that attach from now on. Borrowed. */
void control_set_addresses(struct control *control, const char *const *grpc_addresses, size_t n);

/*
 * Goes on for a former server on the same memory. Adopts a local program with its owner: pidfd and socket (-1: it has lost it)
 * are taken. If it may not have been told yet, it is told.
 */
void control_adopt(struct control *control, uint32_t owner, int socket, int pidfd);
/* An owner of whom nobody can touch the memory any more is recovered: when the loop turns, or by control_settle. */
void control_recover(struct control *control, uint32_t owner);
/* Recovers now some of those that the loop would; thousands must not hold up a start. */
void control_settle(struct control *control);
/* Gives everything into keeping once more: who kept it is another one now, with this process number. False: not all. */
bool control_keep(struct control *control);
void control_set_keeper(struct control *control, uint32_t pid);
/* Instead of the drain: another server goes on with the same memory, socket and programs, which notice nothing. */
void control_leave(struct control *control);

/* Once a second: looks after owners whose socket is gone. */
void control_tick(struct control *control);

struct control_counters {
	uint32_t connections; /* now, those that have not introduced themselves included */
	uint32_t attached;    /* owners now */
	uint64_t accepted;    /* these since the start */
	uint64_t refused;
	uint64_t goodbyes;
	uint64_t deaths;
};
void control_counters(const struct control *control, struct control_counters *counters);

/* Stops listening, removes the socket, tells every client goodbye and closes. Deaths are still seen. */
void control_drain(struct control *control);
/* Drains if that was not done, gives the lock back. NULL is fine. */
void control_free(struct control *control);

#endif
