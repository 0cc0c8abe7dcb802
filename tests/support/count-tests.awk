# SPDX-License-Identifier: MIT
#
# count-tests.awk - how many test cases of one program passed, failed and were skipped.
#
#   awk -f count-tests.awk -v rc=EXIT_CODE -v seconds=LIMIT -v took=SECONDS \
#       -v require_io_uring=0|1 LOG
#
# Prints "passed failed skipped", then a line for each case that did not pass. Reads cmocka's plain
# output (each case is announced before it runs, so that a crash has a name) and the lines
# `ok - name`, `not ok - name`, `skip - name: reason` of scripts.

# cmocka. Its closing summary names failed cases again: only a case that is running can end.
match($0, /\[ RUN      \] /) {
	running = substr($0, RSTART + RLENGTH)
	reason = "no reason given"
	next
}
running != "" && /^skip: / {
	reason = substr($0, 7)
}
running != "" && ends_with("[       OK ] " running) {
	passed++
	running = ""
	next
}
running != "" && ends_with("[  FAILED  ] " running) {
	fail(running)
	running = ""
	next
}
running != "" && ends_with("[  SKIPPED ] " running) {
	skip(running, reason)
	running = ""
	next
}
# A group's own setup or teardown failed: its cases did not run, or left something behind.
/\[  FAILED  \] GROUP (SETUP|TEARDOWN)/ {
	fail("a group's " ($0 ~ /SETUP/ ? "setup" : "teardown"))
	next
}

/^ok - / {
	passed++
}
/^not ok - / {
	fail(substr($0, 10))
}
/^skip - / {
	colon = index($0, ": ")
	if (colon)
		skip(substr($0, 8, colon - 8), substr($0, colon + 2))
	else
		skip(substr($0, 8), "no reason given")
}

END {
	if ((rc == 124 || rc == 137) && took >= seconds)
		fail(at() "did not end within " seconds " s")
	else if (rc > 128 && rc < 160)
		fail(at() "killed by signal " rc - 128)
	else if (running != "")
		fail(at() "the program ended (exit code " rc ")")
	else if (rc == 77 && !passed && !failed && !skipped)
		skip("the program", "exit code 77")
	else if (rc != 0 && !failed)
		fail("exit code " rc (passed ? " although every case passed" : ""))
	else if (rc == 0 && !passed && !failed && !skipped)
		passed = 1
	printf "%d %d %d\n%s", passed, failed, skipped, lines
}

function at()
{
	return running == "" ? "" : "in " running ": "
}

function ends_with(text)
{
	return length($0) >= length(text) && substr($0, length($0) - length(text) + 1) == text
}

function fail(what)
{
	failed++
	lines = lines "      failed: " what "\n"
}

function skip(what, why)
{
	if (require_io_uring == 1 && why ~ /io_uring/) {
		fail(what ": skipped, but io_uring is required here: " why)
		return
	}
	skipped++
	lines = lines "      skipped: " what ": " why "\n"
}
