/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Peers that break every rule, one way a test, while a well-behaved client works: it never waits longer than the test
 * allows, in simulated time, and memory stays within what the configuration allows.  Memory is what malloc has given
 * out, simulated world included, sampled after each of the good client's operations and compared with the start.
 */

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "mds/config.h"
#include "proto/wire_compound.h"
#include "proto/wire_rpc.h"
#include "tests/lib/nfs_raw.h"
#include "tests/lib/nfs_test_start.h"

#define MS		  1000000ull
#define WORLD_BYTES	  (4u << 20)		     /* of the good client, disks, and the store's caches */
#define WORLD_CONN_BYTES  (2u * (64u << 10) + 8192u) /* of the simulated network, for each connection */
#define SERVER_CONN_BYTES (16u << 10)

struct siege {
	struct nfs_test *t;
	struct net *host; /* the attacker's */
	struct fiber *fiber;
	bool ends;
	int err;
	uint64_t slowest_ns, nr, attacks;
	uint64_t start_bytes, peak_bytes;
};

static uint64_t bytes_now(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static FIBER_FN void good_client(void *arg)
{
	struct siege *s = arg;
	struct nfs_test *t = s->t;

	while (!s->ends && !s->err) {
		uint64_t start = reactor_now_ns(t->reactor);
		struct wire_attrs attrs;
		struct nfs_fh fh;

		s->err = nfs_file_mkdir(t->session, &t->dir, "good", 0755, &fh);
		if (!s->err)
			s->err = nfs_file_getattr(t->session, &fh, NFS_ATTRS(FATTR4_MODE), &attrs);
		if (!s->err)
			s->err = nfs_file_remove(t->session, &t->dir, "good");
		s->slowest_ns = max_u64(s->slowest_ns, reactor_now_ns(t->reactor) - start);
		s->peak_bytes = max_u64(s->peak_bytes, bytes_now());
		s->nr++;
		fiber_sleep_ns(MS);
	}
}

static FIBER_FN void siege_begin(struct nfs_test *t, struct siege *s)
{
	*s = (struct siege){ .t = t };
	if (t->is_external)
		nfs_test_skip(t, "attacks are for our own server");
	s->host = nfs_test_host(t, "10.0.0.9");
	NFS_IS(t, fiber_spawn(t->reactor, "good", good_client, s, &s->fiber), 0);
	/* Caches fill, free lists grow. */
	fiber_sleep_ns(200 * MS);
	NFS_CHECK(t, s->nr > 10);
	s->start_bytes = s->peak_bytes = bytes_now();
	s->slowest_ns = 0;
}

static uint64_t allowed_bytes(const struct siege *s)
{
	const struct config_limits *l = &nfs_test_config(s->t)->limits;

	return l->buffer_bytes + l->reply_cache_bytes + l->connections * SERVER_CONN_BYTES +
	       s->attacks * WORLD_CONN_BYTES + WORLD_BYTES;
}

/* The good client has worked all the time, and no three operations took longer than @slowest_ns. */
static FIBER_FN void siege_end(struct siege *s, uint64_t slowest_ns)
{
	struct nfs_test *t = s->t;
	uint64_t nr = s->nr;

	fiber_sleep_ns(200 * MS);
	s->ends = true;
	fiber_join(s->fiber);
	NFS_IS(t, s->err, 0);
	NFS_CHECK(t, s->nr > nr);
	printf("%s: slowest %.1f ms, memory grew by %.2f MiB of %.2f allowed\n", t->test_case->name,
	       (double)s->slowest_ns / (double)MS, (double)(s->peak_bytes - s->start_bytes) / (1 << 20),
	       (double)allowed_bytes(s) / (1 << 20));
	NFS_CHECK(t, s->slowest_ns <= slowest_ns);
	NFS_CHECK(t, s->peak_bytes - s->start_bytes <= allowed_bytes(s));
}

static FIBER_FN struct sock *attack(struct siege *s)
{
	struct sock *sock = NULL;

	s->attacks++;
	return net_connect(s->host, &s->t->addr, &sock) ? NULL : sock;
}

static FIBER_FN bool pour(struct sock *sock, const void *bytes, size_t len)
{
	struct iovec iov = { (void *)(uintptr_t)bytes, len };

	return sock_send(sock, &iov, 1) == 0;
}

/* Read until the other side ends it, or nothing more comes.  True: it is over. */
static FIBER_FN bool is_cut_off(struct sock *sock)
{
	char buf[4096];
	ssize_t got;

	do {
		got = sock_recv(sock, buf, sizeof(buf));
	} while (got > 0);
	return got <= 0;
}

static void put_u32(uint8_t *at, uint32_t value)
{
	value = htobe32(value);
	memcpy(at, &value, sizeof(value));
}

/* A whole record: a call of NULL. */
#define NULL_BYTES 44u
static void null_call(uint8_t msg[NULL_BYTES], uint32_t xid)
{
	const uint32_t words[] = { 0x80000000u | (NULL_BYTES - 4), xid, 0, 2, NFS4_PROGRAM, NFS_V4, 0, 0, 0, 0, 0 };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		put_u32(msg + 4 * i, words[i]);
}

/* A whole record: COMPOUND of these operations.  Returns its length. */
static uint32_t compound_call(uint8_t *msg, uint32_t size, const struct nfs_argop4 *ops, unsigned int nr)
{
	struct wire_call call = { .xid = nr, .prog = NFS4_PROGRAM, .vers = NFS_V4, .proc = NFSPROC4_COMPOUND };
	struct wire_compound_out out;
	struct wire_enc enc;

	wire_enc_init(&enc, msg + 4, size - 4);
	if (wire_call_put(&enc, &call) || wire_args_begin(&out, &enc, "", 0, 2))
		abort();
	for (unsigned int i = 0; i < nr; i++)
		if (wire_args_add(&out, &ops[i]))
			abort();
	wire_args_end(&out);
	wire_record_mark(msg, wire_compound_size(&out));
	return 4 + wire_compound_size(&out);
}

static FIBER_FN void test_garbage(struct nfs_test *t)
{
	struct siege s;

	siege_begin(t, &s);
	for (unsigned int i = 0; i < 60; i++) {
		struct sock *sock = attack(&s);
		uint64_t words[300];

		for (size_t j = 0; j < ARRAY_SIZE(words); j++)
			words[j] = reactor_random(t->reactor);
		/* Half of them begin like a record. */
		if (i & 1)
			put_u32((uint8_t *)words, 0x80000000u | (sizeof(words) - 4));
		if (!sock)
			continue;
		pour(sock, words, sizeof(words));
		sock_close(sock);
	}
	siege_end(&s, NSEC_PER_SEC);
}

/* Records that never end, of the largest size, on as many connections as there may be. */
static FIBER_FN void test_half_records(struct nfs_test *t)
{
	const struct config_limits *l = &nfs_test_config(t)->limits;
	uint32_t len = (uint32_t)l->request_bytes;
	uint8_t *msg = calloc(1, len);
	struct sock *socks[64];
	struct siege s;

	siege_begin(t, &s);
	NFS_CHECK(t, msg != NULL);
	put_u32(msg, 0x80000000u | len);
	for (size_t i = 0; i < ARRAY_SIZE(socks); i++) {
		socks[i] = attack(&s);
		if (socks[i])
			pour(socks[i], msg, len);
	}
	fiber_sleep_ns(60 * NSEC_PER_SEC);
	for (size_t i = 0; i < ARRAY_SIZE(socks); i++)
		sock_close(socks[i]);
	free(msg);
	siege_end(&s, NSEC_PER_SEC);
}

/* Those that are not large, but many: they, too, may hold only so much. */
static FIBER_FN void test_half_records_of_middling_size(struct nfs_test *t)
{
	const uint32_t len = 60000;
	uint8_t *msg = calloc(1, len);
	unsigned int nr_cut = 0;
	struct sock *socks[58];
	struct siege s;

	siege_begin(t, &s);
	NFS_CHECK(t, msg != NULL);
	put_u32(msg, 0x80000000u | len);
	for (size_t i = 0; i < ARRAY_SIZE(socks); i++) {
		socks[i] = attack(&s);
		NFS_CHECK(t, socks[i] && pour(socks[i], msg, len));
		fiber_sleep_ns(50 * MS);
	}
	for (size_t i = 0; i < ARRAY_SIZE(socks); i++) {
		/* The first byte finds out, the second is told. */
		if (pour(socks[i], msg, 1))
			fiber_sleep_ns(100 * MS);
		nr_cut += !pour(socks[i], msg, 1);
		sock_close(socks[i]);
	}
	free(msg);
	/* 58 of 60,000 bytes are more than 3 MiB. */
	NFS_CHECK(t, nr_cut >= 4);
	siege_end(&s, NSEC_PER_SEC);
}

static FIBER_FN void test_absurd_lengths(struct nfs_test *t)
{
	static const uint32_t heads[] = { 0xffffffff, 0x7fffffff, 0x80800000, 0xfffffffc, 0x00200000 };
	struct siege s;

	siege_begin(t, &s);
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		struct sock *sock = attack(&s);
		uint8_t head[4];

		NFS_CHECK(t, sock != NULL);
		put_u32(head, heads[i]);
		pour(sock, head, sizeof(head));
		NFS_CHECK(t, is_cut_off(sock));
		sock_close(sock);
	}
	siege_end(&s, NSEC_PER_SEC);
}

static FIBER_FN void endless_fragments(struct siege *s, uint32_t len)
{
	struct sock *sock = attack(s);
	uint8_t fragment[8] = { 0 };
	bool goes = true;

	NFS_CHECK(s->t, sock != NULL);
	put_u32(fragment, len);
	for (unsigned int i = 0; i < 100000 && goes; i++)
		goes = pour(sock, fragment, 4 + len);
	NFS_CHECK(s->t, !goes);
	sock_close(sock);
}

static FIBER_FN void test_endless_fragments(struct nfs_test *t)
{
	struct siege s;

	siege_begin(t, &s);
	endless_fragments(&s, 0);
	endless_fragments(&s, 1);
	endless_fragments(&s, 4);
	siege_end(&s, NSEC_PER_SEC);
}

static FIBER_FN void test_deep_compounds(struct nfs_test *t)
{
	static struct nfs_argop4 ops[2000];
	static uint8_t msg[32768];
	struct siege s;
	struct sock *sock;
	uint32_t len;

	siege_begin(t, &s);
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i].argop = OP_PUTROOTFH;
	len = compound_call(msg, sizeof(msg), ops, ARRAY_SIZE(ops));
	sock = attack(&s);
	NFS_CHECK(t, sock != NULL);
	for (int i = 0; i < 50; i++)
		NFS_CHECK(t, pour(sock, msg, len));
	sock_close(sock);
	/* In a session, too, there are too many. */
	for (int i = 0; i < 20; i++) {
		struct nfs_test_client *tc = t->client_of;
		struct nfs_compound c;

		nfs_compound_init(&c);
		nfs_session_begin(tc->session, &c);
		for (int j = 0; j < 1000; j++)
			nfs_op_putrootfh(&c);
		NFS_IS(t, nfs_session_send(tc->session, &c), 0);
		NFS_CHECK_EQ(t, c.status, NFS4ERR_TOO_MANY_OPS);
		nfs_compound_release(&c);
	}
	siege_end(&s, NSEC_PER_SEC);
}

/* Those that are open are in the way of others, but not of who is in already; and silence ends their stay. */
static FIBER_FN void test_many_connections(struct nfs_test *t)
{
	struct sock *socks[400] = { 0 };
	struct nfs_test_client *tc;
	struct siege s;

	siege_begin(t, &s);
	for (size_t i = 0; i < ARRAY_SIZE(socks); i++)
		socks[i] = attack(&s);
	/* From another address there still is a way. */
	tc = nfs_test_client(t, NULL);
	NFS_IS(t, nfs_session_ping(tc->session), 0);
	for (size_t i = 0; i < ARRAY_SIZE(socks); i++)
		sock_close(socks[i]);
	siege_end(&s, NSEC_PER_SEC);
}

static FIBER_FN void test_connections_from_everywhere(struct nfs_test *t)
{
	struct sock *socks[200] = { 0 };
	struct siege s;
	bool is_in = false;

	siege_begin(t, &s);
	for (size_t i = 0; i < ARRAY_SIZE(socks); i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), "10.0.1.%u", (unsigned int)(i % 10) + 1);
		s.host = nfs_test_host(t, addr);
		socks[i] = attack(&s);
	}
	/* All places are taken by silent ones: they have to make room. */
	for (int i = 0; i < 60 && !is_in; i++) {
		struct nfs_conn *conn = NULL;

		fiber_sleep_ns(NSEC_PER_SEC);
		if (nfs_client_connect(t->client, t->net, &t->addr, &conn))
			continue;
		nfs_compound_begin(&t->c);
		t->c.rpc_proc = NFSPROC4_NULL;
		is_in = nfs_compound_send(&t->c, conn) == 0;
		nfs_conn_close(conn);
	}
	NFS_CHECK(t, is_in);
	for (size_t i = 0; i < ARRAY_SIZE(socks); i++)
		sock_close(socks[i]);
	siege_end(&s, NSEC_PER_SEC);
}

static FIBER_FN void test_many_unconfirmed_clients(struct nfs_test *t)
{
	struct nfs_test_client *tc = nfs_test_client_bare(t, NULL), *good;
	struct siege s;

	siege_begin(t, &s);
	for (int i = 0; i < 3000; i++) {
		struct nfs_identity identity = nfs_test_identity(t);

		nfs_raw_exchange(t, tc->conn, &identity, NFS4_OK);
	}
	good = nfs_test_client(t, NULL);
	NFS_IS(t, nfs_session_ping(good->session), 0);
	siege_end(&s, NSEC_PER_SEC);
}

/* Confirmed ones are not thrown out while their lease lasts; then they make room, one for one. */
static FIBER_FN void test_many_clients(struct nfs_test *t)
{
	const struct config_limits *l = &nfs_test_config(t)->limits;
	struct nfs_test_client *tc = nfs_test_client_bare(t, NULL), *good;
	struct siege s;
	int err = 0;

	siege_begin(t, &s);
	for (uint64_t i = 0; i < 2 * l->clients && !err; i++) {
		struct nfs_identity identity = nfs_test_identity(t);
		struct nfs_client client;
		struct nfs_session *session;
		struct nfs_session_options opt = { .skips_reclaim_complete = true, .slots = 1 };

		nfs_client_init(&client, t->reactor, &identity);
		err = nfs_client_exchange_id(&client, tc->conn);
		if (!err) {
			err = nfs_session_open(&client, tc->conn, &opt, &session);
			if (!err)
				nfs_session_discard(session);
		}
		nfs_client_release(&client);
	}
	NFS_IS(t, err, NFS4ERR_DELAY);
	fiber_sleep_ns(40 * NSEC_PER_SEC);
	good = nfs_test_client_bare(t, NULL);
	for (int i = 0; i < 10; i++) {
		err = nfs_client_exchange_id(&good->client, good->conn);
		if (err != NFS4ERR_DELAY)
			break;
		fiber_sleep_ns(NSEC_PER_SEC);
	}
	NFS_IS(t, err, 0);
	NFS_IS(t, nfs_session_open(&good->client, good->conn, NULL, &good->session), 0);
	siege_end(&s, NSEC_PER_SEC);
}

/* All clients take all sessions and slots they can get: others get less, but not nothing. */
static FIBER_FN void test_many_sessions(struct nfs_test *t)
{
	struct nfs_test_client *good;
	struct siege s;
	unsigned int nr = 0;

	siege_begin(t, &s);
	for (int i = 0; i < 6; i++) {
		struct nfs_test_client *tc = nfs_test_client_bare(t, NULL);
		struct nfs_raw_id id = nfs_raw_exchange(t, tc->conn, &tc->client.identity, NFS4_OK);
		CREATE_SESSION4args args = nfs_raw_create_args(&id);

		args.csa_fore_chan_attrs.ca_maxrequests = NFS4_UINT32_MAX;
		args.csa_fore_chan_attrs.ca_maxresponsesize_cached = NFS4_UINT32_MAX;
		for (int j = 0; j < 10; j++) {
			nfs_client_begin(&tc->client, &t->c);
			nfs_op_create_session(&t->c, &args);
			NFS_IS(t, nfs_compound_send(&t->c, tc->conn), 0);
			if (t->c.status != NFS4_OK)
				break;
			args.csa_sequence++;
			nr++;
		}
		nfs_conn_close(tc->conn);
		tc->conn = NULL;
	}
	NFS_CHECK(t, nr > 20);
	good = nfs_test_client(t, NULL);
	NFS_IS(t, nfs_session_ping(good->session), 0);
	siege_end(&s, NSEC_PER_SEC);
}

/* It asks for much, with all the slots of all its sessions, and reads none of it. */
static FIBER_FN void test_never_reads(struct nfs_test *t)
{
	static uint8_t data[60000], msg[1024];
	struct nfs_test_client *bad = nfs_test_client(t, NULL);
	struct nfs_session *session;
	struct nfs_file file;
	struct siege s;

	NFS_IS(t, nfs_file_create(t->session, &t->dir, "large", &file), 0);
	NFS_IS(t, nfs_file_write(&file, 0, data, sizeof(data), FILE_SYNC4), 0);
	siege_begin(t, &s);
	for (int i = 0; i < 3; i++) {
		struct sock *sock = attack(&s);
		bool goes = sock != NULL;

		NFS_IS(t, nfs_session_open(&bad->client, bad->conn, NULL, &session), 0);
		for (uint32_t slot = 0; slot < session->nr_slots && goes; slot++) {
			struct nfs_argop4 ops[3] = { { .argop = OP_SEQUENCE },
						     { .argop = OP_PUTFH },
						     { .argop = OP_READ } };

			if (slot == 0)
				continue; /* RECLAIM_COMPLETE was sent in it */
			ops[0].nfs_argop4_u.opsequence.sa_sequenceid = 1;
			ops[0].nfs_argop4_u.opsequence.sa_slotid = slot;
			memcpy(ops[0].nfs_argop4_u.opsequence.sa_sessionid, session->sessionid, NFS4_SESSIONID_SIZE);
			ops[1].nfs_argop4_u.opputfh.object.nfs_fh4_len = file.fh.len;
			ops[1].nfs_argop4_u.opputfh.object.nfs_fh4_val = file.fh.bytes;
			ops[2].nfs_argop4_u.opread.count = sizeof(data);
			goes = pour(sock, msg, compound_call(msg, sizeof(msg), ops, 3));
		}
		nfs_session_discard(session);
		fiber_sleep_ns(10 * NSEC_PER_SEC);
		sock_close(sock);
	}
	siege_end(&s, 5 * NSEC_PER_SEC);
}

static FIBER_FN void test_a_byte_a_second(struct nfs_test *t)
{
	uint8_t msg[NULL_BYTES];
	struct sock *socks[20];
	struct siege s;

	siege_begin(t, &s);
	for (size_t i = 0; i < ARRAY_SIZE(socks); i++)
		socks[i] = attack(&s);
	null_call(msg, 1);
	for (size_t i = 0; i < sizeof(msg); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(socks); j++)
			if (socks[j])
				pour(socks[j], msg + i, 1);
		fiber_sleep_ns(NSEC_PER_SEC);
	}
	for (size_t i = 0; i < ARRAY_SIZE(socks); i++) {
		char reply[28];

		/* Slow is not wrong: there is an answer. */
		NFS_CHECK(t, socks[i] && sock_recv(socks[i], reply, sizeof(reply)) > 0);
		sock_close(socks[i]);
	}
	siege_end(&s, NSEC_PER_SEC);
}

struct flood {
	struct siege *s;
	struct fiber *fiber;
	unsigned int nr;
};

/* As fast as it can, and reads nothing. */
static FIBER_FN void flood_main(void *arg)
{
	struct flood *f = arg;
	struct sock *sock = attack(f->s);
	uint8_t msgs[50][NULL_BYTES];
	bool goes = sock != NULL;

	for (uint32_t i = 0; i < ARRAY_SIZE(msgs); i++)
		null_call(msgs[i], i);
	for (unsigned int i = 0; i < 200 && goes; i++) {
		goes = pour(sock, msgs, sizeof(msgs));
		f->nr += goes;
	}
	sock_close(sock);
}

static FIBER_FN void test_flood_of_null(struct nfs_test *t)
{
	struct flood floods[8];
	struct siege s;

	siege_begin(t, &s);
	for (size_t i = 0; i < ARRAY_SIZE(floods); i++) {
		floods[i] = (struct flood){ .s = &s };
		NFS_IS(t, fiber_spawn(t->reactor, "flood", flood_main, &floods[i], &floods[i].fiber), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(floods); i++) {
		fiber_join(floods[i].fiber);
		NFS_CHECK(t, floods[i].nr > 0);
	}
	siege_end(&s, NSEC_PER_SEC);
}

/* Answers to questions that nobody asked. */
static FIBER_FN void test_replies_unasked(struct nfs_test *t)
{
	struct siege s;
	struct sock *sock;
	uint8_t msg[NULL_BYTES];

	siege_begin(t, &s);
	sock = attack(&s);
	NFS_CHECK(t, sock != NULL);
	null_call(msg, 5);
	put_u32(msg + 8, REPLY);
	for (int i = 0; i < 5000; i++)
		if (!pour(sock, msg, sizeof(msg)))
			break;
	sock_close(sock);
	siege_end(&s, NSEC_PER_SEC);
}

/* It answers callbacks with nonsense, and asks the server to call. */
static FIBER_FN void test_callback_answers_are_garbage(struct nfs_test *t)
{
	struct nfs_test_client *bad = nfs_test_client(t, NULL);
	struct nfs_lock lock = { .type = WRITEW_LT, .length = 5 };
	struct nfs_file mine, theirs;
	struct siege s;

	siege_begin(t, &s);
	bad->client.callback.fault = (struct nfs_callback_fault){ .nr = 1000, .is_garbage = true };
	NFS_IS(t, nfs_file_create(t->session, &t->dir, "f", &mine), 0);
	NFS_IS(t, nfs_file_create(bad->session, &t->dir, "f", &theirs), 0);
	for (int i = 0; i < 20; i++) {
		char owner[16];
		stateid4 stateid;
		uint32_t at;

		snprintf(owner, sizeof(owner), "o%d", i);
		lock.owner = owner;
		nfs_session_begin(t->session, &t->c);
		nfs_op_putfh(&t->c, &mine.fh);
		at = nfs_op_lock_first(&t->c, &mine.stateid, &lock);
		NFS_SEND(t, &t->c, NFS4_OK);
		NFS_IS(t, nfs_op_got_stateid(&t->c, at, &stateid), 0);
		nfs_session_begin(bad->session, &t->c);
		nfs_op_putfh(&t->c, &theirs.fh);
		nfs_op_lock_first(&t->c, &theirs.stateid, &lock);
		NFS_SEND_IN(t, bad->session, &t->c, NFS4ERR_DENIED);
		nfs_session_begin(t->session, &t->c);
		nfs_op_putfh(&t->c, &mine.fh);
		nfs_op_locku(&t->c, &stateid, &lock);
		NFS_SEND(t, &t->c, NFS4_OK);
		fiber_sleep_ns(100 * MS);
	}
	siege_end(&s, NSEC_PER_SEC);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_garbage, "RFC 5531, 9"),
	NFS_TEST(test_half_records, "RFC 5531, 11"),
	NFS_TEST(test_half_records_of_middling_size, "RFC 5531, 11"),
	NFS_TEST(test_absurd_lengths, "RFC 5531, 11"),
	NFS_TEST(test_endless_fragments, "RFC 5531, 11"),
	NFS_TEST(test_deep_compounds, "RFC 8881, 2.10.6.4"),
	NFS_TEST(test_many_connections, "RFC 8881, 2.10.3"),
	NFS_TEST(test_connections_from_everywhere, "RFC 8881, 2.10.3"),
	NFS_TEST(test_many_unconfirmed_clients, "RFC 8881, 18.35.4"),
	NFS_TEST(test_many_clients, "RFC 8881, 18.35.4"),
	NFS_TEST(test_many_sessions, "RFC 8881, 18.36.3"),
	NFS_TEST(test_never_reads, "RFC 8881, 2.10.3"),
	NFS_TEST(test_a_byte_a_second, "RFC 5531, 11"),
	NFS_TEST(test_flood_of_null, "RFC 8881, 16.1"),
	NFS_TEST(test_replies_unasked, "RFC 5531, 9"),
	NFS_TEST(test_callback_answers_are_garbage, "RFC 8881, 20.9"),
};

int main(int argc, char **argv)
{
	/* Few and small, so that an attack reaches every limit. */
	nfs_test_limits = "connections = 80; connections_per_address = 60; buffer_bytes = \"8M\"; clients = 50;"
			  "requests_per_connection = 64; sessions_per_client = 4; slots_per_session = 32;"
			  "request_bytes = \"64K\"; response_bytes = \"64K\"; reply_cache_bytes = \"4M\";";
	return nfs_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
