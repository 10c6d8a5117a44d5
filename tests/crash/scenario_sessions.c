/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenarios of sessions and of holds: what a session is to a remote program, and who has objects without a name. The victim is a
 * server; who else is there as in all scenarios, sessions besides.
 */
#include "tests/crash/scenario_parts.h"

/* None has `steps`. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define OPEN "SessionService/Open label='remote' lease_duration={seconds=100}\n"
#define CLOSE "SessionService/Close token='^'"
#define END "SessionService/End session_id=`"

/* An object without a name. */
#define ANONYMOUS "ManagerService/Create dict={}\n"
/* What it holds: a lock, a lease, a unit, the end of a pipe, what is gone with it. */
#define HOLDING                                                                                                        \
	OPEN MAKE "lock={}\nsession LockService/Acquire lock" O "\n"                                                   \
		  "ManagerService/Create name='p' semaphore={value=2 owned=true}\n"                                    \
		  "session SemaphoreService/Acquire semaphore={name='p'}\n"                                            \
		  "ManagerService/Create name='t' queue={tasks=true}\n"                                                \
		  "2*QueueService/Put queue={name='t'} item=$%\n"                                                      \
		  "session QueueService/Get queue={name='t'} lease_duration={seconds=1000}\n"                          \
		  "ManagerService/Create name='e' pipe={}\nsession PipeService/Open pipe={name='e'} end=0\n"           \
		  "session ManagerService/Create name='m' ephemeral=true event={}\n"
/* What it has got and not acknowledged. */
#define TAKEN                                                                                                          \
	OPEN MAKE "queue={}\n6*QueueService/Put queue" O " item=$%\n"                                                  \
		  "asked QueueService/Get queue" O "\nasked QueueService/GetMany queue" O " max_items=3\n"             \
		  "asked QueueService/Put queue" O " item=$9\n"
#define TAKEN_REFERENCES                                                                                               \
	OPEN MAKE "queue={}\n" ANONYMOUS "ManagerService/Release object={handle=&}\n"                                  \
		  "3*QueueService/Put queue" O " item=$*&\nasked QueueService/Get queue" O "\n"                        \
		  "asked QueueService/GetMany queue" O " max_items=2\n"
#define TAKEN_TASKS                                                                                                    \
	OPEN MAKE "queue={tasks=true}\n4*QueueService/Put queue" O " item=$%\n"                                        \
		  "asked QueueService/GetMany queue" O " max_items=2\nasked QueueService/Get queue" O "\n"
#define TAKEN_MESSAGES                                                                                                 \
	OPEN MAKE "pipe={}\nsession PipeService/Open pipe" O " end=0\nPipeService/Open pipe" O " end=0\n"              \
		  "PipeService/Open pipe" O " end=1\nPipeService/Send pipe" O " end=1 item=$7\n"                       \
		  "PipeService/SendBytes pipe" O " end=1 data='eight'\n"                                               \
		  "asked PipeService/Recv pipe" O " end=0\nasked PipeService/RecvBytes pipe" O " end=0\n"
#define GONE                                                                                                           \
	OPEN MAKE "queue={}\nQueueService/Put queue" O " item=$1\nasked QueueService/Get queue" O "\n"                 \
		  "ManagerService/Delete object" O "\n"
/* A call of its waits for a lock. */
#define WAITING OPEN MAKE "lock={}\nLockService/Acquire lock" O "\nwaiting LockService/Acquire lock" O "\n"
#define HELD_BY_SESSION OPEN ANONYMOUS "session 3*ManagerService/Open object={handle=&}\n"
#define HELD_BY_ALL                                                                                                    \
	HELD_BY_SESSION "victim ManagerService/Open object={handle=&}\n" OPEN                                          \
			"session ManagerService/Open object={handle=&}\n"

const struct scenario session_scenarios[] = {
	{ "first", "", "SessionService/Open label='another' lease_duration={seconds=100}" },
	{ "beside others", OPEN OPEN, "SessionService/Open" },
	{ "as one before", OPEN CLOSE "\n", "SessionService/Open label='another'" },
	{ "its own", OPEN, "SessionService/KeepAlive token='^'" },
	{ "ended", OPEN CLOSE "\n", "SessionService/KeepAlive token='^'" },
	{ "several", OPEN OPEN, "SessionService/List" },
	{ "nothing waits", OPEN, "SessionService/Cancel token='^'" },
	{ "a call waits", WAITING, "SessionService/Cancel token='^'" },
	{ "holds nothing", OPEN, CLOSE },
	{ "beside another", OPEN OPEN, CLOSE },
	{ "ended", OPEN CLOSE "\n", CLOSE },
	{ "holds something of each kind", HOLDING, CLOSE },
	{ "an object without a name, its own", OPEN "session " ANONYMOUS, CLOSE },
	{ "an object without a name, others'", HELD_BY_ALL, CLOSE },
	{ "got items", TAKEN, CLOSE },
	{ "got tasks", TAKEN_TASKS, CLOSE },
	{ "got messages", TAKEN_MESSAGES, CLOSE },
	{ "got items that refer", TAKEN_REFERENCES, CLOSE },
	{ "got of what is gone", GONE, CLOSE },
	{ "a call waits", WAITING, CLOSE },
	{ "by itself, holds nothing", OPEN, "asked:" CLOSE },
	{ "by itself, holds something of each kind", HOLDING, "asked:" CLOSE },
	{ "by itself, an object without a name", OPEN "session " ANONYMOUS, "asked:" CLOSE },
	{ "by itself, got items", TAKEN, "asked:" CLOSE },
	{ "by itself, got items that refer", TAKEN_REFERENCES, "asked:" CLOSE },
	{ "by itself, got tasks", TAKEN_TASKS, "asked:" CLOSE },
	{ "by itself, got messages", TAKEN_MESSAGES, "asked:" CLOSE },
	{ "by itself, a call waits", WAITING, "asked:" CLOSE },
	{ "holds something of each kind", HOLDING, END },
	{ "got items", TAKEN, END },
	{ "ended", OPEN CLOSE "\n", END },
	{ "its lease is over", HOLDING, "server:sessions" },
	{ "its lease is over, got items", TAKEN, "server:sessions" },
	{ "a former server has begun to end it", HOLDING "server:ending\n", "server:sessions" },
	{ "a former server has begun, got items", TAKEN "server:ending\n", "server:sessions" },
	{ "a former server has begun, got tasks", TAKEN_TASKS "server:ending\n", "server:sessions" },
	{ "one session", OPEN, "server:ending" },
	{ "snapshot", "", "AdminService/Snapshot timeout={}" },

	{ "a session's, by another", HELD_BY_SESSION, "ManagerService/Open object={handle=&}" },
	{ "several sessions'", HELD_BY_ALL, "ManagerService/Open object={handle=&}" },
	{ "several sessions', by who holds it", HELD_BY_ALL, "ManagerService/Release object={handle=&}" },
	{ "several sessions'", HELD_BY_ALL, "ManagerService/Delete object={handle=&}" },
	{ "a session holds it", OPEN "session " ANONYMOUS, "server:collect" },
	{ "what a session has got refers to it", TAKEN_REFERENCES, "server:collect" },
	{ "a session held it", OPEN "session " ANONYMOUS CLOSE "\n", "server:collect" },
};

const size_t n_session_scenarios = sizeof(session_scenarios) / sizeof(session_scenarios[0]);
