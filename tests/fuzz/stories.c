/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeds that chance hardly tells: several have to do the right thing one behind the other. In front of each request the
 * third byte of its piece (play.h) stands: 0 the survivor, 1 the victim, 2 the server, 3 the companion, and the bits above.
 * What begins with # is an event, with its numbers. % is the page token of the answer to the request before.
 */
#include "tests/fuzz/seeds.h"

#define RING "0 #RING\n"
#define UPKEEP RING "0 #SWEEP\n0 #COLLECT\n0 #DUE\n0 #SETTLE\n0 #KEEP\n"
#define BYTES "aaaaaaaa"

/* WatchService: from the last answer on it is waited for. */
#define WATCH "WatchService/Next object={name='f'} "
#define WATCH_ALL "0 " WATCH "timeout={}\n136 " WATCH "after_sequence=0 timeout={seconds=9}\n"
#define SET_F "0 DictService/Set dict={name='f'} key=$'@@' value=$'v'\n"
#define FILTERED "136 " WATCH "after_sequence=0 timeout={seconds=9} keys=$7 include_values=true\n"

/* ConditionService: the companion has the lock while the survivor is notified. */
#define NOTIFIED                                                                                                       \
	"8 ConditionService/Wait condition={name='q'} timeout={seconds=9}\n"                                           \
	"3 LockService/Acquire lock={name='k'} timeout={}\n"                                                           \
	"3 ConditionService/Notify condition={name='q'}\n" RING
#define TWO_NOTIFIED                                                                                                   \
	"8 ConditionService/Wait condition={name='q'} timeout={seconds=9}\n"                                           \
	"1 LockService/Acquire lock={name='k'} timeout={}\n"                                                           \
	"9 ConditionService/Wait condition={name='q'} timeout={seconds=9}\n"                                           \
	"3 LockService/Acquire lock={name='k'} timeout={}\n"                                                           \
	"3 ConditionService/Notify condition={name='q'} all=true\n" RING
#define RELEASE_K "3 LockService/Release lock={name='k'}\n" RING

#define PAGES(line)                                                                                                    \
	MORE_ENTRIES "0 " line " page_size=1\n0 " line " page_size=1 page_token='%'\n0 " line                          \
		     " page_size=1 page_token='%'\n0 " line " page_token='%'\n0 " line " page_token='%x'\n" SET_F      \
		     "0 DictService/Clear dict={name='f'}\n0 " line " page_token='%'\n0 " line " page_token=' %'\n"
#define MORE_ENTRIES                                                                                                   \
	SET_F "0 DictService/Set dict={name='f'} key=$1.5 value=$'v'\n0 NamespaceService/Set namespace={name='h'} "    \
	      "name='y' value=$2\n0 NamespaceService/Set namespace={name='h'} name='z' value=$3\n"

#define AGAIN_THERE(name, spec) "0 ManagerService/Create name='" name "' exist_ok=true " spec "\n"

/* An item of p can't be done twice, and the other behind it waits yet. */
#define DEAD_LETTER(spec, before)                                                                                                           \
	"0 ManagerService/Create name='o' " spec                                                                                            \
	"\n0 ManagerService/Create name='p' queue={max_attempts=1 dead_letter='o'}\n" before                                                \
	"0 QueueService/PutMany queue={name='p'} items=$1 items=$'some text' items=$3\n"                                                    \
	"0 QueueService/Get queue={name='p'} timeout={} lease_duration={seconds=9}\n128 QueueService/Nack queue={name='p'} lease_token=0\n" \
	"0 QueueService/Get queue={name='p'} timeout={} lease_duration={seconds=9}\n128 QueueService/Nack queue={name='p'} lease_token=0\n" \
	"0 QueueService/Get queue={name='p'} timeout={} lease_duration={seconds=1}\n0 #PASS 34\n0 #SETTLE\n0 #DUE\n0 #LET_GO\n0 #DUE\n"     \
	"0 QueueService/Get queue={name='o'} timeout={}\n0 QueueService/Requeue queue={name='p'}\n0 QueueService/Requeue queue={name='o'}\n0 #KEEP\n"

const char *const stories[] = {
	WATCH_ALL SET_F RING,
	WATCH_ALL SET_F SET_F "0 #EXPIRE\n" RING,
	WATCH_ALL "0 #EXPIRE\n" RING,
	WATCH_ALL "0 #CANCEL\n" SET_F RING,
	WATCH_ALL "8 #CANCEL\n" SET_F RING,
	WATCH_ALL "0 ManagerService/Delete object={name='f'}\n" RING,
	WATCH_ALL "0 #PASS 38\n0 #DUE\n" SET_F RING "0 #PASS 38\n0 #DUE\n",
	WATCH_ALL "0 #HOLD 6\n" SET_F "0 #LET_GO\n" RING,
	"0 " WATCH "timeout={}\n" SET_F "0 #AGAIN 300 9\n136 " WATCH "after_sequence=0 timeout={}\n",
	"0 " WATCH "timeout={}\n" SET_F "0 #AGAIN 100 9\n128 " WATCH
	"after_sequence=0 max_changes=7 include_values=true\n",
	"0 " WATCH "timeout={}\n" FILTERED SET_F RING "0 DictService/Set dict={name='f'} key=$7 value=$'v'\n" RING,
	"0 " WATCH "timeout={}\n" FILTERED SET_F RING "0 #EXPIRE\n" RING,
	"0 " WATCH "timeout={}\n" FILTERED SET_F RING "0 #CANCEL\n" RING,
	"0 " WATCH "timeout={}\n136 " WATCH "after_sequence=0 timeout={seconds=9}\n137 " WATCH
	"after_sequence=0 timeout={seconds=9} key_prefix='@'\n139 " WATCH
	"after_sequence=0 timeout={seconds=9} key_prefix='x'\n" SET_F RING "0 #DEATH\n" RING,
	"0 " WATCH "timeout={}\n0 DictService/Set dict={name='f'} key=$'" BYTES BYTES BYTES BYTES BYTES BYTES BYTES
		BYTES BYTES BYTES "' value=$'v'\n128 " WATCH "after_sequence=0 timeout={} include_values=true\n",
	"0 " WATCH
	"timeout={}\n0 DictService/Update dict={name='f'} entries={key=$1 value=$2} entries={key=$5 value=$2} "
	"entries={key=$6 value=$2} entries={key=$7 value=$2} entries={key=$8 value=$2} entries={key=$9 value=$2} "
	"entries={key=$10 value=$2} entries={key=$11 value=$2} entries={key=$12 value=$2} entries={key=$13 value=$2} "
	"entries={key=$14 value=$2} entries={key=$15 value=$2} entries={key=$16 value=$2} entries={key=$17 value=$2} "
	"entries={key=$18 value=$2} entries={key=$19 value=$2} entries={key=$20 value=$2} entries={key=$21 value=$2}\n128 " WATCH
	"after_sequence=0 timeout={}\n",
	"0 WatchService/Next object={name='i'} timeout={}\n1 PipeService/Send pipe={name='i'} end=0 item=$7\n"
	"128 WatchService/Next object={name='i'} after_sequence=0 timeout={}\n0 ManagerService/Delete object={name='i'}\n" RING,
	"0 WatchService/Next object={name='b'} timeout={}\n136 WatchService/Next object={name='b'} after_sequence=0 timeout={seconds=9}\n"
	"0 QueueService/Get queue={name='b'} timeout={} lease_duration={seconds=1}\n" RING
	"0 #PASS 33\n0 #SETTLE\n" RING,
	"0 WatchService/Next object={name='a'} timeout={}\n136 WatchService/Next object={name='a'} after_sequence=0 timeout={seconds=9}\n"
	"0 QueueService/Put queue={name='a'} item=$7\n" RING,

	NOTIFIED RELEASE_K RING,
	NOTIFIED "0 #EXPIRE\n" RING RELEASE_K,
	NOTIFIED "0 #CANCEL\n" RING RELEASE_K,
	NOTIFIED "8 #CANCEL\n" RING RELEASE_K,
	NOTIFIED "0 ManagerService/Delete object={name='q'}\n" RING RELEASE_K,
	NOTIFIED "0 ManagerService/Delete object={name='k'}\n" RING RELEASE_K,
	NOTIFIED "0 #HOLD 11\n" RING "0 #LET_GO\n" RELEASE_K,
	NOTIFIED "0 #HOLD 16\n" RING "0 #CANCEL\n0 #LET_GO\n" RELEASE_K,
	TWO_NOTIFIED RELEASE_K "0 LockService/Release lock={name='k'}\n" RING,
	TWO_NOTIFIED "0 #DEATH\n" RING RELEASE_K,
	TWO_NOTIFIED "0 ManagerService/Delete object={name='k'}\n" RING,
	TWO_NOTIFIED "0 #START\n" RING RELEASE_K,
	TWO_NOTIFIED "0 #DIES 9\n4 #START\n" RING RELEASE_K,
	"12 ConditionService/Wait condition={name='q'} timeout={seconds=9}\n3 ConditionService/Notify condition={name='q'}\n"
	"3 LockService/Acquire lock={name='k'} timeout={}\n3 ConditionService/Notify condition={name='q'}\n"
	"3 LockService/Release lock={name='k'}\n" RING RING,
	"0 LockService/Acquire lock={name='k'}\n8 ConditionService/Wait condition={name='q'} timeout={seconds=9}\n"
	"0 ManagerService/Delete object={name='k'}\n0 ManagerService/Create name='k' rlock={}\n" RING
	"8 ConditionService/Wait condition={name='q'} timeout={seconds=9}\n",
	"40 ConditionService/Wait condition={name='q'} timeout={seconds=9}\n" UPKEEP,
	"0 ManagerService/Delete object={name='k'}\n0 ManagerService/Create name='o' condition={lock={name='k'}}\n",
	"0 ManagerService/Create name='o' condition={lock={name='j'}}\n9 ConditionService/Wait condition={name='o'} timeout={seconds=9}\n"
	"0 LockService/Acquire lock={name='j'} timeout={}\n0 ConditionService/Notify condition={name='o'}\n" RING
	"0 LockService/Release lock={name='j'}\n" RING,

	/* Waiters of all kinds, whom nobody tells, or whose answer nobody gets. */
	"8 LockService/Acquire lock={name='j'} timeout={seconds=9}\n11 LockService/Acquire lock={name='j'} timeout={seconds=9}\n"
	"8 #CANCEL\n1 LockService/Release lock={name='j'}\n" RING,
	"12 LockService/Acquire lock={name='j'} timeout={seconds=9}\n15 LockService/Acquire lock={name='j'} timeout={seconds=9}\n"
	"1 LockService/Release lock={name='j'}\n" RING RING,
	"40 LockService/Acquire lock={name='j'} timeout={seconds=9}\n40 SemaphoreService/Acquire semaphore={name='l'} timeout={seconds=9}\n"
	"40 SemaphoreService/Acquire semaphore={name='l'} timeout={seconds=9}\n"
	"40 SemaphoreService/Acquire semaphore={name='l'} timeout={seconds=9}\n40 BarrierService/Wait barrier={name='r'} timeout={seconds=9}\n" UPKEEP,
	"12 BarrierService/Wait barrier={name='r'} timeout={seconds=9}\n9 BarrierService/Wait barrier={name='r'} timeout={seconds=9}\n" RING,
	"0 QueueService/Clear queue={name='a'}\n12 QueueService/Get queue={name='a'} timeout={seconds=9}\n"
	"8 QueueService/GetMany queue={name='a'} max_items=40 timeout={seconds=9}\n0 QueueService/Put queue={name='a'} item=$5\n" RING
		RING,
	"0 #HOLD 1\n8 QueueService/Put queue={name='a'} item=$5\n8 QueueService/GetMany queue={name='a'} max_items=4 timeout={seconds=9}\n"
	"0 #LET_GO\n" RING,
	"0 #HOLD 2\n8 QueueService/Put queue={name='b'} item=$5\n8 QueueService/Get queue={name='b'} timeout={seconds=9}\n"
	"8 QueueService/Ack queue={name='b'} lease_token=1\n8 #CANCEL\n0 #PASS 21\n0 #EXPIRE\n" RING "0 #LET_GO\n" RING,
	"0 #HOLD 6\n8 DictService/Set dict={name='f'} key=$1 value=$2\n8 DictService/Clear dict={name='f'}\n0 #PASS 40\n0 #EXPIRE\n" RING
	"0 #LET_GO\n" RING,
	"0 #HOLD 0\n8 ManagerService/Create name='o' event={}\n8 ManagerService/Delete object={name='a'}\n0 #DEATH\n0 #LET_GO\n" RING,
	"0 #HOLD 2\n0 #DEATH\n0 #SWEEP\n0 #LET_GO\n" RING,
	"0 #HOLD 9\n0 #DEATH\n0 #SWEEP\n0 #END\n0 #LET_GO\n" RING,
	"0 #HOLD 12\n0 #DEATH\n0 #START\n0 #LET_GO\n" RING,

	/* Many. */
	"0 QueueService/Put queue={name='a'} item=$5\n0 #AGAIN 1000\n0 #AGAIN 1000\n0 #AGAIN 1000\n0 #AGAIN 1000\n0 #AGAIN 1000\n" UPKEEP
	"4 QueueService/GetMany queue={name='a'} max_items=3000 timeout={}\n0 QueueService/GetMany queue={name='a'} max_items=9000 timeout={}\n",
	"0 QueueService/Put queue={name='b'} item=$5\n0 #AGAIN 1000\n0 #KEEP\n4 QueueService/GetMany queue={name='b'} max_items=900 timeout={}\n"
	"0 #SAVE\n",
	"0 QueueService/Put queue={name='b'} item=$5 dedup_id='@@'\n0 #AGAIN 600 11\n0 #KEEP\n0 #SAVE\n0 #PASS 41\n0 #DUE\n0 #KEEP\n",
	SET_F
	"0 #AGAIN 4000 9\n0 #KEEP\n0 DictService/Delete dict={name='f'} key=$'@@'\n0 #AGAIN 4000 9\n" SET_F UPKEEP,
	SET_F "0 #AGAIN 4000 9\n0 DictService/Set dict={name='f'} key=$'@@@' value=$'v'\n0 #AGAIN 4000 10\n"
	      "0 DictService/Items dict={name='f'}\n0 DictService/Clear dict={name='f'}\n" UPKEEP,
	"0 DictService/Set dict={name='f'} key=$'@@' value=$'v'\n0 DictService/Update dict={name='f'} entries={key=$'@@' value=$1} ttl={seconds=1}\n"
	"0 #AGAIN 300 11\n0 #PASS 35\n0 #DUE\n0 #DUE\n0 DictService/Len dict={name='f'}\n",
	"0 ListService/Append list={name='g'} item=$'@@'\n0 #AGAIN 2000 9\n0 ListService/Sort list={name='g'}\n0 ListService/GetSlice list={name='g'}\n"
	"0 ListService/DeleteSlice list={name='g'} start=3 stop=1900 step=2\n0 ListService/Pop list={name='g'} index=0\n0 #AGAIN 400\n" UPKEEP,
	"0 PipeService/Open pipe={name='i'} end=0\n0 #AGAIN 20\n0 PipeService/Close pipe={name='i'} end=0\n0 #AGAIN 30\n0 #DEATH\n" UPKEEP,
	"0 ManagerService/Create name='@@' event={}\n0 #AGAIN 40 2\n0 ManagerService/List page_size=7\n0 #SWEEP\n",
	"0 ManagerService/Open object={name='f'}\n0 #AGAIN 40\n3 ManagerService/Open object={name='f'}\n1 ManagerService/Open object={name='f'}\n"
	"2 ManagerService/Open object={name='f'}\n0 ManagerService/Release object={name='f'}\n0 #AGAIN 50\n0 #DEATH\n" UPKEEP,
	"0 LockService/Acquire lock={name='k'}\n0 #AGAIN 70\n0 LockService/Release lock={name='k'}\n0 #AGAIN 80\n",

	/* Large. */
	"64 DictService/Set dict={name='f'} key=$'k' value=$'aaaa'\n64 DictService/Set dict={name='f'} key=$'l' value=$'aaaaaaa'\n"
	"0 DictService/Items dict={name='f'}\n0 DictService/Values dict={name='f'} page_size=2\n0 DictService/Copy dict={name='f'}\n" UPKEEP
	"0 #SAVE\n",
	"64 DictService/Set dict={name='f'} key=$'aaaaaaa' value=$'aaaaaaaa'\n64 DictService/Set dict={name='f'} key=$'aaaaaaaa' value=$1\n"
	"64 DictService/SetDefault dict={name='f'} key=$9 value=$'aaaaaaa'\n64 DictService/Increment dict={name='f'} key=$9 delta=$'aaaaaaa'\n"
	"64 DictService/CompareExchange dict={name='f'} key=$1 expected=$2 desired=$'aaaaaaaa'\n",
	"64 QueueService/Put queue={name='a'} item=$'aaaaaaa'\n64 QueueService/Put queue={name='a'} item=$'aaaaaaaa'\n"
	"64 QueueService/PutMany queue={name='a'} items=$'aaaaaa' items=$'aaaaaa'\n0 QueueService/Peek queue={name='a'}\n"
	"4 QueueService/GetMany queue={name='a'} max_items=9 timeout={}\n0 QueueService/GetMany queue={name='a'} max_items=9 timeout={}\n",
	"64 QueueService/Put queue={name='b'} item=$'aaaaaaa'\n64 QueueService/PutMany queue={name='b'} items=$'aaaaaaa' items=$'aaaaaa'\n"
	"0 QueueService/GetMany queue={name='b'} max_items=9 timeout={}\n64 QueueService/Put queue={name='b'} item=$'aaaaaaaa'\n0 #KEEP\n0 #SAVE\n",
	"64 ListService/Append list={name='g'} item=$'aaaaaaa'\n64 ListService/Extend list={name='g'} items=$'aaaaa' items=$'aaaaaa'\n"
	"64 ListService/Insert list={name='g'} index=1 item=$'aaaaaaaa'\n0 ListService/Repeat list={name='g'} count=9\n0 ListService/GetSlice list={name='g'}\n"
	"0 #COLLECT\n0 ListService/Index list={name='g'} value=$'aaaaa'\n",
	"64 NamespaceService/Set namespace={name='h'} name='y' value=$'aaaaaaa'\n0 NamespaceService/List namespace={name='h'}\n"
	"64 NamespaceService/Set namespace={name='h'} name='y' value=$'aaaaaaaa'\n",
	"65 PipeService/Send pipe={name='i'} end=0 item=$'aaaaaaa'\n64 PipeService/Recv pipe={name='i'} end=1 timeout={}\n"
	"65 PipeService/Send pipe={name='i'} end=0 item=$'aaaaaaaa'\n",
	"64 SharedListService/Set shared_list={name='z'} index=1 value=$'aaaa'\n64 SharedListService/Index shared_list={name='z'} value=$'aaaa'\n",
	"64 DictService/FromKeys keys=$'aaaaaa' keys=$'aaaaa' value=$'aaaaaa'\n",
	"0 #FILL 3\n64 QueueService/Put queue={name='a'} item=$'aaaaa'\n0 QueueService/Put queue={name='b'} item=$1\n"
	"0 DictService/Set dict={name='f'} key=$1 value=$5\n0 ListService/Append list={name='g'} item=$1\n",

	"64 ListService/Append list={name='g'} item=$'aaaaaaa'\n0 #AGAIN 6\n0 ListService/GetSlice list={name='g'}\n"
	"0 ListService/Copy list={name='g'}\n0 ListService/Copy list={name='g'} to={name='g'}\n0 #SAVE\n",
	"64 DictService/Set dict={name='f'} key=$'l' value=$'aaaaaaa'\n64 DictService/Set dict={name='f'} key=$'m' value=$'aaaaaaa'\n"
	"0 DictService/Items dict={name='f'}\n0 DictService/Values dict={name='f'}\n0 WatchService/Next object={name='f'} timeout={}\n"
	"64 DictService/Set dict={name='f'} key=$'l' value=$'aaaaaaa'\n64 DictService/Set dict={name='f'} key=$'m' value=$'aaaaaaa'\n"
	"128 WatchService/Next object={name='f'} after_sequence=0 include_values=true\n0 #SAVE\n",
	"64 QueueService/Put queue={name='a'} item=$'aaaaaaa'\n0 #AGAIN 5\n4 QueueService/GetMany queue={name='a'} max_items=9 timeout={}\n"
	"64 QueueService/Put queue={name='b'} item=$'aaaaaaa'\n0 #AGAIN 5\n4 QueueService/GetMany queue={name='b'} max_items=9 timeout={}\n0 #SAVE\n",
	"0 ManagerService/Create name='o' shared_list={items=$'aaaa' items=$'a'}\n64 NamespaceService/Set namespace={name='h'} name='y' value=$'aaaaaaa'\n"
	"64 NamespaceService/Set namespace={name='h'} name='z' value=$'aaaaaaa'\n0 NamespaceService/List namespace={name='h'}\n",

	"64 DictService/Set dict={name='f'} key=$'@@' value=$'aaaaaaa'\n0 #AGAIN 6 11\n0 DictService/Items dict={name='f'}\n"
	"0 DictService/Values dict={name='f'}\n0 WatchService/Next object={name='f'} timeout={}\n64 DictService/Set dict={name='f'} key=$'@@' value=$'aaaaaaa'\n"
	"0 #AGAIN 6 11\n128 WatchService/Next object={name='f'} after_sequence=0 include_values=true\n",

	/* Objects that are there already: the same, and others. */
	AGAIN_THERE("a", "queue={}") AGAIN_THERE("a", "queue={max_items=7}") AGAIN_THERE(
		"a", "queue={max_item_bytes=7}") AGAIN_THERE("a", "queue={joinable=true}")
		AGAIN_THERE("b", "queue={joinable=true max_attempts=2 dead_letter='c' dedup_window={seconds=900}}") AGAIN_THERE(
			"b", "queue={joinable=true max_attempts=2 dead_letter='d' dedup_window={seconds=900}}")
			AGAIN_THERE("b",
				    "queue={joinable=true max_attempts=2 dead_letter='cc' dedup_window={seconds=900}}")
				AGAIN_THERE(
					"b",
					"queue={joinable=true max_attempts=2 dead_letter='c' dedup_window={seconds=901}}")
					AGAIN_THERE(
						"b",
						"queue={joinable=true max_attempts=3 dead_letter='c' dedup_window={seconds=900}}")
						AGAIN_THERE(
							"b",
							"queue={joinable=true max_attempts=2 dead_letter='c' dedup_window={seconds=900} ttl={seconds=9}}")
							AGAIN_THERE("b", "queue={tasks=true}")
								AGAIN_THERE("c", "queue={discipline=3}")
									AGAIN_THERE("c", "queue={discipline=2}"),
	AGAIN_THERE("d", "value={type_code=10}") AGAIN_THERE("d", "value={type_code=9}") AGAIN_THERE(
		"e", "array={type_code=6 length=100}") AGAIN_THERE("e", "array={type_code=6 length=99}")
		AGAIN_THERE("e", "array={type_code=7 length=100}") AGAIN_THERE("f", "dict={}") AGAIN_THERE(
			"g", "list={}") AGAIN_THERE("h", "namespace={}") AGAIN_THERE("i", "pipe={}")
			AGAIN_THERE("j", "lock={}") AGAIN_THERE("j", "lock={strict=true}") AGAIN_THERE("k", "rlock={}")
				AGAIN_THERE("k", "lock={}") AGAIN_THERE(
					"l", "semaphore={value=3 bounded=true}") AGAIN_THERE("l", "semaphore={value=3}")
					AGAIN_THERE("l", "semaphore={value=4 bounded=true}") AGAIN_THERE(
						"m", "event={}") AGAIN_THERE("n", "block={size_bytes=300}")
						AGAIN_THERE("n", "block={size_bytes=301}") AGAIN_THERE(
							"z", "shared_list={items=$1 items=$'text'}")
							AGAIN_THERE("z", "shared_list={items=$1}") AGAIN_THERE(
								"q", "condition={lock={name='k'}}")
								AGAIN_THERE("q", "condition={lock={name='j'}}")
									AGAIN_THERE("q", "condition={}") AGAIN_THERE(
										"r", "barrier={parties=2}")
										AGAIN_THERE("r", "barrier={parties=3}"),

	/* Where those go that nobody could do. */
	DEAD_LETTER("queue={discipline=2}", ""),
	DEAD_LETTER("queue={discipline=3}", ""),
	DEAD_LETTER("queue={tasks=true max_items=1}", ""),
	DEAD_LETTER("queue={tasks=true max_item_bytes=1}", ""),
	DEAD_LETTER("queue={tasks=true}", "0 QueueService/Close queue={name='o'}\n"),
	DEAD_LETTER("queue={tasks=true}", "0 #HOLD 20\n"),
	DEAD_LETTER("queue={}", ""),
	DEAD_LETTER("dict={}", ""),
	DEAD_LETTER("queue={tasks=true}", "0 ManagerService/Delete object={name='o'}\n"),

	/* Whose time has come while a lock is held, and behind that. */
	"0 QueueService/Put queue={name='b'} item=$5 delay={seconds=1} ttl={seconds=9}\n0 #PASS 32\n0 #HOLD 2\n0 #SETTLE\n0 #DUE\n0 #LET_GO\n"
	"0 #SETTLE\n0 #DUE\n0 #PASS 41\n0 #SETTLE\n8 #DUE\n",
	"0 DictService/Set dict={name='f'} key=$9 value=$1 ttl={seconds=1}\n0 #PASS 33\n0 #HOLD 6\n0 #DUE\n0 #SETTLE\n0 #LET_GO\n0 #DUE\n",
	"0 ManagerService/Create name='o' ttl={seconds=1} list={}\n0 #PASS 33\n0 #HOLD 0\n8 #DUE\n0 #LET_GO\n8 #DUE\n0 #DUE\n",
	"0 WatchService/Next object={name='f'} timeout={}\n8 #DUE\n0 #PASS 36\n8 #DUE\n0 #PASS 37\n8 #DUE\n",
	"0 ManagerService/Create dict={}\n0 ListService/Append list={name='g'} item=$1\n8 #COLLECT\n0 #PASS 34\n8 #COLLECT\n16 #COLLECT\n0 #COLLECT\n",

	/* Snapshots that are waited for. */
	"8 AdminService/Snapshot\n11 AdminService/Snapshot\n0 #SAVE\n" RING
	"0 AdminService/Snapshot\n0 #SAVE\n8 AdminService/Snapshot\n0 #SAVE\n" RING,
	"8 AdminService/Snapshot\n4 #SAVE\n" RING "8 AdminService/Snapshot\n" RING,
	"8 AdminService/Snapshot timeout={seconds=1}\n0 #EXPIRE\n0 #SAVE\n" RING "8 AdminService/Snapshot\n0 #CANCEL\n",

	/* Who answers does something else at once. */
	"0 QueueService/Clear queue={name='a'}\n136 QueueService/Get queue={name='a'} timeout={seconds=9}\n"
	"139 QueueService/Get queue={name='a'} timeout={seconds=9}\n0 QueueService/PutMany queue={name='a'} items=$5 items=$6\n" RING,
	"0 QueueService/Clear queue={name='a'}\n72 QueueService/Get queue={name='a'} timeout={seconds=9}\n"
	"72 QueueService/Get queue={name='a'} timeout={seconds=9}\n0 QueueService/PutMany queue={name='a'} items=$5 items=$6\n" RING,
	"200 LockService/Acquire lock={name='j'} timeout={seconds=9}\n200 LockService/Acquire lock={name='j'} timeout={seconds=9}\n"
	"203 LockService/Acquire lock={name='j'} timeout={seconds=9}\n1 LockService/Release lock={name='j'}\n" RING RING
	"0 #EXPIRE\n" RING,

	/* Counts of two bytes, and of many waiters. */
	"0 QueueService/Put queue={name='a'} item=$5\n0 #AGAIN 200\n0 QueueService/Size queue={name='a'}\n0 QueueService/Put queue={name='b'} item=$5\n"
	"0 #AGAIN 200\n0 QueueService/Size queue={name='b'}\n0 PipeService/State pipe={name='i'}\n",
	"0 LockService/Acquire lock={name='k'}\n0 #AGAIN 200\n0 LockService/Status lock={name='k'}\n"
	"8 ConditionService/Wait condition={name='q'} timeout={seconds=9}\n3 ConditionService/Notify condition={name='q'}\n" RING,
	"8 LockService/Acquire lock={name='j'} timeout={seconds=9}\n0 #AGAIN 100\n0 #EXPIRE\n" RING
	"8 EventService/Wait event={name='m'} timeout={}\n",
	"0 QueueService/Clear queue={name='a'}\n8 QueueService/Get queue={name='a'} timeout={seconds=9}\n0 #AGAIN 100\n"
	"0 QueueService/Put queue={name='a'} item=$5\n0 #AGAIN 60\n" RING "4 #CANCEL\n",

	/* Names. */
	"0 ManagerService/Create name='..' event={}\n0 ManagerService/Create name='a/../b' event={}\n0 ManagerService/Create name='./x' event={}\n"
	"0 ManagerService/Create name='x/.' event={}\n0 ManagerService/Create name='x//y' event={}\n0 ManagerService/Create name='...' event={}\n"
	"0 ManagerService/Create name='\xed\xa0\x80' event={}\n0 ManagerService/Create name='\xc0\xaf' event={}\n"
	"0 ManagerService/Create name='\xf4\x90\x80\x80' event={}\n0 ManagerService/Create name='\xf0\x9f\x98\x80' event={}\n"
	"0 ManagerService/Create name='\xee\x80\x80' event={}\n0 ManagerService/Create name='\xe2\x82\xac' event={}\n"
	"0 ManagerService/Create name='\xed\x9f\xbf' event={}\n0 ManagerService/Create name='\xef\xbf\xbe' event={}\n"
	"0 ManagerService/Create name='\xff' event={}\n0 ManagerService/Create name='\xe2\x82' event={}\n",

	/* Pages, one behind the other, and with another's token. */
	PAGES("DictService/Keys dict={name='f'}"),
	PAGES("DictService/Values dict={name='f'}"),
	PAGES("DictService/Items dict={name='f'}"),
	PAGES("NamespaceService/Dir namespace={name='h'}"),
	PAGES("NamespaceService/List namespace={name='h'}"),
	PAGES("ManagerService/List"),
	"0 DictService/Keys dict={name='f'} page_size=1 reverse=true\n0 DictService/Keys dict={name='f'} page_size=1 reverse=true page_token='%'\n"
	"0 DictService/Keys dict={name='f'} page_token='%'\n0 DictService/Values dict={name='f'} reverse=true page_token='%'\n"
	"0 DictService/Items dict={name='f'} page_size=1 reverse=true\n0 DictService/Items dict={name='f'} reverse=true page_token='%'\n",
	"0 ManagerService/List page_size=1 prefix='f'\n0 ManagerService/List page_size=1 kind=4\n0 ManagerService/List page_size=1 kind=4 page_token='%'\n"
	"0 ManagerService/List prefix='q' page_token='%'\n",

	/* Who has no sessions, no snapshots. */
	"17 SessionService/Open label='x'\n17 SessionService/KeepAlive token='x'\n17 SessionService/Close token='x'\n"
	"17 SessionService/Cancel token='x'\n17 SessionService/List\n17 SessionService/End session_id=1\n17 AdminService/Snapshot\n",

	/* Values of every kind beside every other. */
	"0 ListService/Extend list={name='g'} items=$1 items=$1.5 items=$-1 items=$18446744073709551615 items=$-9223372036854775808 "
	"items=$1e300.0 items=$-1e300.0 items=$18446744073709551616.0 items=$-0.5 items=$true items=$false\n"
	"0 ListService/Sort list={name='g'}\n0 ListService/DeleteSlice list={name='g'} start=0 stop=3\n0 ListService/Sort list={name='g'}\n"
	"0 ListService/Index list={name='g'} value=$18446744073709551615\n0 ListService/Count list={name='g'} value=$1.0\n"
	"0 ListService/Index list={name='g'} value=$1e300.0\n0 ListService/Count list={name='g'} value=$true\n",
	"0 DictService/Set dict={name='f'} key=$0.0 value=$-0.0\n0 DictService/Get dict={name='f'} key=$-0.0\n"
	"0 DictService/Increment dict={name='f'} key=$'i' delta=$-9223372036854775808\n0 DictService/Increment dict={name='f'} key=$'i' delta=$-1\n"
	"0 DictService/Increment dict={name='f'} key=$'i' delta=$1.5\n0 DictService/CompareExchange dict={name='f'} key=$1 expected=$2.0 desired=$null\n",
};
const size_t n_stories = sizeof(stories) / sizeof(stories[0]);
