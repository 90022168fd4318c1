/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The server's items in words.  Promise: a value of the wrong length for its type is left to whoever prints bytes.
 */

#include <inttypes.h>
#include <stdio.h>

#include "layout/fence_record.h"
#include "mds/client_record.h"
#include "mds/state_record.h"
#include "tools/dump.h"

static bool print_server(FILE *out, const void *val, size_t len)
{
	const struct record_server *rec = val;

	if (len != sizeof(*rec))
		return false;
	fprintf(out, "server: started %u times", le32_get(rec->boot));
	return true;
}

static bool print_client(FILE *out, const void *val, size_t len)
{
	const struct record_client *rec = val;
	const char *bytes = val;
	uint32_t flags, owner, impl;

	if (len < sizeof(*rec))
		return false;
	flags = le32_get(rec->flags);
	owner = le16_get(rec->owner_len);
	impl = le16_get(rec->impl_len);
	if (len != sizeof(*rec) + owner + impl)
		return false;
	bytes += sizeof(*rec);
	fprintf(out, "client: owner \"%.*s\", \"%.*s\", %u sessions made%s%s", (int)owner, bytes, (int)impl,
		bytes + owner, le32_get(rec->create_seq),
		flags & RECORD_CLIENT_RECLAIM_COMPLETE ? ", reclaim complete" : "",
		flags & RECORD_CLIENT_DISCARDED ? ", its state was discarded" : "");
	return true;
}

static bool print_session(FILE *out, const void *val, size_t len)
{
	const struct record_session *rec = val;

	if (len != sizeof(*rec))
		return false;
	fprintf(out, "session: %u slots of %u bytes, %u for callbacks", le32_get(rec->fore.requests),
		le32_get(rec->fore.cached_max), le32_get(rec->back.requests));
	return true;
}

static bool print_slot(FILE *out, struct key key, const void *val, size_t len)
{
	const struct record_slot *rec = val;
	uint64_t off = key_off(key);

	if ((off & 0xff) != 0) {
		fprintf(out, "slot %" PRIu64 " of session %" PRIu64 ", part %" PRIu64, off >> 8 & 0xfff, off >> 20,
			off & 0xff);
		return true;
	}
	if (len < sizeof(*rec))
		return false;
	fprintf(out, "slot %" PRIu64 " of session %" PRIu64 ": request %u, %u operations done, %u bytes%s",
		off >> 8 & 0xfff, off >> 20, le32_get(rec->seqid), le32_get(rec->nr_done), le32_get(rec->len),
		le16_get(rec->flags) & RECORD_SLOT_UNCACHED ? ", reply not kept" : "");
	return true;
}

static bool print_open(FILE *out, const void *val, size_t len)
{
	const struct record_open *rec = val;

	if (len < sizeof(*rec))
		return false;
	fprintf(out, "open: file %" PRIu64 ", access %u, deny %u, seqid %u%s", le64_get(rec->ino), rec->access,
		rec->deny, le32_get(rec->seqid), le32_get(rec->revoked) ? ", revoked" : "");
	return true;
}

static bool print_locks(FILE *out, const void *val, size_t len)
{
	const struct record_locks *rec = val;

	if (len < sizeof(*rec))
		return false;
	fprintf(out, "lock owner: of open 0x%" PRIx64 ", seqid %u%s", le64_get(rec->open), le32_get(rec->seqid),
		le32_get(rec->revoked) ? ", revoked" : "");
	return true;
}

static bool print_lock(FILE *out, const void *val, size_t len)
{
	const struct record_lock *rec = val;

	if (len != sizeof(*rec))
		return false;
	fprintf(out, "lock: bytes %" PRIu64 " to %" PRIu64 " for %s, of 0x%" PRIx64, le64_get(rec->first),
		le64_get(rec->last), rec->write ? "writing" : "reading", le64_get(rec->holder));
	return true;
}

static bool print_callback(FILE *out, struct key key, const void *val, size_t len)
{
	const struct record_callback *rec = val;
	uint64_t off = key_off(key);

	if (len != sizeof(*rec))
		return false;
	fprintf(out, "callback slot %" PRIu64 " of session %" PRIu64 ": request %u", off & 0xff, off >> 8,
		le32_get(rec->seqid));
	return true;
}

static bool print_copy(FILE *out, const void *val, size_t len)
{
	const struct record_copy *rec = val;

	if (len != sizeof(*rec))
		return false;
	fprintf(out,
		"copy: file %" PRIu64 " at %" PRIu64 " to file %" PRIu64 " at %" PRIu64 ", %" PRIu64 " of %" PRIu64
		" bytes done",
		le64_get(rec->src.ino), le64_get(rec->src.off), le64_get(rec->dst.ino), le64_get(rec->dst.off),
		le64_get(rec->done), le64_get(rec->len));
	if (rec->finished)
		fprintf(out, ", ended with status %u", le32_get(rec->status));
	return true;
}

static bool print_fence_key(FILE *out, const void *val, size_t len)
{
	static const char *const states[] = { "", ", its fence is begun", ", fenced" };
	const struct disk_fence_key *rec = val;
	const char *owner = (const char *)val + sizeof(*rec);

	if (len < sizeof(*rec) || rec->state >= ARRAY_SIZE(states))
		return false;
	fprintf(out, "key 0x%016" PRIx64 " of \"%.*s\"%s%s", le64_get(rec->key), (int)(len - sizeof(*rec)), owner,
		states[rec->state], rec->held ? " by a person" : "");
	return true;
}

bool dump_state_value(FILE *out, struct key key, const void *val, size_t len)
{
	if (key_zone(key) != ZONE_STATE)
		return false;
	switch (key_type(key)) {
	case RECORD_SERVER:
		return key_obj(key) == 0 && print_server(out, val, len);
	case RECORD_CLIENT:
		return print_client(out, val, len);
	case RECORD_SESSION:
		return print_session(out, val, len);
	case RECORD_SLOT:
		return print_slot(out, key, val, len);
	case RECORD_OPEN:
		return print_open(out, val, len);
	case RECORD_LOCKS:
		return print_locks(out, val, len);
	case RECORD_LOCK:
		return print_lock(out, val, len);
	case RECORD_CALLBACK:
		return print_callback(out, key, val, len);
	case RECORD_COPY:
		return print_copy(out, val, len);
	case RECORD_KEY:
		return key_obj(key) == 0 && print_fence_key(out, val, len);
	default:
		return false;
	}
}
