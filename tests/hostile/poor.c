/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A poor program's life: it opens or makes one object after the other whose memory is being overwritten, calls its operations, and
 * deletes it. Whatever it is answered is good enough, within a time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/hostile/hostile.h"

#define N_OF_EACH 3u

static const struct kind {
	poor_use *use;
	const char *name;
} kinds[] = {
	{ poor_queue, "queue" },         { poor_tasks, "tasks" },  { poor_pipe, "pipe" },
	{ poor_dict, "dict" },           { poor_list, "list" },    { poor_value, "value" },
	{ poor_array, "array" },         { poor_namespace, "ns" }, { poor_block, "block" },
	{ poor_shared_list, "shared" },  { poor_lock, "lock" },    { poor_rlock, "rlock" },
	{ poor_semaphore, "semaphore" }, { poor_event, "event" },  { poor_condition, "condition" },
	{ poor_barrier, "barrier" },     { poor_queue, "queue" },  { poor_tasks, "tasks" },
	{ poor_dict, "dict" },           { poor_list, "list" },
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

uint64_t poor_time(struct me *me)
{
	uint32_t most = hostile_random(me, 20) ? 30 : 1000;
	return hostile_random(me, 2) ? 0 : hostile_random(me, most) * SABIR_MILLISECOND;
}

struct sabir_item poor_key(struct me *me)
{
	static const char *const keys[] = { "a", "b", "c", "longer/than/the/others/are", "e", "f" };
	uint32_t i = hostile_random(me, 12);
	return i < 6 ? sabir_text(keys[i]) : sabir_int(i * hostile_random(me, 8));
}

/* An object without a name, which lives by the reference to it. */
static struct sabir_item new_anonymous(struct me *me)
{
	static const uint32_t of[] = { SABIR_KIND_QUEUE, SABIR_KIND_DICT, SABIR_KIND_LIST, SABIR_KIND_LOCK,
				       SABIR_KIND_EVENT };
	struct sabir_spec spec = { .size = sizeof(spec), .kind = of[hostile_random(me, 5)] };
	struct sabir_info info = { 0 };
	if (CALL(me, sabir_create(me->conn, NULL, &spec, 0, &info, NULL)))
		return sabir_null();
	uint64_t n = __atomic_fetch_add(&me->ledger->n_anonymous, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&me->ledger->anonymous[n % N_ANONYMOUS], info.handle, __ATOMIC_SEQ_CST);
	if (hostile_random(me, 4))
		CALL(me, sabir_release(me->conn, info.handle));
	return sabir_object(info.handle);
}

struct sabir_item poor_item(struct me *me)
{
	static uint8_t data[70000];
	switch (hostile_random(me, 12)) {
	case 0:
		return new_anonymous(me);
	case 1:
		return sabir_bytes(data, hostile_random(me, 100) ? hostile_random(me, 3000) : sizeof(data));
	case 2:
	case 3:
		return sabir_bytes(data, hostile_random(me, 300));
	default:
		return sabir_int(hostile_random(me, 1000));
	}
}

static void use_queue_at(struct me *me, uint64_t handle)
{
	sabir_queue *queue = NULL;
	struct sabir_item *item;
	if (CALL(me, sabir_queue_open_handle(me->conn, handle, &queue)))
		return;
	CALL(me, sabir_queue_put_text(queue, "x", 0));
	if (!CALL(me, sabir_queue_get(queue, 0, &item)))
		sabir_free(item);
	CALL(me, (sabir_queue_free(queue), SABIR_OK));
}

/* Of a reference that may have been written over: it may be somebody else's by now. */
static bool is_poor(const struct me *me, uint64_t handle)
{
	for (uint32_t i = 0; i < N_ANONYMOUS; i++)
		if (__atomic_load_n(&me->ledger->anonymous[i], __ATOMIC_RELAXED) == handle)
			return true;
	return false;
}

void poor_got(struct me *me, const struct sabir_item *item)
{
	struct sabir_info info;
	if (item->kind == SABIR_ITEM_BYTES && item->len) {
		volatile uint8_t sum = 0;
		for (size_t i = 0; i < item->len; i++)
			sum = (uint8_t)(sum + ((const uint8_t *)item->as.data)[i]);
	}
	if (item->kind != SABIR_ITEM_OBJECT)
		return;
	/* It is looked at whoever's it is, and used only if it's one of their own. */
	if (!CALL(me, sabir_describe_handle(me->conn, item->as.u, &info)) && info.kind == SABIR_KIND_QUEUE &&
	    (info.name_len ? !strncmp(info.name, POOR_PREFIX, strlen(POOR_PREFIX)) : is_poor(me, item->as.u)))
		use_queue_at(me, item->as.u);
}

/* ---------------------------------------------------------------- life */

/* Of any object: who it is, what becomes of it, what is told of it. */
static void use_any(struct me *me, const char *name)
{
	struct sabir_info info;
	sabir_watch *watch = NULL;
	struct sabir_change change;
	const struct sabir_watch_options options = { .size = sizeof(options), .include_values = true };
	enum sabir_error error = CALL(me, sabir_describe(me->conn, name, &info));
	if (hostile_random(me, 20) == 0)
		CALL(me, sabir_set_ttl(me->conn, name, hostile_random(me, 200) * SABIR_MILLISECOND));
	/* What the memory says could lead to an honest one by now. */
	if (error || strcmp(info.name, name) || hostile_random(me, 2))
		return;
	if (CALL(me, sabir_watch_open(me->conn, info.handle, &options, &watch)))
		return;
	for (int i = 0; i < 5; i++) {
		uint64_t timeout_ns = poor_time(me) / 8;
		if (CALL_FOR(me, timeout_ns, sabir_watch_next(watch, timeout_ns, &change)))
			break;
	}
	CALL(me, (sabir_watch_close(watch), SABIR_OK));
}

static void look_around(struct me *me)
{
	struct sabir_cursor cursor = { 0 };
	struct sabir_info *infos;
	struct sabir_snapshot_info snapshot;
	size_t n;
	if (!CALL(me, sabir_list(me->conn, POOR_PREFIX, SABIR_KIND_ANY, &cursor, &infos, &n)))
		sabir_free(infos);
	if (hostile_random(me, 20) == 0)
		CALL_FOR(me, 5 * SABIR_SECOND, sabir_snapshot(me->conn, 5 * SABIR_SECOND, &snapshot));
}

/* A remote one's session: it ends, is taken up by another connection, or is left alone until its lease is over. */
static void change_session(struct me *me)
{
	char token[SABIR_TOKEN_SIZE];
	if (me->local)
		return;
	if (!CALL(me, sabir_session_token(me->conn, token)) && hostile_random(me, 2))
		CALL(me, sabir_session_resume(me->conn, token));
	else
		CALL(me, sabir_session_close(me->conn));
	if (hostile_random(me, 4))
		CALL(me, sabir_session_open(me->conn, SABIR_SECOND + hostile_random(me, 20) * SABIR_SECOND));
}

static bool reconnect(struct me *me)
{
	const struct sabir_options options = { .size = sizeof(options), .label = POOR_LABEL };
	sabir_conn *conn = NULL;
	if (CALL(me, sabir_connect(getenv(me->local ? "HOSTILE_LOCAL" : "HOSTILE_REMOTE"), &options, &conn)))
		return false;
	CALL(me, (sabir_close(me->conn), SABIR_OK));
	me->conn = conn;
	if (!me->local)
		CALL(me, sabir_session_open(conn, 10 * SABIR_SECOND));
	return true;
}

void poor_live(struct me *me)
{
	while (!hostile_is_over(me) && !reconnect(me))
		usleep(20000);
	while (!hostile_is_over(me)) {
		char name[48];
		const struct kind *kind = &kinds[hostile_random(me, N_KINDS)];
		snprintf(name, sizeof(name), POOR_PREFIX "%s/%u", kind->name, hostile_random(me, N_OF_EACH));
		kind->use(me, name);
		if (hostile_random(me, 4) == 0)
			use_any(me, name);
		if (hostile_random(me, 6) == 0)
			CALL(me, sabir_delete(me->conn, name));
		if (hostile_random(me, 50) == 0)
			look_around(me);
		if (hostile_random(me, 50) == 0)
			change_session(me);
		if (hostile_random(me, 200) == 0)
			reconnect(me);
	}
}
