/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Producers and consumers of libsabir while the server is killed: local ones go on, the streams of remote ones break, what was not
 * acknowledged comes back, and a producer says what was accepted.
 *
 *   flow LOCAL_URL REMOTE_URL SERVER_PID      the server's, not the keeper's
 */
#include <sabir.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int n_passed, n_failed;

static void check(bool fine, const char *what)
{
	*(fine ? &n_passed : &n_failed) += 1;
	printf("%s %s\n", fine ? "ok    " : "FAILED", what);
}

static void need(enum sabir_error error, const char *what)
{
	if (!error)
		return;
	printf("%s: %s: %s\n0 passed, 1 failed\n", what, sabir_error_name(error), sabir_detail());
	exit(1);
}

/* A queue with the numbers 1 to 5, and a consumer that was given three of them. */
enum sort { PLAIN, LEASED, LEASED_IN_SESSION };
struct side {
	sabir_conn *conn;
	sabir_queue *queue;
	sabir_consumer *consumer;
	struct sabir_delivery first, last;
};

static int64_t next(struct side *s, uint64_t timeout_ns)
{
	struct sabir_item item;
	enum sabir_error error = sabir_consumer_next(s->consumer, timeout_ns, &item, &s->last);
	return error ? -(int64_t)error : item.as.i;
}

static void begin(struct side *s, const char *url, const char *name, enum sort sort)
{
	struct sabir_consumer_options options = { .size = sizeof(options), .max_outstanding = 3 };
	struct sabir_task_spec spec = { .size = sizeof(spec) };
	need(sabir_connect(url, NULL, &s->conn), url);
	if (sort == LEASED_IN_SESSION)
		need(sabir_session_open(s->conn, 0), "a session");
	if (sort != PLAIN)
		options.lease_ns = 3600 * SABIR_SECOND;
	need(sort == PLAIN ? sabir_queue_create(s->conn, name, 0, 0, &s->queue)
			   : sabir_task_queue_create(s->conn, name, &spec, 0, &s->queue),
	     name);
	for (int64_t i = 1; i <= 5; i++) {
		struct sabir_item item = sabir_int(i);
		need(sabir_queue_put(s->queue, &item, 0), "put");
	}
	need(sabir_consumer_open(s->queue, &options, &s->consumer), "a consumer");
	bool fine = next(s, SABIR_FOREVER) == 1;
	s->first = s->last;
	check(fine && next(s, SABIR_FOREVER) == 2 && next(s, SABIR_FOREVER) == 3, "three items are given");
}

/* Whether these numbers are in the queue, and no others, once nobody has any and the new server is there. */
static bool holds(sabir_queue *queue, int64_t first, int64_t last)
{
	struct sabir_task_state state;
	struct sabir_item *item;
	while (sabir_task_queue_state(queue, &state) || state.leased)
		usleep(10000);
	for (int64_t i = first; i <= last; i++) {
		enum sabir_error error = sabir_queue_get(queue, SABIR_SECOND, &item);
		bool fine = !error && item->as.i == i;
		if (!error)
			sabir_free(item);
		if (!fine)
			return false;
	}
	return sabir_queue_get(queue, 0, &item) == SABIR_EMPTY;
}

static sabir_producer *produce(struct side *s, const char *name, sabir_queue **queue)
{
	sabir_producer *producer;
	struct sabir_item item = sabir_int(7);
	need(sabir_queue_create(s->conn, name, 5, 0, queue), name);
	need(sabir_producer_open(*queue, NULL, &producer), "a producer");
	for (int i = 0; i < 8; i++)
		need(sabir_producer_put(producer, &item, NULL, SABIR_SECOND), "put");
	check(sabir_producer_flush(producer, 100 * SABIR_MILLISECOND) == SABIR_FULL,
	      "the queue has room for five of eight");
	return producer;
}

static void consumer_breaks(struct side *s)
{
	int64_t given;
	while ((given = next(s, SABIR_FOREVER)) == -(int64_t)SABIR_WOULD_BLOCK) /* all the credit is used */
		usleep(1000);
	check(given == -(int64_t)SABIR_UNAVAILABLE, "a consumer is told");
	check(sabir_consumer_close(s->consumer) == SABIR_UNAVAILABLE, "and again at its end");
	check(holds(s->queue, 1, 5), "its items come back, in their places");
}

static void producer_breaks(sabir_producer *producer)
{
	struct sabir_producer_state state = { 0 };
	enum sabir_error error = sabir_producer_flush(producer, SABIR_FOREVER);
	check(error == SABIR_UNAVAILABLE, "a producer is told");
	check(sabir_producer_flush(producer, 0) == error, "again");
	check(!sabir_producer_state(producer, &state) && state.put == 8 && state.accepted == 5,
	      "and what was accepted");
	sabir_producer_close(producer);
}

static void local_ones_go_on(struct side *s)
{
	check(!sabir_consumer_ack(s->consumer, &s->first), "an item is acknowledged");
	check(next(s, SABIR_FOREVER) == 4, "the next one is given");
	check(!sabir_consumer_close(s->consumer), "the consumer is closed");
	check(holds(s->queue, 2, 5), "and gives back what it had");
}

int main(int argc, char **argv)
{
	struct side local, remote, leased, owned;
	sabir_producer *producer;
	sabir_queue *bounded;
	if (argc != 4)
		return 2;
	alarm(60);
	begin(&local, argv[1], "flow/local", PLAIN);
	begin(&remote, argv[2], "flow/remote", PLAIN);
	begin(&leased, argv[2], "flow/leased", LEASED);
	begin(&owned, argv[2], "flow/owned", LEASED_IN_SESSION);
	producer = produce(&remote, "flow/bounded", &bounded);
	check(!kill((pid_t)atoi(argv[3]), SIGKILL), "the server is killed");
	consumer_breaks(&remote);
	consumer_breaks(&leased);
	consumer_breaks(&owned);
	producer_breaks(producer);
	local_ones_go_on(&local);
	sabir_queue_free(bounded);
	sabir_queue_free(local.queue);
	sabir_queue_free(remote.queue);
	sabir_queue_free(leased.queue);
	sabir_queue_free(owned.queue);
	sabir_close(local.conn);
	sabir_close(leased.conn);
	sabir_close(owned.conn);
	sabir_close(remote.conn);
	printf("%d passed, %d failed\n", n_passed, n_failed);
	return n_failed != 0;
}
