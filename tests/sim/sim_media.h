/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_SIM_MEDIA_H
#define LAMINA_TESTS_SIM_MEDIA_H

/*
 * What a disk remembers, without time: the contents that reads see, the contents that are safe, and everything
 * between, from which a power cut draws.  The fault model is told at the head of sim_disk.h; this is where it is
 * kept. A live disk (sim_disk.h) and the player of a recording (sim_tape.h) drive the same code.
 */

#include "tests/sim/sim_image.h"
#include "tests/sim/sim_util.h"

/* A command that changes contents.  Shared between a disk, recordings and forks; never changed. */
struct sim_cmd {
	unsigned int refs;
	bool zeroes; /* no data: zeros */
	uint64_t number;
	uint64_t off; /* bytes */
	uint64_t len; /* 0: a write that the device only pretends to do */
	uint8_t data[];
};

/* @data NULL: zeros. */
struct sim_cmd *sim_cmd_new(uint64_t number, uint64_t off, uint64_t len, const void *data);
struct sim_cmd *sim_cmd_get(struct sim_cmd *cmd);
void sim_cmd_put(struct sim_cmd *cmd);

/* A completed command that a power cut may still undo, or, if @durable, one that only lies over such a command. */
struct sim_pending {
	struct sim_cmd *cmd;
	uint64_t order;
	bool durable;
};

struct sim_cmds {
	struct sim_cmd **cmd;
	size_t nr, room;
};

struct sim_media {
	struct sim_image visible; /* what a read finds: all completed commands */
	struct sim_image durable; /* what a power cut finds at least: on it the pending commands apply, in order */
	struct sim_pending *pending;
	size_t nr_pending, room_pending;
	struct sim_cmds in_flight;
	uint64_t order;	      /* completions so far */
	uint32_t atomic_unit; /* bytes, a multiple of SIM_IMAGE_SECTOR */
	bool volatile_cache;
};

void sim_media_init(struct sim_media *m, const struct sim_image *contents, uint32_t atomic_unit, bool volatile_cache);
void sim_media_fork(struct sim_media *dst, const struct sim_media *src);
void sim_media_release(struct sim_media *m);

/* From now on parts of @cmd may be on the media. */
void sim_media_begin(struct sim_media *m, struct sim_cmd *cmd);
/* It has completed; @durable: and is safe. */
void sim_media_end(struct sim_media *m, struct sim_cmd *cmd, bool durable);
/* It has failed: @dice say which of its units were written all the same. */
void sim_media_fail(struct sim_media *m, struct sim_cmd *cmd, struct sim_rng dice);

/* A flush begins; its end wants the returned token. */
uint64_t sim_media_flush_begin(const struct sim_media *m);
void sim_media_flush_end(struct sim_media *m, uint64_t token);
/* It has failed: of what it should have saved every unit is either safe now or will never be. */
void sim_media_flush_fail(struct sim_media *m, uint64_t token, struct sim_rng dice);

/*
 * What survives of the commands between durable and lost.  Independent coins alone would practically never lose just
 * one command of a hundred, or keep just one, so a cut first draws one of these styles.
 */
enum sim_cut_style {
	SIM_CUT_NOTHING,    /* all lost */
	SIM_CUT_EVERYTHING, /* all survive, those in flight too */
	SIM_CUT_COMPLETED,  /* the completed survive, those in flight are lost */
	SIM_CUT_IN_FLIGHT,  /* the other way round */
	SIM_CUT_UNITS,	    /* a coin for each unit */
	SIM_CUT_COMMANDS,   /* a coin for each command */
	SIM_CUT_PREFIX,	    /* in order of completion, up to some command, which is torn */
	SIM_CUT_SUFFIX,	    /* from some torn command on */
	SIM_CUT_ONE_LOST,   /* all survive but one, or a part of one */
	SIM_CUT_ONE_KEPT,   /* one survives, or a part of one */
	SIM_CUT_STYLES,
	SIM_CUT_ANY = SIM_CUT_STYLES, /* draw one */
};

const char *sim_cut_style_name(enum sim_cut_style style);

struct sim_cut {
	enum sim_cut_style style;
	uint64_t seed;
	uint32_t unreadable_ppm; /* of the units in flight: neither old nor new but a read error */
};

/* Cut the power: *@ret_contents, uninitialised, is what a reader finds afterwards.  @m stays as it is. */
void sim_media_cut(const struct sim_media *m, const struct sim_cut *cut, struct sim_image *ret_contents);

#endif
