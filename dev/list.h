/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_LIST_H
#define LAMINA_DEV_LIST_H

/*
 * An intrusive doubly linked list: a head is a node that is not inside an element.  A removed node points to
 * itself, so list_is_empty(&element->node) says whether the element is on any list, and removing twice is harmless.
 */

#include "dev/base.h"

struct list {
	struct list *next;
	struct list *prev;
};

#define list_entry(ptr, type, member)	     container_of(ptr, type, member)
#define list_first_entry(head, type, member) list_entry((head)->next, type, member)
#define list_last_entry(head, type, member)  list_entry((head)->prev, type, member)
#define list_for_each(pos, head)	     for (struct list *pos = (head)->next; pos != (head); pos = pos->next)
/* The element at @pos may be removed in the loop's body. */
#define list_for_each_safe(pos, head)                                                                                \
	for (struct list *pos = (head)->next, *pos##_next = pos->next; pos != (head);                                \
	     pos = pos##_next, pos##_next = pos->next)

static inline void list_init(struct list *node)
{
	node->next = node;
	node->prev = node;
}

static inline bool list_is_empty(const struct list *head)
{
	return head->next == head;
}

static inline void list_add_after(struct list *node, struct list *where)
{
	node->prev = where;
	node->next = where->next;
	where->next->prev = node;
	where->next = node;
}

static inline void list_add_head(struct list *node, struct list *head)
{
	list_add_after(node, head);
}

static inline void list_add_tail(struct list *node, struct list *head)
{
	list_add_after(node, head->prev);
}

static inline void list_del(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

static inline void list_move_tail(struct list *node, struct list *head)
{
	list_del(node);
	list_add_tail(node, head);
}

/* Append all of @from to @to; @from is empty afterwards. */
static inline void list_splice_tail(struct list *from, struct list *to)
{
	if (list_is_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

/* @pos, a pointer, walks over the structs that have their node @member in @head; none may be removed meanwhile. */
#define list_for_each_entry(pos, head, member)                                                                       \
	for ((pos) = container_of((head)->next, __typeof__(*(pos)), member); &(pos)->member != (head);               \
	     (pos) = container_of((pos)->member.next, __typeof__(*(pos)), member))

#endif
