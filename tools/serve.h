/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_SERVE_H
#define LAMINA_TOOLS_SERVE_H

/* `lamina serve` at work: from the configuration to the end of the process. */

#include "dev/base.h"

struct config;

/*
 * Open @cfg's devices, mount the volume, serve it until SIGTERM or SIGINT, unmount.  What happens is in the log.
 * @discard_state: see mds/server.h.  An exit code (tools/cmd.h).  Changes the process's signals and limits for good.
 */
int serve_run(const struct config *cfg, bool discard_state) MUST_CHECK;

#endif
