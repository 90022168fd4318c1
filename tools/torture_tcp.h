/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_TORTURE_TCP_H
#define LAMINA_TOOLS_TORTURE_TCP_H

/* The torture tester's world when it is the real one: TCP, and devices or files that this machine has. */

#include "dev/identity.h"
#include "dev/sock.h"
#include "extent/format.h"
#include "tools/torture.h"

struct torture_tcp_device {
	const char *path;
	int fd;
	bool is_file; /* with emulated reservations */
	struct identity identity;
};

struct torture_tcp_host {
	struct torture_tcp *tcp;
	unsigned int nr;
};

struct torture_tcp {
	struct reactor *reactor;
	struct net *net;
	unsigned int nr_devices;
	struct torture_tcp_device devices[VOLUME_DEVICES_MAX];
	struct torture_tcp_host hosts[TORTURE_HOSTS_MAX];
	/* Kills the server and starts it again, every so often; NULL: no. -errno ends that, and is told. */
	FIBER_FN int (*kill)(void *owner);
	void *owner;
	uint64_t every_ns, until_ns; /* reactor time: no more kills then */
	uint64_t kills;
	struct why why; /* of what went wrong with it */
	struct torture *torture;
	struct fiber *killer;
	bool is_calm;
	struct wait_queue calm;
};

/* Open @paths, which stay the caller's, and the network.  Errors are said in @why. */
int torture_tcp_open(struct torture_tcp *tcp, struct reactor *r, const char *const *paths, unsigned int nr,
		     struct why *why) MUST_CHECK;
void torture_tcp_close(struct torture_tcp *tcp);
/* Fill all of @ret_world but the path and progress. */
void torture_tcp_world(struct torture_tcp *tcp, const struct sock_addr *addr, struct torture_world *ret_world);

/* tools/torture_report.c: for people, and as a JSON object. */
void torture_report_print(const struct torture_report *report);
void torture_report_json(const struct torture_report *report);
/* Bits of the works that @list names, between commas.  -EINVAL. */
int torture_works_parse(const char *list, uint64_t *ret_works) MUST_CHECK;

#endif
