/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recording and playing.  Promise: a player's disks pass through the same states as the disks that were recorded, for
 * both run sim_media.c with the same calls in the same order.
 */
#include "tests/sim/sim_tape.h"

#include <inttypes.h>

enum event_kind {
	EVENT_BEGIN,
	EVENT_END,
	EVENT_FAIL,
	EVENT_FLUSH_END,
	EVENT_FLUSH_FAIL,
	EVENT_MARK,
};

struct event {
	enum event_kind kind;
	unsigned int disk;
	bool durable;
	struct sim_cmd *cmd; /* BEGIN, END, FAIL */
	uint64_t what;	     /* token or mark */
	uint64_t value;	     /* mark */
	struct sim_rng dice; /* FAIL */
};

struct sim_tape {
	struct sim_media start[SIM_TAPE_DISKS_MAX];
	unsigned int nr_disks;
	struct event *event;
	size_t nr, room;
	size_t nr_points;
};

struct sim_tape *sim_tape_new(void)
{
	return sim_alloc(sizeof(struct sim_tape));
}

void sim_tape_free(struct sim_tape *tape)
{
	for (size_t i = 0; i < tape->nr; i++)
		if (tape->event[i].cmd)
			sim_cmd_put(tape->event[i].cmd);
	for (unsigned int i = 0; i < tape->nr_disks; i++)
		sim_media_release(&tape->start[i]);
	free(tape->event);
	free(tape);
}

static bool is_point(const struct event *e)
{
	return e->kind != EVENT_BEGIN && e->kind != EVENT_MARK;
}

static void add(struct sim_tape *tape, const struct event *e)
{
	if (tape->nr == tape->room) {
		tape->room = tape->room ? 2 * tape->room : 1024;
		tape->event = sim_realloc(tape->event, tape->room * sizeof(*e));
	}
	tape->event[tape->nr] = *e;
	if (e->cmd)
		sim_cmd_get(e->cmd);
	tape->nr++;
	tape->nr_points += is_point(e);
}

size_t sim_tape_nr_points(const struct sim_tape *tape)
{
	return tape->nr_points + 1;
}

void sim_tape_mark(struct sim_tape *tape, uint64_t what, uint64_t value)
{
	add(tape, &(struct event){ .kind = EVENT_MARK, .what = what, .value = value });
}

unsigned int sim_tape_add_disk(struct sim_tape *tape, const struct sim_media *now)
{
	assert(tape->nr_disks < SIM_TAPE_DISKS_MAX);
	assert(tape->nr == 0); /* else the player would meet it before its start */
	sim_media_fork(&tape->start[tape->nr_disks], now);
	return tape->nr_disks++;
}

void sim_tape_begin(struct sim_tape *tape, unsigned int disk, struct sim_cmd *cmd)
{
	add(tape, &(struct event){ .kind = EVENT_BEGIN, .disk = disk, .cmd = cmd });
}

void sim_tape_end(struct sim_tape *tape, unsigned int disk, struct sim_cmd *cmd, bool durable)
{
	add(tape, &(struct event){ .kind = EVENT_END, .disk = disk, .cmd = cmd, .durable = durable });
}

void sim_tape_fail(struct sim_tape *tape, unsigned int disk, struct sim_cmd *cmd, struct sim_rng dice)
{
	add(tape, &(struct event){ .kind = EVENT_FAIL, .disk = disk, .cmd = cmd, .dice = dice });
}

void sim_tape_flush_end(struct sim_tape *tape, unsigned int disk, uint64_t token)
{
	add(tape, &(struct event){ .kind = EVENT_FLUSH_END, .disk = disk, .what = token });
}

void sim_tape_flush_fail(struct sim_tape *tape, unsigned int disk, uint64_t token, struct sim_rng dice)
{
	add(tape, &(struct event){ .kind = EVENT_FLUSH_FAIL, .disk = disk, .what = token, .dice = dice });
}

/* Playing */

void sim_player_init(struct sim_player *p, const struct sim_tape *tape,
		     void (*mark)(void *arg, uint64_t what, uint64_t value), void *arg)
{
	*p = (struct sim_player){ .tape = tape, .point = SIZE_MAX, .mark = mark, .arg = arg };
	for (unsigned int i = 0; i < tape->nr_disks; i++)
		sim_media_fork(&p->media[i], &tape->start[i]);
}

void sim_player_release(struct sim_player *p)
{
	for (unsigned int i = 0; i < p->tape->nr_disks; i++)
		sim_media_release(&p->media[i]);
}

static void play(struct sim_player *p, const struct event *e)
{
	struct sim_media *m = &p->media[e->disk];

	switch (e->kind) {
	case EVENT_BEGIN:
		sim_media_begin(m, e->cmd);
		break;
	case EVENT_END:
		sim_media_end(m, e->cmd, e->durable);
		break;
	case EVENT_FAIL:
		sim_media_fail(m, e->cmd, e->dice);
		break;
	case EVENT_FLUSH_END:
		sim_media_flush_end(m, e->what);
		break;
	case EVENT_FLUSH_FAIL:
		sim_media_flush_fail(m, e->what, e->dice);
		break;
	case EVENT_MARK:
		if (p->mark)
			p->mark(p->arg, e->what, e->value);
		break;
	}
}

bool sim_player_next(struct sim_player *p)
{
	const struct sim_tape *tape = p->tape;

	if (p->point != SIZE_MAX) {
		if (p->pos == tape->nr)
			return false;
		play(p, &tape->event[p->pos++]);
	}
	while (p->pos < tape->nr && !is_point(&tape->event[p->pos]))
		play(p, &tape->event[p->pos++]);
	p->point++;
	return true;
}

void sim_player_cut(const struct sim_player *p, unsigned int disk, const struct sim_cut *cut,
		    struct sim_image *ret_contents)
{
	assert(disk < p->tape->nr_disks);
	sim_media_cut(&p->media[disk], cut, ret_contents);
}

void sim_player_print(const struct sim_player *p, FILE *out)
{
	const struct event *e = p->pos < p->tape->nr ? &p->tape->event[p->pos] : NULL;

	fprintf(out, "point %zu of %zu: before ", p->point, sim_tape_nr_points(p->tape));
	if (!e)
		fprintf(out, "nothing (end of the recording)");
	else if (e->cmd)
		fprintf(out, "the end of%s write %" PRIu64 " of disk %u (%" PRIu64 "+%" PRIu64 ")",
			e->durable ? " durable" : "", e->cmd->number, e->disk, e->cmd->off, e->cmd->len);
	else
		fprintf(out, "the end of a flush of disk %u", e->disk);
	for (unsigned int i = 0; i < p->tape->nr_disks; i++)
		fprintf(out, "; disk %u: %zu in flight, %zu unflushed", i, p->media[i].in_flight.nr,
			p->media[i].nr_pending);
	fputc('\n', out);
}
