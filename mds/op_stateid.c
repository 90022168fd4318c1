/* SPDX-License-Identifier: Apache-2.0 */

/* TEST_STATEID and FREE_STATEID (RFC 8881, 18.48 and 18.38). */

#include "dev/log.h"
#include "mds/client.h"
#include "mds/layout_recall.h"
#include "mds/op_drop.h"
#include "mds/ops.h"

FIBER_FN nfsstat4 op_test_stateid(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const TEST_STATEID4args *args = &arg->nfs_argop4_u.optest_stateid;
	TEST_STATEID4resok *ok = &res->nfs_resop4_u.optest_stateid.TEST_STATEID4res_u.tsr_resok4;
	unsigned int nr = args->ts_stateids.ts_stateids_len;
	nfsstat4 *codes;

	codes = wire_arena_alloc(&c->arena, nr * sizeof(*codes));
	if (!codes && nr > 0)
		return NFS4ERR_DELAY;
	for (unsigned int i = 0; i < nr; i++) {
		struct state *state;

		codes[i] = state_find(c, &args->ts_stateids.ts_stateids_val[i], STATE_ANY, &state);
	}
	ok->tsr_status_codes.tsr_status_codes_len = nr;
	ok->tsr_status_codes.tsr_status_codes_val = codes;
	return NFS4_OK;
}

/* May @state go?  A lock stateid that has locks, and every open, delegation and layout, is in use (18.38.3). */
static nfsstat4 op_free_check(const struct state *state)
{
	if (state->kind == STATE_OPEN || state->kind == STATE_DELEG || state->kind == STATE_LAYOUT)
		return state->revoked ? NFS4_OK : NFS4ERR_LOCKS_HELD;
	if (state->kind == STATE_LOCK)
		return list_is_empty(&container_of(state, struct lock_holder, state)->locks) ? NFS4_OK
											     : NFS4ERR_LOCKS_HELD;
	return NFS4ERR_BAD_STATEID;
}

static int op_free_body(struct txn *txn, void *arg)
{
	struct op_drop *w = arg;
	struct state *state;
	bool fits;

	drop_init(&w->drop, w->c->mds, NFS4_OK);
	w->status = state_find_any(w->c, w->stateid, STATE_ANY, &state);
	if (!w->status)
		w->status = op_free_check(state);
	if (w->status)
		return OP_DROP_STATUS;
	if (state->kind == STATE_OPEN)
		fits = drop_open(&w->drop, container_of(state, struct open, state));
	else if (state->kind == STATE_DELEG)
		fits = drop_deleg(&w->drop, container_of(state, struct deleg, state));
	else if (state->kind == STATE_LAYOUT)
		fits = drop_layout(&w->drop, container_of(state, struct layout, state));
	else
		fits = drop_holder(&w->drop, container_of(state, struct lock_holder, state));
	assert(fits);
	return drop_write(txn, &w->drop);
}

/* The key of the host, if it is a layout's; else 0. */
static uint64_t op_free_key(const struct compound *c, const struct stateid4 *arg)
{
	struct stateid4 stateid;
	struct state *state;

	if (compound_stateid(c, arg, &stateid) || state_find_any(c, &stateid, STATE_LAYOUT, &state))
		return 0;
	return container_of(state, struct layout, state)->key;
}

FIBER_FN nfsstat4 op_free_stateid(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct stateid4 *stateid = &arg->nfs_argop4_u.opfree_stateid.fsa_stateid;
	uint64_t key = op_free_key(c, stateid);
	nfsstat4 status;

	status = op_drop_run(c, stateid, "free stateid", op_free_body);
	/* A host that knows all it has lost may have layouts again; if not yet, then when it asks for one. */
	if (!status && key && c->client->nr_layouts_revoked == 0 && !layout_lift(c->mds, key))
		log_debug("client %lx knows what it lost; its host is still fenced", (unsigned long)c->client->id);
	return status;
}
