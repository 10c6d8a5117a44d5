/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every request message of the operation table: the first byte names the operation, the rest is the request. Several requests may
 * follow each other, each with its length in two bytes in front.
 */
#include "tests/fuzz/stage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	stage_begin();
	while (size >= 3) {
		size_t len = data[1] | (size_t)data[2] << 8;
		if (len > size - 3)
			len = size - 3;
		stage_run(SURVIVOR, op_at(data[0] % op_count()), (struct span){ data + 3, len });
		data += 3 + len;
		size -= 3 + len;
	}
	return 0;
}
