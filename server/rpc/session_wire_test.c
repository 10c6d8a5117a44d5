/* SPDX-License-Identifier: Apache-2.0 */
/* The frames of a session's stream. Each is read in memory of exactly its size, so that ASan sees who reads beyond. */
#include "server/rpc/session_wire.h"

#include <CUnit/Basic.h>
#include <stdlib.h>

#include "server/rpc/test_form.h"
#include "server/shm/test_kit.h"

enum { HELLO = 1, CALLS = 2, CANCELS = 3, ACKNOWLEDGED = 4 };  /* of a message */
enum { TAG = 1, METHOD = 2, REQUEST = 3, THREAD = 4, ID = 5 }; /* of a call */
enum { TOKEN = 3 };                                            /* of a hello */

static int nothing(void)
{
	return 0;
}

static struct span text(const char *text)
{
	return (struct span){ (const uint8_t *)text, strlen(text) };
}

static bool is(struct span bytes, const char *text)
{
	return bytes.len == strlen(text) && !memcmp(bytes.data, text, bytes.len);
}

enum level { MESSAGE, CALL, GREETING, N_LEVELS };

/* Whether a message is one, or a message with such a call or hello. */
static bool reads(enum level level, struct span bytes)
{
	static const uint32_t fields[] = { [CALL] = CALLS, [GREETING] = HELLO };
	struct form form = { .len = 0 };
	struct session_message m;
	struct span token;
	if (level != MESSAGE) {
		form_bytes(&form, fields[level], bytes.data, bytes.len);
		bytes = form_span(&form);
	}
	uint8_t *copy = malloc(bytes.len);
	memcpy(copy, bytes.data, bytes.len);
	bool fine = session_message_read((struct span){ copy, bytes.len }, &m) &&
		    (!m.hello.data || session_hello_read(m.hello, &token));
	free(copy);
	return fine;
}

static struct form a_call(uint64_t tag, const char *method, const char *request)
{
	struct form form = { .len = 0 };
	form_number(&form, TAG, tag);
	form_bytes(&form, METHOD, method, strlen(method));
	form_bytes(&form, REQUEST, request, strlen(request));
	form_number(&form, THREAD, 300);
	form_number(&form, ID, UINT64_MAX);
	return form;
}

static struct form a_hello(void)
{
	struct form form = { .len = 0 };
	form_bytes(&form, 1, "label", 5);
	form_timeout_ms(&form, 2, 5000);
	form_bytes(&form, TOKEN, "token", 5);
	return form;
}

/* One field of each kind; ends[i] is where field i ends. */
static struct form a_message(size_t ends[4])
{
	struct form form = { .len = 0 }, hello = a_hello(), call = a_call(7, "/s/M", "abc");
	form_form(&form, HELLO, &hello);
	ends[0] = form.len;
	form_form(&form, CALLS, &call);
	ends[1] = form.len;
	form_bytes(&form, CANCELS, "\1\xac\2", 3);
	ends[2] = form.len;
	form_number(&form, ACKNOWLEDGED, 1000);
	ends[3] = form.len;
	return form;
}

static void what_a_message_says_is_read(void)
{
	size_t ends[4];
	struct form form = a_message(ends), second = a_call(0, "/s/N", "");
	struct session_message m;
	struct session_call c;
	struct span token;
	form_form(&form, CALLS, &second);
	struct span rest = form_span(&form);
	CU_ASSERT_TRUE_FATAL(session_message_read(rest, &m));
	CU_ASSERT_EQUAL(m.acknowledged_below, 1000);
	CU_ASSERT_TRUE(session_hello_read(m.hello, &token) && is(token, "token"));
	CU_ASSERT_TRUE_FATAL(session_call_next(&rest, &c));
	CU_ASSERT_TRUE(c.tag == 7 && c.thread == 300 && c.id == UINT64_MAX);
	CU_ASSERT_TRUE(is(c.method, "/s/M") && is(c.request, "abc"));
	CU_ASSERT_TRUE_FATAL(session_call_next(&rest, &c));
	CU_ASSERT_TRUE(c.tag == 0 && is(c.method, "/s/N") && c.request.len == 0);
	CU_ASSERT_FALSE(session_call_next(&rest, &c));
}

static void a_message_of_nothing_says_nothing(void)
{
	struct session_message m;
	struct session_call c;
	struct span rest = text("");
	CU_ASSERT_TRUE(session_message_read(rest, &m));
	CU_ASSERT_TRUE(!m.hello.data && m.acknowledged_below == 0);
	CU_ASSERT_FALSE(session_call_next(&rest, &c));
}

/* A part is a message if it ends where a field does. */
static void expect_parts(enum level level, struct span whole, const size_t *ends, size_t n)
{
	for (size_t len = 0; len <= whole.len; len++) {
		bool at_end = len == 0;
		for (size_t i = 0; i < n; i++)
			at_end |= ends[i] == len;
		CU_ASSERT_EQUAL(reads(level, (struct span){ whole.data, len }), at_end);
	}
}

static void what_is_cut_short_in_a_field_is_refused(void)
{
	size_t ends[4];
	struct form message = a_message(ends);
	/* tag 2 bytes, method 6, request 5, thread 3, id 11 */
	static const size_t call_ends[] = { 2, 8, 13, 16, 27 };
	struct form call = a_call(7, "/s/M", "abc");
	/* label 7 bytes, lease 2 and 4 of a duration, token 7 */
	static const size_t hello_ends[] = { 7, 13, 20 };
	struct form hello = a_hello();
	expect_parts(MESSAGE, form_span(&message), ends, 4);
	expect_parts(CALL, form_span(&call), call_ends, 5);
	expect_parts(GREETING, form_span(&hello), hello_ends, 3);
}

static void a_length_of_more_than_there_is_is_refused(void)
{
	static const uint64_t lengths[] = { 2, 127, 128, UINT32_MAX, 1ull << 32, 1ull << 63, UINT64_MAX };
	static const uint32_t fields[N_LEVELS][3] = { { HELLO, CALLS, CANCELS },
						      { METHOD, REQUEST, 9 },
						      { 1, 2, TOKEN } };
	for (int level = 0; level < N_LEVELS; level++)
		for (size_t i = 0; i < 3 * sizeof(lengths) / sizeof(lengths[0]); i++) {
			uint8_t bytes[16], *end = wire_put_tag(bytes, fields[level][i % 3], WIRE_LEN);
			end = wire_put_varint(end, lengths[i / 3]);
			*end++ = 0; /* one byte is there */
			CU_ASSERT_FALSE(reads((enum level)level, (struct span){ bytes, (size_t)(end - bytes) }));
		}
}

static void a_number_of_more_than_64_bits_is_refused(void)
{
	static const char largest[] = "\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
	static const char larger[] = "\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02";
	static const char longer[] = "\x20\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00";
	struct session_message m;
	CU_ASSERT_TRUE(session_message_read((struct span){ (const uint8_t *)largest, 11 }, &m));
	CU_ASSERT_EQUAL(m.acknowledged_below, UINT64_MAX);
	CU_ASSERT_FALSE(reads(MESSAGE, (struct span){ (const uint8_t *)larger, 11 }));
	CU_ASSERT_FALSE(reads(MESSAGE, (struct span){ (const uint8_t *)longer, 12 }));
}

/* A field of each wire type; 3 and 4 are groups, 6 and 7 nothing. */
static struct span a_field(uint32_t number, unsigned type, uint8_t to[16])
{
	static const size_t lengths[8] = { [WIRE_VARINT] = 1, [WIRE_FIXED64] = 8, [WIRE_LEN] = 1, [WIRE_FIXED32] = 4 };
	uint8_t *end = wire_put_varint(to, (uint64_t)number << 3 | type);
	memset(end, 0, 8);
	return (struct span){ to, (size_t)(end - to) + lengths[type] };
}

#define V (1u << WIRE_VARINT)
#define L (1u << WIRE_LEN)
#define ANY (V | L | 1u << WIRE_FIXED64 | 1u << WIRE_FIXED32)

static void fields_have_their_wire_type_and_unknown_ones_any(void)
{
	static const struct {
		enum level level;
		uint32_t number;
		unsigned types;
	} rows[] = {
		{ MESSAGE, HELLO, L },
		{ MESSAGE, CALLS, L },
		{ MESSAGE, CANCELS, V | L },
		{ MESSAGE, ACKNOWLEDGED, V },
		{ MESSAGE, 5, ANY },
		{ CALL, TAG, V },
		{ CALL, METHOD, L },
		{ CALL, REQUEST, L },
		{ CALL, THREAD, V },
		{ CALL, ID, V },
		{ CALL, 6, ANY },
		{ CALL, 33, ANY },
		{ GREETING, TOKEN, L },
		{ GREETING, 4, ANY },
		{ MESSAGE, 536870911, ANY },
		{ CALL, 536870911, ANY },
		{ MESSAGE, 0, 0 },
		{ CALL, 0, 0 },
		{ GREETING, 0, 0 },
	};
	uint8_t bytes[16];
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (unsigned type = 0; type < 8; type++)
			CU_ASSERT_EQUAL(reads(rows[i].level, a_field(rows[i].number, type, bytes)),
					(rows[i].types >> type & 1) != 0);
}

/* What is skipped hides nothing that stands around it. */
static void unknown_fields_are_skipped(void)
{
	struct form form = { .len = 0 }, call = { .len = 0 };
	struct session_message m;
	struct session_call c;
	form_number(&call, 9, 1);
	form_number(&call, TAG, 7);
	form_bytes(&call, 10, "abc", 3);
	form_number(&form, 9, 1);
	form_form(&form, CALLS, &call);
	form_bytes(&form, 10, "abc", 3);
	form_number(&form, ACKNOWLEDGED, 8);
	struct span rest = form_span(&form);
	CU_ASSERT_TRUE(session_message_read(rest, &m) && m.acknowledged_below == 8);
	CU_ASSERT_TRUE(session_call_next(&rest, &c) && c.tag == 7);
	CU_ASSERT_FALSE(session_call_next(&rest, &c));
}

static void what_may_come_once_is_refused_the_second_time(void)
{
	static const struct {
		enum level level;
		uint32_t number;
		bool bytes, again;
	} rows[] = {
		{ MESSAGE, HELLO, true, false },
		{ MESSAGE, CALLS, true, true },
		{ MESSAGE, CANCELS, false, true },
		{ MESSAGE, CANCELS, true, true },
		{ MESSAGE, ACKNOWLEDGED, false, false },
		{ CALL, TAG, false, false },
		{ CALL, METHOD, true, false },
		{ CALL, REQUEST, true, false },
		{ CALL, THREAD, false, false },
		{ CALL, ID, false, false },
		{ CALL, 6, false, true },
		{ GREETING, TOKEN, true, false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct form form = { .len = 0 };
		for (int n = 0; n < 2; n++) {
			if (rows[i].bytes)
				form_bytes(&form, rows[i].number, "", 0);
			else
				form_number(&form, rows[i].number, 1);
			CU_ASSERT_EQUAL(reads(rows[i].level, form_span(&form)), n == 0 || rows[i].again);
		}
	}
}

static void add_tag(void *context, uint64_t tag)
{
	char *line = context;
	snprintf(line + strlen(line), 128 - strlen(line), "%llu ", (unsigned long long)tag);
}

static void tags_come_packed_or_one_by_one(void)
{
	char line[128] = "";
	struct form form = { .len = 0 };
	form_number(&form, CANCELS, 5);
	form_bytes(&form, CANCELS, "\1\xac\2", 3);
	form_bytes(&form, CANCELS, "", 0);
	form_number(&form, CANCELS, UINT64_MAX);
	CU_ASSERT_TRUE(reads(MESSAGE, form_span(&form)));
	session_cancels(form_span(&form), add_tag, line);
	CU_ASSERT_STRING_EQUAL(line, "5 1 300 18446744073709551615 ");
	form_bytes(&form, CANCELS, "\1\xac", 2);
	CU_ASSERT_FALSE(reads(MESSAGE, form_span(&form)));
}

static void a_method_names_an_operation_or_none(void)
{
	static const char put[] = "/sabir.v1.QueueService/Put";
	char longest[128];
	memset(longest, 'a', sizeof(longest));
	struct session_call c = { .method = text(put) };
	CU_ASSERT_PTR_NOT_NULL_FATAL(session_call_op(&c));
	CU_ASSERT_STRING_EQUAL(op_path(session_call_op(&c)), put);
	const struct span none[] = { { NULL, 0 },
				     text(""),
				     text("/sabir.v1.QueueService/Pu"),
				     text("/sabir.v1.QueueService/Putt"),
				     { (const uint8_t *)put, sizeof(put) }, /* with its 0 */
				     { (const uint8_t *)longest, sizeof(longest) - 1 },
				     { (const uint8_t *)longest, sizeof(longest) } };
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		c.method = none[i];
		CU_ASSERT_PTR_NULL(session_call_op(&c));
	}
}

static void a_welcome_is_written(void)
{
	static const uint8_t welcome[] = "\x0a\x0e\x0a\x01t\x12\x03one\x18\xac\x02\x20\x80\x01";
	struct bytes out = { 0 };
	CU_ASSERT_TRUE(session_put_welcome(&out, text("t"), text("one"), 300, 128));
	CU_ASSERT_TRUE(out.len == sizeof(welcome) - 1 && !memcmp(out.data, welcome, out.len));
	bytes_fini(&out);
}

static void results_are_written_one_behind_the_other(void)
{
	static const uint8_t good[] = "\x12\x08\x08\xac\x02\x12\x03one\x12\x00";
	struct bytes out = { 0 };
	CU_ASSERT_TRUE(session_put_result(&out, 300, SABIR_OK, text("one"), ""));
	CU_ASSERT_TRUE(session_put_result(&out, 0, SABIR_OK, text(""), ""));
	CU_ASSERT_TRUE(out.len == sizeof(good) - 1 && !memcmp(out.data, good, out.len));
	bytes_fini(&out);
	CU_ASSERT_TRUE(session_put_result(&out, 7, SABIR_SESSION_ENDED, text("not this"), "why"));
	struct span result = kit_field((struct span){ out.data, out.len }, 2);
	CU_ASSERT_TRUE(result.len > 2 && result.data[0] == 8 && result.data[1] == 7);
	CU_ASSERT_PTR_NULL(kit_field(result, 2).data);
	CU_ASSERT_PTR_NOT_NULL(memmem(result.data, result.len, "SESSION_ENDED", 13));
	CU_ASSERT_PTR_NOT_NULL(memmem(result.data, result.len, "why", 3));
	bytes_fini(&out);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(what_a_message_says_is_read),
		KIT_TEST(a_message_of_nothing_says_nothing),
		KIT_TEST(what_is_cut_short_in_a_field_is_refused),
		KIT_TEST(a_length_of_more_than_there_is_is_refused),
		KIT_TEST(a_number_of_more_than_64_bits_is_refused),
		KIT_TEST(fields_have_their_wire_type_and_unknown_ones_any),
		KIT_TEST(unknown_fields_are_skipped),
		KIT_TEST(what_may_come_once_is_refused_the_second_time),
		KIT_TEST(tags_come_packed_or_one_by_one),
		KIT_TEST(a_method_names_an_operation_or_none),
		KIT_TEST(a_welcome_is_written),
		KIT_TEST(results_are_written_one_behind_the_other),
	};
	return kit_run("session wire", nothing, nothing, tests, sizeof(tests) / sizeof(tests[0]));
}
