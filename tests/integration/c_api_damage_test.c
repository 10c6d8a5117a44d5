/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that a faulty program has written over in the shared memory: each function that reads one says DATA_LOSS, by whatever
 * transport, and the others beside it are as they were.
 */
#include "tests/integration/c_api.h"

static sabir_conn *beside; /* in shared memory: the faulty program */

/* An item whose head says that it is longer than it is. */
static void put_damaged(sabir_queue *q, const char *name)
{
	struct sabir_loan loan;
	sabir_queue *same;
	CHECK_OK(sabir_queue_put_text(q, "damaged", 0));
	NEED(sabir_queue_open(beside, name, &same));
	NEED(sabir_queue_borrow(same, 0, &loan));
	CHECK(loan.in_place);
	if (loan.in_place)
		((uint8_t *)(uintptr_t)loan.item.as.data)[-1] = 0x7f;
	CHECK_OK(sabir_queue_return(&loan));
	sabir_queue_free(same);
}

/* A queue with such an item and one behind it. */
static sabir_queue *new_queue(void)
{
	const char *name = name_of("damaged");
	sabir_queue *q;
	NEED(sabir_queue_create(conn, name, 0, 0, &q));
	put_damaged(q, name);
	CHECK_OK(sabir_queue_put_text(q, "fine", 0));
	return q;
}

static void drop(sabir_queue *q)
{
	struct sabir_item *item;
	NEED(sabir_queue_get(q, 0, &item));
	CHECK(is_text(item, "fine"));
	sabir_free(item);
	CHECK_OK(sabir_delete_handle(conn, sabir_queue_handle(q)));
	sabir_queue_free(q);
}

static void a_get_tells_of_it(void)
{
	struct sabir_item *item;
	sabir_queue *q = new_queue();
	CHECK_ERROR(sabir_queue_peek(q, &item), SABIR_DATA_LOSS);
	CHECK_ERROR(sabir_queue_get(q, 0, &item), SABIR_DATA_LOSS);
	drop(q);
}

static void a_get_into_a_buffer_tells_of_it(void)
{
	struct sabir_buffer buffer = { NULL, 0 };
	struct sabir_item item;
	sabir_queue *q = new_queue();
	CHECK_ERROR(sabir_queue_get_into(q, 0, &buffer, &item), SABIR_DATA_LOSS);
	free(buffer.data);
	drop(q);
}

static void a_get_of_many_tells_of_it(void)
{
	struct sabir_item *items;
	size_t n;
	sabir_queue *q = new_queue();
	CHECK_ERROR(sabir_queue_get_many(q, 1, 0, &items, &n), SABIR_DATA_LOSS);
	drop(q);
}

static void a_borrower_is_told_of_it(void)
{
	struct sabir_loan loan;
	sabir_queue *q = new_queue();
	CHECK_ERROR(sabir_queue_borrow(q, 0, &loan), SABIR_DATA_LOSS);
	drop(q);
}

static void a_consumer_is_told_of_it(void)
{
	sabir_consumer *consumer;
	struct sabir_delivery delivery;
	struct sabir_item item;
	sabir_queue *q = new_queue();
	NEED(sabir_consumer_open(q, NULL, &consumer));
	CHECK_ERROR(sabir_consumer_next(consumer, SABIR_SECOND, &item, &delivery), SABIR_DATA_LOSS);
	CHECK_OK(sabir_consumer_close(consumer));
	CHECK_OK(sabir_queue_clear(q, NULL));
	CHECK_OK(sabir_queue_put_text(q, "fine", 0));
	drop(q);
}

/* Whether the consumer is given an item of this text, which it acknowledges. */
static bool takes(sabir_consumer *consumer, const char *text)
{
	struct sabir_delivery delivery;
	struct sabir_item item;
	CHECK_OK(sabir_consumer_next(consumer, SABIR_SECOND, &item, &delivery));
	bool good = is_text(&item, text);
	CHECK_OK(sabir_consumer_ack(consumer, &delivery));
	return good;
}

/* With a credit of one and of more; what was acknowledged is gone, and with it what was damaged before it. */
static void a_consumer_goes_past_it(void)
{
	for (uint32_t credit = 1; credit <= 8; credit *= 8) {
		const struct sabir_consumer_options options = { .size = sizeof(options), .max_outstanding = credit };
		sabir_consumer *consumer;
		struct sabir_delivery delivery;
		struct sabir_item item;
		sabir_queue *q = new_queue();
		CHECK_OK(sabir_queue_put_text(q, "more", 0));
		NEED(sabir_consumer_open(q, &options, &consumer));
		CHECK_ERROR(sabir_consumer_next(consumer, SABIR_SECOND, &item, &delivery), SABIR_DATA_LOSS);
		CHECK(takes(consumer, "fine") && takes(consumer, "more"));
		CHECK_OK(sabir_consumer_close(consumer));
		CHECK_OK(sabir_queue_put_text(q, "fine", 0));
		drop(q);
	}
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_get_tells_of_it),        TEST(a_get_into_a_buffer_tells_of_it), TEST(a_get_of_many_tells_of_it),
		TEST(a_borrower_is_told_of_it), TEST(a_consumer_is_told_of_it),        TEST(a_consumer_goes_past_it),
	};
	const char *url = getenv("SABIR_TEST_LOCAL");
	if (!url)
		url = argc > 1 ? argv[1] : "";
	NEED(sabir_connect(url, NULL, &beside));
	int n_failed = run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
	sabir_close(beside);
	return n_failed;
}
