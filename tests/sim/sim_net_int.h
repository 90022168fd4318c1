/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_SIM_NET_INT_H
#define LAMINA_TESTS_SIM_NET_INT_H

/* What sim_net.c (hosts, listening, connecting) and sim_conn.c (connections) share. */

#include "dev/fiber_sync.h"
#include "dev/list.h"
#include "dev/reactor.h"
#include "tests/sim/sim_net.h"
#include "tests/sim/sim_reactor.h"
#include "tests/sim/sim_util.h"

/* One life of a host. */
struct sim_host {
	struct net net;
	struct sim_net *n;
	unsigned int place;
	bool crashed;
	uint16_t next_port;
	struct list listeners;
	struct list link; /* sim_net.hosts */
};

struct sim_net {
	struct reactor *r;
	struct sim_net_rates rates;
	struct sim_rng dice;
	struct sim_net_stats stats;
	struct list hosts;
	struct list conns;
	uint64_t nr_conns;
	struct sock_addr place[SIM_NET_HOSTS_MAX]; /* IP addresses, port 0 */
	struct sim_host *living[SIM_NET_HOSTS_MAX];
	unsigned int nr_places;
	bool cut[SIM_NET_HOSTS_MAX][SIM_NET_HOSTS_MAX];
};

/* The bytes between @read and @arrived can be received, those up to @written are under way. */
struct sim_pipe {
	struct reactor_timer timer; /* the next arrival */
	uint8_t *buf;
	uint64_t read, arrived, written;
	bool fin, fin_arrived; /* the end comes behind @written; it has come */
};

struct sim_end {
	struct sock s;
	struct sim_conn *conn;
	struct sim_host *host;
	struct wait_queue in, out;
	struct reactor_timer death; /* at which @error becomes @death_error */
	int death_error;
	int error;
	bool shut;   /* by its owner */
	bool closed; /* by its owner, or it never had one */
};

struct sim_conn {
	struct sim_net *n;
	uint64_t number;
	uint64_t buffer; /* bytes of each pipe */
	bool broken;	 /* nothing is accepted any more */
	struct sim_end end[2];
	struct sim_pipe pipe[2]; /* [i]: from end[i] to the other */
	struct list link;	 /* sim_net.conns */
	struct list queue_link;	 /* of a listener: not accepted yet */
};

enum sim_event {
	SIM_NET_CONNECT = 0x6e65740001,
	SIM_NET_ARRIVAL,
	SIM_NET_DEATH,
	SIM_NET_RECV,
	SIM_NET_CRASH,
	SIM_NET_CUT,
};

void sim_net_trace(struct sim_net *n, enum sim_event event, uint64_t what, uint64_t how);
/* A way through the network. */
uint64_t sim_net_delay(struct sim_net *n);
bool sim_net_chance(struct sim_net *n, uint32_t ppm);
/* Let others run, or not. */
FIBER_FN void sim_net_dither(struct sim_net *n);

struct sim_conn *sim_conn_new(struct sim_host *client, const struct sock_addr *client_addr, struct sim_host *server,
			      const struct sock_addr *server_addr);
void sim_conn_free(struct sim_conn *c);
/* Nobody will take the end: as if it had been closed with a reset. */
void sim_conn_refuse(struct sim_conn *c);
void sim_conn_reset(struct sim_conn *c);
void sim_conn_cut(struct sim_conn *c, bool cut);
/* @host has crashed; @c has an end there, or not. */
void sim_conn_crash(struct sim_conn *c, const struct sim_host *host);

#endif
