# SPDX-License-Identifier: MIT
#
# pairs.awk - every memory-ordering edge has two ends that know each other.
#
#   awk -f c.awk -f pairs.awk FILE ...      all sources of the floors at once
#
# An acquire load, a release store, an exchange, an atomic add and a full fence in rings/, io/ or
# runtime/ carries a comment on its own line, on the rest of its statement or directly above:
#
#   quoit_store_release(&r->tail, tail + n); /* publish: pairs with quoit_spsc_readable() */
#
# `publish` is the edge. The function named must exist, and its body must hold a comment of the same
# edge. Several may be named (`a(), b() and c()`); io/ may also write `pairs with the kernel`.
# Prints `file:line: pairs: what to do`.

BEGIN {
	ordering = "(^|[^A-Za-z0-9_])quoit_(load_acquire|store_release|exchange|add|cas[a-z_]*|" \
		"fence_full)\\("
}

FNR == 1 {
	give_up()
	c_begin()
	above = ""
	open_from = calls + 1
	needs_edges = FILENAME ~ /^(\.\/)?(rings|io|runtime)\//
}

{
	code = c_strip($0)
	c_functions(code)
	if (in_function != "")
		is_function[in_function] = 1
	blank = code ~ /^[ \t]*$/

	if (needs_edges && code ~ ordering && code !~ /^#[ \t]*define/) {
		give_up()
		at[++calls] = FILENAME ":" FNR
		sub(/^\.\//, "", at[calls])
		text[calls] = above
		ended_statement = 0
	}
	if (open_from <= calls) {
		text[calls] = text[calls] " " comment
		# Its comment may begin after the semicolon and go on below.
		if (code ~ /[;{]/)
			ended_statement = 1
		if (ended_statement && !in_comment)
			give_up()
	}

	above = blank && comment != "" ? above " " comment : ""
	remember(comment)
}

END {
	give_up()
	for (i = 1; i <= calls; i++)
		judge(i)
}

function give_up()
{
	open_from = calls + 1
}

# Which edges a function's comments speak of, be they at a call or not.
function remember(words)
{
	while (in_function != "" && match(words, /[a-z][a-z_]*: pairs with /)) {
		words = substr(words, RSTART)
		speaks[in_function, substr(words, 1, index(words, ":") - 1)] = 1
		words = substr(words, RLENGTH + 1)
	}
}

function judge(i,    words, edge, other, found)
{
	words = text[i]
	gsub(/[ \t]+/, " ", words)
	while (match(words, /[a-z][a-z_]*: pairs with /)) {
		words = substr(words, RSTART)
		edge = substr(words, 1, index(words, ":") - 1)
		words = substr(words, RLENGTH + 1)
		if (words ~ /^the kernel/ && at[i] ~ /^io\//) {
			found = 1
			continue
		}
		while (match(words, /^[A-Za-z_][A-Za-z0-9_]*\(\)/)) {
			other = substr(words, 1, RLENGTH - 2)
			words = substr(words, RLENGTH + 1)
			sub(/^(, and |, | and )/, "", words)
			found = 1
			if (!(other in is_function))
				say(i, other "() does not exist; name the other end")
			else if (!((other, edge) in speaks))
				say(i, other "() has no `" edge "`; write there what it pairs with")
		}
	}
	if (!found)
		say(i, "name the edge: /* publish: pairs with quoit_spsc_readable() */")
}

function say(i, what)
{
	print at[i] ": pairs: " what
}
