# SPDX-License-Identifier: MIT
#
# config.awk - what config.mk's structured comments promise, checked and written out.
#
#   awk -f config.awk -v mode=check|header|help|show config.mk NAME=value@origin ...
#
# check prints one sentence about the first thing wrong, or nothing; header prints config.h; help
# and show print the values in force. The values come from make: this file never guesses one.

BEGIN {
	for (i = 2; i < ARGC; i++) {
		split_value(ARGV[i])
		ARGV[i] = ""
	}
}

/^# config CONFIG_/ {
	name = $3
	names[++count] = name
	known[name] = 1
	next
}

/^#\t(int|bool) "/ && name != "" {
	text = substr($0, 3)
	type[name] = text ~ /^bool/ ? "bool" : "int"
	abi[name] = text ~ /\[abi\]/
	sub(/[ \t]*\[abi\]/, "", text)
	help[name] = text
	sub(/^[a-z]+ "/, "", help[name])
	sub(/".*$/, "", help[name])
	allowed[name] = ""
	if (match(text, /"[ \t]*:[ \t]*/))
		allowed[name] = substr(text, RSTART + RLENGTH)
	if (type[name] == "bool")
		allowed[name] = "y n"
	name = ""
}

END {
	if (mode == "check")
		check()
	else if (mode == "header")
		header()
	else
		list()
}

function split_value(word,    eq, at)
{
	eq = index(word, "=")
	at = length(word)
	while (substr(word, at, 1) != "@")
		at--
	given[++words] = substr(word, 1, eq - 1)
	value[given[words]] = substr(word, eq + 1, at - eq - 1)
	origin[given[words]] = substr(word, at + 1)
}

function check(    i, near)
{
	for (i = 1; i <= words; i++) {
		if (given[i] in known)
			continue
		near = nearest(given[i])
		# Other software has CONFIG_ variables too (CONFIG_SHELL, CONFIG_SITE): one from the
		# environment is an error only when it looks like a misspelt option of ours.
		if (origin[given[i]] ~ /^environment/ && near == "")
			continue
		wrong(given[i] " (" origin_text(given[i]) ") is not an option" \
			(near == "" ? "" : ", did you mean " near "?") "; see `make config-help`")
	}
	for (i = 1; i <= count; i++)
		if (!fits(value[names[i]], names[i]))
			wrong(names[i] "=" value[names[i]] " (" origin_text(names[i]) \
				") is not allowed: choose from " allowed[names[i]] \
				"; see `make config-help`")
}

function wrong(sentence)
{
	print sentence
	exit
}

function origin_text(name)
{
	if (origin[name] == "command-line")
		return "from the command line"
	if (origin[name] ~ /^environment/)
		return "from the environment"
	if (origin[name] == "default" && !(name in known))
		return "from config.local.mk or config.mk"
	return "from " (origin[name] == "default" ? "config.mk" : origin[name])
}

# Listed values, or ranges lo-hi; an int is a plain decimal number without leading zeros.
function fits(v, name,    i, n, part, ends)
{
	if (type[name] == "int" && v !~ /^(0|[1-9][0-9]*)$/)
		return 0
	n = split(allowed[name], part, " ")
	if (n == 0)
		return 1
	for (i = 1; i <= n; i++) {
		if (v == part[i])
			return 1
		if (type[name] == "int" && split(part[i], ends, "-") == 2 && \
		    v + 0 >= ends[1] + 0 && v + 0 <= ends[2] + 0)
			return 1
	}
	return 0
}

# The known name at most two letters away, or none.
function nearest(name,    i, d, best, best_d)
{
	best_d = 3
	for (i = 1; i <= count; i++) {
		d = distance(name, names[i])
		if (d < best_d) {
			best_d = d
			best = names[i]
		}
	}
	return best
}

# Levenshtein's distance, one row at a time.
function distance(a, b,    i, j, row, diagonal, above, cost)
{
	for (j = 0; j <= length(b); j++)
		row[j] = j
	for (i = 1; i <= length(a); i++) {
		diagonal = row[0]
		row[0] = i
		for (j = 1; j <= length(b); j++) {
			above = row[j]
			cost = diagonal + (substr(a, i, 1) != substr(b, j, 1))
			if (above + 1 < cost)
				cost = above + 1
			if (row[j - 1] + 1 < cost)
				cost = row[j - 1] + 1
			row[j] = cost
			diagonal = above
		}
	}
	return row[length(b)]
}

function header(    i, short)
{
	print "/* Generated from config.mk: see `make config-help` for how to change an option. */"
	print "#ifndef QUOIT_CONFIG_H"
	print "#define QUOIT_CONFIG_H"
	print ""
	for (i = 1; i <= count; i++) {
		short = "QUOIT_" names[i]
		if (type[names[i]] == "bool" && value[names[i]] == "n")
			print "/* " short " is not set */"
		else
			print "#define " short " " (type[names[i]] == "bool" ? 1 : value[names[i]])
	}
	print ""
	print "#endif"
}

function list(    i)
{
	for (i = 1; i <= count; i++) {
		printf "%-22s = %-6s %s\n", names[i], value[names[i]], origin_text(names[i])
		if (mode == "help")
			printf "  %s\n  %s: %s%s\n\n", help[names[i]], type[names[i]], \
				allowed[names[i]], \
				abi[names[i]] ? "   [abi: library and program must agree]" : ""
	}
}
