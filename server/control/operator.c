/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator asks over the control socket: who is there, that somebody be gone, and that a snapshot be written.
 *
 * A program that hangs, or is stopped, holds what it holds: nobody can know whether it will go on, so nothing is taken from
 * it. An operator can decide that it shall not. The only proof that a process never touches the memory again is its death, so
 * to evict it is to kill it, by the pidfd with which it attached and by no number. From there on all is as at any death:
 * the pidfd tells, and its owner is recovered.
 *
 * The event loop waits for no snapshot: who has asked for one asks again what has become of it.
 */
#include "server/control/operator.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/utf8.h"
#include "server/objects/object.h"
#include "server/ops/snapshots.h"

#define LANE_OWNER(word) ((uint32_t)((word) >> 32))

static uint64_t owner_id(uint64_t word, uint32_t index)
{
	return (word & 0xffffffff00000000ull) | (index + 1);
}

/* The connection of an attached program that is not gone yet. */
static struct connection *find(const struct control *control, uint64_t id)
{
	struct connection *c = control->first;
	while (c && (c->state == CONNECTION_GREETING || c->owner != (uint32_t)id - 1 || c->generation != id >> 32))
		c = c->next;
	return c;
}

/* ---------------------------------------------------------------- the list */

static void name_object(struct lane *lane, uint32_t index, attach_Owner *to)
{
	uint8_t copy[OBJECT_NAME_MAX];
	struct span name;
	if (index >= lane->seg->n_objects)
		return;
	uint64_t generation = load64_acquire(&lane->seg->objects[index].word) & 0xffffffff00000000ull;
	if (index && !object_name(lane, generation | index, copy, &name))
		utf8_show(name, to->object, sizeof(to->object));
}

/* What its lanes are in the middle of; a moment later it may be something else. */
static void look_at_lanes(struct lane *lane, uint32_t owner, attach_Owner *to)
{
	const struct segment *seg = lane->seg;
	for (uint32_t i = 0; i < seg->n_lanes; i++) {
		const struct seg_lane *l = &seg->lanes[i];
		uint64_t word = load64_acquire(&l->word);
		if ((word & 15) != SEG_LANE_LIVE || LANE_OWNER(word) != owner)
			continue;
		to->n_lanes++;
		if (load32_relaxed(&l->op) == SEG_OP_NONE)
			continue;
		to->n_busy++;
		if (!to->object[0])
			name_object(lane, load32_relaxed(&l->object), to);
	}
}

static void describe(const struct control *control, uint32_t index, uint64_t word, attach_Owner *to)
{
	struct lane *lane = control->options.lane;
	const struct seg_owner *o = &lane->seg->owners[index];
	uint64_t since = load64_relaxed(&o->attach_time_ns), now = clock_wall();
	const struct connection *c = find(control, owner_id(word, index));
	char label[sizeof(o->label)];
	*to = (attach_Owner)attach_Owner_init_zero;
	to->id = owner_id(word, index);
	memcpy(label, o->label, sizeof(label)); /* its program may write there meanwhile */
	utf8_show((struct span){ (const uint8_t *)label, strnlen(label, sizeof(label)) }, to->label, sizeof(to->label));
	to->remote = load32_relaxed(&o->flags) & SEG_OWNER_REMOTE;
	to->server = index == lane->owner;
	to->pid = c ? (uint32_t)c->peer.pid : to->server ? (uint32_t)getpid() : 0;
	to->orphaned = c && c->state == CONNECTION_ORPHANED;
	to->stopped = c && c->pidfd.fd >= 0 && peer_stopped(c->pidfd.fd);
	to->age_ms = now > since ? (now - since) / CLOCK_MILLISECOND : 0;
	if (!to->remote)
		look_at_lanes(lane, index, to);
}

static void list(const struct control *control, uint32_t from, attach_OwnerList *to)
{
	const struct segment *seg = control->options.seg;
	uint32_t i = from;
	*to = (attach_OwnerList)attach_OwnerList_init_zero;
	for (; i < seg->n_owners && to->owners_count < sizeof(to->owners) / sizeof(to->owners[0]); i++) {
		uint64_t word = owner_now(seg, i);
		if ((word & 15) != SEG_OWNER_FREE)
			describe(control, i, word, &to->owners[to->owners_count++]);
	}
	to->next = i < seg->n_owners ? i : 0;
}

/* ---------------------------------------------------------------- the end of one */

static enum sabir_error kill_process(const struct connection *c, char *detail)
{
	if (c->pidfd.fd < 0 || !syscall(SYS_pidfd_send_signal, c->pidfd.fd, SIGKILL, NULL, 0) || errno == ESRCH)
		return SABIR_OK;
	snprintf(detail, ATTACH_DETAIL_SIZE, "the server may not kill process %d of user %u (%s): kill it yourself",
		 (int)c->peer.pid, (unsigned)c->peer.uid, strerror(errno));
	return SABIR_PERMISSION_DENIED;
}

static enum sabir_error evict(const struct control *control, uint64_t id, char *detail)
{
	const struct control_options *o = &control->options;
	const struct connection *c = find(control, id);
	if (id == owner_id(owner_now(o->seg, o->lane->owner), o->lane->owner)) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "this is the server itself");
		return SABIR_INVALID_ARGUMENT;
	}
	enum sabir_error error = c             ? kill_process(c, detail)
				 : o->sessions ? sessions_end(o->sessions, id, o->lane)
					       : SABIR_SESSION_ENDED;
	if (error == SABIR_SESSION_ENDED) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "there is no owner %" PRIu64, id);
		error = SABIR_NOT_FOUND;
	}
	return error;
}

/* ---------------------------------------------------------------- snapshots */

static enum sabir_error begin_snapshot(const struct connection *by, char *detail, uint64_t *number)
{
	struct snapshots *all = by->control->options.snapshots;
	if (!all) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "there is no folder for snapshots (snapshot-dir)");
		return SABIR_NOT_CONFIGURED;
	}
	log_info("a snapshot was asked for", log_i64("by_pid", by->peer.pid), log_u64("by_uid", by->peer.uid));
	return snapshots_ask(all, false, number);
}

static enum sabir_error tell_snapshot(struct snapshots *all, uint64_t number, char *detail, attach_SnapshotState *to)
{
	struct snapshot_report report;
	*to = (attach_SnapshotState){ .number = number };
	if (!all || snapshots_report(all, number, &report))
		return SABIR_OK; /* not yet */
	if (report.error) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "%s", report.detail);
		return report.error;
	}
	to->written = true;
	snprintf(to->file, sizeof(to->file), "%s", report.file);
	to->n_objects = report.n_objects;
	to->size_bytes = report.n_bytes;
	to->write_ms = report.took_ns / CLOCK_MILLISECOND;
	to->n_damaged = report.n_damaged;
	to->end_unix_ns = report.end_time_ns;
	return SABIR_OK;
}

static enum sabir_error snapshot(const struct connection *by, uint64_t number, char *detail,
				 struct attach_message *answer)
{
	enum sabir_error error = number ? SABIR_OK : begin_snapshot(by, detail, &number);
	answer->type = ATTACH_SNAPSHOT_STATE;
	return error ? error : tell_snapshot(by->control->options.snapshots, number, detail, &answer->snapshot_state);
}

/* ---------------------------------------------------------------- all of them */

enum sabir_error operator_answer(const struct connection *by, const struct attach_message *question, char *detail,
				 struct attach_message *answer)
{
	if (by->peer.uid != 0 && by->peer.uid != geteuid()) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "this is for root and the server's user");
		return SABIR_PERMISSION_DENIED;
	}
	if (question->type == ATTACH_LIST_OWNERS) {
		answer->type = ATTACH_OWNER_LIST;
		list(by->control, question->list_owners.from, &answer->owner_list);
		return SABIR_OK;
	}
	if (question->type == ATTACH_SNAPSHOT)
		return snapshot(by, question->snapshot.number, detail, answer);
	enum sabir_error error = evict(by->control, question->evict_owner.id, detail);
	log_warning("eviction of an owner asked for", log_u64("owner", question->evict_owner.id),
		    log_i64("by_pid", by->peer.pid), log_u64("by_uid", by->peer.uid),
		    log_text("result", error ? error_name(error) : "done"));
	*answer = (struct attach_message){ .type = ATTACH_EVICTED };
	return error;
}
