/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_DEMO_LAYOUTS_H
#define LAMINA_TOOLS_DEMO_LAYOUTS_H

/* lamina demo layouts. */

#include "tools/demo_nfs.h"

/* @seed of the torture; 0: chosen.  What went wrong has been said. */
int demo_layouts_run(const struct demo_nfs_options *opt, uint64_t seed) MUST_CHECK;

#endif
