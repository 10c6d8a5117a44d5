/* SPDX-License-Identifier: Apache-2.0 */
/* Functions on what is no queue, and watches. */
#include <inttypes.h>

#include "bindings/c/local.h"
#include "tests/crash/typed_parts.h"

F(value_set)
{
	return sabir_value_set_int(t->o, 5);
}
F(value_add)
{
	int64_t sum = 0;
	enum sabir_error error = sabir_value_add_int(t->o, 5, &sum);
	typed_tell(t, "%" PRId64 " ", sum);
	return error;
}
F(value_get)
{
	int64_t number = 0;
	enum sabir_error error = sabir_value_get_int(t->o, &number);
	typed_tell(t, "%" PRId64 " ", number);
	return error;
}
F(value_waits)
{
	struct sabir_item expected = sabir_int(0), found;
	return sabir_value_wait(t->o, &expected, A_MOMENT, &found);
}
F(array_set)
{
	return sabir_array_set_int(t->o, 3, 5);
}
F(array_add)
{
	return sabir_array_add_int(t->o, 3, 5, NULL);
}
F(array_get)
{
	int64_t number = 0;
	enum sabir_error error = sabir_array_get_int(t->o, 3, &number);
	typed_tell(t, "%" PRId64 " ", number);
	return error;
}
F(array_slice_read)
{
	int32_t elements[5];
	return sabir_array_get_slice(t->o, 1, 5, elements);
}
F(array_slice_written)
{
	static const int32_t elements[5] = { 1, 2, 3, 4, 5 };
	return sabir_array_set_slice(t->o, 1, 5, elements);
}
F(dict_set)
{
	struct sabir_item key = sabir_int(3), value = sabir_text("a value that is longer than the number there");
	return sabir_dict_set(t->o, &key, &value, NULL);
}
F(dict_set_new)
{
	struct sabir_item key = sabir_text("new"), value = sabir_int(5);
	return sabir_dict_set(t->o, &key, &value, NULL);
}
F(dict_get)
{
	struct sabir_item key = sabir_int(3), *value;
	return typed_tell_got(t, sabir_dict_get(t->o, &key, &value), &value);
}
F(dict_delete)
{
	struct sabir_item key = sabir_int(3);
	return sabir_dict_delete(t->o, &key);
}
F(dict_increment)
{
	struct sabir_item key = sabir_int(3);
	int64_t sum = 0;
	enum sabir_error error = sabir_dict_increment_int(t->o, &key, 5, &sum);
	typed_tell(t, "%" PRId64 " ", sum);
	return error;
}
F(lock_acquire_waits)
{
	return sabir_lock_acquire(t->o, A_MOMENT, NULL);
}
F(lock_release)
{
	return sabir_lock_release(t->o);
}
F(semaphore_acquire_waits)
{
	return sabir_semaphore_acquire(t->o, A_MOMENT);
}
F(semaphore_release)
{
	return sabir_semaphore_release(t->o, 1);
}
F(event_waits)
{
	return sabir_event_wait(t->o, A_MOMENT);
}
F(event_set)
{
	return sabir_event_set(t->o);
}
static void tell_hold(struct typed *t, enum sabir_error error, const struct sabir_hold *hold)
{
	if (!error)
		typed_tell(t, "token %" PRIu64 " depth %" PRIu64 " ", hold->token, hold->depth);
}
F(condition_waits)
{
	struct sabir_hold hold = { 0 };
	enum sabir_error error = sabir_condition_wait(t->o, A_MOMENT, &hold);
	tell_hold(t, error, &hold);
	return error;
}
F(barrier_waits)
{
	uint64_t index = 0;
	enum sabir_error error = sabir_barrier_wait(t->o, A_MOMENT, &index);
	if (!error)
		typed_tell(t, "index %" PRIu64 " ", index);
	return error;
}
F(task_lease_waits)
{
	struct sabir_item *item;
	struct sabir_lease lease;
	return typed_tell_got(t, sabir_task_queue_lease(t->o, 3600 * SABIR_SECOND, A_MOMENT, &item, &lease), &item);
}
F(join_waits)
{
	return sabir_task_queue_join(t->o, A_MOMENT);
}
F(watch_waits)
{
	const struct handle *h = t->o;
	struct sabir_change change = { 0 };
	sabir_watch *watch;
	enum sabir_error error = sabir_watch_open(t->conn, h->id, NULL, &watch);
	if (error)
		return error;
	/* The first is a snapshot. */
	error = sabir_watch_next(watch, A_MOMENT, &change);
	if (!error)
		error = sabir_watch_next(watch, A_MOMENT, &change);
	if (!error)
		typed_tell(t, "kind %u ", change.kind);
	sabir_watch_close(watch);
	return error;
}
/* He is told to give up, and does so when he would sleep. */
static enum sabir_error give_up(struct typed *t, enum sabir_error (*wait)(struct typed *t))
{
	sabir_cancel *cancel;
	enum sabir_error error = sabir_cancel_create(&cancel);
	if (!error)
		error = sabir_cancel_attach(cancel);
	if (error)
		return error;
	sabir_cancel_fire(cancel);
	error = wait(t);
	(void)sabir_cancel_attach(NULL);
	sabir_cancel_free(cancel);
	return error;
}
F(lock_given_up)
{
	return give_up(t, do_lock_acquire_waits);
}
F(semaphore_given_up)
{
	return give_up(t, do_semaphore_acquire_waits);
}
F(condition_given_up)
{
	return give_up(t, do_condition_waits);
}
F(barrier_given_up)
{
	return give_up(t, do_barrier_waits);
}
/* Of an end that is opened for it once more, and stays open: its close would wake others. */
static enum sabir_error with_end(struct typed *t, enum sabir_error (*deal)(struct typed *t, sabir_pipe *pipe))
{
	sabir_pipe *pipe;
	enum sabir_error error = sabir_pipe_open(t->conn, "o", 0, &pipe);
	if (error)
		return error;
	return deal(t, pipe);
}
static enum sabir_error send(struct typed *t, sabir_pipe *pipe)
{
	struct sabir_item item = sabir_int(7);
	(void)t;
	return sabir_pipe_send(pipe, &item, A_MOMENT);
}
static enum sabir_error recv(struct typed *t, sabir_pipe *pipe)
{
	struct sabir_item *item;
	return typed_tell_got(t, sabir_pipe_recv(pipe, A_MOMENT, &item), &item);
}
static enum sabir_error poll_end(struct typed *t, sabir_pipe *pipe)
{
	bool ready = false;
	uint64_t len = 0;
	enum sabir_error error = sabir_pipe_poll(pipe, A_MOMENT, &ready, &len);
	typed_tell(t, "%d %" PRIu64 " ", ready, len);
	return error;
}
F(pipe_send_waits)
{
	return with_end(t, send);
}
F(pipe_recv_waits)
{
	return with_end(t, recv);
}
F(pipe_poll_waits)
{
	return with_end(t, poll_end);
}

const struct typed_function typed_object_functions[] = {
	{ "sabir_value_set_int", do_value_set },
	{ "sabir_value_add_int", do_value_add },
	{ "sabir_value_get_int", do_value_get },
	{ "sabir_value_wait", do_value_waits },
	{ "sabir_array_set_int", do_array_set },
	{ "sabir_array_add_int", do_array_add },
	{ "sabir_array_get_int", do_array_get },
	{ "sabir_array_get_slice", do_array_slice_read },
	{ "sabir_array_set_slice", do_array_slice_written },
	{ "sabir_dict_set", do_dict_set },
	{ "sabir_dict_set(new)", do_dict_set_new },
	{ "sabir_dict_get", do_dict_get },
	{ "sabir_dict_delete", do_dict_delete },
	{ "sabir_dict_increment_int", do_dict_increment },
	{ "sabir_lock_acquire(waits)", do_lock_acquire_waits },
	{ "sabir_lock_release", do_lock_release },
	{ "sabir_semaphore_acquire(waits)", do_semaphore_acquire_waits },
	{ "sabir_semaphore_release", do_semaphore_release },
	{ "sabir_event_wait(waits)", do_event_waits },
	{ "sabir_event_set", do_event_set },
	{ "sabir_condition_wait(waits)", do_condition_waits },
	{ "sabir_barrier_wait(waits)", do_barrier_waits },
	{ "sabir_lock_acquire(cancelled)", do_lock_given_up },
	{ "sabir_semaphore_acquire(cancelled)", do_semaphore_given_up },
	{ "sabir_condition_wait(cancelled)", do_condition_given_up },
	{ "sabir_barrier_wait(cancelled)", do_barrier_given_up },
	{ "sabir_task_queue_lease(waits)", do_task_lease_waits },
	{ "sabir_task_queue_join(waits)", do_join_waits },
	{ "sabir_watch_next(waits)", do_watch_waits },
	{ "sabir_pipe_send(waits)", do_pipe_send_waits },
	{ "sabir_pipe_recv(waits)", do_pipe_recv_waits },
	{ "sabir_pipe_poll(waits)", do_pipe_poll_waits },
};
const size_t n_typed_object_functions = sizeof(typed_object_functions) / sizeof(typed_object_functions[0]);
