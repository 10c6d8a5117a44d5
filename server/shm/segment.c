/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory segment: a memfd that can neither shrink nor grow, so that no process can make another one fault.
 *
 *   header | owners | sessions | lanes | objects | chunk table | hints | ready set | data area (chunks of 256 KiB)
 *
 * The tables are committed when the segment is made; chunks when they are first formed (arena.c). A segment has one state:
 * complete. Its magic is written last, and the header's geometry never changes afterwards; each process checks it once,
 * at mapping, and uses its own copy.
 */
#define _GNU_SOURCE /* memfd_create, fallocate, seals */
#include "server/shm/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/shm/atomic.h"
#include "server/shm/lane.h"

static uint64_t align_up(uint64_t v, uint64_t to)
{
	return (v + to - 1) / to * to;
}

static uint64_t n_words(uint64_t n_bits)
{
	return (n_bits + 63) / 64;
}

/* Fills the geometry of a header from its four counts; what segment_check compares a foreign header with. */
static void lay_out(struct seg_header *h)
{
	uint64_t off = sizeof(struct seg_header);
	h->owners_off = off;
	off = align_up(off + h->n_owners * sizeof(struct seg_owner), SEG_LINE);
	h->sessions_off = off;
	off = align_up(off + h->n_owners * sizeof(struct seg_session), SEG_LINE);
	h->lanes_off = off;
	off = align_up(off + h->n_lanes * sizeof(struct seg_lane), SEG_LINE);
	h->objects_off = off;
	off = align_up(off + h->n_objects * sizeof(struct seg_object), SEG_LINE);
	h->chunks_off = off;
	off = align_up(off + h->n_chunks * sizeof(struct seg_chunk), SEG_LINE);
	h->hints_off = off;
	off = align_up(off + SEG_N_HINTS * n_words(h->n_chunks) * 8, SEG_LINE);
	h->ready_off = off;
	off += n_words(h->n_objects) * 8;
	h->data_off = align_up(off, SEG_CHUNK_SIZE);
	h->segment_size = h->data_off + ((uint64_t)h->n_chunks << SEG_CHUNK_SHIFT);
}

static bool counts_fit(const struct seg_header *h)
{
	return h->n_owners && h->n_owners <= SEG_MAX_OWNERS && h->n_lanes && h->n_lanes <= SEG_MAX_LANES &&
	       h->n_objects && h->n_objects <= SEG_MAX_OBJECTS && h->n_chunks &&
	       h->n_chunks <= 1u << (32 + SEG_REF_SHIFT - SEG_CHUNK_SHIFT - 1);
}

static void set_view(struct segment *seg, const struct seg_header *h)
{
	uint8_t *base = seg->base;
	seg->header = (struct seg_header *)base;
	seg->owners = (struct seg_owner *)(base + h->owners_off);
	seg->sessions = (struct seg_session *)(base + h->sessions_off);
	seg->lanes = (struct seg_lane *)(base + h->lanes_off);
	seg->objects = (struct seg_object *)(base + h->objects_off);
	seg->chunks = (struct seg_chunk *)(base + h->chunks_off);
	seg->hints = (uint64_t *)(base + h->hints_off);
	seg->ready = (uint64_t *)(base + h->ready_off);
	seg->n_owners = h->n_owners;
	seg->n_lanes = h->n_lanes;
	seg->n_objects = h->n_objects;
	seg->n_chunks = h->n_chunks;
	seg->n_hint_words = (uint32_t)n_words(h->n_chunks);
	seg->data_off = h->data_off;
	seg->data = base + h->data_off;
	seg->data_len = h->segment_size - h->data_off;
	seg->max_item_bytes = h->max_item_bytes;
	seg->hash_seed = h->hash_seed;
	seg->instance = h->instance;
	seg->light_pins = epoch_register();
	if (seg->light_pins)
		store32_seq(&seg->header->light_pins, 1);
}

static enum sabir_error map_memory(struct segment *seg, uint64_t size)
{
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, seg->fd, 0);
	if (base == MAP_FAILED)
		return SABIR_RESOURCE_EXHAUSTED;
	seg->base = base;
	seg->size = size;
	return SABIR_OK;
}

static void start_empty(struct segment *seg)
{
	memset(seg, 0, sizeof(*seg));
	seg->fd = -1;
	seg->bell_fd = -1;
}

static enum sabir_error make_memfd(struct segment *seg, const struct seg_header *h)
{
	seg->fd = memfd_create("sabir", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (seg->fd < 0)
		return SABIR_RESOURCE_EXHAUSTED;
	if (ftruncate(seg->fd, (off_t)h->segment_size) || fallocate(seg->fd, 0, 0, (off_t)h->data_off))
		return SABIR_RESOURCE_EXHAUSTED;
	if (fcntl(seg->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return SABIR_INTERNAL;
	seg->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (seg->bell_fd < 0)
		return SABIR_RESOURCE_EXHAUSTED;
	return map_memory(seg, h->segment_size);
}

enum sabir_error segment_create(const struct segment_options *options, struct segment *seg)
{
	struct timespec now;
	struct seg_header h = {
		.layout_version = SEG_LAYOUT_VERSION, .header_size = sizeof(h), .epoch = 1, .epoch_floor = 1
	};
	uint64_t n_chunks = (options->memory_limit + SEG_CHUNK_SIZE - 1) >> SEG_CHUNK_SHIFT;

	h.n_owners = options->n_owners;
	h.n_lanes = options->n_lanes;
	h.n_objects = options->n_objects;
	h.n_chunks = n_chunks > UINT32_MAX ? UINT32_MAX : (uint32_t)n_chunks;
	h.max_item_bytes = options->max_item_bytes;
	if (!counts_fit(&h) || !h.max_item_bytes)
		return SABIR_INVALID_ARGUMENT;
	lay_out(&h);
	clock_gettime(CLOCK_REALTIME, &now);
	h.create_time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	if (getrandom(&h.instance, sizeof(h.instance), 0) != sizeof(h.instance) ||
	    getrandom(&h.hash_seed, sizeof(h.hash_seed), 0) != sizeof(h.hash_seed))
		return SABIR_INTERNAL;

	struct segment made;
	start_empty(&made);
	enum sabir_error error = make_memfd(&made, &h);
	if (error) {
		segment_unmap(&made);
		return error;
	}
	memcpy(made.base, &h, sizeof(h));
	set_view(&made, &h);
	store64_release(&made.header->magic, SEG_MAGIC);
	*seg = made;
	return SABIR_OK;
}

/* Compares what a header says of itself with what its counts must give and with the file's real size. */
static enum sabir_error check_header(const struct seg_header *h, uint64_t file_size)
{
	struct seg_header expected = *h;
	if (h->magic != SEG_MAGIC || h->layout_version != SEG_LAYOUT_VERSION || h->header_size != sizeof(*h))
		return SABIR_LAYOUT_MISMATCH;
	if (!counts_fit(h) || !h->max_item_bytes)
		return SABIR_LAYOUT_MISMATCH;
	lay_out(&expected);
	if (memcmp(&expected, h, offsetof(struct seg_header, epoch)) != 0 || h->segment_size != file_size)
		return SABIR_LAYOUT_MISMATCH;
	return SABIR_OK;
}

static enum sabir_error read_header(int fd, struct seg_header *h)
{
	const int wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & wanted) != wanted || fstat(fd, &st) || pread(fd, h, sizeof(*h), 0) != sizeof(*h))
		return SABIR_LAYOUT_MISMATCH;
	return check_header(h, (uint64_t)st.st_size);
}

enum sabir_error segment_check(int fd)
{
	struct seg_header h;
	return read_header(fd, &h);
}

enum sabir_error segment_map(int fd, int bell_fd, struct segment *seg)
{
	struct seg_header h;
	struct segment made;

	start_empty(&made);
	made.fd = fd;
	made.bell_fd = bell_fd;
	enum sabir_error error = read_header(fd, &h);
	if (!error)
		error = map_memory(&made, h.segment_size);
	if (error) {
		segment_unmap(&made);
		return error;
	}
	set_view(&made, &h);
	*seg = made;
	return SABIR_OK;
}

void segment_unmap(struct segment *seg)
{
	if (seg->base)
		munmap(seg->base, seg->size);
	if (seg->fd >= 0)
		close(seg->fd);
	if (seg->bell_fd >= 0)
		close(seg->bell_fd);
	free(seg->given);
	start_empty(seg);
}
