/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of snapshots: whatever a file holds, it is refused, or restored into a memory that can be used and saved
 * again.
 *
 * The first byte's lowest bit says what the rest is: a file as it is, or messages of which a file is made whose
 * checksums are right, each with its type in one byte and its length in two in front.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/snapshot/snapshot.h"
#include "server/snapshot/test_kit.h"
#include "server/snapshot/writer.h"
#include "tests/crash/world.h"
#include "tests/fuzz/moment.h"
#include "tests/fuzz/seeds.h"

#define ID 0x1234567890abcdefull
#define FILE_MAX (1u << 20)

static uint8_t file[FILE_MAX];

static void new_head(struct dice *dice, uint8_t *head)
{
	head[0] = (uint8_t)(dice_roll(dice, 16) ? SNAPSHOT_OBJECT + dice_roll(dice, 2) : dice_roll(dice, 5));
}

static const struct piece_form form = { 1, new_head, NULL };

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
static struct span make_file(struct span pieces)
{
	uint64_t number = 0, n_objects = 0;
	uint8_t end_message[24];
	const uint8_t *head;
	struct span message;
	file_head(ID, file);
	uint8_t *to = put_frame(file + SNAPSHOT_HEAD, number++, SNAPSHOT_BEGIN, (struct span){ NULL, 0 });
	while (to + 70000 < file + FILE_MAX && piece_next(&form, &pieces, &head, &message)) {
		uint32_t type = head[0] % 5;
		n_objects += type == SNAPSHOT_OBJECT;
		to = put_frame(to, number++, type, message);
	}
	struct message m = { NULL, 0, 0, false };
	record_put_end(&m, &(struct record_end){ n_objects, number });
	struct span end = { memcpy(end_message, m.data, m.len), m.len };
	message_fini(&m);
	to = put_frame(to, number, SNAPSHOT_END, end);
	return (struct span){ file, (size_t)(to - file) };
}

/* Saves the memory, and opens the file. */
static int save(struct lane *lane)
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
	int fd = kit_open(&folder, options.number);
	folder_name(options.number, name);
	(void)unlinkat(folder.fd, name, 0);
	close(folder.fd);
	return fd;
}

/* ---------------------------------------------------------------- inputs */

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	if (!size || !(data[0] & 1) || max < 2)
		return LLVMFuzzerMutate(data, size, max);
	return 1 + pieces_mutate(&form, data + 1, size - 1, max - 1, seed);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len, uint8_t *out,
				 size_t max, unsigned seed)
{
	if (!a_len || !b_len || !(a[0] & b[0] & 1) || max < 2)
		return 0;
	out[0] = 1;
	return 1 + pieces_cross(&form, (struct span){ a + 1, a_len - 1 }, (struct span){ b + 1, b_len - 1 },
				(struct span){ out + 1, max - 1 }, seed);
}

/* Objects of the stage, which are the same for all scenarios. */
static uint64_t known[64];
static unsigned n_known;

static bool is_known(uint64_t id)
{
	unsigned i = 0;
	while (i < n_known && known[i] != id)
		i++;
	return i < n_known;
}

/* What a file of the memory holds, but for its Begin and End; the first is of the stage alone. */
static void write_seed(void *context, size_t number, struct lane *lane)
{
	static uint8_t input[SEED_MAX];
	uint8_t *to = input;
	struct record_object object;
	struct reader reader;
	struct frame frame;
	bool wanted = false;
	*to++ = 1;
	if (reader_open(&reader, save(lane)))
		abort();
	while (!reader_next(&reader, &frame) && frame.type != SNAPSHOT_END) {
		uint8_t head = (uint8_t)frame.type;
		if (frame.type == SNAPSHOT_OBJECT && record_get_object(frame.message, &object)) {
			wanted = number == 0 || !is_known(object.id);
			if (number == 0 && n_known < sizeof(known) / sizeof(known[0]))
				known[n_known++] = object.id;
		}
		if (wanted)
			to = piece_put(&form, to, input + sizeof(input), &head, frame.message);
	}
	if (to > input + 1)
		seed_write(context, "scenario", number, (struct span){ input, (size_t)(to - input) });
	reader_close(&reader);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	char *folder = getenv("SEEDS");
	if (!folder)
		return 0;
	seeds_of_memory(write_seed, folder);
	exit(0);
}

/* A memory without an object. */
static struct lane *empty_memory(void)
{
	static struct world world;
	static struct image *image;
	if (!image) {
		if (!world_make(&world))
			abort();
		world.lane[SERVER].lock_patience_ns = CLOCK_SECOND;
		image = image_new(&world);
		image_keep_pages(image);
	}
	moment_begin();
	image_restore(image, &world);
	return &world.lane[SERVER];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct load_result result;
	struct reader reader;
	bool begun = false;
	if (!size)
		return 0;
	struct span bytes = { data + 1, size - 1 };
	if (data[0] & 1)
		bytes = make_file(bytes);
	struct lane *lane = empty_memory();
	struct actor actor = lane->actor;
	lane->actor = (struct actor){ 0 };
	enum sabir_error error = reader_open_memory(&reader, bytes);
	if (!error)
		error = snapshot_load(&(struct load_options){ .lane = lane, .reader = &reader }, &result, &begun);
	reader_close(&reader);
	lane->actor = actor;
	if (!error) {
		close(save(lane));
		free(text_of(lane, true));
	}
	return 0;
}
