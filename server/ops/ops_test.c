/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operation table against the contract, and what all operations have in common: references, malformed requests,
 * errors on the wire.
 */
#include "server/ops/test_kit.h"

/* ---------------------------------------------------------------- the table and the protos */

static void test_every_method_has_its_operation_in_order(void)
{
	size_t n = 0;

	for (size_t s = 0; s < N_OPS_SERVICES; s++) {
		for (unsigned i = 0; i < ops_services[s]->n_methods; i++) {
			char path[128];
			snprintf(path, sizeof(path), "/%s/%s", ops_services[s]->name, ops_services[s]->methods[i].name);
			if (ops_is_stream(path))
				continue;
			CU_ASSERT_FATAL(n < op_count());
			CU_ASSERT_STRING_EQUAL(op_path(op_at(n)), path);
			CU_ASSERT(op_find(path) == op_at(n++));
		}
	}
	CU_ASSERT(n == op_count());
	CU_ASSERT(op_at(n) == NULL);
	CU_ASSERT(op_find("/sabir.v1.QueueService/Nothing") == NULL);
	CU_ASSERT(op_find("") == NULL);
}

/* What protoc-c says about a field that a table reads as `kind`. */
static bool field_matches(const struct request_field *t, const ProtobufCFieldDescriptor *f)
{
	static const struct {
		ProtobufCType type;
		const char *message;
	} expected[] = {
		[FIELD_REF] = { PROTOBUF_C_TYPE_MESSAGE, "ObjectRef" },
		[FIELD_VALUE] = { PROTOBUF_C_TYPE_BYTES, NULL },
		[FIELD_KEY] = { PROTOBUF_C_TYPE_BYTES, NULL },
		[FIELD_SCALAR] = { PROTOBUF_C_TYPE_MESSAGE, "Scalar" },
		[FIELD_ELEMENTS] = { PROTOBUF_C_TYPE_MESSAGE, "Elements" },
		[FIELD_DURATION] = { PROTOBUF_C_TYPE_MESSAGE, "Duration" },
		[FIELD_TIMEOUT] = { PROTOBUF_C_TYPE_MESSAGE, "Duration" },
		[FIELD_BYTES] = { PROTOBUF_C_TYPE_BYTES, NULL },
		[FIELD_U32] = { PROTOBUF_C_TYPE_UINT32, NULL },
		[FIELD_ENUM] = { PROTOBUF_C_TYPE_ENUM, NULL },
		[FIELD_U64] = { PROTOBUF_C_TYPE_UINT64, NULL },
		[FIELD_BOOL] = { PROTOBUF_C_TYPE_BOOL, NULL },
	};

	if (t->number != f->id || strcmp(t->name, f->name))
		return false;
	if ((t->kind == FIELD_REPEATED) != (f->label == PROTOBUF_C_LABEL_REPEATED))
		return false;
	if (t->kind == FIELD_REPEATED || t->kind == FIELD_SPEC)
		return f->type == PROTOBUF_C_TYPE_MESSAGE || f->type == PROTOBUF_C_TYPE_BYTES;
	if (t->kind == FIELD_U64 && f->type == PROTOBUF_C_TYPE_INT64)
		return true;
	if ((t->kind == FIELD_VALUE || t->kind == FIELD_KEY) != ops_is_value(f))
		return false;
	const ProtobufCMessageDescriptor *m = f->type == PROTOBUF_C_TYPE_MESSAGE ? f->descriptor : NULL;
	return f->type == expected[t->kind].type && (!m || !strcmp(m->short_name, expected[t->kind].message));
}

static void test_every_field_is_read_as_the_protos_have_it(void)
{
	for (size_t i = 0; i < op_count(); i++) {
		const struct op *op = op_at(i);
		const ProtobufCMessageDescriptor *m = ops_method(op->path + strlen("/sabir.v1."))->input;
		unsigned n = 0;
		for (const struct request_field *t = op->fields; t->number; t++, n++) {
			CU_ASSERT_FATAL(n < m->n_fields);
			CU_ASSERT(field_matches(t, &m->fields[n]));
			if (!field_matches(t, &m->fields[n]))
				fprintf(stderr, "\n%s: field %s\n", op->path, t->name);
		}
		CU_ASSERT(n == m->n_fields);
	}
}

static void test_what_waits_for_others_says_so(void)
{
	for (size_t i = 0; i < op_count(); i++) {
		bool waits = false;
		for (const struct request_field *t = op_at(i)->fields; t->number; t++)
			waits |= !strcmp(t->name, "timeout");
		CU_ASSERT(op_can_wait(op_at(i)) == waits);
	}
}

/* ---------------------------------------------------------------- references */

static void test_objects_are_found_by_name_and_by_handle(void)
{
	char request[64];

	CU_ASSERT(ops_call("ManagerService/Create", "name='ref/q' queue={}") == SABIR_OK);
	CU_ASSERT(ops_call("ManagerService/Create", "queue={}") == SABIR_OK);
	const char *handle = strstr(ops_text, "handle=");
	CU_ASSERT_FATAL(handle != NULL);
	snprintf(request, sizeof(request), "queue={handle=%s}", strtok((char *)handle + 7, " "));
	CU_ASSERT(ops_answers("QueueService/Size", request, "empty=true"));
	CU_ASSERT(ops_answers("QueueService/Size", "queue={name='ref/q'}", "empty=true"));
	CU_ASSERT(ops_fails("QueueService/Size", "queue={name='ref/x'}", SABIR_NOT_FOUND, "queue 'ref/x'"));
	CU_ASSERT(ops_fails("QueueService/Size", "queue={name='ref//x'}", SABIR_INVALID_NAME, "queue 'ref//x'"));
	CU_ASSERT(ops_fails("QueueService/Size", "queue={name=''}", SABIR_INVALID_NAME, "queue ''"));
	CU_ASSERT(ops_fails("QueueService/Size", "queue={handle=99}", SABIR_NOT_FOUND, "queue #99.0"));
	CU_ASSERT(ops_fails("QueueService/Size", "queue={handle=0}", SABIR_NOT_FOUND, ""));
	/* Object 0 is the directory, which is nobody's to use. */
	CU_ASSERT(ops_fails("DictService/Len", "dict={handle=4294967296}", SABIR_NOT_FOUND, "dict #0.1"));
	CU_ASSERT(ops_fails("DictService/Len", "dict={name='ref/q'}", SABIR_WRONG_KIND, "dict 'ref/q': it is a queue"));
}

static void test_references_must_hold_one_thing(void)
{
	const char *text = "field 'queue' must hold either a name or a handle";

	CU_ASSERT(ops_fails("QueueService/Size", "", SABIR_INVALID_ARGUMENT, "field 'queue' is missing"));
	CU_ASSERT(ops_fails("QueueService/Size", "queue={}", SABIR_INVALID_ARGUMENT, text));
	CU_ASSERT(ops_fails("QueueService/Size", "queue={name='a' handle=1}", SABIR_INVALID_ARGUMENT, text));
	CU_ASSERT(ops_fails("QueueService/Size", "queue={name='a'} queue={name='b'}", SABIR_INVALID_ARGUMENT,
			    "field 'queue' comes twice"));
}

static void test_details_are_printable_and_not_too_long(void)
{
	char name[300], request[400];

	CU_ASSERT(ops_fails("QueueService/Size", "queue={name='a\x01\xff\xc3\xa9'}", SABIR_INVALID_NAME,
			    "queue 'a?"
			    "?"
			    "?"
			    "?'"));
	memset(name, 'n', sizeof(name));
	memcpy(name + 63, "\xc3\xa9", 2);
	snprintf(request, sizeof(request), "queue={name='%.300s'}", name);
	CU_ASSERT(ops_call("QueueService/Size", request) == SABIR_INVALID_NAME);
	CU_ASSERT(strlen(ops_detail) == strlen("queue ''...") + 63);
	CU_ASSERT(!strcmp(ops_detail + strlen(ops_detail) - 5, "n...'"));
}

/* ---------------------------------------------------------------- malformed requests */

#define RAW(method, bytes) ops_run(method, (struct span){ (const uint8_t *)(bytes), sizeof(bytes) - 1 })

static void test_unknown_fields_are_skipped(void)
{
	CU_ASSERT(ops_call("ManagerService/Create", "name='skip' queue={}") == SABIR_OK);
	/* fields 15 (varint, fixed32, fixed64, bytes) and 1000, inside and outside of the reference */
	CU_ASSERT(RAW("QueueService/Size", "\x78\x01\x0a\x0a\x0a\x04skip\x7a\x02xx\x7d"
					   "abcd\x79"
					   "abcdefgh\xc2\x3e\x01x") == SABIR_OK);
	CU_ASSERT_STRING_EQUAL(ops_text, "empty=true");
}

static void test_malformed_requests_are_refused(void)
{
	CU_ASSERT(RAW("QueueService/Size", "\x0a") == SABIR_INVALID_ARGUMENT);
	CU_ASSERT_STRING_EQUAL(ops_detail, "the message is malformed");
	CU_ASSERT(RAW("QueueService/Size", "\x0a\x7f") == SABIR_INVALID_ARGUMENT);
	CU_ASSERT(RAW("QueueService/Size", "\x0b\x0c") == SABIR_INVALID_ARGUMENT);
	CU_ASSERT(RAW("QueueService/Size", "\x02") == SABIR_INVALID_ARGUMENT);
	CU_ASSERT(RAW("QueueService/Size", "\x08\x01") == SABIR_INVALID_ARGUMENT);
	CU_ASSERT_STRING_EQUAL(ops_detail, "field 'queue' is malformed");
	CU_ASSERT(RAW("QueueService/Size", "\x0a\x02\x08\x01") == SABIR_INVALID_ARGUMENT);
	CU_ASSERT_STRING_EQUAL(ops_detail, "field 'queue' is malformed");
	CU_ASSERT(RAW("QueueService/Size", "\x0a\x02\x0a\x05") == SABIR_INVALID_ARGUMENT);
	CU_ASSERT(RAW("QueueService/GetMany", "\x0a\x02\x10\x01\x10\x80\x80\x80\x80\x10") == SABIR_INVALID_ARGUMENT);
	CU_ASSERT_STRING_EQUAL(ops_detail, "field 'max_items' is malformed");
}

/* One request of every operation, as full as can be; what they need is there. */
static const char *const full_requests[][2] = {
	{ "ManagerService/Create", "name='full/new' exist_ok=true array={type_code=6 length=3 initial='abcdefgh'}" },
	{ "ManagerService/Create", "name='full/new' exist_ok=true value={type_code=13 initial={double_value=1.5}}" },
	{ "ManagerService/Open", "object={name='full/q'} kind=1" },
	{ "ManagerService/List", "prefix='full/' kind=1 page_size=1" },
	{ "ManagerService/Describe", "object={name='full/q'}" },
	{ "QueueService/Put", "queue={name='full/q'} item=$'text' timeout={seconds=0 nanos=1}" },
	{ "QueueService/PutMany", "queue={name='full/q'} items=$1 items=$'two' items=$null timeout={seconds=1}" },
	{ "QueueService/Get", "queue={name='full/q'} timeout={nanos=5}" },
	{ "QueueService/GetMany", "queue={name='full/q'} max_items=7 timeout={seconds=0}" },
	{ "ValueService/Set", "value={name='full/v'} new_value={int_value=5}" },
	{ "ValueService/CompareExchange", "value={name='full/v'} expected={uint_value=5} desired={int_value=-5}" },
	{ "ArrayService/Set", "array={name='full/a'} index=-1 value={int_value=5}" },
	{ "ArrayService/CompareExchange",
	  "array={name='full/a'} index=1 expected={int_value=0} desired={int_value=1}" },
	{ "ArrayService/GetSlice", "array={name='full/a'} start=1 count=2" },
	{ "ArrayService/SetSlice", "array={name='full/a'} start=1 elements={type_code=6 data='abcdefgh'}" },
	{ "ArrayService/Fill", "array={name='full/a'} start=1 count=2 value={int_value=7}" },
	{ "DictService/Set", "dict={name='full/d'} key=$'k' value=$1" },
	{ "DictService/Update", "dict={name='full/d'} entries={key=$'a' value=$1} entries={key=$2 value=$'b'}" },
	{ "DictService/Increment", "dict={name='full/d'} key=$'n' delta=$1.5" },
	{ "DictService/CompareExchange", "dict={name='full/d'} key=$'k' expected=$1 desired=$2" },
	{ "DictService/Items", "dict={name='full/d'} page_size=1 reverse=true" },
	{ "DictService/PopItem", "dict={name='full/d'} first=true" },
	{ "NamespaceService/Set", "namespace={name='full/n'} name='x' value=$1" },
	{ "NamespaceService/Increment", "namespace={name='full/n'} name='x' delta=$1" },
	{ "NamespaceService/List", "namespace={name='full/n'} page_size=1" },
};
#define N_FULL (sizeof(full_requests) / sizeof(full_requests[0]))

static void make_full(void)
{
	(void)ops_call("ManagerService/Create", "name='full/q' queue={max_items=100}");
	(void)ops_call("ManagerService/Create", "name='full/v' value={type_code=10}");
	(void)ops_call("ManagerService/Create", "name='full/a' array={type_code=6 length=4}");
	(void)ops_call("ManagerService/Create", "name='full/d' dict={}");
	(void)ops_call("ManagerService/Create", "name='full/n' namespace={}");
}

static void test_requests_cut_short_anywhere_are_answered(void)
{
	make_full();
	for (size_t i = 0; i < N_FULL; i++) {
		uint8_t encoded[8192];
		struct span whole = ops_request(full_requests[i][0], full_requests[i][1], encoded);
		for (size_t len = 0; len < whole.len; len++) {
			uint8_t *exact = malloc(len + !len);
			memcpy(exact, whole.data, len);
			enum sabir_error error = ops_run(full_requests[i][0], (struct span){ exact, len });
			CU_ASSERT(error != SABIR_INTERNAL && error != SABIR_DATA_LOSS);
			CU_ASSERT(!strstr(ops_text, "INVALID") && !strstr(ops_text, "MALFORMED"));
			free(exact);
		}
	}
}

static void test_random_requests_are_answered(void)
{
	unsigned seed = 7;

	make_full();
	for (unsigned round = 0; round < 30000; round++) {
		uint8_t encoded[8192];
		const char *const *full = full_requests[(unsigned)rand_r(&seed) % N_FULL];
		struct span whole = ops_request(full[0], full[1], encoded);
		uint8_t *exact = malloc(whole.len);
		memcpy(exact, whole.data, whole.len);
		for (unsigned i = 0; i < 1 + round % 4; i++)
			exact[(unsigned)rand_r(&seed) % whole.len] = (uint8_t)rand_r(&seed);
		enum sabir_error error = ops_run(full[0], (struct span){ exact, whole.len });
		CU_ASSERT(error != SABIR_INTERNAL && error != SABIR_DATA_LOSS);
		CU_ASSERT(!strstr(ops_text, "INVALID") && !strstr(ops_text, "MALFORMED"));
		free(exact);
	}
	CU_ASSERT(ops_call("QueueService/Clear", "queue={name='full/q'}") == SABIR_OK);
}

static void test_random_bytes_are_answered_by_every_operation(void)
{
	unsigned seed = 3;

	for (unsigned round = 0; round < 30000; round++) {
		uint8_t random[64];
		size_t len = (unsigned)rand_r(&seed) % sizeof(random);
		for (size_t i = 0; i < len; i++)
			random[i] = (uint8_t)rand_r(&seed) & (round % 2 ? 0xff : 0x1f);
		const struct op *op = op_at(round % op_count());
		(void)ops_run(op->path + strlen("/sabir.v1."), (struct span){ random, len });
	}
	CU_PASS("no crash");
}

/* ---------------------------------------------------------------- errors on the wire */

static void test_status_names_the_reason(void)
{
	struct bytes out = { 0 };
	char text[OP_MESSAGE_SIZE];

	op_text(SABIR_FULL, "queue 'q'", text);
	CU_ASSERT_STRING_EQUAL(text, "the queue is full: queue 'q'");
	op_text(SABIR_FULL, "", text);
	CU_ASSERT_STRING_EQUAL(text, "the queue is full");
	CU_ASSERT(op_status(SABIR_FULL, "queue 'q'", &out) == SABIR_OK && out.n_items == 1);
	static const char expected[] = "\x08\x09\x12\x1c"
				       "the queue is full: queue 'q'"
				       "\x1a\x57"
				       "\x0a\x28"
				       "type.googleapis.com/google.rpc.ErrorInfo"
				       "\x12\x2b"
				       "\x0a\x04"
				       "FULL"
				       "\x12\x09"
				       "sabir.dev"
				       "\x1a\x18"
				       "\x0a\x06"
				       "detail"
				       "\x12\x09"
				       "queue 'q'";
	CU_ASSERT(out.len >= 4 && !memcmp(out.data, expected, 4 + 28));
	CU_ASSERT(out.data[4 + 28] == 0x1a && out.data[4 + 29] == out.len - 34);
	CU_ASSERT(memmem(out.data, out.len,
			 "\x0a\x04"
			 "FULL\x12\x09sabir.dev\x1a",
			 18) != NULL);
	CU_ASSERT(memmem(out.data, out.len,
			 "\x0a\x06"
			 "detail\x12\x09queue 'q'",
			 19) != NULL);
	bytes_fini(&out);
}

static void test_every_error_fits_its_texts(void)
{
	char detail[OP_DETAIL_SIZE], text[OP_MESSAGE_SIZE];

	memset(detail, 'd', sizeof(detail));
	detail[OP_DETAIL_SIZE - 1] = '\0';
	for (int error = 1; error <= 40; error++) {
		struct bytes out = { 0 };
		op_text((enum sabir_error)error, detail, text);
		CU_ASSERT(strstr(text, detail) != NULL);
		CU_ASSERT(op_status((enum sabir_error)error, detail, &out) == SABIR_OK);
		bytes_fini(&out);
	}
	CU_ASSERT_STRING_EQUAL(error_name(SABIR_NOT_FOUND), "NOT_FOUND");
	CU_ASSERT(error_grpc_code(SABIR_NOT_FOUND) == 5 && error_grpc_code(SABIR_OK) == 0 &&
		  error_grpc_code(9999) == 2);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(test_every_method_has_its_operation_in_order),
		KIT_TEST(test_every_field_is_read_as_the_protos_have_it),
		KIT_TEST(test_what_waits_for_others_says_so),
		KIT_TEST(test_objects_are_found_by_name_and_by_handle),
		KIT_TEST(test_references_must_hold_one_thing),
		KIT_TEST(test_details_are_printable_and_not_too_long),
		KIT_TEST(test_unknown_fields_are_skipped),
		KIT_TEST(test_malformed_requests_are_refused),
		KIT_TEST(test_requests_cut_short_anywhere_are_answered),
		KIT_TEST(test_random_requests_are_answered),
		KIT_TEST(test_random_bytes_are_answered_by_every_operation),
		KIT_TEST(test_status_names_the_reason),
		KIT_TEST(test_every_error_fits_its_texts),
	};

	return kit_run("ops", ops_setup, ops_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
