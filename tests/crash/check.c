/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One scenario: its state, its two ends, and the comparison of what a death left behind with them.
 *
 * Every look is made in a copy (`there`), which is restored from an image first, so a look may take out what it looks
 * at.
 */
#include "tests/crash/check.h"

#include "server/objects/recover_test_kit.h"
#include "server/ops/test_kit.h"

#define TEXT_MAX (1u << 20)
#define N_SIDES SEG_N_EVENTS

struct text {
	char *at;
	size_t len;
};

/* Everything by which two ends are told apart, or an end from something in between. */
struct end {
	struct text state; /* what the objects hold */
	struct text again; /* what the survivor is answered when he does the same */
	struct arena_stats left;
	bool woken[64][N_SIDES]; /* local waiters; the server's are told by `rung` */
	bool rung[64];
};

struct check {
	const struct scenario *scenario;
	struct world here, there;
	struct image *begin;
	struct end before, after;
	uint32_t seq[64][N_SIDES]; /* of the events, at the beginning */
	int stage;                 /* at an earlier moment already */
	char act_method[64];
	uint8_t act_request[512 << 10];
	size_t act_len;
	bool undoes; /* the operation is the undoing of the act, which has this: */
	struct op_receipt receipt;
	struct bytes response;
};

/*
 * The copy becomes what the image holds. It is used by this thread alone, which is always in order with itself: the
 * kernel's barrier on all processors, by which epochs are kept (epoch.c), is left out there, for time.
 */
static void go_back(struct check *c, const struct image *to)
{
	image_restore(to, &c->there);
	store32_relaxed(&c->there.seg.header->light_pins, 0);
}

/* ---------------------------------------------------------------- requests */

/* The lease that a get of the set-up got last. */
static unsigned long long lease_token;

/* ~n~ becomes n letters, % the number, @ the lease. */
static void expand(const char *from, size_t len, unsigned number, char *to, size_t size)
{
	FILE *out = fmemopen(to, size, "w");
	for (size_t i = 0; i < len; i++) {
		if (from[i] == '%') {
			fprintf(out, "%u", number);
		} else if (from[i] == '@') {
			fprintf(out, "%llu", lease_token);
		} else if (from[i] == '~') {
			char *end;
			for (unsigned long n = strtoul(from + i + 1, &end, 10); n; n--)
				fputc('a' + (char)(n % 26), out);
			i = (size_t)(end - from);
		} else {
			fputc(from[i], out);
		}
	}
	fclose(out);
}

/* "Service/Method request" into its parts. */
static size_t encode(char *line, char method[64], uint8_t *to, size_t size)
{
	char *blank = strchr(line, ' ');
	snprintf(method, 64, "%.*s", (int)(blank ? blank - line : (long)strlen(line)), line);
	if (!ops_method(method) || strlen(line) > size)
		return SIZE_MAX;
	return ops_request(method, blank ? blank + 1 : "", to).len;
}

static enum sabir_error call(struct world *world, enum person who, const char *method, struct span request)
{
	ops_lane = world->lane[who];
	enum sabir_error error = op_run(ops_op(method), &ops_lane, request, &ops_response, &ops_wait, ops_detail);
	world->lane[who] = ops_lane;
	return error;
}

/* In the name of the survivor, for whom it was done. */
static void undo(const struct check *c, struct world *world)
{
	struct lane *lane = &world->lane[VICTIM];
	struct actor own = lane->actor;
	lane->actor = world->lane[SURVIVOR].actor;
	(void)op_undo(ops_op(c->act_method), lane, &c->receipt, bytes_item(&c->response, 0));
	lane->actor = own;
}

/* What is swept: the act, or its undoing. */
static void act(const struct check *c, struct world *world)
{
	if (c->undoes)
		undo(c, world);
	else
		call(world, VICTIM, c->act_method, (struct span){ c->act_request, c->act_len });
}

/* The act is done, by the survivor, and will be undone. */
static bool take(struct check *c, FILE *out)
{
	struct op_wait wait = { .undoable = true };
	enum sabir_error error = op_run_front(ops_op(c->act_method), &c->here.lane[SURVIVOR], NULL,
					      (struct span){ c->act_request, c->act_len }, &c->response, &wait,
					      ops_detail);
	c->receipt = wait.receipt;
	if (error)
		fprintf(out, "    the act: %s %s\n", error_name(error), ops_detail);
	return !error;
}

static void note_lease(const char *method)
{
	char *text = NULL, *at;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	ops_decode(ops_method(method)->output, bytes_item(&ops_response, 0), to);
	fclose(to);
	at = strstr(text, "lease_token=");
	if (at)
		lease_token = strtoull(at + strlen("lease_token="), NULL, 10);
	free(text);
}

static bool set_up_line(struct check *c, const char *line, size_t len, FILE *out)
{
	static char expanded[512 << 10];
	static uint8_t request[512 << 10];
	char method[64];
	enum person who = SURVIVOR;
	unsigned long times = 1;
	if (len > 7 && !strncmp(line, "victim ", 7)) {
		who = VICTIM;
		line += 7, len -= 7;
	}
	const char *star = memchr(line, '*', len < 8 ? len : 8);
	if (star) {
		times = strtoul(line, NULL, 10);
		len -= (size_t)(star + 1 - line);
		line = star + 1;
	}
	for (unsigned i = 0; i < times; i++) {
		expand(line, len, i, expanded, sizeof(expanded));
		size_t n = encode(expanded, method, request, sizeof(request));
		enum sabir_error error = n == SIZE_MAX ? SABIR_UNIMPLEMENTED
						       : call(&c->here, who, method, (struct span){ request, n });
		/* Who would wait has his place. */
		if (error && !ops_wait.wanted) {
			fprintf(out, "    set-up: %.80s: %s %s\n", expanded, error_name(error), ops_detail);
			return false;
		}
		if (!error)
			note_lease(method);
	}
	return true;
}

static bool set_up(struct check *c, FILE *out)
{
	static const char other[] = "ManagerService/Create name='z' event={}";
	const char *line = c->scenario->setup;
	/* The first name makes the directory's table, which is some hundred states; it has a scenario of its own. */
	if (!strstr(c->scenario->name, "first name") && !set_up_line(c, other, strlen(other), out))
		return false;
	while (*line) {
		size_t len = strcspn(line, "\n");
		if (len && !set_up_line(c, line, len, out))
			return false;
		line += len + (line[len] == '\n');
	}
	return true;
}

/* ---------------------------------------------------------------- looking */

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
	[SEG_KIND_BLOCK] = { "BlockService/Size block", "BlockService/Read offset=0 count=4096 block" },
};
#define N_LOOKS (sizeof(looks) / sizeof(looks[0]))

/* What one request about the object is answered; the name of the reference's field is the last word of `look`. */
static void look_once(struct world *world, const char *look, uint64_t handle, FILE *to)
{
	static uint8_t request[4096];
	char line[256], method[64];
	snprintf(line, sizeof(line), "%s={handle=%" PRIu64 "}", look, handle);
	size_t len = encode(line, method, request, sizeof(request));
	if (len == SIZE_MAX)
		abort();
	enum sabir_error error = call(world, SURVIVOR, method, (struct span){ request, len });
	fprintf(to, "  %s %s ", method, error_name(error));
	if (!error)
		ops_decode(ops_method(method)->output, bytes_item(&ops_response, 0), to);
	fputc('\n', to);
}

static void look_at(struct world *world, uint32_t index, uint32_t kind, uint64_t handle, FILE *to)
{
	struct object_info info = { 0 };
	object_describe(&world->lane[SURVIVOR], handle, &info);
	fprintf(to, "%u kind %u '%s' flags %u closed %u ephemeral %d\n", index, kind, info.name, info.flags,
		info.closed, info.ephemeral);
	if (kind >= N_LOOKS)
		return;
	for (size_t i = 0; i < 4 && looks[kind][i]; i++)
		look_once(world, looks[kind][i], handle, to);
}

static uint64_t handle_at(const struct segment *seg, uint32_t index)
{
	uint64_t word = load64_acquire(&seg->objects[index].word);
	return object_state(word) == SEG_OBJECT_LIVE ? index | (word & 0xffffffff00000000ull) : 0;
}

static void look_at_all(struct world *world, struct text *text)
{
	FILE *to = open_memstream(&text->at, &text->len);
	for (uint32_t i = 1; i < world->seg.n_objects; i++) {
		uint64_t handle = handle_at(&world->seg, i);
		if (handle)
			look_at(world, i, load32_relaxed(&world->seg.objects[i].kind), handle, to);
	}
	fclose(to);
}

/* Fields that differ from run to run though nothing else does: times, and the handle of what is made. */
static void drop_field(char *text, const char *name, const char *ends)
{
	char *at;
	while ((at = strstr(text, name)) != NULL) {
		char *end = at + strlen(name);
		end += strcspn(end, ends);
		end += *end == '}' && *ends == '}';
		memmove(at, end, strlen(end) + 1);
	}
}

static void do_again(struct check *c, struct text *text)
{
	FILE *to = open_memstream(&text->at, &text->len);
	enum sabir_error error = call(&c->there, SURVIVOR, c->act_method, (struct span){ c->act_request, c->act_len });
	fprintf(to, "%s %s ", error_name(error), ops_detail);
	if (!error)
		ops_decode(ops_method(c->act_method)->output, bytes_item(&ops_response, 0), to);
	fclose(to);
	drop_field(text->at, "create_time={", "}");
	drop_field(text->at, "ttl={", "}");
	drop_field(text->at, "handle=", " }");
	drop_field(text->at, "last_sequence=", " }");
	text->len = strlen(text->at);
}

static void note_woken(const struct check *c, struct end *end)
{
	const struct segment *seg = &c->there.seg;
	for (uint32_t i = 1; i < seg->n_objects; i++) {
		for (uint32_t side = 0; side < N_SIDES; side++)
			end->woken[i][side] = load32_relaxed(&seg->objects[i].event[side].seq) != c->seq[i][side];
		end->rung[i] = load64_relaxed(&seg->ready[i / 64]) >> (i % 64) & 1;
	}
}

/* ---------------------------------------------------------------- recovery */

/* One of the dead may hold what the recovery of the other needs: it is done again, as the server does it. */
bool check_recover(struct world *world, enum person by)
{
	struct lane *lane = &world->lane[by];
	for (int i = 0; i < 3; i++) {
		enum sabir_error server = SABIR_OK;
		if (by == HEIR)
			server = owner_recover(lane, world->lane[SERVER].owner);
		enum sabir_error victim = owner_recover(lane, world->lane[VICTIM].owner);
		if (!server && !victim)
			return true;
	}
	return false;
}

static bool is_free(const struct world *world, enum person who)
{
	const struct lane *lane = &world->lane[who];
	return (load64_relaxed(&world->seg.owners[lane->owner].word) & 15) == SEG_OWNER_FREE &&
	       (load64_relaxed(&world->seg.lanes[lane->id - 1].word) & 15) == SEG_LANE_FREE;
}

static const char *left_behind(const struct world *world, bool server_died)
{
	if (!is_free(world, VICTIM) || (server_died && !is_free(world, SERVER)))
		return "an owner or a lane of the dead is not free";
	for (uint32_t i = 0; i < world->seg.n_objects; i++) {
		if (load64_relaxed(&world->seg.objects[i].lock))
			return "an object is locked";
		if (load64_relaxed(&world->seg.objects[i].damaged))
			return "an object is damaged";
	}
	return NULL;
}

/* Deletes everything and counts what is left. */
static void count_left(struct world *world, enum person by, struct arena_stats *left)
{
	for (uint32_t i = 1; i < world->seg.n_objects; i++) {
		uint64_t handle = handle_at(&world->seg, i);
		if (handle)
			object_delete(&world->lane[by], handle);
	}
	for (int i = SURVIVOR; i < BYSTANDER; i++)
		if ((load64_relaxed(&world->lane[i].shared->word) & 15) == SEG_LANE_LIVE)
			kit_settle(&world->lane[i]);
	for (int i = SURVIVOR; i < BYSTANDER; i++)
		if ((load64_relaxed(&world->lane[i].shared->word) & 15) == SEG_LANE_LIVE)
			kit_settle(&world->lane[i]);
	arena_stats(&world->seg, left);
}

/* ---------------------------------------------------------------- the two ends */

static bool know_end(struct check *c, bool happened, struct end *end)
{
	for (int round = 0; round < 2; round++) {
		go_back(c, c->begin);
		if (happened)
			act(c, &c->there);
		if (round == 0)
			note_woken(c, end);
		if (!check_recover(&c->there, SERVER) || left_behind(&c->there, false))
			return false;
		if (round == 0) {
			look_at_all(&c->there, &end->state);
			count_left(&c->there, SERVER, &end->left);
		} else {
			do_again(c, &end->again);
		}
	}
	return true;
}

/*
 * A slab that the operation would make is there already: its making is some hundred states that have nothing to do
 * with the operation, and has scenarios of its own.
 */
static void warm(struct check *c)
{
	struct segment *seg = &c->there.seg;
	struct lane *lane = &c->here.lane[BYSTANDER];
	go_back(c, c->begin);
	act(c, &c->there);
	for (uint32_t i = 0; i < seg->n_chunks; i++) {
		struct seg_block *block;
		if (chunk_state(seg->chunks[i].word) != SEG_CHUNK_SLAB ||
		    chunk_state(c->here.seg.chunks[i].word) == SEG_CHUNK_SLAB)
			continue;
		uint64_t size = block_size(seg, segment_ref(seg, chunk_base(seg, i) + SEG_SLAB_HEADER));
		if (!block_alloc(lane, size, 0, &block))
			block_free(lane, block);
	}
}

/* Everybody waits: the paths of those who find that somebody does. */
static void wait_for_all(struct world *world)
{
	for (uint32_t i = 1; i < world->seg.n_objects; i++)
		for (uint32_t side = 0; handle_at(&world->seg, i) && side < N_SIDES; side++)
			event_prepare(&world->seg.objects[i].event[side], SEG_WAITING_LOCAL | SEG_WAITING_SERVER);
}

/* The request of the act; where it is to be undone, it is done. */
static bool prepare_act(struct check *c, FILE *out)
{
	static const char undo[] = "undo:";
	static char line[512 << 10];
	const char *text = c->scenario->act;
	c->undoes = !strncmp(text, undo, strlen(undo));
	text += c->undoes ? strlen(undo) : 0;
	expand(text, strlen(text), 0, line, sizeof(line));
	c->act_len = encode(line, c->act_method, c->act_request, sizeof(c->act_request));
	if (c->act_len == SIZE_MAX)
		fprintf(out, "    no such operation: %.80s\n", text);
	return c->act_len != SIZE_MAX && (!c->undoes || take(c, out));
}

struct check *check_new(const struct scenario *scenario, bool waiting, FILE *out)
{
	struct check *c = calloc(1, sizeof(*c));
	if (!c || !world_make(&c->here) || !world_make(&c->there))
		abort();
	c->scenario = scenario;
	c->here.lane[SERVER].lock_patience_ns = c->here.lane[HEIR].lock_patience_ns = 20000000;
	bool fine = set_up(c, out) && prepare_act(c, out);
	if (fine && waiting)
		wait_for_all(&c->here);
	c->begin = image_new(&c->here);
	if (fine && !strstr(scenario->name, "new slab"))
		warm(c);
	image_update(c->begin, &c->here);
	for (uint32_t i = 0; i < c->here.seg.n_objects; i++)
		for (uint32_t side = 0; side < N_SIDES; side++)
			c->seq[i][side] = load32_relaxed(&c->here.seg.objects[i].event[side].seq);
	if (fine && !(know_end(c, false, &c->before) && know_end(c, true, &c->after))) {
		const char *what = left_behind(&c->there, false);
		fprintf(out, "    without a death in between: %s\n", what ? what : "the recovery did not end");
		fine = false;
	}
	if (fine)
		return c;
	check_free(c);
	return NULL;
}

static void end_fini(struct end *end)
{
	free(end->state.at);
	free(end->again.at);
}

void check_free(struct check *c)
{
	end_fini(&c->before);
	end_fini(&c->after);
	op_receipt_fini(&c->receipt);
	bytes_fini(&c->response);
	if (c->begin)
		image_free(c->begin);
	world_end(&c->here);
	world_end(&c->there);
	free(c);
}

struct world *check_world(struct check *c)
{
	return &c->here;
}

const struct image *check_begin(const struct check *c)
{
	return c->begin;
}

void check_act(void *context)
{
	struct check *c = context;
	act(c, &c->here);
}

/* ---------------------------------------------------------------- a moment */

static bool same(const struct text *a, const struct text *b)
{
	return a->len == b->len && !memcmp(a->at, b->at, a->len);
}

bool check_changes(const struct check *c)
{
	return !same(&c->before.state, &c->after.state) || !same(&c->before.again, &c->after.again);
}

static bool same_count(const struct arena_stats *a, const struct arena_stats *b)
{
	return a->used_bytes == b->used_bytes && a->n_blocks == b->n_blocks;
}

/* Everybody whom the operation wakes has been woken: by it, or by the recovery. */
static bool all_woken(const struct end *expected, const struct end *found)
{
	for (uint32_t i = 0; i < 64; i++) {
		if (expected->rung[i] && !found->rung[i])
			return false;
		for (uint32_t side = 0; side < N_SIDES; side++)
			if (expected->woken[i][side] && !found->woken[i][side])
				return false;
	}
	return true;
}

/* How far the operation had got: 0 before, then the scenario's steps in between, then after. -1: in none of them. */
static int stage_of(const struct check *c, const struct end *found)
{
	const char *step = c->scenario->steps;
	int stage = 1;
	if (same(&found->state, &c->before.state) && same(&found->again, &c->before.again))
		return 0;
	for (; step && *step; step += strlen(step) + 1, stage++)
		if (!strcmp(found->state.at, step) && same(&found->again, &c->before.again))
			return stage;
	bool is_after = same(&found->state, &c->after.state) && same(&found->again, &c->after.again);
	return is_after ? stage : -1;
}

static int last_stage(const struct check *c)
{
	const char *step = c->scenario->steps;
	int n = 1;
	for (; step && *step; step += strlen(step) + 1)
		n++;
	return n;
}

static const char *compare(struct check *c, const struct end *found)
{
	int stage = stage_of(c, found), last = last_stage(c);
	/* What changes nothing has two ends that are the same. */
	if (stage == 0 && !check_changes(c) && c->stage == last)
		stage = last;
	if (stage < 0)
		return "it happened in part";
	if (stage < c->stage)
		return "it had happened, and has not any more";
	c->stage = stage;
	if (stage == last && !all_woken(&c->after, found))
		return "somebody who waited was not woken";
	if (!same_count(&found->left, &c->before.left) && !same_count(&found->left, &c->after.left))
		return "memory is lost";
	return NULL;
}

static void tell(const struct check *c, const char *what, const struct end *found, FILE *out)
{
	fprintf(out, "    %s\n", what);
	fprintf(out, "    before:\n%s    after:\n%s    found:\n%s", c->before.state.at, c->after.state.at,
		found->state.at ? found->state.at : "?\n");
	fprintf(out, "    again: before: %s; after: %s; found: %s\n", c->before.again.at, c->after.again.at,
		found->again.at ? found->again.at : "?");
	fprintf(out,
		"    left: before: %" PRIu64 " bytes in %" PRIu64 " blocks, after: %" PRIu64 " in %" PRIu64
		", found: %" PRIu64 " in %" PRIu64 "\n",
		c->before.left.used_bytes, c->before.left.n_blocks, c->after.left.used_bytes, c->after.left.n_blocks,
		found->left.used_bytes, found->left.n_blocks);
}

int check_stage(const struct check *c)
{
	return c->stage;
}

void check_forget(struct check *c)
{
	c->stage = 0;
}

bool check_moment(struct check *c, const struct image *moment, bool server_died, FILE *out)
{
	struct end found = { 0 };
	enum person by = server_died ? HEIR : SERVER;
	const char *what = NULL;
	for (int round = 0; round < 2 && !what; round++) {
		go_back(c, moment);
		/* As long as somebody is in an operation no entry is given to another object, and its events tell. */
		if (round == 0)
			lane_begin(&c->there.lane[BYSTANDER], SEG_OP_READ, 0);
		if (!check_recover(&c->there, by))
			what = "the recovery did not end";
		if (!what)
			what = left_behind(&c->there, server_died);
		if (what)
			break;
		if (round == 0) {
			note_woken(c, &found);
			lane_end(&c->there.lane[BYSTANDER]);
			look_at_all(&c->there, &found.state);
			count_left(&c->there, by, &found.left);
		} else {
			do_again(c, &found.again);
		}
	}
	what = what ? what : compare(c, &found);
	if (what)
		tell(c, what, &found, out);
	end_fini(&found);
	return !what;
}
