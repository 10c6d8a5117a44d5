/* SPDX-License-Identifier: Apache-2.0 */
/* The segment: what is made, what is taken from strangers and what is refused. */
#define _GNU_SOURCE /* memfd_create, seals */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "server/shm/segment_test_kit.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0 || errno != EBADF;
}

/* Maps the descriptor as another process would; both descriptors must be gone if that fails. */
static enum sabir_error map_foreign(int fd)
{
	struct segment other = { .base = (uint8_t *)1 };
	int bell = eventfd(0, EFD_CLOEXEC);
	enum sabir_error error = segment_map(fd, bell, &other);
	if (error) {
		CU_ASSERT(!is_open(fd) && !is_open(bell));
		CU_ASSERT_EQUAL(other.base, (uint8_t *)1); /* untouched on failure */
	} else {
		segment_unmap(&other);
	}
	return error;
}

static void a_fresh_segment_says_what_was_asked_for(void)
{
	CU_ASSERT_EQUAL(seg.header->magic, SEG_MAGIC);
	CU_ASSERT_EQUAL(seg.header->layout_version, SEG_LAYOUT_VERSION);
	CU_ASSERT(seg.n_owners == 64 && seg.n_lanes == 64 && seg.n_objects == 256 && seg.n_chunks == 16);
	CU_ASSERT_EQUAL(seg.max_item_bytes, 1 << 20);
	CU_ASSERT_EQUAL(seg.data_off % SEG_CHUNK_SIZE, 0);
	CU_ASSERT_EQUAL(seg.size, seg.data_off + 16 * SEG_CHUNK_SIZE);
	CU_ASSERT((uint8_t *)seg.ready >= (uint8_t *)(seg.hints + SEG_N_HINTS * seg.n_hint_words));
	CU_ASSERT(seg.data_off >= (uint64_t)((uint8_t *)(seg.ready + 4) - seg.base));
	CU_ASSERT_EQUAL((uintptr_t)seg.lanes % SEG_LINE, 0);
	CU_ASSERT_EQUAL((uintptr_t)seg.objects % SEG_LINE, 0);
	CU_ASSERT(seg.header->instance != 0 && seg.hash_seed != 0);
	CU_ASSERT(seg.header->epoch > 0); /* 0 in a lane means that it is in no operation */
}

static void a_limit_is_rounded_up_to_whole_chunks(void)
{
	struct segment other;
	CU_ASSERT_EQUAL_FATAL(kit_segment(SEG_CHUNK_SIZE + 1, &other), SABIR_OK);
	CU_ASSERT_EQUAL(other.n_chunks, 2);
	CU_ASSERT_NOT_EQUAL(other.header->instance, seg.header->instance);
	segment_unmap(&other);
	CU_ASSERT_EQUAL(other.fd, -1);
	segment_unmap(&other); /* again: nothing happens */
}

static void only_the_tables_are_committed_at_first(void)
{
	struct segment other;
	struct stat st;
	CU_ASSERT_EQUAL_FATAL(kit_segment(1ull << 30, &other), SABIR_OK);
	CU_ASSERT_EQUAL(fstat(other.fd, &st), 0);
	CU_ASSERT_EQUAL((uint64_t)st.st_size, other.size);
	CU_ASSERT_EQUAL((uint64_t)st.st_blocks * 512, other.data_off);
	segment_unmap(&other);
}

static void nobody_can_change_the_size(void)
{
	CU_ASSERT_EQUAL(fcntl(seg.fd, F_GET_SEALS) & SEALS, SEALS);
	CU_ASSERT_EQUAL(ftruncate(seg.fd, (off_t)seg.size - 1), -1);
	CU_ASSERT_EQUAL(ftruncate(seg.fd, (off_t)seg.size + 1), -1);
	CU_ASSERT_EQUAL(ftruncate(seg.fd, 0), -1);
	CU_ASSERT_EQUAL(fallocate(seg.fd, 0, (off_t)seg.size, 4096), -1);
	CU_ASSERT_EQUAL(fcntl(seg.fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	CU_ASSERT(fcntl(seg.fd, F_GETFD) & FD_CLOEXEC);
	CU_ASSERT(fcntl(seg.bell_fd, F_GETFD) & FD_CLOEXEC);
}

static void bad_options_are_refused(void)
{
	static const struct segment_options good = { 1 << 20, 1, 1, 1, 1 };
	static const struct {
		size_t field;
		uint64_t value;
	} bad[] = {
		{ offsetof(struct segment_options, memory_limit), 0 },
		{ offsetof(struct segment_options, memory_limit), UINT64_MAX },
		{ offsetof(struct segment_options, memory_limit), 1ull << 40 },
		{ offsetof(struct segment_options, n_owners), 0 },
		{ offsetof(struct segment_options, n_lanes), 0 },
		{ offsetof(struct segment_options, n_lanes), SEG_MAX_LANES + 1 },
		{ offsetof(struct segment_options, n_objects), 0 },
		{ offsetof(struct segment_options, n_objects), SEG_MAX_OBJECTS + 1 },
		{ offsetof(struct segment_options, max_item_bytes), 0 },
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct segment_options options = good;
		struct segment other = { .base = (uint8_t *)1 };
		bool wide = bad[i].field == offsetof(struct segment_options, memory_limit) ||
			    bad[i].field == offsetof(struct segment_options, max_item_bytes);
		memcpy((uint8_t *)&options + bad[i].field, &bad[i].value, wide ? 8 : 4);
		CU_ASSERT_EQUAL(segment_create(&options, &other), SABIR_INVALID_ARGUMENT);
		CU_ASSERT_EQUAL(other.base, (uint8_t *)1);
	}
}

static void the_smallest_segment_works(void)
{
	static const struct segment_options options = { 1, 1, 1, 1, 1 };
	struct segment other;
	CU_ASSERT_EQUAL_FATAL(segment_create(&options, &other), SABIR_OK);
	CU_ASSERT_EQUAL(other.n_chunks, 1);
	CU_ASSERT_EQUAL(map_foreign(dup(other.fd)), SABIR_OK);
	segment_unmap(&other);
}

static void two_mappings_are_one_memory(void)
{
	struct segment other;
	CU_ASSERT_EQUAL_FATAL(segment_map(dup(seg.fd), dup(seg.bell_fd), &other), SABIR_OK);
	CU_ASSERT(other.base != seg.base && other.size == seg.size && other.data_off == seg.data_off);
	CU_ASSERT(other.n_lanes == seg.n_lanes && other.n_chunks == seg.n_chunks && other.hash_seed == seg.hash_seed);
	store32_seq(&other.objects[7].flags, 4711);
	CU_ASSERT_EQUAL(load32_seq(&seg.objects[7].flags), 4711);
	CU_ASSERT_EQUAL((uint8_t *)other.ready - other.base, (uint8_t *)seg.ready - seg.base);
	segment_unmap(&other);
	CU_ASSERT_EQUAL(load32_seq(&seg.objects[7].flags), 4711);
}

/* ---------------------------------------------------------------- strangers */

static void every_bit_of_the_geometry_counts(void)
{
	static const struct {
		size_t from, to;
	} parts[] = {
		{ 0, offsetof(struct seg_header, instance) },
		{ offsetof(struct seg_header, owners_off), offsetof(struct seg_header, max_item_bytes) },
	};
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		for (size_t at = parts[i].from; at < parts[i].to; at++)
			for (unsigned bit = 0; bit < 8; bit++) {
				seg.base[at] ^= (uint8_t)(1u << bit);
				CU_ASSERT_EQUAL(map_foreign(dup(seg.fd)), SABIR_LAYOUT_MISMATCH);
				seg.base[at] ^= (uint8_t)(1u << bit);
			}
	CU_ASSERT_EQUAL(map_foreign(dup(seg.fd)), SABIR_OK);
}

static void counts_that_agree_with_each_other_must_agree_with_the_file(void)
{
	struct segment larger;
	struct segment_options options = { 8 << 20, 64, 64, 256, 1 << 20 };
	struct seg_header own = *seg.header;
	CU_ASSERT_EQUAL_FATAL(segment_create(&options, &larger), SABIR_OK);
	*seg.header = *larger.header; /* consistent, but it speaks of 4 MiB that are not there */
	CU_ASSERT_EQUAL(map_foreign(dup(seg.fd)), SABIR_LAYOUT_MISMATCH);
	*seg.header = own;
	segment_unmap(&larger);
}

static int memfd_of(uint64_t size, unsigned seals)
{
	int fd = memfd_create("stranger", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CU_ASSERT(fd >= 0 && !ftruncate(fd, (off_t)size));
	CU_ASSERT_EQUAL(pwrite(fd, seg.base, size < 512 ? size : 512, 0), (ssize_t)(size < 512 ? size : 512));
	CU_ASSERT_EQUAL(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void unsealed_memory_is_refused(void)
{
	CU_ASSERT_EQUAL(map_foreign(memfd_of(seg.size, SEALS)), SABIR_OK); /* the copy itself is fine */
	CU_ASSERT_EQUAL(map_foreign(memfd_of(seg.size, F_SEAL_GROW | F_SEAL_SEAL)), SABIR_LAYOUT_MISMATCH);
	CU_ASSERT_EQUAL(map_foreign(memfd_of(seg.size, F_SEAL_SHRINK | F_SEAL_SEAL)), SABIR_LAYOUT_MISMATCH);
	CU_ASSERT_EQUAL(map_foreign(memfd_of(seg.size, F_SEAL_SHRINK | F_SEAL_GROW)), SABIR_LAYOUT_MISMATCH);
}

static void short_memory_is_refused(void)
{
	static const uint64_t sizes[] = { 0, 1, 511, 512, 4096, SEG_CHUNK_SIZE };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		CU_ASSERT_EQUAL(map_foreign(memfd_of(sizes[i], SEALS)), SABIR_LAYOUT_MISMATCH);
	CU_ASSERT_EQUAL(map_foreign(memfd_of(seg.size - 1, SEALS)), SABIR_LAYOUT_MISMATCH);
	CU_ASSERT_EQUAL(map_foreign(memfd_of(seg.size + 4096, SEALS)), SABIR_LAYOUT_MISMATCH);
}

static void what_is_no_memfd_is_refused(void)
{
	int ends[2];
	CU_ASSERT_EQUAL(pipe(ends), 0);
	CU_ASSERT_EQUAL(map_foreign(ends[0]), SABIR_LAYOUT_MISMATCH);
	CU_ASSERT_EQUAL(map_foreign(ends[1]), SABIR_LAYOUT_MISMATCH);
	CU_ASSERT_EQUAL(map_foreign(open("/dev/zero", O_RDWR | O_CLOEXEC)), SABIR_LAYOUT_MISMATCH);
	CU_ASSERT_EQUAL(map_foreign(open("/", O_RDONLY | O_CLOEXEC)), SABIR_LAYOUT_MISMATCH);
	CU_ASSERT_EQUAL(map_foreign(-1), SABIR_LAYOUT_MISMATCH);
}

static void a_magic_is_written_last(void)
{
	int fd = memfd_of(seg.size, SEALS);
	uint64_t none = 0;
	CU_ASSERT_EQUAL(pwrite(fd, &none, sizeof(none), 0), 8); /* as its maker left it half-way */
	CU_ASSERT_EQUAL(map_foreign(fd), SABIR_LAYOUT_MISMATCH);
}

/* ---------------------------------------------------------------- refs */

static void refs_outside_the_data_area_are_nothing(void)
{
	uint32_t first = (uint32_t)(seg.data_off >> SEG_REF_SHIFT), end = (uint32_t)(seg.size >> SEG_REF_SHIFT);
	CU_ASSERT_PTR_NULL(segment_at(&seg, 0, 0));
	CU_ASSERT_PTR_NULL(segment_at(&seg, first - 1, 1)); /* tables are no blocks */
	CU_ASSERT_EQUAL(segment_at(&seg, first, 64), seg.base + seg.data_off);
	CU_ASSERT_EQUAL(segment_at(&seg, end - 1, 64), seg.base + seg.size - 64);
	CU_ASSERT_PTR_NULL(segment_at(&seg, end - 1, 65));
	CU_ASSERT_PTR_NULL(segment_at(&seg, end, 1));
	CU_ASSERT_PTR_NULL(segment_at(&seg, UINT32_MAX, 1));
	CU_ASSERT_PTR_NULL(segment_at(&seg, first, SIZE_MAX));
	CU_ASSERT_PTR_NULL(segment_at(&seg, first, seg.size));
	CU_ASSERT_EQUAL(segment_at(&seg, first, seg.size - seg.data_off), seg.base + seg.data_off);
	CU_ASSERT_EQUAL(segment_ref(&seg, segment_at(&seg, first + 7, 1)), first + 7);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(a_fresh_segment_says_what_was_asked_for),
		KIT_TEST(a_limit_is_rounded_up_to_whole_chunks),
		KIT_TEST(only_the_tables_are_committed_at_first),
		KIT_TEST(nobody_can_change_the_size),
		KIT_TEST(bad_options_are_refused),
		KIT_TEST(the_smallest_segment_works),
		KIT_TEST(two_mappings_are_one_memory),
		KIT_TEST(every_bit_of_the_geometry_counts),
		KIT_TEST(counts_that_agree_with_each_other_must_agree_with_the_file),
		KIT_TEST(unsealed_memory_is_refused),
		KIT_TEST(short_memory_is_refused),
		KIT_TEST(what_is_no_memfd_is_refused),
		KIT_TEST(a_magic_is_written_last),
		KIT_TEST(refs_outside_the_data_area_are_nothing),
	};
	return kit_run("segment", segment_setup, segment_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
