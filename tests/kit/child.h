/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_KIT_CHILD_H
#define SABIR_TESTS_KIT_CHILD_H

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

/* fork(), but that a driver which is killed leaves nobody behind, who would go on for ever. */
static inline pid_t child_fork(void)
{
	pid_t driver = getpid();
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != driver)
			_exit(1);
	}
	return pid;
}

#endif
