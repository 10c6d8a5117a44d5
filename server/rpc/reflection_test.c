/* SPDX-License-Identifier: Apache-2.0 */
/* Server reflection, and the schema that it reads. */
#include "server/rpc/schema.h"
#include "server/rpc/test_ask.h"

#define V1 "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
#define V1ALPHA "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

enum {
	ASK_FILE = 3,
	ASK_SYMBOL = 4,
	ASK_EXTENSION = 5,
	ASK_NUMBERS = 6,
	ASK_SERVICES = 7,
};

static struct kit kit;

static int start(void)
{
	return !kit_start(&kit, (struct rpc_options){ .max_parked = 4 });
}

static int stop(void)
{
	kit_stop(&kit);
	return 0;
}

static struct span of_text(const char *text)
{
	return (struct span){ (const uint8_t *)text, strlen(text) };
}

/* Asks on an open stream. The answer: the field of the response that is set. */
static struct span question(struct ask *ask, uint32_t kind, const char *text, uint32_t answer)
{
	struct form form = { .len = 0 };
	form_bytes(&form, kind, text, strlen(text));
	ask_send(ask, form_span(&form), false);
	CU_ASSERT_TRUE_FATAL(ask_read(ask));
	struct span response = { ask->response, ask->response_len < sizeof(ask->response) ? ask->response_len
											  : sizeof(ask->response) };
	struct span echo = kit_field(response, 2);
	CU_ASSERT_TRUE(echo.len == form.len && !memcmp(echo.data, form.bytes, form.len));
	return kit_field(response, answer);
}

static void finish(struct ask *ask)
{
	ask_send(ask, (struct span){ NULL, 0 }, true);
	CU_ASSERT_EQUAL(ask_finish(ask), GRPC_STATUS_OK);
}

/* Whether the list names the service of a path of the operation table. */
static bool lists_service_of(struct span list, const char *path)
{
	struct wire_field f;
	size_t len = strcspn(path + 1, "/");
	for (const uint8_t *at = list.data, *end = at + list.len; at < end && wire_next(&at, end, &f);) {
		struct span name = kit_field(f.bytes, 1);
		if (name.len == len && !memcmp(name.data, path + 1, len))
			return true;
	}
	return false;
}

static void both_versions_list_every_service(void)
{
	static const char *const paths[] = { V1, V1ALPHA };
	for (int i = 0; i < 2; i++) {
		struct ask ask;
		ask_open(&kit, &ask, i, paths[i], KIT_PATIENCE_MS);
		struct span list = question(&ask, ASK_SERVICES, "*", 6);
		for (size_t k = 0; k < op_count(); k++)
			CU_ASSERT(lists_service_of(list, op_path(op_at(k))));
		CU_ASSERT(lists_service_of(list, "/grpc.health.v1.Health/Check"));
		for (int k = 0; k < 2; k++)
			CU_ASSERT(lists_service_of(list, paths[k]));
		finish(&ask);
	}
}

static void a_symbol_leads_to_its_file(void)
{
	static const char *const symbols[] = {
		"sabir.v1.QueueService",
		"sabir.v1.QueueService.Put",
		"sabir.v1.QueueServicePutRequest",
		"sabir.v1.QueueServicePutRequest.item",
	};
	struct ask ask;
	ask_open(&kit, &ask, 0, V1, KIT_PATIENCE_MS);
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		/* FileDescriptorResponse.file_descriptor_proto -> FileDescriptorProto.name */
		struct span name = kit_field(kit_field(question(&ask, ASK_SYMBOL, symbols[i], 4), 1), 1);
		CU_ASSERT_TRUE(name.len == strlen("sabir/v1/queue.proto") &&
			       !memcmp(name.data, "sabir/v1/queue.proto", name.len));
	}
	finish(&ask);
}

static void an_unknown_symbol_is_not_found(void)
{
	static const char *const symbols[] = {
		"", "sabir.v1", "sabir.v1.", "sabir.v1.Queue", "sabir.v1.QueueService.", "QueueService"
	};
	struct ask ask;
	ask_open(&kit, &ask, 0, V1, KIT_PATIENCE_MS);
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		struct span error = question(&ask, ASK_SYMBOL, symbols[i], 7);
		CU_ASSERT_TRUE(error.len > 2 && error.data[1] == GRPC_STATUS_NOT_FOUND);
	}
	finish(&ask);
}

static void a_file_is_found_by_name_or_not_found(void)
{
	struct ask ask;
	ask_open(&kit, &ask, 1, V1ALPHA, KIT_PATIENCE_MS);
	CU_ASSERT_TRUE(question(&ask, ASK_FILE, "sabir/v1/value.proto", 4).len > 0);
	struct span error = question(&ask, ASK_FILE, "sabir/v1/none.proto", 7);
	CU_ASSERT_TRUE(error.len > 2 && error.data[1] == GRPC_STATUS_NOT_FOUND);
	finish(&ask);
}

static void extensions_are_answered_properly(void)
{
	struct ask ask;
	ask_open(&kit, &ask, 1, V1, KIT_PATIENCE_MS);
	/* The protos have none: of a message that exists the list is empty, but for its name. */
	struct span numbers = question(&ask, ASK_NUMBERS, "sabir.v1.Value", 5);
	CU_ASSERT_EQUAL(kit_field(numbers, 1).len, strlen("sabir.v1.Value"));
	CU_ASSERT_PTR_NULL(kit_field(numbers, 2).data);
	struct span error = question(&ask, ASK_NUMBERS, "sabir.v1.None", 7);
	CU_ASSERT_TRUE(error.len > 2 && error.data[1] == GRPC_STATUS_NOT_FOUND);
	error = question(&ask, ASK_EXTENSION, "\x0a\x0esabir.v1.Value\x10\x07", 7);
	CU_ASSERT_TRUE(error.len > 2 && error.data[1] == GRPC_STATUS_NOT_FOUND);
	error = question(&ask, ASK_EXTENSION, "\x0a\x7f", 7);
	CU_ASSERT_TRUE(error.len > 2 && error.data[1] == GRPC_STATUS_INVALID_ARGUMENT);
	finish(&ask);
}

static void a_file_comes_with_its_imports(void)
{
	struct bytes files = { 0 };
	CU_ASSERT_EQUAL_FATAL(schema_add_with_imports(schema_file(of_text("sabir/v1/queue.proto")), &files), SABIR_OK);
	bool timestamp = false;
	for (size_t i = 0; i < files.n_items; i++) {
		struct span name = kit_field(bytes_item(&files, i), 1);
		timestamp |= name.len == strlen("google/protobuf/timestamp.proto") &&
			     !memcmp(name.data, "google/protobuf/timestamp.proto", name.len);
	}
	CU_ASSERT_EQUAL(files.n_items, 5); /* queue, duration, object, value, timestamp */
	CU_ASSERT_TRUE(timestamp);
	bytes_fini(&files);
}

static void enum_values_belong_to_the_scope_around(void)
{
	CU_ASSERT_PTR_NOT_NULL(schema_file_of_symbol(of_text("sabir.v1.KIND_QUEUE")).data);
	CU_ASSERT_PTR_NOT_NULL(schema_file_of_symbol(of_text("sabir.v1.Kind")).data);
	CU_ASSERT_PTR_NULL(schema_file_of_symbol(of_text("sabir.v1.Kind.KIND_QUEUE")).data);
	CU_ASSERT_PTR_NOT_NULL(schema_file_of_symbol(of_text("grpc.health.v1.HealthCheckResponse.SERVING")).data);
}

static void a_malformed_question_ends_the_stream(void)
{
	struct ask ask;
	ask_open(&kit, &ask, 0, V1, KIT_PATIENCE_MS);
	ask_send(&ask, (struct span){ (const uint8_t *)"\x22\x7f", 2 }, false);
	CU_ASSERT_EQUAL(ask_finish(&ask), GRPC_STATUS_INVALID_ARGUMENT);
}

static void a_question_of_no_known_kind_is_an_error_answer(void)
{
	struct ask ask;
	ask_open(&kit, &ask, 0, V1, KIT_PATIENCE_MS);
	struct span error = question(&ask, 1, "host only", 7);
	CU_ASSERT_TRUE(error.len > 2 && error.data[1] == GRPC_STATUS_INVALID_ARGUMENT);
	finish(&ask);
}

static void draining_ends_a_silent_stream(void)
{
	struct ask ask;
	ask_open(&kit, &ask, 0, V1, KIT_PATIENCE_MS);
	CU_ASSERT_TRUE(question(&ask, ASK_SERVICES, "", 6).len > 0);
	ask_send(&ask, (struct span){ NULL, 0 }, false);
	rpc_drain(kit.rpc);
	CU_ASSERT_EQUAL(ask_finish(&ask), GRPC_STATUS_UNAVAILABLE);
}

int main(void)
{
	const CU_TestInfo tests[] = {
		KIT_TEST(both_versions_list_every_service),
		KIT_TEST(a_symbol_leads_to_its_file),
		KIT_TEST(an_unknown_symbol_is_not_found),
		KIT_TEST(a_file_is_found_by_name_or_not_found),
		KIT_TEST(extensions_are_answered_properly),
		KIT_TEST(a_file_comes_with_its_imports),
		KIT_TEST(enum_values_belong_to_the_scope_around),
		KIT_TEST(a_malformed_question_ends_the_stream),
		KIT_TEST(a_question_of_no_known_kind_is_an_error_answer),
		KIT_TEST(draining_ends_a_silent_stream),
	};
	return kit_run("reflection", start, stop, tests, sizeof(tests) / sizeof(tests[0]));
}
