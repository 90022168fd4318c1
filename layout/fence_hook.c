/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The administrator's command, which cuts a host off where reservations cannot: a switch port, a power switch, an
 * allow list of the target.  Promises: only its exit code 0 counts; it runs for a bounded time, and not beyond the
 * server's end.
 */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dev/reactor.h"
#include "layout/fence_int.h"

#define HOOK_SECONDS 60
#define HOOK_LOOK_MS 100

extern char **environ;

struct hook {
	const char *command, *address;
	char key[24];
	struct fence *fence;
	int status; /* of waitpid(2) */
};

static int hook_spawn(const struct hook *h, pid_t *ret_pid)
{
	const char *argv[] = { h->command, h->address, h->key, NULL };
	posix_spawnattr_t attr;
	sigset_t none;
	int err = posix_spawnattr_init(&attr);

	if (err)
		return -err;
	/* The server waits for its signals in its own way, and has them blocked. */
	sigemptyset(&none);
	err = posix_spawnattr_setsigmask(&attr, &none);
	if (!err)
		err = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	if (!err)
		err = posix_spawn(ret_pid, h->command, NULL, &attr, (char *const *)(uintptr_t)argv, environ);
	posix_spawnattr_destroy(&attr);
	return -err;
}

/* In a helper thread. */
static int hook_run(void *arg)
{
	struct hook *h = arg;
	struct pollfd fd = { .events = POLLIN };
	unsigned int looks = 0;
	bool late = true;
	pid_t pid = 0;
	int err = hook_spawn(h, &pid);

	if (err)
		return err;
	fd.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	for (; fd.fd >= 0 && late && looks < HOOK_SECONDS * 1000 / HOOK_LOOK_MS; looks++) {
		if (atomic_load(&h->fence->stopping))
			break;
		late = poll(&fd, 1, HOOK_LOOK_MS) != 1;
	}
	if (late)
		kill(pid, SIGKILL);
	if (fd.fd >= 0)
		close(fd.fd);
	if (waitpid(pid, &h->status, 0) != pid)
		return -errno;
	return late ? -ETIMEDOUT : 0;
}

FIBER_FN int fence_hook(struct fence *fence, const char *address, uint64_t key, struct why *why)
{
	struct hook h = { .command = fence->command, .address = address, .fence = fence };
	int err;

	snprintf(h.key, sizeof(h.key), "%016" PRIx64, key);
	err = reactor_call(fence->reactor, hook_run, &h);
	if (err == -ETIMEDOUT && !atomic_load(&fence->stopping))
		return why_set(why, err, "%s was still at work after %u s, and was killed", h.command, HOOK_SECONDS);
	if (err)
		return why_set(why, err, "%s: %s", h.command, strerror(-err));
	if (WIFEXITED(h.status) && WEXITSTATUS(h.status) == 0)
		return 0;
	return why_set(why, -EBUSY, "%s ended with %s %d", h.command, WIFEXITED(h.status) ? "exit code" : "signal",
		       WIFEXITED(h.status) ? WEXITSTATUS(h.status) : WTERMSIG(h.status));
}
