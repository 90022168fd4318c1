/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_TORTURE_INT_H
#define LAMINA_TOOLS_TORTURE_INT_H

/* What the files of tools/torture*.c share. */

#include "dev/fiber_sync.h"
#include "tools/torture.h"

#define TORTURE_BLOCK	    4096u
#define TORTURE_SECTOR	    512u /* what a disk writes whole: each has its own stamp */
#define TORTURE_RUN_MAX	    64u	 /* blocks of one operation */
#define TORTURE_FILES_MAX   4096u
#define TORTURE_FIBERS_MAX  32u
#define TORTURE_NS_PER_MS   UINT64_C(1000000)
#define TORTURE_CHANCES_MAX 24u /* values that a block may have at a time */

/* torture_stamp.c: what is written. */

struct torture_stamp {
	uint64_t magic;
	uint32_t file, writer;
	uint64_t off;  /* bytes, of this sector */
	uint64_t gen;  /* of the write, never twice in a run; 0: zeros */
	uint64_t seed; /* of the run */
	uint64_t sum;
};

enum torture_bytes {
	TORTURE_ZEROS,
	TORTURE_STAMPED,
	TORTURE_TORN, /* neither */
};
/* A whole block at @off, each sector with its own. */
void torture_stamp_block(void *block, const struct torture_stamp *stamp);
enum torture_bytes torture_stamp_look(const void *sector, struct torture_stamp *ret_stamp) MUST_CHECK;

/*
 * torture_model.c: what may be seen.  A block is a register.  A write begins, ends (nothing of it will happen any
 * more) and is acknowledged, or not.  Once it is acknowledged nobody may see what had ended before it began; of what
 * was going on at the same time anything may be seen, to the sector.
 */

struct torture_chance {
	uint64_t gen;	    /* 0: zeros */
	uint32_t file, blk; /* that stand in the stamp: others than its own after a clone */
	uint64_t begin;
	uint64_t wrote; /* for the same open file it is over; TORTURE_NEVER: not yet */
	uint64_t end;	/* and for everybody */
	uint64_t open;	/* which */
	uint64_t dead;	/* whoever reads from then on may not see it; 0: alive */
};
#define TORTURE_NEVER UINT64_MAX

struct torture_blk {
	struct torture_chance *v;
	unsigned int nr, max;
	bool is_known; /* to be wrong: told once */
};

struct torture_file {
	uint32_t id;
	char name[40];
	enum torture_work work;
	struct nfs_fh fh;
	bool by_handle;	 /* its name has changed */
	bool is_unnamed; /* nobody knows its name */
	bool is_gone;
	uint32_t nr_blks;
	struct torture_blk *blks;
	struct list reads;	/* struct torture_look */
	unsigned int nr_inside; /* of those who need the file to keep its size */
	bool is_alone;		/* somebody does what needs the file for himself */
	struct wait_queue queue;
	unsigned int opens;
};

/* A change under way.  In an open file until it is committed; then, if nobody knows what became of it, at the host.
 */
struct torture_change {
	struct torture_file *file;
	uint32_t first, nr;
	uint64_t begin, gen;
	struct list link;
};

struct torture_look {
	uint64_t begin;
	struct list link;
};

struct torture_host;
struct torture_fiber;

/* Zeros are the value of every block at first.  -ENOMEM. */
int torture_model_init(struct torture_file *file, uint32_t nr_blks) MUST_CHECK;
void torture_model_release(struct torture_file *file);
bool torture_model_has_room(const struct torture_file *file, uint32_t first, uint32_t nr) MUST_CHECK;
/* NULL: no memory.  @gen 0: zeros. @open: 0, or which. */
struct torture_change *torture_change_begin(struct torture *t, struct torture_file *file, uint32_t first, uint32_t nr,
					    uint64_t gen, uint64_t open);
/* The same, with the values that @src may have from @src_first on. */
struct torture_change *torture_change_clone(struct torture *t, struct torture_file *file, uint32_t first, uint32_t nr,
					    const struct torture_file *src, uint32_t src_first);
void torture_change_wrote(struct torture *t, struct torture_change *change);
/* These free it. */
void torture_change_ack(struct torture *t, struct torture_change *change);
/* It ended without success: all, some or nothing of it was done. */
void torture_change_failed(struct torture *t, struct torture_change *change);

void torture_look_begin(struct torture *t, struct torture_file *file, struct torture_look *look);
void torture_look_end(struct torture_file *file, struct torture_look *look);
/* What was read between, @nr blocks from @first; @who and @how for the finding. */
void torture_look_judge(struct torture *t, struct torture_file *file, const struct torture_look *look, uint32_t first,
			uint32_t nr, const void *bytes, const char *who, const char *how);

/* torture_host.c */

/* A file that a host has open, for all of its fibers. */
struct torture_open {
	struct pnfs_file f;
	struct torture_file *file;
	struct torture_host *host;
	uint64_t number;
	unsigned int refs;
	bool is_open, is_failed;
	struct fiber_mutex lock;
	struct list changes; /* not committed */
	struct list link;
};

struct torture_host {
	struct torture *t;
	unsigned int nr;
	char name[16];
	uint32_t incarnation;
	struct net *net;
	struct nfs_client client;
	struct nfs_conn *conn;
	struct nfs_session *session;
	struct pnfs_host pnfs;
	bool is_up;
	bool is_lost;		/* its fibers stop, and then it begins anew */
	uint64_t excused_ns;	/* until then what goes wrong is not its fault */
	bool is_bad;		/* one of those that misbehave */
	bool is_silent;		/* it misbehaves by saying nothing */
	unsigned int nr_guests; /* others who use its opens */
	uint64_t down_until_ns;
	uint64_t lease_ns;
	uint64_t conflicts, bad_layouts; /* that were told */
	struct list opens;
	struct list doubts; /* struct torture_change */
	unsigned int nr_fibers, nr_stopped, nr_done;
	struct wait_queue changed;
	struct torture_fiber *fibers;
	unsigned int nr_bufs; /* fibers that were made */
	bool is_ended;
};

#define TORTURE_OWN_MAX 3
struct torture_fiber {
	struct torture *t;
	struct torture_host *host;
	unsigned int nr; /* of the host */
	char name[24];
	uint64_t dice;
	uint64_t steps;
	uint8_t *buf; /* TORTURE_RUN_MAX blocks, aligned */
	struct torture_file *own[TORTURE_OWN_MAX];
	struct torture_file *bad;
	unsigned int nr_made;
};

struct torture {
	const struct torture_options *opt;
	const struct torture_world *world;
	struct torture_report *report;
	struct reactor *r;
	uint64_t seq, gen, nr_opens; /* the last ones */
	uint64_t dice;
	struct nfs_fh dir;
	char dir_name[40];
	bool dir_is_made;
	unsigned int nr_hosts;
	struct torture_host *hosts;
	struct torture_file **files;
	uint32_t nr_files;
	struct torture_file *shared[TORTURE_WORKS];
	uint64_t works;
	bool is_running, has_power, is_over;
	unsigned int nr_working; /* hosts with fibers at work */
	struct wait_queue changed;
	uint64_t lates[256]; /* generations of late writes */
	unsigned int nr_lates;
};

/* Its main fiber, which brings it up, looks after it and, when t->is_over, ends it. */
FIBER_FN void torture_host_main(void *arg);
/* It can't go on: @err from @doing, on behalf of nobody in particular if @doing is NULL. */
/* Until when nobody can say what the server makes of it. */
void torture_host_excuse(struct torture_host *host, uint64_t ns);
bool torture_host_is_excused(const struct torture_host *host) MUST_CHECK;
void torture_host_lose(struct torture_host *host, int err, const char *doing);
/* Wait until it is up. */
FIBER_FN void torture_host_await(struct torture_host *host);
/* For a fiber between two steps: false, it is stopping and had to wait for the host to begin anew. */
FIBER_FN bool torture_host_check(struct torture_host *host);
/*
 * Whether success of a commit is one, when @dropped were dropped before.  Linux, and so this client, takes some
 * refusals for success.  A host whose fault it is, or whose bad luck, knows nothing of what became of it; from
 * anybody else's mouth it is as good as a promise.
 */
bool torture_host_promises(const struct torture_host *host, uint64_t dropped) MUST_CHECK;
FIBER_FN struct torture_open *torture_open_get(struct torture_host *host, struct torture_file *file, bool creates);
/* The last one closes it, if @closes. */
FIBER_FN void torture_open_put(struct torture_open *open, bool closes);
/* What nobody uses is closed, and so committed. */
FIBER_FN void torture_open_close_all(struct torture_host *host);
const char *torture_error(int err, char text[64]);

/* torture_step.c: single operations.  False: it failed, the host may be lost. */
FIBER_FN int torture_send(struct torture_open *open, struct nfs_compound *c);
FIBER_FN bool torture_do_write(struct torture_fiber *f, struct torture_open *open, uint32_t first, uint32_t nr);
FIBER_FN bool torture_do_server_write(struct torture_fiber *f, struct torture_open *open, uint32_t first,
				      uint32_t nr);
FIBER_FN bool torture_do_commit(struct torture_open *open);
FIBER_FN bool torture_do_read(struct torture_fiber *f, struct torture_open *open, uint32_t first, uint32_t nr);
FIBER_FN bool torture_do_server_read(struct torture_fiber *f, struct torture_open *open, uint32_t first, uint32_t nr);
FIBER_FN bool torture_do_truncate(struct torture_fiber *f, struct torture_open *open, uint32_t blks);
FIBER_FN bool torture_do_punch(struct torture_fiber *f, struct torture_open *open, uint32_t first, uint32_t nr);
FIBER_FN bool torture_do_clone(struct torture_fiber *f, struct torture_open *src, struct torture_open *dst,
			       uint32_t src_first, uint32_t first, uint32_t nr);
/* The size in blocks, as the server has it now. */
FIBER_FN bool torture_do_size(struct torture_open *open, uint32_t *ret_blks);

/* torture_work.c, torture_shared.c, torture_bad.c */
FIBER_FN void torture_step(struct torture_fiber *f);
FIBER_FN void torture_shared_step(struct torture_fiber *f, enum torture_work work);
/* @nr random blocks in a row, 1 to @max, in [@from, @end). */
void torture_pick(struct torture_fiber *f, uint32_t from, uint32_t end, uint32_t max, uint32_t *ret_first,
		  uint32_t *ret_nr);
FIBER_FN void torture_bad_step(struct torture_fiber *f);

/* torture.c */
uint64_t torture_now(const struct torture *t);
void torture_find(struct torture *t, const char *what, const char *fmt, ...) PRINTF_FMT(3, 4);
struct torture_file *torture_file_new(struct torture *t, enum torture_work work, const char *name);
uint64_t torture_roll(uint64_t *dice, uint64_t below);
void torture_trace(struct torture *t, uint64_t event);
void torture_die(void) __attribute__((noreturn));

#endif
