/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenarios of functions: what libsabir does on the memory by itself, where a program calls it by its C name, and what the
 * server does of itself. The sweep fails if one of typed.h's has none.
 */
#include "tests/crash/scenario.h"

/* None has `steps`. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define MAKE "ManagerService/Create name='o' "
#define O "={name='o'}"
#define TEN "10*"

#define QUEUE MAKE "queue={}\n"
#define QUEUE_3 MAKE "queue={max_items=3}\n"
#define PUT "QueueService/Put queue" O " item=$%\n"
#define TASKS MAKE "queue={tasks=true}\n"
#define LEASE_OF(time) "QueueService/Get queue" O " timeout={} lease_duration={" time "}\n"
#define DICT MAKE "dict={}\n"
#define SET "DictService/Set dict" O " key=$% value=$%\n"
#define VALUE MAKE "value={type_code=10}\n"
#define INT_ARRAY MAKE "array={type_code=6 length=300}\n"

const struct scenario typed_scenarios[] = {
	{ "empty", QUEUE, "sabir_queue_put" },
	{ "some", QUEUE TEN PUT, "sabir_queue_put" },
	{ "by who has put before", QUEUE "victim 2*" PUT, "sabir_queue_put" },
	{ "segment's end", QUEUE "56*" PUT, "sabir_queue_put" },
	{ "tasks", TASKS PUT, "sabir_queue_put" },
	{ "full", QUEUE_3 "3*" PUT, "sabir_queue_put(waits)" },
	{ "room", QUEUE_3 PUT, "sabir_queue_put(waits)" },
	{ "some", QUEUE PUT, "sabir_queue_put_bytes" },
	{ "some", QUEUE PUT, "sabir_queue_put_many" },
	{ "as many as fit", QUEUE_3 PUT, "sabir_queue_put_many" },
	{ "some", QUEUE TEN PUT, "sabir_queue_get" },
	{ "empty", QUEUE, "sabir_queue_get" },
	{ "tasks", TASKS TEN PUT, "sabir_queue_get" },
	{ "empty", QUEUE, "sabir_queue_get(waits)" },
	{ "some", QUEUE TEN PUT, "sabir_queue_get(waits)" },
	{ "some", QUEUE TEN PUT, "sabir_queue_get_into" },
	{ "larger than the buffer", QUEUE "QueueService/Put queue" O " item=$'~300~'\n", "sabir_queue_get_into" },
	{ "some", QUEUE TEN PUT, "sabir_queue_get_many" },
	{ "all", QUEUE "2*" PUT, "sabir_queue_get_many" },
	{ "some", QUEUE TEN PUT, "sabir_queue_peek" },
	{ "int64", VALUE, "sabir_value_set_int" },
	{ "int64", VALUE, "sabir_value_add_int" },
	{ "int64", VALUE, "sabir_value_get_int" },
	{ "as expected", VALUE, "sabir_value_wait" },
	{ "int32", INT_ARRAY, "sabir_array_set_int" },
	{ "int32", INT_ARRAY, "sabir_array_add_int" },
	{ "int32", INT_ARRAY, "sabir_array_get_int" },
	{ "int32", INT_ARRAY, "sabir_array_get_slice" },
	{ "int32", INT_ARRAY, "sabir_array_set_slice" },
	{ "over", DICT TEN SET, "sabir_dict_set" },
	{ "new", DICT TEN SET, "sabir_dict_set(new)" },
	{ "table grows", DICT "48*" SET, "sabir_dict_set(new)" },
	{ "there", DICT TEN SET, "sabir_dict_get" },
	{ "not there", DICT, "sabir_dict_get" },
	{ "there", DICT TEN SET, "sabir_dict_delete" },
	{ "there", DICT TEN SET, "sabir_dict_increment_int" },
	{ "not there", DICT, "sabir_dict_increment_int" },
	{ "free", MAKE "lock={}\n", "sabir_lock_acquire(waits)" },
	{ "another's", MAKE "lock={}\nLockService/Acquire lock" O "\n", "sabir_lock_acquire(waits)" },
	{ "somebody waits", MAKE "lock={}\nvictim LockService/Acquire lock" O "\nLockService/Acquire lock" O "\n",
	  "sabir_lock_release" },
	{ "none", MAKE "semaphore={}\n", "sabir_semaphore_acquire(waits)" },
	{ "owned", MAKE "semaphore={value=2 owned=true}\n", "sabir_semaphore_acquire(waits)" },
	{ "plain", MAKE "semaphore={}\n", "sabir_semaphore_release" },
	{ "clear", MAKE "event={}\n", "sabir_event_wait(waits)" },
	{ "clear", MAKE "event={}\n", "sabir_event_set" },

	{ "ttl", MAKE "ttl={seconds=1000} dict={}\n" TEN SET, "server:expire" },
	{ "entries", DICT TEN SET "3*DictService/Expire dict" O " key=$% ttl={nanos=1}\n", "server:entries" },
	{ "a lease is over", TASKS TEN PUT LEASE_OF("nanos=1"), "server:tasks" },
	{ "a delay is over", TASKS "QueueService/Put queue" O " item=$7 delay={nanos=1}\n", "server:tasks" },
	{ "an item's time is over", TASKS "QueueService/Put queue" O " item=$7 ttl={nanos=1}\n", "server:tasks" },
	{ "nobody holds it", "ManagerService/Create dict={}\nManagerService/Release object={handle=&}\n",
	  "server:collect" },
	{ "somebody holds it", "ManagerService/Create dict={}\n", "server:collect" },
	{ "some of it is free",
	  QUEUE "QueueService/Put queue" O " item=$'~270000~'\nQueueService/Get queue" O "\n" TEN PUT
		"QueueService/Clear queue" O "\n",
	  "server:memory" },
};

const size_t n_typed_scenarios = sizeof(typed_scenarios) / sizeof(typed_scenarios[0]);
