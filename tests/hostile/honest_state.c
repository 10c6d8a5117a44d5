/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Honest programs that keep something: two, one local and one remote, share each object, and each has a part of it to itself, of
 * which it knows what is there.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/hostile/hostile.h"

#define N_KEYS 40u
#define PART 16u /* elements, or bytes by eight, of each */

static void rest(struct me *me)
{
	usleep(200 + hostile_random(me, 2500));
}

/* ---------------------------------------------------------------- dict */

struct dict_model {
	uint64_t value[N_KEYS]; /* 0: not there */
	char text[256];
};

static struct sabir_item key_of(const struct me *me, uint32_t i, char key[32])
{
	snprintf(key, 32, "%s%u", me->local ? "local/" : "r/", i);
	return sabir_text(key);
}

/* What stands there: the number, and as many bytes as it says. */
static struct sabir_item value_of(struct dict_model *model, uint64_t number)
{
	memset(model->text, 'a' + (char)(number % 26), sizeof(model->text));
	int n = snprintf(model->text, 32, "%" PRIu64 "/", number);
	return sabir_text_n(model->text, (size_t)n + number % 200);
}

static void dict_look(struct me *me, sabir_dict *dict, struct dict_model *model, uint32_t i)
{
	char text[32];
	struct sabir_item key = key_of(me, i, text), *found = NULL;
	enum sabir_error wanted = model->value[i] ? SABIR_OK : SABIR_KEY_NOT_FOUND;
	if (!call_was(me, CALL(me, sabir_dict_get(dict, &key, &found)), wanted) || wanted)
		return;
	struct sabir_item value = value_of(model, model->value[i]);
	RIGHT(me, found->kind == SABIR_ITEM_TEXT && found->len == value.len &&
			  memcmp(found->as.data, value.as.data, value.len) == 0);
	sabir_free(found);
}

/* All of it by pages, while the other one writes: of one's own keys, what one has there. */
static void dict_look_at_all(struct me *me, sabir_dict *dict, const struct dict_model *model)
{
	const char *prefix = me->local ? "local/" : "r/";
	struct sabir_cursor cursor = { 0 };
	struct sabir_item *keys;
	uint32_t n_mine = 0, n_model = 0;
	size_t n;
	do {
		if (!GOOD(me, sabir_dict_keys(dict, 16, &cursor, &keys, &n)))
			return;
		for (size_t i = 0; i < n; i++)
			n_mine += keys[i].len > strlen(prefix) && memcmp(keys[i].as.data, prefix, strlen(prefix)) == 0;
		sabir_free(keys);
	} while (cursor.len);
	for (uint32_t i = 0; i < N_KEYS; i++)
		n_model += model->value[i] != 0;
	RIGHT(me, n_mine == n_model);
}

void honest_dict(struct me *me)
{
	static struct dict_model model;
	sabir_dict *dict = NULL;
	if (!GOOD(me, sabir_dict_open(me->conn, "honest/dict", &dict)))
		return;
	for (uint64_t number = 1; !hostile_is_over(me); number++) {
		char text[32];
		uint32_t i = hostile_random(me, N_KEYS);
		struct sabir_item key = key_of(me, i, text), value = value_of(&model, number);
		bool inserted = false;
		if (model.value[i] && hostile_random(me, 3) == 0) {
			GOOD(me, sabir_dict_delete(dict, &key));
			model.value[i] = 0;
		} else if (GOOD(me, sabir_dict_set(dict, &key, &value, &inserted))) {
			RIGHT(me, inserted == !model.value[i]);
			model.value[i] = number;
		}
		dict_look(me, dict, &model, hostile_random(me, N_KEYS));
		if (hostile_random(me, 50) == 0)
			dict_look_at_all(me, dict, &model);
		rest(me);
	}
}

/* ---------------------------------------------------------------- list */

#define LIST_MOST 200u

static void list_look(struct me *me, struct sabir_list *list, const int64_t *model, uint32_t n)
{
	uint64_t length = 0;
	struct sabir_item *found;
	if (GOOD(me, sabir_list_len(list, &length)))
		RIGHT(me, length == n);
	if (!n)
		return;
	uint32_t i = hostile_random(me, n);
	if (GOOD(me, sabir_list_get(list, i, &found))) {
		RIGHT(me, found->kind == SABIR_ITEM_INT && found->as.i == model[i]);
		sabir_free(found);
	}
}

static void list_insert(struct me *me, struct sabir_list *list, int64_t *model, uint32_t *n)
{
	uint32_t at = hostile_random(me, *n + 1);
	int64_t number = (int64_t)hostile_random(me, 1u << 30) << hostile_random(me, 32);
	struct sabir_item item = sabir_int(number);
	if (!GOOD(me, sabir_list_insert(list, at, &item)))
		return;
	memmove(model + at + 1, model + at, (*n - at) * sizeof(*model));
	model[at] = number;
	++*n;
}

static void list_pop(struct me *me, struct sabir_list *list, int64_t *model, uint32_t *n)
{
	uint32_t at = hostile_random(me, *n);
	struct sabir_item *found;
	if (!GOOD(me, sabir_list_pop(list, at, &found)))
		return;
	RIGHT(me, found->kind == SABIR_ITEM_INT && found->as.i == model[at]);
	sabir_free(found);
	--*n;
	memmove(model + at, model + at + 1, (*n - at) * sizeof(*model));
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* Its order tells one from another, so each has a list of its own. */
void honest_list(struct me *me)
{
	static int64_t model[LIST_MOST + 1];
	uint32_t n = 0;
	struct sabir_list *list = NULL;
	if (!GOOD(me, sabir_list_open(me->conn, me->local ? "honest/list/0" : "honest/list/1", &list)))
		return;
	while (!hostile_is_over(me)) {
		if (n < LIST_MOST && (n < 100 || hostile_random(me, 2)))
			list_insert(me, list, model, &n);
		else
			list_pop(me, list, model, &n);
		if (hostile_random(me, 100) == 0 && GOOD(me, sabir_list_sort(list, NULL, false)))
			qsort(model, n, sizeof(*model), compare);
		list_look(me, list, model, n);
		rest(me);
	}
}

/* ---------------------------------------------------------------- value, array, namespace, block, shared list */

void honest_numbers(struct me *me)
{
	int64_t model[PART] = { 0 }, sum = 0, before = 0, slice[PART];
	sabir_value *value = NULL;
	sabir_array *array = NULL;
	if (!GOOD(me, sabir_value_open(me->conn, "honest/value", &value)) ||
	    !GOOD(me, sabir_array_open(me->conn, "honest/array", &array)))
		return;
	while (!hostile_is_over(me)) {
		uint32_t i = hostile_random(me, PART);
		int64_t delta = hostile_random(me, 1000), at = (int64_t)(me->pair * PART + i);
		/* Both only add. */
		if (GOOD(me, sabir_value_add_int(value, delta, &sum)))
			RIGHT(me, sum >= before + delta);
		before = sum;
		if (GOOD(me, sabir_array_add_int(array, at, delta, &sum)))
			RIGHT(me, sum == model[i] + delta);
		model[i] += delta;
		if (GOOD(me, sabir_array_get_slice(array, me->pair * PART, PART, slice)))
			RIGHT(me, memcmp(slice, model, sizeof(model)) == 0);
		rest(me);
	}
}

void honest_attributes(struct me *me)
{
	sabir_namespace *ns = NULL;
	char name[32];
	snprintf(name, sizeof(name), "mine_%u", me->pair);
	if (!GOOD(me, sabir_namespace_open(me->conn, "honest/namespace", &ns)))
		return;
	for (int64_t number = 0; !hostile_is_over(me); number++) {
		struct sabir_item value = sabir_int(number), *found;
		GOOD(me, sabir_namespace_set(ns, name, &value, NULL));
		if (GOOD(me, sabir_namespace_get(ns, name, &found))) {
			RIGHT(me, found->kind == SABIR_ITEM_INT && found->as.i == number);
			sabir_free(found);
		}
		if (number % 20 == 19)
			GOOD(me, sabir_namespace_delete(ns, name));
		rest(me);
	}
}

void honest_bytes(struct me *me)
{
	uint64_t model[PART] = { 0 }, read[PART];
	sabir_block *block = NULL;
	sabir_shared_list *list = NULL;
	if (!GOOD(me, sabir_block_open(me->conn, "honest/block", &block)) ||
	    !GOOD(me, sabir_shared_list_open(me->conn, "honest/shared_list", &list)))
		return;
	for (int64_t number = 0; !hostile_is_over(me); number++) {
		struct sabir_item item = sabir_int(number), *found;
		model[number % PART] = (uint64_t)number * 0x9e3779b97f4a7c15u;
		GOOD(me, sabir_block_write(block, me->pair * sizeof(model), sizeof(model), model));
		if (GOOD(me, sabir_block_read(block, me->pair * sizeof(model), sizeof(read), read)))
			RIGHT(me, memcmp(read, model, sizeof(model)) == 0);
		GOOD(me, sabir_shared_list_set(list, me->pair, &item));
		if (GOOD(me, sabir_shared_list_get(list, me->pair, &found))) {
			RIGHT(me, found->kind == SABIR_ITEM_INT && found->as.i == number);
			sabir_free(found);
		}
		rest(me);
	}
}

/* ---------------------------------------------------------------- who comes and goes */

/* There is room for new objects. */
static void make_and_delete(struct me *me, sabir_conn *conn)
{
	sabir_queue *queue = NULL;
	struct sabir_item *item;
	const char *name = me->local ? "honest/visit/0" : "honest/visit/1";
	if (!GOOD(me, sabir_queue_create(conn, name, 0, 0, &queue)))
		return;
	GOOD(me, sabir_queue_put_text(queue, "here", 0));
	if (GOOD(me, sabir_queue_get(queue, 0, &item))) {
		RIGHT(me, item->len == 4 && memcmp(item->as.data, "here", 4) == 0);
		sabir_free(item);
	}
	GOOD(me, (sabir_queue_free(queue), SABIR_OK));
	GOOD(me, sabir_delete(conn, name));
}

/* Comes, asks a remote server how it is, looks at something and makes something. */
void honest_visit(struct me *me)
{
	while (!hostile_is_over(me)) {
		sabir_conn *conn = NULL;
		struct sabir_info info;
		const struct sabir_options options = { .size = sizeof(options), .label = "visitor" };
		const char *url = getenv(me->local ? "HOSTILE_LOCAL" : "HOSTILE_REMOTE");
		void *response = NULL;
		size_t len = 0;
		if (!GOOD(me, sabir_connect(url, &options, &conn)))
			continue;
		if (!me->local) {
			GOOD(me, sabir_session_open(conn, 60 * SABIR_SECOND));
			if (GOOD_FOR(me, SABIR_SECOND,
				     sabir_call(conn, "/grpc.health.v1.Health/Check", "", 0, SABIR_SECOND, &response,
						&len)))
				RIGHT(me, len == 2 && memcmp(response, "\x08\x01", 2) == 0);
			sabir_free(response);
		}
		GOOD(me, sabir_describe(conn, "honest/value", &info));
		make_and_delete(me, conn);
		call_begin(me, "close", 0);
		sabir_close(conn);
		call_end(me, SABIR_OK);
		usleep(20000 + hostile_random(me, 100000));
	}
}
