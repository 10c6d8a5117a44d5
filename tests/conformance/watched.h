/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CONFORMANCE_WATCHED_H
#define TESTS_CONFORMANCE_WATCHED_H

/*
 * What the watches of one object are to tell: all its changes in their order, and what each watcher has been told of them.
 *
 * Nobody else uses the object, and nobody dies: so the change that was noted as the n-th has the sequence base + n, and
 * whoever asks gets all that he has not seen, up to LOG of them, or is told which ones he lost.
 */
#include "tests/conformance/model.h"

#define LOG 127u /* changes that an object remembers */
#define MAX_NOTED 4096u
#define N_KEYS 24u
#define NO_KEY (-1)
#define ABSENT INT64_MIN

struct noted {
	uint32_t kind;
	int key;
	uint64_t index, count;
};

struct watched_state {
	uint64_t length;
	bool closed;
	int64_t number; /* value: what it holds */
};

static struct noted noted[MAX_NOTED]; /* [0] has the sequence base + 1 */
static unsigned n_noted;
static uint64_t base;
static bool is_watched;            /* what came before has no sequence */
static int64_t key_values[N_KEYS]; /* of the keys, now */

static inline void note(uint32_t kind, int key, uint64_t index, uint64_t count)
{
	if (is_watched && n_noted < MAX_NOTED)
		noted[n_noted++] = (struct noted){ kind, key, index, count };
}

/* Keys begin with a or b, for prefixes. */
static inline const char *key_name(int key)
{
	static char names[N_KEYS][8];
	snprintf(names[key], sizeof(names[key]), "%c%d", key % 2 ? 'b' : 'a', key);
	return names[key];
}

static inline bool is_noted(const struct sabir_change *told, const struct noted *n)
{
	const char *name = n->key == NO_KEY ? "" : key_name(n->key);
	return told->kind == n->kind && told->index == n->index && told->count == n->count &&
	       told->has_key == (n->key != NO_KEY) &&
	       (!told->has_key || (told->key.kind == SABIR_ITEM_TEXT && told->key.len == strlen(name) &&
				   !memcmp(told->key.as.data, name, told->key.len)));
}

/* ---------------------------------------------------------------- who asks now and then, without waiting */

struct fetched {
	unsigned at; /* in `noted` */
	int64_t value;
};

struct watcher {
	int who;
	sabir_watch *watch;
	struct sabir_watch_options options;
	int keys[2];
	bool begun;
	unsigned asked;              /* of `noted`: up to here it has been answered */
	struct fetched fetched[LOG]; /* answered, and not handed out yet */
	unsigned n_fetched, n_out;
};

static inline void watcher_open(struct watcher *w, uint64_t handle)
{
	struct sabir_item items[2];
	for (size_t i = 0; i < w->options.n_keys; i++)
		items[i] = sabir_text(key_name(w->keys[i]));
	w->options.keys = items;
	SAME(!sabir_watch_open(conns[w->who], handle, &w->options, &w->watch));
	w->n_fetched = w->n_out = 0;
}

static inline void watcher_init(struct watcher *w, int who, uint64_t handle, bool has_keys)
{
	*w = (struct watcher){ .who = who, .options = { .size = sizeof(w->options) } };
	if (has_keys) {
		w->options.include_values = random_below(2);
		w->options.n_keys = random_below(3);
		w->options.key_prefix = random_below(3) ? NULL : "a";
	}
	for (int i = 0; i < 2; i++)
		w->keys[i] = (int)random_below(N_KEYS);
	watcher_open(w, handle);
}

static inline bool watcher_admits(const struct watcher *w, const struct noted *n)
{
	const char *prefix = w->options.key_prefix;
	if (n->key == NO_KEY || (!w->options.n_keys && !prefix))
		return true;
	for (size_t i = 0; i < w->options.n_keys; i++)
		if (w->keys[i] == n->key)
			return true;
	return prefix && key_name(n->key)[0] == prefix[0];
}

/* What it will be given for its next request. */
static inline void watcher_fetch(struct watcher *w)
{
	w->n_fetched = w->n_out = 0;
	for (unsigned i = w->asked; i < n_noted; i++)
		if (watcher_admits(w, &noted[i]))
			w->fetched[w->n_fetched++] = (struct fetched){
				.at = i, .value = noted[i].key == NO_KEY ? ABSENT : key_values[noted[i].key]
			};
	/* An answer moves it on; WOULD_BLOCK is none. */
	if (w->n_fetched)
		w->asked = n_noted;
}

static inline void check_snapshot(struct watcher *w, const struct sabir_change *told, const struct watched_state *state)
{
	SAME(told->kind == SABIR_CHANGE_SNAPSHOT && told->length == state->length && told->closed == state->closed);
	SAME(told->number.as.i == state->number);
	if (!is_watched)
		base = told->sequence;
	is_watched = true;
	SAME(told->sequence == base + n_noted);
	SAME(told->lost_from == (w->begun ? base + w->asked + 1 : 0));
	SAME(told->lost_to == (w->begun ? told->sequence : 0));
	w->begun = true;
	w->asked = n_noted;
}

static inline void check_next(const struct watcher *w, const struct sabir_change *told, const struct fetched *f)
{
	bool valued = w->options.include_values && noted[f->at].key != NO_KEY;
	SAME(told->sequence == base + f->at + 1);
	SAME(is_noted(told, &noted[f->at]));
	SAME(told->has_value == (valued && f->value != ABSENT) && told->absent == (valued && f->value == ABSENT));
	SAME(!told->has_value || (told->value.kind == SABIR_ITEM_INT && told->value.as.i == f->value));
}

/* Asks once; false: there was nothing. */
static inline bool watcher_ask(struct watcher *w, const struct watched_state *state)
{
	struct sabir_change told;
	bool snapshot = w->n_out == w->n_fetched && (!w->begun || n_noted - w->asked > LOG);
	if (!snapshot && w->n_out == w->n_fetched)
		watcher_fetch(w);
	bool some = snapshot || w->n_fetched;
	SAME(sabir_watch_next(w->watch, random_below(50) ? 0 : 1000, &told) == (some ? SABIR_OK : SABIR_WOULD_BLOCK));
	if (snapshot)
		check_snapshot(w, &told, state);
	else if (some)
		check_next(w, &told, &w->fetched[w->n_out++]);
	return some;
}

/* Another watch takes over behind what this one has told last. */
static inline void watcher_resume(struct watcher *w, uint64_t handle)
{
	if (!w->begun)
		return;
	if (w->n_out < w->n_fetched)
		w->asked = w->n_out ? w->fetched[w->n_out - 1].at + 1 : w->fetched[0].at;
	sabir_watch_close(w->watch);
	w->options.after_sequence = base + w->asked;
	watcher_open(w, handle);
}

#endif
