/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single steps by the processor's trap flag, for x86-64.
 *
 * The child steps itself: a trap behind each instruction, in a signal handler of its own, costs a small part of two
 * switches to a tracer and back. So that it need not compare all of the memory each time, the memory is read-only to it:
 * what writes there faults, and only the pages of that one instruction are made writable until its trap, and compared. If
 * one has changed the child tells its parent, and waits.
 *
 *   running ──write──► fault: page kept, made writable ──the instruction──► trap: compared, told, read-only ──► running
 *
 * With `writes_only` the trap flag is set by the fault alone.
 */
#ifdef __x86_64__

#define _GNU_SOURCE /* REG_RIP */
#include "tests/crash/step.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096u
#define TRAP_FLAG 0x100
#define STACK_SIZE (64u << 10)

static struct {
	const struct steps *steps;
	struct step_at *at; /* shared with the parent */
	int tell, answer;   /* pipes */
	int64_t rip;        /* of the instruction before, or of the one that faulted */
	bool begun;
	volatile bool touched; /* by the kernel */
	bool many;             /* more pages than can be kept: a rep instruction over much memory */
	uint8_t kept[STEP_MAX_PAGES][PAGE];
} child;

void step_touched(void)
{
	child.touched = true;
}

/* ---------------------------------------------------------------- in the child */

static void fault(int signal, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	uint64_t off = (uint64_t)((uint8_t *)info->si_addr - child.steps->base) & ~(uint64_t)(PAGE - 1);
	(void)signal;
	if (off >= child.steps->len) {
		struct sigaction dies = { .sa_handler = SIG_DFL };
		sigaction(SIGSEGV, &dies, NULL); /* it faults again, and dies of it */
		return;
	}
	if (child.at->n_pages < STEP_MAX_PAGES) {
		uint32_t n = child.at->n_pages++;
		child.at->page[n] = off;
		memcpy(child.kept[n], child.steps->base + off, PAGE);
	} else {
		child.many = true;
	}
	if (mprotect(child.steps->base + off, PAGE, PROT_READ | PROT_WRITE))
		_exit(1);
	child.rip = u->uc_mcontext.gregs[REG_RIP];
	u->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static bool changed(void)
{
	for (uint32_t i = 0; i < child.at->n_pages; i++)
		if (memcmp(child.kept[i], child.steps->base + child.at->page[i], PAGE) != 0)
			return true;
	return false;
}

static void tell(void)
{
	char byte = 0;
	if (child.touched || child.many)
		child.at->n_pages = 0;
	child.touched = false;
	if (write(child.tell, &byte, 1) != 1 || read(child.answer, &byte, 1) != 1)
		_exit(1);
}

static void close_pages(void)
{
	if (child.many && mprotect(child.steps->base, child.steps->len, PROT_READ))
		_exit(1);
	for (uint32_t i = 0; i < child.at->n_pages && !child.many; i++)
		if (mprotect(child.steps->base + child.at->page[i], PAGE, PROT_READ))
			_exit(1);
	child.at->n_pages = 0;
	child.many = false;
}

static void trap(int signal, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	int64_t rip = u->uc_mcontext.gregs[REG_RIP];
	(void)signal;
	(void)info;
	/* A rep instruction traps behind each of its rounds, though it is one: its address has not changed. */
	if (rip == child.rip)
		return;
	child.rip = rip;
	child.at->n++;
	uint32_t n_pages = child.at->n_pages;
	if (child.steps->seen && (child.touched || child.many || changed()))
		tell();
	child.at->n_pages = n_pages;
	if (child.at->n == child.steps->kill_at)
		kill(getpid(), SIGKILL);
	close_pages();
	if (child.steps->writes_only)
		u->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	sigfillset(&action.sa_mask);
	if (sigaction(signal, &action, NULL))
		_exit(1);
}

void step_begin(void)
{
	const struct steps *steps = child.steps;
	if (!steps || child.begun)
		return;
	child.begun = true;
	child.touched = steps->late; /* by what was not stepped through */
	if (child.touched && steps->seen)
		tell();
	if (mprotect(steps->base, steps->len, PROT_READ))
		_exit(1);
	if (!steps->writes_only)
		__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
}

static void run(const struct steps *steps)
{
	static uint8_t stack[STACK_SIZE];
	const stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	if (sigaltstack(&alternate, NULL))
		_exit(1);
	handle(SIGSEGV, fault);
	handle(SIGTRAP, trap);
	if (!steps->late)
		step_begin();
	steps->act(steps->act_context);
	__asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
	if (child.touched && steps->seen)
		tell();
	_exit(0);
}

/* ---------------------------------------------------------------- in the parent */

static void start(const struct steps *steps, int tell[2], int answer[2])
{
	close(tell[0]);
	close(answer[1]);
	child.steps = steps;
	child.tell = tell[1];
	child.answer = answer[0];
	child.touched = false;
	child.rip = 0;
	run(steps);
}

static bool follow(const struct steps *steps, const struct step_at *at, int tell, int answer)
{
	char byte;
	while (read(tell, &byte, 1) == 1)
		if (!steps->seen(steps->seen_context, at) || write(answer, &byte, 1) != 1)
			return false;
	return true;
}

uint64_t step_through(const struct steps *steps)
{
	int tell[2], answer[2], status = 0;
	struct step_at *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED || pipe2(tell, O_CLOEXEC) || pipe2(answer, O_CLOEXEC))
		abort();
	child.at = at;
	pid_t pid = fork();
	if (pid == 0)
		start(steps, tell, answer);
	close(tell[1]);
	close(answer[0]);
	bool stopped = pid > 0 && !follow(steps, at, tell[0], answer[1]);
	if (stopped)
		kill(pid, SIGKILL);
	close(tell[0]);
	close(answer[1]);
	bool fine = pid > 0 && waitpid(pid, &status, 0) == pid;
	bool killed = fine && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && (stopped || steps->kill_at);
	fine = fine && (killed || (WIFEXITED(status) && !WEXITSTATUS(status)));
	uint64_t n = at->n;
	munmap(at, PAGE);
	return fine ? n : 0;
}

#endif
