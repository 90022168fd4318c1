/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: the same identity says the same, whenever and over whatever it is sent. */

#include "tools/nfs_client.h"

#include <stdio.h>
#include <string.h>

#include "dev/reactor.h"
#include "tools/nfs_op.h"

struct nfs_identity nfs_identity_random(struct reactor *r)
{
	struct nfs_identity identity = { .has_impl = true,
					 .impl_domain = "lamina.invalid",
					 .impl_name = "lamina client " LAMINA_VERSION,
					 .minorversion = 1 };
	uint64_t verifier = reactor_random(r);
	char owner[64];

	snprintf(owner, sizeof(owner), "lamina %016llx", (unsigned long long)reactor_random(r));
	nfs_identity_set_owner(&identity, owner);
	memcpy(identity.verifier, &verifier, sizeof(identity.verifier));
	return identity;
}

void nfs_identity_set_owner(struct nfs_identity *identity, const char *owner)
{
	identity->owner_len = (uint32_t)min_u64(strlen(owner), sizeof(identity->owner));
	memcpy(identity->owner, owner, identity->owner_len);
}

void nfs_client_init(struct nfs_client *client, struct reactor *r, const struct nfs_identity *identity)
{
	*client =
		(struct nfs_client){ .reactor = r, .identity = *identity, .timeout_ns = NFS_CONN_TIMEOUT_DEFAULT_NS };
	nfs_callback_init(&client->callback, r);
}

void nfs_client_release(struct nfs_client *client)
{
	nfs_callback_release(&client->callback);
}

FIBER_FN int nfs_client_connect(struct nfs_client *client, struct net *net, const struct sock_addr *addr,
				struct nfs_conn **ret_conn)
{
	struct nfs_conn_options opt = { .server = nfs_callback_server(&client->callback) };

	return nfs_conn_open(net, addr, &opt, ret_conn);
}

void nfs_client_begin(const struct nfs_client *client, struct nfs_compound *c)
{
	nfs_compound_begin(c);
	c->minorversion = client->identity.minorversion;
	c->cred = client->identity.cred;
	c->timeout_ns = client->timeout_ns;
}

EXCHANGE_ID4args nfs_client_exchange_args(struct nfs_client *client)
{
	struct nfs_identity *identity = &client->identity;
	EXCHANGE_ID4args args = { .eia_flags = identity->flags, .eia_state_protect = { .spa_how = SP4_NONE } };

	memcpy(args.eia_clientowner.co_verifier, identity->verifier, sizeof(identity->verifier));
	args.eia_clientowner.co_ownerid.co_ownerid_len = identity->owner_len;
	args.eia_clientowner.co_ownerid.co_ownerid_val = identity->owner;
	return args;
}

static utf8string string(const char *text)
{
	return (utf8string){ text ? (uint32_t)strlen(text) : 0, (char *)(uintptr_t)text };
}

static void client_take(struct nfs_client *client, const EXCHANGE_ID4resok *ok)
{
	const server_owner4 *owner = &ok->eir_server_owner;
	uint32_t len;

	client->clientid = ok->eir_clientid;
	client->sequenceid = ok->eir_sequenceid;
	client->flags = ok->eir_flags;
	client->server_minor = owner->so_minor_id;
	client->server_major_len = owner->so_major_id.so_major_id_len;
	memcpy(client->server_major, owner->so_major_id.so_major_id_val, client->server_major_len);
	client->server_scope_len = ok->eir_server_scope.eir_server_scope_len;
	memcpy(client->server_scope, ok->eir_server_scope.eir_server_scope_val, client->server_scope_len);
	client->server_name[0] = 0;
	if (ok->eir_server_impl_id.eir_server_impl_id_len == 0)
		return;
	len = ok->eir_server_impl_id.eir_server_impl_id_val[0].nii_name.utf8string_len;
	len = (uint32_t)min_u64(len, sizeof(client->server_name) - 1);
	memcpy(client->server_name, ok->eir_server_impl_id.eir_server_impl_id_val[0].nii_name.utf8string_val, len);
	client->server_name[len] = 0;
}

static FIBER_FN int client_exchange(struct nfs_client *client, struct nfs_conn *conn, struct nfs_compound *c)
{
	EXCHANGE_ID4args args = nfs_client_exchange_args(client);
	const struct nfs_resop4 *res;
	struct nfs_impl_id4 impl;
	int err;

	if (client->identity.has_impl) {
		impl = (struct nfs_impl_id4){ string(client->identity.impl_domain),
					      string(client->identity.impl_name), client->identity.impl_date };
		args.eia_client_impl_id.eia_client_impl_id_len = 1;
		args.eia_client_impl_id.eia_client_impl_id_val = &impl;
	}
	nfs_client_begin(client, c);
	nfs_op_exchange_id(c, &args);
	err = nfs_compound_send(c, conn);
	if (err || c->status != NFS4_OK)
		return err ? err : (int)c->status;
	res = nfs_compound_result(c, 0, OP_EXCHANGE_ID);
	if (!res)
		return -EPROTO;
	client_take(client, &res->nfs_resop4_u.opexchange_id.EXCHANGE_ID4res_u.eir_resok4);
	return 0;
}

FIBER_FN int nfs_client_exchange_id(struct nfs_client *client, struct nfs_conn *conn)
{
	struct nfs_compound c;
	int err;

	nfs_compound_init(&c);
	err = client_exchange(client, conn, &c);
	nfs_compound_release(&c);
	return err;
}

FIBER_FN int nfs_client_destroy(struct nfs_client *client, struct nfs_conn *conn)
{
	struct nfs_compound c;
	int err;

	nfs_compound_init(&c);
	nfs_client_begin(client, &c);
	nfs_op_destroy_clientid(&c, client->clientid);
	err = nfs_compound_send(&c, conn);
	if (!err)
		err = (int)c.status;
	nfs_compound_release(&c);
	return err;
}
