/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_BENCH_NFS_H
#define LAMINA_TOOLS_BENCH_NFS_H

/*
 * `lamina bench nfs`: what its files share.  A load is one kind of work with so many requests outstanding over so
 * many sessions; a round runs every load once on every server, one server right after the other, and the store's
 * own durable creates once, so that all see the same machine.  Medians of the rounds are reported.
 */

#include "tools/bench.h"
#include "tools/nfs_file.h"

#define BENCH_NFS_SERVERS	  2 /* the one that is measured, and a peer */
#define BENCH_NFS_STEPS		  8 /* values of --outstanding and of --sessions */
#define BENCH_NFS_OUTSTANDING_MAX 1024
#define BENCH_NFS_SESSIONS_MAX	  64
#define BENCH_NFS_DIRS		  64
#define BENCH_NFS_DATA_FILES	  16
#define BENCH_NFS_BLOCK_MAX	  (1u << 20)
#define BENCH_NFS_HOLDERS_MAX	  2048
#define BENCH_NFS_ANSWER_MS	  100.0 /* of a holder that is far away */
#define BENCH_NFS_GROWERS	  8
#define BENCH_NFS_GROWTH_FIRST	  1000 /* extents */

struct bench_nfs_load;
struct bench_nfs_job;
struct bench_nfs_worker;

struct bench_nfs_options {
	const char *dir;     /* for our own server's volume and the store; removed at the end */
	uint64_t size;	     /* bytes of each image there, sparse */
	const char *server;  /* "ADDR:PORT[/PATH]"; NULL: start one of our own */
	unsigned long pid;   /* of that server, if it runs here; 0: unknown */
	const char *control; /* its control socket; NULL: unknown */
	const char *peer;    /* likewise; NULL: none */
	unsigned long peer_pid;
	unsigned int minor;
	double seconds; /* of one load in one round */
	unsigned int repeats;
	uint64_t files;	  /* that stat, open and others look at, in one directory and in many */
	uint64_t data;	  /* bytes that are read and written */
	uint64_t works;	  /* bits: bench_nfs_works[] */
	bool one, many;	  /* directories */
	bool store;	  /* the store's durable creates, too */
	uint64_t extents; /* LAYOUTGET in volumes of up to so many; 0: not measured */
	bool json;
	unsigned int nr_outstanding, nr_sessions;
	unsigned int outstanding[BENCH_NFS_STEPS];
	unsigned int nr_holders;
	unsigned int holders[BENCH_NFS_STEPS];	/* recalls from so many; none: not measured */
	unsigned int sessions[BENCH_NFS_STEPS]; /* none: one, or as many as it takes with 64 requests in each */
};

/* A kind of work.  All functions return 0, a negative errno or an nfsstat4. */
struct bench_nfs_work {
	const char *name;
	const char *what;   /* one line */
	const char *units;  /* what load->units counts beside operations; NULL: nothing */
	bool in_dirs;	    /* it matters whether there are one or many directories */
	bool takes_files;   /* that "create" has made */
	bool is_default;    /* measured without --full */
	bool needs_layouts; /* left out where the server has none */
	bool each_client;   /* each request is one of a client of its own, unless it is said how many sessions */
	uint32_t bytes;	    /* of a read or write */
	bool random;
	/* Before and after the time that is measured; NULL: nothing to do. */
	FIBER_FN int (*prepare)(struct bench_nfs_worker *w);
	FIBER_FN int (*finish)(struct bench_nfs_worker *w);
	/* One operation.  -ENOENT: there is nothing left to do. */
	FIBER_FN int (*step)(struct bench_nfs_worker *w);
};
extern const struct bench_nfs_work bench_nfs_works[];
extern const unsigned int bench_nfs_nr_works;

/* What a load did on one server. */
struct bench_nfs_result {
	struct bench_load load; /* the rounds */
	/* Of each round, for each operation; below 0: unknown. */
	double server_cpu_us[BENCH_REPEATS_MAX];
	double journal_bytes[BENCH_REPEATS_MAX];
	double units[BENCH_REPEATS_MAX]; /* per second */
};

struct bench_nfs_load {
	const struct bench_nfs_work *work;
	bool many; /* directories */
	unsigned int outstanding, sessions;
	struct bench_nfs_result results[BENCH_NFS_SERVERS];
};

/* Files of one sort on a server: made in turn, and removed in turn. */
struct bench_nfs_names {
	char prefix;
	bool many;
	uint64_t first, next;
};

struct bench_nfs_server {
	const char *name; /* for reports */
	bool is_ours;	  /* started by us: nothing needs to be tidied up */
	struct sock_addr addr;
	char path[512];
	unsigned long pid;
	char control[512];  /* ""; unknown */
	char dir[4096];	    /* of our own server */
	char banner[256];   /* what it calls itself */
	struct nfs_fh base; /* where everything is made */
	char base_name[64];
	struct nfs_fh one;
	struct nfs_fh many[BENCH_NFS_DIRS];
	struct nfs_fh data;
	struct nfs_fh data_files[BENCH_NFS_DATA_FILES];
	struct nfs_fh *files[2]; /* opt->files handles, in one directory and in many */
	struct bench_nfs_names kept[2], made[2];
	uint64_t next_name;   /* of files of which each worker has one */
	uint32_t layout_type; /* 0: none that we know */
	/* Of a volume with many extents: how many there are, how many there shall be, how long the files are. */
	uint64_t extents, extents_wanted, grown[BENCH_NFS_GROWERS];
};

/* LAYOUTGET in a volume with so many extents, one at a time. */
struct bench_nfs_growth {
	uint64_t extents;
	double p50_us, p99_us;
};

/* A recall from so many clients, of which each takes @answer_ms for its answer: medians of the rounds. */
struct bench_nfs_recall {
	unsigned int holders;
	double answer_ms;
	double ms;	   /* from the request that is in conflict to its success */
	double slowest_ms; /* the slowest of the answers */
};

struct bench_nfs {
	const struct bench_nfs_options *opt;
	struct reactor *reactor;
	struct net *net;
	struct bench_env env; /* for the store */
	struct bench_load store;
	struct bench_nfs_server servers[BENCH_NFS_SERVERS];
	unsigned int nr_servers;
	struct bench_nfs_load *loads;
	unsigned int nr_loads;
	uint8_t *block; /* BENCH_NFS_BLOCK_MAX bytes to write */
	/* Of the first server: */
	struct bench_nfs_growth growth[BENCH_NFS_STEPS];
	unsigned int nr_growth;
	struct bench_nfs_recall recalls[2 * BENCH_NFS_STEPS];
	unsigned int nr_recalls;
};

/* One client machine: an identity, a connection, a session. */
struct bench_nfs_client {
	struct nfs_client client;
	struct nfs_conn *conn;
	struct nfs_session *session;
};

/* One fiber that keeps one request outstanding. */
struct bench_nfs_worker {
	struct bench_nfs_job *job;
	struct nfs_session *session;
	struct nfs_compound c; /* of all that it sends */
	unsigned int number;
	uint64_t turns;
	char owner[32];
	/* What the work keeps between its steps. */
	struct nfs_fh fh;
	stateid4 stateid;
	bool is_open;
	uint64_t pos;
	uint64_t file;
	char verifier[NFS4_VERIFIER_SIZE];
	char names[2][32];
	stateid4 layout;
	bool asks_once;	  /* LAYOUTGET: every answer is one */
	uint64_t took_ns; /* the part of the step that counts; 0: all of it */
	struct fiber *fiber;
};

/* A load at work. */
struct bench_nfs_job {
	struct bench_nfs *b;
	struct bench_nfs_server *server;
	const struct bench_nfs_work *work;
	bool many;
	unsigned int outstanding, nr_sessions;
	struct bench_nfs_names *names; /* for create and remove */
	uint64_t end_name;	       /* create until there are so many */
	uint64_t ns;
	/* Of the run: */
	struct bench_nfs_client *clients;
	unsigned int nr_clients;
	struct bench_nfs_worker *workers;
	unsigned int nr_ready, nr_done;
	struct wait_queue changed;
	bool go;
	uint64_t end_ns;
	uint64_t units;
	struct bench_meter meter;
	struct bench_run run;
	double server_cpu_us; /* in all; below 0: unknown */
	int err;
	const char *err_op;
};

/* cmd_bench_nfs.c; argv[1] is "nfs". */
int cmd_bench_nfs(int argc, char **argv);

/* bench_nfs_plan.c: everything that @opt asks for. */
int bench_nfs_all(const struct bench_nfs_options *opt) MUST_CHECK;

/* bench_nfs_work.c */
/* PUTFH, OPEN for creating, GETFH, CLOSE: the next of job->names. */
FIBER_FN int bench_nfs_work_create(struct bench_nfs_worker *w) MUST_CHECK;

/*
 * bench_nfs_run.c: run job->work with job->outstanding workers over job->nr_sessions sessions for job->ns; outside
 * of fibers.  Whatever fails is said on standard error.
 */
int bench_nfs_run(struct bench_nfs_job *job) MUST_CHECK;
/* Send w->c and take the answer: 0, a negative errno or an nfsstat4. */
FIBER_FN int bench_nfs_send(struct bench_nfs_worker *w) MUST_CHECK;

FIBER_FN int bench_nfs_client_open(struct bench_nfs_job *job, struct bench_nfs_client *cl) MUST_CHECK;
/* Also after a failure. */
FIBER_FN void bench_nfs_client_close(struct bench_nfs_client *cl);

/* bench_nfs_layout.c: what type of layouts the server has, before any other of these. */
int bench_nfs_layout_type(struct bench_nfs *b, struct bench_nfs_server *server) MUST_CHECK;
/* LAYOUTGET with the open's stateid; w->layout is its stateid then, and *@ret_len how far it reaches from @off. */
FIBER_FN int bench_nfs_layout_get(struct bench_nfs_worker *w, layoutiomode4 iomode, uint64_t off, uint64_t len,
				  uint64_t min, uint64_t *ret_len) MUST_CHECK;
FIBER_FN int bench_nfs_layout_return(struct bench_nfs_worker *w, uint64_t off, uint64_t len) MUST_CHECK;
/* Open a file in the data directory, or make it; close it. */
FIBER_FN int bench_nfs_layout_open(struct bench_nfs_worker *w, const char *name) MUST_CHECK;
FIBER_FN int bench_nfs_layout_close(struct bench_nfs_worker *w) MUST_CHECK;
/* The works' steps. */
FIBER_FN int bench_nfs_layout_own(struct bench_nfs_worker *w) MUST_CHECK;
FIBER_FN int bench_nfs_layout_kept(struct bench_nfs_worker *w) MUST_CHECK;
FIBER_FN int bench_nfs_layout_shared(struct bench_nfs_worker *w) MUST_CHECK;
FIBER_FN int bench_nfs_layout_remove(struct bench_nfs_worker *w) MUST_CHECK;
FIBER_FN int bench_nfs_cycle_new(struct bench_nfs_worker *w) MUST_CHECK;
FIBER_FN int bench_nfs_cycle_kept(struct bench_nfs_worker *w) MUST_CHECK;
FIBER_FN int bench_nfs_cycle_shared(struct bench_nfs_worker *w) MUST_CHECK;
FIBER_FN int bench_nfs_get_kept(struct bench_nfs_worker *w) MUST_CHECK;
/* opt->extents, into b->growth. */
int bench_nfs_layout_growth(struct bench_nfs *b, struct bench_nfs_server *server) MUST_CHECK;
/* bench_nfs_recall.c: opt->holders, into b->recalls. */
int bench_nfs_recalls(struct bench_nfs *b, struct bench_nfs_server *server) MUST_CHECK;

/* bench_nfs_tree.c: the directories and files that are worked on, and their removal. */
int bench_nfs_tree_make(struct bench_nfs *b, struct bench_nfs_server *server) MUST_CHECK;
int bench_nfs_tree_remove(struct bench_nfs *b, struct bench_nfs_server *server) MUST_CHECK;
/* The directory of file number @i. */
const struct nfs_fh *bench_nfs_tree_dir(const struct bench_nfs_server *server, bool many, uint64_t i);

/* bench_nfs_server.c: where servers come from, and what they spend. */
/* "ADDR:PORT[/PATH]".  -EINVAL. */
int bench_nfs_server_parse(const char *text, struct bench_nfs_server *server) MUST_CHECK;
/* Format a volume in opt->dir and serve it.  What fails is said on standard error. */
int bench_nfs_server_start(struct bench_nfs *b, struct bench_nfs_server *server) MUST_CHECK;
void bench_nfs_server_stop(struct bench_nfs_server *server);
/* Processor time in microseconds; below 0: unknown. */
double bench_nfs_server_cpu(const struct bench_nfs_server *server);
/* Bytes written to its journal so far; below 0: unknown. */
double bench_nfs_server_journal(const struct bench_nfs_server *server);

/* bench_nfs_report.c */
void bench_nfs_report_text(const struct bench_nfs *b, FILE *out);
void bench_nfs_report_json(const struct bench_nfs *b, FILE *out);

#endif
