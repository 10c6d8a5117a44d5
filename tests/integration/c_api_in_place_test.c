/* SPDX-License-Identifier: Apache-2.0 */
/* Items written and read where they stand, through libsabir. What a remote connection does otherwise is told apart. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/integration/c_api.h"

static sabir_queue *new_queue(uint64_t max_items)
{
	sabir_queue *q;
	NEED(sabir_queue_create(conn, NULL, max_items, 0, &q));
	return q;
}

static void drop(sabir_queue *q)
{
	CHECK_OK(sabir_delete_handle(conn, sabir_queue_handle(q)));
	sabir_queue_free(q);
}

static uint64_t size_of(sabir_queue *q)
{
	uint64_t size = 99;
	CHECK_OK(sabir_queue_size(q, &size));
	return size;
}

static void reserve(sabir_queue *q, size_t len, int byte, struct sabir_slot *slot)
{
	NEED(sabir_queue_reserve(q, len, SABIR_SLOT_BYTES, slot));
	CHECK(slot->len == len);
	memset(slot->data, byte, len);
}

static bool is_bytes(const struct sabir_item *item, size_t len, int byte)
{
	const uint8_t *data = item->as.data;
	bool good = item->kind == SABIR_ITEM_BYTES && item->len == len;
	for (size_t i = 0; good && i < len; i++)
		good = data[i] == byte;
	return good;
}

static void put(sabir_queue *q, int byte)
{
	uint8_t data = (uint8_t)byte;
	CHECK_OK(sabir_queue_put_bytes(q, &data, 1, 0));
}

static bool gets(sabir_queue *q, size_t len, int byte)
{
	struct sabir_item *item;
	NEED(sabir_queue_get(q, 0, &item));
	bool good = is_bytes(item, len, byte);
	sabir_free(item);
	return good;
}

/* ---------------------------------------------------------------- slots */

static void what_is_committed_is_got(void)
{
	static const size_t lens[] = { 0, 1, 127, 128, 4096, 65536, 300000 };
	sabir_queue *q = new_queue(0);
	struct sabir_slot slot;
	for (int i = 0; i < 7; i++) {
		reserve(q, lens[i], i, &slot);
		CHECK(slot.in_place == sabir_is_local(conn));
		CHECK(size_of(q) == (uint64_t)i);
		CHECK_OK(sabir_queue_commit(&slot, 0));
		CHECK(!slot.queue && !slot.data);
	}
	for (int i = 0; i < 7; i++)
		CHECK(gets(q, lens[i], i));
	drop(q);
}

static void other_forms_are_checked(void)
{
	sabir_queue *q = new_queue(0);
	struct sabir_slot slot;
	struct sabir_item *item;
	NEED(sabir_queue_reserve(q, 2, SABIR_SLOT_TEXT, &slot));
	memcpy(slot.data, "\xff\xff", 2);
	CHECK_ERROR(sabir_queue_commit(&slot, 0), SABIR_INVALID_VALUE);
	memcpy(slot.data, "ab", 2);
	CHECK_OK(sabir_queue_commit(&slot, 0));
	NEED(sabir_queue_reserve(q, 2, SABIR_SLOT_ENCODED, &slot));
	memcpy(slot.data, "\xff\xff", 2);
	CHECK_ERROR(sabir_queue_commit(&slot, 0), SABIR_INVALID_VALUE);
	struct sabir_buffer buffer = { NULL, 0 };
	struct sabir_item seven = sabir_int(7);
	size_t len;
	NEED(sabir_encode(&seven, &buffer, &len));
	CHECK(len == 2);
	memcpy(slot.data, buffer.data, 2);
	CHECK_OK(sabir_queue_commit(&slot, 0));
	sabir_free(buffer.data);
	NEED(sabir_queue_get(q, 0, &item));
	CHECK(is_text(item, "ab"));
	sabir_free(item);
	NEED(sabir_queue_get(q, 0, &item));
	CHECK(is_int(item, 7));
	sabir_free(item);
	CHECK_ERROR(sabir_queue_reserve(q, 1, (enum sabir_slot_form)3, &slot), SABIR_INVALID_ARGUMENT);
	drop(q);
}

static void a_commit_waits_for_room(void)
{
	sabir_queue *q = new_queue(1);
	struct sabir_slot slot;
	put(q, 1);
	reserve(q, 4096, 2, &slot);
	CHECK_ERROR(sabir_queue_commit(&slot, 0), SABIR_FULL);
	CHECK_ERROR(sabir_queue_commit(&slot, SABIR_MILLISECOND), SABIR_FULL);
	CHECK(gets(q, 1, 1));
	CHECK_OK(sabir_queue_commit(&slot, SABIR_FOREVER));
	CHECK(gets(q, 4096, 2));
	reserve(q, 4096, 3, &slot);
	CHECK_OK(sabir_queue_close(q));
	CHECK_ERROR(sabir_queue_commit(&slot, SABIR_FOREVER), SABIR_CLOSED);
	CHECK_OK(sabir_queue_abandon(&slot));
	CHECK_OK(sabir_queue_abandon(&slot));
	CHECK_ERROR(sabir_queue_commit(&slot, 0), SABIR_INVALID_ARGUMENT);
	drop(q);
}

struct waiter {
	pthread_t thread;
	sabir_queue *q;
	sabir_cancel *token;
	enum sabir_error end;
};

static void *commit_and_wait(void *context)
{
	struct waiter *w = context;
	struct sabir_slot slot;
	if (w->token)
		(void)sabir_cancel_attach(w->token);
	reserve(w->q, 100, 5, &slot);
	w->end = sabir_queue_commit(&slot, SABIR_FOREVER);
	(void)sabir_cancel_attach(NULL);
	(void)sabir_queue_abandon(&slot);
	return NULL;
}

static void *borrow_and_wait(void *context)
{
	struct waiter *w = context;
	struct sabir_loan loan;
	if (w->token)
		(void)sabir_cancel_attach(w->token);
	w->end = sabir_queue_borrow(w->q, SABIR_FOREVER, &loan);
	(void)sabir_cancel_attach(NULL);
	if (!w->end && !is_bytes(&loan.item, 1, 9))
		w->end = SABIR_INTERNAL;
	if (!w->end)
		w->end = sabir_queue_release(&loan);
	return NULL;
}

static void who_waits_is_woken_by_puts_and_gets(void)
{
	sabir_queue *q = new_queue(1);
	struct waiter w = { .q = q };
	put(q, 1);
	pthread_create(&w.thread, NULL, commit_and_wait, &w);
	CHECK(gets(q, 1, 1));
	pthread_join(w.thread, NULL);
	CHECK_OK(w.end);
	CHECK(gets(q, 100, 5));
	pthread_create(&w.thread, NULL, borrow_and_wait, &w);
	put(q, 9);
	pthread_join(w.thread, NULL);
	CHECK_OK(w.end);
	drop(q);
}

static void who_waits_is_cancelled(void)
{
	sabir_queue *q = new_queue(1), *none = new_queue(0);
	struct waiter w = { .q = q }, b = { .q = none };
	NEED(sabir_cancel_create(&w.token));
	b.token = w.token;
	put(q, 1);
	pthread_create(&w.thread, NULL, commit_and_wait, &w);
	pthread_create(&b.thread, NULL, borrow_and_wait, &b);
	sabir_cancel_fire(w.token);
	pthread_join(w.thread, NULL);
	pthread_join(b.thread, NULL);
	CHECK_ERROR(w.end, SABIR_CANCELLED);
	CHECK_ERROR(b.end, SABIR_CANCELLED);
	sabir_cancel_free(w.token);
	drop(q);
	drop(none);
}

static void *commit_in_thread(void *slot)
{
	return (void *)(uintptr_t)sabir_queue_commit(slot, 0);
}

static void a_slot_in_place_is_of_its_thread(void)
{
	sabir_queue *q = new_queue(0);
	struct sabir_slot slot[SABIR_MAX_SLOTS], more;
	pthread_t thread;
	void *end;
	reserve(q, 10, 1, &slot[0]);
	if (sabir_is_local(conn)) {
		pthread_create(&thread, NULL, commit_in_thread, &slot[0]);
		pthread_join(thread, &end);
		CHECK_ERROR((enum sabir_error)(uintptr_t)end, SABIR_INVALID_ARGUMENT);
		for (int i = 1; i < SABIR_MAX_SLOTS; i++)
			reserve(q, 10, 1, &slot[i]);
		CHECK_ERROR(sabir_queue_reserve(q, 1, SABIR_SLOT_BYTES, &more), SABIR_TOO_MANY_REQUESTS);
		for (int i = 1; i < SABIR_MAX_SLOTS; i++)
			CHECK_OK(sabir_queue_abandon(&slot[i]));
	}
	CHECK_OK(sabir_queue_commit(&slot[0], 0));
	CHECK(gets(q, 10, 1));
	drop(q);
}

/* ---------------------------------------------------------------- loans */

static void a_borrowed_item_can_be_read_until_it_is_released(void)
{
	sabir_queue *q = new_queue(0);
	struct sabir_loan first, second;
	struct sabir_item text = sabir_text("text");
	put(q, 1);
	CHECK_OK(sabir_queue_put(q, &text, 0));
	NEED(sabir_queue_borrow(q, 0, &first));
	NEED(sabir_queue_borrow(q, 0, &second));
	CHECK(first.in_place == sabir_is_local(conn));
	CHECK_ERROR(sabir_queue_borrow(q, SABIR_MILLISECOND, &first), SABIR_EMPTY);
	CHECK(is_bytes(&first.item, 1, 1) && is_text(&second.item, "text"));
	CHECK(size_of(q) == 0);
	CHECK_OK(sabir_queue_release(&second));
	CHECK(is_bytes(&first.item, 1, 1));
	CHECK_OK(sabir_queue_release(&first));
	CHECK_ERROR(sabir_queue_release(&first), SABIR_INVALID_ARGUMENT);
	CHECK_OK(sabir_queue_close(q));
	CHECK_ERROR(sabir_queue_borrow(q, SABIR_FOREVER, &first), SABIR_CLOSED);
	drop(q);
}

static void every_kind_can_be_borrowed(void)
{
	sabir_queue *q = new_queue(0);
	struct sabir_item kinds[] = { sabir_null(),      sabir_int(-7),
				      sabir_double(0.1), sabir_timestamp(-1, 999999999),
				      sabir_object(7),   sabir_opaque("application/x", "abc", 3) };
	struct sabir_loan loan;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		CHECK_OK(sabir_queue_put(q, &kinds[i], 0));
		NEED(sabir_queue_borrow(q, 0, &loan));
		const struct sabir_item *item = &loan.item;
		CHECK(item->kind == kinds[i].kind && item->len == kinds[i].len && item->aux == kinds[i].aux);
		if (item->len)
			CHECK(memcmp(item->as.data, kinds[i].as.data, item->len) == 0);
		else
			CHECK(item->as.u == kinds[i].as.u);
		CHECK_OK(sabir_queue_release(&loan));
	}
	drop(q);
}

static void a_returned_item_is_at_its_old_place(void)
{
	sabir_queue *q = new_queue(0);
	struct sabir_loan first, second;
	put(q, 1);
	put(q, 2);
	put(q, 3);
	NEED(sabir_queue_borrow(q, 0, &first));
	NEED(sabir_queue_borrow(q, 0, &second));
	if (sabir_is_local(conn)) {
		CHECK_OK(sabir_queue_return(&second));
		CHECK_OK(sabir_queue_return(&first));
		CHECK_ERROR(sabir_queue_return(&first), SABIR_INVALID_ARGUMENT);
		CHECK(gets(q, 1, 1) && gets(q, 1, 2));
	} else {
		CHECK_ERROR(sabir_queue_return(&first), SABIR_NOT_ENABLED);
		CHECK_OK(sabir_queue_release(&first));
		CHECK_OK(sabir_queue_release(&second));
	}
	CHECK(gets(q, 1, 3));
	drop(q);
}

static void *return_in_thread(void *loan)
{
	return (void *)(uintptr_t)sabir_queue_return(loan);
}

/* Of both ways to end it, by whatever thread; and no other loan of the connection is taken for it. */
static void a_copy_of_a_loan_that_is_over_is_not_held(void)
{
	sabir_queue *q = new_queue(0);
	struct sabir_loan loans[3], copies[3];
	pthread_t thread;
	void *error = NULL;
	for (int i = 0; i < 3; i++) {
		put(q, i);
		NEED(sabir_queue_borrow(q, 0, &loans[i]));
		copies[i] = loans[i];
	}
	if (loans[0].in_place) {
		CHECK(pthread_create(&thread, NULL, return_in_thread, &loans[0]) == 0);
		CHECK(pthread_join(thread, &error) == 0 && !error);
		CHECK_ERROR(sabir_queue_return(&copies[0]), SABIR_NOT_HELD);
		CHECK_ERROR(sabir_queue_release(&copies[0]), SABIR_NOT_HELD);
	}
	CHECK_OK(sabir_queue_release(&loans[1]));
	if (loans[2].in_place) {
		CHECK_ERROR(sabir_queue_return(&copies[1]), SABIR_NOT_HELD);
		CHECK_ERROR(sabir_queue_release(&copies[1]), SABIR_NOT_HELD);
		CHECK_OK(sabir_queue_return(&copies[2]));
		CHECK_ERROR(sabir_queue_release(&loans[2]), SABIR_NOT_HELD);
		CHECK(gets(q, 1, 0) && gets(q, 1, 2) && size_of(q) == 0);
	} else {
		CHECK_OK(sabir_queue_release(&loans[0]));
		CHECK_OK(sabir_queue_release(&loans[2]));
	}
	drop(q);
}

static void a_task_queue_is_used_by_copies(void)
{
	struct sabir_task_spec spec = { .size = sizeof(spec), .discipline = SABIR_LIFO };
	sabir_queue *q;
	struct sabir_slot slot;
	struct sabir_loan loan;
	NEED(sabir_task_queue_create(conn, NULL, &spec, 0, &q));
	reserve(q, 10, 1, &slot);
	CHECK(!slot.in_place);
	CHECK_OK(sabir_queue_commit(&slot, 0));
	reserve(q, 10, 2, &slot);
	CHECK_OK(sabir_queue_commit(&slot, 0));
	NEED(sabir_queue_borrow(q, 0, &loan));
	CHECK(!loan.in_place && is_bytes(&loan.item, 10, 2));
	CHECK_ERROR(sabir_queue_return(&loan), SABIR_NOT_ENABLED);
	CHECK_OK(sabir_queue_release(&loan));
	drop(q);
}

static void a_deleted_queue_ends_slots_and_loans(void)
{
	sabir_queue *q = new_queue(0);
	struct sabir_slot slot;
	struct sabir_loan loan;
	put(q, 1);
	reserve(q, 5000, 1, &slot);
	NEED(sabir_queue_borrow(q, 0, &loan));
	CHECK_OK(sabir_delete_handle(conn, sabir_queue_handle(q)));
	CHECK_ERROR(sabir_queue_commit(&slot, 0), SABIR_DELETED);
	CHECK_OK(sabir_queue_abandon(&slot));
	enum sabir_error expected = loan.in_place ? SABIR_DELETED : SABIR_OK;
	CHECK_ERROR(sabir_queue_release(&loan), expected);
	CHECK(!loan.queue);
	sabir_queue_free(q);
}

/* Others get the memory of the queue, and write there. */
static void the_item_of_a_deleted_queue_stays_as_it_is(void)
{
	static uint8_t data[5000];
	sabir_queue *q = new_queue(0);
	struct sabir_loan loan;
	memset(data, 1, sizeof(data));
	CHECK_OK(sabir_queue_put_bytes(q, data, sizeof(data), 0));
	NEED(sabir_queue_borrow(q, 0, &loan));
	CHECK_OK(sabir_delete_handle(conn, sabir_queue_handle(q)));
	sabir_queue *next = new_queue(0);
	memset(data, 2, sizeof(data));
	for (int i = 0; i < 100; i++)
		CHECK_OK(sabir_queue_put_bytes(next, data, sizeof(data), 0));
	CHECK(is_bytes(&loan.item, sizeof(data), 1));
	enum sabir_error expected = loan.in_place ? SABIR_DELETED : SABIR_OK;
	CHECK_ERROR(sabir_queue_release(&loan), expected);
	drop(next);
	sabir_queue_free(q);
}

/* ---------------------------------------------------------------- processes */

/* A child that has a slot and a loan of its own, and dies with them; and may do nothing with its parent's. */
static void die_in_child(sabir_queue *q, struct sabir_slot *slot, struct sabir_loan *loan)
{
	struct sabir_slot own;
	struct sabir_loan borrowed;
	reserve(q, 300000, 1, &own);
	if (sabir_queue_borrow(q, 0, &borrowed) || !is_bytes(&borrowed.item, 1, 2))
		_exit(1);
	if (sabir_queue_commit(slot, 0) != SABIR_INVALID_ARGUMENT || sabir_queue_release(loan) != SABIR_NOT_HELD)
		_exit(2);
	kill(getpid(), SIGKILL);
}

static void what_a_killed_borrower_had_is_back(void)
{
	sabir_queue *q = new_queue(0);
	struct sabir_slot slot;
	struct sabir_loan loan;
	int status = 0;
	if (!sabir_is_local(conn))
		return drop(q);
	put(q, 1);
	put(q, 2);
	put(q, 3);
	reserve(q, 10, 4, &slot);
	NEED(sabir_queue_borrow(q, 0, &loan));
	pid_t pid = fork();
	if (pid == 0)
		die_in_child(q, &slot, &loan);
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	for (int i = 0; i < 5000 && size_of(q) < 2; i++)
		usleep(1000);
	CHECK_OK(sabir_queue_return(&loan));
	CHECK_OK(sabir_queue_commit(&slot, 0));
	CHECK(gets(q, 1, 1) && gets(q, 1, 2) && gets(q, 1, 3) && gets(q, 10, 4));
	drop(q);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(what_is_committed_is_got),
		TEST(other_forms_are_checked),
		TEST(a_commit_waits_for_room),
		TEST(who_waits_is_woken_by_puts_and_gets),
		TEST(who_waits_is_cancelled),
		TEST(a_slot_in_place_is_of_its_thread),
		TEST(a_borrowed_item_can_be_read_until_it_is_released),
		TEST(every_kind_can_be_borrowed),
		TEST(a_returned_item_is_at_its_old_place),
		TEST(a_copy_of_a_loan_that_is_over_is_not_held),
		TEST(a_task_queue_is_used_by_copies),
		TEST(a_deleted_queue_ends_slots_and_loans),
		TEST(the_item_of_a_deleted_queue_stays_as_it_is),
		TEST(what_a_killed_borrower_had_is_back),
	};
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
