/* SPDX-License-Identifier: Apache-2.0 */
/* The namespace against an array of names and integers in the order in which they were set first. */
#include "tests/conformance/model.h"

#define N_NAMES 12u

struct attribute {
	unsigned name; /* "a<name>" */
	int64_t value;
};
static struct attribute model[N_NAMES];
static unsigned n_model;
static sabir_namespace *handles[2];

static const char *name_of(unsigned i)
{
	static char name[16];
	snprintf(name, sizeof(name), "a%u", i);
	return name;
}

static struct attribute *find(unsigned name)
{
	for (unsigned i = 0; i < n_model; i++)
		if (model[i].name == name)
			return &model[i];
	return NULL;
}

static void get(sabir_namespace *ns, unsigned name)
{
	struct sabir_item *item;
	struct attribute *a = find(name);
	enum sabir_error error = sabir_namespace_get(ns, name_of(name), &item);
	SAME(error == (a ? SABIR_OK : SABIR_KEY_NOT_FOUND));
	if (error)
		return;
	SAME(item->kind == SABIR_ITEM_INT && item->as.i == a->value);
	sabir_free(item);
}

static void set(sabir_namespace *ns, unsigned name)
{
	struct attribute *a = find(name);
	int64_t v = random_below(1000);
	struct sabir_item item = sabir_int(v);
	bool inserted;
	SAME(!sabir_namespace_set(ns, name_of(name), &item, &inserted));
	SAME(inserted == !a);
	if (a)
		a->value = v;
	else
		model[n_model++] = (struct attribute){ name, v };
}

static void delete (sabir_namespace *ns, unsigned name)
{
	struct attribute *a = find(name);
	SAME(sabir_namespace_delete(ns, name_of(name)) == (a ? SABIR_OK : SABIR_KEY_NOT_FOUND));
	if (a)
		memmove(a, a + 1, (size_t)(&model[n_model--] - (a + 1)) * sizeof(*a));
}

static void increment(sabir_namespace *ns, unsigned name)
{
	struct attribute *a = find(name);
	struct sabir_item delta = sabir_int((int64_t)random_below(100) - 50), sum;
	SAME(!sabir_namespace_increment(ns, name_of(name), &delta, &sum));
	if (!a)
		*(a = &model[n_model++]) = (struct attribute){ name, 0 };
	a->value += delta.as.i;
	SAME(sum.kind == SABIR_ITEM_INT && sum.as.i == a->value);
}

static void list(sabir_namespace *ns)
{
	struct sabir_cursor cursor = { 0 };
	struct sabir_entry *page;
	size_t n = 0, all = 0;
	uint32_t page_size = random_below(5);
	enum sabir_error error;
	while (!(error = sabir_namespace_list(ns, page_size, &cursor, &page, &n)) && n) {
		for (size_t i = 0; i < n; i++, all++) {
			SAME(all < n_model && page[i].value.as.i == model[all].value);
			SAME(page[i].key.len == strlen(name_of(model[all].name)));
			SAME(!memcmp(page[i].key.as.data, name_of(model[all].name), page[i].key.len));
		}
		sabir_free(page);
	}
	SAME(!error && all == n_model);
}

static void dir(sabir_namespace *ns)
{
	struct sabir_cursor cursor = { 0 };
	struct sabir_item *page;
	size_t n = 0, all = 0;
	uint32_t page_size = random_below(5);
	enum sabir_error error;
	while (!(error = sabir_namespace_dir(ns, page_size, &cursor, &page, &n)) && n) {
		for (size_t i = 0; i < n; i++, all++) {
			SAME(all < n_model && page[i].kind == SABIR_ITEM_TEXT);
			SAME(page[i].len == strlen(name_of(model[all].name)));
			SAME(!memcmp(page[i].as.data, name_of(model[all].name), page[i].len));
		}
		sabir_free(page);
	}
	SAME(!error && all == n_model);
}

static void history(unsigned n_steps)
{
	n_model = 0;
	SAME(!sabir_namespace_create(conns[random_below(2)], "model/ns", 0, &handles[0]));
	sabir_namespace_free(handles[0]);
	SAME(!sabir_namespace_open(conns[0], "model/ns", &handles[0]));
	SAME(!sabir_namespace_open(conns[1], "model/ns", &handles[1]));
	while (history_step++ < n_steps) {
		sabir_namespace *ns = handles[random_below(2)];
		unsigned name = random_below(N_NAMES), op = random_below(10);
		if (op < 3)
			set(ns, name);
		else if (op < 5)
			get(ns, name);
		else if (op < 7)
			delete (ns, name);
		else if (op < 9)
			increment(ns, name);
		else if (random_below(2))
			list(ns);
		else
			dir(ns);
	}
	SAME(!sabir_delete(conns[random_below(2)], "model/ns"));
	sabir_namespace_free(handles[0]);
	sabir_namespace_free(handles[1]);
}

int main(int argc, char **argv)
{
	return run_histories(argc, argv, "namespace", 200, history);
}
