/* SPDX-License-Identifier: Apache-2.0 */
/* A head, the operation's path, the places, the result. */
#include "server/ops/answer_body.h"

#include <stdlib.h>
#include <string.h>

struct head {
	uint64_t handle;
	uint64_t number;
	uint64_t part;
	uint32_t items;
	uint32_t path_len;
	uint64_t places_len;
};

static void append(uint8_t **to, const void *from, size_t len)
{
	if (len)
		memcpy(*to, from, len);
	*to += len;
}

struct span answer_body_encode(const struct answer_body *body)
{
	const struct op_receipt *r = &body->receipt;
	const char *path = op_path(body->op);
	const struct head head = {
		.handle = r->handle,
		.number = r->number,
		.part = r->part,
		.items = r->items,
		.path_len = (uint32_t)strlen(path),
		.places_len = r->places ? r->places_len : 0,
	};
	size_t len = sizeof(head) + head.path_len + head.places_len + body->result.len;
	uint8_t *data = malloc(len), *to = data;

	if (!data)
		return (struct span){ NULL, 0 };
	append(&to, &head, sizeof(head));
	append(&to, path, head.path_len);
	append(&to, r->places, head.places_len);
	append(&to, body->result.data, body->result.len);
	return (struct span){ data, len };
}

bool answer_body_decode(struct span encoded, struct answer_body *body)
{
	struct head head;
	char path[128];

	if (encoded.len < sizeof(head))
		return false;
	memcpy(&head, encoded.data, sizeof(head));
	const uint8_t *at = encoded.data + sizeof(head);
	size_t left = encoded.len - sizeof(head);
	if (head.path_len >= sizeof(path) || head.path_len > left || head.places_len > left - head.path_len)
		return false;
	memcpy(path, at, head.path_len);
	path[head.path_len] = '\0';
	at += head.path_len;
	left -= head.path_len + head.places_len;
	*body = (struct answer_body){
		.op = op_find(path),
		.receipt = { .handle = head.handle, .number = head.number, .part = head.part, .items = head.items },
		.result = { at + head.places_len, left },
	};
	if (head.places_len) {
		body->receipt.places = (uint8_t *)(uintptr_t)at; /* op_undo only reads them */
		body->receipt.places_len = head.places_len;
	}
	return true;
}
