/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of Watch and Next have the same fields. */
#include "server/rpc/watch_wire.h"

#include "server/rpc/errand_wire.h"

enum { /* WatchServiceWatchRequest, and Next's */
       REQUEST_AFTER = 2,
       REQUEST_TIMEOUT = 4,
       RESPONSE_LAST = 4,
};

bool watch_read(struct watch_message *m, struct span message)
{
	const uint8_t *at = message.data, *end = at + message.len;
	struct wire_field f;
	while (at < end) {
		if (!wire_next(&at, end, &f))
			return false;
		if (f.number == REQUEST_AFTER && f.type == WIRE_VARINT)
			m->after = f.bits;
		else if (f.number != REQUEST_TIMEOUT && !errand_put_field(&m->fixed, &f))
			return false;
	}
	return true;
}

void watch_message_fini(struct watch_message *m)
{
	bytes_fini(&m->fixed);
}

bool watch_put_next(const struct watch_message *m, struct bytes *request)
{
	return bytes_add(request, m->fixed.data, m->fixed.len) == SABIR_OK &&
	       errand_put_number(request, REQUEST_AFTER, m->after);
}

uint64_t watch_last(struct span response)
{
	return errand_number(response, RESPONSE_LAST);
}
