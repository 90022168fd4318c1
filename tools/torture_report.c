/* SPDX-License-Identifier: Apache-2.0 */

/* What the torture tester says at its end, and what it is told to do. */

#include <inttypes.h>
#include <json.h>
#include <stdio.h>
#include <string.h>

#include "tools/torture_tcp.h"

struct line {
	const char *key; /* of JSON */
	const char *text;
	size_t offset;
	bool is_bad; /* anything but 0 is */
};

#define LINE(key, text, field, bad)                                                                                  \
	{                                                                                                            \
		key, text, offsetof(struct torture_report, field), bad                                               \
	}

static const struct line lines[] = {
	LINE("steps", "steps", steps, false),
	LINE("writes", "writes", writes, false),
	LINE("reads", "reads", reads, false),
	LINE("bytes_written", "bytes written", bytes_written, false),
	LINE("bytes_read", "bytes read", bytes_read, false),
	LINE("direct_writes", "writes straight to a device", pnfs.direct_writes, false),
	LINE("direct_reads", "reads straight from a device", pnfs.direct_reads, false),
	LINE("server_writes", "writes that went through the server instead", pnfs.server_writes, false),
	LINE("server_reads", "reads that went through the server instead", pnfs.server_reads, false),
	LINE("layoutgets", "LAYOUTGETs", pnfs.gets, false),
	LINE("layoutcommits", "LAYOUTCOMMITs", pnfs.commits, false),
	LINE("layoutreturns", "LAYOUTRETURNs", pnfs.returns, false),
	LINE("recalls", "layouts recalled", pnfs.recalls, false),
	LINE("reconnects", "connections made again", reconnects, false),
	LINE("losses", "times that a host began anew", losses, false),
	LINE("misbehaved", "times that a host misbehaved", misbehaved, false),
	LINE("late_refused", "late writes that a device refused", late_refused, false),
	LINE("files", "files read back", files, false),
	LINE("blocks", "blocks of them", blocks, false),
	LINE("lost", "lost", lost, true),
	LINE("stale", "stale", stale, true),
	LINE("misplaced", "misplaced", misplaced, true),
	LINE("torn", "torn", torn, true),
	LINE("late", "late writes that came through", late, true),
	LINE("fence", "healthy hosts fenced", fence, true),
	LINE("io", "errors that nothing explains", io, true),
};

static uint64_t value_of(const struct torture_report *report, const struct line *line)
{
	uint64_t value;

	memcpy(&value, (const char *)report + line->offset, sizeof(value));
	return value;
}

void torture_report_print(const struct torture_report *report)
{
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		if (i > 0 && lines[i].is_bad && !lines[i - 1].is_bad)
			printf("\n");
		printf("%14" PRIu64 " %s\n", value_of(report, &lines[i]), lines[i].text);
	}
	for (unsigned int i = 0; i < report->nr_findings; i++)
		printf("%s: %s\n", report->findings[i].what, report->findings[i].text);
}

void torture_report_json(const struct torture_report *report)
{
	struct json_object *all = json_object_new_object(), *findings = json_object_new_array(), *one;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		json_object_object_add(all, lines[i].key, json_object_new_uint64(value_of(report, &lines[i])));
	for (unsigned int i = 0; i < report->nr_findings; i++) {
		one = json_object_new_object();
		json_object_object_add(one, "what", json_object_new_string(report->findings[i].what));
		json_object_object_add(one, "text", json_object_new_string(report->findings[i].text));
		json_object_array_add(findings, one);
	}
	json_object_object_add(all, "findings", findings);
	json_object_object_add(all, "clean", json_object_new_boolean(torture_is_clean(report)));
	puts(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY));
	json_object_put(all);
}

static int work_parse(const char *name, size_t len, uint64_t *ret_bit)
{
	for (unsigned int i = 0; i < TORTURE_WORKS; i++)
		if (strlen(torture_work_name(i)) == len && memcmp(torture_work_name(i), name, len) == 0) {
			*ret_bit = UINT64_C(1) << i;
			return 0;
		}
	return -EINVAL;
}

int torture_works_parse(const char *list, uint64_t *ret_works)
{
	uint64_t works = 0, bit = 0;
	size_t len;
	int err;

	for (;;) {
		len = strcspn(list, ",");
		err = work_parse(list, len, &bit);
		if (err)
			return err;
		works |= bit;
		if (!list[len])
			break;
		list += len + 1;
	}
	*ret_works = works;
	return 0;
}
