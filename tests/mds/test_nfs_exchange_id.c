/* SPDX-License-Identifier: Apache-2.0 */
/* Who may take the place of a client, and what EXCHANGE_ID and CREATE_SESSION refuse. */

#include "tests/lib/nfs_test.h"

/* A flag that 4.1 does not define; 4.2 does (RFC 7862, 14.1), but nothing here acts on it. */
FIBER_FN static void test_flag_for_fencing_is_refused(struct nfs_test *t)
{
	struct nfs_test_client *tc = nfs_test_client_bare(t, NULL);
	EXCHANGE_ID4args args;

	tc->client.identity.flags = EXCHGID4_FLAG_SUPP_FENCE_OPS;
	args = nfs_client_exchange_args(&tc->client);
	nfs_client_begin(&tc->client, &t->c);
	nfs_op_exchange_id(&t->c, &args);
	NFS_SEND_OVER(t, tc->conn, &t->c, NFS4ERR_INVAL);
}

/* Another user with the same owner: what holds nothing has to go, at once. */
FIBER_FN static void test_idle_client_of_another_user_goes(struct nfs_test *t)
{
	struct nfs_identity identity = nfs_test_identity(t);
	struct nfs_test_client *one, *two;

	one = nfs_test_client(t, &identity);
	NFS_IS(t, nfs_session_close(one->session), 0);
	one->session = NULL;
	identity.cred.uid = 1111;
	identity.verifier[0] ^= 1;
	two = nfs_test_client_bare(t, &identity);
	NFS_IS(t, nfs_client_exchange_id(&two->client, two->conn), 0);
	NFS_CHECK(t, two->client.clientid != one->client.clientid);
	NFS_IS(t, nfs_client_destroy(&one->client, one->conn), NFS4ERR_STALE_CLIENTID);
	NFS_IS(t, nfs_client_destroy(&two->client, two->conn), 0);
}

FIBER_FN static void test_client_with_session_stays(struct nfs_test *t)
{
	struct nfs_identity identity = nfs_test_identity(t);
	struct nfs_test_client *one = nfs_test_client(t, &identity), *two;

	identity.cred.uid = 1111;
	two = nfs_test_client_bare(t, &identity);
	nfs_test_differs(t, "a session alone may count as nothing held");
	NFS_IS(t, nfs_client_exchange_id(&two->client, two->conn), NFS4ERR_CLID_INUSE);
	NFS_IS(t, nfs_session_ping(one->session), 0);
}

/* A back channel may be bound later, so it is looked at without CREATE_SESSION4_FLAG_CONN_BACK_CHAN too. */
FIBER_FN static void test_useless_back_channel_is_too_small(struct nfs_test *t)
{
	struct nfs_test_client *tc = nfs_test_client_bare(t, NULL);
	struct nfs_session_options opt = { .has_no_back_channel = true };
	CREATE_SESSION4args args;

	NFS_IS(t, nfs_client_exchange_id(&tc->client, tc->conn), 0);
	args = nfs_session_create_args(&tc->client, &opt);
	args.csa_back_chan_attrs.ca_maxrequestsize = 10;
	args.csa_back_chan_attrs.ca_maxoperations = 1;
	args.csa_back_chan_attrs.ca_maxrequests = 8;
	nfs_client_begin(&tc->client, &t->c);
	nfs_op_create_session(&t->c, &args);
	NFS_SEND_OVER(t, tc->conn, &t->c, NFS4ERR_TOOSMALL);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_flag_for_fencing_is_refused, "RFC 8881, 18.35.3"),
	NFS_TEST(test_idle_client_of_another_user_goes, "RFC 8881, 18.35.4"),
	NFS_TEST_DIFFERS(test_client_with_session_stays, "RFC 8881, 18.35.4",
			 "a session alone may count as nothing held"),
	NFS_TEST(test_useless_back_channel_is_too_small, "RFC 8881, 18.36.3"),
};

NFS_TEST_MAIN(cases)
