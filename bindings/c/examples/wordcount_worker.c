/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One of many workers that count words together: takes lines (text or bytes) from a queue until it is closed and
 * empty, counts the words of each batch by itself and adds the counts to a shared dict, and the number of lines to a
 * shared counter.
 *
 *   wordcount_worker QUEUE DICT COUNTER [URL]
 *
 * A word is what `tr -cs A-Za-z '\n' | tr A-Z a-z` makes of it. Workers can be started, stopped and added at any time:
 * the objects are made by whoever comes first. Prints how many lines it did.
 */
#include <inttypes.h>
#include <sabir.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH 64
#define N_SLOTS 4096u /* a power of two */
#define MAX_WORDS (N_SLOTS / 2)

/* The words of the batches that are not in the dict yet: a hash table with open addressing. */
struct word {
	char *text; /* NULL: free */
	size_t len;
	int64_t count;
};

static struct word words[N_SLOTS];
static unsigned n_words;
static sabir_dict *dict;

static void check(enum sabir_error error, const char *what)
{
	if (!error)
		return;
	fprintf(stderr, "wordcount_worker: %s: %s: %s\n", what, sabir_error_text(error), sabir_detail());
	exit(1);
}

/* Adds what was counted so far to the shared dict. */
static void share_words(void)
{
	for (unsigned i = 0; n_words && i < N_SLOTS; i++) {
		if (!words[i].text)
			continue;
		struct sabir_item key = sabir_text_n(words[i].text, words[i].len);
		check(sabir_dict_increment_int(dict, &key, words[i].count, NULL), "increment");
		free(words[i].text);
		words[i].text = NULL;
		n_words--;
	}
}

static void count_word(const char *text, size_t len)
{
	uint64_t hash = 14695981039346656037u;
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
	unsigned slot = (unsigned)(hash >> 20) % N_SLOTS;
	while (words[slot].text && (words[slot].len != len || memcmp(words[slot].text, text, len) != 0))
		slot = (slot + 1) % N_SLOTS;
	if (words[slot].text) {
		words[slot].count++;
		return;
	}
	char *copy = malloc(len);
	if (!copy)
		check(SABIR_NO_MEMORY, "a word");
	memcpy(copy, text, len);
	words[slot] = (struct word){ copy, len, 1 };
	if (++n_words == MAX_WORDS)
		share_words();
}

/* The letters of a line in lower case, words apart. The line is the caller's buffer and is overwritten. */
static void count_line(char *line, size_t len)
{
	size_t begin = 0;
	for (size_t i = 0; i <= len; i++) {
		char c = i < len ? line[i] : ' ';
		if (c >= 'A' && c <= 'Z')
			line[i] = (char)(c - 'A' + 'a');
		else if (c < 'a' || c > 'z') {
			if (i > begin)
				count_word(line + begin, i - begin);
			begin = i + 1;
		}
	}
}

int main(int argc, char **argv)
{
	struct sabir_buffer buffer = { NULL, 0 };
	struct sabir_item items[BATCH];
	enum sabir_error error;
	sabir_conn *conn;
	sabir_queue *queue;
	sabir_value *counter;
	uint64_t n_lines = 0;
	size_t n;

	if (argc < 4) {
		fprintf(stderr, "usage: wordcount_worker QUEUE DICT COUNTER [URL]\n");
		return 2;
	}
	check(sabir_connect(argc > 4 ? argv[4] : NULL, NULL, &conn), "connect");
	check(sabir_queue_create(conn, argv[1], 0, SABIR_EXIST_OK, &queue), argv[1]);
	check(sabir_dict_create(conn, argv[2], SABIR_EXIST_OK, &dict), argv[2]);
	check(sabir_value_create(conn, argv[3], 'q', SABIR_EXIST_OK, &counter), argv[3]);
	while (!(error = sabir_queue_get_many_into(queue, BATCH, SABIR_FOREVER, &buffer, items, &n))) {
		for (size_t i = 0; i < n; i++) {
			/* The items lie in our buffer, so their bytes are ours to change. */
			size_t at = (size_t)((const char *)items[i].as.data - (char *)buffer.data);
			if (items[i].kind == SABIR_ITEM_TEXT || items[i].kind == SABIR_ITEM_BYTES)
				count_line((char *)buffer.data + at, items[i].len);
		}
		share_words();
		check(sabir_value_add_int(counter, (int64_t)n, NULL), "add");
		n_lines += n;
	}
	if (error != SABIR_CLOSED)
		check(error, "get");
	printf("%" PRIu64 " lines\n", n_lines);
	sabir_free(buffer.data);
	sabir_value_free(counter);
	sabir_dict_free(dict);
	sabir_queue_free(queue);
	sabir_close(conn);
	return 0;
}
