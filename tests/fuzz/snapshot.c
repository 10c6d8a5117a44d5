/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of snapshots: whatever a file holds, it is refused, or restored into a memory that can be used and saved again.
 *
 * The first byte's lowest bit says what the rest is: a file as it is, or messages of which a file is made whose checksums are
 * right, each with its type in one byte and its length in two in front.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/snapshot/snapshot.h"
#include "server/snapshot/test_kit.h"
#include "server/snapshot/writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ID 0x1234567890abcdefull
#define FILE_MAX (1u << 20)

static uint8_t file[FILE_MAX];

static uint8_t *put_frame(uint8_t *to, uint64_t number, uint32_t type, struct span message)
{
	for (unsigned i = 0; i < 4; i++)
		*to++ = (uint8_t)(message.len >> 8 * i);
	for (unsigned i = 0; i < 4; i++)
		*to++ = (uint8_t)(type >> 8 * i);
	to = wire_put_fixed64(to, frame_hash(ID, number, type, message));
	if (message.len)
		memcpy(to, message.data, message.len);
	return to + message.len;
}

/* A Begin in front and an End behind, which fits. */
static struct span make_file(const uint8_t *data, size_t size)
{
	uint64_t number = 0, n_objects = 0;
	uint8_t end_message[24];
	file_head(ID, file);
	uint8_t *to = put_frame(file + SNAPSHOT_HEAD, number++, SNAPSHOT_BEGIN, (struct span){ NULL, 0 });
	while (size >= 3 && to + 70000 < file + FILE_MAX) {
		uint32_t type = data[0] % 5;
		size_t len = data[1] | (size_t)data[2] << 8;
		if (len > size - 3)
			len = size - 3;
		n_objects += type == SNAPSHOT_OBJECT;
		to = put_frame(to, number++, type, (struct span){ data + 3, len });
		data += 3 + len;
		size -= 3 + len;
	}
	struct message m = { NULL, 0, 0, false };
	record_put_end(&m, &(struct record_end){ n_objects, number });
	struct span end = { memcpy(end_message, m.data, m.len), m.len };
	message_fini(&m);
	to = put_frame(to, number, SNAPSHOT_END, end);
	return (struct span){ file, (size_t)(to - file) };
}

/* What was restored can be read, used and saved. */
static void use(struct lane *lane)
{
	struct folder folder = { .fd = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	const struct save_options options = { .lane = lane,
					      .folder_fd = folder.fd,
					      .number = 900000000000ull + (uint64_t)getpid() };
	struct save_result result;
	char name[FOLDER_NAME_SIZE];
	enum sabir_error error = snapshot_save(&options, &result);
	if (error || result.n_damaged)
		abort();
	folder_name(options.number, name);
	(void)unlinkat(folder.fd, name, 0);
	close(folder.fd);
	free(text_of(lane, true));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct segment_options options = {
		.memory_limit = 4 << 20, .n_owners = 4, .n_lanes = 8, .n_objects = 64, .max_item_bytes = 1 << 20
	};
	struct load_result result;
	struct reader reader;
	struct segment seg;
	bool begun = false;
	if (!size)
		return 0;
	struct span bytes = data[0] & 1 ? make_file(data + 1, size - 1) : (struct span){ data + 1, size - 1 };
	if (segment_create(&options, &seg))
		abort();
	struct lane lane = kit_lane(&seg);
	lane.lock_patience_ns = CLOCK_SECOND;
	if (object_init_directory(&lane))
		abort();
	struct actor actor = lane.actor;
	lane.actor = (struct actor){ 0 };
	enum sabir_error error = reader_open_memory(&reader, bytes);
	if (!error)
		error = snapshot_load(&(struct load_options){ .lane = &lane, .reader = &reader }, &result, &begun);
	reader_close(&reader);
	lane.actor = actor;
	if (!error)
		use(&lane);
	kit_lane_close(&lane);
	segment_unmap(&seg);
	return 0;
}
