/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_NFS_SIM_INT_H
#define LAMINA_TESTS_LIB_NFS_SIM_INT_H

/* What the files of tests/lib/nfs_sim*.c share. */

#include "mds/server.h"
#include "tests/lib/dice.h"
#include "tests/lib/nfs_sim.h"
#include "tests/lib/nfs_sim_home.h"
#include "tests/lib/store.h"
#include "tests/sim/sim_net.h"
#include "tools/nfs_file.h"

#define SIM_CLIENTS_MAX 5
#define SIM_FIBERS_MAX	4 /* of a client */
#define SIM_ALL_MAX	(SIM_CLIENTS_MAX * SIM_FIBERS_MAX)
#define SIM_LEASE_S	20
#define SIM_MS		UINT64_C(1000000)
#define SIM_DEAD_MAX	64
#define SIM_CHAIN_MAX	3 /* changes in one compound */

struct nfs_sim;

struct sim_fiber {
	struct nfs_sim *sim;
	struct sim_client *client;
	unsigned int nr; /* of all */
	char name[24];
	struct dice dice;
	struct nfs_compound c;
	struct home *now;		  /* as answered */
	struct home *next;		  /* as it will be */
	struct home *mids[SIM_CHAIN_MAX]; /* with several changes in one compound: after each of the first */
	unsigned int nr_mids;
	bool in_doubt; /* sent, and nobody will ever answer: now or next */
	/* A WRITE that is in doubt: what is overwritten in place may be old and new at once (len 0: there is none).
	 */
	unsigned int torn_inode;
	uint64_t torn_off, torn_len;
	bool ends_at_delay;
	char doing[160];
	unsigned int steps_left;
	bool is_done, is_stopped;
	/* In the pool: what was asked for and has no answer. */
	enum sim_pool_op {
		POOL_NOTHING,
		POOL_MAKE,
		POOL_REMOVE,
		POOL_RENAME
	} pool_op;
	unsigned int pool_a, pool_b;
	uint64_t ops;
};

struct sim_client {
	struct nfs_sim *sim;
	unsigned int nr;
	char addr[16];
	struct net *host;
	uint32_t incarnation;
	bool crashed;
	bool is_up;
	struct nfs_client client;
	struct nfs_conn *conn;
	uint32_t nr_slots;
	struct nfs_conn *conn2; /* NULL: one is enough */
	struct nfs_session *session;
	unsigned int nr_fibers;
	struct sim_fiber fibers[SIM_FIBERS_MAX];
	struct wait_queue changed; /* stopped, or back */
	uint64_t heard_ns;	   /* the server has heard of it then, or later */
	uint64_t gap_ns;	   /* until then it may have been silent for a lease */
	uint64_t down_ns;	   /* after a crash */
};

#define SIM_RECORDS 3
struct sim_record {
	struct sim_fiber *holder;
	uint32_t incarnation; /* the holder's */
	uint32_t value;
	uint32_t pending[SIM_ALL_MAX]; /* by fiber: sent, not answered */
};

#define SIM_POOL       10
#define SIM_POOL_FIXED 30
struct sim_name {
	struct sim_fiber *holder;
	uint64_t fileid;
	bool is_link;
	unsigned int busy;  /* operations on it that are not answered */
	unsigned int makes; /* of these: that create it */
	bool removing;
	uint64_t touched_ns; /* last answer to any */
	uint64_t gone_ns;
};

#define SIM_SIGNS 4096
struct sim_sign {
	uint64_t change;
	uint32_t mode;
	uint64_t size;
};

struct nfs_sim_report {
	uint64_t hash; /* of all that happened: the same for the same seed */
	uint64_t virtual_ns;
	uint64_t steps;	   /* operations of fibers, with their checks */
	uint64_t requests; /* that were answered */
	uint64_t kills;	   /* of the server */
	uint64_t restarts; /* the same, in peace */
	uint64_t crashes;  /* of clients */
	uint64_t cuts, resets, holds;
	uint64_t duplicates, drops; /* of requests */
	uint64_t replays, resumed;  /* that the server answered from a slot; that it went on with after a restart */
	uint64_t chains;	    /* of several changes in one compound */
	uint64_t lost_locks;	    /* taken from silent clients */
};

struct nfs_sim {
	uint64_t seed;
	struct dice dice;
	struct store store;
	struct config *config;
	struct sim_net *net;
	struct net *server_host;
	struct sock_addr addr;
	struct mds *mds;
	struct why_list why;
	unsigned int nr_clients, nr_fibers;
	struct sim_client clients[SIM_CLIENTS_MAX];
	unsigned int nr_running; /* fibers that have work left */
	struct wait_queue finished;
	bool calm; /* no more disasters */
	struct nfs_sim_report report;

	struct nfs_fh root, pool_fh, lock_fh, sign_fh;
	struct sim_record records[SIM_RECORDS];
	uint32_t next_value;
	struct sim_name pool[SIM_POOL];
	struct sim_sign signs[SIM_SIGNS];
	unsigned int nr_signs;
	uint64_t sign_last;
	struct {
		struct nfs_fh fh;
		uint64_t fileid;
	} dead[SIM_DEAD_MAX];
	unsigned int nr_dead;
};

/* nfs_sim.c */
uint64_t sim_now(const struct nfs_sim *sim);
/* @f NULL: nobody in particular. */
void sim_fail(const struct nfs_sim *sim, const struct sim_fiber *f, const char *check, const char *fmt, ...)
	PRINTF_FMT(4, 5) __attribute__((noreturn));
void sim_bury(struct nfs_sim *sim, const struct nfs_fh *fh, uint64_t fileid);

/* nfs_sim_chaos.c: disasters until the work is done. */
FIBER_FN void sim_chaos(struct nfs_sim *sim);
FIBER_FN void sim_chaos_check(struct nfs_sim *sim, uint64_t *ret_inodes, uint64_t *ret_data_blocks);
FIBER_FN void sim_chaos_serve(struct nfs_sim *sim);
FIBER_FN void sim_chaos_stop(struct nfs_sim *sim);

/* nfs_sim_client.c */
FIBER_FN void sim_client_up(struct sim_client *client);
FIBER_FN void sim_client_down(struct sim_client *client);
void sim_client_crash(struct sim_client *client);
FIBER_FN void sim_client_main(void *arg);
/* Empty compound, PUTFH. */
struct nfs_compound *sim_begin(struct sim_fiber *f, const struct nfs_fh *fh);
/*
 * Send f->c until there is an answer: its status, or -ENETDOWN if the client has crashed.  DELAY is waited out unless
 * f->ends_at_delay.
 */
FIBER_FN int sim_send(struct sim_fiber *f) MUST_CHECK;
/* The same, for what must have this status.  False: the client has crashed. */
FIBER_FN bool sim_expect(struct sim_fiber *f, int want) MUST_CHECK;
uint64_t sim_roll(struct sim_fiber *f, uint64_t below);
struct wire_attrs sim_attrs(struct sim_fiber *f, uint32_t at);
struct nfs_fh sim_fh(struct sim_fiber *f, uint32_t at);
change_info4 sim_change(struct sim_fiber *f, uint32_t at);

/* nfs_sim_file.c, nfs_sim_name.c, nfs_sim_lock.c: a random operation in the home. */
FIBER_FN void sim_file_step(struct sim_fiber *f);
FIBER_FN void sim_name_step(struct sim_fiber *f);
FIBER_FN void sim_open_step(struct sim_fiber *f);
FIBER_FN void sim_open_close_all(struct sim_fiber *f);
/* next = now, and in doubt until sim_commit(). */
void sim_prepare(struct sim_fiber *f);
void sim_commit(struct sim_fiber *f);
/* What the answer says of inode @i must be what f->next says; then its change attribute is known. */
void sim_check_inode(struct sim_fiber *f, unsigned int i, const struct wire_attrs *attrs);
/* What was there before must be what f->now says; @then: what the operation does to the change attribute. */
void sim_check_before(struct sim_fiber *f, unsigned int i, const struct wire_attrs *attrs, enum home_change then);
extern struct bitmap4 sim_asked;

/* nfs_sim_list.c: every name of a directory with its number, in replies that hold few. */
struct sim_each {
	void (*sim_told)(void *arg, const char *name, uint64_t fileid);
	void *arg;
};
FIBER_FN bool sim_list(struct sim_fiber *f, const struct nfs_fh *dir, struct sim_each each) MUST_CHECK;
/* nfs_sim_chain.c: several changes in one compound. */
FIBER_FN void sim_chain_step(struct sim_fiber *f);

/* nfs_sim_seen.c: the whole home must be as now says; or, if that is in doubt, next, which becomes now. */
FIBER_FN void sim_verify(struct sim_fiber *f);

/* nfs_sim_shared.c */
FIBER_FN void sim_shared_setup(struct sim_fiber *f);
FIBER_FN void sim_shared_step(struct sim_fiber *f);
FIBER_FN void sim_shared_recover(struct sim_fiber *f);
FIBER_FN void sim_pool_step(struct sim_fiber *f);
FIBER_FN void sim_pool_recover(struct sim_fiber *f);
FIBER_FN void sim_pool_list(struct sim_fiber *f);
FIBER_FN void sim_pool_setup(struct sim_fiber *f);

#endif
