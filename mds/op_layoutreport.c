/* SPDX-License-Identifier: Apache-2.0 */

/*
 * LAYOUTERROR and LAYOUTSTATS (RFC 7862, 15.6, 15.7): what a client tells of its own I/O.  Errors are logged,
 * counted, and shown with the client for a while, for who looks after the devices; nothing else follows from either.
 */

#include "dev/log.h"
#include "mds/client.h"
#include "mds/detour.h"
#include "mds/op_layout.h"
#include "mds/ops.h"

#define REPORT_LOG_MAX 4u /* errors of one report that are logged */

static nfsstat4 report_check(struct compound *c, const struct stateid4 *arg, struct layout **ret_layout)
{
	struct stateid4 stateid;
	nfsstat4 status = compound_stateid(c, arg, &stateid);

	return status ? status : layout_find(c, &stateid, ret_layout);
}

FIBER_FN nfsstat4 op_layouterror(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct LAYOUTERROR4args *args = &arg->nfs_argop4_u.oplayouterror;
	struct layout *layout = NULL;
	nfsstat4 status = report_check(c, &args->lea_stateid, &layout);

	if (status)
		return status;
	for (u_int i = 0; i < args->lea_errors.lea_errors_len && i < REPORT_LOG_MAX; i++) {
		const device_error4 *error = &args->lea_errors.lea_errors_val[i];

		log_warn("client %lx (%s) reports error %u of operation %u on a device, file %llu, from byte %llu",
			 (unsigned long)c->client->id, c->client->peer, (unsigned int)error->de_status,
			 (unsigned int)error->de_opnum, (unsigned long long)layout->ino,
			 (unsigned long long)args->lea_offset);
	}
	c->mds->layouts->counts.errors += args->lea_errors.lea_errors_len;
	if (args->lea_errors.lea_errors_len > 0)
		detour_error(c->mds, c->client);
	return NFS4_OK;
}

FIBER_FN nfsstat4 op_layoutstats(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	struct layout *layout;

	return report_check(c, &arg->nfs_argop4_u.oplayoutstats.lsa_stateid, &layout);
}
