/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_SERVE_SOURCE_H
#define LAMINA_TOOLS_SERVE_SOURCE_H

/* What `lamina serve` knows of its devices for layouts: layout/device.h. */

#include "extent/format.h"
#include "layout/device.h"

struct serve;
struct serve_source;

struct serve_sources {
	struct layout_source v[VOLUME_DEVICES_MAX];
	struct serve_source *own; /* VOLUME_DEVICES_MAX */
	unsigned int nr;
};

/* For all of s->devs, before the volume is mounted.  -ENOMEM. */
FIBER_FN int sources_open(struct serve *s) MUST_CHECK;
/* For s->devs[@index], which is to be the next one: it counts only when nr is raised. */
FIBER_FN void source_open_next(struct serve *s, unsigned int index);
void source_close(struct serve *s, unsigned int index);
/* After the server has stopped. Harmless without sources_open(). */
void sources_close(struct serve *s);

#endif
