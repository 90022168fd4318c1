/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_WHY_LIST_H
#define LAMINA_MDS_WHY_LIST_H

/* What is wrong with a text that somebody wrote: all of it, each with its place.  Large: not for a fiber's stack. */

#include "dev/base.h"

#define WHY_LIST_MAX 64

struct why_at {
	char file[256];	   /* cut if longer */
	unsigned int line; /* from 1; 0: the file as a whole */
	char text[512];	   /* what is wrong and what to do, no full stop */
};

struct why_list {
	unsigned int nr;   /* in items */
	unsigned int more; /* found but not kept, for want of room */
	struct why_at items[WHY_LIST_MAX];
};

void why_list_init(struct why_list *list);
/* @file NULL: none is to blame. */
void why_list_add(struct why_list *list, const char *file, unsigned int line, const char *fmt, ...) PRINTF_FMT(4, 5);
/* By file, in order of appearance, and line. */
void why_list_sort(struct why_list *list);

#endif
