/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes items out of a queue and prints them, until the queue is closed or nothing has come for a while.
 *
 *   consumer QUEUE [URL [SECONDS]]
 */
#include <inttypes.h>
#include <sabir.h>
#include <stdio.h>
#include <stdlib.h>

static void check(enum sabir_error error, const char *what)
{
	if (!error)
		return;
	fprintf(stderr, "consumer: %s: %s: %s\n", what, sabir_error_text(error), sabir_detail());
	exit(1);
}

static void print(const struct sabir_item *item)
{
	switch (item->kind) {
	case SABIR_ITEM_NULL:
		puts("null");
		break;
	case SABIR_ITEM_BOOL:
		puts(item->as.boolean ? "true" : "false");
		break;
	case SABIR_ITEM_INT:
		printf("%" PRId64 "\n", item->as.i);
		break;
	case SABIR_ITEM_UINT:
		printf("%" PRIu64 "\n", item->as.u);
		break;
	case SABIR_ITEM_DOUBLE:
		printf("%.17g\n", item->as.d);
		break;
	case SABIR_ITEM_TEXT:
	case SABIR_ITEM_BYTES:
		fwrite(item->as.data, 1, item->len, stdout);
		putchar('\n');
		break;
	default:
		printf("an item of kind %" PRIu32 "\n", item->kind);
	}
}

int main(int argc, char **argv)
{
	struct sabir_buffer buffer = { NULL, 0 };
	struct sabir_item item;
	enum sabir_error error;
	sabir_conn *conn;
	sabir_queue *queue;

	if (argc < 2) {
		fprintf(stderr, "usage: consumer QUEUE [URL [SECONDS]]\n");
		return 2;
	}
	uint64_t timeout_ns = argc > 3 ? strtoull(argv[3], NULL, 10) * SABIR_SECOND : SABIR_FOREVER;
	check(sabir_connect(argc > 2 ? argv[2] : NULL, NULL, &conn), "connect");
	check(sabir_queue_create(conn, argv[1], 0, SABIR_EXIST_OK, &queue), argv[1]);
	while (!(error = sabir_queue_get_into(queue, timeout_ns, &buffer, &item)))
		print(&item);
	if (error != SABIR_CLOSED && error != SABIR_EMPTY)
		check(error, "get");
	sabir_free(buffer.data);
	sabir_queue_free(queue);
	sabir_close(conn);
	return 0;
}
