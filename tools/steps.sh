# SPDX-License-Identifier: Apache-2.0
# Sourced by tools/check and tools/quickstart: run a long job step by step, a line each, all output in one log.
# The caller sets $log.  With LAMINA_VERBOSE=1 the output is shown as well.

steps_failed=0

# now: seconds since 1970 with milliseconds
steps_now() {
	date +%s.%3N
}

# step TEXT COMMAND...: run it; a failure is shown and counted, and the result is the command's.
step() {
	local text=$1 from result
	shift
	from=$(steps_now)
	printf '%-46s ' "$text"
	{
		printf '\n=== %s: ' "$text"
		printf '%q ' "$@"
		printf '\n'
	} >>"$log"
	local at=$(($(wc -c <"$log") + 1))
	if [ "${LAMINA_VERBOSE:-}" = 1 ]; then
		echo
		("$@") </dev/null 2>&1 | tee -a "$log"
		result=${PIPESTATUS[0]}
	else
		("$@") </dev/null >>"$log" 2>&1
		result=$?
	fi
	local took
	took=$(awk -v a="$from" -v b="$(steps_now)" 'BEGIN { printf "%.1f s", b - a }')
	if [ "$result" = 0 ]; then
		printf 'ok      %10s\n' "$took"
	else
		printf 'FAILED  %10s\n' "$took"
		steps_failed=$((steps_failed + 1))
		tail -c "+$at" "$log" | steps_excerpt
	fi
	return "$result"
}

# What of a failed step's output tells the reason: compiler errors and failed tests if there are any, and its end.
steps_excerpt() {
	awk '/error:|warning:|FAILED|\*\*\*|Assertion|ERROR: |runtime error/ && n < 40 { print "    " $0; n++ }
	     { last[NR % 60] = $0 }
	     END { print "    --- the end of its output:";
		   for (i = NR - 59; i <= NR; i++) if (i > 0) print "    " last[i % 60] }'
}

skip() {
	printf '%-46s skipped: %s\n' "$1" "$2"
	printf '\n=== %s: skipped: %s\n' "$1" "$2" >>"$log"
}
