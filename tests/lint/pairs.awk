# SPDX-License-Identifier: MIT
#
# pairs.awk - every memory-ordering edge has two ends that know each other.
#
#   awk -f c.awk -f pairs.awk FILE ...      all sources of the floors at once
#
# An acquire load, a release store, an exchange, an atomic add and a full fence in one of the floors
# (but for numa/atomic.h, which defines them) carries a comment on its own line, on the rest of its
# statement or directly above:
#
#   quoit_store_release(&r->tail, tail + n); /* publish: pairs with quoit_spsc_readable() */
#
# `publish` is the edge. The function named must exist, and its body must hold a comment of the same
# edge. Several may be named (`a(), b() and c()`); io/ may also write `pairs with the kernel`.
#
# A folder's README.md may have tables that begin `| edge | released by | acquired by |`. Each
# function there must speak of its row's edge, and each edge of the folder must have a row.
#
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
	needs_edges = FILENAME ~ /^(\.\/)?(numa|rings|io|runtime)\// && FILENAME !~ /atomic\.h$/
	folder = FILENAME
	sub(/[^\/]*$/, "", folder)
	is_readme = FILENAME ~ /README\.md$/
	in_table = 0
}

is_readme {
	if ($0 !~ /^\|/)
		in_table = 0
	else if ($0 ~ /^\| edge \|/)
		in_table = has_table[folder] = 1
	else if (in_table && $0 !~ /^\|-/)
		table_row($0)
	next
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
	for (i = 1; i <= ends; i++)
		if (!(end_name[i] in is_function))
			print end_at[i] ": pairs: " end_name[i] "() does not exist"
		else if (!((end_name[i], end_edge[i]) in speaks))
			print end_at[i] ": pairs: " end_name[i] "() has no `" end_edge[i] "`"
}

# | edge | `function`: what | `function`: what | carries |
function table_row(line,    cell, edge, i, rest)
{
	split(line, cell, "|")
	edge = cell[2]
	gsub(/[ \t]/, "", edge)
	has_row[folder, edge] = 1
	for (i = 3; i <= 4; i++) {
		rest = cell[i]
		while (match(rest, /`[A-Za-z_][A-Za-z0-9_]*`/)) {
			end_name[++ends] = substr(rest, RSTART + 1, RLENGTH - 2)
			end_edge[ends] = edge
			end_at[ends] = FILENAME ":" FNR
			rest = substr(rest, RSTART + RLENGTH)
		}
	}
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
		other = at[i]
		sub(/[^\/]*$/, "", other)
		if (has_table[other] && !has_row[other, edge])
			say(i, "write a row for `" edge "` into the table of " other "README.md")
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
