/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of libsabir as acts. They run on a connection whose transport hands out the lane of whoever acts: all that
 * they do between there and the memory is the library's. The functions are in typed_queue.c and typed_objects.c; what the
 * server does of itself is in upkeep.c.
 */
#include "tests/crash/typed.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/c/local.h"
#include "bindings/c/remote.h"
#include "server/objects/object.h"
#include "tests/crash/typed_parts.h"
#include "tests/crash/upkeep.h"

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

/* ---------------------------------------------------------------- what an act comes to */

void typed_tell(struct typed *t, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	if (t->answer)
		vfprintf(t->answer, format, arguments);
	va_end(arguments);
}

void typed_tell_item(struct typed *t, const struct sabir_item *item)
{
	if (item->kind == SABIR_ITEM_INT)
		typed_tell(t, "%" PRId64 " ", item->as.i);
	else if (item->kind == SABIR_ITEM_OBJECT)
		typed_tell(t, "$*%" PRIu64 " ", item->as.u);
	else
		typed_tell(t, "kind %u, %zu bytes ", item->kind, item->len);
}

enum sabir_error typed_tell_got(struct typed *t, enum sabir_error error, struct sabir_item **item)
{
	if (error)
		return error;
	typed_tell_item(t, *item);
	sabir_free(*item);
	return SABIR_OK;
}
/* ---------------------------------------------------------------- the functions by their names */

static size_t n_functions(void)
{
	return n_typed_queue_functions + n_typed_object_functions;
}

static const struct typed_function *function_at(size_t i)
{
	return i < n_typed_queue_functions ? &typed_queue_functions[i]
					   : &typed_object_functions[i - n_typed_queue_functions];
}

static const struct typed_function *find(const char *name)
{
	for (size_t i = 0; i < n_functions(); i++)
		if (!strcmp(function_at(i)->name, name))
			return function_at(i);
	return NULL;
}

bool typed_is(const char *name)
{
	return find(name) || upkeep_find(name);
}

size_t typed_count(void)
{
	return n_functions() + upkeep_count();
}

const char *typed_at(size_t i)
{
	return i < n_functions() ? function_at(i)->name : upkeep_at(i - n_functions());
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
	const struct typed_function *function = find(name);
	struct typed t = { .answer = answer, .other = o->other };
	t.mine.lane = world->lane[who];
	t.o = handle_of(o);
	t.conn = connection;
	now_acting = &t;
	enum sabir_error error = function ? function->run(&t)
					  : upkeep_find(name)(&(struct upkeep){ world, &t.mine.lane, o->handle });
	now_acting = NULL;
	free(t.o);
	world->lane[who] = t.mine.lane;
	return error;
}
