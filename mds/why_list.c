/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: never fails; what does not fit is counted. */

#include "mds/why_list.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void why_list_init(struct why_list *list)
{
	list->nr = 0;
	list->more = 0;
}

void why_list_add(struct why_list *list, const char *file, unsigned int line, const char *fmt, ...)
{
	struct why_at *at;
	va_list args;

	if (list->nr == WHY_LIST_MAX) {
		list->more++;
		return;
	}
	at = &list->items[list->nr++];
	snprintf(at->file, sizeof(at->file), "%s", file ? file : "");
	at->line = line;
	va_start(args, fmt);
	vsnprintf(at->text, sizeof(at->text), fmt, args);
	va_end(args);
}

/* Number of the item that first names the same file. */
static unsigned int file_rank(const struct why_list *list, unsigned int i)
{
	unsigned int rank = 0;

	while (strcmp(list->items[rank].file, list->items[i].file) != 0)
		rank++;
	return rank;
}

void why_list_sort(struct why_list *list)
{
	unsigned int rank[WHY_LIST_MAX];

	for (unsigned int i = 0; i < list->nr; i++)
		rank[i] = file_rank(list, i);
	/* By insertion: what is equal keeps its order, and the list is short. */
	for (unsigned int i = 1; i < list->nr; i++) {
		struct why_at at = list->items[i];
		unsigned int own = rank[i], j = i;

		while (j > 0 && (rank[j - 1] > own || (rank[j - 1] == own && list->items[j - 1].line > at.line)))
			j--;
		memmove(&list->items[j + 1], &list->items[j], (i - j) * sizeof(at));
		memmove(&rank[j + 1], &rank[j], (i - j) * sizeof(own));
		list->items[j] = at;
		rank[j] = own;
	}
}
