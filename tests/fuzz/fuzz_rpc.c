/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A stream gives the same records however it is cut, in bounded memory, and whatever a record holds is a call, a
 * reply or refused.  The input is the size of the pieces, then the stream.
 */

#include <stdlib.h>
#include <string.h>

#include "proto/wire_record.h"
#include "proto/wire_rpc.h"
#include "tests/lib/fuzz.h"

#define RECORD_MAX    16384
#define FRAGMENTS_MAX 16

static const struct wire_program nfs = { 100003, 4, 4, 2 };

static void seed(const char *name, const struct wire_enc *enc, uint32_t len, bool split)
{
	uint8_t buf[512] = { 7, 0 };
	uint32_t half = split ? len / 2 : 0, at = 2;

	if (split) {
		wire_record_mark(buf + at, half);
		buf[at] = 0;
		memcpy(buf + at + 4, enc->buf, half);
		at += 4 + half;
	}
	wire_record_mark(buf + at, len - half);
	memcpy(buf + at + 4, enc->buf + half, len - half);
	fuzz_seed_write(name, buf, at + 4 + len - half);
}

static void seeds(void)
{
	struct wire_call call = { .xid = 1, .prog = 100003, .vers = 4, .proc = 1 };
	struct wire_authsys sys = { .machine = (char *)"box", .machine_len = 3, .nr_gids = 2, .gids = { 4, 5 } };
	struct wire_reply replies[] = { wire_reply_accepted(1, SUCCESS), wire_reply_accepted(1, PROG_MISMATCH),
					wire_reply_denied(1, AUTH_BADCRED), wire_reply_rpc_mismatch(1) };
	static const char *const names[] = { "success", "prog-mismatch", "auth", "rpc-mismatch" };
	uint8_t body[MAX_AUTH_BYTES], buf[400];
	struct wire_enc enc;

	fuzz_require(wire_authsys_put(&sys, body, &call.cred) == 0);
	wire_enc_init(&enc, buf, sizeof(buf));
	fuzz_require(wire_call_put(&enc, &call) == 0);
	seed("call", &enc, wire_enc_pos(&enc), false);
	seed("call-split", &enc, wire_enc_pos(&enc), true);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		wire_enc_init(&enc, buf, sizeof(buf));
		fuzz_require(wire_reply_put(&enc, &replies[i]) == 0);
		seed(names[i], &enc, wire_enc_pos(&enc), i % 2);
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	if (fuzz_seed_dir()) {
		seeds();
		exit(0);
	}
	return 0;
}

static void fuzz_call(struct wire_dec *dec, const void *msg)
{
	uint8_t again[1024], body[MAX_AUTH_BYTES];
	struct wire_authsys sys;
	struct wire_reply reply;
	struct wire_auth auth;
	struct wire_call call;
	struct wire_enc enc;

	if (wire_call_get(dec, &call))
		return;
	wire_enc_init(&enc, again, sizeof(again));
	fuzz_require(wire_call_put(&enc, &call) == 0);
	fuzz_require(wire_enc_pos(&enc) == wire_dec_pos(dec));
	if (wire_authsys_get(&call.cred, &sys) == 0) {
		fuzz_require(wire_authsys_put(&sys, body, &auth) == 0);
		fuzz_require(auth.len == call.cred.len);
	}
	if (wire_call_is_refused(&call, &nfs, &reply)) {
		wire_enc_init(&enc, again, sizeof(again));
		fuzz_require(wire_reply_put(&enc, &reply) == 0);
	}
}

static void fuzz_message(const uint8_t *msg, uint32_t len)
{
	uint8_t again[1024];
	struct wire_reply reply;
	enum msg_type type;
	struct wire_dec dec;
	struct wire_enc enc;
	uint32_t xid;

	if (wire_rpc_peek(msg, len, &xid, &type))
		return;
	wire_dec_init(&dec, msg, len, NULL);
	if (type == CALL) {
		fuzz_call(&dec, msg);
	} else if (wire_reply_get(&dec, &reply) == 0) {
		wire_enc_init(&enc, again, sizeof(again));
		fuzz_require(wire_reply_put(&enc, &reply) == 0);
		fuzz_require(wire_enc_pos(&enc) == wire_dec_pos(&dec));
	}
}

/* FNV-1a over the records, to compare two ways of cutting. */
static uint64_t mix(uint64_t hash, const uint8_t *bytes, uint32_t len)
{
	hash = (hash ^ len) * 0x100000001b3ULL;
	for (uint32_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
	return hash;
}

static uint64_t fuzz_stream(const uint8_t *data, size_t size, size_t step, bool look)
{
	struct wire_record record;
	uint64_t hash = 0xcbf29ce484222325ULL;
	size_t pos = 0, used;
	int done;

	wire_record_init(&record, RECORD_MAX, FRAGMENTS_MAX);
	while (pos < size) {
		done = wire_record_feed(&record, data + pos, step < size - pos ? step : size - pos, &used);
		if (done < 0) {
			hash = mix(hash, (const uint8_t *)"error", 5);
			break;
		}
		pos += used;
		fuzz_require(used > 0 && record.room <= RECORD_MAX && record.len <= record.room);
		if (done) {
			hash = mix(hash, record.buf, record.len);
			if (look)
				fuzz_message(record.buf, record.len);
			wire_record_drop(&record);
		}
	}
	wire_record_release(&record);
	return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	size_t step = 1 + fuzz_u16(&in) % 5000;

	fuzz_require(fuzz_stream(in.data, in.size, step, true) == fuzz_stream(in.data, in.size, SIZE_MAX, false));
	return 0;
}
