/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dict against an array of keys and integers in the order of their insertion. Entries that end do so at once, or in
 * hours: those that are due are not in the model.
 */
#include "tests/conformance/model.h"

#define N_KEYS 24u

struct entry {
	int64_t key;
	int64_t value;
	bool ends;
};
static struct entry model[N_KEYS];
static unsigned n_model;
static sabir_dict *handles[2];

static struct entry *find(int64_t key)
{
	for (unsigned i = 0; i < n_model; i++)
		if (model[i].key == key)
			return &model[i];
	return NULL;
}

static void forget(struct entry *e)
{
	memmove(e, e + 1, (size_t)(&model[n_model--] - (e + 1)) * sizeof(*e));
}

static struct entry *remember(int64_t key, int64_t value)
{
	struct entry *e = find(key);
	if (!e) {
		e = &model[n_model++];
		e->ends = false;
	}
	e->key = key;
	e->value = value;
	return e;
}

/* 0, hours, as it is; or at once, and then the entry is none. */
static uint64_t some_ttl(void)
{
	static const uint64_t ttls[] = { 0, 5000 * SABIR_SECOND, SABIR_KEEP_TTL, 1 };
	return ttls[random_below(4)];
}

static void note_end(int64_t key, uint64_t ttl_ns)
{
	struct entry *e = find(key);
	if (ttl_ns != SABIR_KEEP_TTL)
		e->ends = ttl_ns != 0;
	if (ttl_ns == 1)
		forget(e);
}

static bool is_int(const struct sabir_item *item, int64_t v)
{
	return item->kind == SABIR_ITEM_INT && item->as.i == v;
}

/* ---------------------------------------------------------------- operations on one key */

static void get(sabir_dict *d, int64_t key)
{
	struct sabir_item k = sabir_int(key), *value;
	struct entry *e = find(key);
	bool found;
	enum sabir_error error = sabir_dict_get(d, &k, &value);
	SAME(error == (e ? SABIR_OK : SABIR_KEY_NOT_FOUND));
	SAME(!sabir_dict_contains(d, &k, &found) && found == (e != NULL));
	if (error)
		return;
	SAME(is_int(value, e->value));
	sabir_free(value);
}

static void get_into(sabir_dict *d, int64_t key)
{
	static struct sabir_buffer buffer;
	struct sabir_item k = sabir_int(key), value;
	struct entry *e = find(key);
	SAME(sabir_dict_get_into(d, &k, &buffer, &value) == (e ? SABIR_OK : SABIR_KEY_NOT_FOUND));
	SAME(!e || is_int(&value, e->value));
}

static void left(sabir_dict *d, int64_t key)
{
	struct sabir_item k = sabir_int(key);
	struct entry *e = find(key);
	uint64_t ttl_ns = 0;
	SAME(sabir_dict_ttl(d, &k, &ttl_ns) == (e ? SABIR_OK : SABIR_KEY_NOT_FOUND));
	SAME(!e || (ttl_ns != 0) == e->ends);
}

static void set_ttl(sabir_dict *d, int64_t key)
{
	struct sabir_item k = sabir_int(key), v = sabir_int(random_below(1000));
	uint64_t ttl_ns = some_ttl();
	bool inserted, had = find(key) != NULL;
	SAME(!sabir_dict_set_ttl(d, &k, &v, ttl_ns, &inserted) && inserted == !had);
	remember(key, v.as.i);
	note_end(key, ttl_ns);
}

static void expire(sabir_dict *d, int64_t key)
{
	struct sabir_item k = sabir_int(key);
	uint64_t ttl_ns = some_ttl();
	if (ttl_ns == SABIR_KEEP_TTL)
		ttl_ns = 0;
	SAME(sabir_dict_expire(d, &k, ttl_ns) == (find(key) ? SABIR_OK : SABIR_KEY_NOT_FOUND));
	if (find(key))
		note_end(key, ttl_ns);
}

static void set(sabir_dict *d, int64_t key)
{
	struct sabir_item k = sabir_int(key), v = sabir_int(random_below(1000));
	bool inserted, had = find(key) != NULL;
	SAME(!sabir_dict_set(d, &k, &v, &inserted) && inserted == !had);
	remember(key, v.as.i)->ends = false;
}

static void setdefault(sabir_dict *d, int64_t key)
{
	struct sabir_item k = sabir_int(key), v = sabir_int(random_below(1000)), *now;
	struct entry *e = find(key);
	bool inserted, had = e != NULL;
	SAME(!sabir_dict_setdefault(d, &k, &v, &now, &inserted) && inserted == !had);
	if (!e)
		e = remember(key, v.as.i);
	SAME(is_int(now, e->value));
	sabir_free(now);
}

static void setdefault_ttl(sabir_dict *d, int64_t key)
{
	struct sabir_item k = sabir_int(key), v = sabir_int(random_below(1000)), *now;
	struct entry *e = find(key);
	uint64_t ttl_ns = some_ttl();
	bool inserted, had = e != NULL;
	if (ttl_ns == SABIR_KEEP_TTL) { /* of a key that is missing there is none to keep */
		SAME(sabir_dict_setdefault_ttl(d, &k, &v, ttl_ns, &now, &inserted) == SABIR_INVALID_ARGUMENT);
		return;
	}
	SAME(!sabir_dict_setdefault_ttl(d, &k, &v, ttl_ns, &now, &inserted) && inserted == !had);
	SAME(is_int(now, had ? e->value : v.as.i));
	sabir_free(now);
	if (had)
		return;
	remember(key, v.as.i);
	note_end(key, ttl_ns);
}

static void delete_or_pop(sabir_dict *d, int64_t key)
{
	struct sabir_item k = sabir_int(key), *value;
	struct entry *e = find(key);
	bool pops = random_below(2);
	enum sabir_error error = pops ? sabir_dict_pop(d, &k, &value) : sabir_dict_delete(d, &k);
	SAME(error == (e ? SABIR_OK : SABIR_KEY_NOT_FOUND));
	if (error)
		return;
	if (pops) {
		SAME(is_int(value, e->value));
		sabir_free(value);
	}
	forget(e);
}

static void increment(sabir_dict *d, int64_t key)
{
	struct sabir_item k = sabir_int(key), delta = sabir_int((int64_t)random_below(100) - 50), sum = sabir_int(0);
	struct entry *e = find(key);
	SAME(!(random_below(2) ? sabir_dict_increment(d, &k, &delta, &sum)
			       : sabir_dict_increment_int(d, &k, delta.as.i, &sum.as.i)));
	e = remember(key, (e ? e->value : 0) + delta.as.i);
	SAME(is_int(&sum, e->value));
}

static void compare_exchange(sabir_dict *d, int64_t key)
{
	struct entry *e = find(key);
	struct sabir_item k = sabir_int(key), *found, desired = sabir_int(random_below(1000));
	struct sabir_item expected = sabir_int(e && random_below(2) ? e->value : 5000);
	bool exchanged, wants = random_below(3), missing = random_below(2);
	bool right = missing ? !e : e && e->value == expected.as.i;
	SAME(!sabir_dict_compare_exchange(d, &k, missing ? NULL : &expected, wants ? &desired : NULL, &exchanged,
					  &found));
	SAME(exchanged == right && !found == !e && (!e || is_int(found, e->value)));
	sabir_free(found);
	if (right && wants)
		remember(key, desired.as.i);
	else if (right && e)
		forget(e);
}

/* ---------------------------------------------------------------- operations on all */

static void popitem(sabir_dict *d)
{
	struct sabir_entry *entry;
	bool first = random_below(2);
	enum sabir_error error = first ? sabir_dict_popitem_first(d, &entry) : sabir_dict_popitem(d, &entry);
	SAME(error == (n_model ? SABIR_OK : SABIR_EMPTY));
	if (error)
		return;
	struct entry *e = first ? &model[0] : &model[n_model - 1];
	SAME(is_int(&entry->key, e->key) && is_int(&entry->value, e->value));
	sabir_free(entry);
	forget(e);
}

static void update(sabir_dict *d)
{
	struct sabir_entry entries[6];
	unsigned n = random_below(7), before = n_model;
	uint64_t inserted, ttl_ns = random_below(2) ? 0 : some_ttl();
	for (unsigned i = 0; i < n; i++)
		entries[i] = (struct sabir_entry){ sabir_int(random_below(N_KEYS)), sabir_int(random_below(1000)) };
	for (unsigned i = 0; i < n; i++)
		remember(entries[i].key.as.i, entries[i].value.as.i);
	SAME(!(ttl_ns ? sabir_dict_update_ttl(d, entries, n, ttl_ns, &inserted)
		      : sabir_dict_update(d, entries, n, &inserted)));
	SAME(inserted == n_model - before);
	for (unsigned i = 0; i < n; i++)
		if (find(entries[i].key.as.i))
			note_end(entries[i].key.as.i, ttl_ns);
}

typedef enum sabir_error page_function(sabir_dict *, uint32_t, struct sabir_cursor *, struct sabir_item **, size_t *);

/* Keys or values alone. */
static void list_some(sabir_dict *d)
{
	static page_function *const pages[2][2] = { { sabir_dict_keys, sabir_dict_values },
						    { sabir_dict_keys_reversed, sabir_dict_values_reversed } };
	struct sabir_cursor cursor = { 0 };
	struct sabir_item *page;
	size_t n = 0, all = 0;
	uint32_t page_size = random_below(7);
	bool back = random_below(2), valued = random_below(2);
	enum sabir_error error;
	while (!(error = pages[back][valued](d, page_size, &cursor, &page, &n)) && n) {
		for (size_t i = 0; i < n; i++, all++) {
			SAME(all < n_model);
			struct entry *e = &model[back ? n_model - 1 - all : all];
			SAME(is_int(&page[i], valued ? e->value : e->key));
		}
		sabir_free(page);
	}
	SAME(!error && all == n_model);
}

static void list(sabir_dict *d)
{
	struct sabir_cursor cursor = { 0 };
	struct sabir_entry *page;
	size_t n = 0, all = 0;
	uint32_t page_size = random_below(7);
	bool back = random_below(2);
	enum sabir_error error;
	while (!(error = back ? sabir_dict_items_reversed(d, page_size, &cursor, &page, &n)
			      : sabir_dict_items(d, page_size, &cursor, &page, &n)) &&
	       n) {
		for (size_t i = 0; i < n; i++, all++) {
			SAME(all < n_model);
			struct entry *e = &model[back ? n_model - 1 - all : all];
			SAME(is_int(&page[i].key, e->key) && is_int(&page[i].value, e->value));
		}
		sabir_free(page);
	}
	SAME(!error && all == n_model);
}

static void copy(sabir_dict *d)
{
	sabir_dict *made;
	uint64_t length;
	SAME(!sabir_dict_copy(d, NULL, &made));
	list(made);
	SAME(!sabir_dict_len(made, &length) && length == n_model);
	SAME(!sabir_delete_handle(conns[random_below(2)], sabir_dict_handle(made)));
	sabir_dict_free(made);
}

/* A dict of its own, whose keys come in the order in which they are named first. */
static void fromkeys(sabir_dict *unused)
{
	struct sabir_item keys[8], value = sabir_int(7), *found;
	struct sabir_cursor cursor = { 0 };
	unsigned n = random_below(9), n_made = 0;
	bool null = random_below(2);
	sabir_dict *made;
	size_t n_found;
	(void)unused;
	for (unsigned i = 0; i < n; i++)
		keys[i] = sabir_int(random_below(5));
	SAME(!sabir_dict_fromkeys(conns[random_below(2)], NULL, keys, n, null ? NULL : &value, &made));
	SAME(!sabir_dict_keys(made, 0, &cursor, &found, &n_found));
	for (unsigned i = 0; i < n; i++) {
		bool first = true;
		for (unsigned k = 0; k < i; k++)
			first &= keys[k].as.i != keys[i].as.i;
		SAME(!first || (n_made < n_found && is_int(&found[n_made], keys[i].as.i)));
		n_made += first;
	}
	SAME(n_made == n_found);
	sabir_free(n_found ? found : NULL);
	for (unsigned i = 0; i < n; i++) {
		SAME(!sabir_dict_get(made, &keys[i], &found));
		SAME(null ? found->kind == SABIR_ITEM_NULL : is_int(found, 7));
		sabir_free(found);
	}
	SAME(!sabir_delete_handle(conns[random_below(2)], sabir_dict_handle(made)));
	sabir_dict_free(made);
}

static void clear(sabir_dict *d)
{
	uint64_t removed;
	SAME(!sabir_dict_clear(d, &removed) && removed == n_model);
	n_model = 0;
}

static void step(sabir_dict *d)
{
	static void (*const of_key[])(sabir_dict *, int64_t) = {
		get,  set,     set,    setdefault, delete_or_pop, increment, compare_exchange,
		left, set_ttl, expire, get_into,   setdefault_ttl
	};
	static void (*const of_all[])(sabir_dict *) = { popitem, update, list, list_some, copy, fromkeys };
	unsigned op = random_below(60);
	if (op < 48)
		of_key[op % 12](d, random_below(N_KEYS));
	else if (op < 59)
		of_all[random_below(6)](d);
	else
		clear(d);
}

static void history(unsigned n_steps)
{
	n_model = 0;
	SAME(!sabir_dict_create(conns[random_below(2)], "model/dict", 0, &handles[0]));
	sabir_dict_free(handles[0]);
	for (int i = 0; i < 2; i++)
		SAME(!sabir_dict_open(conns[i], "model/dict", &handles[i]));
	while (history_step++ < n_steps)
		step(handles[random_below(2)]);
	SAME(!sabir_delete(conns[random_below(2)], "model/dict"));
	sabir_dict_free(handles[0]);
	sabir_dict_free(handles[1]);
}

int main(int argc, char **argv)
{
	return run_histories(argc, argv, "dict", 200, history);
}
