/* SPDX-License-Identifier: Apache-2.0 */
/* The block against an array of bytes. */
#include "tests/conformance/model.h"

#define MOST 3000u

static unsigned char model[MOST];
static sabir_block *handles[2];
static unsigned size;

static void step(sabir_block *block)
{
	unsigned char data[MOST + 10];
	unsigned offset = random_below(size + 3), len = random_below(random_below(2) ? 20 : size + 3);
	uint64_t found;
	bool fits = offset <= size && len <= size - offset;
	enum sabir_error expected = fits ? SABIR_OK : SABIR_OUT_OF_RANGE;
	if (random_below(2)) {
		for (unsigned i = 0; i < len; i++)
			data[i] = (unsigned char)random_below(256);
		SAME(sabir_block_write(block, offset, len, data) == expected);
		if (fits)
			memcpy(model + offset, data, len);
	} else {
		SAME(sabir_block_read(block, offset, len, data) == expected);
		if (fits)
			SAME(!memcmp(model + offset, data, len));
	}
	SAME(!sabir_block_size(block, &found) && found == size);
}

static void history(unsigned n_steps)
{
	void *data;
	size = random_below(MOST);
	memset(model, 0, sizeof(model));
	SAME(!sabir_block_create(conns[random_below(2)], "model/block", size, 0, &handles[0]));
	sabir_block_free(handles[0]);
	SAME(!sabir_block_open(conns[0], "model/block", &handles[0]));
	SAME(!sabir_block_open(conns[1], "model/block", &handles[1]));
	while (history_step++ < n_steps)
		step(handles[random_below(2)]);
	SAME(!sabir_block_map(handles[0], &data, NULL) && !memcmp(data, model, size));
	SAME(!sabir_delete(conns[random_below(2)], "model/block"));
	sabir_block_free(handles[0]);
	sabir_block_free(handles[1]);
}

int main(int argc, char **argv)
{
	return run_histories(argc, argv, "block", 100, history);
}
