/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers of the control socket: who they are, whether they may, and the proof that they are gone.
 *
 * Numbers of processes prove nothing: they are used again, and differ between containers. A pidfd names one process
 * for ever. Numbers serve for two things only: to see that a pidfd which a peer sent is its own, and to find its
 * /proc entry, which counts only if the pidfd says afterwards that the process still lived.
 */
#define _GNU_SOURCE /* struct ucred */
#include "server/control/peer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "proto/attach/attach.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

#define MAX_GROUPS 1024

enum sabir_error peer_identify(int socket, struct peer *peer)
{
	struct ucred credentials;
	socklen_t len = sizeof(credentials);
	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &len))
		return SABIR_INTERNAL;
	*peer = (struct peer){ .pid = credentials.pid, .uid = credentials.uid, .gid = credentials.gid };
	return SABIR_OK;
}

/* Whether one of the peer's groups is in the list; beyond MAX_GROUPS supplementary ones none of them counts. */
static bool in_groups(int socket, const struct peer *peer, const gid_t *gids, size_t n)
{
	gid_t groups[MAX_GROUPS];
	socklen_t len = sizeof(groups);
	if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		len = 0;
	for (size_t i = 0; i < n; i++) {
		if (gids[i] == peer->gid)
			return true;
		for (size_t k = 0; k < len / sizeof(gid_t); k++)
			if (groups[k] == gids[i])
				return true;
	}
	return false;
}

bool peer_allowed(const struct control_policy *policy, uint32_t mode, gid_t group, int socket, const struct peer *peer)
{
	if (peer->uid == 0 || peer->uid == geteuid())
		return true;
	for (size_t i = 0; i < policy->n_uids; i++)
		if (policy->uids[i] == peer->uid)
			return true;
	if (policy->n_gids && in_groups(socket, peer, policy->gids, policy->n_gids))
		return true;
	if (policy->n_uids || policy->n_gids)
		return false;
	/* The kernel has looked at the permissions at connect(); a socket can be passed on, so look again. */
	return (mode & S_IWOTH) || ((mode & S_IWGRP) && in_groups(socket, peer, &group, 1));
}

/* The process's number as seen from here; 0: not visible or ended. */
static pid_t pidfd_pid(int pidfd)
{
	char path[48], line[128];
	int pid = 0;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Pid: %d", &pid) == 1)
			break;
	fclose(file);
	return pid > 0 ? pid : 0;
}

/* Signal 0 does nothing; that it is refused with EBADF says that this is no pidfd. */
static bool is_pidfd(int fd)
{
	return !syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) || errno != EBADF;
}

static enum sabir_error check_offered(const struct peer *peer, int offered, char *detail)
{
	if (!is_pidfd(offered)) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "the descriptor that came with HELLO is no pidfd");
		return SABIR_INVALID_ARGUMENT;
	}
	pid_t pid = pidfd_pid(offered);
	if (pid && peer->pid && pid != peer->pid) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "the pidfd is of process %d, but process %d has connected",
			 (int)pid, (int)peer->pid);
		return SABIR_INVALID_ARGUMENT;
	}
	return SABIR_OK;
}

/* By number: only for kernels without SO_PEERPIDFD. The user must be the peer's, or the number was used again. */
static int open_by_number(const struct peer *peer)
{
	char path[32];
	struct stat st;
	if (!peer->pid)
		return -1;
	int pidfd = (int)syscall(SYS_pidfd_open, peer->pid, 0);
	snprintf(path, sizeof(path), "/proc/%d", (int)peer->pid);
	if (pidfd >= 0 && (stat(path, &st) || st.st_uid != peer->uid || peer_dead(pidfd))) {
		close(pidfd);
		return -1;
	}
	return pidfd;
}

enum sabir_error peer_pidfd(int socket, const struct peer *peer, int offered, char *detail, int *pidfd)
{
	if (offered >= 0) {
		enum sabir_error error = check_offered(peer, offered, detail);
		if (error)
			close(offered);
		else
			*pidfd = offered;
		return error;
	}
	int fd = -1;
	socklen_t len = sizeof(fd);
	if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &len))
		fd = open_by_number(peer);
	if (fd < 0) {
		snprintf(detail, ATTACH_DETAIL_SIZE,
			 "no pidfd came with HELLO, and the process can't be seen from here");
		return SABIR_INVALID_ARGUMENT;
	}
	*pidfd = fd;
	return SABIR_OK;
}

bool peer_dead(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

/* The state stands behind the name, which may hold anything. */
bool peer_stopped(int pidfd)
{
	char path[32], line[512];
	pid_t pid = pidfd_pid(pidfd);
	if (!pid)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	size_t len = fread(line, 1, sizeof(line) - 1, file);
	fclose(file);
	line[len] = '\0';
	const char *behind = strrchr(line, ')');
	return behind && behind[1] == ' ' && (behind[2] == 'T' || behind[2] == 't') && !peer_dead(pidfd);
}

/*
 * False if it is not sure. No line at all is no proof: the list is empty too when the first thread has ended and others
 * still run.
 */
static bool maps_lack(pid_t pid, const struct stat *memory)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	char *line = NULL;
	size_t cap = 0;
	bool seen = false, lack = true;
	while (getline(&line, &cap, file) > 0) {
		unsigned major_number, minor_number;
		unsigned long long inode;
		seen = true;
		if (sscanf(line, "%*s %*s %*s %x:%x %llu", &major_number, &minor_number, &inode) != 3 ||
		    (inode == memory->st_ino && makedev(major_number, minor_number) == memory->st_dev))
			lack = false;
	}
	lack = lack && !ferror(file);
	free(line);
	fclose(file);
	return seen && lack;
}

static bool fds_lack(pid_t pid, const struct stat *memory)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *dir = opendir(path);
	if (!dir)
		return false;
	bool lack = true;
	for (struct dirent *entry; lack && (errno = 0, entry = readdir(dir));) {
		struct stat st;
		if (entry->d_name[0] == '.')
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &st, 0))
			lack = errno == ENOENT; /* closed meanwhile */
		else if (st.st_ino == memory->st_ino && st.st_dev == memory->st_dev)
			lack = false;
	}
	lack = lack && !errno;
	closedir(dir);
	return lack;
}

bool peer_without_memory(int pidfd, int memfd)
{
	struct stat memory;
	pid_t pid = pidfd_pid(pidfd);
	if (!pid || fstat(memfd, &memory))
		return false;
	/* Descriptors first: what is mapped from one that is closed meanwhile is seen in the maps. */
	bool without = fds_lack(pid, &memory) && maps_lack(pid, &memory);
	return without && !peer_dead(pidfd);
}
