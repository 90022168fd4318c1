/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated disk as a block device: when requests complete and what goes wrong.  What it remembers is
 * sim_media.c's.  Promise: all of it follows from the seed and from what is submitted when.
 */
#include "tests/sim/sim_disk.h"

#include <inttypes.h>

#include "dev/reactor.h"

#define FAULTS_MAX 16

/* A request in the disk. */
struct io {
	struct reactor_timer timer;
	struct list link; /* sim_disk.flying, .held or .dead */
	struct blk_req *req;
	uint64_t number; /* of the request */
	struct sim_cmd *cmd;
	uint64_t token;	 /* of a flush */
	uint64_t change; /* number among the commands that a power cut counts; 0: none */
	int error;	 /* planned */
	bool flip;	 /* planned, of a read */
};

struct armed_fault {
	struct sim_fault f;
	uint64_t seen;
};

struct sim_disk {
	struct blkdev dev;
	struct sim_disk_config cfg;
	struct sim_media media;
	struct sim_rng dice;
	bool open;
	enum sim_power power;
	struct list flying, held, dead;
	struct armed_fault fault[FAULTS_MAX];
	size_t nr_faults;
	bool holding;
	bool (*hold_match)(const struct blk_req *req, void *arg);
	void *hold_arg;
	uint64_t nr_requests, nr_changes, cut_at; /* cut_at 0: never */
	bool cut_counts_flushes;
	enum sim_power cut_how;
	struct sim_disk_stats stats;
	uint64_t trace;
	bool talk; /* print each event: LAMINA_SIM_LOG */
	struct sim_tape *tape;
	unsigned int tape_index;
};

static bool op_changes(enum blk_op op)
{
	return SIM_OPS_WRITES & SIM_OP(op);
}

static const char *op_name(enum blk_op op)
{
	static const char *const name[] = { "read", "write", "durable write", "flush", "discard", "write zeroes" };

	return name[op];
}

static void fail_test(const struct sim_disk *d, const struct blk_req *a, const struct blk_req *b, const char *what)
{
	fprintf(stderr, "%s (seed %" PRIu64 "): %s: %s %" PRIu64 "+%" PRIu64, d->dev.info.name, d->cfg.seed, what,
		op_name(a->op), a->off, a->len);
	if (b)
		fprintf(stderr, ", %s %" PRIu64 "+%" PRIu64, op_name(b->op), b->off, b->len);
	fputc('\n', stderr);
	abort();
}

static void trace(struct sim_disk *d, const char *what, const struct io *io, int result)
{
	uint64_t now = reactor_now_ns(d->dev.reactor);
	const struct blk_req *req = io->req;

	sim_hash_add(&d->trace, now);
	sim_hash_add(&d->trace, (uint64_t)what[0] << 32 | (uint32_t)result);
	sim_hash_add(&d->trace, io->number << 8 | req->op);
	sim_hash_add(&d->trace, req->off);
	sim_hash_add(&d->trace, req->len);
	if (d->talk)
		fprintf(stderr, "%12" PRIu64 " %s %s %" PRIu64 ": %s %" PRIu64 "+%" PRIu64 " %d\n", now,
			d->dev.info.name, what, io->number, op_name(req->op), req->off, req->len, result);
}

/* Gathering and scattering */

static uint8_t *gather(const struct blk_req *req)
{
	uint8_t *data = sim_alloc(req->len), *to = data;

	for (unsigned int i = 0; i < req->nr_iov; i++) {
		memcpy(to, req->iov[i].iov_base, req->iov[i].iov_len);
		to += req->iov[i].iov_len;
	}
	return data;
}

static void scatter(const struct blk_req *req, const uint8_t *data)
{
	for (unsigned int i = 0; i < req->nr_iov; i++) {
		memcpy(req->iov[i].iov_base, data, req->iov[i].iov_len);
		data += req->iov[i].iov_len;
	}
}

static uint64_t req_hash(const struct blk_req *req)
{
	uint64_t hash = 0;

	for (unsigned int i = 0; i < req->nr_iov; i++) {
		const uint8_t *from = req->iov[i].iov_base;

		for (size_t k = 0; k < req->iov[i].iov_len; k += sizeof(uint64_t)) {
			uint64_t word;

			memcpy(&word, from + k, sizeof(word));
			hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
			hash ^= hash >> 29;
		}
	}
	return hash;
}

/* Planned and random faults */

struct lie {
	bool flip, misdirected, forgotten;
	uint64_t to;
};

static void fault_apply(const struct sim_fault *f, struct io *io, struct lie *lie)
{
	switch (f->kind) {
	case SIM_FAULT_ERROR:
		io->error = f->error;
		break;
	case SIM_FAULT_BIT_FLIP:
		lie->flip = true;
		break;
	case SIM_FAULT_MISDIRECTED:
		lie->misdirected = true;
		lie->to = f->to;
		break;
	case SIM_FAULT_FORGOTTEN:
		lie->forgotten = true;
		break;
	}
}

static bool drawn(struct sim_disk *d, uint32_t ppm)
{
	return ppm > 0 && sim_rng_chance(&d->dice, ppm, 1000000);
}

static void random_faults(struct sim_disk *d, struct io *io, struct lie *lie)
{
	const struct sim_disk_rates *rates = &d->cfg.rates;
	const struct blk_req *req = io->req;

	if (req->op == BLK_FLUSH) {
		io->error = drawn(d, rates->flush_error) ? -EIO : 0;
		return;
	}
	if (drawn(d, req->op == BLK_READ ? rates->read_error : rates->write_error))
		io->error = -EIO;
	lie->flip = drawn(d, rates->bit_flip);
	if (req->op == BLK_READ) {
		if (drawn(d, rates->latent_error))
			sim_disk_set_bad(d, req->off, d->dev.info.logical_sector);
		return;
	}
	lie->forgotten = drawn(d, rates->forgotten);
	lie->misdirected = drawn(d, rates->misdirected);
	lie->to = round_down_u64(sim_rng_below(&d->dice, d->cfg.size - req->len + 1), d->dev.info.logical_sector);
}

static struct lie plan_faults(struct sim_disk *d, struct io *io)
{
	struct lie lie = { 0 };

	random_faults(d, io, &lie);
	for (size_t i = 0; i < d->nr_faults; i++) {
		struct armed_fault *a = &d->fault[i];

		if (!(a->f.ops & SIM_OP(io->req->op)))
			continue;
		a->seen++;
		if (a->seen >= a->f.nth && a->seen - a->f.nth < a->f.times)
			fault_apply(&a->f, io, &lie);
	}
	if (lie.flip || lie.misdirected || lie.forgotten)
		d->stats.lies++;
	return lie;
}

/* What a discard leaves of its range: the old contents, zeros, or anything. NULL: zeros. */
static uint8_t *discard_contents(struct sim_disk *d, const struct blk_req *req, bool *ret_keep)
{
	uint8_t *data;

	*ret_keep = sim_rng_chance(&d->dice, 1, 3);
	if (*ret_keep || req->len > 1u << 24 || sim_rng_chance(&d->dice, 1, 2))
		return NULL;
	data = sim_alloc(req->len);
	for (uint64_t i = 0; i < req->len; i += sizeof(uint64_t)) {
		uint64_t word = sim_rng_next(&d->dice);

		memcpy(data + i, &word, sizeof(word));
	}
	return data;
}

/* The command that the media will see for a request that changes contents. */
static struct sim_cmd *make_cmd(struct sim_disk *d, const struct io *io, const struct lie *lie)
{
	const struct blk_req *req = io->req;
	bool nothing = lie->forgotten;
	struct sim_cmd *cmd;
	uint8_t *data = NULL;

	if (req->op == BLK_DISCARD)
		data = discard_contents(d, req, &nothing);
	else if (req->op != BLK_WRITE_ZEROES)
		data = gather(req);
	if (lie->flip && data)
		data[sim_rng_below(&d->dice, req->len)] ^= (uint8_t)(1u << sim_rng_below(&d->dice, 8));
	cmd = sim_cmd_new(io->number, lie->misdirected ? lie->to : req->off, nothing ? 0 : req->len, data);
	free(data);
	return cmd;
}

/* Completion */

static void io_free(struct io *io)
{
	list_del(&io->link);
	if (io->cmd)
		sim_cmd_put(io->cmd);
	free(io);
}

static void end_change(struct sim_disk *d, struct io *io)
{
	bool durable = io->req->op == BLK_WRITE_DURABLE;
	struct sim_rng dice = sim_rng_make(d->cfg.seed, io->number);

	if (io->req->nr_iov > 0 && req_hash(io->req) != io->req->priv.u64[0])
		fail_test(d, io->req, NULL, "the buffer changed while the write was in flight");
	if (io->error) {
		sim_media_fail(&d->media, io->cmd, dice);
		if (d->tape)
			sim_tape_fail(d->tape, d->tape_index, io->cmd, dice);
		return;
	}
	sim_media_end(&d->media, io->cmd, durable);
	if (d->tape)
		sim_tape_end(d->tape, d->tape_index, io->cmd, durable);
}

static void end_flush(struct sim_disk *d, struct io *io)
{
	struct sim_rng dice = sim_rng_make(d->cfg.seed, io->number);

	if (io->error) {
		sim_media_flush_fail(&d->media, io->token, dice);
		if (d->tape)
			sim_tape_flush_fail(d->tape, d->tape_index, io->token, dice);
		return;
	}
	sim_media_flush_end(&d->media, io->token);
	if (d->tape)
		sim_tape_flush_end(d->tape, d->tape_index, io->token);
}

static void end_read(struct sim_disk *d, struct io *io)
{
	const struct blk_req *req = io->req;
	uint8_t *data = sim_alloc(req->len);
	int err = sim_image_read(&d->media.visible, req->off, data, req->len);

	if (!io->error)
		io->error = err;
	if (io->flip)
		data[sim_rng_below(&d->dice, req->len)] ^= (uint8_t)(1u << sim_rng_below(&d->dice, 8));
	/* After an error the buffer holds anything. */
	scatter(req, data);
	free(data);
}

static void complete(struct sim_disk *d, struct io *io, int result)
{
	struct blk_req *req = io->req;

	trace(d, "ends", io, result);
	d->stats.errors += result != 0;
	req->result = result;
	io_free(io);
	req->done(req);
}

static void io_fire(struct reactor_timer *t)
{
	struct io *io = t->owner;
	struct sim_disk *d = container_of(io->req->dev, struct sim_disk, dev);

	if (d->power == SIM_POWER_ON && d->cut_at && io->change == d->cut_at) {
		/* This one dies with all the others. */
		sim_disk_power_off(d, d->cut_how);
		return;
	}
	if (d->power != SIM_POWER_ON) {
		complete(d, io, -ENODEV);
		return;
	}
	if (op_changes(io->req->op))
		end_change(d, io);
	else if (io->req->op == BLK_FLUSH)
		end_flush(d, io);
	else
		end_read(d, io);
	complete(d, io, io->error);
}

/* Submission */

static bool reqs_clash(const struct blk_req *a, const struct blk_req *b)
{
	if (a->op == BLK_FLUSH || b->op == BLK_FLUSH || (a->op == BLK_READ && b->op == BLK_READ))
		return false;
	return a->off < b->off + b->len && b->off < a->off + a->len;
}

static void check_overlap(const struct sim_disk *d, const struct list *queue, const struct blk_req *req)
{
	list_for_each (pos, queue) {
		const struct blk_req *other = list_entry(pos, struct io, link)->req;

		if (reqs_clash(other, req))
			fail_test(d, other, req, "requests in flight overlap");
	}
}

static void count(struct sim_disk *d, const struct blk_req *req)
{
	uint64_t *const counter[] = {
		[BLK_READ] = &d->stats.reads,
		[BLK_WRITE] = &d->stats.writes,
		[BLK_WRITE_DURABLE] = &d->stats.durable_writes,
		[BLK_FLUSH] = &d->stats.flushes,
		[BLK_DISCARD] = &d->stats.discards,
		[BLK_WRITE_ZEROES] = &d->stats.zeroes,
	};

	++*counter[req->op];
	if (req->op == BLK_READ)
		d->stats.bytes_read += req->len;
	else if (req->op == BLK_WRITE || req->op == BLK_WRITE_DURABLE)
		d->stats.bytes_written += req->len;
}

static void io_launch(struct sim_disk *d, struct io *io)
{
	uint64_t max = d->cfg.latency_max_ns;
	uint64_t wait = sim_rng_between(&d->dice, d->cfg.latency_min_ns, max);

	if (sim_rng_chance(&d->dice, 1, 32))
		wait += sim_rng_below(&d->dice, 9 * max + 1);
	list_move_tail(&io->link, &d->flying);
	reactor_timer_arm(d->dev.reactor, &io->timer, reactor_now_ns(d->dev.reactor) + wait);
}

/* The request enters the device: from here on it may have effects. */
static void io_begin(struct sim_disk *d, struct io *io)
{
	struct blk_req *req = io->req;
	struct lie lie = plan_faults(d, io);

	if (op_changes(req->op)) {
		io->cmd = make_cmd(d, io, &lie);
		req->priv.u64[0] = req_hash(req);
		sim_media_begin(&d->media, io->cmd);
		if (d->tape)
			sim_tape_begin(d->tape, d->tape_index, io->cmd);
	} else if (req->op == BLK_FLUSH) {
		io->token = sim_media_flush_begin(&d->media);
	} else {
		io->flip = lie.flip;
	}
	if (op_changes(req->op) || (req->op == BLK_FLUSH && d->cut_counts_flushes))
		io->change = ++d->nr_changes;
}

static void disk_submit(struct blkdev *dev, struct blk_req *req)
{
	struct sim_disk *d = container_of(dev, struct sim_disk, dev);
	struct io *io = sim_alloc(sizeof(*io));

	*io = (struct io){ .req = req, .number = ++d->nr_requests };
	io->timer = (struct reactor_timer){ .fire = io_fire, .owner = io };
	list_init(&io->link);
	trace(d, "begins", io, 0);
	count(d, req);
	if (d->power == SIM_POWER_SILENT) {
		list_add_tail(&io->link, &d->dead);
		return;
	}
	if (d->power == SIM_POWER_ON) {
		if (!d->cfg.allow_overlap) {
			check_overlap(d, &d->flying, req);
			check_overlap(d, &d->held, req);
		}
		io_begin(d, io);
	}
	if (d->holding && (!d->hold_match || d->hold_match(req, d->hold_arg)))
		list_add_tail(&io->link, &d->held);
	else
		io_launch(d, io);
}

static void disk_close(struct blkdev *dev)
{
	struct sim_disk *d = container_of(dev, struct sim_disk, dev);

	assert(d->open);
	if (!list_is_empty(&d->flying) || !list_is_empty(&d->held))
		fail_test(d,
			  list_first_entry(list_is_empty(&d->flying) ? &d->held : &d->flying, struct io, link)->req,
			  NULL, "closed with requests in flight");
	while (!list_is_empty(&d->dead))
		io_free(list_first_entry(&d->dead, struct io, link));
	d->open = false;
	d->dev.reactor = NULL;
}

/* Life */

static void config_defaults(struct sim_disk_config *cfg)
{
	cfg->name = cfg->name ? cfg->name : "sim";
	cfg->logical_sector = cfg->logical_sector ? cfg->logical_sector : 512;
	cfg->physical_sector = cfg->physical_sector ? cfg->physical_sector : cfg->logical_sector;
	cfg->atomic_unit = cfg->atomic_unit ? cfg->atomic_unit : SIM_IMAGE_SECTOR;
	cfg->latency_min_ns = cfg->latency_min_ns ? cfg->latency_min_ns : 20000;
	cfg->latency_max_ns = max_u64(cfg->latency_max_ns ? cfg->latency_max_ns : 2000000, cfg->latency_min_ns);
	assert(is_power_of_2_u64(cfg->logical_sector) && is_power_of_2_u64(cfg->physical_sector));
	assert(cfg->size > 0 && is_aligned_u64(cfg->size, cfg->logical_sector));
}

struct sim_disk *sim_disk_new_from(const struct sim_disk_config *cfg, const struct sim_image *contents)
{
	static const struct blkdev_ops ops = { .submit = disk_submit, .close = disk_close };
	struct sim_disk *d = sim_alloc(sizeof(*d));

	assert(contents->size == cfg->size);
	d->cfg = *cfg;
	config_defaults(&d->cfg);
	d->dice = sim_rng_make(cfg->seed, 0xd15c);
	d->talk = getenv("LAMINA_SIM_LOG") != NULL;
	sim_media_init(&d->media, contents, d->cfg.atomic_unit, !cfg->no_volatile_cache);
	list_init(&d->flying);
	list_init(&d->held);
	list_init(&d->dead);
	d->dev.ops = &ops;
	d->dev.info = (struct blkdev_info){
		.size = cfg->size,
		.logical_sector = d->cfg.logical_sector,
		.physical_sector = d->cfg.physical_sector,
		.read_only = cfg->read_only,
		.volatile_cache = !cfg->no_volatile_cache,
		.fua = !cfg->no_fua,
		.can_discard = !cfg->no_discard,
		.can_write_zeroes = !cfg->no_write_zeroes,
	};
	snprintf(d->dev.info.name, sizeof(d->dev.info.name), "%s", d->cfg.name);
	return d;
}

struct sim_disk *sim_disk_new(const struct sim_disk_config *cfg)
{
	struct sim_image zeros;
	struct sim_disk *d;

	sim_image_init(&zeros, cfg->size);
	d = sim_disk_new_from(cfg, &zeros);
	sim_image_release(&zeros);
	return d;
}

void sim_disk_free(struct sim_disk *d)
{
	if (!d)
		return;
	assert(!d->open);
	sim_media_release(&d->media);
	free(d);
}

struct blkdev *sim_disk_open(struct sim_disk *d, struct reactor *r)
{
	assert(!d->open);
	d->open = true;
	d->dev.reactor = r;
	return &d->dev;
}

/* Faults on order */

void sim_disk_fault(struct sim_disk *d, const struct sim_fault *fault)
{
	assert(d->nr_faults < FAULTS_MAX);
	assert(fault->nth > 0 && fault->times > 0);
	d->fault[d->nr_faults++] = (struct armed_fault){ .f = *fault };
}

void sim_disk_clear_faults(struct sim_disk *d)
{
	d->nr_faults = 0;
}

void sim_disk_set_rates(struct sim_disk *d, const struct sim_disk_rates *rates)
{
	d->cfg.rates = *rates;
}

void sim_disk_set_bad(struct sim_disk *d, uint64_t off, uint64_t len)
{
	sim_image_set_bad(&d->media.visible, off, len);
	sim_image_set_bad(&d->media.durable, off, len);
}

void sim_disk_flip_bit(struct sim_disk *d, uint64_t off, unsigned int bit)
{
	sim_image_flip_bit(&d->media.visible, off, bit);
	sim_image_flip_bit(&d->media.durable, off, bit);
}

void sim_disk_hold(struct sim_disk *d, bool (*match)(const struct blk_req *req, void *arg), void *arg)
{
	d->holding = true;
	d->hold_match = match;
	d->hold_arg = arg;
}

void sim_disk_release(struct sim_disk *d)
{
	d->holding = false;
	while (!list_is_empty(&d->held))
		io_launch(d, list_first_entry(&d->held, struct io, link));
}

static size_t list_length(const struct list *head)
{
	size_t n = 0;

	list_for_each (pos, head)
		n++;
	return n;
}

size_t sim_disk_nr_held(const struct sim_disk *d)
{
	return list_length(&d->held);
}

size_t sim_disk_nr_in_flight(const struct sim_disk *d)
{
	return list_length(&d->held) + list_length(&d->flying);
}

/* Power */

void sim_disk_power_off(struct sim_disk *d, enum sim_power how)
{
	struct list hit;

	assert(how != SIM_POWER_ON && d->power == SIM_POWER_ON);
	d->power = how;
	d->holding = false;
	list_init(&hit);
	list_splice_tail(&d->held, &hit);
	list_splice_tail(&d->flying, &hit);
	list_for_each_safe (pos, &hit) {
		struct io *io = list_entry(pos, struct io, link);

		reactor_timer_cancel(d->dev.reactor, &io->timer);
		if (how == SIM_POWER_ERRORS)
			io_launch(d, io);
		else
			list_move_tail(&io->link, &d->dead);
	}
}

void sim_disk_power_off_at(struct sim_disk *d, uint64_t nth, bool flushes, enum sim_power how)
{
	assert(nth > 0);
	d->cut_at = d->nr_changes + nth;
	d->cut_counts_flushes = flushes;
	d->cut_how = how;
}

bool sim_disk_has_power(const struct sim_disk *d)
{
	return d->power == SIM_POWER_ON;
}

struct sim_disk *sim_disk_reboot(const struct sim_disk *d, const struct sim_cut *cut)
{
	struct sim_disk_config cfg = d->cfg;
	struct sim_image contents;
	struct sim_cut c = *cut;
	struct sim_disk *fresh;

	cfg.seed = cut->seed;
	c.unreadable_ppm = (uint32_t)max_u64(c.unreadable_ppm, cfg.unreadable_ppm);
	sim_media_cut(&d->media, &c, &contents);
	fresh = sim_disk_new_from(&cfg, &contents);
	sim_image_release(&contents);
	return fresh;
}

/* Looking at it */

struct sim_disk_stats sim_disk_stats(const struct sim_disk *d)
{
	return d->stats;
}

int sim_disk_peek(const struct sim_disk *d, uint64_t off, void *buf, size_t len)
{
	return sim_image_read(&d->media.visible, off, buf, len);
}

void sim_disk_poke(struct sim_disk *d, uint64_t off, const void *buf, size_t len)
{
	sim_image_write(&d->media.visible, off, buf, len);
	sim_image_write(&d->media.durable, off, buf, len);
}

const struct sim_image *sim_disk_contents(const struct sim_disk *d)
{
	return &d->media.visible;
}

uint64_t sim_disk_trace_hash(const struct sim_disk *d)
{
	return d->trace;
}

void sim_disk_record(struct sim_disk *d, struct sim_tape *tape)
{
	assert(!d->tape);
	d->tape_index = sim_tape_add_disk(tape, &d->media);
	d->tape = tape;
}
