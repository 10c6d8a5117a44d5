/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipe against two lists and two counters. Each end is held by the local and by the remote program, so a step at either
 * end takes either of them by chance.
 */
#include "tests/conformance/model.h"

#define MOST 200u
#define BOUND 5u

struct message {
	bool bytes;
	unsigned number; /* the value; of bytes: their length */
};
static struct message sent[2][MOST]; /* [e]: what end e will receive */
static unsigned n_sent[2];
static unsigned bound;
static bool one_way;
static sabir_pipe *held[2][2]; /* [connection][end], NULL: not held */

static bool is_open(unsigned end)
{
	return held[0][end] || held[1][end];
}

static void send(unsigned c, unsigned end)
{
	static const char data[64];
	unsigned to = 1 - end;
	struct message m = { random_below(2), random_below(60) };
	struct sabir_item item = sabir_int(m.number);
	sabir_pipe *p = held[c][end];
	enum sabir_error expected = SABIR_OK;
	if (one_way && end == 0)
		expected = SABIR_INVALID_ARGUMENT;
	else if (!is_open(to))
		expected = SABIR_BROKEN_PIPE;
	else if ((bound && n_sent[to] == bound) || n_sent[to] == MOST)
		expected = SABIR_FULL;
	if (n_sent[to] == MOST)
		return;
	SAME((m.bytes ? sabir_pipe_send_bytes(p, data, m.number, 0) : sabir_pipe_send(p, &item, 0)) == expected);
	if (!expected)
		sent[to][n_sent[to]++] = m;
}

/* What a receive answers if the first message is not looked at. */
static enum sabir_error expected_recv(unsigned end)
{
	if (one_way && end == 1)
		return SABIR_INVALID_ARGUMENT;
	if (n_sent[end])
		return SABIR_OK;
	return is_open(1 - end) ? SABIR_EMPTY : SABIR_END_OF_FILE;
}

static void take(unsigned end)
{
	memmove(sent[end], sent[end] + 1, --n_sent[end] * sizeof(sent[0][0]));
}

static void recv(unsigned c, unsigned end)
{
	static struct sabir_buffer buffer;
	struct message m = sent[end][0];
	struct sabir_item *item, into;
	enum sabir_error expected = expected_recv(end);
	bool reuses = random_below(2);
	SAME((reuses ? sabir_pipe_recv_into(held[c][end], 0, &buffer, &into)
		     : sabir_pipe_recv(held[c][end], 0, &item)) == expected);
	if (expected)
		return;
	if (reuses)
		item = &into;
	if (m.bytes)
		SAME(item->kind == SABIR_ITEM_BYTES && item->len == m.number);
	else
		SAME(item->kind == SABIR_ITEM_INT && item->as.i == m.number);
	sabir_free(reuses ? NULL : item);
	take(end);
}

static void recv_bytes(unsigned c, unsigned end)
{
	struct message m = sent[end][0];
	size_t max = random_below(60), len;
	enum sabir_error expected = expected_recv(end);
	void *data;
	if (!expected && !m.bytes)
		expected = SABIR_WRONG_TYPE;
	else if (!expected && max && m.number > max)
		expected = SABIR_TOO_LARGE;
	SAME(sabir_pipe_recv_bytes(held[c][end], max, 0, &data, &len) == expected);
	if (expected)
		return;
	SAME(len == m.number);
	sabir_free(data);
	take(end);
}

static void poll(unsigned c, unsigned end)
{
	enum sabir_error expected = expected_recv(end);
	uint64_t bytes;
	bool ready;
	enum sabir_error error = sabir_pipe_poll(held[c][end], 0, &ready, &bytes);
	if (expected == SABIR_INVALID_ARGUMENT) {
		SAME(error == expected);
		return;
	}
	SAME(!error && ready == (expected != SABIR_EMPTY));
	if (!expected && sent[end][0].bytes)
		SAME(bytes == sent[end][0].number);
	else
		SAME(!expected == (bytes > 0));
}

static void check_state(sabir_pipe *p)
{
	struct sabir_pipe_state state[2];
	SAME(!sabir_pipe_state(p, state));
	for (int end = 0; end < 2; end++) {
		SAME(state[end].holders == (unsigned)!!held[0][end] + !!held[1][end]);
		SAME(state[end].opened && state[end].closed == !is_open((unsigned)end));
		SAME(state[end].messages == n_sent[end]);
	}
}

static void close_end(unsigned c, unsigned end)
{
	SAME(!sabir_pipe_close(held[c][end]));
	SAME(sabir_pipe_close(held[c][end]) == SABIR_CLOSED);
	sabir_pipe_free(held[c][end]);
	held[c][end] = NULL;
	if (!is_open(end))
		n_sent[end] = 0; /* nobody can receive it any more */
}

/* Opens an end once more, or finds that it is closed. */
static void reopen(unsigned c, unsigned end)
{
	sabir_pipe *p;
	SAME(sabir_pipe_open(conns[c], "model/pipe", end, &p) == (is_open(end) ? SABIR_OK : SABIR_CLOSED));
	if (!is_open(end))
		return;
	if (held[c][end])
		sabir_pipe_free(p);
	else
		held[c][end] = p;
}

static void begin(void)
{
	unsigned c = random_below(2);
	bound = random_below(2) ? BOUND : 0;
	one_way = random_below(4) == 0;
	n_sent[0] = n_sent[1] = 0;
	SAME(!sabir_pipe_create(conns[c], "model/pipe", bound, one_way ? SABIR_PIPE_ONE_WAY : 0, held[c]));
	for (unsigned end = 0; end < 2; end++)
		SAME(!sabir_pipe_open(conns[1 - c], "model/pipe", end, &held[1 - c][end]));
}

static void history(unsigned n_steps)
{
	begin();
	while (history_step++ < n_steps) {
		unsigned c = random_below(2), end = random_below(2), op = random_below(40);
		if (!held[c][end]) {
			reopen(c, end);
			continue;
		}
		if (op < 14)
			send(c, end);
		else if (op < 24)
			recv(c, end);
		else if (op < 32)
			recv_bytes(c, end);
		else if (op < 36)
			poll(c, end);
		else if (op < 37)
			check_state(held[c][end]);
		else if (op < 38)
			reopen(c, end);
		else if (history_step > n_steps / 2)
			close_end(c, end);
	}
	SAME(!sabir_delete(conns[random_below(2)], "model/pipe"));
	for (unsigned i = 0; i < 4; i++)
		sabir_pipe_free(held[i / 2][i % 2]);
	memset(held, 0, sizeof(held));
}

int main(int argc, char **argv)
{
	return run_histories(argc, argv, "pipe", 200, history);
}
