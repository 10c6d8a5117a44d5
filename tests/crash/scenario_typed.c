/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenarios of functions: what libsabir does on the memory by itself, where a program calls it by its C name, and what the
 * server does of itself. The sweep fails if one of typed.h's has none.
 */
#include "tests/crash/scenario.h"

/* Most have no `steps`. */
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
/* An object without a name that nobody holds. */
#define NOBODYS(kind) "ManagerService/Create " kind "={}\nManagerService/Release object={handle=&}\n"
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
#define GET "QueueService/Get queue" O " timeout={}\n"
#define SLOT "sabir_queue_reserve\n"
#define LOAN "sabir_queue_borrow\n"
	{ "empty", QUEUE, "sabir_queue_reserve" },
	{ "others have some", QUEUE PUT SLOT SLOT LOAN, "sabir_queue_reserve" },
	{ "new slab", QUEUE, "sabir_queue_reserve" },
	{ "tasks", TASKS, "sabir_queue_reserve" },
	{ "larger than a chunk", QUEUE, "sabir_queue_reserve(large)" },
	{ "by who has some", QUEUE "victim 3*" SLOT, "sabir_queue_reserve" },
	{ "by who has all", QUEUE "victim 12*" SLOT, "sabir_queue_reserve" },
	{ "empty", QUEUE, "sabir_queue_commit" },
	{ "some", QUEUE TEN PUT, "sabir_queue_commit" },
	{ "some", QUEUE TEN PUT, "sabir_queue_commit(long)" },
	{ "larger than a chunk", QUEUE PUT, "sabir_queue_commit(large)" },
	{ "by who has put before", QUEUE "victim 2*" PUT, "sabir_queue_commit" },
	{ "by who has slots", QUEUE PUT "victim 3*" SLOT, "sabir_queue_commit" },
	{ "others have slots and loans", QUEUE "3*" PUT "2*" SLOT "2*" LOAN, "sabir_queue_commit" },
	{ "segment's last slot", QUEUE "55*" PUT, "sabir_queue_commit" },
	{ "segment's end", QUEUE "56*" PUT, "sabir_queue_commit" },
	{ "used and empty again", QUEUE "57*" PUT "57*" GET, "sabir_queue_commit" },
	{ "full", QUEUE_3 "3*" PUT, "sabir_queue_commit" },
	{ "full of loans", QUEUE_3 "3*" PUT "3*" LOAN, "sabir_queue_commit" },
	{ "full but for one", QUEUE_3 "2*" PUT, "sabir_queue_commit" },
	{ "closed", QUEUE PUT "QueueService/Close queue" O "\n", "sabir_queue_commit" },
	{ "full", QUEUE_3 "3*" PUT, "sabir_queue_commit(waits)" },
	{ "room", QUEUE_3 PUT, "sabir_queue_commit(waits)" },
	{ "tasks", TASKS PUT, "sabir_queue_commit" },
	{ "empty", QUEUE, "sabir_queue_abandon" },
	{ "others have some", QUEUE PUT "2*" SLOT LOAN, "sabir_queue_abandon" },
	{ "by who has some", QUEUE "victim 3*" SLOT, "sabir_queue_abandon" },
	{ "larger than a chunk", QUEUE, "sabir_queue_abandon(large)" },
	{ "empty", QUEUE, "sabir_queue_borrow" },
	{ "one", QUEUE PUT, "sabir_queue_borrow" },
	{ "some", QUEUE TEN PUT, "sabir_queue_borrow" },
	{ "others have some", QUEUE TEN PUT "2*" SLOT "3*" LOAN, "sabir_queue_borrow" },
	{ "by who has some", QUEUE TEN PUT "victim 3*" LOAN, "sabir_queue_borrow" },
	{ "in the midst of a chain", QUEUE "QueueService/PutMany queue" O " items=$1 items=$2 items=$3\n" GET,
	  "sabir_queue_borrow" },
	{ "segment's last slot", QUEUE "60*" PUT "55*" GET, "sabir_queue_borrow" },
	{ "segment's end", QUEUE "60*" PUT "56*" GET, "sabir_queue_borrow" },
	{ "returned ones", QUEUE TEN PUT "sabir_queue_return\n", "sabir_queue_borrow" },
	{ "closed, others have the rest", QUEUE PUT LOAN "QueueService/Close queue" O "\n", "sabir_queue_borrow" },
	{ "empty", QUEUE, "sabir_queue_borrow(waits)" },
	{ "some", QUEUE TEN PUT, "sabir_queue_borrow(waits)" },
	{ "tasks", TASKS TEN PUT, "sabir_queue_borrow" },
	{ "one", QUEUE PUT, "sabir_queue_release" },
	{ "some", QUEUE TEN PUT, "sabir_queue_release" },
	{ "bounded and full", QUEUE_3 "3*" PUT, "sabir_queue_release" },
	{ "others have some", QUEUE TEN PUT "2*" SLOT "3*" LOAN, "sabir_queue_release" },
	{ "by who has some", QUEUE TEN PUT "victim 3*" LOAN, "sabir_queue_release" },
	{ "returned ones", QUEUE TEN PUT "2*sabir_queue_return\n", "sabir_queue_release" },
	{ "segment's end", QUEUE "60*" PUT "56*" GET, "sabir_queue_release" },
	{ "closed, the last", QUEUE PUT "QueueService/Close queue" O "\n", "sabir_queue_release" },
	{ "larger than a chunk", QUEUE "QueueService/Put queue" O " item=$'~270000~'\n", "sabir_queue_release" },
	{ "some", QUEUE TEN PUT, "sabir_queue_release(deleted)" },
	{ "others have some", QUEUE TEN PUT "2*" SLOT "3*" LOAN, "sabir_queue_release(deleted)" },
	{ "by who has some", QUEUE TEN PUT "victim 3*" LOAN, "sabir_queue_release(deleted)" },
	{ "some", QUEUE TEN PUT, "sabir_queue_return" },
	{ "others have some", QUEUE TEN PUT "2*" SLOT "3*" LOAN, "sabir_queue_return" },
	{ "by who has some", QUEUE TEN PUT "victim 3*" LOAN, "sabir_queue_return" },
	{ "closed, the last", QUEUE PUT "QueueService/Close queue" O "\n", "sabir_queue_return" },
	{ "large item", QUEUE "QueueService/Put queue" O " item=$'~5000~'\n", "sabir_queue_return" },
	{ "others have its items", QUEUE TEN PUT SLOT "2*" LOAN, "ManagerService/Delete object" O },
	{ "by who has its items", QUEUE TEN PUT "victim " SLOT "victim 2*" LOAN, "ManagerService/Delete object" O },
	{ "others have its items", QUEUE TEN PUT SLOT "2*" LOAN, "QueueService/Clear queue" O },
	{ "by who has its items", QUEUE TEN PUT "victim 2*" LOAN, "QueueService/Get queue" O },
#define THING "victim ManagerService/Create value={type_code=10}\n"
#define PUT_REF "QueueService/Put queue" O " item=$*&\n"
	{ "reference", QUEUE PUT THING, "sabir_queue_put(reference)" },
	{ "reference", QUEUE THING PUT_REF, "sabir_queue_get" },
	{ "references", QUEUE THING "2*" PUT_REF, "sabir_queue_get_many" },
	{ "reference", QUEUE PUT THING, "sabir_queue_commit(reference)" },
	{ "reference, full", QUEUE_3 "3*" PUT THING, "sabir_queue_commit(reference)" },
	{ "reference", QUEUE THING PUT_REF PUT, "sabir_queue_borrow" },
	{ "reference", QUEUE THING PUT_REF PUT, "sabir_queue_release" },
	{ "reference", QUEUE THING PUT_REF PUT, "sabir_queue_return" },
	{ "references", QUEUE THING "3*" PUT_REF, "sabir_queue_release(deleted)" },
	{ "reference", QUEUE THING PUT_REF PUT, "sabir_consumer_ack" },
	{ "reference", QUEUE THING PUT_REF PUT, "sabir_consumer_close" },
	{ "reference", TASKS THING PUT_REF PUT, "sabir_consumer_nack" },
	{ "some", QUEUE TEN PUT, "sabir_consumer_ack" },
	{ "the last", QUEUE PUT, "sabir_consumer_ack" },
	{ "empty", QUEUE, "sabir_consumer_next(waits)" },
	{ "some", QUEUE TEN PUT, "sabir_consumer_next(waits)" },
	{ "some", QUEUE TEN PUT, "sabir_consumer_close" },
	{ "some", TASKS TEN PUT, "sabir_consumer_ack(lease)" },
	{ "some", TASKS TEN PUT, "sabir_consumer_nack" },
	{ "some", QUEUE PUT, "sabir_producer_put" },
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
	{ "ttl, watched", MAKE "ttl={seconds=1000} dict={}\n" TEN SET "WatchService/Next object" O " timeout={}\n",
	  "server:expire" },
	{ "an idle log of changes", DICT TEN SET "WatchService/Next object" O " timeout={}\n", "server:expire" },
	{ "a program", QUEUE, "server:attach" },
	{ "a thread", QUEUE, "server:lane" },
	{ "ttl, reference",
	  MAKE "ttl={seconds=1000} dict={}\n" NOBODYS("list") "DictService/Set dict" O " key=$1 value=$*&\n",
	  "server:expire" },
	{ "entries", DICT TEN SET "3*DictService/Expire dict" O " key=$% ttl={nanos=1}\n", "server:entries" },
	{ "a lease is over", TASKS TEN PUT LEASE_OF("nanos=1"), "server:tasks" },
	{ "a delay is over", TASKS "QueueService/Put queue" O " item=$7 delay={nanos=1}\n", "server:tasks" },
	{ "an item's time is over", TASKS "QueueService/Put queue" O " item=$7 ttl={nanos=1}\n", "server:tasks" },
	{ "tasks", TASKS TEN PUT LEASE_OF("seconds=1000"), "server:copy" },
	{ "tasks, another has died", TASKS PUT "server:copying\n", "server:copy" },
	{ "tasks", TASKS PUT, "server:copying" },
	{ "copied meanwhile", TASKS TEN PUT "server:copying\n", "QueueService/Put queue" O " item=$7" },
	{ "copied meanwhile", TASKS TEN PUT "server:copying\n", "QueueService/Get queue" O },
	{ "copied meanwhile", TASKS TEN PUT "server:copying\n", "QueueService/Clear queue" O },
	{ "copied meanwhile", TASKS TEN PUT "server:copying\n", "ManagerService/Delete object" O },
	{ "nobody holds it", "ManagerService/Create dict={}\nManagerService/Release object={handle=&}\n",
	  "server:collect" },
	{ "somebody holds it", "ManagerService/Create dict={}\n", "server:collect" },
/* What is found when one of two has gone. */
#define OTHER "1 kind 12 'z' flags 0 closed 0 ephemeral 0\n  EventService/IsSet OK \n"
#define LIST_3(item)                                                                                                   \
	"3 kind 5 '' flags 0 closed 0 ephemeral 0\n  ListService/Len OK length=1\n"                                    \
	"  ListService/GetSlice OK items=" item " total=1 version=2\n"
#define RING                                                                                                           \
	NOBODYS("dict")                                                                                                \
	NOBODYS("list")                                                                                                \
	"DictService/Set dict={handle=!} key=$1 value=$*&\n"                                                           \
	"ListService/Append list={handle=&} item=$*!\n"
	{ "a queue refers to it", QUEUE NOBODYS("dict") PUT_REF, "server:collect" },
	{ "a queue has referred to it", QUEUE NOBODYS("dict") PUT_REF GET, "server:collect" },
	{ "one is referred to, one is not", QUEUE NOBODYS("dict") PUT_REF NOBODYS("list"), "server:collect" },
	{ "a ring of references", RING, "server:collect", OTHER LIST_3("$*gone") "\0" },
	{ "a ring, a queue refers to it", QUEUE RING PUT_REF, "server:collect" },
	{ "references in an object that goes",
	  NOBODYS("dict") NOBODYS("list") "DictService/Set dict={handle=!} key=$1 value=$*&\n"
					  "ListService/Append list={handle=&} item=$1\n",
	  "server:collect", OTHER LIST_3("$1") "\0" },
	{ "some of it is free",
	  QUEUE "QueueService/Put queue" O " item=$'~270000~'\nQueueService/Get queue" O "\n" TEN PUT
		"QueueService/Clear queue" O "\n",
	  "server:memory" },
};

const size_t n_typed_scenarios = sizeof(typed_scenarios) / sizeof(typed_scenarios[0]);
