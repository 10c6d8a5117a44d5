/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens as text, and their prints against those of another implementation of SHA-256. */
#include "server/ops/token.h"

#include "server/shm/test_kit.h"

static bool read_text(const char *text, uint8_t token[TOKEN_SIZE])
{
	return token_read((struct span){ (const uint8_t *)text, strlen(text) }, token);
}

static void test_what_was_written_is_read_and_nothing_else(void)
{
	uint8_t token[TOKEN_SIZE], again[TOKEN_SIZE];
	char text[TOKEN_TEXT_LEN + 1];
	for (unsigned i = 0; i < TOKEN_SIZE; i++)
		token[i] = (uint8_t)(i * 17);
	token_write(token, text);
	CU_ASSERT_STRING_EQUAL(text, "00112233445566778899aabbccddeeff");
	CU_ASSERT(read_text(text, again) && !memcmp(token, again, sizeof(token)));
	CU_ASSERT_FALSE(read_text("00112233445566778899aabbccddee", again));
	CU_ASSERT_FALSE(read_text("00112233445566778899aabbccddeeff00", again));
	CU_ASSERT_FALSE(read_text("00112233445566778899AABBccddeeff", again));
	CU_ASSERT_FALSE(read_text("0011223344556677 899aabbccddeeff", again));
}

static void test_prints_are_the_first_half_of_sha_256(void)
{
	static const char *const known[][2] = {
		{ "00000000000000000000000000000000", "374708fff7719dd5979ec875d56cd228" },
		{ "000102030405060708090a0b0c0d0e0f", "be45cb2605bf36bebde684841a28f0fd" },
		{ "ffffffffffffffffffffffffffffffff", "5ac6a5945f16500911219129984ba8b3" },
	};
	for (unsigned i = 0; i < 3; i++) {
		uint8_t token[TOKEN_SIZE], print[TOKEN_SIZE];
		char text[TOKEN_TEXT_LEN + 1];
		CU_ASSERT(read_text(known[i][0], token));
		token_print(token, print);
		token_write(print, text);
		CU_ASSERT_STRING_EQUAL(text, known[i][1]);
	}
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(test_what_was_written_is_read_and_nothing_else),
		KIT_TEST(test_prints_are_the_first_half_of_sha_256),
	};

	return kit_run("token", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
