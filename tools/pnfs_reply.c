/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: a reply that passes is one that every Linux client takes, and takes no harm from: gapless, the right
 * states, one device, whole pages (RFC 5663, 2.3; RFC 8154, 2.3; and what the client's code asks for besides).
 */

#include <inttypes.h>
#include <string.h>

#include "dev/log.h"
#include "tools/pnfs_int.h"

/* A reply on its way through the checks. */
struct check {
	const struct pnfs_asked *asked;
	const layout4 *layout;
	struct pnfs_reply *reply;
	uint64_t pos;		/* all up to here is said */
	uint64_t invalid_end;	/* of the last extent that is not written */
	uint64_t source_end;	/* of the last source of copies */
	unsigned int nr_source; /* sources whose extents have not come yet: */
	struct pnfs_extent sources[PNFS_REPLY_EXTENTS];
};

static int bad(const struct check *check, const struct pnfs_block_extent4 *e, const char *why)
{
	const layout4 *l = check->layout;

	if (e)
		log_err("pnfs: bad layout [%" PRIu64 ", +%" PRIu64 ") iomode %d: extent [%" PRIu64 ", +%" PRIu64
			") at %" PRIu64 " of state %d: %s",
			l->lo_offset, l->lo_length, (int)l->lo_iomode, e->bex_file_offset, e->bex_length,
			e->bex_storage_offset, (int)e->bex_state, why);
	else
		log_err("pnfs: bad layout [%" PRIu64 ", +%" PRIu64 ") iomode %d for %" PRIu64 " and at least %" PRIu64
			" bytes: %s",
			l->lo_offset, l->lo_length, (int)l->lo_iomode, check->asked->off, check->asked->min, why);
	return -EBADMSG;
}

/* Linux takes the range as bad and goes through the server; it is against RFC 8881, 18.43 all the same. */
static int check_range(const struct check *check)
{
	const struct pnfs_asked *asked = check->asked;
	const layout4 *l = check->layout;

	if (l->lo_iomode != LAYOUTIOMODE4_READ && l->lo_iomode != LAYOUTIOMODE4_RW)
		return bad(check, NULL, "no such iomode");
	if (asked->iomode == LAYOUTIOMODE4_RW && l->lo_iomode != LAYOUTIOMODE4_RW)
		return bad(check, NULL, "asked for writing, got one for reading");
	if (l->lo_length == 0 || l->lo_length > NFS4_UINT64_MAX - l->lo_offset)
		return bad(check, NULL, "empty or without an end");
	if (l->lo_offset > asked->off || l->lo_offset + l->lo_length <= asked->off)
		return bad(check, NULL, "without the first byte that was asked for");
	if (l->lo_offset + l->lo_length - asked->off < asked->min)
		return bad(check, NULL, "shorter than it had to be");
	if (l->lo_content.loc_type != asked->type)
		return bad(check, NULL, "of another type");
	if (l->lo_content.loc_body.loc_body_len > PNFS_LAYOUT_BODY_MAX)
		return bad(check, NULL, "larger than it may be");
	return 0;
}

static int check_place(struct check *check, const struct pnfs_block_extent4 *e)
{
	uint64_t all = e->bex_file_offset | e->bex_length | e->bex_storage_offset;

	if (!is_aligned_u64(all, 512))
		return bad(check, e, "not in whole sectors");
	/* Not checked by Linux, which then writes beyond the extent. */
	if (!is_aligned_u64(all, check->asked->page))
		return bad(check, e, "not in whole pages of the client");
	if (e->bex_state == PNFS_BLOCK_NONE_DATA)
		return e->bex_storage_offset ? bad(check, e, "a hole that lies somewhere") : 0;
	/* Linux would take all for the first one's. */
	if (check->reply->has_device && memcmp(check->reply->device_id, e->bex_vol_id, NFS4_DEVICEID4_SIZE) != 0)
		return bad(check, e, "on another device than those before it");
	check->reply->has_device = true;
	memcpy(check->reply->device_id, e->bex_vol_id, NFS4_DEVICEID4_SIZE);
	return 0;
}

static bool adjoins(struct check *check, const struct pnfs_block_extent4 *e)
{
	if (e->bex_file_offset != check->pos)
		return false;
	check->pos += e->bex_length;
	return true;
}

static int check_source(struct check *check, const struct pnfs_block_extent4 *e)
{
	if (e->bex_file_offset > check->pos)
		return bad(check, e, "a gap before it");
	if (e->bex_file_offset < check->invalid_end)
		return bad(check, e, "a source of copies behind what is copied to");
	if (e->bex_file_offset < check->source_end)
		return bad(check, e, "overlaps the source of copies before it");
	check->source_end = e->bex_file_offset + e->bex_length;
	check->sources[check->nr_source++] = (struct pnfs_extent){ .off = e->bex_file_offset,
								   .len = e->bex_length,
								   .device_off = e->bex_storage_offset };
	return 0;
}

static int check_state(struct check *check, const struct pnfs_block_extent4 *e)
{
	bool is_rw = check->layout->lo_iomode == LAYOUTIOMODE4_RW;

	switch (e->bex_state) {
	case PNFS_BLOCK_READWRITE_DATA:
	case PNFS_BLOCK_INVALID_DATA:
		if (!is_rw)
			return bad(check, e, "a state that is for writing, in a layout for reading");
		break;
	case PNFS_BLOCK_READ_DATA:
		if (is_rw)
			return check_source(check, e);
		break;
	case PNFS_BLOCK_NONE_DATA:
		if (is_rw)
			return bad(check, e, "a hole in a layout for writing");
		break;
	default:
		return bad(check, e, "no such state");
	}
	if (!adjoins(check, e))
		return bad(check, e, "a gap before it, or overlaps the one before it");
	if (e->bex_state == PNFS_BLOCK_INVALID_DATA)
		check->invalid_end = check->pos;
	check->reply->extents[check->reply->nr++] = (struct pnfs_extent){ .off = e->bex_file_offset,
									  .len = e->bex_length,
									  .device_off = e->bex_storage_offset,
									  .state = e->bex_state };
	return 0;
}

/* The part of extent @at that @source covers is read from there; room is what the caller has checked. */
static void take_source(struct pnfs_reply *reply, unsigned int at, const struct pnfs_extent *source)
{
	struct pnfs_extent *e = &reply->extents[at], all = *e;
	uint64_t off = max_u64(e->off, source->off), end = min_u64(pnfs_extent_end(e), pnfs_extent_end(source));

	if (off > all.off) {
		memmove(e + 1, e, (reply->nr - at) * sizeof(*e));
		reply->nr++;
		e->len = off - e->off;
		e++;
	}
	if (end < pnfs_extent_end(&all)) {
		memmove(e + 1, e, (reply->nr - (unsigned int)(e - reply->extents)) * sizeof(*e));
		reply->nr++;
		e[1].off = end;
		e[1].len = pnfs_extent_end(&all) - end;
		e[1].device_off = all.device_off + (end - all.off);
	}
	e->off = off;
	e->len = end - off;
	e->device_off = all.device_off + (off - all.off);
	e->cow = true;
	e->source_off = source->device_off + (off - source->off);
}

static int take_sources(struct check *check)
{
	struct pnfs_reply *reply = check->reply;

	for (unsigned int s = 0; s < check->nr_source; s++)
		for (unsigned int i = 0; i < reply->nr; i++) {
			struct pnfs_extent *e = &reply->extents[i];

			if (pnfs_extent_end(e) <= check->sources[s].off || e->cow ||
			    e->off >= pnfs_extent_end(&check->sources[s]))
				continue;
			if (e->state != PNFS_BLOCK_INVALID_DATA)
				return bad(check, NULL, "a source of copies for what is written already");
			if (reply->nr + 2 > PNFS_REPLY_EXTENTS)
				return bad(check, NULL, "too many extents");
			take_source(reply, i, &check->sources[s]);
		}
	return 0;
}

static int check_body(struct check *check)
{
	const layout4 *l = check->layout;
	struct pnfs_block_extent4 e;
	struct wire_extents_in in;
	int err = wire_layout_open(&in, l->lo_content.loc_type, l->lo_content.loc_body.loc_body_val,
				   l->lo_content.loc_body.loc_body_len);

	if (err || in.nr > PNFS_REPLY_EXTENTS - 2)
		return bad(check, NULL, "the body is no list of extents");
	check->pos = l->lo_offset;
	while (!err) {
		err = wire_extents_next(&in, &e);
		if (!err)
			err = check_place(check, &e);
		else if (err != -ENOENT)
			return bad(check, NULL, "an extent that is none");
		if (!err)
			err = check_state(check, &e);
	}
	if (err != -ENOENT)
		return err;
	if (check->pos != l->lo_offset + l->lo_length)
		return bad(check, NULL, "the extents end elsewhere than the layout");
	if (check->source_end > check->pos)
		return bad(check, NULL, "a source of copies reaches beyond the layout");
	return take_sources(check);
}

int pnfs_reply_check(const struct pnfs_asked *asked, const LAYOUTGET4resok *ok, struct pnfs_reply *ret_reply)
{
	struct check check = { .asked = asked, .reply = ret_reply };
	int err;

	ret_reply->nr = 0;
	ret_reply->has_device = false;
	/* Linux looks at the first only. */
	if (ok->logr_layout.logr_layout_len == 0)
		return -ENODATA;
	check.layout = &ok->logr_layout.logr_layout_val[0];
	if (check.layout->lo_content.loc_body.loc_body_len == 0)
		return -EAGAIN;
	err = check_range(&check);
	return err ? err : check_body(&check);
}
