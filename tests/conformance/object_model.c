/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and what becomes of them, for objects of several kinds, against an array in the order in which the names were
 * given: create, open, describe, list, delete, times to live. A time to live is long, or over at once.
 */
#include "tests/conformance/model.h"

#define N_NAMES 12u
#define PREFIX "model/object/"
#define LONG (3600 * SABIR_SECOND)

struct named {
	unsigned name; /* PREFIX a<name>, or b<name> */
	uint32_t kind;
	uint64_t max_items, handle;
	bool ends;
};
static struct named model[N_NAMES];
static unsigned n_model;
static uint64_t dead[64]; /* handles of objects that are gone */
static unsigned n_dead;

static const char *name_of(unsigned i)
{
	static char names[N_NAMES][32];
	snprintf(names[i], sizeof(names[i]), PREFIX "%c%u", i % 2 ? 'b' : 'a', i);
	return names[i];
}

static sabir_conn *either(void)
{
	return conns[random_below(2)];
}

static struct named *find(unsigned name)
{
	for (unsigned i = 0; i < n_model; i++)
		if (model[i].name == name)
			return &model[i];
	return NULL;
}

static void forget(struct named *o)
{
	dead[n_dead++ % 64] = o->handle;
	memmove(o, o + 1, (size_t)(&model[n_model--] - (o + 1)) * sizeof(*o));
}

static bool is_described(const struct sabir_info *info, const struct named *o)
{
	return info->handle == o->handle && info->kind == o->kind && info->max_items == o->max_items &&
	       !strcmp(info->name, name_of(o->name)) && (info->ttl_ns != 0) == o->ends && !info->ephemeral;
}

/* ---------------------------------------------------------------- steps */

static enum sabir_error expected_create(const struct named *o, const struct sabir_spec *spec, bool exist_ok)
{
	if (!o)
		return SABIR_OK;
	if (o->kind != spec->kind)
		return exist_ok ? SABIR_WRONG_KIND : SABIR_ALREADY_EXISTS;
	return exist_ok && o->max_items == spec->max_items ? SABIR_OK : SABIR_ALREADY_EXISTS;
}

static void create(unsigned name)
{
	static const uint32_t kinds[] = { SABIR_KIND_QUEUE, SABIR_KIND_QUEUE, SABIR_KIND_DICT, SABIR_KIND_EVENT };
	struct named *o = find(name);
	bool exist_ok = random_below(2), created;
	struct sabir_spec spec = { .size = sizeof(spec), .kind = kinds[random_below(4)] };
	struct sabir_info info;
	spec.max_items = spec.kind == SABIR_KIND_QUEUE ? random_below(2) : 0;
	spec.ttl_ns = random_below(3) ? 0 : LONG;
	enum sabir_error error = sabir_create(either(), name_of(name), &spec, exist_ok ? SABIR_EXIST_OK : 0, &info,
					      &created);
	SAME(error == expected_create(o, &spec, exist_ok));
	if (error)
		return;
	SAME(created == !o);
	if (!o)
		*(o = &model[n_model++]) = (struct named){ name, spec.kind, spec.max_items, info.handle,
							   spec.ttl_ns != 0 };
	SAME(is_described(&info, o));
}

static void describe(unsigned name)
{
	struct named *o = find(name);
	struct sabir_info info;
	SAME(sabir_describe(either(), name_of(name), &info) == (o ? SABIR_OK : SABIR_NOT_FOUND));
	if (!o)
		return;
	SAME(is_described(&info, o));
	SAME(!sabir_describe_handle(either(), o->handle, &info) && is_described(&info, o));
}

static void open_it(unsigned name)
{
	struct named *o = find(name);
	sabir_queue *queue;
	enum sabir_error expected = !o ? SABIR_NOT_FOUND : o->kind == SABIR_KIND_QUEUE ? SABIR_OK : SABIR_WRONG_KIND;
	bool by_handle = o && random_below(2);
	sabir_conn *conn = either();
	SAME((by_handle ? sabir_queue_open_handle(conn, o->handle, &queue)
			: sabir_queue_open(conn, name_of(name), &queue)) == expected);
	if (expected)
		return;
	SAME(sabir_queue_handle(queue) == o->handle);
	sabir_queue_free(queue);
}

static void delete_it(unsigned name)
{
	struct named *o = find(name);
	if (o && random_below(2))
		SAME(!sabir_delete_handle(either(), o->handle));
	else
		SAME(sabir_delete(either(), name_of(name)) == (o ? SABIR_OK : SABIR_NOT_FOUND));
	if (o)
		forget(o);
}

/* One that is over at once ends a moment later: until then it is there, and then it is not. */
static void set_ttl(unsigned name)
{
	static const uint64_t ttls[] = { 0, LONG, 1 };
	uint64_t ttl_ns = ttls[random_below(3)];
	struct named *o = find(name);
	struct sabir_info info;
	enum sabir_error expected = o ? SABIR_OK : SABIR_NOT_FOUND, error;
	if (o && random_below(2))
		SAME(!sabir_set_ttl_handle(either(), o->handle, ttl_ns));
	else
		SAME(sabir_set_ttl(either(), name_of(name), ttl_ns) == expected);
	if (!o)
		return;
	o->ends = ttl_ns != 0;
	if (ttl_ns != 1)
		return;
	while ((error = sabir_describe(either(), name_of(name), &info)) == SABIR_OK)
		;
	SAME(error == SABIR_NOT_FOUND);
	forget(o);
}

static void use_dead(unsigned unused)
{
	struct sabir_info info;
	(void)unused;
	if (!n_dead)
		return;
	uint64_t handle = dead[random_below(n_dead < 64 ? n_dead : 64)];
	SAME(sabir_describe_handle(either(), handle, &info) == SABIR_DELETED);
	SAME(sabir_delete_handle(either(), handle) == SABIR_DELETED);
	SAME(sabir_set_ttl_handle(either(), handle, LONG) == SABIR_DELETED);
}

static void list(unsigned unused)
{
	static const char *const prefixes[] = { PREFIX, PREFIX "a", PREFIX "b", PREFIX "c" };
	const char *prefix = prefixes[random_below(4)];
	enum sabir_kind kind = random_below(2) ? SABIR_KIND_ANY : SABIR_KIND_QUEUE;
	struct sabir_cursor cursor = { 0 };
	struct sabir_info *infos;
	size_t n = 0;
	unsigned at = 0;
	enum sabir_error error;
	(void)unused;
	while (!(error = sabir_list(either(), prefix, kind, &cursor, &infos, &n)) && n) {
		for (size_t i = 0; i < n; i++, at++) {
			while (at < n_model && ((kind && model[at].kind != kind) ||
						strncmp(name_of(model[at].name), prefix, strlen(prefix))))
				at++;
			SAME(at < n_model && is_described(&infos[i], &model[at]));
		}
		sabir_free(infos);
	}
	for (; at < n_model; at++)
		SAME((kind && model[at].kind != kind) || strncmp(name_of(model[at].name), prefix, strlen(prefix)));
	SAME(!error);
}

static void history(unsigned n_steps)
{
	static void (*const steps[])(unsigned) = { create,    create,  create,   describe, open_it,
						   delete_it, set_ttl, use_dead, list };
	n_model = n_dead = 0;
	for (history_step = 1; history_step <= n_steps; history_step++)
		steps[random_below(9)](random_below(N_NAMES));
	while (n_model)
		delete_it(model[0].name);
}

int main(int argc, char **argv)
{
	return run_histories(argc, argv, "names", 200, history);
}
