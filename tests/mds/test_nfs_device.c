/* SPDX-License-Identifier: Apache-2.0 */
/* Who is told nothing of devices: a client that no export lets have layouts.  With a key it could write to them. */

#include "tests/lib/nfs_test_start.h"
#include "tools/nfs_op_layout.h"

static FIBER_FN void test_no_key_without_layouts(struct nfs_test *t)
{
	const char id[NFS4_DEVICEID4_SIZE] = "no matter which";

	nfs_session_begin(t->session, &t->c);
	nfs_op_getdeviceinfo(&t->c, LAYOUT4_SCSI, id, 4096, (struct bitmap4){ 0 });
	NFS_SEND(t, &t->c, NFS4ERR_UNKNOWN_LAYOUTTYPE);
	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &t->dir);
	nfs_op_getdevicelist(&t->c, LAYOUT4_SCSI);
	NFS_SEND(t, &t->c, NFS4ERR_UNKNOWN_LAYOUTTYPE);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_no_key_without_layouts, "RFC 8881, 18.40.3"),
};

int main(int argc, char **argv)
{
	nfs_test_has_reservations = true;
	/* Others get layouts, so the server offers them; the tests' host, 10.0.0.2, does not. */
	nfs_test_exports = "exports = ( { path = \"/\"; pseudo = \"/\"; id = 1; clients = (\n"
			   "  { hosts = [ \"10.0.0.2\" ]; squash = \"none\"; layouts = [ ]; },\n"
			   "  { hosts = [ \"*\" ]; layouts = [ \"scsi\" ]; } ); } );\n";
	return nfs_test_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
