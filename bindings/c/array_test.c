/* SPDX-License-Identifier: Apache-2.0 */
/* A handle of an array whose description was read from damaged memory. */
#include <CUnit/Basic.h>
#include <stdlib.h>

#include "bindings/c/conn.h"
#include "bindings/c/sabir_array.h"

static void slices_of_no_type_are_data_loss(void)
{
	struct sabir_array *array = calloc(1, sizeof(*array) + 1);
	uint64_t elements[5] = { 0 };
	CU_ASSERT_PTR_NOT_NULL_FATAL(array);
	CU_ASSERT_EQUAL(sabir_array_get_slice(array, 0, 5, elements), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(sabir_array_set_slice(array, 0, 5, elements), SABIR_DATA_LOSS);
	free(array);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("array", NULL, NULL);
	CU_ADD_TEST(suite, slices_of_no_type_are_data_loss);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	int failed = (int)CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed;
}
