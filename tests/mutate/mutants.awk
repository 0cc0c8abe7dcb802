# SPDX-License-Identifier: MIT
#
# mutants.awk - writes a source with all its mutants in it, and the list of them.
#
#   awk -f mutants.awk -v out=DIRECTORY -v list=FILE rings/spsc.h rings/spsc.c ...
#
# Each place where something could be wrong gets a question, mutant_is(n), that is answered with no
# unless the program is run with QUOIT_MUTANT=n: so one build holds all mutants. What is inserted
# never needs to know where an operand ends. With M for the question, the rules are:
#
#   order   quoit_load_acquire(p)     mutant_load_acquire(n, p)   relaxed; all others likewise
#   fence   quoit_wake_fence();       M ? (void)0 : (void)quoit_wake_fence();
#   signal, look, call                the same for bells, looks at the other side, other calls
#   look    quoit__spsc_arrived(r)    mutant_arrived(n, r)        what was known before
#   bound   a < b, a >= b             a < M + b, a >= M + b       off by one
#           a > b, a <= b             a + M > b, a + M <= b
#           quoit_min(a, b)           mutant_min(n, m, a, b)      a or b
#           x & mask                  x & (mask | -M)             without a mask
#   check   if (c), while (c)         if (M ? 0 : c)              never
#           a || b                    a || !M && b                only a
#           a && b                    a && M | b                  only a
#
# The list has a line for each: number, name, line, and the text of that line. A name is
# file:function:kind:nth, so it stays the same while other functions change.
#
# A plain variable below 0 is an error or "none", not beyond a bound: `check` takes that away.
#
# It relies on the tree's format: a function begins in the first column, an operator has spaces
# around it, a statement has a line of its own. Comments, strings, directives and assertions are
# let be, and macros unless they define functions of a type (name##_verb). So is what takes the
# place of fences under ThreadSanitizer, which no user ever runs, and what is for other cpus than
# x86-64, on which this runs.

BEGIN {
	orders = "^quoit_(load_acquire|store_release|exchange|add|cas|cas_release)$"
	# The marks around a ring of the bell are fences, too: see rings/notify.h.
	fences = "^(quoit_(fence_full|wake_fence|event_fence)|" \
		"quoit__notify_(begin|end|enter|leave))$"
	signals = "^(quoit_notify_ring|quoit_wake_(arm|disarm)|quoit_event_(signal|wake)|" \
		"quoit__event_tell|quoit__(spsc|lane)_notify|quoit__[a-z]*_wake_reader|" \
		"wake_reader|quoit__sys_futex_wake)$"
	looks = "^quoit__spsc_(arrived|freed)$"
	# A pause is no part of what is computed, nor is a line that is fetched before it is needed;
	# and destroying a free mutex does nothing.
	spared = "^(quoit_relax|pthread_mutex_destroy|__builtin_prefetch|quoit_prefetch_[a-z]*|" \
		"quoit_lines_(own|fetch)|quoit__[a-z]*_own(_ahead|_block)?|" \
		"quoit__(spsc_(expect|read_fetch)|shring_expect))$"
}

FNR == 1 {
	if (target)
		close(target)
	target = out "/" FILENAME
	in_comment = in_define = in_body = in_assert = is_x86 = was_x86 = elsewhere = 0
	function_name = ""
	sub(/[^\/]*$/, "", target)
	target = out "/" FILENAME
}

# The line with comments, strings and characters blanked, of the same length.
function masked(line,    i, c, two, result) {
	result = ""
	for (i = 1; i <= length(line); i++) {
		c = substr(line, i, 1)
		two = substr(line, i, 2)
		if (in_comment) {
			if (two == "*/") {
				in_comment = 0
				result = result "  "
				i++
			} else
				result = result " "
		} else if (two == "/*") {
			in_comment = 1
			result = result "  "
			i++
		} else if (c == "\"" || c == "'") {
			result = result " "
			for (i++; i <= length(line) && substr(line, i, 1) != c; i++) {
				result = result " "
				if (substr(line, i, 1) == "\\") {
					result = result " "
					i++
				}
			}
			result = result " "
		} else
			result = result c
	}
	return result
}

function new_mutant(kind,    key) {
	key = FILENAME ":" function_name ":" kind
	print ++count, key ":" ++nth[key], FNR, squeezed >list
	return count
}

function asks(n) { return "mutant_is(" n ")" }

# Put `text` in the place of `length_` characters at `at`, which is told in the masked line.
function put(at, length_, text) {
	edits++
	edit_at[edits] = at
	edit_length[edits] = length_
	edit_text[edits] = text
}

# All edits, from right to left; at one place a replacement first, then what is put before it.
function apply(line,    i, j, last) {
	for (; edits; edits--) {
		last = 1
		for (i = 2; i <= edits; i++)
			if (edit_at[i] > edit_at[last] || \
			    (edit_at[i] == edit_at[last] && edit_length[i] > edit_length[last]))
				last = i
		line = substr(line, 1, edit_at[last] - 1) edit_text[last] \
			substr(line, edit_at[last] + edit_length[last])
		for (j = last; j < edits; j++) {
			edit_at[j] = edit_at[j + 1]
			edit_length[j] = edit_length[j + 1]
			edit_text[j] = edit_text[j + 1]
		}
	}
	return line
}

function statement_kind(name) {
	if (name ~ fences)
		return "fence"
	if (name ~ signals)
		return "signal"
	if (name ~ looks)
		return "look"
	return "call"
}

# A call that stands alone: gives where its name begins, or 0.
function statement(code,    at, name) {
	if (starts_inside || code ~ /\)->[^;]* [-+|&]?= /)
		return 0
	if (!match(code, /^\t+(\(void\))?[a-z_0-9]+\(/))
		return 0
	at = RSTART + RLENGTH
	name = substr(code, 1, at - 2)
	match(name, /[a-z_0-9]+$/)
	name = substr(name, RSTART)
	if (name ~ /^(if|while|for|switch|return|sizeof)$/ || name ~ spared)
		return 0
	match(code, /[^\t]/)
	put(RSTART, 0, asks(new_mutant(statement_kind(name))) " ? (void)0 : (void)")
	return at
}

function calls(code, alone,    at, rest, name) {
	at = 1
	rest = code
	while (match(rest, /[a-z_0-9]+\(/)) {
		at += RSTART - 1
		name = substr(rest, RSTART, RLENGTH - 1)
		if (name ~ orders)
			put(at, RLENGTH, "mutant_" substr(name, 7) "(" new_mutant("order") ", ")
		else if (name ~ looks && at + RLENGTH != alone)
			put(at, RLENGTH, "mutant_" (name ~ /arrived/ ? "arrived" : "freed") \
				"(" new_mutant("look") ", ")
		else if (name ~ /^quoit_(min|max)$/)
			put(at, RLENGTH, "mutant_" substr(name, 7) "(" new_mutant("bound") ", " \
				new_mutant("bound") ", ")
		else if (name ~ /^(if|while)$/)
			;
		at += RLENGTH
		rest = substr(rest, RSTART + RLENGTH)
	}
}

# Every match of a regular expression; `how` tells what to put.
function operators(code, pattern, how,    at, rest, text) {
	at = 1
	rest = code
	while (match(rest, pattern)) {
		text = substr(rest, RSTART, RLENGTH)
		at += RSTART - 1
		if (how == "compare" && !(text ~ /(<|>=)/ && substr(code, at - 1) ~ \
			/^[a-z_] (<|>=) 0([^-x0-9a-z]|$)/))
			compare(at, text)
		else if (how == "mask")
			put(at, length(text), "& (" substr(text, 3) " | -(uint64_t)" \
				asks(new_mutant("bound")) ")")
		else if (how == "condition" && substr(code, at) !~ /^while \(true\)/)
			put(at + length(text), 0, asks(new_mutant("check")) " ? 0 : ")
		else if (how == "or")
			put(at + 3, 0, " !" asks(new_mutant("check")) " &&")
		else if (how == "and")
			put(at + 3, 0, " " asks(new_mutant("check")) (substr(code, at + 4) ~ \
				/^[a-z_][a-z_0-9>.\[\]-]*( &&| \|\||[);]|$)/ ? " | !!" : " |"))
		at += length(text)
		rest = substr(code, at)
	}
}

function compare(at, text,    n) {
	n = asks(new_mutant("bound"))
	if (text ~ /^ (<|>=)( |$)/)
		put(at + length(text) - (text ~ / $/), 0, " " n " +")
	else
		put(at, 0, " + " n)
}

function mutate(line, code,    alone) {
	squeezed = line
	gsub(/[ \t]*\\$/, "", squeezed)
	gsub(/[ \t]+/, " ", squeezed)
	sub(/^ /, "", squeezed)
	edits = 0
	alone = statement(code)
	calls(code, alone)
	operators(code, " (<|>|<=|>=)( |$)", "compare")
	operators(code, "& ~?[a-z_>.-]*mask[a-z_]*", "mask")
	operators(code, "(^|[ \t}])(if|while) \\(", "condition")
	operators(code, " \\|\\|( |$)", "or")
	operators(code, " &&( |$)", "and")
	return apply(line)
}

{
	code = masked($0)
	if (code ~ /^#/) {
		only_tsan = code ~ /^#[ \t]*ifdef QUOIT_TSAN/ ? 1 : \
			code ~ /^#[ \t]*(else|elif|endif|if)/ ? 0 : only_tsan
		if (code ~ /^#[ \t]*(if|elif)/) {
			is_x86 = code ~ /defined\(__x86_64__\)/
			was_x86 = is_x86 || (was_x86 && code ~ /^#[ \t]*elif/)
		} else if (code ~ /^#[ \t]*(else|endif)/)
			is_x86 = 0
		elsewhere = was_x86 && !is_x86 && code !~ /^#[ \t]*endif/
		if (code ~ /^#[ \t]*endif/)
			was_x86 = 0
		in_define = code ~ /^#[ \t]*define/ && code ~ /\\$/
		in_macro = 0
		print >target
		next
	}
	if (in_define) {
		if (match(code, /##_[a-z0-9_]+\(/) && code ~ /^\t(QUOIT_|static)/) {
			function_name = "name" substr(code, RSTART + 2, RLENGTH - 3)
			in_macro = 0
		} else if (code ~ /^\t\{/)
			in_macro = 1
		inside = in_macro && code !~ /^\t[{}]/
		if (code !~ /\\$/)
			in_define = in_macro = 0
	} else {
		if (code ~ /^[A-Za-z_]/ && match(code, /[a-z_0-9]+\(/))
			function_name = substr(code, RSTART, RLENGTH - 1)
		if (code ~ /^\{/)
			in_body = 1
		else if (code ~ /^\}/)
			in_body = 0
		inside = in_body && code !~ /^[{}]/
	}
	if (code ~ /QUOIT_ASSERT|_static_assert/)
		in_assert = 1
	skips = in_assert || only_tsan || elsewhere
	if (code ~ /;[ \t]*\\?$/)
		in_assert = 0
	# A line that goes on with the statement of the line before is no statement of its own.
	starts_inside = goes_on
	bare = code
	sub(/[ \t]*\\$/, "", bare)
	sub(/[ \t]+$/, "", bare)
	if (bare != "")
		goes_on = bare ~ / = \{$/ || bare !~ /([;{}:]|^[ \t]*else|^[ \t]*do)$/ && \
			!(bare ~ /^[ \t]*(\} )?(else )?(if|for|while) \(.*\)$/) && !ends_head(bare)
	print inside && !skips ? mutate($0, code) : $0 >target
}

# Does the line close the parentheses of an if, for or while that began on a line before?
function ends_head(bare,    opened) {
	if (bare ~ /^[ \t]*(\} )?(else )?(if|for|while) \(/ && !starts_inside) {
		depth = 0
		head = 1
	}
	if (!head)
		return 0
	opened = bare
	depth += gsub(/\(/, "", opened)
	depth -= gsub(/\)/, "", opened)
	if (depth > 0)
		return 0
	head = 0
	return bare ~ /\)$/
}
