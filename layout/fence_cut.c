/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One device and one host that must lose it.  Promises: what a device answers to a command proves nothing, only the
 * keys read back do; other hosts that are fenced stay fenced meanwhile.
 *
 * Ways, in this order, each followed by reading the keys:
 *   1. PREEMPT AND ABORT; where that fails, PREEMPT: there is a target that deadlocks on the first over one
 * transport. Nothing is aborted then, so what the device had begun is waited for.
 *   2. The same under a reservation of all registrants: the Linux NVMe target (6.13 to 7.2) answers success to a
 *      preempt by the reservation's holder and leaves the victim registered.  Under that type nobody is the holder.
 *      We get there by preempting ourselves, which changes the type.
 *   3. Where that does not help either: release the reservation, take it as all registrants' (or preempt while there
 *      is none).  For a moment everybody may write: so only while no other host is fenced.
 *
 * The server stays registered through all of it: its own reads and writes go on meanwhile.
 */
#include "layout/fence_int.h"

#include <inttypes.h>
#include <string.h>

#include "dev/log.h"

static bool is_all_registrants(enum reservation_type type)
{
	return type == RESERVATION_WRITE_EXCLUSIVE_ALL_REGISTRANTS ||
	       type == RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS;
}

static bool shuts_out(enum reservation_type type)
{
	return type == RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY ||
	       type == RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY || is_all_registrants(type);
}

enum reservation_type fence_type_of_all(enum reservation_type type)
{
	switch (type) {
	case RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY:
	case RESERVATION_WRITE_EXCLUSIVE_ALL_REGISTRANTS:
		return RESERVATION_WRITE_EXCLUSIVE_ALL_REGISTRANTS;
	default:
		return RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS;
	}
}

/* What a device says, without its keys. */
struct state {
	bool has_self, has_victim, reserved, foreign;
	bool has_suspect; /* a host without a key, which may be the victim */
	uint64_t holder;
	enum reservation_type type;
};

static FIBER_FN int state_read(struct fence *fence, struct reserver *res, uint64_t victim, struct state *ret_state)
{
	struct reserver_view view = { 0 };
	int err = reserver_read(res, &view);

	if (err)
		return err;
	*ret_state = (struct state){
		.has_self = reserver_view_has(&view, fence->own_key),
		.has_victim = victim != 0 && reserver_view_has(&view, victim),
		.reserved = view.reserved,
		.foreign = view.reserved && view.holder != 0 && view.holder != fence->own_key,
		.holder = view.holder,
		.type = view.type,
	};
	fence_learn(fence, &view);
	for (unsigned int i = 0; i < view.nr_keys && victim != 0; i++)
		ret_state->has_suspect |= fence_may_be(fence, &view.keys[i], victim);
	reserver_view_release(&view);
	return 0;
}

/* Take the reservation, or what is wrong with the one that is there. */
static FIBER_FN int reserve_self(struct fence *fence, struct reserver *res, const struct state *st, struct why *why)
{
	int err;

	if (!st->reserved) {
		err = reserver_reserve(res, fence->own_key, fence->opt.type);
		return err ? why_set(why, err, "%s cannot be reserved: %s", res->name, strerror(-err)) : 0;
	}
	if (st->foreign)
		return why_set(why, -EBUSY, "%s is reserved by somebody else, with key 0x%" PRIx64, res->name,
			       st->holder);
	/* One of all registrants has no holder who could preempt himself; it is as good. */
	if (st->type == fence->opt.type || is_all_registrants(st->type))
		return 0;
	/* Ours, of another type: whoever holds one changes it by preempting himself (SPC-4, 5.13.11.2). */
	err = reserver_preempt(res, fence->own_key, fence->own_key, fence->opt.type, false);
	if (err && !shuts_out(st->type))
		return why_set(why, err, "%s has a reservation of type %u, which cannot be changed: %s", res->name,
			       (unsigned int)st->type, strerror(-err));
	return 0;
}

FIBER_FN int fence_admit_self(struct fence *fence, unsigned int index, struct why *why)
{
	struct reserver *res = fence->devices->v[index].reserver;
	struct state st = { 0 };
	int err = reserver_register(res, fence->own_key);

	if (err)
		return why_set(why, err, "%s: the server cannot register: %s", res->name, strerror(-err));
	err = state_read(fence, res, 0, &st);
	if (!err) {
		err = reserve_self(fence, res, &st, why);
		if (err)
			return err;
		err = state_read(fence, res, 0, &st);
	}
	if (err)
		return why_set(why, err, "%s: the keys cannot be read: %s", res->name, strerror(-err));
	if (!st.has_self || !st.reserved || st.foreign || !shuts_out(st.type))
		return why_set(why, -EBUSY,
			       "%s answers success, but the server is not registered or has no reservation there",
			       res->name);
	return 0;
}

FIBER_FN int fence_look(struct fence *fence, unsigned int index, struct why *why)
{
	struct reserver *res = fence->devices->v[index].reserver;
	struct reserver_view view = { 0 };
	bool is_well;
	int err = reserver_read(res, &view);

	if (err)
		return why_set(why, err, "%s: the keys cannot be read: %s", res->name, strerror(-err));
	is_well = reserver_view_has(&view, fence->own_key) && view.reserved && shuts_out(view.type);
	fence_learn(fence, &view);
	for (unsigned int i = 0; i < view.nr_keys; i++) {
		uint64_t key = fence_key_of(fence, &view.keys[i]);
		struct fence_host *host = NULL;

		HASH_FIND(hh, fence->hosts, &key, sizeof(key), host);
		if (host && host->entry.state == FENCE_PROVED && host->entry.proof != FENCE_BY_ADMIN)
			host->is_back = true;
	}
	reserver_view_release(&view);
	if (is_well)
		return 0;
	err = fence_admit_self(fence, index, why);
	if (!err)
		log_warn(
			"%s had lost the server's registration or reservation; both are there again, but meanwhile a "
			"fenced host could have written",
			res->name);
	return err;
}

/* ---- a fence ---- */

struct cut {
	struct fence *fence;
	struct reserver *res;
	struct fence_host *host;
	uint64_t victim;
	struct state st;
	bool drain;    /* it lost its registration, and its commands may go on */
	bool no_abort; /* PREEMPT AND ABORT has failed: it may hang, and each that hangs costs time */
};

static FIBER_FN int cut_read(struct cut *c)
{
	return state_read(c->fence, c->res, c->victim, &c->st);
}

static FIBER_FN int cut_abort(struct cut *c)
{
	int err = reserver_preempt(c->res, c->fence->own_key, c->victim, c->st.type, true);

	/* Whether anything was aborted is then not known. */
	if (err)
		c->drain = c->no_abort = true;
	return err;
}

/*
 * What it has in the device goes on when its registration is gone.  If we die before that has ended, the next start
 * finds the registration gone, and must not take it for all.
 */
static FIBER_FN int cut_will_drain(struct cut *c)
{
	c->drain = true;
	if (c->host->undrained)
		return 0;
	c->host->undrained = true;
	return fence_save(c->fence, c->host);
}

static FIBER_FN int cut_plain(struct cut *c)
{
	int err = cut_will_drain(c);

	return err ? err : reserver_preempt(c->res, c->fence->own_key, c->victim, c->st.type, false);
}

/* Way 1 and, in another state of the device, 2 and 3. */
static FIBER_FN int cut_here(struct cut *c)
{
	int err = c->no_abort ? -EIO : cut_abort(c);

	return err ? cut_plain(c) : 0;
}

static FIBER_FN int cut_as_all(struct cut *c)
{
	enum reservation_type all = fence_type_of_all(c->st.type);
	int err;

	if (is_all_registrants(c->st.type) || (c->res->types && !(c->res->types & RESERVATION_BIT(all))))
		return -EOPNOTSUPP;
	err = reserver_preempt(c->res, c->fence->own_key, c->fence->own_key, all, false);
	if (!err)
		err = cut_read(c);
	if (err || !c->st.has_victim)
		return err;
	return c->st.type == all ? cut_here(c) : -EOPNOTSUPP;
}

static FIBER_FN int cut_open(struct cut *c)
{
	const uint64_t own = c->fence->own_key;
	enum reservation_type type = c->st.type, all = fence_type_of_all(type);
	bool can_all = !c->res->types || (c->res->types & RESERVATION_BIT(all));
	int err, back;

	if (fence_has_other(c->fence, c->host))
		return -EBUSY;
	err = reserver_release(c->res, own, type);
	if (!err && can_all && reserver_reserve(c->res, own, all) == 0)
		c->st.type = all;
	if (!err)
		err = cut_here(c);
	/* Reserved again, whatever failed. */
	back = cut_read(c);
	if (!back && !c->st.reserved)
		back = reserver_reserve(c->res, own, c->fence->opt.type);
	return err ? err : back;
}

static FIBER_FN int (*const ways[])(struct cut *c) = { cut_here, cut_as_all, cut_open };

/* Until its key is gone: 0; or the error of the last way that there was. */
static FIBER_FN int cut_registration(struct cut *c, unsigned int *ret_tried)
{
	int err, way_err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ways) && c->st.has_victim; i++) {
		c->drain = false;
		way_err = ways[i](c);
		if (way_err != -EOPNOTSUPP)
			++*ret_tried;
		err = cut_read(c);
		if (!err && !c->st.has_self)
			err = reserver_register(c->res, c->fence->own_key);
		if (err)
			return err;
	}
	if (!c->st.has_victim)
		return 0;
	return way_err ? way_err : -EBUSY;
}

/* It has no key any more, and is registered all the same, or somebody else is: nobody can tell. */
static FIBER_FN int cut_suspects(struct cut *c, unsigned int index, struct why *why)
{
	bool aborted = !c->no_abort, drain = c->drain;
	int err;

	if (!c->st.has_suspect)
		return 0;
	err = cut_will_drain(c);
	if (!err)
		err = fence_drop_keyless(c->fence, index, c->host, &aborted, why);
	if (!err)
		err = cut_read(c);
	c->drain = drain || !aborted;
	if (!err && c->st.has_suspect)
		err = why_set(why, -EBUSY, "%s has a host without a key, which may be this one", c->res->name);
	return err;
}

FIBER_FN int fence_cut(struct fence *fence, unsigned int index, struct fence_host *host, bool *drain, struct why *why)
{
	struct cut c = {
		.fence = fence, .res = fence->devices->v[index].reserver, .host = host, .victim = host->entry.key
	};
	unsigned int tried = 0;
	int err = fence_admit_self(fence, index, why);

	if (err)
		return err;
	err = cut_read(&c);
	c.drain = *drain && !c.st.has_victim;
	if (!err)
		err = cut_registration(&c, &tried);
	if (err && c.st.has_victim)
		return why_set(why, -EBUSY, "key 0x%" PRIx64 " is still registered with %s after %u ways: %s",
			       c.victim, c.res->name, tried, strerror(-err));
	if (!err)
		err = cut_suspects(&c, index, why);
	if (err && why->text[0])
		return err;
	if (err)
		return why_set(why, err, "%s: the keys cannot be read: %s", c.res->name, strerror(-err));
	if (tried > 1)
		log_warn("%s kept key 0x%" PRIx64 " at first, against what it answered; way %u took it away",
			 c.res->name, c.victim, tried);
	/* The reservation must have come through all this. */
	if (!c.st.reserved || c.st.foreign)
		return why_set(why, -EBUSY, "%s has lost the server's reservation", c.res->name);
	*drain = c.drain;
	return 0;
}

FIBER_FN int fence_rejoin_own(const struct fence *fence, struct reserver *res)
{
	struct reserver_view view = { 0 };
	int err = reserver_read(res, &view);
	bool is_ours;

	if (err)
		return err;
	is_ours = view.reserved && reserver_view_has(&view, fence->own_key);
	reserver_view_release(&view);
	return is_ours ? reserver_register(res, fence->own_key) : 0;
}

FIBER_FN int fence_rejoin(struct reserver *res)
{
	struct reserver_view view = { 0 };
	uint64_t key = 0;
	int err = reserver_read(res, &view);

	if (err)
		return err;
	for (unsigned int i = 0; view.reserved && i < view.nr_keys; i++) {
		if (fence_key_is_own(view.keys[i].key))
			key = view.keys[i].key;
	}
	reserver_view_release(&view);
	return key ? reserver_register(res, key) : 0;
}
