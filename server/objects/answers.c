/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answers that sessions keep, and what a server that died was performing.
 *
 *   asked_begins ──► operation ──► asked_ends ──► answer_keep ──► (acknowledged) answers_acknowledged ──► answer_drop
 *         └── a death here: asked_decide and asked_settle ──┘
 *
 * The dict is made with the first answer, bound to the session's owner; nobody is told of it. Its keys are the ids, its
 * values hold what the answer is and then the body, both in the form of binary Values, for that is what dicts hold. Where items
 * in it may refer to objects it is a list instead, of what is in front of them and of the items: so what they refer to lives
 * until they are acknowledged, or back.
 */
#include "server/objects/answers.h"

#include <stdlib.h>

#include "server/base/fault.h"
#include "server/base/wire.h"
#include "server/objects/dict.h"
#include "server/objects/queue.h"

#define ANSWERS_AT_ONCE 256u
#define RECOVERED 1u

/* What stands in front of a body. */
struct head {
	uint8_t print[16];
	uint32_t error;
	uint32_t flags;
};

static struct span key_of(uint64_t id, uint8_t to[VALUE_MAX_HEAD + sizeof(uint64_t)])
{
	size_t n = value_head_bytes(VALUE_BINARY, sizeof(id), to);
	memcpy(to + n, &id, sizeof(id));
	return (struct span){ to, n + sizeof(id) };
}

bool answer_is_final(enum sabir_error error)
{
	switch (error) {
	case SABIR_CANCELLED:
	case SABIR_UNAVAILABLE:
	case SABIR_RESOURCE_EXHAUSTED:
	case SABIR_NO_MEMORY:
	case SABIR_BUSY:
		return false;
	default:
		return true;
	}
}

/*
 * The session's record; NULL: it has ended, its answers with it. Of one that ends there are answers yet, also when its owner counts
 * as dead already.
 */
static struct seg_session *session_of(const struct segment *seg, uint64_t owner)
{
	uint32_t index = (uint32_t)owner - 1;
	if (index >= seg->n_owners)
		return NULL;
	uint64_t word = owner_now(seg, index), its = load64_acquire(&seg->sessions[index].word);
	bool alive = (word & 15) != SEG_OWNER_FREE && word >> 32 == owner >> 32;
	return alive && its >> 32 == owner >> 32 && (its & 15) == SEG_OWNER_LIVE ? &seg->sessions[index] : NULL;
}

/* The handle of its dict; 0: it has none. The word may have been written over: an object that does not end with the session is none of it. */
static uint64_t dict_in(const struct segment *seg, const struct seg_session *session, uint64_t owner)
{
	uint64_t handle = load64_acquire(&session->answers);
	uint32_t index = object_index(handle);
	bool own = index && index < seg->n_objects && load64_relaxed(&seg->objects[index].owner) == owner;
	return own ? handle : 0;
}

bool answers_hold_items(const struct segment *seg, uint64_t owner)
{
	const struct seg_session *session = session_of(seg, owner);
	return session && load32_relaxed(&session->holds_items);
}

uint64_t answers_kept(const struct segment *seg, uint32_t index)
{
	uint64_t word = index < seg->n_owners ? owner_now(seg, index) : 0;
	uint64_t owner = (word & 0xffffffff00000000ull) | (index + 1);
	const struct seg_session *session = session_of(seg, owner);
	bool remote = session && load32_relaxed(&seg->owners[index].flags) & SEG_OWNER_REMOTE;
	return remote ? dict_in(seg, session, owner) : 0;
}

/* ---------------------------------------------------------------- keeping */

/* The session's dict, made if it has none. Two who make it at once: one of the dicts is given up. */
static enum sabir_error dict_of(struct lane *lane, uint64_t owner, struct seg_session *session, uint64_t *dict)
{
	const struct object_spec spec = { .kind = SEG_KIND_DICT, .hidden = true };
	const struct actor own = lane->actor;
	uint64_t none = load64_acquire(&session->answers), made;
	*dict = dict_in(lane->seg, session, owner);
	if (*dict)
		return SABIR_OK;
	lane->actor = (struct actor){ .owner = owner };
	enum sabir_error error = object_create(lane, (struct span){ NULL, 0 }, &spec, true, &made);
	lane->actor = own;
	if (error)
		return error;
	FAULT("answers.made");
	*dict = made;
	if (cas64(&session->answers, &none, made))
		return SABIR_OK;
	*dict = dict_in(lane->seg, session, owner);
	enum sabir_error deleted = object_delete(lane, made);
	return *dict ? deleted : SABIR_DATA_LOSS;
}

#define HEAD_MAX ((size_t)3 * VALUE_MAX_HEAD)

/* What makes a Value of `len` bytes, the last `listed` of which are items of a list. */
static size_t encode_head(size_t len, size_t listed, uint8_t to[HEAD_MAX])
{
	uint8_t item[VALUE_MAX_HEAD], binary[VALUE_MAX_HEAD];
	size_t n_binary = value_head_bytes(VALUE_BINARY, len - listed, binary), n_item = 0, n_list = 0;
	if (listed) {
		uint8_t *end = wire_put_varint(wire_put_tag(item, 1, WIRE_LEN), n_binary + len - listed);
		n_item = (size_t)(end - item);
		n_list = value_head_bytes(VALUE_LIST, n_item + n_binary + len, to);
		memcpy(to + n_list, item, n_item);
	}
	memcpy(to + n_list + n_item, binary, n_binary);
	return n_list + n_item + n_binary;
}

static size_t refers(const struct kept_answer *a)
{
	const uint8_t *items = a->body.data + a->body.len - a->items_len;
	return a->items_len && memchr(items, WIRE_TAG(VALUE_OBJECT, WIRE_LEN), a->items_len) ? a->items_len : 0;
}

/* The answer as the dict has it; data NULL: no memory. */
static struct span encode(const struct kept_answer *a)
{
	struct head head = { .error = (uint32_t)a->error, .flags = a->recovered ? RECOVERED : 0 };
	size_t len = sizeof(head) + a->body.len;
	uint8_t *to = malloc(HEAD_MAX + len);
	if (!to)
		return (struct span){ NULL, 0 };
	memcpy(head.print, a->print, sizeof(head.print));
	size_t n = encode_head(len, refers(a), to);
	memcpy(to + n, &head, sizeof(head));
	if (a->body.len)
		memcpy(to + n + sizeof(head), a->body.data, a->body.len);
	return (struct span){ to, n + len };
}

/* What is behind the head; false: there is none. */
static bool decode_head(struct span value, struct span *content)
{
	struct value_view v;
	struct wire_field item;
	if (value_view(value, &v) || (v.kind != VALUE_BINARY && v.kind != VALUE_LIST))
		return false;
	const uint8_t *p = v.bytes.data, *end = p + v.bytes.len;
	if (v.kind == VALUE_LIST && (p == end || !wire_next(&p, end, &item) || item.type != WIRE_LEN ||
				     value_view(item.bytes, &v) || v.kind != VALUE_BINARY))
		return false;
	*content = (struct span){ v.bytes.data, (size_t)(end - v.bytes.data) };
	return true;
}

/* False: it is none that was encoded. */
static bool decode(struct span key, struct span value, struct kept_answer *a)
{
	struct value_view id;
	struct span content;
	struct head head;
	if (value_view(key, &id) || id.kind != VALUE_BINARY || id.bytes.len != sizeof(a->id) ||
	    !decode_head(value, &content) || content.len < sizeof(head))
		return false;
	memcpy(&head, content.data, sizeof(head));
	*a = (struct kept_answer){ .error = (enum sabir_error)head.error, .recovered = head.flags & RECOVERED };
	memcpy(&a->id, id.bytes.data, sizeof(a->id));
	memcpy(a->print, head.print, sizeof(a->print));
	a->body = (struct span){ content.data + sizeof(head), content.len - sizeof(head) };
	return true;
}

static enum sabir_error store(struct lane *lane, uint64_t owner, const struct kept_answer *a, bool only_if_missing)
{
	struct seg_session *session = session_of(lane->seg, owner);
	uint8_t key[VALUE_MAX_HEAD + sizeof(a->id)];
	struct bytes was = { 0 };
	uint64_t dict;
	bool inserted;
	if (!session)
		return SABIR_SESSION_ENDED;
	enum sabir_error error = dict_of(lane, owner, session, &dict);
	struct span value = error ? (struct span){ NULL, 0 } : encode(a);
	if (!error && !value.data)
		error = SABIR_NO_MEMORY;
	/* In front of the answer. */
	if (a->items && !load32_relaxed(&session->holds_items))
		store32_release(&session->holds_items, 1);
	if (!error)
		error = only_if_missing ? dict_setdefault(lane, dict, key_of(a->id, key), value, &was, &inserted)
					: dict_set(lane, dict, key_of(a->id, key), value, &inserted);
	bytes_fini(&was);
	free((void *)value.data);
	return error;
}

enum sabir_error answer_keep(struct lane *lane, uint64_t owner, const struct kept_answer *answer)
{
	/* So that its death here is repaired before it is asked whether there is this answer. */
	store32_relaxed(&lane->shared->asked_state, SEG_ASKED_NOTHING);
	fence_compiler();
	enum sabir_error error = store(lane, owner, answer, false);
	FAULT("answers.kept");
	return error;
}

/* Raises a word that one thread at a time writes, and servers read. */
static void raise_word(uint64_t *word, uint64_t to)
{
	if (load64_relaxed(word) < to)
		store64_release(word, to);
}

void answer_lose(struct segment *seg, uint64_t owner, uint64_t id)
{
	struct seg_session *session = session_of(seg, owner);
	uint64_t seen = session ? load64_relaxed(&session->lost_below) : UINT64_MAX;
	uint64_t least = id == UINT64_MAX ? id : id + 1;
	while (session && seen < least && !cas64(&session->lost_below, &seen, least))
		;
}

void answers_acknowledged(struct segment *seg, uint64_t owner, uint64_t below)
{
	struct seg_session *session = session_of(seg, owner);
	if (session)
		raise_word(&session->acked_below, below);
	FAULT("answers.acknowledged");
}

enum sabir_error answer_drop(struct lane *lane, uint64_t owner, uint64_t id)
{
	struct seg_session *session = session_of(lane->seg, owner);
	uint64_t dict = session ? dict_in(lane->seg, session, owner) : 0;
	uint8_t key[VALUE_MAX_HEAD + sizeof(id)];
	enum sabir_error error = dict ? dict_delete(lane, dict, key_of(id, key)) : SABIR_OK;
	FAULT("answers.dropped");
	return error == SABIR_KEY_NOT_FOUND ? SABIR_OK : error;
}

uint32_t *answer_returning(struct segment *seg, uint64_t owner, uint64_t id)
{
	struct seg_session *session = session_of(seg, owner);
	if (!session)
		return NULL;
	if (load64_relaxed(&session->returning) != id) {
		store32_relaxed(&session->n_returned, 0);
		FAULT("answers.returning");
		/* Only its successor reads them: their order in the program counts. */
		fence_compiler();
		store64_relaxed(&session->returning, id);
		fence_compiler();
	}
	return &session->n_returned;
}

/* ---------------------------------------------------------------- loading */

struct loading {
	struct answers_state state;
	answer_each_fn *each;
	void *context;
	bool damaged; /* some are */
};

static enum sabir_error load_page(struct loading *l, const struct bytes *page)
{
	struct kept_answer a;
	enum sabir_error error = SABIR_OK;
	for (size_t i = 0; !error && i + 1 < page->n_items; i += 2) {
		if (!decode(bytes_item(page, i), bytes_item(page, i + 1), &a))
			l->damaged = true;
		else if (a.id >= l->state.acked_below)
			error = l->each(l->context, &a);
	}
	return error;
}

enum sabir_error answers_load(struct lane *lane, uint64_t owner, struct answers_state *state, answer_each_fn *each,
			      void *context)
{
	struct seg_session *session = session_of(lane->seg, owner);
	struct loading l = { .each = each, .context = context };
	uint64_t cursor = 0;
	uint32_t n = 0;
	enum sabir_error error = SABIR_OK;
	if (!session)
		return SABIR_SESSION_ENDED;
	l.state.lost_below = load64_acquire(&session->lost_below);
	l.state.acked_below = load64_acquire(&session->acked_below);
	*state = l.state;
	uint64_t dict = dict_in(lane->seg, session, owner);
	while (!error && dict) {
		struct bytes page = { 0 };
		error = n++ < ANSWERS_MOST / ANSWERS_AT_ONCE
				? dict_page(lane, dict, DICT_ITEMS, ANSWERS_AT_ONCE, &cursor, &page)
				: SABIR_DATA_LOSS;
		if (!error)
			error = load_page(&l, &page);
		bytes_fini(&page);
		dict = cursor ? dict : 0;
	}
	return !error && l.damaged ? SABIR_DATA_LOSS : error;
}

enum sabir_error answers_next(struct lane *lane, uint64_t owner, struct answers_walk *walk, struct bytes *page,
			      struct kept_answer *answer)
{
	struct seg_session *session = session_of(lane->seg, owner);
	uint64_t dict = session ? dict_in(lane->seg, session, owner) : 0;
	while (dict && !walk->over) {
		bytes_empty(page);
		enum sabir_error error = walk->n++ < ANSWERS_MOST
						 ? dict_page(lane, dict, DICT_ITEMS, 1, &walk->cursor, page)
						 : SABIR_DATA_LOSS;
		if (error)
			return error;
		walk->over = !walk->cursor;
		if (page->n_items < 2)
			break;
		if (!decode(bytes_item(page, 0), bytes_item(page, 1), answer))
			return SABIR_INVALID_VALUE;
		if (answer->id >= load64_relaxed(&session->acked_below))
			return SABIR_OK;
	}
	return SABIR_EMPTY;
}

static bool is_server(const struct segment *seg, const struct seg_lane *s, uint32_t *owner)
{
	uint64_t word = load64_acquire(&s->word);
	*owner = (uint32_t)(word >> 32);
	return (word & 15) == SEG_LANE_LIVE && *owner < seg->n_owners &&
	       (load32_relaxed(&seg->owners[*owner].flags) & SEG_OWNER_SERVER);
}

uint32_t answers_to_come(const struct segment *seg, uint32_t server, uint64_t owner, uint64_t id, bool *may_come)
{
	uint32_t its, n = 0;
	*may_come = false;
	for (uint32_t i = 0; i < seg->n_lanes; i++) {
		const struct seg_lane *s = &seg->lanes[i];
		if (!is_server(seg, s, &its) || its == server || load32_acquire(&s->asked_state) == SEG_ASKED_NOTHING)
			continue;
		n++;
		if (load64_relaxed(&s->asked_id) == id && load64_relaxed(&s->asked_owner) == owner)
			*may_come = true;
	}
	return n;
}

bool answers_are_given(const struct segment *seg, uint32_t server, uint64_t owner)
{
	uint32_t its;
	for (uint32_t i = 0; i < seg->n_lanes; i++) {
		const struct seg_lane *s = &seg->lanes[i];
		if (is_server(seg, s, &its) && its != server && load32_acquire(&s->asked_state) == SEG_ASKED_GIVING &&
		    (!owner || load64_relaxed(&s->asked_owner) == owner))
			return true;
	}
	return false;
}

/* ---------------------------------------------------------------- the record of what is performed */

static void set_state(struct lane *lane, uint32_t state)
{
	if (!lane->actor.request)
		return;
	fence_compiler();
	store32_relaxed(&lane->shared->asked_state, state);
	fence_compiler();
	FAULT("asked.state");
}

void asked_begins(struct lane *lane)
{
	struct seg_lane *s = lane->shared;
	if (!lane->actor.request)
		return;
	set_state(lane, SEG_ASKED_NOTHING);
	store64_relaxed(&s->asked_owner, lane->actor.owner);
	store64_relaxed(&s->asked_id, lane->actor.request);
}

void asked_runs(struct lane *lane)
{
	if (lane->actor.request)
		store32_relaxed(&lane->shared->committed, 0);
	set_state(lane, SEG_ASKED_RUNNING);
}

void asked_putting(struct lane *lane)
{
	if (lane->actor.request)
		queue_put_begins_anew(lane);
	set_state(lane, SEG_ASKED_PUTTING);
}

void asked_giving(struct lane *lane)
{
	set_state(lane, SEG_ASKED_GIVING);
}

void asked_goes_on(struct lane *lane)
{
	set_state(lane, SEG_ASKED_RUNNING);
}

void asked_ends(struct lane *lane, enum sabir_error error, bool waits, struct span response)
{
	struct seg_lane *s = lane->shared;
	if (!lane->actor.request)
		return;
	if (error && (waits || !answer_is_final(error))) {
		set_state(lane, SEG_ASKED_NOTHING);
		return;
	}
	if (!error && (response.len > sizeof(s->asked_response) || load32_relaxed(&s->asked_state) == SEG_ASKED_GIVING))
		return;
	store32_relaxed(&s->asked_error, (uint32_t)error);
	store32_relaxed(&s->asked_len, error ? 0 : (uint32_t)response.len);
	if (!error && response.len)
		memcpy(s->asked_response, response.data, response.len);
	set_state(lane, SEG_ASKED_DONE);
}

void asked_closed(struct lane *lane)
{
	fence_compiler();
	store32_relaxed(&lane->shared->asked_state, SEG_ASKED_NOTHING);
	FAULT("asked.closed");
}

/* ---------------------------------------------------------------- recovery */

/* Errors: BUSY: it can't be told now. */
static enum sabir_error is_kept(struct lane *by, const struct seg_lane *dead, bool *kept)
{
	uint64_t id = load64_relaxed(&dead->asked_id);
	uint64_t owner = load64_relaxed(&dead->asked_owner);
	struct seg_session *session = session_of(by->seg, owner);
	uint8_t key[VALUE_MAX_HEAD + sizeof(id)];
	enum sabir_error error = SABIR_OK;
	*kept = session && id < load64_relaxed(&session->acked_below);
	uint64_t dict = session && !*kept ? dict_in(by->seg, session, owner) : 0;
	if (dict)
		error = dict_contains(by, dict, key_of(id, key), kept);
	/* Of a dict that is gone or damaged nobody gets an answer. */
	return error_is_for_later(error) ? SABIR_BUSY : SABIR_OK;
}

static void decide(struct seg_lane *dead, uint32_t state, enum sabir_error error)
{
	store32_relaxed(&dead->asked_error, (uint32_t)error);
	store32_relaxed(&dead->asked_len, 0);
	fence_compiler();
	store32_relaxed(&dead->asked_state, state);
	fence_compiler();
	FAULT("asked.decided");
}

enum sabir_error asked_decide(struct lane *by, struct seg_lane *dead, uint32_t dead_id)
{
	uint32_t owner;
	bool kept;
	if (!is_server(by->seg, dead, &owner))
		return SABIR_OK;
	switch (load32_relaxed(&dead->asked_state)) {
	case SEG_ASKED_RUNNING:
		decide(dead, load32_relaxed(&dead->committed) ? SEG_ASKED_DONE : SEG_ASKED_NOTHING,
		       SABIR_OUTCOME_UNKNOWN);
		break;
	case SEG_ASKED_PUTTING:
		decide(dead, queue_put_happened(by->seg, dead, dead_id) ? SEG_ASKED_DONE : SEG_ASKED_NOTHING, SABIR_OK);
		break;
	case SEG_ASKED_GIVING:
		if (is_kept(by, dead, &kept))
			return SABIR_BUSY;
		if (kept)
			queue_get_happened(dead);
		decide(dead, SEG_ASKED_NOTHING, SABIR_OK);
		break;
	default:
		break;
	}
	return SABIR_OK;
}

enum sabir_error asked_settle(struct lane *by, struct seg_lane *dead)
{
	uint32_t index, len = load32_relaxed(&dead->asked_len);
	struct kept_answer a = {
		.id = load64_relaxed(&dead->asked_id),
		.error = (enum sabir_error)load32_relaxed(&dead->asked_error),
		.recovered = true,
		.body = { dead->asked_response, len <= sizeof(dead->asked_response) ? len : 0 },
	};
	bool kept;
	if (!is_server(by->seg, dead, &index) || load32_relaxed(&dead->asked_state) != SEG_ASKED_DONE)
		return SABIR_OK;
	if (is_kept(by, dead, &kept))
		return SABIR_BUSY;
	if (kept)
		return SABIR_OK;
	uint64_t owner = load64_relaxed(&dead->asked_owner);
	const struct seg_session *session = session_of(by->seg, owner);
	/* Of a session that ends nobody will ask. */
	bool asked = session && !(load64_relaxed(&session->word) & SEG_SESSION_ENDS);
	enum sabir_error error = asked ? store(by, owner, &a, true) : SABIR_OK;
	if (error == SABIR_BUSY)
		return error;
	if (error)
		answer_lose(by->seg, owner, a.id);
	FAULT("asked.settled");
	store32_release(&dead->asked_state, SEG_ASKED_NOTHING); /* behind the answer: see answers_to_come */
	return SABIR_OK;
}
