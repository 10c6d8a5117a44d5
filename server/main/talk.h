/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_TALK_H
#define SABIR_MAIN_TALK_H

#include <stdbool.h>

#include "proto/attach/attach.h"

/* An operator's questions to the server on a control socket. */
#define TALK_PATIENCE (5 * 1000000000ull)

struct talk {
	int socket;
	uint64_t deadline; /* TALK_PATIENCE from the beginning on; of each question, if the user moves it */
	struct attach_reader reader;
	char detail[ATTACH_DETAIL_SIZE]; /* of the last error */
};

/* False: nobody is there, which has been told on stderr. In any case end it. */
bool talk_begin(struct talk *talk, const char *socket_path);
void talk_end(struct talk *talk);
/* Errors: those of attach_ask, INTERNAL (an answer of another type). */
enum sabir_error talk_ask(struct talk *talk, const struct attach_message *question, enum attach_type expected,
			  struct attach_message *answer);

#endif
