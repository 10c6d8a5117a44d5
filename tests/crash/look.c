/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What objects hold, as text. A look may take out what it looks at: it is made in a copy that nobody needs any more.
 */
#include "tests/crash/look.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/objects/object_word.h"
#include "server/ops/session_record.h"
#include "tests/crash/act.h"
#include "tests/crash/asked.h"
#include "tests/crash/front.h"

static const char *const looks[][4] = {
	[SEG_KIND_QUEUE] = { "QueueService/Size queue", "QueueService/GetMany max_items=1000 timeout={} queue" },
	[SEG_KIND_TASK_QUEUE] = { "QueueService/Size queue", "QueueService/Requeue queue",
				  "QueueService/GetMany max_items=1000 timeout={} queue" },
	[SEG_KIND_VALUE] = { "ValueService/Get value" },
	[SEG_KIND_ARRAY] = { "ArrayService/Len array", "ArrayService/GetSlice array" },
	[SEG_KIND_DICT] = { "DictService/Len dict", "DictService/Items page_size=1000 dict" },
	[SEG_KIND_NAMESPACE] = { "NamespaceService/List page_size=1000 namespace" },
	[SEG_KIND_LIST] = { "ListService/Len list", "ListService/GetSlice max_items=1000 list" },
	[SEG_KIND_SHARED_LIST] = { "SharedListService/Items max_items=1000 shared_list" },
	[SEG_KIND_LOCK] = { "LockService/Status lock", "LockService/Acquire timeout={} lock" },
	[SEG_KIND_RLOCK] = { "LockService/Status lock", "LockService/Acquire timeout={} lock" },
	[SEG_KIND_SEMAPHORE] = { "SemaphoreService/Status semaphore" },
	[SEG_KIND_CONDITION] = { "ConditionService/Status condition" },
	[SEG_KIND_BARRIER] = { "BarrierService/Status barrier" },
	[SEG_KIND_EVENT] = { "EventService/IsSet event" },
	[SEG_KIND_PIPE] = { "PipeService/State pipe" },
	[SEG_KIND_BLOCK] = { "BlockService/Size block", "BlockService/Read block" },
};
#define N_LOOKS (sizeof(looks) / sizeof(looks[0]))

/* What one request about the object is answered; the name of the reference's field is the last word of `look`. */
static void look_once(struct world *world, const char *look, uint64_t handle, FILE *to)
{
	static struct act act;
	char line[256], *text = NULL;
	size_t len;
	snprintf(line, sizeof(line), "%s={handle=%" PRIu64 "}", look, handle);
	if (!act_read(line, &(struct prepared){ 0 }, &act))
		abort();
	FILE *answer = open_memstream(&text, &len);
	enum sabir_error error = act_run(&act, world, SURVIVOR, answer);
	fclose(answer);
	fprintf(to, "  %s %s %s\n", act.method, error_name(error), error ? "" : text);
	free(text);
}

/* Adds the holds of a word, if they count, to those of its owner. */
static void count_hold(const struct segment *seg, uint64_t hold, uint32_t *n)
{
	uint32_t owner = (uint32_t)(hold & ((1u << SEG_HOLD_SHIFT) - 1)) - 1;
	uint64_t word = owner < seg->n_owners ? load64_relaxed(&seg->owners[owner].word) : 0;
	if ((word & 15) == SEG_OWNER_LIVE && word >> 32 == hold >> 32)
		n[owner] += (uint32_t)(hold >> SEG_HOLD_SHIFT) & SEG_HOLD_MOST;
}

/* How often each owner holds the object. */
static void look_at_holds(const struct segment *seg, const struct seg_object *o, FILE *to)
{
	uint32_t n[32] = { 0 }, ref = load32_relaxed(&o->holders);
	if (seg->n_owners > sizeof(n) / sizeof(n[0]))
		abort();
	count_hold(seg, load64_relaxed(&o->held), n);
	while (ref) {
		const struct seg_holds *block = segment_at(seg, ref, sizeof(*block));
		for (uint32_t i = 0; i < SEG_N_HOLDS; i++)
			count_hold(seg, load64_relaxed(&block->hold[i]), n);
		ref = load32_relaxed(&block->block.next);
	}
	for (uint32_t i = 0; i < seg->n_owners; i++)
		if (n[i])
			fprintf(to, " held by %u %u times", i, n[i]);
}

/* Units that are somebody's who has not come for them yet. */
static void look_at_line(const struct segment *seg, const struct seg_object *o, FILE *to)
{
	const struct seg_semaphore *body = load32_relaxed(&o->kind) == SEG_KIND_SEMAPHORE
						   ? object_body(seg, o, sizeof(*body))
						   : NULL;
	uint32_t called = body ? load32_relaxed(&body->turns.n) - load32_relaxed(&body->turns.n_waiting) : 0;
	if (called)
		fprintf(to, " called %u", called);
}

static void look_at_sessions(struct world *world, FILE *to)
{
	struct session_record record;
	for (uint32_t i = 0; i < world->seg.n_owners; i++)
		if (front_is_session(world, i) && session_record_read(&world->seg, i, &record) &&
		    record.lease_ns != ASKED_LEASE_NS)
			fprintf(to, "session %u '%.40s' from '%s' lease %" PRIu64 "%s\n", i, world->seg.owners[i].label,
				record.peer, record.lease_ns, record.ends ? " ends" : "");
}

void look_at(struct world *world, uint32_t index, FILE *to)
{
	struct object_info info = { 0 };
	uint64_t handle = look_handle(&world->seg, index);
	struct seg_object *object = &world->seg.objects[index];
	uint32_t kind = load32_relaxed(&object->kind), flags = load32_relaxed(&object->flags);
	object_describe(&world->lane[SURVIVOR], handle, &info);
	store32_relaxed(&object->flags, flags & ~SEG_OBJECT_HIDDEN); /* nothing is hidden from us */
	fprintf(to, "%u kind %u '%s' flags %u closed %u ephemeral %d", index, kind, info.name, info.flags, info.closed,
		info.ephemeral);
	look_at_holds(&world->seg, object, to);
	look_at_line(&world->seg, object, to);
	fputc('\n', to);
	for (size_t i = 0; kind < N_LOOKS && i < 4 && looks[kind][i]; i++)
		look_once(world, looks[kind][i], handle, to);
	store32_relaxed(&object->flags, flags);
}

uint64_t look_handle(const struct segment *seg, uint32_t index)
{
	uint64_t word = load64_acquire(&seg->objects[index].word);
	return object_state(word) == SEG_OBJECT_LIVE ? index | (word & 0xffffffff00000000ull) : 0;
}

void look_name_references(const struct segment *seg, struct text *text)
{
	char name[16], *end;
	for (char *at = text->at; (at = strstr(at, "$*")) != NULL;) {
		uint64_t handle = strtoull(at += strlen("$*"), &end, 10);
		uint32_t index = object_index(handle);
		bool lives = index && index < seg->n_objects && look_handle(seg, index) == handle;
		int len = lives ? snprintf(name, sizeof(name), "%u", index) : snprintf(name, sizeof(name), "gone");
		if (end - at < len) /* it is by its name */
			continue;
		memmove(at + len, end, strlen(end) + 1);
		memcpy(at, name, (size_t)len);
	}
	text->len = strlen(text->at);
}

void look_at_all(struct world *world, struct text *text)
{
	FILE *to = open_memstream(&text->at, &text->len);
	for (uint32_t i = 1; i < world->seg.n_objects; i++)
		if (look_handle(&world->seg, i))
			look_at(world, i, to);
	look_at_sessions(world, to);
	fclose(to);
	look_name_references(&world->seg, text);
}

void look_drop(char *text, const char *name, const char *ends)
{
	char *at;
	while ((at = strstr(text, name)) != NULL) {
		char *end = at + strlen(name);
		end += strcspn(end, ends);
		end += *end == '}' && *ends == '}';
		memmove(at, end, strlen(end) + 1);
	}
}

void look_drop_session(char *text)
{
	look_drop(text, "token=", " }");
	look_drop(text, "{id=", " }");
	look_drop(text, "open_time={", "}");
	look_drop(text, "lease_left={", "}");
	look_drop(text, "n_calls=", " }");
}

void look_drop_sequences(char *text)
{
	look_drop(text, "last_sequence=", " }\n");
	look_drop(text, "from_sequence=", " }\n");
	look_drop(text, "to_sequence=", " }\n");
	look_drop(text, " sequence=", " }\n");
	look_drop(text, "{sequence=", " }\n");
}

/* As who watches asks: from the answer before on, until there is nothing more. */
void look_at_changes(struct world *world, uint64_t handle, uint64_t sequence, struct text *text)
{
	char line[128];
	const char *last;
	FILE *to = open_memstream(&text->at, &text->len);
	for (size_t from = 0;; from = text->len) {
		snprintf(line, sizeof(line), "WatchService/Next after_sequence=%" PRIu64 " timeout={} object",
			 sequence);
		look_once(world, line, handle, to);
		fflush(to);
		if (!(last = strstr(text->at + from, "last_sequence=")))
			break;
		sequence = strtoull(last + strlen("last_sequence="), NULL, 10);
	}
	fclose(to);
	look_drop_sequences(text->at);
	text->len = strlen(text->at);
}
