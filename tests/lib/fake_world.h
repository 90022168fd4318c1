/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_FAKE_WORLD_H
#define LAMINA_TESTS_LIB_FAKE_WORLD_H

/* A simulated network with the fake server on one host and a client on another, for tests of the client's code. */

#include "tests/lib/fake_nfs.h"
#include "tools/nfs_session.h"

struct fake_world {
	struct reactor *reactor;
	struct sim_net *sim;
	struct net *client_net;
	struct net *server_net;
	struct fake_nfs server;
	struct nfs_client client;
	struct nfs_conn *conn;
	struct nfs_session *session; /* NULL: the test makes none, or has closed it */
	struct nfs_compound c;
};

/*
 * Run @test, which may switch, in a new world whose server stands; it has connected, and with @has_session the client
 * has a session. What it leaves is closed.  LAMINA_SEED chooses the seed.
 */
void fake_world_run(void (*test)(struct fake_world *w), bool has_session);
/* Reactor time that many milliseconds from now. */
uint64_t fake_world_in_ms(const struct fake_world *w, uint64_t ms);

#endif
