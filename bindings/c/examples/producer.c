/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts the lines of its input into a queue, as text.
 *
 *   producer QUEUE [URL] <file
 */
#include <sabir.h>
#include <stdio.h>
#include <stdlib.h>

static void check(enum sabir_error error, const char *what)
{
	if (!error)
		return;
	fprintf(stderr, "producer: %s: %s: %s\n", what, sabir_error_text(error), sabir_detail());
	exit(1);
}

int main(int argc, char **argv)
{
	sabir_conn *conn;
	sabir_queue *queue;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	unsigned long n = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: producer QUEUE [URL] <file\n");
		return 2;
	}
	check(sabir_connect(argc > 2 ? argv[2] : NULL, NULL, &conn), "connect");
	check(sabir_queue_create(conn, argv[1], 0, SABIR_EXIST_OK, &queue), argv[1]);
	while ((len = getline(&line, &size, stdin)) >= 0) {
		if (len && line[len - 1] == '\n')
			len--;
		struct sabir_item item = sabir_text_n(line, (size_t)len);
		check(sabir_queue_put(queue, &item, SABIR_FOREVER), "put");
		n++;
	}
	printf("%lu lines\n", n);
	free(line);
	sabir_queue_free(queue);
	sabir_close(conn);
	return 0;
}
