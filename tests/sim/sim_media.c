/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a disk between its commands.  Promises: a read finds the last completed write of every sector; a
 * power cut leaves, for every unit on its own, its durable contents or those of any later command on it, completed
 * or in flight; nothing that a completed flush or durable write covers is ever undone.
 *
 * Pending commands are kept in the order of their completion.  A durable write over a pending one stays in the list
 * as one that always survives, so what it replaced cannot come back.
 */
#include "tests/sim/sim_media.h"

/* Larger commands are torn in larger units, so that a cut stays cheap. */
#define UNITS_MAX 65536u

struct sim_cmd *sim_cmd_new(uint64_t number, uint64_t off, uint64_t len, const void *data)
{
	struct sim_cmd *cmd = sim_alloc(sizeof(*cmd) + (data ? len : 0));

	*cmd = (struct sim_cmd){ .refs = 1, .zeroes = !data, .number = number, .off = off, .len = len };
	if (data && len > 0)
		memcpy(cmd->data, data, len);
	return cmd;
}

struct sim_cmd *sim_cmd_get(struct sim_cmd *cmd)
{
	cmd->refs++;
	return cmd;
}

void sim_cmd_put(struct sim_cmd *cmd)
{
	if (--cmd->refs == 0)
		free(cmd);
}

static bool cmds_overlap(const struct sim_cmd *a, const struct sim_cmd *b)
{
	return a->off < b->off + b->len && b->off < a->off + a->len;
}

/* The units of a command: those of the disk that it touches, each cut down to what it touches of it. */

struct units {
	uint64_t size;
	uint64_t first;
	uint64_t nr;
};

static struct units units_of(const struct sim_cmd *cmd, uint32_t atomic)
{
	struct units u = { .size = atomic };

	if (cmd->len == 0)
		return u;
	while (cmd->len / u.size > UNITS_MAX)
		u.size *= 2;
	u.first = cmd->off / u.size;
	u.nr = (cmd->off + cmd->len - 1) / u.size - u.first + 1;
	return u;
}

/* Unit @i of @cmd as a byte range; returns its length. */
static uint64_t unit_range(const struct sim_cmd *cmd, struct units u, uint64_t i, uint64_t *ret_off)
{
	uint64_t begin = max_u64((u.first + i) * u.size, cmd->off);
	uint64_t end = min_u64((u.first + i + 1) * u.size, cmd->off + cmd->len);

	*ret_off = begin;
	return end - begin;
}

static void apply_range(struct sim_image *img, const struct sim_cmd *cmd, uint64_t off, uint64_t len)
{
	if (cmd->zeroes)
		sim_image_zero(img, off, len);
	else
		sim_image_write(img, off, cmd->data + (off - cmd->off), len);
}

static void apply(struct sim_image *img, const struct sim_cmd *cmd)
{
	if (cmd->len > 0)
		apply_range(img, cmd, cmd->off, cmd->len);
}

/* Life */

void sim_media_init(struct sim_media *m, const struct sim_image *contents, uint32_t atomic_unit, bool volatile_cache)
{
	*m = (struct sim_media){ .atomic_unit = atomic_unit, .volatile_cache = volatile_cache };
	assert(atomic_unit > 0 && is_aligned_u64(atomic_unit, SIM_IMAGE_SECTOR));
	sim_image_fork(&m->visible, contents);
	sim_image_fork(&m->durable, contents);
}

static void cmds_add(struct sim_cmds *list, struct sim_cmd *cmd)
{
	if (list->nr == list->room) {
		list->room = list->room ? 2 * list->room : 16;
		list->cmd = sim_realloc(list->cmd, list->room * sizeof(struct sim_cmd *));
	}
	list->cmd[list->nr++] = sim_cmd_get(cmd);
}

/* Takes the list's reference over to the caller. */
static void cmds_remove(struct sim_cmds *list, const struct sim_cmd *cmd)
{
	size_t i = 0;

	while (i < list->nr && list->cmd[i] != cmd)
		i++;
	assert(i < list->nr);
	memmove(&list->cmd[i], &list->cmd[i + 1], (list->nr - i - 1) * sizeof(list->cmd[0]));
	list->nr--;
}

static void pending_add(struct sim_media *m, struct sim_cmd *cmd, bool durable)
{
	if (m->nr_pending == m->room_pending) {
		m->room_pending = m->room_pending ? 2 * m->room_pending : 64;
		m->pending = sim_realloc(m->pending, m->room_pending * sizeof(m->pending[0]));
	}
	m->pending[m->nr_pending++] =
		(struct sim_pending){ .cmd = sim_cmd_get(cmd), .order = m->order, .durable = durable };
}

void sim_media_fork(struct sim_media *dst, const struct sim_media *src)
{
	sim_media_init(dst, &src->visible, src->atomic_unit, src->volatile_cache);
	sim_image_release(&dst->durable);
	sim_image_fork(&dst->durable, &src->durable);
	for (size_t i = 0; i < src->in_flight.nr; i++)
		cmds_add(&dst->in_flight, src->in_flight.cmd[i]);
	for (size_t i = 0; i < src->nr_pending; i++) {
		dst->order = src->pending[i].order;
		pending_add(dst, src->pending[i].cmd, src->pending[i].durable);
	}
	dst->order = src->order;
}

void sim_media_release(struct sim_media *m)
{
	for (size_t i = 0; i < m->nr_pending; i++)
		sim_cmd_put(m->pending[i].cmd);
	for (size_t i = 0; i < m->in_flight.nr; i++)
		sim_cmd_put(m->in_flight.cmd[i]);
	free(m->pending);
	free(m->in_flight.cmd);
	sim_image_release(&m->visible);
	sim_image_release(&m->durable);
}

/* Writes */

void sim_media_begin(struct sim_media *m, struct sim_cmd *cmd)
{
	cmds_add(&m->in_flight, cmd);
}

static bool lies_over_pending(const struct sim_media *m, const struct sim_cmd *cmd)
{
	for (size_t i = 0; i < m->nr_pending; i++)
		if (cmds_overlap(m->pending[i].cmd, cmd))
			return true;
	return false;
}

/* What a completed command means for the contents. */
static void complete(struct sim_media *m, struct sim_cmd *cmd, bool durable)
{
	bool safe = durable || !m->volatile_cache;

	m->order++;
	apply(&m->visible, cmd);
	if (safe && !lies_over_pending(m, cmd))
		apply(&m->durable, cmd);
	else
		pending_add(m, cmd, safe);
}

void sim_media_end(struct sim_media *m, struct sim_cmd *cmd, bool durable)
{
	cmds_remove(&m->in_flight, cmd);
	complete(m, cmd, durable);
	sim_cmd_put(cmd);
}

/* The part of @cmd that is its unit @i, as a command. */
static struct sim_cmd *unit_cmd(const struct sim_cmd *cmd, struct units u, uint64_t i)
{
	uint64_t off, len = unit_range(cmd, u, i, &off);

	return sim_cmd_new(cmd->number, off, len, cmd->zeroes ? NULL : cmd->data + (off - cmd->off));
}

void sim_media_fail(struct sim_media *m, struct sim_cmd *cmd, struct sim_rng dice)
{
	struct units u = units_of(cmd, m->atomic_unit);

	cmds_remove(&m->in_flight, cmd);
	for (uint64_t i = 0; i < u.nr; i++) {
		struct sim_cmd *part;

		if (sim_rng_chance(&dice, 1, 2))
			continue;
		part = unit_cmd(cmd, u, i);
		complete(m, part, false);
		sim_cmd_put(part);
	}
	sim_cmd_put(cmd);
}

/* Flushes */

uint64_t sim_media_flush_begin(const struct sim_media *m)
{
	return m->order;
}

/* Forget the pending commands up to @token, which come first. */
static void pending_drop(struct sim_media *m, uint64_t token)
{
	size_t n = 0;

	for (; n < m->nr_pending && m->pending[n].order <= token; n++)
		sim_cmd_put(m->pending[n].cmd);
	if (n > 0)
		memmove(m->pending, m->pending + n, (m->nr_pending - n) * sizeof(m->pending[0]));
	m->nr_pending -= n;
}

void sim_media_flush_end(struct sim_media *m, uint64_t token)
{
	for (size_t i = 0; i < m->nr_pending && m->pending[i].order <= token; i++)
		apply(&m->durable, m->pending[i].cmd);
	pending_drop(m, token);
}

void sim_media_flush_fail(struct sim_media *m, uint64_t token, struct sim_rng dice)
{
	for (size_t i = 0; i < m->nr_pending && m->pending[i].order <= token; i++) {
		const struct sim_pending *p = &m->pending[i];
		struct units u = units_of(p->cmd, m->atomic_unit);

		for (uint64_t k = 0; k < u.nr; k++) {
			uint64_t off, len = unit_range(p->cmd, u, k, &off);

			if (p->durable || sim_rng_chance(&dice, 1, 2))
				apply_range(&m->durable, p->cmd, off, len);
		}
	}
	pending_drop(m, token);
}

/* Power cuts */

/* What a cut does to one command: which of its units survive. */
struct fate {
	enum {
		FATE_NONE,
		FATE_ALL,
		FATE_COIN,    /* each with @n of 8 */
		FATE_HEAD,    /* the first @n */
		FATE_TAIL,    /* all but the first @n */
		FATE_ONLY,    /* unit @n */
		FATE_ALL_BUT, /* all but unit @n */
	} kind;
	uint64_t n;
};

static bool fate_keeps(struct fate f, uint64_t unit, struct sim_rng *dice)
{
	switch (f.kind) {
	case FATE_NONE:
		return false;
	case FATE_ALL:
		return true;
	case FATE_COIN:
		return sim_rng_chance(dice, f.n, 8);
	case FATE_HEAD:
		return unit < f.n;
	case FATE_TAIL:
		return unit >= f.n;
	case FATE_ONLY:
		return unit == f.n;
	case FATE_ALL_BUT:
		return unit != f.n;
	}
	return false;
}

/* One way or other of tearing a command of @nr units; also the two whole ones. */
static struct fate fate_torn(uint64_t nr, struct sim_rng *dice)
{
	struct fate f = { .kind = (int)sim_rng_below(dice, FATE_ALL_BUT + 1), .n = sim_rng_below(dice, nr ? nr : 1) };

	if (f.kind == FATE_COIN)
		f.n = 4;
	return f;
}

/* The dice of one cut, thrown: what was drawn for all commands together. */
struct lottery {
	enum sim_cut_style style;
	uint64_t chosen; /* index of the special command */
	uint64_t odds;	 /* of 8 */
};

static struct fate fate_draw(const struct lottery *l, uint64_t index, bool in_flight, uint64_t units,
			     struct sim_rng *dice)
{
	static const struct fate none = { .kind = FATE_NONE }, all = { .kind = FATE_ALL };

	switch (l->style) {
	case SIM_CUT_NOTHING:
		return none;
	case SIM_CUT_EVERYTHING:
		return all;
	case SIM_CUT_COMPLETED:
		return in_flight ? none : all;
	case SIM_CUT_IN_FLIGHT:
		return in_flight ? all : none;
	case SIM_CUT_UNITS:
		return (struct fate){ .kind = FATE_COIN, .n = l->odds };
	case SIM_CUT_COMMANDS:
		return sim_rng_chance(dice, l->odds, 8) ? all : none;
	case SIM_CUT_PREFIX:
		return index == l->chosen ? fate_torn(units, dice) : index < l->chosen ? all : none;
	case SIM_CUT_SUFFIX:
		return index == l->chosen ? fate_torn(units, dice) : index > l->chosen ? all : none;
	case SIM_CUT_ONE_LOST:
		return index != l->chosen ? all : sim_rng_chance(dice, 1, 2) ? none : fate_torn(units, dice);
	case SIM_CUT_ONE_KEPT:
		return index != l->chosen ? none : sim_rng_chance(dice, 1, 2) ? all : fate_torn(units, dice);
	case SIM_CUT_STYLES:
		break;
	}
	assert(!"a style of cut");
	return none;
}

const char *sim_cut_style_name(enum sim_cut_style style)
{
	static const char *const name[] = { "nothing", "everything", "completed", "in-flight", "units", "commands",
					    "prefix",  "suffix",     "one-lost",  "one-kept",  "any" };

	static_assert(ARRAY_SIZE(name) == SIM_CUT_STYLES + 1, "names of styles");
	return name[style];
}

static void survive(struct sim_image *img, const struct sim_cmd *cmd, uint32_t atomic, struct fate fate,
		    struct sim_rng *dice)
{
	struct units u = units_of(cmd, atomic);

	if (fate.kind == FATE_ALL) {
		apply(img, cmd);
		return;
	}
	for (uint64_t i = 0; i < u.nr && fate.kind != FATE_NONE; i++) {
		uint64_t off, len;

		if (!fate_keeps(fate, i, dice))
			continue;
		len = unit_range(cmd, u, i, &off);
		apply_range(img, cmd, off, len);
	}
}

static void make_unreadable(struct sim_image *img, const struct sim_cmd *cmd, uint32_t atomic, uint32_t ppm,
			    struct sim_rng *dice)
{
	struct units u = units_of(cmd, atomic);

	for (uint64_t i = 0; i < u.nr && ppm > 0; i++) {
		uint64_t off, len;

		if (!sim_rng_chance(dice, ppm, 1000000))
			continue;
		len = unit_range(cmd, u, i, &off);
		sim_image_set_bad(img, off, len);
	}
}

/* Those in flight have no order: shuffle a copy of the list. */
static struct sim_cmd **shuffled(const struct sim_cmds *list, struct sim_rng *dice)
{
	struct sim_cmd **out = sim_alloc(list->nr * sizeof(struct sim_cmd *));

	for (size_t i = 0; i < list->nr; i++) {
		size_t k = sim_rng_below(dice, i + 1);

		out[i] = out[k];
		out[k] = list->cmd[i];
	}
	return out;
}

static uint64_t nr_units(const struct sim_media *m, const struct sim_cmd *cmd)
{
	return units_of(cmd, m->atomic_unit).nr;
}

void sim_media_cut(const struct sim_media *m, const struct sim_cut *cut, struct sim_image *ret_contents)
{
	struct sim_rng dice = sim_rng_make(cut->seed, 0xc07);
	size_t nr = m->nr_pending + m->in_flight.nr;
	struct lottery l = { .style = cut->style };
	struct sim_cmd **flying;

	if (l.style == SIM_CUT_ANY)
		l.style = (enum sim_cut_style)sim_rng_below(&dice, SIM_CUT_STYLES);
	l.chosen = sim_rng_below(&dice, nr ? nr : 1);
	l.odds = 1 + sim_rng_below(&dice, 7);
	flying = shuffled(&m->in_flight, &dice);
	sim_image_fork(ret_contents, &m->durable);
	for (size_t i = 0; i < nr; i++) {
		bool in_flight = i >= m->nr_pending;
		const struct sim_cmd *cmd = in_flight ? flying[i - m->nr_pending] : m->pending[i].cmd;
		struct fate fate = fate_draw(&l, i, in_flight, nr_units(m, cmd), &dice);

		if (!in_flight && m->pending[i].durable)
			fate.kind = FATE_ALL;
		survive(ret_contents, cmd, m->atomic_unit, fate, &dice);
		if (in_flight)
			make_unreadable(ret_contents, cmd, m->atomic_unit, cut->unreadable_ppm, &dice);
	}
	free(flying);
}
