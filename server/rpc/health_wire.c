/* SPDX-License-Identifier: Apache-2.0 */
#include "server/rpc/health_wire.h"

bool health_read(struct span request, struct span *service)
{
	const uint8_t *at = request.data, *end = at + request.len;
	struct wire_field f;
	*service = (struct span){ NULL, 0 };
	while (at < end) {
		if (!wire_next(&at, end, &f) || (f.number == 1 && f.type != WIRE_LEN))
			return false;
		if (f.number == 1)
			*service = f.bytes;
	}
	return true;
}
