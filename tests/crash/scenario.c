/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenarios, by service and operation. Every operation of the table that works on shared memory is here, or in
 * scenario_sessions.c or scenario_typed.c, in the states in which it takes another path that we know of; the sweep fails if
 * one has none.
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
#define GET "QueueService/Get queue" O " timeout={}\n"
#define TASKS MAKE "queue={tasks=true}\n"
#define LEASE "QueueService/Get queue" O " timeout={} lease_duration={seconds=1000}\n"
#define DICT MAKE "dict={}\n"
#define SET "DictService/Set dict" O " key=$% value=$%\n"
#define LIST MAKE "list={}\n"
#define APPEND "ListService/Append list" O " item=$%\n"
#define PIPE MAKE "pipe={}\nvictim PipeService/Open pipe" O " end=0\nPipeService/Open pipe" O " end=1\n"
#define PIPES PIPE "PipeService/Open pipe" O " end=0\n"
#define NAMESPACE MAKE "namespace={}\n"
#define ATTRIBUTE "NamespaceService/Set namespace" O " name='a%' value=$%\n"
#define INT_ARRAY MAKE "array={type_code=6 length=300}\n"

/* An object without a name, behind that which refers to it: held by the victim alone, or by nobody. */
#define THING "victim ManagerService/Create value={type_code=10}\n"
#define A_LIST "victim ManagerService/Create list={}\n"
#define LET_GO THING "victim ManagerService/Release object={handle=&}\n"

/* What is found of the object that stands beside those of every scenario. */
#define OTHER "1 kind 12 'z' flags 0 closed 0 ephemeral 0\n  EventService/IsSet OK \n"

const struct scenario scenarios[] = {
	/* ManagerService */
	{ "event, first name", "", "ManagerService/Create name='o' event={}" },
	{ "queue", "", "ManagerService/Create name='o' queue={}" },
	{ "queue, anonymous", "", "ManagerService/Create queue={max_items=4}" },
	{ "queue, there already", QUEUE, "ManagerService/Create name='o' exist_ok=true queue={}" },
	{ "task queue", "", "ManagerService/Create name='o' queue={tasks=true joinable=true dead_letter='p'}" },
	{ "value", "", "ManagerService/Create name='o' value={type_code=10}" },
	{ "array", "", "ManagerService/Create name='o' array={type_code=13 length=100}" },
	{ "array, large", "", "ManagerService/Create name='o' array={type_code=13 length=40000}" },
	{ "dict", "", "ManagerService/Create name='o' dict={}" },
	{ "list", "", "ManagerService/Create name='o' list={}" },
	{ "namespace", "", "ManagerService/Create name='o' namespace={}" },
	{ "pipe", "", "ManagerService/Create name='o' pipe={}" },
	{ "lock", "", "ManagerService/Create name='o' lock={strict=true}" },
	{ "rlock", "", "ManagerService/Create name='o' rlock={}" },
	{ "semaphore", "", "ManagerService/Create name='o' semaphore={value=2 bounded=true}" },
	{ "event", "", "ManagerService/Create name='o' event={}" },
	{ "block", "", "ManagerService/Create name='o' block={size_bytes=5000}" },
	{ "ephemeral", "", "ManagerService/Create name='o' ephemeral=true dict={}" },
	{ "with a ttl", "", "ManagerService/Create name='o' ttl={seconds=1000} dict={}" },
	{ "beside many", "20*ManagerService/Create name='q%' event={}\n", "ManagerService/Create name='o' event={}" },
	{ "by name", QUEUE, "ManagerService/Open object" O },
	{ "not there", "", "ManagerService/Open object" O },
	{ "by name", QUEUE, "ManagerService/Release object" O },
	{ "own, by who holds it once", "victim ManagerService/Create dict={}\n",
	  "ManagerService/Release object={handle=&}" },
	{ "own, opened twice", "victim ManagerService/Create dict={}\nvictim ManagerService/Open object={handle=&}\n",
	  "ManagerService/Release object={handle=&}" },
	{ "another holds it too", "victim ManagerService/Create dict={}\nManagerService/Open object={handle=&}\n",
	  "ManagerService/Release object={handle=&}" },
	{ "another's", "ManagerService/Create dict={}\n", "ManagerService/Release object={handle=&}" },
	{ "another's, first hold", "ManagerService/Create dict={}\n", "ManagerService/Open object={handle=&}" },
#define DICT_THAT_REFERS DICT LET_GO "DictService/Set dict" O " key=$1 value=$*&\n"
	{ "only a dict refers to it", DICT_THAT_REFERS, "ManagerService/Open object={handle=&}" },
	{ "the last hold, a dict refers to it", DICT THING "DictService/Set dict" O " key=$1 value=$*&\n",
	  "ManagerService/Release object={handle=&}" },
	{ "only a dict refers to it", DICT_THAT_REFERS, "ManagerService/Delete object={handle=&}" },
	{ "dict that refers", DICT_THAT_REFERS, "ManagerService/Delete object" O },
	{ "queue that refers", QUEUE LET_GO "QueueService/Put queue" O " item=$*&\n",
	  "ManagerService/Delete object" O },
	{ "ring of two, one has a name",
	  DICT A_LIST "DictService/Set dict" O " key=$1 value=$*&\nListService/Append list={handle=&} item=$*!\n",
	  "ManagerService/Delete object" O },
	{ "without a name", "ManagerService/Create dict={}\n", "ManagerService/Delete object={handle=&}" },
	{ "queue with items", QUEUE TEN PUT, "ManagerService/Delete object" O },
	{ "task queue with items", TASKS TEN PUT LEASE, "ManagerService/Delete object" O },
	{ "dict with entries", DICT TEN SET, "ManagerService/Delete object" O },
	{ "list with elements", LIST TEN APPEND, "ManagerService/Delete object" O },
	{ "pipe with messages", PIPE TEN "PipeService/Send pipe" O " end=1 item=$%\n",
	  "ManagerService/Delete object" O },
	{ "value with a lock", MAKE "value={type_code=10}\nValueService/GetLock value" O "\n",
	  "ManagerService/Delete object" O },
	{ "semaphore that is held", MAKE "semaphore={value=2 bounded=true}\nSemaphoreService/Acquire semaphore" O "\n",
	  "ManagerService/Delete object" O },
	{ "block", MAKE "block={size_bytes=5000}\n", "ManagerService/Delete object" O },
	{ "beside many", "20*ManagerService/Create name='q%' event={}\n" MAKE "event={}\n",
	  "ManagerService/Delete object" O },
	{ "some", QUEUE "ManagerService/Create name='p' dict={}\n", "ManagerService/List" },
	{ "a queue", QUEUE PUT, "ManagerService/Describe object" O },
	{ "set", DICT, "ManagerService/SetTtl object" O " ttl={seconds=1000}" },
	{ "taken off", MAKE "ttl={seconds=1000} dict={}\n", "ManagerService/SetTtl object" O " ttl={}" },

	/* QueueService: plain */
	{ "new slab", QUEUE, "QueueService/Put queue" O " item=$'~3000~'" },
	{ "empty", QUEUE, "QueueService/Put queue" O " item=$7" },
	{ "some", QUEUE TEN PUT, "QueueService/Put queue" O " item=$7" },
	{ "full", QUEUE_3 "3*" PUT, "QueueService/Put queue" O " item=$7 timeout={}" },
	{ "full but for one", QUEUE_3 "2*" PUT, "QueueService/Put queue" O " item=$7" },
	{ "segment's last slot", QUEUE "55*" PUT, "QueueService/Put queue" O " item=$7" },
	{ "segment's end", QUEUE "56*" PUT, "QueueService/Put queue" O " item=$7" },
	{ "used and empty again", QUEUE "57*" PUT "57*" GET, "QueueService/Put queue" O " item=$7" },
	{ "by who has put before", QUEUE "victim 2*" PUT, "QueueService/Put queue" O " item=$7" },
	{ "large item", QUEUE, "QueueService/Put queue" O " item=$'~5000~'" },
	{ "item larger than a chunk", QUEUE, "QueueService/Put queue" O " item=$'~270000~'" },
	{ "closed", QUEUE PUT "QueueService/Close queue" O "\n", "QueueService/Put queue" O " item=$7" },
	{ "empty", QUEUE, "QueueService/PutMany queue" O " items=$7 items=$'eight' items=$9" },
	{ "as many as fit", QUEUE_3 PUT, "QueueService/PutMany queue" O " items=$7 items=$8 items=$9 items=$10" },
	{ "segment's end", QUEUE "55*" PUT, "QueueService/PutMany queue" O " items=$7 items=$8 items=$9" },
	{ "empty", QUEUE, "QueueService/Get queue" O " timeout={}" },
	{ "one", QUEUE PUT, "QueueService/Get queue" O },
	{ "some", QUEUE TEN PUT, "QueueService/Get queue" O },
	{ "bounded", QUEUE_3 "3*" PUT, "QueueService/Get queue" O },
	{ "in the midst of a chain", QUEUE "QueueService/PutMany queue" O " items=$1 items=$2 items=$3\n" GET,
	  "QueueService/Get queue" O },
	{ "segment's last slot", QUEUE "60*" PUT "55*" GET, "QueueService/Get queue" O },
	{ "segment's end", QUEUE "60*" PUT "56*" GET, "QueueService/Get queue" O },
	{ "by who has got before", QUEUE TEN PUT "victim 2*" GET, "QueueService/Get queue" O },
	{ "large item", QUEUE "QueueService/Put queue" O " item=$'~5000~'\n", "QueueService/Get queue" O },
	{ "closed and drained", QUEUE PUT "QueueService/Close queue" O "\n" GET, "QueueService/Get queue" O },
	{ "some", QUEUE TEN PUT, "QueueService/GetMany queue" O " max_items=3" },
	{ "all", QUEUE TEN PUT, "QueueService/GetMany queue" O " max_items=99" },
	{ "over a segment's end", QUEUE "60*" PUT "54*" GET, "QueueService/GetMany queue" O " max_items=4" },
	{ "some", QUEUE TEN PUT, "undo:QueueService/Get queue" O },
	{ "last", QUEUE PUT, "undo:QueueService/Get queue" O },
	{ "large item", QUEUE "QueueService/Put queue" O " item=$'~5000~'\n", "undo:QueueService/Get queue" O },
#define FROM_3 " items=$3 items=$4 items=$5 items=$6 items=$7 items=$8 items=$9\n"
#define LEFT(n, first) "  QueueService/Size OK size=" n "\n  QueueService/GetMany OK" first FROM_3
#define LEFT_OF_TASKS(n, first)                                                                                        \
	"  QueueService/Size OK size=" n "\n  QueueService/Requeue OK \n  QueueService/GetMany OK" first FROM_3
#define QUEUE_O "2 kind 1 'o' flags 0 closed 0 ephemeral 0\n"
#define TASKS_O "2 kind 16 'o' flags 0 closed 0 ephemeral 0\n"
	{ "some", QUEUE TEN PUT, "undo:QueueService/GetMany queue" O " max_items=3",
	  OTHER QUEUE_O LEFT("8", " items=$2") "\0" OTHER QUEUE_O LEFT("9", " items=$1 items=$2") "\0" },
	{ "some", QUEUE "3*" PUT, "QueueService/Peek queue" O },
	{ "some", QUEUE "3*" PUT, "QueueService/Size queue" O },
	{ "some", QUEUE TEN PUT, "QueueService/Clear queue" O },
	{ "bounded", QUEUE_3 "3*" PUT, "QueueService/Clear queue" O },
	{ "empty", QUEUE, "QueueService/Clear queue" O },
	{ "some", QUEUE "3*" PUT, "QueueService/Close queue" O },
	{ "closed", QUEUE "QueueService/Close queue" O "\n", "QueueService/Close queue" O },

#define PUT_REF "QueueService/Put queue" O " item=$*&\n"
	{ "reference", QUEUE PUT THING, "QueueService/Put queue" O " item=$*&" },
	{ "reference in a list", QUEUE PUT THING, "QueueService/Put queue" O " item=$[$1 $*&]" },
	{ "references", QUEUE PUT THING, "QueueService/PutMany queue" O " items=$*& items=$1 items=$*&" },
	{ "reference", QUEUE THING PUT_REF, "QueueService/Get queue" O },
	{ "references", QUEUE PUT THING "2*" PUT_REF, "QueueService/GetMany queue" O " max_items=2" },
	{ "reference", QUEUE THING PUT_REF PUT, "undo:QueueService/Get queue" O },
	{ "reference", QUEUE THING PUT_REF PUT, "QueueService/Clear queue" O },

	/* QueueService: tasks */
	{ "tasks, empty", TASKS, "QueueService/Put queue" O " item=$7" },
	{ "tasks, some", TASKS TEN PUT, "QueueService/Put queue" O " item=$7" },
	{ "tasks, full", MAKE "queue={tasks=true max_items=2}\n2*" PUT,
	  "QueueService/Put queue" O " item=$7 timeout={}" },
	{ "tasks, delayed", TASKS PUT, "QueueService/Put queue" O " item=$7 delay={seconds=1000} ttl={seconds=9000}" },
	{ "lifo", MAKE "queue={discipline=2}\n" TEN PUT, "QueueService/Put queue" O " item=$7" },
	{ "priority", MAKE "queue={discipline=3}\n" TEN PUT, "QueueService/Put queue" O " item=$7 priority=-5" },
	{ "joinable", MAKE "queue={joinable=true}\n", "QueueService/Put queue" O " item=$7" },
	{ "id", MAKE "queue={dedup_window={seconds=900}}\n", "QueueService/Put queue" O " item=$7 dedup_id='x'" },
	{ "id, again", MAKE "queue={dedup_window={seconds=900}}\nQueueService/Put queue" O " item=$7 dedup_id='x'\n",
	  "QueueService/Put queue" O " item=$8 dedup_id='x'" },
	{ "tasks, large item", TASKS, "QueueService/Put queue" O " item=$'~5000~'" },
	{ "tasks", TASKS PUT, "QueueService/PutMany queue" O " items=$7 items=$8 items=$9" },
	{ "tasks, some", TASKS TEN PUT, "QueueService/Get queue" O },
	{ "lifo", MAKE "queue={discipline=2}\n" TEN PUT, "QueueService/Get queue" O },
	{ "priority", MAKE "queue={discipline=3}\n" TEN PUT, "QueueService/Get queue" O },
	{ "lease", TASKS TEN PUT, "QueueService/Get queue" O " lease_duration={seconds=1000}" },
	{ "tasks", TASKS TEN PUT, "QueueService/GetMany queue" O " max_items=3" },
	{ "tasks, some", TASKS TEN PUT, "undo:QueueService/Get queue" O },
	{ "tasks, last, closed", TASKS PUT "QueueService/Close queue" O "\n", "undo:QueueService/Get queue" O },
	{ "lifo", MAKE "queue={discipline=2}\n" TEN PUT, "undo:QueueService/Get queue" O },
	{ "priority", MAKE "queue={discipline=3 joinable=true}\n" TEN PUT, "undo:QueueService/Get queue" O },
	{ "tasks, ttl", TASKS "QueueService/Put queue" O " item=$7 ttl={seconds=9000}\n",
	  "undo:QueueService/Get queue" O },
	{ "lease", TASKS TEN PUT, "undo:QueueService/Get queue" O " lease_duration={seconds=1000}" },
	{ "tasks", TASKS TEN PUT, "undo:QueueService/GetMany queue" O " max_items=3",
	  OTHER TASKS_O LEFT_OF_TASKS("8", " items=$0") "\0" OTHER TASKS_O LEFT_OF_TASKS("9",
											 " items=$0 items=$1") "\0" },
	{ "tasks", TASKS TEN PUT, "QueueService/Peek queue" O },
	{ "tasks", TASKS TEN PUT LEASE, "QueueService/Size queue" O },
	{ "tasks", TASKS TEN PUT LEASE, "QueueService/Clear queue" O },
	{ "tasks", TASKS TEN PUT, "QueueService/Close queue" O },
	{ "joinable, one left", MAKE "queue={joinable=true}\n" PUT GET, "QueueService/TaskDone queue" O },
	{ "joinable, some left", MAKE "queue={joinable=true}\n3*" PUT GET, "QueueService/TaskDone queue" O },
	{ "joinable, all done", MAKE "queue={joinable=true}\n", "QueueService/Join queue" O },
	{ "joinable, some left", MAKE "queue={joinable=true}\n" PUT, "QueueService/Join queue" O " timeout={}" },
	{ "own", TASKS TEN PUT "victim " LEASE, "QueueService/Ack queue" O " lease_token=@" },
	{ "another's", TASKS TEN PUT LEASE, "QueueService/Ack queue" O " lease_token=@" },
	{ "at once", TASKS TEN PUT LEASE, "QueueService/Nack queue" O " lease_token=@" },
	{ "own, later", TASKS TEN PUT "victim " LEASE,
	  "QueueService/Nack queue" O " lease_token=@ delay={seconds=1000}" },
	{ "its last attempt", MAKE "queue={tasks=true max_attempts=1}\n" PUT LEASE,
	  "QueueService/Nack queue" O " lease_token=@" },
	{ "its last attempt, dead-letter queue",
	  MAKE "queue={tasks=true max_attempts=1 dead_letter='p'}\n" PUT LEASE
	       "ManagerService/Create name='p' queue={tasks=true}\n",
	  "QueueService/Nack queue" O " lease_token=@" },
	{ "own", TASKS TEN PUT "victim " LEASE,
	  "QueueService/Extend queue" O " lease_token=@ lease_duration={seconds=5000}" },
	{ "another's", TASKS TEN PUT LEASE,
	  "QueueService/Extend queue" O " lease_token=@ lease_duration={seconds=5000}" },
	{ "tasks", TASKS TEN PUT, "QueueService/Pause queue" O },
	{ "tasks", TASKS TEN PUT "QueueService/Pause queue" O "\n", "QueueService/Resume queue" O },
	{ "dead ones",
	  MAKE "queue={tasks=true max_attempts=1}\n" PUT LEASE "QueueService/Nack queue" O " lease_token=@\n",
	  "QueueService/Requeue queue" O },
	{ "to another", TASKS PUT "ManagerService/Create name='p' queue={tasks=true}\n",
	  "QueueService/Requeue queue" O " to={name='p'} max_items=1" },
	{ "tasks, reference", TASKS PUT THING, "QueueService/Put queue" O " item=$*&" },
	{ "priority, reference", MAKE "queue={discipline=3}\n" PUT THING,
	  "QueueService/Put queue" O " item=$*& priority=-5" },
	{ "lease, reference", TASKS THING PUT_REF PUT, "QueueService/Get queue" O " lease_duration={seconds=1000}" },
	{ "tasks, reference", TASKS THING PUT_REF PUT, "undo:QueueService/Get queue" O },
	{ "own, reference", TASKS THING PUT_REF "victim " LEASE, "QueueService/Ack queue" O " lease_token=@" },
	{ "own, reference", TASKS THING PUT_REF "victim " LEASE, "QueueService/Nack queue" O " lease_token=@" },
	{ "its last attempt, dead-letter queue, reference",
	  "ManagerService/Create name='p' queue={tasks=true}\n" MAKE
	  "queue={tasks=true max_attempts=1 dead_letter='p'}\n" THING PUT_REF "victim " LEASE,
	  "QueueService/Nack queue" O " lease_token=@" },
	{ "to another, reference", TASKS "ManagerService/Create name='p' queue={tasks=true}\n" THING PUT_REF,
	  "QueueService/Requeue queue" O " to={name='p'} max_items=1" },

	/* ValueService */
	{ "int64", MAKE "value={type_code=10}\n", "ValueService/Get value" O },
	{ "int64", MAKE "value={type_code=10}\n", "ValueService/Set value" O " new_value={int_value=-5}" },
	{ "double", MAKE "value={type_code=13}\n", "ValueService/Set value" O " new_value={double_value=1.5}" },
	{ "int64", MAKE "value={type_code=10}\n", "ValueService/Add value" O " delta={int_value=3}" },
	{ "double", MAKE "value={type_code=13}\n", "ValueService/Add value" O " delta={double_value=0.5}" },
	{ "equal", MAKE "value={type_code=6}\n",
	  "ValueService/CompareExchange value" O " expected={int_value=0} desired={int_value=9}" },
	{ "other", MAKE "value={type_code=6}\n",
	  "ValueService/CompareExchange value" O " expected={int_value=1} desired={int_value=9}" },
	{ "int32", MAKE "value={type_code=6}\n", "ValueService/Exchange value" O " desired={int_value=9}" },
	{ "first", MAKE "value={type_code=6}\n", "ValueService/GetLock value" O },
	{ "again", MAKE "value={type_code=6}\nValueService/GetLock value" O "\n", "ValueService/GetLock value" O },

	/* ArrayService */
	{ "int32", INT_ARRAY, "ArrayService/Len array" O },
	{ "int32", INT_ARRAY, "ArrayService/Get array" O " index=7" },
	{ "int32", INT_ARRAY, "ArrayService/Set array" O " index=-1 value={int_value=7}" },
	{ "int32", INT_ARRAY, "ArrayService/Add array" O " index=7 delta={int_value=7}" },
	{ "int32", INT_ARRAY,
	  "ArrayService/CompareExchange array" O " index=7 expected={int_value=0} desired={int_value=9}" },
	{ "int32", INT_ARRAY, "ArrayService/GetSlice array" O " start=3 count=5" },
	{ "short", INT_ARRAY, "ArrayService/SetSlice array" O " start=3 elements={type_code=6 data='aaaabbbb'}" },
	{ "long", INT_ARRAY, "ArrayService/SetSlice array" O " start=1 elements={type_code=6 data='~800~'}" },
	{ "in a block", INT_ARRAY, "ArrayService/SetSlice array" O " start=0 elements={type_code=6 data='~1200~'}" },
	{ "short", INT_ARRAY, "ArrayService/Fill array" O " start=3 count=2 value={int_value=7}" },
	{ "all", INT_ARRAY, "ArrayService/Fill array" O " value={int_value=7}" },
	{ "first", INT_ARRAY, "ArrayService/GetLock array" O },

	/* DictService */
	{ "there", DICT TEN SET, "DictService/Get dict" O " key=$3" },
	{ "first", DICT, "DictService/Set dict" O " key=$3 value=$'three'" },
	{ "new", DICT TEN SET, "DictService/Set dict" O " key=$'k' value=$'v'" },
	{ "over", DICT TEN SET, "DictService/Set dict" O " key=$3 value=$'~200~'" },
	{ "large", DICT TEN SET, "DictService/Set dict" O " key=$'~600~' value=$'~5000~'" },
	{ "table grows", DICT "48*" SET, "DictService/Set dict" O " key=$'k' value=$'v'" },
	{ "table is being moved", DICT "60*" SET, "DictService/Set dict" O " key=$'k' value=$'v'" },
	{ "order tree grows", DICT "64*" SET, "DictService/Set dict" O " key=$'k' value=$'v'" },
	{ "there", DICT TEN SET, "DictService/Delete dict" O " key=$3" },
	{ "the only one", DICT SET, "DictService/Delete dict" O " key=$0" },
	{ "not there", DICT TEN SET, "DictService/Delete dict" O " key=$33" },
	{ "there", DICT TEN SET, "DictService/Contains dict" O " key=$3" },
	{ "some", DICT TEN SET, "DictService/Len dict" O },
	{ "new", DICT TEN SET, "DictService/SetDefault dict" O " key=$33 value=$1" },
	{ "there", DICT TEN SET, "DictService/SetDefault dict" O " key=$3 value=$1" },
	{ "there", DICT TEN SET, "DictService/Pop dict" O " key=$3" },
	{ "last", DICT TEN SET, "DictService/PopItem dict" O },
	{ "first", DICT TEN SET, "DictService/PopItem dict" O " first=true" },
	{ "some", DICT TEN SET,
	  "DictService/Update dict" O
	  " entries={key=$3 value=$'x'} entries={key=$'k' value=$1} entries={key=$'l' value=$2}" },
	{ "int", DICT TEN SET, "DictService/Increment dict" O " key=$3 delta=$4" },
	{ "new", DICT TEN SET, "DictService/Increment dict" O " key=$'n' delta=$4" },
	{ "equal", DICT TEN SET, "DictService/CompareExchange dict" O " key=$3 expected=$3 desired=$'x'" },
	{ "to absent", DICT TEN SET, "DictService/CompareExchange dict" O " key=$3 expected=$3" },
	{ "with a ttl", DICT TEN SET, "DictService/Set dict" O " key=$3 value=$'x' ttl={seconds=900}" },
	{ "with a ttl, over one with a ttl", DICT TEN SET "DictService/Expire dict" O " key=$3 ttl={seconds=800}\n",
	  "DictService/Set dict" O " key=$3 value=$'x' ttl={seconds=900}" },
	{ "over one with a ttl", DICT TEN SET "DictService/Expire dict" O " key=$3 ttl={seconds=800}\n",
	  "DictService/Set dict" O " key=$3 value=$'x'" },
	{ "first", DICT TEN SET, "DictService/Expire dict" O " key=$3 ttl={seconds=900}" },
	{ "off", DICT TEN SET "DictService/Expire dict" O " key=$3 ttl={seconds=900}\n",
	  "DictService/Expire dict" O " key=$3 ttl={}" },
	{ "with a ttl", DICT TEN SET "DictService/Expire dict" O " key=$3 ttl={seconds=900}\n",
	  "DictService/Delete dict" O " key=$3" },
	{ "none", DICT TEN SET, "DictService/Ttl dict" O " key=$3" },
	{ "with ttls", DICT TEN SET "3*DictService/Expire dict" O " key=$% ttl={seconds=900}\n",
	  "DictService/Clear dict" O },
	{ "some", DICT TEN SET, "DictService/Clear dict" O },
	{ "many", DICT "100*" SET, "DictService/Clear dict" O },
	{ "some", DICT TEN SET, "DictService/Keys dict" O " page_size=3" },
	{ "some", DICT TEN SET, "DictService/Values dict" O " page_size=3 reverse=true" },
	{ "some", DICT TEN SET, "DictService/Items dict" O },
	{ "some", DICT TEN SET, "DictService/Copy dict" O " name='p'" },
	{ "some", "", "DictService/FromKeys name='o' keys=$1 keys=$2 keys=$3 value=$'v'" },

#define SET_REF "DictService/Set dict" O " key=$3 value=$*&\n"
	{ "new, reference", DICT TEN SET THING, "DictService/Set dict" O " key=$'k' value=$*&" },
	{ "new, key that refers", DICT TEN SET THING, "DictService/Set dict" O " key=$*& value=$1" },
	{ "over a reference", DICT TEN SET THING SET_REF, "DictService/Set dict" O " key=$3 value=$'x'" },
	{ "over by a reference", DICT TEN SET THING, "DictService/Set dict" O " key=$3 value=$*&" },
	{ "over a reference by another", DICT TEN SET THING SET_REF A_LIST,
	  "DictService/Set dict" O " key=$3 value=$*&" },
	{ "references", DICT TEN SET THING SET_REF,
	  "DictService/Update dict" O " entries={key=$3 value=$1} entries={key=$'k' value=$*&}" },
	{ "reference", DICT TEN SET THING SET_REF, "DictService/Get dict" O " key=$3" },
	{ "reference", DICT TEN SET THING SET_REF, "DictService/Pop dict" O " key=$3" },
	{ "reference", DICT THING SET_REF, "DictService/PopItem dict" O },
	{ "reference", DICT TEN SET THING SET_REF, "DictService/Delete dict" O " key=$3" },
	{ "reference", DICT TEN SET THING SET_REF, "DictService/Clear dict" O },
	{ "from a reference to another", DICT TEN SET THING SET_REF A_LIST,
	  "DictService/CompareExchange dict" O " key=$3 expected=$*! desired=$*&" },
	{ "reference", DICT THING SET_REF, "DictService/Copy dict" O " name='p'" },

/* WatchService: the log is begun; and what changes a watched object */
#define WATCHED "WatchService/Next object" O " timeout={}\n"
	{ "dict, first", DICT TEN SET, "WatchService/Next object" O " timeout={}" },
	{ "dict, watched", DICT TEN SET WATCHED, "DictService/Set dict" O " key=$3 value=$'x'" },
	{ "dict, watched", DICT TEN SET WATCHED, "DictService/Clear dict" O },
	{ "value, watched", MAKE "value={type_code=10}\n" WATCHED, "ValueService/Add value" O " delta={int_value=3}" },
	{ "queue, watched", QUEUE TEN PUT WATCHED, "QueueService/Put queue" O " item=$7" },
	{ "queue, watched", QUEUE TEN PUT WATCHED, "QueueService/Get queue" O },
	{ "list, watched", LIST TEN APPEND WATCHED, "ListService/Append list" O " item=$7" },
	{ "tasks, watched", TASKS TEN PUT WATCHED, "QueueService/Get queue" O },
	{ "watched", QUEUE TEN PUT WATCHED, "ManagerService/Delete object" O },
	{ "event, watched", MAKE "event={}\n" WATCHED, "EventService/Set event" O },

	/* NamespaceService */
	{ "there", NAMESPACE "3*" ATTRIBUTE, "NamespaceService/Get namespace" O " name='a1'" },
	{ "new", NAMESPACE "3*" ATTRIBUTE, "NamespaceService/Set namespace" O " name='b' value=$true" },
	{ "over", NAMESPACE "3*" ATTRIBUTE, "NamespaceService/Set namespace" O " name='a1' value=$true" },
	{ "there", NAMESPACE "3*" ATTRIBUTE, "NamespaceService/Delete namespace" O " name='a1'" },
	{ "there", NAMESPACE "3*" ATTRIBUTE, "NamespaceService/Increment namespace" O " name='a1' delta=$5" },
	{ "some", NAMESPACE "3*" ATTRIBUTE, "NamespaceService/Dir namespace" O },
	{ "some", NAMESPACE "3*" ATTRIBUTE, "NamespaceService/List namespace" O },
	{ "reference", NAMESPACE "3*" ATTRIBUTE THING, "NamespaceService/Set namespace" O " name='a1' value=$*&" },
	{ "reference", NAMESPACE THING "NamespaceService/Set namespace" O " name='a' value=$*&\n",
	  "NamespaceService/Delete namespace" O " name='a'" },

	/* EventService */
	{ "clear", MAKE "event={}\n", "EventService/Set event" O },
	{ "set", MAKE "event={}\nEventService/Set event" O "\n", "EventService/Set event" O },
	{ "set", MAKE "event={}\nEventService/Set event" O "\n", "EventService/Clear event" O },
	{ "set", MAKE "event={}\nEventService/Set event" O "\n", "EventService/IsSet event" O },
	{ "set", MAKE "event={}\nEventService/Set event" O "\n", "EventService/Wait event" O },
	{ "clear", MAKE "event={}\n", "EventService/Wait event" O " timeout={}" },

/* PipeService */
#define UNOPENED "2 kind 7 'o' flags 0 closed 0 ephemeral 0\n  PipeService/State OK ends={} ends={}\n"
#define EMPTY_PART(n)                                                                                                  \
	n " kind 1 '' flags 0 closed 0 ephemeral 0\n  QueueService/Size OK empty=true\n"                               \
	  "  QueueService/GetMany EMPTY \n"
	{ "first", MAKE "pipe={}\n", "PipeService/Open pipe" O " end=0",
	  OTHER UNOPENED EMPTY_PART("3") "\0" OTHER UNOPENED EMPTY_PART("3") EMPTY_PART("4") "\0" },
	{ "the other is open", MAKE "pipe={}\nPipeService/Open pipe" O " end=1\n", "PipeService/Open pipe" O " end=0" },
	{ "many hold it", MAKE "pipe={}\n6*PipeService/Open pipe" O " end=0\n", "PipeService/Open pipe" O " end=0" },
	{ "last holder", PIPE "3*PipeService/Send pipe" O " end=1 item=$%\n", "PipeService/Close pipe" O " end=0" },
	{ "of several", PIPE "PipeService/Open pipe" O " end=0\n", "PipeService/Close pipe" O " end=0" },
	{ "empty", PIPE, "PipeService/Send pipe" O " end=0 item=$7" },
	{ "the other is closed", PIPE "PipeService/Close pipe" O " end=1\n",
	  "PipeService/Send pipe" O " end=0 item=$7" },
	{ "one", PIPE "PipeService/Send pipe" O " end=1 item=$7\n", "PipeService/Recv pipe" O " end=0" },
	{ "empty", PIPE, "PipeService/Recv pipe" O " end=0 timeout={}" },
	{ "end of file", PIPE "PipeService/Close pipe" O " end=1\n", "PipeService/Recv pipe" O " end=0" },
	{ "empty", PIPE, "PipeService/SendBytes pipe" O " end=0 data='bytes'" },
	{ "one", PIPE "PipeService/SendBytes pipe" O " end=1 data='bytes'\n", "PipeService/RecvBytes pipe" O " end=0" },
	{ "one", PIPES "PipeService/Send pipe" O " end=1 item=$7\n", "undo:PipeService/Recv pipe" O " end=0" },
	{ "end of file", PIPES "PipeService/Send pipe" O " end=1 item=$7\nPipeService/Close pipe" O " end=1\n",
	  "undo:PipeService/Recv pipe" O " end=0" },
	{ "some", PIPES "3*PipeService/SendBytes pipe" O " end=1 data='bytes'\n",
	  "undo:PipeService/RecvBytes pipe" O " end=0" },
	{ "too long", PIPE "PipeService/SendBytes pipe" O " end=1 data='bytes'\n",
	  "PipeService/RecvBytes pipe" O " end=0 max_bytes=2" },
	{ "one", PIPE "PipeService/SendBytes pipe" O " end=1 data='bytes'\n", "PipeService/Poll pipe" O " end=0" },
	{ "open", PIPE, "PipeService/State pipe" O },
	{ "reference", PIPE THING, "PipeService/Send pipe" O " end=0 item=$*&" },
	{ "reference", PIPES THING "PipeService/Send pipe" O " end=1 item=$*&\n", "PipeService/Recv pipe" O " end=0" },
	{ "reference", PIPES THING "PipeService/Send pipe" O " end=1 item=$*&\n",
	  "undo:PipeService/Recv pipe" O " end=0" },
	{ "pipe that refers", PIPE THING "PipeService/Send pipe" O " end=1 item=$*&\n",
	  "ManagerService/Delete object" O },

	/* BlockService */
	{ "small", MAKE "block={size_bytes=100}\n", "BlockService/Size block" O },
	{ "small", MAKE "block={size_bytes=100}\n", "BlockService/Read block" O " offset=3 count=20" },
	/* What is longer is not written in one step, block.proto says: it may be there in part. */
	{ "one byte", MAKE "block={size_bytes=100}\n", "BlockService/Write block" O " offset=3 data='a'" },
	{ "one word", MAKE "block={size_bytes=100}\n", "BlockService/Write block" O " offset=8 data='aaaabbbb'" },

	/* ListService */
	{ "some", LIST TEN APPEND, "ListService/Len list" O },
	{ "some", LIST TEN APPEND, "ListService/Get list" O " index=-2" },
	{ "some", LIST TEN APPEND, "ListService/Set list" O " index=4 value=$'~100~'" },
	{ "some", LIST TEN APPEND, "ListService/Delete list" O " index=4" },
	{ "two levels", LIST "150*" APPEND, "ListService/Delete list" O " index=77" },
	{ "steps", LIST TEN APPEND, "ListService/GetSlice list" O " start=8 stop=1 step=-2" },
	{ "shorter", LIST TEN APPEND, "ListService/SetSlice list" O " start=2 stop=7 items=$'x'" },
	{ "longer", LIST "70*" APPEND,
	  "ListService/SetSlice list" O " start=2 stop=3 items=$1 items=$2 items=$'~90~'" },
	{ "steps", LIST TEN APPEND, "ListService/SetSlice list" O " start=0 stop=6 step=2 items=$1 items=$2 items=$3" },
	{ "steps", LIST TEN APPEND, "ListService/DeleteSlice list" O " start=1 step=3" },
	{ "first", LIST, "ListService/Append list" O " item=$7" },
	{ "some", LIST TEN APPEND, "ListService/Append list" O " item=$'~5000~'" },
	{ "a leaf is full", LIST "60*" APPEND, "ListService/Append list" O " item=$7" },
	{ "some", LIST TEN APPEND, "ListService/Extend list" O " items=$7 items=$'~50~' items=$9" },
	{ "front", LIST TEN APPEND, "ListService/Insert list" O " index=0 item=$'f'" },
	{ "in a full leaf", LIST "120*" APPEND, "ListService/Insert list" O " index=30 item=$'f'" },
	{ "last", LIST TEN APPEND, "ListService/Pop list" O },
	{ "the only one", LIST APPEND, "ListService/Pop list" O },
	{ "first", LIST "130*" APPEND, "ListService/Pop list" O " index=0" },
	{ "there", LIST TEN APPEND, "ListService/Remove list" O " value=$4" },
	{ "there", LIST TEN APPEND, "ListService/Index list" O " value=$4" },
	{ "there", LIST TEN APPEND, "ListService/Count list" O " value=$4" },
	{ "there", LIST TEN APPEND, "ListService/Contains list" O " value=$4" },
	{ "some", LIST TEN APPEND, "ListService/Reverse list" O },
	{ "backwards", LIST TEN APPEND, "ListService/Sort list" O " reverse=true" },
	{ "twice", LIST TEN APPEND, "ListService/Repeat list" O " count=2" },
	{ "to nothing", LIST TEN APPEND, "ListService/Repeat list" O " count=0" },
	{ "to another", LIST TEN APPEND "ManagerService/Create name='p' list={}\n",
	  "ListService/Copy list" O " to={name='p'}" },
	{ "behind another",
	  LIST TEN APPEND "ManagerService/Create name='p' list={}\nListService/Append list={name='p'} item=$1\n",
	  "ListService/Copy list" O " to={name='p'} append=true" },
	{ "some", LIST TEN APPEND, "ListService/Clear list" O },
#define APPEND_REF "ListService/Append list" O " item=$*&\n"
	{ "reference", LIST TEN APPEND THING, "ListService/Append list" O " item=$*&" },
	{ "reference", LIST TEN APPEND THING, "ListService/Set list" O " index=4 value=$*&" },
	{ "over a reference", LIST APPEND THING APPEND_REF, "ListService/Set list" O " index=1 value=$1" },
	{ "reference", LIST TEN APPEND THING APPEND_REF, "ListService/Remove list" O " value=$*&" },
	{ "reference", LIST TEN APPEND THING APPEND_REF, "ListService/Pop list" O },
	{ "references", LIST TEN APPEND THING APPEND_REF,
	  "ListService/SetSlice list" O " start=9 stop=11 items=$*& items=$[$*&] items=$1" },
	{ "reference", LIST THING APPEND_REF "ManagerService/Create name='p' list={}\n",
	  "ListService/Copy list" O " to={name='p'}" },
	{ "list that refers", LIST TEN APPEND THING APPEND_REF, "ManagerService/Delete object" O },

/* SharedListService */
#define SHARED MAKE "shared_list={items=$1 items=$'text' items=$2.5}\n"
	{ "shared list", "", "ManagerService/Create name='o' shared_list={items=$1 items=$'text'}" },
	{ "three", SHARED, "SharedListService/Len shared_list" O },
	{ "three", SHARED, "SharedListService/Get shared_list" O " index=1" },
	{ "number", SHARED, "SharedListService/Set shared_list" O " index=0 value=$9" },
	{ "text", SHARED, "SharedListService/Set shared_list" O " index=1 value=$'tex'" },
	{ "three", SHARED, "SharedListService/Items shared_list" O },
	{ "three", SHARED, "SharedListService/Index shared_list" O " value=$2.5" },
	{ "three", SHARED, "SharedListService/Count shared_list" O " value=$2.5" },

	/* LockService */
	{ "free", MAKE "lock={}\n", "LockService/Acquire lock" O },
	{ "held", MAKE "lock={}\nLockService/Acquire lock" O "\n", "LockService/Acquire lock" O " timeout={}" },
	{ "rlock, own", MAKE "rlock={}\nvictim LockService/Acquire lock" O "\n", "LockService/Acquire lock" O },
	{ "rlock, free", MAKE "rlock={}\n", "LockService/Acquire lock" O },
	{ "free", MAKE "lock={}\n", "undo:LockService/Acquire lock" O },
	{ "rlock, own", MAKE "rlock={}\nLockService/Acquire lock" O "\n", "undo:LockService/Acquire lock" O },
	{ "own", MAKE "lock={}\nvictim LockService/Acquire lock" O "\n", "LockService/Release lock" O },
	{ "another's", MAKE "lock={}\nLockService/Acquire lock" O "\n", "LockService/Release lock" O },
	{ "rlock, twice", MAKE "rlock={}\nvictim 2*LockService/Acquire lock" O "\n", "LockService/Release lock" O },
	{ "rlock, once", MAKE "rlock={}\nvictim LockService/Acquire lock" O "\n", "LockService/Release lock" O },
	{ "held", MAKE "lock={}\nLockService/Acquire lock" O "\n", "LockService/Status lock" O },

	{ "somebody waits", MAKE "lock={}\nvictim LockService/Acquire lock" O "\nLockService/Acquire lock" O "\n",
	  "LockService/Release lock" O },
	{ "to wait", MAKE "lock={}\nLockService/Acquire lock" O "\n", "LockService/Acquire lock" O },

/* ConditionService, BarrierService */
#define CONDITION "ManagerService/Create name='l' rlock={}\n" MAKE "condition={lock={name='l'}}\n"
#define LOCKED(who) who "LockService/Acquire lock={name='l'}\n"
#define WAITED LOCKED("") "ConditionService/Wait condition" O "\n"
	{ "condition", "", "ManagerService/Create name='o' condition={}" },
	{ "condition over a lock", "ManagerService/Create name='l' lock={}\n",
	  "ManagerService/Create name='o' condition={lock={name='l'}}" },
	{ "condition, waited for", CONDITION WAITED, "ManagerService/Delete object" O },
	{ "its own", MAKE "condition={}\n", "ConditionService/GetLock condition" O },
	{ "to wait", CONDITION LOCKED("victim "), "ConditionService/Wait condition" O },
	{ "to wait, twice locked", CONDITION LOCKED("victim ") LOCKED("victim "), "ConditionService/Wait condition" O },
	{ "not locked", CONDITION, "ConditionService/Wait condition" O },
#define RELEASED                                                                                                       \
	"2 kind 9 'l' flags 0 closed 0 ephemeral 0\n  LockService/Status OK token=1\n"                                 \
	"  LockService/Acquire OK token=2 depth=1\n"                                                                   \
	"3 kind 11 'o' flags 0 closed 0 ephemeral 0\n  ConditionService/Status OK \n"
	{ "no time", CONDITION LOCKED("victim "), "ConditionService/Wait condition" O " timeout={}",
	  OTHER RELEASED "\0" },
	{ "no time", CONDITION LOCKED(""), "undo:ConditionService/Wait condition" O " timeout={}" },
	{ "no time, twice locked", CONDITION LOCKED("") LOCKED(""),
	  "undo:ConditionService/Wait condition" O " timeout={}" },
	{ "one", CONDITION WAITED LOCKED("victim "), "ConditionService/Notify condition" O },
	{ "all", CONDITION WAITED WAITED LOCKED("victim "), "ConditionService/Notify condition" O " all=true" },
	{ "nobody", CONDITION LOCKED("victim "), "ConditionService/Notify condition" O },
	{ "waited for", CONDITION WAITED, "ConditionService/Status condition" O },
#define BARRIER MAKE "barrier={parties=2}\n"
	{ "barrier", "", "ManagerService/Create name='o' barrier={parties=3}" },
	{ "first", BARRIER, "BarrierService/Wait barrier" O },
	{ "last", BARRIER "BarrierService/Wait barrier" O "\n", "BarrierService/Wait barrier" O },
	{ "no time", BARRIER, "BarrierService/Wait barrier" O " timeout={}" },
	{ "waited for", BARRIER "BarrierService/Wait barrier" O "\n", "BarrierService/Abort barrier" O },
	{ "waited for", BARRIER "BarrierService/Wait barrier" O "\n", "BarrierService/Reset barrier" O },
	{ "broken", BARRIER "BarrierService/Abort barrier" O "\n", "BarrierService/Reset barrier" O },
	{ "waited for", BARRIER "BarrierService/Wait barrier" O "\n", "BarrierService/Status barrier" O },

	/* SemaphoreService */
	{ "free", MAKE "semaphore={value=2}\n", "SemaphoreService/Acquire semaphore" O },
	{ "owned, first", MAKE "semaphore={value=2 owned=true}\n", "SemaphoreService/Acquire semaphore" O },
	{ "owned, second", MAKE "semaphore={value=2 owned=true}\nvictim SemaphoreService/Acquire semaphore" O "\n",
	  "SemaphoreService/Acquire semaphore" O },
	{ "free", MAKE "semaphore={value=2}\n", "undo:SemaphoreService/Acquire semaphore" O },
	{ "owned", MAKE "semaphore={value=2 owned=true}\n", "undo:SemaphoreService/Acquire semaphore" O },
	{ "none", MAKE "semaphore={}\n", "SemaphoreService/Acquire semaphore" O " timeout={}" },
	{ "plain", MAKE "semaphore={}\n", "SemaphoreService/Release semaphore" O " count=3" },
	{ "owned", MAKE "semaphore={value=2 bounded=true}\nvictim SemaphoreService/Acquire semaphore" O "\n",
	  "SemaphoreService/Release semaphore" O },
	{ "another's", MAKE "semaphore={value=2 bounded=true}\nSemaphoreService/Acquire semaphore" O "\n",
	  "SemaphoreService/Release semaphore" O },
	{ "some", MAKE "semaphore={value=2}\n", "SemaphoreService/Status semaphore" O },
};

const size_t n_scenarios = sizeof(scenarios) / sizeof(scenarios[0]);
