/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stage is made once, and put back from an image of it in front of every run.
 */
#include "tests/fuzz/stage.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "server/objects/keep.h"
#include "server/ops/test_kit.h"
#include "server/shm/chunk.h"
#include "tests/fuzz/moment.h"
#include "tests/fuzz/play.h"

/* What begins with ! is the victim's. */
static const char *const made[] = {
	"ManagerService/Create name='a' queue={}",
	"ManagerService/Create name='b' queue={joinable=true max_attempts=2 dead_letter='c' dedup_window={seconds=900}}",
	"ManagerService/Create name='c' queue={discipline=3}",
	"ManagerService/Create name='d' value={type_code=10}",
	"ManagerService/Create name='e' array={type_code=6 length=100}",
	"ManagerService/Create name='f' dict={}",
	"ManagerService/Create name='g' list={}",
	"ManagerService/Create name='h' namespace={}",
	"ManagerService/Create name='i' pipe={}",
	"ManagerService/Create name='j' lock={}",
	"ManagerService/Create name='k' rlock={}",
	"ManagerService/Create name='l' semaphore={value=3 bounded=true}",
	"ManagerService/Create name='m' event={}",
	"ManagerService/Create name='n' block={size_bytes=300}",
	"ManagerService/Create name='z' shared_list={items=$1 items=$'text'}",
	"ManagerService/Create name='q' condition={lock={name='k'}}",
	"ManagerService/Create dict={}",
	"ManagerService/Create list={}",
	"ManagerService/Create name='r' barrier={parties=2}",
	"QueueService/PutMany queue={name='a'} items=$1 items=$'two' items=$3",
	"QueueService/Put queue={name='a'} item=$'four'",
	"QueueService/PutMany queue={name='b'} items=$1 items=$2 items=$3",
	"QueueService/Put queue={name='b'} item=$4 dedup_id='x' delay={seconds=1000}",
	"!QueueService/Get queue={name='b'} timeout={} lease_duration={seconds=1000}",
	"QueueService/Put queue={name='c'} item=$1 priority=7",
	"ValueService/Add value={name='d'} delta={int_value=3}",
	"ValueService/GetLock value={name='d'}",
	"DictService/Update dict={name='f'} entries={key=$1 value=$2} entries={key=$'k' value=$'v'} entries={key=$3 value=$4}",
	"DictService/Delete dict={name='f'} key=$3",
	"ListService/Extend list={name='g'} items=$1 items=$'a longer element' items=$3",
	"NamespaceService/Set namespace={name='h'} name='x' value=$1",
	"!PipeService/Open pipe={name='i'} end=0",
	"PipeService/Open pipe={name='i'} end=1",
	"PipeService/Send pipe={name='i'} end=1 item=$7",
	"!LockService/Acquire lock={name='j'}",
	"LockService/Acquire lock={name='k'}",
	"!SemaphoreService/Acquire semaphore={name='l'}",
	"EventService/Set event={name='m'}",
	"BlockService/Write block={name='n'} data='bytes'",
};
#define N_MADE (sizeof(made) / sizeof(made[0]))

/* Made on the stage too, in this order, when its memory may be damaged. */
static const char *const more[] = {
	"QueueService/Put queue={name='a'} item=$5",
	"QueueService/Peek queue={name='a'}",
	"QueueService/GetMany queue={name='a'} max_items=9 timeout={}",
	"QueueService/Size queue={name='a'}",
	"QueueService/Clear queue={name='a'}",
	"QueueService/Put queue={name='b'} item=$5",
	"QueueService/Nack queue={name='b'} lease_token=1",
	"QueueService/Get queue={name='b'} timeout={}",
	"QueueService/TaskDone queue={name='b'}",
	"QueueService/Requeue queue={name='b'}",
	"QueueService/Peek queue={name='c'}",
	"QueueService/Clear queue={name='c'}",
	"ValueService/Get value={name='d'}",
	"ValueService/Exchange value={name='d'} desired={int_value=9}",
	"ArrayService/GetSlice array={name='e'}",
	"ArrayService/Fill array={name='e'} value={int_value=7}",
	"DictService/Get dict={name='f'} key=$1",
	"DictService/Set dict={name='f'} key=$'new' value=$'v'",
	"DictService/Items dict={name='f'}",
	"DictService/PopItem dict={name='f'}",
	"DictService/Clear dict={name='f'}",
	"ListService/GetSlice list={name='g'}",
	"ListService/Insert list={name='g'} index=1 item=$9",
	"ListService/Sort list={name='g'}",
	"ListService/Pop list={name='g'}",
	"NamespaceService/List namespace={name='h'}",
	"PipeService/Recv pipe={name='i'} end=0 timeout={}",
	"PipeService/Close pipe={name='i'} end=0",
	"LockService/Release lock={name='j'}",
	"LockService/Acquire lock={name='k'} timeout={}",
	"SemaphoreService/Release semaphore={name='l'}",
	"EventService/Clear event={name='m'}",
	"BlockService/Read block={name='n'}",
	"SharedListService/Items shared_list={name='z'}",
	"SharedListService/Set shared_list={name='z'} index=1 value=$'tex'",
	"ConditionService/Notify condition={name='q'} all=true",
	"ConditionService/Wait condition={name='q'} timeout={}",
	"BarrierService/Wait barrier={name='r'} timeout={}",
	"BarrierService/Reset barrier={name='r'}",
	"ManagerService/List",
	"ManagerService/Create name='p' dict={}",
	"ManagerService/Delete object={name='a'}",
	"ManagerService/Delete object={name='f'}",
};
#define N_MORE (sizeof(more) / sizeof(more[0]))

#define GUARD ((size_t)4 << 30)
#define SLICE 3 /* items of a task queue that are copied at a time */

static struct world world;
static struct image *image;

/* Encoded once: to make them of their texts takes longer than to run them. */
static struct encoded {
	const struct op *op;
	uint8_t *data;
	size_t len;
} encoded[N_MADE + N_MORE];

static void encode(void)
{
	static uint8_t request[4096];
	for (size_t i = 0; i < N_MADE + N_MORE; i++) {
		const char *line = i < N_MADE ? made[i] : more[i - N_MADE], *blank = strchr(line, ' ');
		char method[64];
		line += *line == '!';
		snprintf(method, sizeof(method), "%.*s", (int)strcspn(line, " "), line);
		struct span span = ops_request(method, blank ? blank + 1 : "", request);
		encoded[i] = (struct encoded){ ops_op(method), malloc(span.len + 1), span.len };
		memcpy(encoded[i].data, span.data, span.len);
	}
}

size_t stage_n_requests(void)
{
	return N_MADE + N_MORE;
}

const struct op *stage_request(size_t i, struct span *span)
{
	*span = (struct span){ encoded[i].data, encoded[i].len };
	return encoded[i].op;
}

/* FNV-1a. */
uint16_t stage_op_number(const struct op *op)
{
	uint32_t h = 2166136261u;
	for (const char *p = op_path(op); *p; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	return (uint16_t)(h ^ h >> 16);
}

const struct op *stage_op(uint16_t number)
{
	static const struct op *by_number[1 << 16];
	static bool filled;
	for (size_t i = 0; !filled && i < op_count(); i++)
		by_number[stage_op_number(op_at(i))] = op_at(i);
	filled = true;
	return by_number[number] ? by_number[number] : op_at(number % op_count());
}

static void stage_answered(enum sabir_error error)
{
	static struct bytes status;
	if (error) {
		bytes_empty(&status);
		status.frame = 0;
		if (op_status(error, ops_detail, &status))
			abort();
	}
	bool answered = ops_response.n_items == 1 && !ops_response.frame;
	if (error ? ops_response.len != 0 || strnlen(ops_detail, OP_DETAIL_SIZE) == OP_DETAIL_SIZE : !answered)
		abort();
}

enum sabir_error stage_run(enum person who, const struct op *op, struct span span)
{
	enum sabir_error error = op_run(op, &world.lane[who], span, &ops_response, &ops_wait, ops_detail);
	stage_answered(error);
	return error;
}

enum sabir_error stage_run_front(enum person who, const struct op_front *front, const struct op *op, struct span span,
				 struct stage_answer *answer)
{
	ops_wait = (struct op_wait){ .undoable = true };
	enum sabir_error error = op_run_front(op, &world.lane[who], front, span, &ops_response, &ops_wait, ops_detail);
	stage_answered(error);
	*answer = (struct stage_answer){ &ops_wait, &ops_response, ops_detail };
	return error;
}

/*
 * What the linker gives the segment in the place of mmap: memory that is shared has nobody's on both sides, so that who reaches out of
 * it is seen.
 */
void *__wrap_mmap(void *at, size_t len, int allowed, int how, int fd, off_t off);
void *__real_mmap(void *at, size_t len, int allowed, int how, int fd, off_t off);
void *__wrap_mmap(void *at, size_t len, int allowed, int how, int fd, off_t off)
{
	const int nobodys = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	if (at || !(how & MAP_SHARED) || fd < 0)
		return __real_mmap(at, len, allowed, how, fd, off);
	uint8_t *guard = __real_mmap(NULL, len + 2 * GUARD, PROT_NONE, nobodys, -1, 0);
	return guard == MAP_FAILED ? MAP_FAILED : __real_mmap(guard + GUARD, len, allowed, how | MAP_FIXED, fd, off);
}

static void make(void)
{
	struct span span;

	encode();
	if (!world_make(&world))
		abort();
	/* Nobody goes on while we wait for him. */
	for (int i = 0; i < N_PERSONS; i++)
		world.lane[i].lock_patience_ns = 20000;
	world.lane[SERVER].lock_rings = true;
	keep_tasks_slice = SLICE;
	for (size_t i = 0; i < N_MADE; i++) {
		const struct op *op = stage_request(i, &span);
		if (stage_run(*made[i] == '!' ? VICTIM : SURVIVOR, op, span)) {
			fprintf(stderr, "%s: %s\n", made[i], ops_detail);
			abort();
		}
	}
	asked_prepare(&world);
	image = image_new(&world);
	image_keep_pages(image);
}

/* A restore empties what is in use. Of what was, and of which a faulty program has written that it isn't, it has to be told. */
static void tell_what_was_used(void)
{
	struct segment *seg = &world.seg;
	for (uint32_t i = 0; i < seg->n_chunks; i++)
		if (moment_committed((uint64_t)(chunk_base(seg, i) - seg->base)))
			store64_relaxed(&seg->chunks[i].word, SEG_CHUNK_IDLE);
}

struct world *stage_begin(void)
{
	if (!image)
		make();
	tell_what_was_used();
	moment_begin();
	image_restore(image, &world);
	if (owners_remember(&world.seg))
		abort();
	return &world;
}
