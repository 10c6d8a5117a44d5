/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layout of the shared memory segment: everything that two processes which map it must agree on.
 *
 * Only fixed-width integers and offsets from the segment's start; no pointer, enum, bool, bit-field or libc object. A
 * `ref` is an offset divided by 64 (blocks are aligned to 64 bytes), so 32 bits address 256 GiB; 0 means none. Words that
 * several processes write are 64 bits wide where they carry an owner. Words written by different sides live on different
 * cache lines. The asserts at the end and golden.txt beside this file pin every size and offset; a change of any of them
 * raises SEG_LAYOUT_VERSION, which is compared at attach.
 */
#ifndef SABIR_SEGMENT_LAYOUT_H
#define SABIR_SEGMENT_LAYOUT_H

#include <stdint.h>

#define SEG_MAGIC 0x4745535249424153ull /* "SABIRSEG", little-endian */
#define SEG_LAYOUT_VERSION 10u

#define SEG_LINE 64u
#define SEG_REF_SHIFT 6u
#define SEG_CHUNK_SHIFT 18u
#define SEG_CHUNK_SIZE (1u << SEG_CHUNK_SHIFT) /* 256 KiB: the unit of commitment */
#define SEG_N_CLASSES 28u
#define SEG_HINT_LIMBO SEG_N_CLASSES /* the row of slabs with retired blocks */
#define SEG_N_HINTS (SEG_N_CLASSES + 1u)
#define SEG_SLAB_HEADER 4096u /* the part of a slab's chunk in front of its blocks */
#define SEG_CACHE_REFS 31u
#define SEG_HAND_REFS 6u
#define SEG_RESERVED_REFS 12u
#define SEG_JOURNAL_RECORDS 62u
#define SEG_MAX_LANES 16383u /* lane ids are 1..16383 in 14 bits, 0 is nobody */
#define SEG_MAX_OWNERS (1u << 20)
#define SEG_MAX_OBJECTS 262143u /* 18 bits, the last is SEG_OBJECT_LIMBO */

/* ------------------------------------------------------------------ header */

struct seg_header {
	uint64_t magic;
	uint32_t layout_version;
	uint32_t header_size;
	uint64_t segment_size;   /* bytes, tables included */
	uint64_t instance;       /* random; tells one server's memory from another's */
	uint64_t hash_seed;      /* random; keys of dicts are hashed with it */
	uint64_t create_time_ns; /* CLOCK_REALTIME */

	uint64_t owners_off;
	uint64_t lanes_off;
	uint64_t objects_off;
	uint64_t chunks_off;
	uint64_t hints_off; /* u64[SEG_N_HINTS][(n_chunks + 63) / 64]: slabs with free or, last row, retired blocks */
	uint64_t ready_off; /* u64[(n_objects + 63) / 64]: objects whose waiters in the server should look */
	uint64_t data_off;  /* first chunk, aligned to SEG_CHUNK_SIZE */
	uint32_t n_owners;
	uint32_t n_lanes;
	uint32_t n_objects;
	uint32_t n_chunks;
	uint64_t max_item_bytes; /* the largest encoded item that a queue or dict of this server takes */
	uint64_t sessions_off;   /* struct seg_session[n_owners] */
	uint8_t pad0[192 - 136];

	/* line 3: read by every operation, written when memory is retired */
	uint64_t epoch;
	uint64_t
		epoch_floor; /* what it was at least, a while ago: it can be told by that whether it was written over */
	uint8_t pad1[48];

	/* line 4: the server's doorbell */
	uint32_t doorbell; /* 1 from the first ring until the server looks */
	uint32_t pad2;
	uint64_t ready_summary; /* bit i: one of the words 64*i..64*i+63 of the ready set is not 0, perhaps */
	uint8_t pad3[48];

	/* line 5: hints for allocation, of which any value is correct; and what a server mends */
	uint32_t chunk_hint;
	uint32_t object_hint;
	uint32_t lane_hint;
	uint32_t n_lanes_used; /* lanes from here on were never opened */
	uint32_t sweep_wanted; /* 1: some object is DYING, perhaps */
	uint32_t light_pins; /* 1: some process pins epochs without a barrier: who looks at the pins has to make one */
	uint64_t expiry_ns;  /* CLOCK_MONOTONIC: no object ends by itself before it; 0 = none does */
	uint8_t pad4[32];

	/* line 6: the collector's, see server/objects/collect.c */
	uint64_t cycle;          /* the number of its present or last look */
	uint32_t collect_wanted; /* 1: there may be an object that lives by references alone */
	uint32_t pad5;
	uint8_t reserved[512 - 400];
};

/* ------------------------------------------------------------------ owners and lanes */

/* seg_owner.word: state in bits 0-3, generation in bits 32-63. */
#define SEG_OWNER_FREE 0u
#define SEG_OWNER_LIVE 1u
#define SEG_OWNER_DEAD 2u /* death is proved, its lanes are being recovered */

/* seg_owner.flags */
#define SEG_OWNER_REMOTE 1u   /* a session of a remote program: no process, no lanes */
#define SEG_OWNER_SERVER 2u   /* a server's own; which of them in the bits from SEG_OWNER_NUMBER_SHIFT on */
#define SEG_OWNER_WELCOMED 4u /* a local program that has been told of it: it counts as alive until it is proved dead */
#define SEG_OWNER_NUMBER_SHIFT 8u

struct seg_owner {
	uint64_t word;
	uint32_t pid; /* as its server saw it; for people, never for decisions */
	uint32_t flags;
	uint64_t attach_time_ns;
	char label[40]; /* the program's name, NUL-terminated */
};

#define SEG_SESSION_ENDS (1ull << 4) /* nobody uses it any more: the server, or the next one, finishes its end */

/*
 * What a server needs to go on with the session of a remote program that another one has opened; beside the entry of its
 * owner. It counts if its word is that of its owner, which has SEG_OWNER_REMOTE: the word is stored last, gets SEG_SESSION_ENDS
 * before anything of the session ends, and is 0 when all is given back that was got for it and not acknowledged.
 */
struct seg_session {
	uint64_t word; /* the owner's word when it was opened, perhaps with SEG_SESSION_ENDS; 0 = none */
	union {
		uint64_t lease_ns;
		uint64_t returning; /* it ends: the id of the answer whose items are being given back */
	};
	uint64_t
		lost_below; /* of requests with ids below, what became of them is not known, unless there is an answer */
	uint64_t acked_below; /* the client has the answers of requests with ids below */
	uint64_t answers;     /* handle of the dict of the other answers: see server/objects/answers.h; 0 = none yet */
	uint8_t print[16];    /* of its token: SHA-256, the first half */
	char peer[64];        /* from where it was opened; for people, NUL-terminated */
	uint32_t n_returned;  /* so many of `returning`'s items are back; stored with each, in one transaction */
	uint32_t holds_items; /* 0: no answer has any that could go back */
};

/* seg_lane.word: state in bits 0-3, generation in bits 16-31, owner's index in bits 32-63. */
#define SEG_LANE_FREE 0u
#define SEG_LANE_LIVE 1u

/* What a lane is in the middle of; a lane that died is recovered by it. */
#define SEG_OP_NONE 0u
#define SEG_OP_QUEUE_PUT 1u
#define SEG_OP_QUEUE_GET 2u
#define SEG_OP_ARRAY_WRITE 3u
#define SEG_OP_DICT_WRITE 4u
#define SEG_OP_CREATE 5u
#define SEG_OP_DELETE 6u
#define SEG_OP_SWEEP 7u
#define SEG_OP_RECOVER 15u /* of another lane's operation on the object, whose lock it may take for that */
#define SEG_OP_READ 8u
#define SEG_OP_VALUE_WRITE 9u
#define SEG_OP_QUEUE_CLOSE 10u
#define SEG_OP_LIST_WRITE 30u
#define SEG_OP_SHARED_LIST_WRITE 31u
#define SEG_OP_PIPE_OPEN 40u
#define SEG_OP_PIPE_CLOSE 41u
#define SEG_OP_BLOCK_WRITE 42u
#define SEG_OP_WATCH 65u    /* args[0] = ref of a seg_changes: it is in use if the object leads to it */
#define SEG_OP_ENTRY 66u    /* only the object's entry is written */
#define SEG_OP_SYNC 20u     /* locks, semaphores, conditions, events, barriers */
#define SEG_OP_TASK_PUT 50u /* args[0] = ref of the block with the id, or 0 */
#define SEG_OP_TASK_GET 51u
#define SEG_OP_TASK_CHANGE 52u /* of one item, in one transaction */
#define SEG_OP_TASK_CLEAR 53u
#define SEG_OP_HOLD 60u      /* of any kind of object: see seg_object.held */
#define SEG_OP_SPARE 70u     /* of nothing, ever: the lane is kept for the next server */
#define SEG_OP_TASK_MOVE 54u /* to another queue: args[1] = 1 + the object whose lock is held too, args[0] = 0 */

/* seg_lane.phase of operations on several items: before and behind their one publishing store. */
#define SEG_PHASE_OPEN 0u
#define SEG_PHASE_COMMITTED 1u
#define SEG_PHASE_MAKING                                                                                               \
	2u /* its items are copies, made to be given back: there are others of those that are not back */

/* Bytes of a response that a lane's record has room for. */
#define SEG_ASKED_RESPONSE 256u

/* seg_lane.asked_state */
#define SEG_ASKED_NOTHING 0u /* nothing was done, so it may be performed again */
#define SEG_ASKED_RUNNING 1u /* if `committed` is 0 nothing was done, else it may have been performed, or in part */
#define SEG_ASKED_PUTTING 2u /* one item into a plain queue: the put's record tells */
#define SEG_ASKED_GIVING 3u  /* items of a plain queue: the get is committed when there is an answer */
#define SEG_ASKED_DONE 4u

#define SEG_NAMING_DELETE (1ull << 31)

struct seg_cache {
	uint32_t n;
	uint32_t refs[SEG_CACHE_REFS];
};

struct seg_undo {
	uint64_t off; /* of the word; bit 0 set: a 32-bit word */
	uint64_t old;
};

/* In seg_lane.epoch, so that one who is in an operation never has 0 there, whatever somebody has written into the header. */
#define SEG_PINNED (1ull << 63)

/* In seg_lane.wait_side: from this bit on the object's index. */
#define SEG_WAIT_OBJECT 3

struct seg_lane {
	uint64_t word;
	uint8_t pad0[56];

	/* line 1: the intent, written by the lane, read by its recovery and by whoever retires memory */
	uint64_t epoch;      /* SEG_PINNED and the epoch in which the running operation began, 0 outside */
	uint32_t op;         /* SEG_OP_* */
	uint32_t object;     /* index of the object that the operation works on */
	uint64_t handle;     /* its handle */
	uint32_t phase;      /* SEG_PHASE_* */
	uint32_t chain;      /* ref of the first block of the operation's items */
	uint64_t chain_word; /* the first block's word as published by a put */
	uint64_t slot_off;   /* the slot that a put or get is about to change */
	uint32_t candidate;  /* ref of the block that a get is about to claim */
	uint32_t wait_side;  /* 1 + the event that the lane waits for or is about to notify, and its object; 0 none */
	uint64_t naming;     /* handle of the object that is being made or, with SEG_NAMING_DELETE, deleted */

	/* line 2: arguments of the operation, by kind */
	uint64_t args[8];

	/* line 3: memory in the lane's hands */
	uint32_t hand[SEG_HAND_REFS]; /* blocks outside the cache that may be private to this lane */
	uint32_t refill_chunk;        /* 1 + the slab that is being searched or freed into */
	uint32_t doomed;              /* ref of the first of a chain of blocks to free */
	uint32_t slab[SEG_N_CLASSES]; /* 1 + the slab last used for the class: a hint */
	/* blocks that are private to this lane beyond its operations: what its program writes before it puts it */
	uint32_t reserved[SEG_RESERVED_REFS];

	/* the block cache */
	struct seg_cache cache[SEG_N_CLASSES];

	/* the undo journal: n_undo > 0 means that its stores are not all done; 0 publishes them */
	uint32_t n_undo;
	uint32_t
		committed; /* stored with that 0: 1 = something was published since an asked operation began, perhaps */
	uint32_t pad3[14];
	struct seg_undo undo[SEG_JOURNAL_RECORDS];
	uint8_t pad4[32];

	/* of a server's lane: the request that it performs or has performed last, if that has an id */
	uint64_t asked_owner; /* of its session, as in seg_object.owner */
	uint64_t asked_id;
	uint32_t asked_state; /* SEG_ASKED_* */
	uint32_t asked_error; /* DONE: with which it ended */
	uint32_t asked_len;   /* DONE, without an error: of its response, which is in asked_response */
	uint8_t pad5[36];
	uint8_t asked_response[SEG_ASKED_RESPONSE];
};

/* ------------------------------------------------------------------ chunks and blocks */

/*
 * seg_chunk.word: state in bits 0-3, size class in bits 4-11, lane in bits 12-25 (FORMING, RUN); of LIMBO the epoch in bits
 * 4-63. A chunk is claimed by the compare-and-swap that writes its lane.
 */
#define SEG_CHUNK_FREE 0u    /* not committed */
#define SEG_CHUNK_IDLE 1u    /* committed, unused */
#define SEG_CHUNK_FORMING 2u /* a lane is making or unmaking it */
#define SEG_CHUNK_SLAB 3u    /* blocks of one size class */
#define SEG_CHUNK_LARGE 4u   /* first chunk of one large block of `run` chunks */
#define SEG_CHUNK_RUN 5u     /* a further chunk of a large block; `run` = distance to the first */
#define SEG_CHUNK_LIMBO 6u   /* retired; somebody may still read it until the epoch has passed */

/*
 * Tags of blocks go on over the lives of a chunk, for a lane remembers words of blocks that have gone since: `tags` is the highest that
 * a block in it had in the lives before.
 */
struct seg_chunk {
	uint64_t word;
	uint32_t run;
	uint32_t tags;
};

/* A slab's chunk begins with this; set bits are blocks that may be free: a hint, the block's word decides. */
struct seg_slab {
	uint32_t class_index;
	uint32_t n_blocks;
	uint8_t pad[56];
	uint64_t free_bits[64];
	uint64_t limbo_bits[64];  /* blocks that are retired, perhaps */
	uint64_t limbo_epoch[64]; /* for each word of them: the last epoch that has to pass */
};

/* The object index of retired blocks: LIVE, and behind the word nothing has changed yet. */
#define SEG_OBJECT_LIMBO 0x3ffffu

/*
 * The word that begins every block: state in bits 0-1, lane in bits 2-15 (PRIVATE, TAKEN), object index in bits 16-33,
 * tag in bits 34-63. The tag rises by one each time the block is allocated, so a reader that saw the same LIVE word
 * before and after has read one incarnation.
 */
#define SEG_BLOCK_FREE 0u
#define SEG_BLOCK_PRIVATE 1u /* held by a lane, reachable by nobody else */
#define SEG_BLOCK_LIVE 2u    /* part of an object */
#define SEG_BLOCK_TAKEN 3u   /* claimed out of a queue by a lane that has not yet handed it over */

struct seg_block {
	uint64_t word;
	uint32_t next; /* ref */
	uint32_t len;  /* bytes of payload */
};

/* ------------------------------------------------------------------ objects */

/* seg_object.word: state in bits 0-3, lane in bits 4-17 (FORMING, SWEEPING), generation in bits 32-63. */
#define SEG_OBJECT_FREE 0u
#define SEG_OBJECT_FORMING 1u
#define SEG_OBJECT_LIVE 2u
#define SEG_OBJECT_DYING 3u /* deleted; its memory is returned once its epoch has passed */
#define SEG_OBJECT_SWEEPING 4u

/* seg_object.flags */
#define SEG_OBJECT_HIDDEN 1u /* no client's: who asks for it by its handle does not get it */

/* seg_object.refs */
#define SEG_OBJECT_REFERS 1u /* it holds, or has held, a Value with the handle of an object */

/*
 * A hold: an owner has the object open so many times. One word, so that one compare-and-swap says who and how often: the
 * owner's index + 1 in bits 0-20, the number in bits 21-31, the owner's generation in bits 32-63. 0 = free, as is one
 * whose owner lives no more. Who holds an object more often than the number can tell has several.
 */
#define SEG_HOLD_SHIFT 21u
#define SEG_HOLD_MOST 2047u
#define SEG_N_HOLDS 6u

struct seg_holds {
	struct seg_block block; /* next = further ones of the same object */
	uint64_t hold[SEG_N_HOLDS];
};

#define SEG_KIND_QUEUE 1u
#define SEG_KIND_VALUE 2u
#define SEG_KIND_ARRAY 3u
#define SEG_KIND_DICT 4u
#define SEG_KIND_LIST 5u
#define SEG_KIND_NAMESPACE 6u
#define SEG_KIND_PIPE 7u
#define SEG_KIND_SHARED_LIST 14u
#define SEG_KIND_BLOCK 15u
#define SEG_KIND_LOCK 8u
#define SEG_KIND_RLOCK 9u
#define SEG_KIND_SEMAPHORE 10u
#define SEG_KIND_CONDITION 11u
#define SEG_KIND_EVENT 12u
#define SEG_KIND_BARRIER 13u
#define SEG_KIND_TASK_QUEUE 16u

#define SEG_EVENT_ITEMS 0u   /* there is something to take, or the content changed */
#define SEG_EVENT_ROOM 1u    /* there is room */
#define SEG_EVENT_DONE 2u    /* task queue: all tasks are done */
#define SEG_EVENT_CHANGED 3u /* there is a change behind those that were told, in an object that is watched */
#define SEG_N_EVENTS 4u
#define SEG_WAITING_LOCAL 1u
#define SEG_WAITING_SERVER 2u

struct seg_event {
	uint32_t seq;     /* the futex */
	uint32_t waiting; /* SEG_WAITING_*: who sleeps on it, perhaps */
};

struct seg_object {
	uint64_t word;
	uint32_t kind;
	uint32_t flags;
	uint32_t name;  /* ref of the block with its name, 0 = anonymous */
	uint32_t body;  /* ref of the block with its kind's structure */
	uint64_t owner; /* with which it dies: index + 1 | generation << 32; 0 = none */
	uint64_t create_time_ns;
	uint64_t retire_epoch;
	uint64_t damaged; /* not 0: an operation found its memory inconsistent; everything answers DATA_LOSS */
	uint64_t part_of; /* handle of the object that this one is a part of, and ends with; 0 = none */

	/* line 1 */
	/* the holder's lane in bits 0-13, 14: somebody sleeps, 15: the server waits, 16-63: a doubt; the futex is the low half */
	uint64_t lock;
	uint64_t expire_ns; /* CLOCK_MONOTONIC: it ends then; 0 = not by itself */
	uint64_t changes;   /* ref of its seg_changes, 0 = nobody watches it */
	uint64_t held;      /* the first hold of an object without a name */
	uint32_t holders;   /* ref of the first seg_holds, 0 = `held` is enough */
	uint32_t refs;      /* SEG_OBJECT_REFERS */
	uint64_t seen;      /* the collector's cycle in which it was made, opened or put into a container last */
	uint64_t pad1[2];

	/* line 2 */
	struct seg_event event[SEG_N_EVENTS];
	uint64_t pad2[4];
};

/* ------------------------------------------------------------------ the kinds' structures */

/*
 * A queue is a list of segments of slots; positions are used once. A slot holds 0 (empty), the ref of the first block of
 * a chain of items (full), SEG_SLOT_CLOSED, or SEG_SLOT_DONE | the ordinal behind its last item (consumed).
 */
#define SEG_SLOT_DONE (1ull << 63)
#define SEG_SLOT_CLOSED (1ull << 62)

struct seg_item {
	struct seg_block block;
	uint64_t ordinal; /* number of the item in the queue's order */
	uint64_t last;    /* ordinal of the last item of its chain; of a held item: who holds it, 0 = nobody any more */
};

struct seg_slots {
	struct seg_block block; /* next = the following segment */
	uint64_t base;          /* ordinal of the first item of slot 0 */
	uint32_t n_slots;
	uint32_t pad0;
	uint8_t pad1[32];
	uint64_t slot[];
};

struct seg_queue {
	struct seg_block block;
	uint64_t max_items; /* 0 = limited by memory alone */
	uint64_t max_item_bytes;
	uint64_t pad0[4];

	uint64_t tail;      /* hint: slots' ref | index << 32 */
	uint64_t put_limit; /* hint: ordinals below it fit */
	uint64_t pad1[6];

	uint64_t head; /* hint: slots' ref | index << 32 */
	uint64_t pad2[7];

	uint32_t returned; /* ref of the first returned item, in the order of ordinals; under the object's lock */
	uint32_t n_returned;
	uint32_t
		held; /* ref of the first held item, in the order of taking; under the object's lock like the next two */
	uint32_t held_last;
	uint32_t n_held;
	uint32_t pad3;
	uint64_t pad4[5];
};

struct seg_value {
	struct seg_block block;
	uint32_t type_code; /* the letter */
	uint32_t pad0;
	uint64_t lock; /* handle of its lock, a part of it; 0 = nobody has asked for it yet */
	uint64_t pad1[4];
	uint64_t bits; /* the value in its low bytes */
	uint64_t pad2[7];
};

struct seg_array {
	struct seg_block block;
	uint32_t type_code; /* the letter */
	uint32_t width;     /* bytes of an element */
	uint64_t length;    /* elements */
	uint64_t lock;      /* as in seg_value */
	uint64_t pad0[3];
	/* elements follow */
};

/* A node of a skip list. Its links count only while it is in one. */
#define SEG_SKIP_LEVELS 8u
struct seg_skip {
	int64_t key;
	uint64_t ordinal; /* among equal keys */
	uint32_t next[SEG_SKIP_LEVELS];
};

/*
 * A dict is an index of cells over nodes, one for each key; a node's value is the newest of its versions that
 * `committed` has reached. The order tree leads from insertion numbers to nodes: 64-fold, a leaf holds the refs of nodes.
 * Versions whose time ends (CLOCK_BOOTTIME) are in a skip list too, by their ends.
 */
#define SEG_CELL_GONE 0xffffffffull /* a cell whose node went away or moved to the newer table */
#define SEG_ORDER_FAN 64u

struct seg_dict {
	struct seg_block block;
	uint64_t committed; /* the sequence number of the last finished write */
	uint64_t tables;    /* ref of the current table | ref of the older one that is being moved << 32 */
	uint64_t count[2];  /* entries as of the even and the odd sequence numbers */
	uint64_t floor[2];  /* the same for the lowest insertion number that counts: a clear raises it */

	/* line 1: for writers, under the object's lock */
	uint64_t order;       /* ref of the order tree's root | its level << 32; 0 = empty */
	uint64_t next_order;  /* the next insertion number */
	uint64_t n_used;      /* cells of the current table that are not 0 */
	uint64_t bytes;       /* in blocks, this one not included */
	uint32_t pending;     /* ref of the newest version of the write that is under way or being cleaned up */
	uint32_t gone;        /* ref of the node that it removes */
	uint32_t move_cursor; /* cells of the older table below it are moved */
	uint32_t clearing;    /* 1: it is a clear */
	uint64_t trim;        /* insertion number whose path in the order tree may be empty, 0 = none */
	uint64_t trash_order; /* an order tree with all its nodes, out of use and to be freed */

	/* line 2 */
	uint64_t trash_tables;           /* up to two tables to be freed */
	uint64_t alarm;                  /* no version ends before it; UINT64_MAX: none ends */
	uint64_t next_timed;             /* the next ordinal in `timed` */
	uint32_t timed[SEG_SKIP_LEVELS]; /* seg_timed, in the order of their ends */
	uint64_t pad0;
};

struct seg_table {
	struct seg_block block;
	uint32_t log2_cells;
	uint32_t pad0;
	uint32_t part[]; /* refs of seg_cells, 0 = all its cells are empty */
};

struct seg_cells {
	struct seg_block block;
	uint64_t pad0[6];
	uint64_t cell[]; /* ref of the node | 32 bits of the key's hash << 32; 0 = empty */
};

struct seg_order {
	struct seg_block block;
	uint64_t base;  /* the first insertion number below it */
	uint64_t used;  /* bit i: slot i leads somewhere */
	uint32_t level; /* 0 = a leaf */
	uint32_t pad0;
	uint64_t pad1[3];
	uint32_t slot[SEG_ORDER_FAN];
};

struct seg_node {
	struct seg_block block; /* next = the newest version, len = the key's */
	uint64_t order;         /* insertion number */
	uint64_t gone;          /* the sequence number as of which the key is gone, 0 = none */
				/* the key follows */
};

struct seg_version {
	struct seg_block block; /* next = the version that it replaces; len = the value's */
	uint64_t seq;
	uint32_t node; /* 0: a later version of the same write took its place */
	uint32_t pending_next;
	/* the value follows, where it is no seg_timed */
};

/* A version that ends, in a block of its own. From the end on the key is gone for everybody, whoever removes it. */
#define SEG_VERSION_TIMED (1ull << 63) /* in seq */

struct seg_timed {
	struct seg_version version;
	struct seg_skip end; /* key = CLOCK_BOOTTIME ns; the value follows */
};

/*
 * A list is a tree of nodes with counts. A node that can be reached from `top` never changes but for block.next, which
 * links the chains: a write makes new nodes along its path, and its one store of `top` publishes them.
 */
#define SEG_LIST_FAN 60u
#define SEG_LIST_LEVELS 8u

struct seg_list {
	struct seg_block block;
	uint64_t top; /* ref of the root, 0 = no elements | number of the write that published it << 32 */
	uint64_t pad0[5];

	/* line 1: for writers, under the object's lock */
	uint32_t writing; /* the number of the write that is under way or being cleaned up, 0 = none */
	uint32_t fresh;   /* first block of the chain of those that it has made */
	uint32_t stale;   /* first block of the chain of those that are out of use once it is published */
	uint32_t pad1;
	uint64_t bytes; /* in blocks, this one not included */
	uint64_t pad2[5];
};

struct seg_list_node {
	struct seg_block block;
	uint32_t level; /* 0 = a leaf */
	uint32_t n;     /* entries, at least 1 */
	uint64_t total; /* elements below it */
	/*
	 * Leaf: an element of up to 7 bytes itself, in the low bytes, its length in bits 56-63; else the ref of its
	 * seg_list_item. Above: ref of a node | its elements << 32.
	 */
	uint64_t entry[SEG_LIST_FAN];
};

struct seg_list_item {
	struct seg_block block; /* len = the element's; it follows */
};

/*
 * A shared list is one block: this, then a slot for each element, then their room. A slot's word says which of the two
 * halves of its room holds the element: a change writes the other half and then the word.
 */
#define SEG_SLOT_SECOND (1ull << 31)

struct seg_shared_list {
	struct seg_block block;
	uint64_t length;
	uint64_t pad0[5];
};

struct seg_shared_slot {
	uint64_t word;     /* bytes of the element in bits 0-30 | SEG_SLOT_SECOND | number of changes << 32 */
	uint32_t room_off; /* from the block's start */
	uint32_t room;     /* bytes of each half */
};

/*
 * A pipe is two queues, each a part of it: queue[e] is what end e receives. An end is held by owners, one entry for each
 * time that it was opened; when the last entry goes the end is closed for good.
 */
#define SEG_PIPE_ONE_WAY 1u /* end 0 receives, end 1 sends */
#define SEG_N_HOLDERS 6u

struct seg_pipe {
	struct seg_block block;
	uint64_t max_items;
	uint64_t max_item_bytes;
	uint64_t queue[2];   /* handles; 0 = not yet made, or (1, one way) never */
	uint32_t holders[2]; /* refs of the first seg_holders of each end */
	uint16_t flags;
	uint16_t opened; /* bit e: end e was opened once; these three are written under the object's lock */
	uint16_t closed; /* bit e: all who held end e are gone */
	uint16_t told;   /* bit e: and the queues know */
};

struct seg_holders {
	struct seg_block block;        /* next = the following ones of the same end */
	uint64_t owner[SEG_N_HOLDERS]; /* as in seg_object.owner; 0 = free */
};

/* A block of raw memory. */
struct seg_memory {
	struct seg_block block;
	uint64_t size; /* bytes */
	uint64_t pad0[5];
	/* the bytes follow */
};

/* The kind `event`: a flag that can be waited for. */
struct seg_signal {
	struct seg_block block;
	uint64_t pad0[6];
	uint64_t state; /* bit 0: it is set; from bit 1 on: how often it became so */
	uint64_t pad1[7];
};

/*
 * Those who wait for something that one gets after the other: a line in the order of their coming. At its head stand those
 * who have been called and did not yet go; `waiting` is the first who was not. All of it is under the object's lock.
 */
#define SEG_TURN_WAITING 1u
#define SEG_TURN_CALLED 2u  /* what he waited for is his: he has only to come for it */
#define SEG_TURN_BROKEN 3u  /* a barrier's: it was broken */
#define SEG_TURN_EXPIRED 4u /* a condition's: its time passed, and he waits for the lock only */
#define SEG_TURN_TICKET 0x1fffffffu

struct seg_turns {
	uint32_t waiting; /* ref of the first who waits, 0 = nobody does */
	uint32_t first;
	uint32_t last;
	uint32_t n;         /* in the line */
	uint32_t n_waiting; /* who were not called */
	uint32_t ticket;    /* of the next who comes, SEG_TURN_TICKET wide */
};

struct seg_turn {
	struct seg_block block; /* next = who came later */
	uint64_t owner;         /* as in seg_object.owner */
	uint64_t thread;
	/*
	 * Lock, semaphore: CLOCK_MONOTONIC when he came; lock, when he is called: the token. Condition: how often he had the lock.
	 * Barrier: his index.
	 */
	uint64_t number;
	uint64_t
		link; /* lock: his place in the line of the condition that sent him, 0 = none; condition: its lock then */
	uint32_t prev;
	uint32_t ticket;
	uint32_t state; /* SEG_TURN_* */
	uint32_t mark;  /* called; lock: `abandoned` before; condition: tickets below it were there at the notify */
};

/* A lock or an rlock. All but the settings is written under the object's lock. */
#define SEG_LOCK_STRICT 1u    /* only its holder may release it */
#define SEG_LOCK_ABANDONED 1u /* its last holder died or left with it */
#define SEG_LOCK_FORGIVEN 2u  /* and somebody else has released it since */

struct seg_mutex {
	struct seg_block block;
	uint32_t flags;     /* SEG_LOCK_STRICT */
	uint32_t abandoned; /* 0, SEG_LOCK_ABANDONED or SEG_LOCK_FORGIVEN; 0 while it is held */
	uint64_t owner;     /* of its holder, as in seg_object.owner; 0 = free */
	uint64_t thread;    /* of its holder */
	uint64_t depth;     /* how often the holder has it; 0 = free */
	uint64_t token;     /* the number of its last acquisition */
	struct seg_turns turns;
};

/* A semaphore. All but the settings is written under the object's lock. */
#define SEG_SEMAPHORE_BOUNDED 1u /* never above `initial` */
#define SEG_SEMAPHORE_OWNED 2u   /* who holds units of it is known, and they come back when he is gone */

struct seg_semaphore {
	struct seg_block block;
	uint32_t flags;
	uint32_t units; /* ref of the first seg_units */
	uint64_t initial;
	uint64_t value;
	struct seg_turns turns;
};

struct seg_units {
	struct seg_block block; /* next = those of another owner */
	uint64_t owner;         /* as in seg_object.owner */
	uint64_t n;             /* 0: the entry is free */
	uint64_t pad0[4];
};

/*
 * A condition. Who waits stands in its line until he has the lock again; the events he sleeps on are the lock's.
 */
struct seg_condition {
	struct seg_block block;
	uint64_t lock;        /* handle of the lock that it was made over; 0 = its own */
	uint64_t own;         /* handle of its own rlock, a part of it; 0 = nobody has asked for it yet */
	uint32_t owed;        /* notifications of the last notify that are still to be given */
	uint32_t owed_before; /* to those with a ticket below this */
	struct seg_turns turns;
};

/* A barrier. */
struct seg_barrier {
	struct seg_block block;
	uint32_t parties;
	uint32_t broken; /* 1: until it is reset */
	uint32_t ending; /* 0, or the SEG_TURN_* that all who wait are still to be given */
	uint32_t pad0;
	uint64_t cycle; /* how often all came together */
	struct seg_turns turns;
};

/*
 * A task queue keeps its items in ordered sets, which are skip lists: `ready` and `dead` by the order in which items are
 * taken, `time` by when something becomes of them. A set's links of a node count only while the node is in the set. All
 * of it is under the object's lock. Times are CLOCK_BOOTTIME.
 */
#define SEG_TASK_READY 1u   /* in `ready`; with a time to live in `time` too */
#define SEG_TASK_DELAYED 2u /* in `time` */
#define SEG_TASK_LEASED 3u  /* in `time` */
#define SEG_TASK_DEAD 4u    /* in `dead` */

struct seg_task {
	struct seg_block block; /* next = of the lane's chain */
	struct seg_skip order;
	struct seg_skip time;
	uint64_t expires; /* it is dropped then, unless it is leased; 0 = never */
	uint64_t lease;   /* number of the lease, 0 = none */
	uint64_t holder;  /* the owner that has leased it, 0 = nobody's death ends the lease */
	uint64_t origin;  /* dead letters: handle of the queue that gave up on it */
	int64_t priority; /* as it was put */
	uint32_t state;   /* SEG_TASK_* */
	uint32_t attempts;
	uint32_t timed; /* 1: it is in `time` */
	uint32_t pad0[3];
	/* the item follows */
};

/* An id that has been put within the window. */
struct seg_task_id {
	struct seg_block block; /* next = the one put after it; len = the id's */
	struct seg_skip hash;
	uint64_t until;
	uint64_t pad0;
	/* the id follows */
};

/* While a task queue is being copied: the items that were touched, in a ring of SEG_TASK_LOG. */
#define SEG_TASK_LOG 32768u
struct seg_task_touch {
	uint64_t ordinal;
	uint32_t ref; /* where it stood or stands */
	uint32_t pad0;
};
struct seg_task_log {
	struct seg_block block;
	uint64_t number;    /* of the copy */
	uint64_t n_touched; /* entry i is at i % SEG_TASK_LOG */
			    /* the entries follow */
};

#define SEG_TASK_DEAD_LETTER_MAX 255u

struct seg_task_queue {
	struct seg_block block; /* len = of the name of the dead-letter queue, which follows the structure */
	uint64_t max_items;     /* 0 = limited by memory alone */
	uint64_t max_item_bytes;
	uint64_t dedup_window_ns; /* 0 = ids are not looked at */
	uint64_t ttl_ns;          /* of items put without one; 0 = none */
	uint32_t discipline;      /* SEG_TASK_FIFO and so on */
	uint32_t joinable;
	uint32_t max_attempts; /* 0 = any number */
	uint32_t pad0;

	/* line 1 */
	uint64_t next_ordinal;
	uint64_t next_lease;
	uint64_t unfinished; /* items put and not yet done */
	uint64_t alarm;      /* the server looks at the queue then; UINT64_MAX = not at all */
	uint64_t n_ready;
	uint64_t n_delayed;
	uint64_t n_leased;
	uint64_t n_dead;

	/* line 2 */
	uint64_t bytes; /* in blocks, this one not included */
	uint64_t n_ids;
	uint32_t closed;
	uint32_t paused;
	uint32_t id_first; /* the oldest id */
	uint32_t id_last;
	uint64_t token_key[2]; /* random: tokens of leases are made with it */
	uint32_t log;          /* while the queue is being copied: what was touched; 0 = nobody copies it */
	uint32_t pad1;
	uint64_t pad2;

	/* lines 3 and 4 */
	uint32_t ready[SEG_SKIP_LEVELS];
	uint32_t dead[SEG_SKIP_LEVELS];
	uint32_t time[SEG_SKIP_LEVELS];
	uint32_t ids[SEG_SKIP_LEVELS];
};

/*
 * The last changes of an object that is watched. A sequence is claimed by the fetch-and-add of `head`, its record written by
 * who has the lock: a sequence without a record is a change of which it is not known what it was.
 */
#define SEG_N_CHANGES 127u
#define SEG_CHANGE_KEY_MAX 96u

struct seg_changes {
	struct seg_block block;
	uint64_t
		lock; /* lane that writes a record, 0 = none; who can't have it claims a sequence and leaves it without */
	uint64_t head;     /* the sequence of the next change */
	uint64_t first;    /* the sequence that it began with */
	uint64_t asked_ns; /* CLOCK_MONOTONIC: when somebody asked last */
	uint32_t ready;    /* 1: every writer under way has seen it */
	uint32_t pad0;
	uint64_t pad1;
	/* SEG_N_CHANGES seg_change follow; sequence s is in number s % SEG_N_CHANGES */
};

struct seg_change {
	uint64_t stamp; /* its sequence when it is complete */
	uint64_t first; /* index, end of a pipe */
	uint64_t count;
	uint32_t what; /* as ChangeKind of the contract */
	uint32_t key_len;
	uint8_t key[SEG_CHANGE_KEY_MAX];
};

#define SEG_TASK_FIFO 0u
#define SEG_TASK_LIFO 1u
#define SEG_TASK_PRIORITY 2u

/* ------------------------------------------------------------------ sizes and offsets */

#ifdef __cplusplus
#define SEG_ASSERT(x) static_assert(x, #x)
#else
#define SEG_ASSERT(x) _Static_assert(x, #x)
#endif
#define SEG_AT(type, field, off) SEG_ASSERT(__builtin_offsetof(struct type, field) == (off))

SEG_AT(seg_header, owners_off, 48);
SEG_AT(seg_header, epoch, 192);
SEG_AT(seg_header, doorbell, 256);
SEG_AT(seg_header, chunk_hint, 320);
SEG_AT(seg_header, expiry_ns, 344);
SEG_AT(seg_header, cycle, 384);
SEG_ASSERT(sizeof(struct seg_header) == 512);
SEG_AT(seg_header, sessions_off, 128);
SEG_ASSERT(sizeof(struct seg_owner) == 64);
SEG_ASSERT(sizeof(struct seg_session) == 128);
SEG_AT(seg_lane, epoch, 64);
SEG_AT(seg_lane, args, 128);
SEG_AT(seg_lane, hand, 192);
SEG_AT(seg_lane, reserved, 336);
SEG_AT(seg_lane, cache, 384);
SEG_AT(seg_lane, n_undo, 3968);
SEG_AT(seg_lane, undo, 4032);
SEG_ASSERT(sizeof(struct seg_lane) == 5376);
SEG_ASSERT(sizeof(struct seg_chunk) == 16);
SEG_ASSERT(sizeof(struct seg_slab) == 1600);
SEG_ASSERT(sizeof(struct seg_block) == 16);
SEG_AT(seg_object, lock, 64);
SEG_AT(seg_object, expire_ns, 72);
SEG_AT(seg_object, changes, 80);
SEG_AT(seg_object, held, 88);
SEG_AT(seg_object, event, 128);
SEG_ASSERT(sizeof(struct seg_object) == 192);
SEG_ASSERT(sizeof(struct seg_holds) == 64);
SEG_ASSERT(sizeof(struct seg_item) == 32);
SEG_ASSERT(sizeof(struct seg_slots) == 64);
SEG_AT(seg_queue, tail, 64);
SEG_AT(seg_queue, head, 128);
SEG_AT(seg_queue, returned, 192);
SEG_ASSERT(sizeof(struct seg_queue) == 256);
SEG_AT(seg_value, bits, 64);
SEG_ASSERT(sizeof(struct seg_array) == 64);
SEG_AT(seg_dict, order, 64);
SEG_AT(seg_dict, trash_tables, 128);
SEG_ASSERT(sizeof(struct seg_dict) == 192);
SEG_ASSERT(sizeof(struct seg_table) == 24);
SEG_ASSERT(sizeof(struct seg_cells) == 64);
SEG_AT(seg_order, slot, 64);
SEG_ASSERT(sizeof(struct seg_order) == 320);
SEG_ASSERT(sizeof(struct seg_node) == 32);
SEG_ASSERT(sizeof(struct seg_version) == 32);
SEG_AT(seg_timed, end, 32);
SEG_ASSERT(sizeof(struct seg_timed) == 80);
SEG_AT(seg_dict, timed, 152);
SEG_AT(seg_list, writing, 64);
SEG_ASSERT(sizeof(struct seg_list) == 128);
SEG_AT(seg_list_node, entry, 32);
SEG_ASSERT(sizeof(struct seg_list_node) == 512);
SEG_ASSERT(sizeof(struct seg_list_item) == 16);
SEG_ASSERT(sizeof(struct seg_shared_list) == 64);
SEG_ASSERT(sizeof(struct seg_shared_slot) == 16);
SEG_AT(seg_pipe, queue, 32);
SEG_AT(seg_pipe, flags, 56);
SEG_ASSERT(sizeof(struct seg_pipe) == 64);
SEG_ASSERT(sizeof(struct seg_holders) == 64);
SEG_ASSERT(sizeof(struct seg_memory) == 64);
SEG_AT(seg_signal, state, 64);
SEG_AT(seg_semaphore, value, 32);
SEG_ASSERT(sizeof(struct seg_semaphore) == 64);
SEG_ASSERT(sizeof(struct seg_units) == 64);
SEG_AT(seg_mutex, owner, 24);
SEG_AT(seg_mutex, turns, 56);
SEG_ASSERT(sizeof(struct seg_mutex) == 80);
SEG_ASSERT(sizeof(struct seg_turns) == 24);
SEG_ASSERT(sizeof(struct seg_turn) == 64);
SEG_AT(seg_condition, turns, 40);
SEG_ASSERT(sizeof(struct seg_condition) == 64);
SEG_AT(seg_barrier, turns, 40);
SEG_ASSERT(sizeof(struct seg_barrier) == 64);
SEG_ASSERT(sizeof(struct seg_signal) == 128);
SEG_AT(seg_changes, head, 24);
SEG_ASSERT(sizeof(struct seg_changes) == 64);
SEG_AT(seg_change, key, 32);
SEG_ASSERT(sizeof(struct seg_change) == 128);
SEG_ASSERT(sizeof(struct seg_skip) == 48);
SEG_AT(seg_task, order, 16);
SEG_AT(seg_task, time, 64);
SEG_AT(seg_task, state, 152);
SEG_ASSERT(sizeof(struct seg_task) == 176);
SEG_AT(seg_task_id, hash, 16);
SEG_ASSERT(sizeof(struct seg_task_id) == 80);
SEG_ASSERT(sizeof(struct seg_task_touch) == 16);
SEG_ASSERT(sizeof(struct seg_task_log) == 32);
SEG_AT(seg_task_queue, next_ordinal, 64);
SEG_AT(seg_task_queue, bytes, 128);
SEG_AT(seg_task_queue, ready, 192);
SEG_ASSERT(sizeof(struct seg_task_queue) == 320);

#endif
