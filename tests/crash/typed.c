/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of libsabir as acts. They run on a connection whose transport hands out the lane of whoever acts: all that
 * they do between there and the memory is the library's. What the server does of itself is in upkeep.c.
 */
#include "tests/crash/typed.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/c/local.h"
#include "bindings/c/remote.h"
#include "server/base/value.h"
#include "server/base/wire.h"
#include "server/objects/object.h"
#include "tests/crash/upkeep.h"

/* Long enough that a process which is run step by step falls asleep. */
#define A_MOMENT (30 * SABIR_MILLISECOND)

struct typed {
	struct waiting_lane mine;
	void *o;
	uint64_t other;
	FILE *answer;
};

static struct typed *now_acting;

/* ---------------------------------------------------------------- a connection to the world */

static enum sabir_error enter(struct sabir_conn *conn, struct lane **lane)
{
	(void)conn;
	*lane = &now_acting->mine.lane;
	return SABIR_OK;
}

/* By its path: the library's own table is filled when it attaches to a server. */
static enum sabir_error call(struct sabir_conn *conn, const char *path, int method, struct request *request,
			     uint64_t timeout_ns, struct bytes *response)
{
	(void)method;
	return local_transport.call(conn, path, METHOD_OTHER, request, timeout_ns, response);
}

static const struct transport transport = { .enter = enter, .call = call };
static struct sabir_conn *connection;
static struct remote no_session; /* it is none of the two, and so is asked for one's owner */

/* As handle_open would make it, but without asking the object, which may be in any state. */
static struct handle *handle_of(const struct target *o)
{
	struct handle *h = calloc(1, sizeof(*h) + sizeof("o"));
	if (!connection)
		connection = calloc(1, sizeof(*connection) + 1);
	if (!h || !connection)
		abort();
	*connection = (struct sabir_conn){
		.id = UINT64_MAX, .transport = &transport, .state = &no_session, .refs = 1, .timeout_ns = SABIR_SECOND
	};
	*h = (struct handle){ .conn = connection, .id = o->handle, .kind = o->kind, .type_code = o->type_code };
	strcpy(h->name, "o");
	return h;
}

static void tell(struct typed *t, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	if (t->answer)
		vfprintf(t->answer, format, arguments);
	va_end(arguments);
}

static void tell_item(struct typed *t, const struct sabir_item *item)
{
	if (item->kind == SABIR_ITEM_INT)
		tell(t, "%" PRId64 " ", item->as.i);
	else if (item->kind == SABIR_ITEM_OBJECT)
		tell(t, "$*%" PRIu64 " ", item->as.u);
	else
		tell(t, "kind %u, %zu bytes ", item->kind, item->len);
}

static enum sabir_error tell_got(struct typed *t, enum sabir_error error, struct sabir_item **item)
{
	if (error)
		return error;
	tell_item(t, *item);
	sabir_free(*item);
	return SABIR_OK;
}

/* ---------------------------------------------------------------- libsabir */

#define F(name) static enum sabir_error do_##name(struct typed *t)

F(queue_put_short)
{
	struct sabir_item item = sabir_int(7);
	return sabir_queue_put(t->o, &item, 0);
}
F(queue_put_reference)
{
	struct sabir_item item = sabir_object(t->other);
	return sabir_queue_put(t->o, &item, 0);
}
F(queue_put_waits)
{
	struct sabir_item item = sabir_int(7);
	return sabir_queue_put(t->o, &item, A_MOMENT);
}
F(queue_put_raw)
{
	static const uint8_t data[3000];
	return sabir_queue_put_bytes(t->o, data, sizeof(data), 0);
}
F(queue_put_several)
{
	const struct sabir_item items[3] = { sabir_int(7), sabir_text("eight"), sabir_int(9) };
	size_t accepted = 0;
	enum sabir_error error = sabir_queue_put_many(t->o, items, 3, 0, &accepted);
	if (!error)
		tell(t, "%zu ", accepted);
	return error;
}
F(queue_get_now)
{
	struct sabir_item *item;
	return tell_got(t, sabir_queue_get(t->o, 0, &item), &item);
}
F(queue_get_waits)
{
	struct sabir_item *item;
	return tell_got(t, sabir_queue_get(t->o, A_MOMENT, &item), &item);
}
F(queue_get_buffer)
{
	struct sabir_buffer buffer = { malloc(64), 64 };
	struct sabir_item item;
	enum sabir_error error = sabir_queue_get_into(t->o, 0, &buffer, &item);
	if (!error)
		tell_item(t, &item);
	free(buffer.data);
	return error;
}
F(queue_get_several)
{
	struct sabir_item *items;
	size_t n;
	enum sabir_error error = sabir_queue_get_many(t->o, 3, 0, &items, &n);
	if (error)
		return error;
	for (size_t i = 0; i < n; i++)
		tell_item(t, &items[i]);
	sabir_free(items);
	return SABIR_OK;
}
/* A consumer of the object, which is given an item, and does with it what `deal` does. */
static enum sabir_error consume(struct typed *t, const struct sabir_consumer_options *options, uint64_t timeout_ns,
				enum sabir_error (*deal)(sabir_consumer *, const struct sabir_delivery *))
{
	sabir_consumer *consumer;
	struct sabir_delivery delivery;
	struct sabir_item item;
	enum sabir_error error = sabir_consumer_open(t->o, options, &consumer);
	if (error)
		return error;
	error = sabir_consumer_next(consumer, timeout_ns, &item, &delivery);
	if (!error) {
		tell_item(t, &item);
		error = deal(consumer, &delivery);
	}
	enum sabir_error end = sabir_consumer_close(consumer);
	return error ? error : end;
}
static enum sabir_error leave(sabir_consumer *consumer, const struct sabir_delivery *delivery)
{
	(void)consumer;
	(void)delivery;
	return SABIR_OK;
}
static enum sabir_error nack(sabir_consumer *consumer, const struct sabir_delivery *delivery)
{
	return sabir_consumer_nack(consumer, delivery, 0);
}
F(consumer_acks)
{
	return consume(t, NULL, 0, sabir_consumer_ack);
}
F(consumer_waits)
{
	return consume(t, NULL, A_MOMENT, sabir_consumer_ack);
}
F(consumer_leaves)
{
	return consume(t, NULL, 0, leave);
}
F(consumer_acks_lease)
{
	const struct sabir_consumer_options options = { .size = sizeof(options), .lease_ns = 3600 * SABIR_SECOND };
	return consume(t, &options, 0, sabir_consumer_ack);
}
F(consumer_nacks_lease)
{
	const struct sabir_consumer_options options = { .size = sizeof(options), .lease_ns = 3600 * SABIR_SECOND };
	return consume(t, &options, 0, nack);
}
F(producer_put)
{
	struct sabir_item item = sabir_int(7);
	sabir_producer *producer;
	enum sabir_error error = sabir_producer_open(t->o, NULL, &producer);
	if (error)
		return error;
	error = sabir_producer_put(producer, &item, NULL, 0);
	sabir_producer_close(producer);
	return error;
}
F(queue_peek_first)
{
	struct sabir_item *item;
	return tell_got(t, sabir_queue_peek(t->o, &item), &item);
}
/* Slots and loans that are left alone are the victim's, and end with him. */
static enum sabir_error reserve(struct typed *t, size_t len, struct sabir_slot *slot)
{
	enum sabir_error error = sabir_queue_reserve(t->o, len, SABIR_SLOT_BYTES, slot);
	if (!error)
		memset(slot->data, 5, len);
	return error;
}
static enum sabir_error commit(struct typed *t, size_t len, uint64_t timeout_ns)
{
	struct sabir_slot slot;
	enum sabir_error error = reserve(t, len, &slot);
	if (!error)
		error = sabir_queue_commit(&slot, timeout_ns);
	/* On failure the slot stays. */
	return error;
}
F(queue_reserve_one)
{
	struct sabir_slot slot;
	return reserve(t, 100, &slot);
}
F(queue_reserve_large)
{
	struct sabir_slot slot;
	return reserve(t, 270000, &slot);
}
F(queue_commit_short)
{
	return commit(t, 1, 0);
}
F(queue_commit_long)
{
	return commit(t, 5000, 0);
}
F(queue_commit_large)
{
	return commit(t, 270000, 0);
}
F(queue_commit_waits)
{
	return commit(t, 100, A_MOMENT);
}
F(queue_commit_reference)
{
	uint8_t item[VALUE_MAX_HEAD], ref[1 + WIRE_MAX_VARINT];
	size_t len = (size_t)(wire_put_varint(wire_put_tag(ref, 2, WIRE_VARINT), t->other) - ref);
	size_t head = value_head_bytes(VALUE_OBJECT, len, item);
	struct sabir_slot slot;
	enum sabir_error error = sabir_queue_reserve(t->o, head + len, SABIR_SLOT_ENCODED, &slot);
	if (error)
		return error;
	memcpy(slot.data, item, head);
	memcpy((uint8_t *)slot.data + head, ref, len);
	return sabir_queue_commit(&slot, 0);
}
F(queue_abandon_one)
{
	struct sabir_slot slot;
	enum sabir_error error = reserve(t, 100, &slot);
	return error ? error : sabir_queue_abandon(&slot);
}
F(queue_abandon_large)
{
	struct sabir_slot slot;
	enum sabir_error error = reserve(t, 270000, &slot);
	return error ? error : sabir_queue_abandon(&slot);
}
static enum sabir_error borrow(struct typed *t, uint64_t timeout_ns, struct sabir_loan *loan)
{
	enum sabir_error error = sabir_queue_borrow(t->o, timeout_ns, loan);
	if (!error)
		tell_item(t, &loan->item);
	return error;
}
F(queue_borrow_now)
{
	struct sabir_loan loan;
	return borrow(t, 0, &loan);
}
F(queue_borrow_waits)
{
	struct sabir_loan loan;
	return borrow(t, A_MOMENT, &loan);
}
F(queue_release_one)
{
	struct sabir_loan loan;
	enum sabir_error error = borrow(t, 0, &loan);
	return error ? error : sabir_queue_release(&loan);
}
F(queue_return_one)
{
	struct sabir_loan loan;
	enum sabir_error error = borrow(t, 0, &loan);
	return error ? error : sabir_queue_return(&loan);
}
/* What this function has done is told by its answer alone: the queue is gone. */
F(queue_loans_outlive)
{
	struct sabir_loan first, second;
	enum sabir_error error = borrow(t, 0, &first);
	if (!error)
		error = borrow(t, 0, &second);
	if (!error)
		error = sabir_delete_handle(connection, sabir_queue_handle(t->o));
	if (error)
		return error;
	tell_item(t, &first.item);
	error = sabir_queue_release(&first);
	tell_item(t, &second.item);
	return error == SABIR_DELETED ? sabir_queue_return(&second) : error;
}
F(value_set)
{
	return sabir_value_set_int(t->o, 5);
}
F(value_add)
{
	int64_t sum = 0;
	enum sabir_error error = sabir_value_add_int(t->o, 5, &sum);
	tell(t, "%" PRId64 " ", sum);
	return error;
}
F(value_get)
{
	int64_t number = 0;
	enum sabir_error error = sabir_value_get_int(t->o, &number);
	tell(t, "%" PRId64 " ", number);
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
	tell(t, "%" PRId64 " ", number);
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
	return tell_got(t, sabir_dict_get(t->o, &key, &value), &value);
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
	tell(t, "%" PRId64 " ", sum);
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
		tell(t, "token %" PRIu64 " depth %" PRIu64 " ", hold->token, hold->depth);
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
		tell(t, "index %" PRIu64 " ", index);
	return error;
}
F(task_lease_waits)
{
	struct sabir_item *item;
	struct sabir_lease lease;
	return tell_got(t, sabir_task_queue_lease(t->o, 3600 * SABIR_SECOND, A_MOMENT, &item, &lease), &item);
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
	enum sabir_error error = sabir_watch_open(connection, h->id, NULL, &watch);
	if (error)
		return error;
	/* The first is a snapshot. */
	error = sabir_watch_next(watch, A_MOMENT, &change);
	if (!error)
		error = sabir_watch_next(watch, A_MOMENT, &change);
	if (!error)
		tell(t, "kind %u ", change.kind);
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
	enum sabir_error error = sabir_pipe_open(connection, "o", 0, &pipe);
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
	return tell_got(t, sabir_pipe_recv(pipe, A_MOMENT, &item), &item);
}
static enum sabir_error poll_end(struct typed *t, sabir_pipe *pipe)
{
	bool ready = false;
	uint64_t len = 0;
	enum sabir_error error = sabir_pipe_poll(pipe, A_MOMENT, &ready, &len);
	tell(t, "%d %" PRIu64 " ", ready, len);
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

/* ---------------------------------------------------------------- the functions by their names */

static const struct function {
	const char *name;
	enum sabir_error (*run)(struct typed *t);
} functions[] = {
	{ "sabir_queue_put", do_queue_put_short },
	{ "sabir_queue_put(reference)", do_queue_put_reference },
	{ "sabir_queue_put(waits)", do_queue_put_waits },
	{ "sabir_queue_put_bytes", do_queue_put_raw },
	{ "sabir_queue_put_many", do_queue_put_several },
	{ "sabir_queue_get", do_queue_get_now },
	{ "sabir_queue_get(waits)", do_queue_get_waits },
	{ "sabir_queue_get_into", do_queue_get_buffer },
	{ "sabir_queue_get_many", do_queue_get_several },
	{ "sabir_queue_peek", do_queue_peek_first },
	{ "sabir_queue_reserve", do_queue_reserve_one },
	{ "sabir_queue_reserve(large)", do_queue_reserve_large },
	{ "sabir_queue_commit", do_queue_commit_short },
	{ "sabir_queue_commit(long)", do_queue_commit_long },
	{ "sabir_queue_commit(large)", do_queue_commit_large },
	{ "sabir_queue_commit(reference)", do_queue_commit_reference },
	{ "sabir_queue_commit(waits)", do_queue_commit_waits },
	{ "sabir_queue_abandon", do_queue_abandon_one },
	{ "sabir_queue_abandon(large)", do_queue_abandon_large },
	{ "sabir_queue_borrow", do_queue_borrow_now },
	{ "sabir_queue_borrow(waits)", do_queue_borrow_waits },
	{ "sabir_queue_release", do_queue_release_one },
	{ "sabir_queue_release(deleted)", do_queue_loans_outlive },
	{ "sabir_queue_return", do_queue_return_one },
	{ "sabir_consumer_ack", do_consumer_acks },
	{ "sabir_consumer_next(waits)", do_consumer_waits },
	{ "sabir_consumer_close", do_consumer_leaves },
	{ "sabir_consumer_ack(lease)", do_consumer_acks_lease },
	{ "sabir_consumer_nack", do_consumer_nacks_lease },
	{ "sabir_producer_put", do_producer_put },
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
#define N_FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

static const struct function *find(const char *name)
{
	for (size_t i = 0; i < N_FUNCTIONS; i++)
		if (!strcmp(functions[i].name, name))
			return &functions[i];
	return NULL;
}

bool typed_is(const char *name)
{
	return find(name) || upkeep_find(name);
}

size_t typed_count(void)
{
	return N_FUNCTIONS + upkeep_count();
}

const char *typed_at(size_t i)
{
	return i < N_FUNCTIONS ? functions[i].name : upkeep_at(i - N_FUNCTIONS);
}

struct target typed_target(struct world *world, uint64_t other)
{
	static const struct span o = { (const uint8_t *)"o", 1 };
	struct object_info info;
	uint64_t handle;
	if (object_open(&world->lane[SURVIVOR], o, &handle) || object_describe(&world->lane[SURVIVOR], handle, &info))
		return (struct target){ .other = other };
	return (struct target){ handle, info.kind, info.type_code, other };
}

enum sabir_error typed_run(const char *name, const struct target *o, struct world *world, enum person who, FILE *answer)
{
	const struct function *function = find(name);
	struct typed t = { .answer = answer, .other = o->other };
	t.mine.lane = world->lane[who];
	t.o = handle_of(o);
	now_acting = &t;
	enum sabir_error error = function ? function->run(&t)
					  : upkeep_find(name)(&(struct upkeep){ world, &t.mine.lane, o->handle });
	now_acting = NULL;
	free(t.o);
	world->lane[who] = t.mine.lane;
	return error;
}
