/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_SIM_TAPE_H
#define LAMINA_TESTS_SIM_TAPE_H

/*
 * A recording of everything that some simulated disks were told to write, with marks of what was promised when.  A
 * player walks along it and cuts the power wherever it likes, so one run of a workload gives all its crash states.
 *
 * Where a cut matters.  What may survive grows when a command begins, and shrinks when one completes; what was
 * promised only grows.  So among all moments between two completions the last one is the hardest: everything begun is
 * in flight, everything promised so far is owed.  The points of a player are these moments, one before every
 * completion of a write or flush, and the end of the tape.  A cut at any other moment leaves nothing that a cut at
 * the next point could not leave, with no less to be kept.
 */

#include "tests/sim/sim_media.h"

#define SIM_TAPE_DISKS_MAX 8

struct sim_tape;

struct sim_tape *sim_tape_new(void);
void sim_tape_free(struct sim_tape *tape);

/* Something was promised (or is otherwise worth knowing to the player): @what and @value mean nothing here. */
void sim_tape_mark(struct sim_tape *tape, uint64_t what, uint64_t value);
/* Points of the tape: where a player can cut. */
size_t sim_tape_nr_points(const struct sim_tape *tape);

/* For the disks: sim_disk_record() calls these.  The first returns the disk's index on the tape. */
unsigned int sim_tape_add_disk(struct sim_tape *tape, const struct sim_media *now);
void sim_tape_begin(struct sim_tape *tape, unsigned int disk, struct sim_cmd *cmd);
void sim_tape_end(struct sim_tape *tape, unsigned int disk, struct sim_cmd *cmd, bool durable);
void sim_tape_fail(struct sim_tape *tape, unsigned int disk, struct sim_cmd *cmd, struct sim_rng dice);
void sim_tape_flush_end(struct sim_tape *tape, unsigned int disk, uint64_t token);
void sim_tape_flush_fail(struct sim_tape *tape, unsigned int disk, uint64_t token, struct sim_rng dice);

struct sim_player {
	const struct sim_tape *tape;
	size_t pos;   /* event */
	size_t point; /* the number of the point where it stands, from 0 */
	struct sim_media media[SIM_TAPE_DISKS_MAX];
	void (*mark)(void *arg, uint64_t what, uint64_t value);
	void *arg;
};

/* At the start of @tape; @mark (may be NULL) is called for every mark that is passed. */
void sim_player_init(struct sim_player *p, const struct sim_tape *tape,
		     void (*mark)(void *arg, uint64_t what, uint64_t value), void *arg);
void sim_player_release(struct sim_player *p);
/* Go on to the next point.  False: there is none, the tape was at its end. */
bool sim_player_next(struct sim_player *p);
/* What a power cut here leaves on disk @disk. */
void sim_player_cut(const struct sim_player *p, unsigned int disk, const struct sim_cut *cut,
		    struct sim_image *ret_contents);
/* One line about where it stands: the command about to complete, how many are in flight and unflushed. */
void sim_player_print(const struct sim_player *p, FILE *out);

#endif
