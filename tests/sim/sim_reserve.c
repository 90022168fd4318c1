/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Simulated reservations.  Promises: what commands do is SPC-4, 5.13, for registrations of single initiators; when
 * they do it, and what becomes of requests meanwhile, follows from the seed.
 */
#include "tests/sim/sim_reserve.h"

#include "dev/fiber.h"
#include "dev/fiber_sync.h"
#include "dev/reactor.h"
#include "tests/sim/sim_util.h"

#define QUEUE_NS_MAX   30000 /* that a request waits before it is looked at */
#define COMMAND_NS_MAX 400000
#define HANG_NS	       NSEC_PER_SEC
#define DRAIN_NS       30000000000ULL /* as long as real commands may take at most */
#define HOST_MAX       16

/* An initiator. */
struct sim_host {
	struct list link; /* sim_reserve.hosts */
	char name[HOST_MAX];
	uint64_t key;
	bool keyless; /* registered with key 0 */
};

struct sim_reserve {
	char name[64];
	struct sim_rng dice;
	struct sim_reserve_faults faults;
	struct list hosts;
	struct list queued, in_disk, lost; /* struct sim_io; lost: their initiator is closed, the power was off */
	struct wait_queue drained;
	uint32_t generation;
	bool reserved;
	enum reservation_type type;
	struct sim_host *holder; /* NULL: all registrants */
	uint64_t conflicts;
	unsigned int nr_open;
};

struct sim_path {
	struct blkdev dev;
	struct sim_reserve *sr;
	struct sim_host *host;
	struct blkdev *disk;
};

struct sim_reserver {
	struct reserver res;
	struct sim_reserve *sr;
	struct sim_host *host;
};

/* A request of a host in the device. */
struct sim_io {
	struct blk_req inner;
	struct blk_req *req;
	struct sim_path *path;
	struct sim_host *host;
	struct reactor_timer timer;
	struct list link; /* sim_reserve.queued, .in_disk or .lost */
	bool aborted;
	bool awaited; /* by the preempt that took its host's key */
};

/* Who may do what */

static bool is_registered(const struct sim_host *h)
{
	return h->key != 0 || h->keyless;
}

static bool of_all_registrants(enum reservation_type type)
{
	return type == RESERVATION_WRITE_EXCLUSIVE_ALL_REGISTRANTS ||
	       type == RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS;
}

static bool excludes_reads(enum reservation_type type)
{
	return type == RESERVATION_EXCLUSIVE_ACCESS || type == RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY ||
	       type == RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS;
}

static bool holds(const struct sim_reserve *sr, const struct sim_host *h)
{
	if (!sr->reserved || !is_registered(h))
		return false;
	return of_all_registrants(sr->type) || sr->holder == h;
}

static bool may(const struct sim_reserve *sr, const struct sim_host *h, enum blk_op op)
{
	if (!sr->reserved || holds(sr, h))
		return true;
	if (is_registered(h) && (RESERVATION_BIT(sr->type) & RESERVATION_REGISTRANTS_ONLY))
		return true;
	return op == BLK_READ && !excludes_reads(sr->type);
}

static bool any_registered(const struct sim_reserve *sr)
{
	struct sim_host *h;

	list_for_each_entry(h, &sr->hosts, link) if (is_registered(h)) return true;
	return false;
}

static void unregister_host(struct sim_reserve *sr, struct sim_host *h)
{
	h->key = 0;
	h->keyless = false;
	if (sr->reserved && (of_all_registrants(sr->type) ? !any_registered(sr) : sr->holder == h))
		sr->reserved = false;
}

/* The disk as a host reaches it */

static void io_end(struct sim_io *io, int result)
{
	struct blk_req *req = io->req;

	list_del(&io->link);
	free(io);
	req->result = result;
	req->done(req);
}

static void inner_done(struct blk_req *inner)
{
	struct sim_io *io = inner->owner;
	struct sim_reserve *sr = io->path ? io->path->sr : NULL;
	int result = inner->result;

	if (!sr) { /* lost */
		list_del(&io->link);
		free(io);
		return;
	}
	/* The command was aborted, but too late: it has happened, and the host may not learn that. */
	if (io->aborted && sim_rng_chance(&sr->dice, 1, 2))
		result = -EBADE;
	io_end(io, result);
	wait_queue_wake_all(&sr->drained);
}

static void io_look(struct reactor_timer *t)
{
	struct sim_io *io = t->owner;
	struct sim_reserve *sr = io->path->sr;

	if (io->aborted || !may(sr, io->host, io->req->op)) {
		sr->conflicts++;
		io_end(io, -EBADE);
		return;
	}
	list_move_tail(&io->link, &sr->in_disk);
	io->inner = (struct blk_req){ .op = io->req->op,
				      .off = io->req->off,
				      .len = io->req->len,
				      .iov = io->req->iov,
				      .nr_iov = io->req->nr_iov,
				      .done = inner_done,
				      .owner = io };
	blkdev_submit(io->path->disk, &io->inner);
}

static void path_submit(struct blkdev *dev, struct blk_req *req)
{
	struct sim_path *path = container_of(dev, struct sim_path, dev);
	struct sim_reserve *sr = path->sr;
	struct sim_io *io = sim_alloc(sizeof(*io));

	io->req = req;
	io->path = path;
	io->host = path->host;
	io->timer = (struct reactor_timer){ .fire = io_look, .owner = io };
	list_add_tail(&io->link, &sr->queued);
	reactor_timer_arm(dev->reactor, &io->timer,
			  reactor_now_ns(dev->reactor) + sim_rng_below(&sr->dice, QUEUE_NS_MAX));
}

static void path_close(struct blkdev *dev)
{
	struct sim_path *path = container_of(dev, struct sim_path, dev);
	struct sim_reserve *sr = path->sr;

	list_for_each_safe (pos, &sr->queued) {
		struct sim_io *io = list_entry(pos, struct sim_io, link);

		if (io->path != path)
			continue;
		reactor_timer_cancel(dev->reactor, &io->timer);
		list_del(&io->link);
		free(io);
	}
	list_for_each_safe (pos, &sr->in_disk) {
		struct sim_io *io = list_entry(pos, struct sim_io, link);

		if (io->path != path)
			continue;
		io->path = NULL;
		list_move_tail(&io->link, &sr->lost);
	}
	assert(sr->nr_open > 0);
	sr->nr_open--;
	free(path);
}

/* Commands */

static struct sim_reserver *reserver_of(struct reserver *res)
{
	return container_of(res, struct sim_reserver, res);
}

/* How a command that fails by chance fails. */
enum command_luck {
	LUCK_GOOD,
	LUCK_NOT_DONE,
	LUCK_DONE,
};

/* The way of a command to the device. */
static FIBER_FN enum command_luck command_begin(struct sim_reserve *sr)
{
	enum command_luck luck = LUCK_GOOD;

	if (sr->faults.error_ppm > 0 && sim_rng_chance(&sr->dice, sr->faults.error_ppm, 1000000))
		luck = sim_rng_chance(&sr->dice, 1, 2) ? LUCK_DONE : LUCK_NOT_DONE;
	fiber_sleep_ns(sim_rng_below(&sr->dice, COMMAND_NS_MAX));
	return luck;
}

/* And the way back. */
static FIBER_FN int command_end(struct sim_reserve *sr, enum command_luck luck, int result)
{
	fiber_sleep_ns(sim_rng_below(&sr->dice, COMMAND_NS_MAX));
	return luck == LUCK_GOOD ? result : -EIO;
}

static int do_register(struct sim_reserve *sr, struct sim_host *h, uint64_t key)
{
	if (h->keyless)
		return -EBUSY;
	h->key = key;
	sr->generation++;
	return 0;
}

static FIBER_FN int sim_enlist(struct reserver *res, uint64_t key)
{
	struct sim_reserver *s = reserver_of(res);
	enum command_luck luck = command_begin(s->sr);
	int err = luck == LUCK_NOT_DONE ? -EIO : do_register(s->sr, s->host, key);

	return command_end(s->sr, luck, err);
}

static int do_unregister(struct sim_reserve *sr, struct sim_host *h, uint64_t key)
{
	if (!key || h->key != key)
		return -EBUSY;
	if (sr->faults.unregister_keeps_host) {
		h->key = 0;
		h->keyless = true;
	} else {
		unregister_host(sr, h);
	}
	sr->generation++;
	return 0;
}

static FIBER_FN int sim_resign(struct reserver *res, uint64_t key)
{
	struct sim_reserver *s = reserver_of(res);
	enum command_luck luck = command_begin(s->sr);
	int err = luck == LUCK_NOT_DONE ? -EIO : do_unregister(s->sr, s->host, key);

	return command_end(s->sr, luck, err);
}

static int do_reserve(struct sim_reserve *sr, struct sim_host *h, uint64_t key, enum reservation_type type)
{
	if (!key || h->key != key)
		return -EBUSY;
	if (sr->reserved)
		return holds(sr, h) && sr->type == type ? 0 : -EBUSY;
	sr->reserved = true;
	sr->type = type;
	sr->holder = of_all_registrants(type) ? NULL : h;
	return 0;
}

static FIBER_FN int sim_take(struct reserver *res, uint64_t key, enum reservation_type type)
{
	struct sim_reserver *s = reserver_of(res);
	enum command_luck luck = command_begin(s->sr);
	int err = luck == LUCK_NOT_DONE ? -EIO : do_reserve(s->sr, s->host, key, type);

	return command_end(s->sr, luck, err);
}

static int do_release(struct sim_reserve *sr, const struct sim_host *h, uint64_t key, enum reservation_type type)
{
	if (!key || h->key != key)
		return -EBUSY;
	if (!holds(sr, h))
		return 0;
	if (sr->type != type)
		return -EINVAL;
	sr->reserved = false;
	return 0;
}

static FIBER_FN int sim_give(struct reserver *res, uint64_t key, enum reservation_type type)
{
	struct sim_reserver *s = reserver_of(res);
	enum command_luck luck = command_begin(s->sr);
	int err = luck == LUCK_NOT_DONE ? -EIO : do_release(s->sr, s->host, key, type);

	return command_end(s->sr, luck, err);
}

/* Preempting: the hard part */

/* What is aborted before it got to the disk ends in the loop as soon as that comes to it. */
static void catch_ios(struct sim_reserve *sr, const struct sim_host *h, bool abort)
{
	struct sim_io *io;

	list_for_each_entry(io, &sr->queued, link)
	{
		if (io->host != h || !abort)
			continue;
		io->aborted = true;
		reactor_timer_arm(io->path->dev.reactor, &io->timer, reactor_now_ns(io->path->dev.reactor));
	}
	list_for_each_entry(io, &sr->in_disk, link)
	{
		if (io->host != h)
			continue;
		io->aborted |= abort;
		io->awaited |= abort || !sr->faults.preempt_leaves_in_flight;
	}
}

static bool is_victim(const struct sim_reserve *sr, const struct sim_host *h, uint64_t victim)
{
	if (victim == 0)
		return sr->reserved ? is_registered(h) && of_all_registrants(sr->type) : h->keyless;
	return h->key == victim;
}

/* Whether the preempt of @victim takes the reservation, too. */
static bool takes_reservation(const struct sim_reserve *sr, uint64_t victim)
{
	if (!sr->reserved)
		return false;
	return of_all_registrants(sr->type) ? victim == 0 : victim != 0 && sr->holder->key == victim;
}

static int do_preempt(struct sim_reserve *sr, struct sim_host *self, uint64_t victim, enum reservation_type type,
		      bool abort)
{
	bool takes = takes_reservation(sr, victim);
	unsigned int nr = 0;

	list_for_each (pos, &sr->hosts) {
		struct sim_host *h = list_entry(pos, struct sim_host, link);

		if (!is_victim(sr, h, victim))
			continue;
		nr++;
		if (h == self && takes)
			continue;
		catch_ios(sr, h, abort);
		h->key = 0;
		h->keyless = false;
	}
	if (nr == 0)
		return -EBUSY;
	if (takes)
		sr->type = type;
	if (takes)
		sr->holder = of_all_registrants(type) ? NULL : self;
	else if (sr->reserved && of_all_registrants(sr->type) && !any_registered(sr))
		sr->reserved = false;
	sr->generation++;
	return 0;
}

static bool has_awaited(const struct sim_reserve *sr)
{
	struct sim_io *io;

	list_for_each_entry(io, &sr->in_disk, link) if (io->awaited) return true;
	return false;
}

static FIBER_FN int drain(struct sim_reserve *sr)
{
	uint64_t deadline = reactor_now_ns(fiber_reactor()) + DRAIN_NS;

	while (has_awaited(sr))
		if (wait_queue_wait_until(&sr->drained, deadline))
			return -EIO;
	return 0;
}

static FIBER_FN int preempt_well(struct sim_reserver *s, uint64_t key, uint64_t victim, enum reservation_type type,
				 bool abort)
{
	struct sim_reserve *sr = s->sr;
	int err;

	if (!key || s->host->key != key)
		return -EBUSY;
	if (sr->faults.preempt_lies && sr->reserved && sr->holder == s->host && !of_all_registrants(sr->type)) {
		sr->type = type;
		sr->holder = of_all_registrants(type) ? NULL : s->host;
		return 0;
	}
	err = do_preempt(sr, s->host, victim, type, abort);
	return err ? err : drain(sr);
}

static FIBER_FN int sim_preempt(struct reserver *res, uint64_t key, uint64_t victim, enum reservation_type type,
				bool abort)
{
	struct sim_reserver *s = reserver_of(res);
	enum command_luck luck = command_begin(s->sr);
	int err = -EIO;

	if (s->sr->faults.preempt_fails || (abort && s->sr->faults.preempt_abort_hangs)) {
		fiber_sleep_ns(HANG_NS);
		return -EIO;
	}
	if (luck != LUCK_NOT_DONE)
		err = preempt_well(s, key, victim, type, abort);
	return command_end(s->sr, luck, err);
}

/* Reading back */

static void do_view(const struct sim_reserve *sr, struct reserver_view *v)
{
	struct sim_host *h;
	unsigned int nr = 0;

	list_for_each_entry(h, &sr->hosts, link) nr += is_registered(h);
	*v = (struct reserver_view){ .generation = sr->generation, .reserved = sr->reserved };
	v->keys = sim_alloc(nr * sizeof(v->keys[0]));
	if (sr->reserved) {
		v->type = sr->type;
		v->holder = sr->holder ? sr->holder->key : 0;
	}
	list_for_each_entry(h, &sr->hosts, link)
	{
		struct reserver_key *k = &v->keys[v->nr_keys];

		if (!is_registered(h))
			continue;
		*k = (struct reserver_key){ .key = h->key, .holder = holds(sr, h), .has_host = true };
		memcpy(k->host, h->name, sizeof(k->host));
		v->nr_keys++;
	}
}

static FIBER_FN int sim_view(struct reserver *res, struct reserver_view *ret_view)
{
	struct sim_reserver *s = reserver_of(res);
	enum command_luck luck = command_begin(s->sr);
	struct reserver_view v = { 0 };
	int err;

	do_view(s->sr, &v);
	err = command_end(s->sr, luck, 0);
	if (err)
		free(v.keys);
	else
		*ret_view = v;
	return err;
}

static void sim_shut(struct reserver *res)
{
	struct sim_reserver *s = reserver_of(res);

	assert(s->sr->nr_open > 0);
	s->sr->nr_open--;
	free(s);
}

/* Life */

int sim_reserve_open(struct reactor *r, uint64_t seed, const char *name, struct sim_reserve **ret_sr)
{
	struct sim_reserve *sr = sim_alloc(sizeof(*sr));

	sr->dice = sim_rng_make(seed, 0x4e5e);
	snprintf(sr->name, sizeof(sr->name), "%s", name);
	list_init(&sr->hosts);
	list_init(&sr->queued);
	list_init(&sr->in_disk);
	list_init(&sr->lost);
	wait_queue_init(&sr->drained);
	*ret_sr = sr;
	return 0;
}

void sim_reserve_close(struct sim_reserve *sr)
{
	if (!sr)
		return;
	assert(sr->nr_open == 0);
	list_for_each_safe (pos, &sr->lost)
		free(list_entry(pos, struct sim_io, link));
	list_for_each_safe (pos, &sr->hosts)
		free(list_entry(pos, struct sim_host, link));
	free(sr);
}

void sim_reserve_set_faults(struct sim_reserve *sr, const struct sim_reserve_faults *faults)
{
	sr->faults = *faults;
}

bool sim_reserve_has_key(const struct sim_reserve *sr, uint64_t key)
{
	struct sim_host *h;

	list_for_each_entry(h, &sr->hosts, link) if (key && h->key == key) return true;
	return false;
}

uint64_t sim_reserve_conflicts(const struct sim_reserve *sr)
{
	return sr->conflicts;
}

static struct sim_host *find_host(struct sim_reserve *sr, const char *name)
{
	struct sim_host *h;

	list_for_each_entry(h, &sr->hosts, link) if (strcmp(h->name, name) == 0) return h;
	h = sim_alloc(sizeof(*h));
	snprintf(h->name, sizeof(h->name), "%s", name);
	list_add_tail(&h->link, &sr->hosts);
	return h;
}

int sim_reserve_attach(struct sim_reserve *sr, const char *host, struct blkdev *disk, struct blkdev **ret_dev,
		       struct reserver **ret_res)
{
	static const struct blkdev_ops dev_ops = { .submit = path_submit, .close = path_close };
	static const struct reserver_ops res_ops = {
		.enlist = sim_enlist,
		.resign = sim_resign,
		.reserve = sim_take,
		.release = sim_give,
		.preempt = sim_preempt,
		.view = sim_view,
		.shut = sim_shut,
	};
	struct sim_path *path;
	struct sim_reserver *s;

	if (host[0] == '\0' || strlen(host) >= HOST_MAX)
		return -EINVAL;
	path = sim_alloc(sizeof(*path));
	*path = (struct sim_path){ .sr = sr, .host = find_host(sr, host), .disk = disk };
	path->dev = (struct blkdev){ .ops = &dev_ops, .reactor = disk->reactor, .info = disk->info };
	s = sim_alloc(sizeof(*s));
	*s = (struct sim_reserver){ .sr = sr, .host = path->host };
	s->res = (struct reserver){ .ops = &res_ops, .reactor = disk->reactor, .may_be_keyless = true };
	s->res.types = RESERVATION_REGISTRANTS_ONLY | RESERVATION_BIT(RESERVATION_WRITE_EXCLUSIVE) |
		       RESERVATION_BIT(RESERVATION_EXCLUSIVE_ACCESS) |
		       RESERVATION_BIT(RESERVATION_WRITE_EXCLUSIVE_ALL_REGISTRANTS) |
		       RESERVATION_BIT(RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS);
	snprintf(s->res.name, sizeof(s->res.name), "%s", sr->name);
	sr->nr_open += 2;
	*ret_dev = &path->dev;
	*ret_res = &s->res;
	return 0;
}
