/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_PROTOCOL_DOC_H
#define LAMINA_TESTS_LIB_PROTOCOL_DOC_H

/* docs/protocol.md as a text, to compare the code with; the caller frees it. */
char *protocol_doc_read(void);

#endif
