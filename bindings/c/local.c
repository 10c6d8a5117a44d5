/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local transport: the server's memory is mapped, and every thread works on it with a lane of its own.
 *
 * A connection is attached (it has an owner in the segment, proved alive by this process's pidfd) or, in a child of
 * fork that has not used it yet, detached: the mapping is inherited, the owner and its lanes are the parent's. The
 * first use in the child attaches to the same memory as a new owner.
 *
 * A thread's lanes are in a list of its own, which only the thread walks, and in their connection's list. Both are
 * changed under local_lock; a lane that its connection has closed (conn_id 0) stays in the thread's list until the
 * thread looks or ends. What a thread finds without the lock is its own list and conn->id, which changes only in a
 * child of fork.
 */
#include "bindings/c/local.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "bindings/c/attach.h"
#include "bindings/c/chore.h"
#include "bindings/c/request.h"
#include "server/base/clock.h"
#include "server/objects/object.h"
#include "server/ops/ops.h"

struct thread_lane {
	struct waiting_lane waiting; /* first */
	uint64_t conn_id;            /* 0: closed */
	struct thread_lane **thread_list;
	struct thread_lane *next_of_thread;
	struct thread_lane *next_of_conn;
};

struct local {
	struct attachment attachment;
	struct segment seg;
	bool attached;
	const char *path;
	struct thread_lane *lanes;
	struct sabir_conn *next;
};

__thread struct lane_cache lane_cache __attribute__((tls_model("initial-exec")));
static __thread struct thread_lane *thread_lanes;

static pthread_mutex_t local_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t local_once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_key;
static struct sabir_conn *all_conns;
static uint64_t last_conn_id;
static const struct op *method_ops[N_METHODS];

/* ---------------------------------------------------------------- threads and children */

static void unlink_from_conn(struct thread_lane *mine)
{
	for (struct sabir_conn *conn = all_conns; conn; conn = ((struct local *)conn->state)->next) {
		struct thread_lane **link = &((struct local *)conn->state)->lanes;
		while (*link && *link != mine)
			link = &(*link)->next_of_conn;
		if (*link)
			*link = mine->next_of_conn;
	}
}

/* A thread ends: its lanes go back. */
static void end_thread(void *unused)
{
	struct thread_lane *mine;
	(void)unused;
	pthread_mutex_lock(&local_lock);
	lane_cache = (struct lane_cache){ 0, NULL };
	while ((mine = thread_lanes) != NULL) {
		thread_lanes = mine->next_of_thread;
		if (mine->conn_id) {
			unlink_from_conn(mine);
			lane_close(&mine->waiting.lane);
		}
		free(mine);
	}
	pthread_mutex_unlock(&local_lock);
}

static void before_fork(void)
{
	pthread_mutex_lock(&local_lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&local_lock);
}

/* In the child: all lanes and owners are the parent's. Of the threads only this one is left. */
static void in_child(void)
{
	for (struct sabir_conn *conn = all_conns; conn; conn = ((struct local *)conn->state)->next) {
		struct local *local = conn->state;
		struct thread_lane *lane;
		while ((lane = local->lanes) != NULL) {
			local->lanes = lane->next_of_conn;
			lane->conn_id = 0;
			if (lane->thread_list != &thread_lanes)
				free(lane);
		}
		attach_abandon(&local->attachment);
		local->attached = false;
		store64_relaxed(&conn->id, ++last_conn_id);
	}
	lane_cache = (struct lane_cache){ 0, NULL };
	pthread_mutex_unlock(&local_lock);
}

static void start(void)
{
	pthread_key_create(&thread_key, end_thread);
	pthread_atfork(before_fork, after_fork, in_child);
	for (int i = 0; i < N_METHODS; i++)
		method_ops[i] = op_find(method_path((enum method)i));
}

/* ---------------------------------------------------------------- attaching */

static void drop_fds(struct attachment *attachment)
{
	if (attachment->memfd >= 0)
		close(attachment->memfd);
	if (attachment->bell_fd >= 0)
		close(attachment->bell_fd);
}

/* The first attachment maps the memory; one in a child must find the memory that is mapped already. */
static enum sabir_error take_memory(struct local *local, struct attachment *attachment)
{
	enum sabir_error error;
	if (!local->seg.base) {
		error = segment_map(attachment->memfd, attachment->bell_fd, &local->seg);
		return error ? fail(error, "%s: the server's memory can't be mapped", local->path) : SABIR_OK;
	}
	drop_fds(attachment);
	local->seg.light_pins = local->seg.light_pins && epoch_register();
	if (attachment->instance == local->seg.instance)
		return SABIR_OK;
	return fail(SABIR_UNAVAILABLE, "%s: another server with other memory runs there now", local->path);
}

/* Under local_lock, except for the first time. */
static enum sabir_error attach(struct sabir_conn *conn)
{
	struct local *local = conn->state;
	struct attachment attachment;
	char text[ATTACH_DETAIL_SIZE] = "";
	enum sabir_error error = attach_connect(local->path, conn->label, conn->timeout_ns, text, &attachment);

	if (error)
		return fail(error, "%s", text);
	error = take_memory(local, &attachment);
	if (error) {
		attach_goodbye(&attachment);
		return error;
	}
	local->attachment = attachment;
	local->attached = true;
	return SABIR_OK;
}

static enum sabir_error local_open(struct sabir_conn *conn, const char *address)
{
	pthread_once(&local_once, start);
	struct local *local = calloc(1, sizeof(*local));
	if (!local)
		return fail(SABIR_NO_MEMORY, "%s", conn->url);
	local->path = address;
	local->attachment.socket = -1;
	conn->state = local;
	enum sabir_error error = attach(conn);
	if (error) {
		free(local);
		return error;
	}
	pthread_mutex_lock(&local_lock);
	store64_relaxed(&conn->id, ++last_conn_id);
	local->next = all_conns;
	all_conns = conn;
	pthread_mutex_unlock(&local_lock);
	return SABIR_OK;
}

const char *local_path(const struct sabir_conn *conn)
{
	return ((const struct local *)conn->state)->path;
}

static void local_close(struct sabir_conn *conn)
{
	struct local *local = conn->state;
	struct sabir_conn **link = &all_conns;
	struct thread_lane *lane;

	pthread_mutex_lock(&local_lock);
	while (*link != conn)
		link = &((struct local *)(*link)->state)->next;
	*link = local->next;
	while ((lane = local->lanes) != NULL) {
		local->lanes = lane->next_of_conn;
		lane_close(&lane->waiting.lane);
		lane->conn_id = 0;
	}
	pthread_mutex_unlock(&local_lock);
	segment_unmap(&local->seg);
	if (local->attached)
		attach_goodbye(&local->attachment);
	free(local);
}

/* ---------------------------------------------------------------- lanes */

/* The thread's lane of the connection; frees what was closed on the way. */
static struct thread_lane *find_lane(uint64_t conn_id)
{
	struct thread_lane **link = &thread_lanes;
	struct thread_lane *mine;
	while ((mine = *link) != NULL) {
		uint64_t id = load64_relaxed(&mine->conn_id);
		if (id == conn_id)
			return mine;
		if (id) {
			link = &mine->next_of_thread;
			continue;
		}
		*link = mine->next_of_thread;
		free(mine);
	}
	return NULL;
}

/* Under local_lock. */
static enum sabir_error open_lane(struct sabir_conn *conn, struct thread_lane **made)
{
	struct local *local = conn->state;
	struct thread_lane *mine = calloc(1, sizeof(*mine));
	if (!mine || pthread_setspecific(thread_key, &thread_lanes)) {
		free(mine);
		return fail(SABIR_NO_MEMORY, "%s", conn->url);
	}
	enum sabir_error error = lane_open(&local->seg, local->attachment.owner, &mine->waiting.lane);
	if (error) {
		free(mine);
		return fail(error, "the server has no lane left for this thread");
	}
	/* A lock whose holder died while the server was away must end in an error, not in a hang. */
	mine->waiting.lane.lock_patience_ns = conn->timeout_ns;
	mine->conn_id = conn->id;
	mine->thread_list = &thread_lanes;
	mine->next_of_thread = thread_lanes;
	thread_lanes = mine;
	mine->next_of_conn = local->lanes;
	local->lanes = mine;
	*made = mine;
	return SABIR_OK;
}

static enum sabir_error local_enter(struct sabir_conn *conn, struct lane **lane)
{
	struct local *local = conn->state;
	struct thread_lane *mine = find_lane(conn->id);
	enum sabir_error error = SABIR_OK;
	if (!mine) {
		pthread_mutex_lock(&local_lock);
		if (!local->attached)
			error = attach(conn);
		if (!error)
			error = open_lane(conn, &mine);
		pthread_mutex_unlock(&local_lock);
		if (error)
			return error;
	}
	lane_cache = (struct lane_cache){ conn->id, &mine->waiting.lane };
	*lane = &mine->waiting.lane;
	return SABIR_OK;
}

/* ---------------------------------------------------------------- calls */

struct op_call {
	const struct op *op;
	struct span request;
	struct bytes *response;
	struct op_wait wait;
	char detail[OP_DETAIL_SIZE];
	bool moved; /* it waits for something else now */
};

static enum sabir_error run_again(struct lane *lane, struct op_call *call, uint32_t over)
{
	call->wait.over = over;
	return op_run_again(call->op, lane, call->request, call->response, &call->wait, call->detail);
}

static enum sabir_error attempt_op(struct lane *lane, void *context)
{
	struct op_call *call = context;
	uint32_t object = call->wait.object, side = call->wait.side;
	enum sabir_error error = run_again(lane, call, OP_GOES_ON);
	bool waits = error_would_wait(error) && call->wait.wanted;
	call->moved = waits && (call->wait.object != object || call->wait.side != side);
	return call->moved ? SABIR_OK : error;
}

/* Until it has an answer, or waits for something else, or the time is over. */
static enum sabir_error wait_for_op(struct lane *lane, struct op_call *call, uint64_t deadline_ns)
{
	/* What it waits for may be of another object: of the one that is there now. */
	const struct seg_object *object = &lane->seg->objects[call->wait.object];
	uint64_t on = call->wait.object | (load64_acquire(&object->word) & 0xffffffff00000000ull);
	call->moved = false;
	enum sabir_error error = local_wait_at(lane, on, call->wait.side, deadline_ns, attempt_op, call,
					       &call->wait.memory);
	return call->moved ? SABIR_WOULD_BLOCK : error;
}

/* What is left of an operation that was given up. */
struct left_op {
	const struct op *op;
	struct op_wait wait;
	size_t request_len;
	uint8_t request[];
};

static enum sabir_error abandon_left(struct lane *lane, void *context)
{
	struct left_op *left = context;
	struct bytes response = { 0 };
	char detail[OP_DETAIL_SIZE];
	left->wait.over = OP_ABANDONED;
	enum sabir_error error = op_run_again(left->op, lane, (struct span){ left->request, left->request_len },
					      &response, &left->wait, detail);
	bytes_fini(&response);
	return error;
}

static void leave_op(struct sabir_conn *conn, struct lane *lane, struct op_call *call)
{
	struct left_op *left = malloc(sizeof(*left) + call->request.len);
	if (!left) {
		while (run_again(lane, call, OP_ABANDONED) == SABIR_BUSY)
			;
		return;
	}
	*left = (struct left_op){ .op = call->op, .wait = call->wait, .request_len = call->request.len };
	memcpy(left->request, call->request.data, call->request.len);
	chore_leave(conn, lane, abandon_left, left);
}

/* What the operation has left in its object is taken away. */
static void abandon_op(struct sabir_conn *conn, struct lane *lane, struct op_call *call)
{
	char detail[OP_DETAIL_SIZE];
	if (!op_lasts(call->op, &call->wait))
		return;
	memcpy(detail, call->detail, sizeof(detail));
	if (run_again(lane, call, OP_ABANDONED) == SABIR_BUSY)
		leave_op(conn, lane, call);
	memcpy(call->detail, detail, sizeof(detail));
}

static uint64_t deadline_from(uint64_t begin_ns, uint64_t timeout_ns)
{
	return timeout_ns > UINT64_MAX - begin_ns ? EVENT_FOREVER : begin_ns + timeout_ns;
}

static enum sabir_error run_op(struct sabir_conn *conn, struct lane *lane, struct op_call *call, uint64_t timeout_ns)
{
	uint64_t begin_ns = clock_now();
	uint64_t mine_ns = deadline_from(begin_ns, timeout_ns);
	enum sabir_error error = op_run(call->op, lane, call->request, call->response, &call->wait, call->detail);
	while (error_would_wait(error) && call->wait.wanted) {
		uint64_t its_ns = deadline_from(begin_ns, call->wait.timeout_ns);
		error = wait_for_op(lane, call, mine_ns < its_ns ? mine_ns : its_ns);
		if (call->moved || !error_would_wait(error))
			continue;
		if (mine_ns < its_ns) {
			abandon_op(conn, lane, call);
			return SABIR_TIMED_OUT;
		}
		if (!op_lasts(call->op, &call->wait))
			return error;
		error = run_again(lane, call, OP_TIMED_OUT);
	}
	if (error == SABIR_BUSY || error == SABIR_CANCELLED)
		abandon_op(conn, lane, call);
	return error;
}

enum sabir_error local_run(struct sabir_conn *conn, const struct op *op, struct span request, uint64_t timeout_ns,
			   struct bytes *response)
{
	struct op_call call = { .op = op, .request = request, .response = response };
	struct lane *lane;
	enum sabir_error error = conn_enter(conn, &lane);
	if (!error && (error = run_op(conn, lane, &call, timeout_ns)) != SABIR_OK)
		fail(error, "%s", call.detail);
	return error;
}

static enum sabir_error local_call(struct sabir_conn *conn, const char *path, int method, struct request *request,
				   uint64_t timeout_ns, struct bytes *response)
{
	struct bytes own = { 0 };
	struct lane *lane;
	/* An operation drops what its response held before. */
	struct op_call call = { .op = method == METHOD_OTHER ? op_find(path) : method_ops[method],
				.request = { request->data, request->len },
				.response = response->n_items ? &own : response };
	enum sabir_error error = SABIR_OK;

	if (!call.op)
		error = fail(SABIR_UNIMPLEMENTED, "%s", path);
	if (!error)
		error = conn_enter(conn, &lane);
	if (!error) {
		error = run_op(conn, lane, &call, timeout_ns);
		if (!error && call.response == &own)
			error = bytes_add(response, own.data, own.len);
		if (error)
			fail(error, "%s", call.detail);
	}
	bytes_fini(&own);
	request_fini(request);
	return error;
}

const struct transport local_transport = {
	.open = local_open,
	.enter = local_enter,
	.call = local_call,
	.close = local_close,
};
