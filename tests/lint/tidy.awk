# SPDX-License-Identifier: MIT
#
# tidy.awk - the rules that one file shows by itself.
#
#   awk -f c.awk -f tidy.awk FILE ...       FILE relative to the root of the tree
#
# Prints `file:line: rule: what to do`.

BEGIN {
	# The floors, lowest first.
	level["numa"] = 1
	level["rings"] = 2
	level["io"] = 3
	level["runtime"] = 4

	sys_seam = words("read write pread pwrite readv writev close open openat " \
		"ioctl fcntl poll ppoll epoll_create1 epoll_ctl epoll_wait " \
		"mmap mmap64 munmap mremap mprotect " \
		"madvise mlock mlock2 munlock mlockall mbind move_pages set_mempolicy " \
		"get_mempolicy eventfd eventfd_read eventfd_write timerfd_create signalfd " \
		"memfd_create clock_gettime clock_nanosleep nanosleep usleep sleep gettimeofday " \
		"time sched_setaffinity sched_getaffinity sched_setscheduler sched_getcpu getcpu " \
		"membarrier futex prctl setrlimit pthread_setaffinity_np pthread_getaffinity_np " \
		"flock fstat fstatat fchmod renameat2 unlinkat pidfd_open geteuid syscall " \
		"ftruncate fallocate fstatfs preadv2 readlink")
	io_seam = words("socket socketpair bind listen accept accept4 connect shutdown send " \
		"sendto sendmsg recv recvfrom recvmsg setsockopt getsockopt getsockname " \
		"getpeername")
	io_seam_pattern = "^io_uring_(setup|enter|register|unregister|queue_init|queue_exit|" \
		"queue_mmap|submit|wait|get_events|get_probe|sqring_wait|ring_dontfork|" \
		"free_buf_ring)"
	printing = words("printf vprintf puts putchar perror fprintf vfprintf fputs fputc putc " \
		"dprintf vdprintf getenv secure_getenv syslog")
	unsafe = words("strcpy strcat stpcpy sprintf vsprintf gets strtok atoi atol atoll atof " \
		"alloca strdupa tmpnam mktemp")
	# Spelled so that this file does not find itself.
	mark = "(TO" "DO|FIX" "ME|X" "XX)"
	machine_path = "(^|[^A-Za-z0-9_.~)}])/((home|root|work|Users)|tmp/[a-z])/"
}

FNR == 1 {
	end_of_file()
	start_of_file()
}

{
	lines = FNR
	any_file($0)
	if (is_c)
		c_line($0)
}

END {
	end_of_file()
}

# "a b c" as one string to look a word up in.
function words(list)
{
	gsub(/[ \t]+/, " ", list)
	return " " list " "
}

function has(list, word)
{
	return index(list, " " word " ") > 0
}

function say(line, rule, what)
{
	print file ":" line ": " rule ": " what
}

function start_of_file(    parts)
{
	file = FILENAME
	sub(/^\.\//, "", file)
	split(file, parts, "/")
	floor = parts[1] in level ? parts[1] : ""
	is_c = file ~ /\.([ch]|cc)$/
	is_public = floor != "" && file ~ /\.h$/ && file !~ /_internal\.h$/
	has_spdx = 0
	c_begin()
}

function end_of_file()
{
	if (file == "")
		return
	if (!has_spdx && file !~ /\.md$/)
		say(1, "spdx", "put the SPDX licence line first")
	most = file ~ /^tests\/[a-z0-9]*\/test_/ ? 700 : 600 # tests are lists, read by name
	if (lines > most)
		say(lines, "long-file", lines " lines; split it by idea, " most " is the limit")
}

function any_file(text,    i, width)
{
	if (FNR <= 2 && text ~ /SPDX-License-Identifier: MIT/)
		has_spdx = 1
	if (text ~ /[ \t\r]$/)
		say(FNR, "space", "remove the white space at the end of the line")
	if (text ~ ("(^|[^A-Za-z0-9_])" mark "([^A-Za-z0-9_]|$)"))
		say(FNR, "mark", "finish it or take the mark out; open work belongs in an issue")
	if (text ~ machine_path)
		say(FNR, "path", "name no directory of one machine")
	if (file ~ /\.md$/)
		return
	width = length(text)
	if (index(text, "\t")) {
		width = 0
		for (i = 1; i <= length(text); i++)
			width += substr(text, i, 1) == "\t" ? 8 - width % 8 : 1
	}
	# awk counts bytes: characters beyond ASCII are taken for one column each.
	if (width > 100 && text !~ /[\200-\377]/)
		say(FNR, "columns", width " columns; 100 is the limit")
}

function c_line(text,    code)
{
	code = c_strip(text)
	if (saw_slashes)
		say(FNR, "comment", "write /* */: a // comment is for local debugging")
	c_functions(code)
	if (ended_lines > 70)
		say(opened, "long-function", ended "() has " ended_lines \
			" lines; divide it, 70 is the limit")
	if (text ~ /^[ \t]*#[ \t]*include/)
		includes(text)
	if (file != "numa/atomic.h" && file !~ /^tests\/mutate\/mutant\.[ch]$/ && \
	    code ~ /__ATOMIC_|__atomic_|__sync_|(^|[^A-Za-z0-9_])_Atomic/)
		say(FNR, "atomic", "use the names of numa/atomic.h, or give it a new one")
	calls(code)
}

function includes(text,    what, parts)
{
	if (!match(text, /[<"][^>"]*[>"]/))
		return
	what = substr(text, RSTART + 1, RLENGTH - 2)
	if (file ~ /\.h$/ && floor ~ /^(rings|numa)$/ && what ~ /^(liburing|numa|numaif)/)
		say(FNR, "ring-alone", "a ring must compile without liburing and libnuma")
	if (what == "stdatomic.h")
		say(FNR, "atomic", "use the names of numa/atomic.h, or give it a new one")
	if (floor == "")
		return
	if (what == "quoit.h" || substr(text, RSTART, 1) == "\"")
		say(FNR, "include", "write the narrow header: #include <quoit/folder/name.h>")
	if (what !~ /^quoit\//)
		return
	split(what, parts, "/")
	if (parts[2] in level && level[parts[2]] > level[floor])
		say(FNR, "floor", floor "/ may not know " parts[2] "/, which stands on it")
	if (is_public && what ~ /_internal\.h$/)
		say(FNR, "internal", "a public header may not need one that is never installed")
}

# Each name directly before a parenthesis that is not a member: `read(`, not `ops->read(`.
function calls(code,    name, before, seen)
{
	seen = ""
	while (match(code, /[A-Za-z_][A-Za-z0-9_]*[ \t]*\(/)) {
		before = seen substr(code, 1, RSTART - 1)
		name = substr(code, RSTART, RLENGTH - 1)
		seen = before name "("
		code = substr(code, RSTART + RLENGTH)
		sub(/[ \t]+$/, "", name)
		if (before ~ /(\.|->)[ \t]*$/)
			continue
		call(name, code)
	}
}

function call(name, rest)
{
	if (has(unsafe, name))
		say(FNR, "unsafe", name "() trusts its input; use the bounded one")
	if (name ~ /^assert_/ && in_function ~ /_worker$/)
		say(FNR, "worker", "cmocka must not leave this thread: return a verdict instead")
	if (floor == "" || file ~ /^numa\/sys_(shared_)?internal\.h$/ && !has(io_seam, name) && \
	    name !~ io_seam_pattern)
		return
	if (file != "io/kernel_internal.h") {
		if (has(sys_seam, name))
			say(FNR, "seam", name "() goes through numa/sys_internal.h")
		if (has(io_seam, name) || name ~ io_seam_pattern)
			say(FNR, "seam", name "() goes through io/kernel_internal.h")
	}
	# What the library may print: a broken contract, just before it aborts, and the one line
	# with which quoit_run() says why the program ends.
	if (has(printing, name) && in_function != "quoit__contract_broken" && \
	    !(file == "runtime/run.c" && in_function == "complain") && \
	    !(name ~ /^v?fprintf$|^fput[cs]$|^putc$/ && rest !~ /std(out|err)/))
		say(FNR, "print", name "(): the library neither prints nor reads the environment")
}
