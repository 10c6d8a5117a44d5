/* SPDX-License-Identifier: Apache-2.0 */
/* References to objects that travel through other objects, by the C API against a real server. */
#include "tests/integration/c_api.h"

/* An anonymous queue with one item, and its handle as an item. */
static struct sabir_item make_target(void)
{
	sabir_queue *q;
	struct sabir_item reference;
	NEED(sabir_queue_create(conn, NULL, 0, 0, &q));
	CHECK_OK(sabir_queue_put_text(q, "found", 0));
	reference = sabir_object(sabir_queue_handle(q));
	sabir_queue_free(q);
	return reference;
}

/* Uses what a reference leads to, and deletes it. */
static void use_target(const struct sabir_item *reference)
{
	struct sabir_item *item;
	sabir_queue *q;
	CHECK(reference->kind == SABIR_ITEM_OBJECT && reference->len == 0);
	NEED(sabir_queue_open_handle(conn, reference->as.u, &q));
	NEED(sabir_queue_get(q, 0, &item));
	CHECK(is_text(item, "found"));
	sabir_free(item);
	CHECK_OK(sabir_delete_handle(conn, reference->as.u));
	sabir_queue_free(q);
}

static void through_a_queue(void)
{
	struct sabir_item reference = make_target(), *item;
	sabir_queue *q;
	NEED(sabir_queue_create(conn, NULL, 0, 0, &q));
	CHECK_OK(sabir_queue_put(q, &reference, 0));
	NEED(sabir_queue_get(q, 0, &item));
	use_target(item);
	sabir_free(item);
	CHECK_OK(sabir_delete_handle(conn, sabir_queue_handle(q)));
	sabir_queue_free(q);
}

static void through_a_dict_and_a_namespace(void)
{
	struct sabir_item in_dict = make_target(), in_namespace = make_target(), key = sabir_text("k"), *item;
	sabir_namespace *ns;
	sabir_dict *d;
	NEED(sabir_dict_create(conn, NULL, 0, &d));
	NEED(sabir_namespace_create(conn, NULL, 0, &ns));
	CHECK_OK(sabir_dict_set(d, &key, &in_dict, NULL));
	CHECK_OK(sabir_namespace_set(ns, "k", &in_namespace, NULL));
	NEED(sabir_dict_get(d, &key, &item));
	use_target(item);
	sabir_free(item);
	NEED(sabir_namespace_get(ns, "k", &item));
	use_target(item);
	sabir_free(item);
	CHECK_OK(sabir_delete_handle(conn, sabir_dict_handle(d)));
	CHECK_OK(sabir_delete_handle(conn, sabir_namespace_handle(ns)));
	sabir_namespace_free(ns);
	sabir_dict_free(d);
}

static void through_a_pipe(void)
{
	struct sabir_item reference = make_target(), *item;
	sabir_pipe *ends[2];
	NEED(sabir_pipe_create(conn, NULL, 0, 0, ends));
	uint64_t handle = sabir_pipe_handle(ends[0]);
	CHECK_OK(sabir_pipe_send(ends[0], &reference, 0));
	NEED(sabir_pipe_recv(ends[1], 0, &item));
	use_target(item);
	sabir_free(item);
	sabir_pipe_free(ends[0]);
	sabir_pipe_free(ends[1]);
	(void)sabir_delete_handle(conn, handle);
}

static void a_reference_to_what_is_gone_leads_to_nothing_else(void)
{
	struct sabir_item gone = make_target(), *item;
	sabir_queue *q, *other;
	NEED(sabir_queue_create(conn, NULL, 0, 0, &q));
	CHECK_OK(sabir_queue_put(q, &gone, 0));
	CHECK_OK(sabir_delete_handle(conn, gone.as.u));
	/* Whoever gets the same place gets another handle. */
	struct sabir_item next = make_target();
	NEED(sabir_queue_get(q, 0, &item));
	CHECK_ERROR(sabir_queue_open_handle(conn, item->as.u, &other), SABIR_DELETED);
	use_target(&next);
	sabir_free(item);
	CHECK_OK(sabir_delete_handle(conn, sabir_queue_handle(q)));
	sabir_queue_free(q);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(through_a_queue),
		TEST(through_a_dict_and_a_namespace),
		TEST(through_a_pipe),
		TEST(a_reference_to_what_is_gone_leads_to_nothing_else),
	};
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
