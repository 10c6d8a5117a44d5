/* SPDX-License-Identifier: Apache-2.0 */
/* A shared list against an array of items with the room that Python's ShareableList gives each. See model.h for how it is run. */
#include "tests/conformance/model.h"

#define MAX_LEN 12u
#define MAX_TEXT 40u

struct place {
	struct sabir_item item;
	char data[MAX_TEXT];
	size_t room;
};

static struct place model[MAX_LEN];
static unsigned len;
static sabir_shared_list *lists[2];

/* Few different ones, so that they are found; none that equals one of another kind. */
static void random_item(struct place *p)
{
	size_t n = random_below(4) ? random_below(4) : random_below(MAX_TEXT);
	memset(p->data, 'a' + (int)random_below(2), sizeof(p->data));
	switch (random_below(6)) {
	case 0:
		p->item = sabir_null();
		break;
	case 1:
		p->item = sabir_bool(random_below(2));
		break;
	case 2:
		p->item = sabir_int(2 + (int64_t)random_below(3));
		break;
	case 3:
		p->item = sabir_double(0.5 + random_below(3));
		break;
	case 4:
		p->item = sabir_text_n(p->data, n);
		break;
	default:
		p->item = sabir_bytes(p->data, n);
	}
}

static size_t bytes_of(const struct sabir_item *item)
{
	return item->kind == SABIR_ITEM_TEXT || item->kind == SABIR_ITEM_BYTES ? item->len : 0;
}

static bool same(const struct sabir_item *a, const struct sabir_item *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == SABIR_ITEM_TEXT || a->kind == SABIR_ITEM_BYTES)
		return a->len == b->len && !memcmp(a->as.data, b->as.data, a->len);
	if (a->kind == SABIR_ITEM_BOOL)
		return a->as.boolean == b->as.boolean;
	return a->kind == SABIR_ITEM_NULL || (a->kind == SABIR_ITEM_INT ? a->as.i == b->as.i : a->as.d == b->as.d);
}

/* ---------------------------------------------------------------- steps */

/* Also past both ends; NULL there. */
static struct place *random_place(int64_t *index)
{
	*index = (int64_t)random_below(2 * len + 2) - (int64_t)len - 1;
	int64_t at = *index < 0 ? *index + (int64_t)len : *index;
	return at >= 0 && at < (int64_t)len ? &model[at] : NULL;
}

static void step_get(sabir_shared_list *list)
{
	struct sabir_item *item;
	int64_t index;
	struct place *p = random_place(&index);
	SAME(sabir_shared_list_get(list, index, &item) == (p ? SABIR_OK : SABIR_OUT_OF_RANGE));
	if (!p)
		return;
	SAME(same(item, &p->item));
	sabir_free(item);
}

static void step_set(sabir_shared_list *list)
{
	struct place made;
	int64_t index;
	struct place *p = random_place(&index);
	random_item(&made);
	enum sabir_error expected = !p                               ? SABIR_OUT_OF_RANGE
				    : bytes_of(&made.item) > p->room ? SABIR_TOO_LARGE
								     : SABIR_OK;
	SAME(sabir_shared_list_set(list, index, &made.item) == expected);
	if (expected)
		return;
	p->item = made.item;
	memcpy(p->data, made.data, sizeof(made.data));
	if (bytes_of(&made.item))
		p->item.as.data = p->data;
}

static void step_find(sabir_shared_list *list)
{
	struct place wanted;
	uint64_t index = 99, count = 99, expected = 0, first = 99, length;
	random_item(&wanted);
	for (unsigned i = len; i-- > 0;) {
		if (!same(&model[i].item, &wanted.item))
			continue;
		expected++;
		first = i;
	}
	SAME(sabir_shared_list_index(list, &wanted.item, &index) == (expected ? SABIR_OK : SABIR_VALUE_NOT_FOUND));
	SAME(index == first);
	SAME(!sabir_shared_list_count(list, &wanted.item, &count) && count == expected);
	SAME(!sabir_shared_list_len(list, &length) && length == len);
}

static void history(unsigned n_steps)
{
	static void (*const steps[])(sabir_shared_list *) = { step_get, step_set, step_set, step_find };
	struct sabir_item items[MAX_LEN];
	len = random_below(MAX_LEN + 1);
	for (unsigned i = 0; i < len; i++) {
		random_item(&model[i]);
		items[i] = model[i].item;
		model[i].room = 8 * (bytes_of(&items[i]) / 8 + 1);
	}
	SAME(!sabir_shared_list_create(conns[0], NULL, items, len, 0, &lists[0]));
	SAME(!sabir_shared_list_open_handle(conns[1], sabir_shared_list_handle(lists[0]), &lists[1]));
	for (history_step = 1; history_step <= n_steps; history_step++)
		steps[random_below(4)](lists[random_below(2)]);
	SAME(!sabir_delete_handle(conns[random_below(2)], sabir_shared_list_handle(lists[0])));
	sabir_shared_list_free(lists[0]);
	sabir_shared_list_free(lists[1]);
}

int main(int argc, char **argv)
{
	return run_histories(argc, argv, "shared list", 100, history);
}
