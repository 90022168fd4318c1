/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: that of nfs_op.c, for the operations of NFSv4.2 and for extended attributes. */

#include "tools/nfs_op.h"

#include <string.h>

static component4 named(const char *name)
{
	return (component4){ (uint32_t)strlen(name), (char *)(uintptr_t)name };
}

uint32_t nfs_op_allocate(struct nfs_compound *c, const stateid4 *stateid, uint64_t offset, uint64_t length)
{
	struct nfs_argop4 arg = { .argop = OP_ALLOCATE };

	arg.nfs_argop4_u.opallocate = (ALLOCATE4args){ *stateid, offset, length };
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_deallocate(struct nfs_compound *c, const stateid4 *stateid, uint64_t offset, uint64_t length)
{
	struct nfs_argop4 arg = { .argop = OP_DEALLOCATE };

	arg.nfs_argop4_u.opdeallocate = (DEALLOCATE4args){ *stateid, offset, length };
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_seek(struct nfs_compound *c, const stateid4 *stateid, uint64_t offset, data_content4 what)
{
	struct nfs_argop4 arg = { .argop = OP_SEEK };

	arg.nfs_argop4_u.opseek = (SEEK4args){ *stateid, offset, what };
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_read_plus(struct nfs_compound *c, const stateid4 *stateid, uint64_t offset, uint32_t count)
{
	struct nfs_argop4 arg = { .argop = OP_READ_PLUS };

	arg.nfs_argop4_u.opread_plus = (READ_PLUS4args){ *stateid, offset, count };
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_clone(struct nfs_compound *c, const struct nfs_copy *copy)
{
	struct nfs_argop4 arg = { .argop = OP_CLONE };

	arg.nfs_argop4_u.opclone =
		(CLONE4args){ copy->src, copy->dst, copy->src_offset, copy->dst_offset, copy->count };
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_copy(struct nfs_compound *c, const struct nfs_copy *copy)
{
	struct nfs_argop4 arg = { .argop = OP_COPY };

	arg.nfs_argop4_u.opcopy = (COPY4args){ .ca_src_stateid = copy->src,
					       .ca_dst_stateid = copy->dst,
					       .ca_src_offset = copy->src_offset,
					       .ca_dst_offset = copy->dst_offset,
					       .ca_count = copy->count,
					       .ca_consecutive = TRUE,
					       .ca_synchronous = copy->synchronous };
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_offload_status(struct nfs_compound *c, const stateid4 *stateid)
{
	struct nfs_argop4 arg = { .argop = OP_OFFLOAD_STATUS };

	arg.nfs_argop4_u.opoffload_status.osa_stateid = *stateid;
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_offload_cancel(struct nfs_compound *c, const stateid4 *stateid)
{
	struct nfs_argop4 arg = { .argop = OP_OFFLOAD_CANCEL };

	arg.nfs_argop4_u.opoffload_cancel.oca_stateid = *stateid;
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_getxattr(struct nfs_compound *c, const char *name)
{
	struct nfs_argop4 arg = { .argop = OP_GETXATTR };

	arg.nfs_argop4_u.opgetxattr.gxa_name = named(name);
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_setxattr(struct nfs_compound *c, setxattr_option4 option, const char *name, const void *value,
			 uint32_t len)
{
	struct nfs_argop4 arg = { .argop = OP_SETXATTR };

	arg.nfs_argop4_u.opsetxattr =
		(SETXATTR4args){ option, named(name), (xattrvalue4){ len, (char *)(uintptr_t)value } };
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_listxattrs(struct nfs_compound *c, uint64_t cookie, uint32_t maxcount)
{
	struct nfs_argop4 arg = { .argop = OP_LISTXATTRS };

	arg.nfs_argop4_u.oplistxattrs = (LISTXATTRS4args){ cookie, maxcount };
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_removexattr(struct nfs_compound *c, const char *name)
{
	struct nfs_argop4 arg = { .argop = OP_REMOVEXATTR };

	arg.nfs_argop4_u.opremovexattr.rxa_name = named(name);
	return nfs_compound_add(c, &arg);
}
