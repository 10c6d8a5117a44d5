/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_CRASH_SCENARIO_PARTS_H
#define SABIR_TESTS_CRASH_SCENARIO_PARTS_H

#include "tests/crash/scenario.h"

/* What the tables of scenarios share: lines of their setups, and words of them. */

#define MAKE "ManagerService/Create name='o' "
#define O "={name='o'}"
#define TEN "10*"

#define QUEUE MAKE "queue={}\n"
#define QUEUE_3 MAKE "queue={max_items=3}\n"
#define PUT "QueueService/Put queue" O " item=$%\n"
#define TASKS MAKE "queue={tasks=true}\n"
#define LEASE "QueueService/Get queue" O " timeout={} lease_duration={seconds=1000}\n"
#define DICT MAKE "dict={}\n"
#define SET "DictService/Set dict" O " key=$% value=$%\n"
#define INT_ARRAY MAKE "array={type_code=6 length=300}\n"

#define FIVE_ITEMS " items=$1 items=$2 items=$3 items=$4 items=$5"
#define MANY_ITEMS FIVE_ITEMS FIVE_ITEMS FIVE_ITEMS FIVE_ITEMS

/* An object without a name, which the victim alone holds. */
#define THING "victim ManagerService/Create value={type_code=10}\n"
#define A_LIST "victim ManagerService/Create list={}\n"

/* What is found of the object that stands beside those of every scenario. */
#define OTHER "1 kind 12 'z' flags 0 closed 0 ephemeral 0\n  EventService/IsSet OK \n"

#endif
