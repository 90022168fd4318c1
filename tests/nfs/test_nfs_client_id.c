/* SPDX-License-Identifier: Apache-2.0 */

/* EXCHANGE_ID: every case of the table in RFC 8881, 18.35.4, and what its arguments may be. */

#include <string.h>

#include "dev/fiber.h"
#include "tests/lib/nfs_raw.h"
#include "tests/lib/nfs_state.h"

static const struct nfs_cred other_user = { .uid = 1001, .gid = 1001 };

/* Another start of the same client. */
static struct nfs_identity started_anew(const struct nfs_identity *identity)
{
	struct nfs_identity anew = *identity;

	anew.verifier[0] ^= 0x55;
	return anew;
}

static struct nfs_identity by_other_user(const struct nfs_identity *identity)
{
	struct nfs_identity other = *identity;

	other.cred = other_user;
	return other;
}

static struct nfs_identity updating(const struct nfs_identity *identity)
{
	struct nfs_identity update = *identity;

	update.flags |= EXCHGID4_FLAG_UPD_CONFIRMED_REC_A;
	return update;
}

static FIBER_FN void test_new_owner(struct nfs_test *t)
{
	struct nfs_test_client *tc = nfs_test_client_bare(t, NULL);
	struct nfs_raw_id id = nfs_raw_exchange(t, tc->conn, &tc->client.identity, NFS4_OK);

	NFS_CHECK_EQ(t, id.flags & EXCHGID4_FLAG_CONFIRMED_R, 0);
	NFS_CHECK(t, (id.flags & EXCHGID4_FLAG_MASK_PNFS) != 0);
}

static FIBER_FN void test_confirmed_again(struct nfs_test *t)
{
	struct nfs_identity *identity = &t->client->identity;
	struct nfs_raw_id id = nfs_raw_exchange(t, t->conn, identity, NFS4_OK);

	NFS_CHECK_EQ(t, id.clientid, t->client->clientid);
	NFS_CHECK(t, (id.flags & EXCHGID4_FLAG_CONFIRMED_R) != 0);
	/* The next CREATE_SESSION has the number that is told. */
	NFS_CHECK_EQ(t, id.sequenceid, t->client->sequenceid);
	NFS_IS(t, nfs_session_ping(t->session), 0);
}

static FIBER_FN void test_collision_in_use(struct nfs_test *t)
{
	struct nfs_identity other = by_other_user(&t->client->identity);
	struct nfs_state s = nfs_state_first(t);

	nfs_state_make(&s, "f", NULL);
	nfs_raw_exchange(t, t->conn, &other, NFS4ERR_CLID_INUSE);
	NFS_IS(t, nfs_session_ping(t->session), 0);
}

static FIBER_FN void test_collision_in_use_restarted(struct nfs_test *t)
{
	struct nfs_identity other = by_other_user(&t->client->identity);

	other = started_anew(&other);
	nfs_raw_exchange(t, t->conn, &other, NFS4ERR_CLID_INUSE);
}

static FIBER_FN void test_collision_auth_none(struct nfs_test *t)
{
	struct nfs_identity other = t->client->identity;

	other.cred = (struct nfs_cred){ .is_none = true };
	nfs_raw_exchange(t, t->conn, &other, NFS4ERR_CLID_INUSE);
}

static FIBER_FN void test_collision_without_state(struct nfs_test *t)
{
	struct nfs_test_client *tc = nfs_test_client(t, NULL);
	struct nfs_identity other = by_other_user(&tc->client.identity);
	struct nfs_raw_id id;

	NFS_IS(t, nfs_session_close(tc->session), 0);
	tc->session = NULL;
	id = nfs_raw_exchange(t, tc->conn, &other, NFS4_OK);
	NFS_CHECK(t, id.clientid != tc->client.clientid);
	NFS_CHECK_EQ(t, id.flags & EXCHGID4_FLAG_CONFIRMED_R, 0);
}

static FIBER_FN void test_collision_after_lease(struct nfs_test *t)
{
	struct nfs_identity other = by_other_user(&t->client->identity);
	struct nfs_state s = nfs_state_first(t);

	nfs_state_make(&s, "f", NULL);
	fiber_sleep_ns(40 * NSEC_PER_SEC);
	nfs_raw_session(t, t->conn, &other);
	NFS_IS(t, nfs_session_ping(t->session), NFS4ERR_BADSESSION);
}

static FIBER_FN void test_unconfirmed_replaced(struct nfs_test *t)
{
	struct nfs_test_client *tc = nfs_test_client_bare(t, NULL);
	struct nfs_identity anew = started_anew(&tc->client.identity);
	struct nfs_raw_id first = nfs_raw_exchange(t, tc->conn, &tc->client.identity, NFS4_OK), second;
	CREATE_SESSION4args args = nfs_raw_create_args(&first);

	second = nfs_raw_exchange(t, tc->conn, &anew, NFS4_OK);
	NFS_CHECK(t, first.clientid != second.clientid);
	nfs_raw_create(t, tc->conn, NULL, &args, NFS4ERR_STALE_CLIENTID);
	args = nfs_raw_create_args(&second);
	nfs_raw_create(t, tc->conn, NULL, &args, NFS4_OK);
}

/* Lost answer: it asks again, and goes on with what it got last. */
static FIBER_FN void test_unconfirmed_again(struct nfs_test *t)
{
	struct nfs_test_client *tc = nfs_test_client_bare(t, NULL);

	nfs_raw_exchange(t, tc->conn, &tc->client.identity, NFS4_OK);
	nfs_raw_session(t, tc->conn, &tc->client.identity);
}

static FIBER_FN void test_unconfirmed_by_other_user(struct nfs_test *t)
{
	struct nfs_test_client *tc = nfs_test_client_bare(t, NULL);
	struct nfs_identity other = by_other_user(&tc->client.identity);
	struct nfs_raw_id id = nfs_raw_exchange(t, tc->conn, &tc->client.identity, NFS4_OK);
	CREATE_SESSION4args args = nfs_raw_create_args(&id);

	nfs_raw_exchange(t, tc->conn, &other, NFS4_OK);
	nfs_raw_create(t, tc->conn, NULL, &args, NFS4ERR_STALE_CLIENTID);
}

static FIBER_FN void test_restart_keeps_until_confirmed(struct nfs_test *t)
{
	struct nfs_identity anew = started_anew(&t->client->identity);
	struct nfs_raw_id id = nfs_raw_exchange(t, t->conn, &anew, NFS4_OK);
	CREATE_SESSION4args args = nfs_raw_create_args(&id);

	NFS_CHECK(t, id.clientid != t->client->clientid);
	NFS_CHECK_EQ(t, id.flags & EXCHGID4_FLAG_CONFIRMED_R, 0);
	NFS_IS(t, nfs_session_ping(t->session), 0);
	nfs_raw_create(t, t->conn, NULL, &args, NFS4_OK);
	NFS_IS(t, nfs_session_ping(t->session), NFS4ERR_BADSESSION);
}

static FIBER_FN void test_restart_releases_state(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), other = nfs_state_other(t, NULL);
	struct nfs_identity anew = started_anew(&t->client->identity);
	struct nfs_open open = { .name = "f", .creates = true, .deny = OPEN4_SHARE_DENY_BOTH };

	nfs_state_open(&s, NULL, &open, NFS4_OK);
	nfs_state_share(&other, "f", NULL, NFS_OPEN_BOTH, 0, NFS4ERR_SHARE_DENIED);
	nfs_raw_exchange(t, t->conn, &anew, NFS4_OK);
	nfs_state_share(&other, "f", NULL, NFS_OPEN_BOTH, 0, NFS4ERR_SHARE_DENIED);
	nfs_raw_session(t, t->conn, &anew);
	nfs_state_share(&other, "f", NULL, NFS_OPEN_BOTH, 0, NFS4_OK);
}

static FIBER_FN void test_restart_old_id_is_stale(struct nfs_test *t)
{
	struct nfs_identity anew = started_anew(&t->client->identity);
	uint64_t old = t->client->clientid;

	nfs_raw_session(t, t->conn, &anew);
	nfs_raw_destroy_client(t, t->conn, old, NFS4ERR_STALE_CLIENTID);
}

/* It restarts twice before it confirms: the first attempt counts for nothing. */
static FIBER_FN void test_restart_twice(struct nfs_test *t)
{
	struct nfs_identity once = started_anew(&t->client->identity), twice = once;
	struct nfs_raw_id id = nfs_raw_exchange(t, t->conn, &once, NFS4_OK);
	CREATE_SESSION4args args = nfs_raw_create_args(&id);

	twice.verifier[1] ^= 1;
	nfs_raw_session(t, t->conn, &twice);
	nfs_raw_create(t, t->conn, NULL, &args, NFS4ERR_STALE_CLIENTID);
}

static FIBER_FN void test_update(struct nfs_test *t)
{
	struct nfs_identity update = updating(&t->client->identity);
	struct nfs_raw_id id = nfs_raw_exchange(t, t->conn, &update, NFS4_OK);

	NFS_CHECK_EQ(t, id.clientid, t->client->clientid);
	NFS_CHECK(t, (id.flags & EXCHGID4_FLAG_CONFIRMED_R) != 0);
	/* That flag is of arguments only. */
	NFS_CHECK_EQ(t, id.flags & EXCHGID4_FLAG_UPD_CONFIRMED_REC_A, 0);
	NFS_IS(t, nfs_session_ping(t->session), 0);
}

static FIBER_FN void test_update_unknown(struct nfs_test *t)
{
	struct nfs_test_client *tc = nfs_test_client_bare(t, NULL);
	struct nfs_identity update = updating(&tc->client.identity);

	nfs_raw_exchange(t, tc->conn, &update, NFS4ERR_NOENT);
}

static FIBER_FN void test_update_unconfirmed(struct nfs_test *t)
{
	struct nfs_test_client *tc = nfs_test_client_bare(t, NULL);
	struct nfs_identity update = updating(&tc->client.identity);

	nfs_raw_exchange(t, tc->conn, &tc->client.identity, NFS4_OK);
	nfs_raw_exchange(t, tc->conn, &update, NFS4ERR_NOENT);
}

static FIBER_FN void test_update_other_verifier(struct nfs_test *t)
{
	struct nfs_identity update = updating(&t->client->identity);

	update = started_anew(&update);
	nfs_raw_exchange(t, t->conn, &update, NFS4ERR_NOT_SAME);
	NFS_IS(t, nfs_session_ping(t->session), 0);
}

static FIBER_FN void test_update_other_user(struct nfs_test *t)
{
	struct nfs_identity update = updating(&t->client->identity);

	update.cred = other_user;
	nfs_raw_exchange(t, t->conn, &update, NFS4ERR_PERM);
	NFS_IS(t, nfs_session_ping(t->session), 0);
}

static FIBER_FN void test_flags_unknown(struct nfs_test *t)
{
	struct nfs_identity identity = nfs_test_identity(t);

	identity.flags = 0x08000000;
	nfs_raw_exchange(t, t->conn, &identity, NFS4ERR_INVAL);
}

/* A client must not say what only servers say. */
static FIBER_FN void test_flags_confirmed(struct nfs_test *t)
{
	struct nfs_identity identity = nfs_test_identity(t);

	identity.flags = EXCHGID4_FLAG_CONFIRMED_R;
	nfs_raw_exchange(t, t->conn, &identity, NFS4ERR_INVAL);
}

static FIBER_FN void test_flags_all_of_clients(struct nfs_test *t)
{
	struct nfs_identity identity = nfs_test_identity(t);

	identity.flags = EXCHGID4_FLAG_SUPP_MOVED_REFER | EXCHGID4_FLAG_SUPP_MOVED_MIGR |
			 EXCHGID4_FLAG_BIND_PRINC_STATEID | EXCHGID4_FLAG_USE_NON_PNFS | EXCHGID4_FLAG_USE_PNFS_MDS |
			 EXCHGID4_FLAG_USE_PNFS_DS;
	nfs_raw_exchange(t, t->conn, &identity, NFS4_OK);
}

/* Send EXCHANGE_ID with these arguments, owner and verifier filled in. */
static FIBER_FN const EXCHANGE_ID4resok *exchange(struct nfs_test *t, EXCHANGE_ID4args *args, nfsstat4 want)
{
	static struct nfs_identity identity;

	identity = nfs_test_identity(t);
	args->eia_clientowner.co_ownerid.co_ownerid_len = identity.owner_len;
	args->eia_clientowner.co_ownerid.co_ownerid_val = identity.owner;
	nfs_client_begin(t->client, &t->c);
	nfs_op_exchange_id(&t->c, args);
	NFS_SEND_OVER(t, t->conn, &t->c, want);
	if (want)
		return NULL;
	return &nfs_compound_result(&t->c, 0, OP_EXCHANGE_ID)
			->nfs_resop4_u.opexchange_id.EXCHANGE_ID4res_u.eir_resok4;
}

static FIBER_FN void test_implementation(struct nfs_test *t)
{
	struct nfs_impl_id4 impl = { .nii_domain = { 11, (char[]){ "example.org" } },
				     .nii_name = { 3, (char[]){ "x\n\0" } } };
	EXCHANGE_ID4args args = { .eia_client_impl_id = { 1, &impl } };
	const EXCHANGE_ID4resok *ok = exchange(t, &args, NFS4_OK);

	NFS_CHECK(t, ok->eir_server_impl_id.eir_server_impl_id_len <= 1);
}

static FIBER_FN void test_implementation_none(struct nfs_test *t)
{
	EXCHANGE_ID4args args = { 0 };

	exchange(t, &args, NFS4_OK);
}

static FIBER_FN void test_state_protection_ssv(struct nfs_test *t)
{
	EXCHANGE_ID4args args = { .eia_state_protect = { .spa_how = SP4_SSV } };

	exchange(t, &args, NFS4ERR_ENCR_ALG_UNSUPP);
}

/* Machine credentials are of RPCSEC_GSS. */
static FIBER_FN void test_state_protection_machine(struct nfs_test *t)
{
	EXCHANGE_ID4args args = { .eia_state_protect = { .spa_how = SP4_MACH_CRED } };

	exchange(t, &args, NFS4ERR_INVAL);
}

static FIBER_FN void test_owner_of_server(struct nfs_test *t)
{
	struct nfs_test_client *tc = nfs_test_client(t, NULL);

	/* The same server over both connections: they may be trunked. */
	NFS_CHECK(t, tc->client.server_major_len > 0);
	NFS_CHECK_EQ(t, tc->client.server_major_len, t->client->server_major_len);
	NFS_CHECK(t, memcmp(tc->client.server_major, t->client->server_major, t->client->server_major_len) == 0);
	NFS_CHECK_EQ(t, tc->client.server_minor, t->client->server_minor);
	NFS_CHECK_EQ(t, tc->client.server_scope_len, t->client->server_scope_len);
	NFS_CHECK(t, memcmp(tc->client.server_scope, t->client->server_scope, t->client->server_scope_len) == 0);
}

static FIBER_FN void test_owner_longest(struct nfs_test *t)
{
	struct nfs_identity identity = nfs_test_identity(t), shorter;

	memset(identity.owner, 'o', sizeof(identity.owner));
	identity.owner_len = NFS4_OPAQUE_LIMIT;
	shorter = identity;
	shorter.owner_len--;
	/* One byte more or less is another client. */
	nfs_raw_session(t, t->conn, &identity);
	NFS_CHECK(t, (nfs_raw_exchange(t, t->conn, &identity, NFS4_OK).flags & EXCHGID4_FLAG_CONFIRMED_R) != 0);
	NFS_CHECK(t, (nfs_raw_exchange(t, t->conn, &shorter, NFS4_OK).flags & EXCHGID4_FLAG_CONFIRMED_R) == 0);
}

static FIBER_FN void test_owner_too_long(struct nfs_test *t)
{
	static const uint8_t head[12] = { 0, 0, 0, OP_EXCHANGE_ID };
	uint8_t bytes[12 + 4 + 1028 + 16] = { 0 };

	memcpy(bytes, head, sizeof(head));
	bytes[14] = 0x04;
	bytes[15] = 0x01; /* 1025 */
	nfs_client_begin(t->client, &t->c);
	nfs_compound_add_raw(&t->c, OP_EXCHANGE_ID, bytes, sizeof(bytes));
	NFS_SEND_OVER(t, t->conn, &t->c, NFS4ERR_BADXDR);
}

static FIBER_FN void test_owner_empty(struct nfs_test *t)
{
	struct nfs_identity identity = nfs_test_identity(t);

	if (t->is_external)
		nfs_test_skip(t, "nfs-ganesha 4.3 crashes over it");
	identity.owner_len = 0;
	nfs_raw_session(t, t->conn, &identity);
}

static FIBER_FN void test_in_session(struct nfs_test *t)
{
	struct nfs_identity identity = nfs_test_identity(t);
	EXCHANGE_ID4args args = { 0 };
	uint32_t at;

	args.eia_clientowner.co_ownerid.co_ownerid_len = identity.owner_len;
	args.eia_clientowner.co_ownerid.co_ownerid_val = identity.owner;
	at = nfs_op_exchange_id(&t->c, &args);
	nfs_op_putrootfh(&t->c);
	NFS_SEND(t, &t->c, NFS4_OK);
	NFS_OP_IS(t, &t->c, at, NFS4_OK);
}

static FIBER_FN void test_not_alone(struct nfs_test *t)
{
	EXCHANGE_ID4args args = nfs_client_exchange_args(t->client);

	nfs_client_begin(t->client, &t->c);
	nfs_op_exchange_id(&t->c, &args);
	nfs_op_putrootfh(&t->c);
	NFS_SEND_OVER(t, t->conn, &t->c, NFS4ERR_NOT_ONLY_OP);
}

static FIBER_FN void test_unconfirmed_expires(struct nfs_test *t)
{
	struct nfs_identity identity = nfs_test_identity(t);
	struct nfs_raw_id id = nfs_raw_exchange(t, t->conn, &identity, NFS4_OK);
	CREATE_SESSION4args args = nfs_raw_create_args(&id);

	if (t->is_external)
		nfs_test_skip(t, "it may keep it longer");
	fiber_sleep_ns(60 * NSEC_PER_SEC);
	nfs_raw_create(t, t->conn, NULL, &args, NFS4ERR_STALE_CLIENTID);
}

static FIBER_FN void test_ids_are_new_after_crash(struct nfs_test *t)
{
	struct nfs_identity identity = nfs_test_identity(t);
	struct nfs_raw_id before = nfs_raw_exchange(t, t->conn, &identity, NFS4_OK), after;
	CREATE_SESSION4args args = nfs_raw_create_args(&before);

	nfs_raw_crash(t, t->conn);
	after = nfs_raw_exchange(t, t->conn, &identity, NFS4_OK);
	NFS_CHECK(t, before.clientid != after.clientid);
	nfs_raw_create(t, t->conn, NULL, &args, NFS4ERR_STALE_CLIENTID);
}

static FIBER_FN void test_confirmed_after_crash(struct nfs_test *t)
{
	struct nfs_raw_id id;

	nfs_raw_crash(t, t->conn);
	id = nfs_raw_exchange(t, t->conn, &t->client->identity, NFS4_OK);
	NFS_CHECK_EQ(t, id.clientid, t->client->clientid);
	NFS_CHECK_EQ(t, id.sequenceid, t->client->sequenceid);
	NFS_CHECK(t, (id.flags & EXCHGID4_FLAG_CONFIRMED_R) != 0);
}

static FIBER_FN void test_collision_after_crash(struct nfs_test *t)
{
	struct nfs_identity other = by_other_user(&t->client->identity);

	nfs_raw_crash(t, t->conn);
	nfs_raw_exchange(t, t->conn, &other, NFS4ERR_CLID_INUSE);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST_BARE(test_new_owner, "RFC 8881, 18.35.4, case 1"),
	NFS_TEST(test_confirmed_again, "RFC 8881, 18.35.4, case 2"),
	NFS_TEST_DIFFERS(test_collision_in_use, "RFC 8881, 18.35.4, case 3",
			 "it does not tell users of AUTH_SYS apart here"),
	NFS_TEST_DIFFERS(test_collision_in_use_restarted, "RFC 8881, 18.35.4, case 3",
			 "it does not tell users of AUTH_SYS apart here"),
	NFS_TEST_DIFFERS(test_collision_auth_none, "RFC 8881, 18.35.4, case 3",
			 "it does not tell users of AUTH_SYS apart here"),
	NFS_TEST(test_collision_without_state, "RFC 8881, 18.35.4, case 3"),
	NFS_TEST(test_collision_after_lease, "RFC 8881, 18.35.4, case 3"),
	NFS_TEST_BARE(test_unconfirmed_replaced, "RFC 8881, 18.35.4, case 4"),
	NFS_TEST_BARE(test_unconfirmed_again, "RFC 8881, 18.35.4, case 4"),
	NFS_TEST_BARE(test_unconfirmed_by_other_user, "RFC 8881, 18.35.4, case 4"),
	NFS_TEST(test_restart_keeps_until_confirmed, "RFC 8881, 18.35.4, case 5"),
	NFS_TEST(test_restart_releases_state, "RFC 8881, 18.35.4, case 5"),
	NFS_TEST(test_restart_old_id_is_stale, "RFC 8881, 18.35.4, case 5"),
	NFS_TEST(test_restart_twice, "RFC 8881, 18.35.4, cases 4 and 5"),
	NFS_TEST(test_update, "RFC 8881, 18.35.4, case 6"),
	NFS_TEST_BARE(test_update_unknown, "RFC 8881, 18.35.4, case 7"),
	NFS_TEST_BARE(test_update_unconfirmed, "RFC 8881, 18.35.4, case 7"),
	NFS_TEST(test_update_other_verifier, "RFC 8881, 18.35.4, case 8"),
	NFS_TEST(test_update_other_user, "RFC 8881, 18.35.4, case 9"),
	NFS_TEST(test_flags_unknown, "RFC 8881, 18.35.3"),
	NFS_TEST(test_flags_confirmed, "RFC 8881, 18.35.3"),
	NFS_TEST(test_flags_all_of_clients, "RFC 8881, 18.35.3"),
	NFS_TEST(test_implementation, "RFC 8881, 18.35.3"),
	NFS_TEST(test_implementation_none, "RFC 8881, 18.35.3"),
	NFS_TEST_DIFFERS(test_state_protection_ssv, "RFC 8881, 18.35.3",
			 "it takes state protection for asked and does without"),
	NFS_TEST_DIFFERS(test_state_protection_machine, "RFC 8881, 18.35.3",
			 "it takes state protection for asked and does without"),
	NFS_TEST(test_owner_of_server, "RFC 8881, 2.10.5"),
	NFS_TEST(test_owner_longest, "RFC 8881, 18.35.1"),
	NFS_TEST_DIFFERS(test_owner_too_long, "RFC 8881, 18.35.1",
			 "what cannot be decoded is GARBAGE_ARGS of RPC there"),
	NFS_TEST(test_owner_empty, "RFC 8881, 18.35.1"),
	NFS_TEST(test_in_session, "RFC 8881, 18.35.3"),
	NFS_TEST(test_not_alone, "RFC 8881, 18.35.3"),
	NFS_TEST(test_unconfirmed_expires, "RFC 8881, 18.35.4"),
	NFS_TEST(test_ids_are_new_after_crash, "RFC 8881, 18.35.4, 8.4.2"),
	NFS_TEST(test_confirmed_after_crash, "RFC 8881, 18.35.4, case 2"),
	NFS_TEST(test_collision_after_crash, "RFC 8881, 18.35.4, case 3"),
};

NFS_TEST_MAIN(cases)
