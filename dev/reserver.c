/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is the same for all reservations: keys that are none never reach a device, and the view of what a device
 * says.
 */
#include "dev/reserver.h"

#include <stdlib.h>

#include "dev/reserver_int.h"

FIBER_FN int reserver_register(struct reserver *res, uint64_t key)
{
	return key ? res->ops->enlist(res, key) : -EINVAL;
}

FIBER_FN int reserver_unregister(struct reserver *res, uint64_t key)
{
	return key ? res->ops->resign(res, key) : -EINVAL;
}

bool reservation_type_is_known(unsigned int type)
{
	return type == RESERVATION_WRITE_EXCLUSIVE || type == RESERVATION_EXCLUSIVE_ACCESS ||
	       (type >= RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY &&
		type <= RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS);
}

bool reservation_of_all_registrants(unsigned int type)
{
	return type == RESERVATION_WRITE_EXCLUSIVE_ALL_REGISTRANTS ||
	       type == RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS;
}

bool reservation_excludes_reads(unsigned int type)
{
	return type == RESERVATION_EXCLUSIVE_ACCESS || type == RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY ||
	       type == RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS;
}

FIBER_FN int reserver_reserve(struct reserver *res, uint64_t key, enum reservation_type type)
{
	return key && reservation_type_is_known(type) ? res->ops->reserve(res, key, type) : -EINVAL;
}

FIBER_FN int reserver_release(struct reserver *res, uint64_t key, enum reservation_type type)
{
	return key && reservation_type_is_known(type) ? res->ops->release(res, key, type) : -EINVAL;
}

FIBER_FN int reserver_preempt(struct reserver *res, uint64_t key, uint64_t victim, enum reservation_type type,
			      bool abort)
{
	if (!key || !victim || !reservation_type_is_known(type))
		return -EINVAL;
	return res->ops->preempt(res, key, victim, type, abort);
}

FIBER_FN int reserver_preempt_keyless(struct reserver *res, uint64_t key, enum reservation_type type, bool abort)
{
	return key && reservation_type_is_known(type) ? res->ops->preempt(res, key, 0, type, abort) : -EINVAL;
}

FIBER_FN int reserver_read(struct reserver *res, struct reserver_view *ret_view)
{
	return res->ops->view(res, ret_view);
}

void reserver_view_release(struct reserver_view *view)
{
	free(view->keys);
	*view = (struct reserver_view){ 0 };
}

bool reserver_view_has(const struct reserver_view *view, uint64_t key)
{
	for (unsigned int i = 0; i < view->nr_keys; i++)
		if (view->keys[i].key == key)
			return true;
	return false;
}

void reserver_close(struct reserver *res)
{
	if (res)
		res->ops->shut(res);
}
