/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenarios of waits: the victim's was begun and something has happened since; he dies while he goes on, or ends it.
 * That he has to wait is in the tables of the operations.
 */
#include "tests/crash/scenario_parts.h"

/* Most have not all. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define BEGUN "begun\n"
#define LATE "late\n"
#define LONG "pause\n"

#define LOCK MAKE "lock={}\n"
#define ACQUIRE "LockService/Acquire lock" O
#define RELEASE "LockService/Release lock" O "\n"
#define HELD(lock) lock ACQUIRE "\n" BEGUN
#define TWO_WAIT HELD(LOCK) "waits " ACQUIRE "\n"
/* What the survivor finds. */
#define GETS(what) "LockService/Acquire OK " what "\n"
/* The same where it has another token if the release came late, and handed the lock over. */
#define GETS_IT "LockService/Acquire OK token="

#define SEMAPHORE MAKE "semaphore={}\n"
#define OWNED MAKE "semaphore={value=1 bounded=true}\nSemaphoreService/Acquire semaphore" O "\n"
#define TAKE "SemaphoreService/Acquire semaphore" O
#define GIVE "SemaphoreService/Release semaphore" O "\n"
#define UNITS(what) "SemaphoreService/Status OK" what "\n"

#define JOINABLE MAKE "queue={joinable=true}\n"
#define PUT_7 "QueueService/Put queue" O " item=$7"
#define PUT_8 "QueueService/Put queue" O " item=$8"
#define GET "QueueService/Get queue" O
#define SIZE(what) "QueueService/Size OK" what "\n"
#define ITEMS(what) "QueueService/GetMany " what "\n"

#define PIPE_OF(options)                                                                                               \
	MAKE "pipe={" options "}\nvictim PipeService/Open pipe" O " end=0\nPipeService/Open pipe" O " end=1\n"
#define PIPE PIPE_OF("")
#define PIPE_1 PIPE_OF("max_items=1")
/* The end outlives the victim. */
#define SHARED "PipeService/Open pipe" O " end=0\n"
#define RECV "PipeService/Recv pipe" O " end=0"
#define SEND(end, item) "PipeService/Send pipe" O " end=" end " item=$" item

#define BARRIER(parties) MAKE "barrier={parties=" parties "}\n" BEGUN
#define COME "BarrierService/Wait barrier" O
#define CYCLE(what) "BarrierService/Status OK" what "\n"

#define CONDITION "ManagerService/Create name='l' rlock={}\n" MAKE "condition={lock={name='l'}}\n"
#define LOCKED(who) who "LockService/Acquire lock={name='l'}\n"
#define UNLOCK "LockService/Release lock={name='l'}\n"
#define WAIT "ConditionService/Wait condition" O
#define NOTIFY "ConditionService/Notify condition" O "\n"
#define WAITED CONDITION LOCKED("victim ") BEGUN
#define TWO_WAITED WAITED LOCKED("next ") "waits " WAIT "\n"

#define OPEN "SessionService/Open label='remote' lease_duration={seconds=100}\n"
#define TIMEOUT " timeout={seconds=50}\n"
#define TWO_ASK LOCK ACQUIRE "\nwaiting " ACQUIRE TIMEOUT "waits " ACQUIRE "\n"
#define TWO_ASKED CONDITION LOCKED("session ") "waiting " WAIT TIMEOUT LOCKED("next ") "waits " WAIT "\n"

/* He has released the lock, and has not had it again. */
#define RELEASED                                                                                                       \
	OTHER "2 kind 9 'l' flags 0 closed 0 ephemeral 0\n  LockService/Status OK token=1\n"                           \
	      "  LockService/Acquire OK token=2 depth=1\n"                                                             \
	      "3 kind 11 'o' flags 0 closed 0 ephemeral 0\n  ConditionService/Status OK \n\0"
/* He has the lock again, with a token, and what he was notified of goes on: who is next has the lock behind him. */
#define OWNER_HAS_THE_LOCK(token, next)                                                                                \
	OTHER "2 kind 9 'l' flags 0 closed 0 ephemeral 0\n  LockService/Status OK token=" token " abandoned=true\n"    \
	      "  LockService/Acquire OK token=" next " depth=1 abandoned=true\n"                                       \
	      "3 kind 11 'o' flags 0 closed 0 ephemeral 0\n  ConditionService/Status OK \n"                            \
	      "next OK notified=true token=" next " abandoned=true depth=1\n\0"
/* The same of a session, which keeps the lock when its server has died. */
#define SESSION_HAS_THE_LOCK(token, session)                                                                           \
	OTHER "2 kind 9 'l' flags 0 closed 0 ephemeral 0\n  LockService/Status OK locked=true depth=1 token=" token    \
	      "\n  LockService/Acquire WOULD_BLOCK \n"                                                                 \
	      "3 kind 11 'o' flags 0 closed 0 ephemeral 0\n  ConditionService/Status OK \n" session                    \
	      "next WOULD_BLOCK condition 'o'\n\0"
#define HAS_THE_LOCK(token, next) OWNER_HAS_THE_LOCK(token, next) SESSION_HAS_THE_LOCK(token, "")
#define THE_SESSION "session 6 'remote' from '' lease 100000000000\n"
/* Who has waited for long, as on a busy machine, is handed it: he may die before he knows. */
#define HANDED_OVER                                                                                                    \
	OTHER "2 kind 8 'o' flags 0 closed 0 ephemeral 0\n  LockService/Status OK token=2\n"                           \
	      "  LockService/Acquire OK token=3 depth=1\n\0"
/* The unit is given back, and not handed over yet. */
#define GIVEN_BACK(flags)                                                                                              \
	OTHER "2 kind 10 'o' flags " flags " closed 0 ephemeral 0\n  SemaphoreService/Status OK value=1\nnext OK \n\0"

const struct scenario wait_scenarios[] = {
	/* LockService */
	{ "held", HELD(LOCK), "again:" ACQUIRE, .answer = "WOULD_BLOCK" },
	{ "released", HELD(LOCK) RELEASE, "again:" ACQUIRE, .answer = "OK token=2 depth=1", .before = GETS_IT,
	  .after = GETS("token=3 depth=1 abandoned=true") },
	{ "released, another waits", TWO_WAIT RELEASE, "again:" ACQUIRE, .answer = "OK token=2 depth=1",
	  .before = "next OK token=", .after = "next OK token=3 depth=1 abandoned=true\n" },
	{ "handed over", HELD(LOCK) LONG RELEASE, "again:" ACQUIRE, .answer = "OK token=2 depth=1",
	  .before = GETS("token=3 depth=1"), .after = GETS("token=3 depth=1 abandoned=true") },
	{ "handed over, another waits", TWO_WAIT LONG RELEASE, "again:" ACQUIRE, .answer = "OK token=2 depth=1",
	  .before = "next OK token=3 depth=1\n", .after = "next OK token=3 depth=1 abandoned=true\n" },
	{ "deleted", HELD(LOCK) "ManagerService/Delete object" O "\n", "again:" ACQUIRE, .answer = "DELETED" },
	{ "rlock, handed over", HELD(MAKE "rlock={}\n") LONG RELEASE, "again:" ACQUIRE, .answer = "OK token=2 depth=1",
	  .before = GETS("token=3 depth=1"), .after = GETS("token=3 depth=1 abandoned=true") },
	{ "held", HELD(LOCK), "late:" ACQUIRE, .answer = "WOULD_BLOCK" },
	{ "held, another waits", TWO_WAIT, "late:" ACQUIRE, .answer = "WOULD_BLOCK", .before = "next WOULD_BLOCK",
	  .after = "next WOULD_BLOCK" },
	{ "released", HELD(LOCK) RELEASE, "late:" ACQUIRE, .answer = "OK token=2 depth=1" },
	{ "handed over, another waits", TWO_WAIT LONG RELEASE, "late:" ACQUIRE, .answer = "OK token=2 depth=1",
	  .before = "next OK token=3 depth=1\n", .after = "next OK token=3 depth=1 abandoned=true\n" },
	{ "held, another waits", TWO_WAIT, "left:" ACQUIRE, .answer = "OK", .before = "next WOULD_BLOCK",
	  .after = "next WOULD_BLOCK" },
	{ "released, another waits", TWO_WAIT RELEASE, "left:" ACQUIRE, .answer = "OK",
	  .before = "next OK token=", .after = "next OK token=" },
	{ "handed over, another waits", TWO_WAIT LONG RELEASE, "left:" ACQUIRE, .answer = "OK",
	  .before = "next OK token=3 depth=1\n", .after = "next OK token=3 depth=1\n" },

	/* SemaphoreService */
	{ "released", SEMAPHORE BEGUN GIVE, "again:" TAKE, .answer = "OK", .before = UNITS(" value=1"),
	  .after = UNITS(" ") },
	{ "released, another waits", SEMAPHORE BEGUN "waits " TAKE "\n" GIVE, "again:" TAKE, .answer = "OK",
	  .before = "next OK", .after = "next WOULD_BLOCK" },
	{ "handed over, another waits", SEMAPHORE BEGUN "waits " TAKE "\n" LONG GIVE, "again:" TAKE, .answer = "OK",
	  .before = "next OK", .after = "next WOULD_BLOCK" },
	{ "owned, another waits", OWNED BEGUN "waits " TAKE "\n" LONG GIVE, "again:" TAKE, .answer = "OK",
	  .before = "next OK", .after = "next OK" },
	{ "none, another waits", SEMAPHORE BEGUN "waits " TAKE "\n", "late:" TAKE, .answer = "WOULD_BLOCK",
	  .before = "next WOULD_BLOCK", .after = "next WOULD_BLOCK" },
	{ "handed over", SEMAPHORE BEGUN LONG GIVE, "late:" TAKE, .answer = "OK", .before = UNITS(" value=1"),
	  .after = UNITS(" ") },
	{ "none, another waits", SEMAPHORE BEGUN "waits " TAKE "\n", "left:" TAKE, .answer = "OK",
	  .before = "next WOULD_BLOCK", .after = "next WOULD_BLOCK" },
	{ "handed over, another waits", SEMAPHORE BEGUN "waits " TAKE "\n" LONG GIVE, "left:" TAKE, .answer = "OK",
	  .steps = GIVEN_BACK("0"), .before = "next OK", .after = "next OK" },
	{ "owned, handed over, another waits", OWNED BEGUN "waits " TAKE "\n" LONG GIVE, "left:" TAKE, .answer = "OK",
	  .steps = GIVEN_BACK("3"), .before = "next OK", .after = "next OK" },

	/* EventService */
	{ "set", MAKE "event={}\n" BEGUN "EventService/Set event" O "\n", "again:EventService/Wait event" O,
	  .answer = "OK" },
	{ "set and cleared", MAKE "event={}\n" BEGUN "EventService/Set event" O "\nEventService/Clear event" O "\n",
	  "again:EventService/Wait event" O, .answer = "OK" },

	/* QueueService */
	{ "put", QUEUE BEGUN PUT_7 "\n", "again:" GET, .answer = "OK item=$7", .before = ITEMS("OK items=$7"),
	  .after = ITEMS("EMPTY ") },
	{ "put, another waits", QUEUE BEGUN "waits " GET "\n" PUT_7 "\n", "again:" GET, .answer = "OK item=$7",
	  .before = "next OK item=$7", .after = "next EMPTY" },
	{ "put, and got by another", QUEUE BEGUN PUT_7 "\n" GET "\n", "again:" GET, .answer = "EMPTY" },
	{ "closed", QUEUE BEGUN "QueueService/Close queue" O "\n", "again:" GET, .answer = "CLOSED" },
	{ "some are put", QUEUE BEGUN "3*" PUT, "again:QueueService/GetMany queue" O " max_items=2",
	  .answer = "OK items=$0 items=$1", .before = SIZE(" size=3"), .after = SIZE(" size=1") },
	{ "got", QUEUE_3 "3*" PUT BEGUN GET "\n", "again:" PUT_7, .answer = "OK", .before = SIZE(" size=2 max_items=3"),
	  .after = ITEMS("OK items=$1 items=$2 items=$7") },
	{ "got, another waits", QUEUE_3 "3*" PUT BEGUN "waits " PUT_8 "\n" GET "\n", "again:" PUT_7, .answer = "OK",
	  .before = "next OK", .after = "next FULL" },
	{ "got", QUEUE_3 "3*" PUT BEGUN "2*" GET "\n", "again:QueueService/PutMany queue" O " items=$7 items=$8",
	  .answer = "OK accepted=2", .after = ITEMS("OK items=$2 items=$7 items=$8") },
	{ "tasks, put, another waits", TASKS BEGUN "waits " GET "\n" PUT_7 "\n", "again:" GET, .answer = "OK item=$7",
	  .before = "next OK item=$7", .after = "next EMPTY" },
	{ "lease, put, another waits", TASKS BEGUN "waits " GET "\n" PUT_7 "\n",
	  "again:" GET " lease_duration={seconds=1000}", .answer = "OK item=$7", .before = "next OK item=$7",
	  .after = "next OK item=$7" },
	{ "priority, put", MAKE "queue={discipline=3}\n" BEGUN PUT_7 "\n", "again:" GET, .answer = "OK item=$7",
	  .before = SIZE(" size=1"), .after = ITEMS("EMPTY ") },
	{ "tasks, got, another waits", MAKE "queue={tasks=true max_items=2}\n2*" PUT BEGUN "waits " PUT_8 "\n" GET "\n",
	  "again:" PUT_7, .answer = "OK", .before = "next OK", .after = "next FULL" },
	{ "all done", JOINABLE PUT GET "\n" BEGUN "QueueService/TaskDone queue" O "\n",
	  "again:QueueService/Join queue" O, .answer = "OK" },

	/* PipeService */
	{ "sent", PIPE BEGUN SEND("1", "7") "\n", "again:" RECV, .answer = "OK item=$7" },
	{ "sent, another waits",
	  PIPE "next PipeService/Open pipe" O " end=0\n" BEGUN "waits " RECV "\n" SEND("1", "7") "\n", "again:" RECV,
	  .answer = "OK item=$7", .before = "next OK item=$7", .after = "next EMPTY" },
	{ "the other end is closed", PIPE BEGUN "PipeService/Close pipe" O " end=1\n", "again:" RECV,
	  .answer = "END_OF_FILE" },
	{ "sent", PIPE BEGUN "PipeService/SendBytes pipe" O " end=1 data='bytes'\n",
	  "again:PipeService/RecvBytes pipe" O " end=0", .answer = "OK data='bytes'" },
	{ "sent", PIPE BEGUN SEND("1", "7") "\n", "again:PipeService/Poll pipe" O " end=0", .answer = "OK" },
	{ "received", PIPE_1 "victim " SEND("0", "6") "\n" BEGUN "PipeService/Recv pipe" O " end=1\n",
	  "again:" SEND("0", "7"), .answer = "OK" },
	{ "received", PIPE_1 "victim " SEND("0", "6") "\n" BEGUN "PipeService/Recv pipe" O " end=1\n",
	  "again:PipeService/SendBytes pipe" O " end=0 data='bytes'", .answer = "OK" },

	/* BarrierService */
	{ "the last comes", BARRIER("2") COME "\n", "again:" COME, .answer = "OK",
	  .before = CYCLE(" parties=2 cycles=1"), .after = CYCLE(" parties=2 cycles=1") },
	{ "the next cycle has begun", BARRIER("2") COME "\nwaits " COME "\n", "again:" COME, .answer = "OK",
	  .before = "next WOULD_BLOCK", .after = "next WOULD_BLOCK" },
	{ "broken", BARRIER("2") "BarrierService/Abort barrier" O "\n", "again:" COME, .answer = "BROKEN_BARRIER" },
	{ "reset", BARRIER("2") "BarrierService/Reset barrier" O "\n", "again:" COME, .answer = "BROKEN_BARRIER",
	  .before = CYCLE(" parties=2"), .after = CYCLE(" parties=2") },
	{ "another waits", BARRIER("3") "waits " COME "\n", "late:" COME, .answer = "BROKEN_BARRIER",
	  .before = "next BROKEN_BARRIER", .after = "next BROKEN_BARRIER" },
	{ "the last comes", BARRIER("2") COME "\n", "late:" COME, .answer = "OK" },
	{ "another waits", BARRIER("3") "waits " COME "\n", "left:" COME, .answer = "OK",
	  .before = "next BROKEN_BARRIER", .after = "next BROKEN_BARRIER" },
	{ "the next cycle has begun", BARRIER("2") COME "\nwaits " COME "\n", "left:" COME, .answer = "OK",
	  .before = "next WOULD_BLOCK", .after = "next WOULD_BLOCK" },

	/* ConditionService: the tokens of the lock are the victim's, 1, the next one's, and so on. */
	{ "nobody notifies", WAITED, "again:" WAIT, .answer = "WOULD_BLOCK" },
	{ "notified", WAITED LOCKED("") NOTIFY UNLOCK, "again:" WAIT, .answer = "OK notified=true token=3 depth=1",
	  .before = GETS("token=3 depth=1"), .after = GETS("token=4 depth=1 abandoned=true") },
	{ "notified, locked twice before", CONDITION LOCKED("victim 2*") BEGUN LOCKED("") NOTIFY UNLOCK, "again:" WAIT,
	  .answer = "OK notified=true token=3 depth=2" },
	{ "notified, another waits", TWO_WAITED LOCKED("") NOTIFY UNLOCK, "again:" WAIT,
	  .steps = HAS_THE_LOCK("4", "5"), .answer = "OK notified=true token=4 depth=1",
	  .before = "next OK notified=true token=4 depth=1\n", .after = "next WOULD_BLOCK" },
	{ "notified, locked, another waits", TWO_WAITED LOCKED("") NOTIFY, "again:" WAIT, .answer = "WOULD_BLOCK",
	  .before = "next WOULD_BLOCK", .after = "next WOULD_BLOCK" },
	{ "for the lock, locked, another waits", TWO_WAITED LOCKED("") NOTIFY BEGUN, "again:" WAIT,
	  .answer = "WOULD_BLOCK", .before = "next WOULD_BLOCK", .after = "next WOULD_BLOCK" },
	{ "for the lock, released, another waits", TWO_WAITED LOCKED("") NOTIFY BEGUN UNLOCK, "again:" WAIT,
	  .steps = HAS_THE_LOCK("4", "5"), .answer = "OK notified=true token=4 depth=1",
	  .before = "next OK notified=true token=", .after = "next WOULD_BLOCK" },
	{ "for the lock, handed over, another waits", TWO_WAITED LOCKED("") NOTIFY BEGUN LONG UNLOCK, "again:" WAIT,
	  .steps = HAS_THE_LOCK("4", "5"), .answer = "OK notified=true token=4 depth=1",
	  .before = "next OK notified=true token=5 depth=1\n", .after = "next WOULD_BLOCK" },
	{ "for the lock, handed over, locked twice before",
	  CONDITION LOCKED("victim 2*") BEGUN LOCKED("") NOTIFY BEGUN LONG UNLOCK, "again:" WAIT,
	  .answer = "OK notified=true token=3 depth=2" },
	{ "for the lock, released, another waits for it", WAITED LOCKED("") NOTIFY BEGUN LOCKED("waits ") UNLOCK,
	  "again:" WAIT, .answer = "OK notified=true token=3 depth=1",
	  .before = "next OK token=", .after = "next OK token=4 depth=1 abandoned=true\n" },
	{ "for the lock, handed over, another waits for it",
	  WAITED LOCKED("") NOTIFY BEGUN LOCKED("waits ") LONG UNLOCK, "again:" WAIT,
	  .answer = "OK notified=true token=3 depth=1", .before = "next OK token=4 depth=1\n",
	  .after = "next OK token=4 depth=1 abandoned=true\n" },
	{ "late for the lock, handed over", WAITED LOCKED("") LATE LONG UNLOCK, "again:" WAIT,
	  .answer = "OK token=3 depth=1", .before = GETS("token=4 depth=1"),
	  .after = GETS("token=4 depth=1 abandoned=true") },
	{ "deleted", WAITED "ManagerService/Delete object" O "\n", "again:" WAIT, .answer = "DELETED" },
	{ "its lock is deleted", WAITED "ManagerService/Delete object={name='l'}\n", "again:" WAIT,
	  .answer = "DELETED" },
	{ "nobody notifies, another waits", TWO_WAITED, "late:" WAIT, .answer = "OK token=3 depth=1",
	  .before = "next WOULD_BLOCK", .after = "next WOULD_BLOCK" },
	{ "locked, another waits", TWO_WAITED LOCKED(""), "late:" WAIT, .answer = "WOULD_BLOCK",
	  .before = "next WOULD_BLOCK", .after = "next WOULD_BLOCK" },
	{ "notified, another waits", TWO_WAITED LOCKED("") NOTIFY UNLOCK, "late:" WAIT, .steps = HAS_THE_LOCK("4", "5"),
	  .answer = "OK notified=true token=4 depth=1", .before = "next OK notified=true token=4 depth=1\n",
	  .after = "next WOULD_BLOCK" },
	{ "nobody notifies, another waits", TWO_WAITED, "left:" WAIT, .answer = "OK", .before = "next WOULD_BLOCK",
	  .after = "next WOULD_BLOCK" },
	{ "notified, another waits", TWO_WAITED LOCKED("") NOTIFY UNLOCK, "left:" WAIT, .answer = "OK",
	  .before = "next OK notified=true token=4 depth=1\n", .after = "next OK notified=true token=4 depth=1\n" },
	{ "for the lock, released, another waits", TWO_WAITED LOCKED("") NOTIFY BEGUN UNLOCK, "left:" WAIT,
	  .answer = "OK", .before = "next OK notified=true token=", .after = "next OK notified=true token=" },
	{ "for the lock, released, another waits for it", WAITED LOCKED("") NOTIFY BEGUN LOCKED("waits ") UNLOCK,
	  "left:" WAIT, .answer = "OK", .before = "next OK token=", .after = "next OK token=" },
	{ "for the lock, handed over, another waits", TWO_WAITED LOCKED("") NOTIFY BEGUN LONG UNLOCK, "left:" WAIT,
	  .answer = "OK", .before = "next OK notified=true token=5 depth=1\n",
	  .after = "next OK notified=true token=5 depth=1\n" },
	{ "late for the lock, handed over, another waits", TWO_WAITED LOCKED("") LATE LONG UNLOCK, "left:" WAIT,
	  .answer = "OK", .before = "next WOULD_BLOCK", .after = "next WOULD_BLOCK" },

	/* Calls of a session, which wait in the server that dies. */
	{ "for a lock, handed over", OPEN TWO_ASK LONG RELEASE, "server:ring", .before = "next OK token=3 depth=1\n",
	  .after = "next WOULD_BLOCK" },
	{ "for a lock, released", OPEN TWO_ASK RELEASE, "server:ring",
	  .before = "next OK token=", .after = "next WOULD_BLOCK" },
	{ "for a lock that is held", OPEN TWO_ASK, "server:late", .before = "next WOULD_BLOCK",
	  .after = "next WOULD_BLOCK" },
	{ "for a lock that is held", OPEN TWO_ASK, "SessionService/Cancel token='^'", .before = "next WOULD_BLOCK",
	  .after = "next WOULD_BLOCK" },
	{ "for a semaphore, handed over", OPEN SEMAPHORE "waiting " TAKE TIMEOUT "waits " TAKE "\n" LONG GIVE,
	  "server:ring", .before = "next OK", .after = "next WOULD_BLOCK" },
	{ "for a semaphore", OPEN SEMAPHORE "waiting " TAKE TIMEOUT "waits " TAKE "\n", "server:late",
	  .before = "next WOULD_BLOCK", .after = "next WOULD_BLOCK" },
	{ "for an item", OPEN QUEUE "waiting " GET TIMEOUT "waits " GET "\n" PUT_7 "\n", "server:ring",
	  .before = "next OK item=$7", .after = "next EMPTY" },
	{ "for room", OPEN QUEUE_3 "3*" PUT "waiting " PUT_7 TIMEOUT "waits " PUT_8 "\n" GET "\n", "server:ring",
	  .before = "next OK", .after = "next FULL" },
	{ "for an item", OPEN QUEUE "waiting " GET TIMEOUT "waits " GET "\n", "server:late", .before = "next EMPTY",
	  .after = "next EMPTY" },
	{ "for an event",
	  OPEN MAKE "event={}\nwaiting EventService/Wait event" O TIMEOUT "EventService/Set event" O "\n",
	  "server:ring" },
	{ "at a barrier, the last comes",
	  OPEN MAKE "barrier={parties=2}\nwaiting " COME TIMEOUT COME "\nwaits " COME "\n", "server:ring",
	  .before = "next WOULD_BLOCK", .after = "next WOULD_BLOCK" },
	{ "at a barrier", OPEN MAKE "barrier={parties=3}\nwaiting " COME TIMEOUT "waits " COME "\n", "server:late",
	  .before = "next BROKEN_BARRIER", .after = "next BROKEN_BARRIER" },
	{ "at a barrier", OPEN MAKE "barrier={parties=3}\nwaiting " COME TIMEOUT "waits " COME "\n",
	  "SessionService/Cancel token='^'", .before = "next BROKEN_BARRIER", .after = "next BROKEN_BARRIER" },
	{ "on a condition, notified", OPEN TWO_ASKED LOCKED("") NOTIFY UNLOCK, "server:ring",
	  .steps = SESSION_HAS_THE_LOCK("4", THE_SESSION), .before = "next OK notified=true token=4 depth=1\n",
	  .after = "next WOULD_BLOCK" },
	{ "on a condition, notified, locked", OPEN TWO_ASKED LOCKED("") NOTIFY, "server:ring",
	  .before = "next WOULD_BLOCK", .after = "next WOULD_BLOCK" },
	{ "on a condition", OPEN TWO_ASKED, "server:late", .before = "next WOULD_BLOCK", .after = "next WOULD_BLOCK" },
	{ "on a condition, locked", OPEN TWO_ASKED LOCKED(""), "server:late", .before = "next WOULD_BLOCK",
	  .after = "next WOULD_BLOCK" },
	{ "on a condition", OPEN TWO_ASKED, "SessionService/Cancel token='^'", .before = "next WOULD_BLOCK",
	  .after = "next WOULD_BLOCK" },

	/* Functions of libsabir that sleep, and what happens then. */
	{ "put", QUEUE, "sabir_queue_get(waits)", .meanwhile = PUT_7 "\n", .answer = "OK 7",
	  .before = ITEMS("OK items=$7"), .after = ITEMS("EMPTY ") },
	{ "got", QUEUE_3 "3*" PUT, "sabir_queue_put(waits)", .meanwhile = GET "\n", .answer = "OK",
	  .after = ITEMS("OK items=$1 items=$2 items=$7") },
	{ "got", QUEUE_3 "3*" PUT, "sabir_queue_commit(waits)", .meanwhile = GET "\n", .answer = "OK",
	  .before = SIZE(" size=2 max_items=3"), .after = SIZE(" size=3 max_items=3 full=true") },
	{ "put", QUEUE, "sabir_queue_borrow(waits)", .meanwhile = "2*" PUT, .answer = "OK 0", .before = SIZE(" size=2"),
	  .after = SIZE(" size=2") },
	{ "put", QUEUE, "sabir_consumer_next(waits)", .meanwhile = PUT_7 "\n", .answer = "OK 7",
	  .before = ITEMS("OK items=$7"), .after = ITEMS("EMPTY ") },
	{ "put", TASKS, "sabir_task_queue_lease(waits)", .meanwhile = PUT_7 "\n", .answer = "OK 7" },
	{ "all done", JOINABLE PUT GET "\n", "sabir_task_queue_join(waits)",
	  .meanwhile = "QueueService/TaskDone queue" O "\n", .answer = "OK" },
	{ "set", MAKE "value={type_code=10}\n", "sabir_value_wait",
	  .meanwhile = "ValueService/Set value" O " new_value={int_value=5}\n", .answer = "OK" },
	{ "released", LOCK ACQUIRE "\n", "sabir_lock_acquire(waits)", .meanwhile = RELEASE, .steps = HANDED_OVER,
	  .answer = "OK", .before = GETS_IT, .after = GETS("token=3 depth=1 abandoned=true") },
	{ "handed over", LOCK ACQUIRE "\n", "sabir_lock_acquire(waits)", .meanwhile = LONG RELEASE, .answer = "OK",
	  .before = GETS("token=3 depth=1"), .after = GETS("token=3 depth=1 abandoned=true") },
	{ "handed over", SEMAPHORE, "sabir_semaphore_acquire(waits)", .meanwhile = LONG GIVE, .answer = "OK",
	  .before = UNITS(" value=1"), .after = UNITS(" ") },
	{ "set", MAKE "event={}\n", "sabir_event_wait(waits)", .meanwhile = "EventService/Set event" O "\n",
	  .answer = "OK" },
	{ "nobody notifies", CONDITION LOCKED("victim "), "sabir_condition_wait(waits)", .answer = "WOULD_BLOCK",
	  .steps = RELEASED },
	{ "notified", CONDITION LOCKED("victim "), "sabir_condition_wait(waits)", .meanwhile = LOCKED("") NOTIFY UNLOCK,
	  .answer = "OK token 3 depth 1", .before = GETS("token=3 depth=1"),
	  .after = GETS("token=4 depth=1 abandoned=true") },
	{ "notified, locked, released", CONDITION LOCKED("victim "), "sabir_condition_wait(waits)",
	  .meanwhile = LOCKED("") NOTIFY "sleeps\n" UNLOCK, .answer = "OK token 3 depth 1", .before = GETS_IT,
	  .after = GETS("token=4 depth=1 abandoned=true") },
	{ "notified, locked, handed over", CONDITION LOCKED("victim 2*"), "sabir_condition_wait(waits)",
	  .meanwhile = LOCKED("") NOTIFY "sleeps\n" LONG UNLOCK, .answer = "OK token 3 depth 2",
	  .before = GETS("token=4 depth=1"), .after = GETS("token=4 depth=1 abandoned=true") },
	{ "late, locked, released", CONDITION LOCKED("victim "), "sabir_condition_wait(waits)",
	  .meanwhile = LOCKED("") "sleeps\n" UNLOCK, .answer = "WOULD_BLOCK", .before = GETS_IT,
	  .after = GETS("token=4 depth=1 abandoned=true") },
	{ "nobody comes", MAKE "barrier={parties=2}\n", "sabir_barrier_wait(waits)", .answer = "BROKEN_BARRIER" },
	{ "the last comes", MAKE "barrier={parties=2}\n", "sabir_barrier_wait(waits)", .meanwhile = COME "\n",
	  .answer = "OK index 0" },
	{ "reset", MAKE "barrier={parties=2}\n", "sabir_barrier_wait(waits)",
	  .meanwhile = "BarrierService/Reset barrier" O "\n", .answer = "BROKEN_BARRIER" },
	{ "held", LOCK ACQUIRE "\n", "sabir_lock_acquire(cancelled)", .answer = "CANCELLED" },
	{ "none", SEMAPHORE, "sabir_semaphore_acquire(cancelled)", .answer = "CANCELLED" },
	{ "nobody notifies", CONDITION LOCKED("victim "), "sabir_condition_wait(cancelled)", .answer = "CANCELLED",
	  .before = GETS("token=2 depth=1 abandoned=true"), .after = GETS("token=2 depth=1") },
	{ "another waits", MAKE "barrier={parties=3}\nwaits " COME "\n", "sabir_barrier_wait(cancelled)",
	  .answer = "CANCELLED", .before = "next WOULD_BLOCK", .after = "next BROKEN_BARRIER" },
	{ "empty", TASKS, "sabir_task_queue_lease(waits)", .answer = "EMPTY" },
	{ "not all done", JOINABLE PUT, "sabir_task_queue_join(waits)", .answer = "WOULD_BLOCK" },
	{ "nothing changes", MAKE "dict={}\n", "sabir_watch_next(waits)", .answer = "WOULD_BLOCK" },
	{ "changed", MAKE "dict={}\n", "sabir_watch_next(waits)",
	  .meanwhile = "DictService/Set dict" O " key=$1 value=$2\n", .answer = "OK kind" },
	{ "empty", PIPE SHARED, "sabir_pipe_recv(waits)", .answer = "EMPTY" },
	{ "sent", PIPE SHARED, "sabir_pipe_recv(waits)", .meanwhile = SEND("1", "7") "\n", .answer = "OK 7" },
	{ "the other end is closed", PIPE SHARED, "sabir_pipe_recv(waits)",
	  .meanwhile = "PipeService/Close pipe" O " end=1\n", .answer = "END_OF_FILE" },
	{ "empty", PIPE SHARED, "sabir_pipe_poll(waits)", .answer = "OK 0 0" },
	{ "sent", PIPE SHARED, "sabir_pipe_poll(waits)", .meanwhile = SEND("1", "7") "\n", .answer = "OK 1 2" },
	{ "full", PIPE_1 "victim " SEND("0", "6") "\n" SHARED, "sabir_pipe_send(waits)", .answer = "FULL" },
	{ "received", PIPE_1 "victim " SEND("0", "6") "\n" SHARED, "sabir_pipe_send(waits)",
	  .meanwhile = "PipeService/Recv pipe" O " end=1\n", .answer = "OK" },

	/* WatchService */
	{ "changed",
	  MAKE "dict={}\nWatchService/Next object" O " timeout={}\n" BEGUN "DictService/Set dict" O
	       " key=$1 value=$2\n",
	  "again:WatchService/Next object" O " after_sequence=#", .answer = "OK" },
	{ "nothing has changed", MAKE "dict={}\nWatchService/Next object" O " timeout={}\n" BEGUN,
	  "late:WatchService/Next object" O " after_sequence=#", .answer = "WOULD_BLOCK" },
};

const size_t n_wait_scenarios = sizeof(wait_scenarios) / sizeof(wait_scenarios[0]);
