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
	struct serve_source *own;
	unsigned int nr;
};

/* For all of s->devs, before the volume is mounted.  -ENOMEM. */
FIBER_FN int sources_open(struct serve *s) MUST_CHECK;
/* After the server has stopped. Harmless without sources_open(). */
void sources_close(struct serve *s);

#endif
