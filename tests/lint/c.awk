# SPDX-License-Identifier: MIT
#
# c.awk - C read line by line, for the lint scripts. Not a parser: it relies on clang-format having
# put the braces of a function body, and only those, alone into the first column.

function c_begin()
{
	in_comment = 0
	in_function = ""
	named = ""
	ended_lines = 0
}

# The line without comments, and with strings and characters emptied. Comments may span lines;
# `comment` is their text on this line. Sets saw_slashes if one began with //.
function c_strip(text,    out, at, c, two, end)
{
	saw_slashes = 0
	comment = ""
	out = ""
	if (in_comment)
		sub(/^[ \t]*\*[ \t]/, "", text)
	while (text != "") {
		if (in_comment) {
			end = index(text, "*/")
			comment = comment " " (end ? substr(text, 1, end - 1) : text)
			if (!end)
				return out
			text = substr(text, end + 2)
			in_comment = 0
			continue
		}
		at = match(text, /["'\/]/)
		if (!at)
			return out text
		out = out substr(text, 1, at - 1)
		text = substr(text, at)
		c = substr(text, 1, 1)
		two = substr(text, 1, 2)
		if (two == "/*") {
			in_comment = 1
			out = out " "
			text = substr(text, 3)
		} else if (two == "//") {
			saw_slashes = 1
			comment = comment " " substr(text, 3)
			return out
		} else if (c == "/") {
			out = out c
			text = substr(text, 2)
		} else {
			if (!match(text, c == "\"" ? /^"([^"\\]|\\.)*"/ : /^'([^'\\]|\\.)*'/))
				return out c
			out = out c c
			text = substr(text, RLENGTH + 1)
		}
	}
	return out
}

# Keeps in_function: the name of the function whose body we are in, or "". On the line that ends a
# body, ended is its name and ended_lines its length from brace to brace; opened is its first line.
function c_functions(code,    rest)
{
	ended_lines = 0
	if (code ~ /^[A-Za-z_]/) {
		rest = code
		while (match(rest, /[A-Za-z_][A-Za-z0-9_]*\(/)) {
			named = substr(rest, RSTART, RLENGTH - 1)
			rest = substr(rest, RSTART + RLENGTH)
			# An attribute or a macro for one stands before the name.
			if (named != "__attribute__" && named ~ /[a-z]/)
				break
			sub(/^[^)]*\)+/, "", rest)
		}
	}
	if (code ~ /^{[ \t]*$/) {
		in_function = named
		opened = FNR
	}
	if (code ~ /^}/ && in_function != "") {
		ended = in_function
		ended_lines = FNR - opened + 1
		in_function = ""
	}
}
