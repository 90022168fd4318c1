/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_SIM_NET_H
#define LAMINA_TESTS_SIM_NET_H

/*
 * A simulated network in a simulated reactor: hosts with one IP address each, and the connections between and inside
 * them, as nasty as dev/sock.h allows.
 *
 * The model of faults, in full:
 *
 *  Delay        Bytes of a direction arrive in order, in segments of any length, each a random time after the one
 *               before.  Different connections and the two directions of one know nothing of each other.
 *  Parts        A receive gets any part of what has arrived.  Receive, send and accept let other fibers run whenever
 *               they like.
 *  Buffers      A direction holds a bounded number of bytes between the sender and the receiver's reads, drawn for
 *               each connection; beyond that the sender waits.
 *  End          After sock_shutdown() or sock_close() the peer receives what was sent, then the end.  What he still
 *               sends is answered by a reset, as the kernel does.
 *  Reset        Of what is under way a random part still arrives, the rest is lost.  Each side learns of it by
 * itself, some time later, as -ECONNRESET, and what has arrived and was not read is lost or not.  Until then it sends
 * into nothing.  A connection is reset at random (rates.break_ppm), by a crash, or on order. Partition    Between two
 * hosts nothing arrives while they are cut off, nothing is lost either, and connects time out.  If that lasts, each
 * side gives up by itself after rates.silence_ns to twice that, with -ETIMEDOUT, idle or not (keepalive).  Who has
 * not given up when the cut ends goes on, or is reset if the peer has. Crash        The process on a host is killed:
 * its listeners and sockets are gone, as far as others can see, in one instant.  A random part of what it had sent
 * still arrives.  A peer then sees the end, or a reset, at once or up to CRASH_RESET_MAX_NS later.  Whoever runs on
 * for the dead host gets -ENETDOWN from all that he tries and wakes from all that he waits for, so that he can end
 * and close.  The machine lives: connects are refused until somebody listens again, on the network that
 * sim_net_host() then gives. Refusals     At random a connect is refused (rates.refuse_ppm) or an accept fails with
 * -EMFILE (rates.accept_error_ppm).
 *
 * Not modelled: bytes that change on the way (checksums are the messages' own affair), names, different routes.
 * Local sockets are connections inside one host, and break as all others.
 *
 * Everything random comes from the seed, and all that happens goes into the reactor's trace.
 */

#include "dev/sock.h"

struct reactor;
struct sim_net;

#define SIM_NET_HOSTS_MAX  64
#define CRASH_RESET_MAX_NS UINT64_C(2000000000)

/* 0: the default, which for faults is never. */
struct sim_net_rates {
	uint32_t break_ppm;	   /* of segments, and ends of a direction */
	uint32_t refuse_ppm;	   /* of connects */
	uint32_t accept_error_ppm; /* of accepts */
	uint64_t delay_min_ns;	   /* 10 us */
	uint64_t delay_max_ns;	   /* 1 ms; one segment in 32 takes up to ten times that */
	uint64_t silence_ns;	   /* 60 s */
	uint64_t connect_ns;	   /* until a connect gives up; 20 s */
	uint64_t buffer_max;	   /* bytes; 64 KiB, and a connection draws an eighth of it or more */
};

struct sim_net_stats {
	uint64_t connects; /* that succeeded */
	uint64_t segments, bytes;
	uint64_t resets;   /* seen by one side */
	uint64_t timeouts; /* the same */
};

/* @rates NULL: all defaults.  Never fails. */
struct sim_net *sim_net_new(struct reactor *r, uint64_t seed, const struct sim_net_rates *rates);
/* Frees also what was not closed; nobody may touch it any more.  Before reactor_close(). */
void sim_net_free(struct sim_net *n);

/*
 * The network as the host with IP address @addr ("192.0.2.1", "2001:db8::1") has it: new, or the living one of that
 * address.  It is @n's.
 */
struct net *sim_net_host(struct sim_net *n, const char *addr);
void sim_net_host_crash(struct sim_net *n, struct net *host);

/* Cut two hosts off from each other, or end that.  It is about addresses, so a restarted host is cut off as well. */
void sim_net_cut(struct sim_net *n, const struct net *a, const struct net *b, bool cut);
/* Reset all connections between two hosts. */
void sim_net_reset(struct sim_net *n, const struct net *a, const struct net *b);
/* From now on. */
void sim_net_set_rates(struct sim_net *n, const struct sim_net_rates *rates);

struct sim_net_stats sim_net_stats(const struct sim_net *n);

#endif
