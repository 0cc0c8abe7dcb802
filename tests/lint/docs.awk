# SPDX-License-Identifier: MIT
#
# docs.awk - every public function is documented, and used by a test.
#
#   awk -f c.awk -f docs.awk FILE ...       public headers, and the sources of tests/
#
# Public is a function, or a macro with arguments, of a public header whose name begins with quoit_
# or QUOIT_ and a single line. Directly above stands a comment; what stands in one paragraph has one
# comment. It says `Errors:` if the answer of the function must be looked at (QUOIT_MUST_CHECK int),
# and in rings/ `Thread:` if the first argument is something that may change. A comment that stands
# for itself says `Thread:` for the rest of its section, the first one for the whole file. A macro
# may also be named in any comment before it; and the functions that it makes are explained in the
# file's first one, each by its name: name_send or orders_send, for name##_send.
#
# The name stands somewhere in tests/, outside comments. A function is used too where a test uses
# what calls it from a macro (orders_send, made by name##_send, calls quoit_spsc_commit), be it by
# way of a quoit__ function. Macros of numa/ are the compiler's seam, and need no test.
#
# Prints `file:line: rule: what to do`.

FNR == 1 {
	c_begin()
	is_test = FILENAME ~ /^(\.\/)?tests\//
	tests += is_test
	block = paragraph = declaration = macro = verb = section = whole_file = told = ""
	stands_alone = first_block = 0
}

is_test {
	uses(c_strip($0))
	next
}

{
	code = c_strip($0)
	header_line(code, code ~ /^[ \t]*$/)
}

END {
	for (depth = 0; depth < 3; depth++)
		for (i = 1; i <= links; i++)
			if (caller[i] in used || caller[i] in used_verb)
				used[callee[i]]
	for (i = 1; tests && i <= names; i++)
		if (!(name_of[i] in used))
			print where[i] ": untested: call " name_of[i] "() in a test"
	for (i = 1; tests && i <= stamps; i++)
		if (!(stamp_of[i] in used_verb))
			print stamp_at[i] ": untested: call name_" stamp_of[i] "() in a test"
}

# Every identifier, and what follows the first underscore of each: the verb, in what a macro made.
function uses(code,    word)
{
	while (match(code, /[A-Za-z_][A-Za-z0-9_]*/)) {
		word = substr(code, RSTART, RLENGTH)
		code = substr(code, RSTART + RLENGTH)
		if (word in used)
			continue
		used[word]
		if (word ~ /^quoit_[a-z]+_u64_/ ? sub(/^quoit_[a-z]+_u64_/, "", word) : \
		    word !~ /^(quoit|QUOIT)_/ && sub(/^[a-z0-9]+_/, "", word))
			used_verb[word]
	}
}

function header_line(code, blank)
{
	told = told " " comment
	if (blank && comment == "" && !in_comment) {
		if (stands_alone)
			section = section block
		if (stands_alone && first_block++ == 0)
			whole_file = block
		block = paragraph = ""
		stands_alone = 0
		return
	}
	if (blank) {
		if (!stands_alone)
			block = ""
		if (comment ~ /^ *--- /)
			section = ""
		block = block " " comment
		stands_alone = 1
		return
	}
	if (stands_alone)
		paragraph = block
	if (!first_block && stands_alone && code ~ /^#/)
		whole_file = block
	first_block += stands_alone
	stands_alone = 0
	if (macro != "")
		in_macro(code)
	else if (code ~ /^#[ \t]*define/)
		define(code)
	else
		declare(code)
}

function define(code,    name)
{
	if (!match(code, /(quoit|QUOIT)_[A-Za-z0-9_]*\(/))
		return
	name = substr(code, RSTART, RLENGTH - 1)
	if (substr(code, 1, RSTART - 1) !~ /^#[ \t]*define[ \t]+$/)
		return
	if (name !~ /^(quoit|QUOIT)__/) {
		if (FILENAME !~ /^(\.\/)?numa\//)
			public(name)
		if (paragraph == "" && !mentions(told, name))
			say("doc", "write directly above what " name "() is for")
	}
	verb = ""
	if (code ~ /\\$/)
		macro = name
}

# In a macro that stamps functions: their definitions, by name##_verb(, and what they call.
function in_macro(code,    kinds, i, word)
{
	if (match(code, /name##_[a-z0-9_]+\(/) && \
	    code ~ /QUOIT_(HOT|SLOW|MUST_CHECK)|static|^[ \t]+(\*|struct )?name##/ && \
	    code !~ /[;=]/) {
		verb = substr(code, RSTART + 7, RLENGTH - 8)
		if (verb !~ /^_/ && !((FILENAME, verb) in stamped)) {
			stamped[FILENAME, verb]
			stamp_of[++stamps] = verb
			stamp_at[stamps] = FILENAME ":" FNR
			if (!mentions(whole_file, "[a-z]*_" verb))
				say("doc", "say at the top of the file what name_" verb "() does")
		}
	}
	split("spmc mpmc", kinds, " ")
	for (i = 1; i <= 2; i++) {
		word = code
		gsub(/##kind##/, kinds[i], word)
		link(verb == "" ? macro : verb, word)
	}
	if (code !~ /\\$/)
		macro = ""
}

function link(from, code)
{
	while (match(code, /(quoit|QUOIT)_[A-Za-z0-9_]+/)) {
		caller[++links] = from
		callee[links] = substr(code, RSTART, RLENGTH)
		code = substr(code, RSTART + RLENGTH)
	}
}

# Collect a declaration until its end, or its body.
function declare(code)
{
	c_functions(code)
	if (in_function ~ /^quoit__/)
		link(in_function, code)
	if (declaration == "") {
		if (in_function != "" || code !~ /^[A-Za-z_]/ || \
		    code ~ /^(typedef|extern "C"|quoit_static_assert)/)
			return
		declared_at = FNR
	}
	declaration = declaration " " code
	if (code !~ /[;{]/)
		return
	judge(declaration)
	declaration = ""
}

function judge(text,    name)
{
	sub(/[;{].*/, "", text)
	gsub(/__attribute__\(\([^)]*\)*\)/, "", text)
	if (!match(text, /quoit_[A-Za-z0-9_]*\(/))
		return
	name = substr(text, RSTART, RLENGTH - 1)
	if (name ~ /^quoit__/ || text ~ /=/)
		return
	public(name)
	if (paragraph == "") {
		say_at(declared_at, "doc", "write directly above what " name "() does")
		return
	}
	if (text ~ /QUOIT_MUST_CHECK/ && text ~ / int quoit_/ && paragraph !~ /Errors[,:]/)
		say_at(declared_at, "doc", name "() has an `Errors:` to be told")
	if (FILENAME ~ /^(\.\/)?rings\// && text ~ /\(struct [a-z0-9_]+ \*/ && \
	    (paragraph section whole_file) !~ /Thread[,:]/)
		say_at(declared_at, "doc", name "() has a `Thread:` to be told")
}

function public(name)
{
	name_of[++names] = name
	where[names] = FILENAME ":" (declaration == "" ? FNR : declared_at)
}

# Is `word` in the text, and not as part of a longer one?
function mentions(text, word)
{
	return match(text, "(^|[^A-Za-z0-9])" word "([^A-Za-z0-9_]|$)") > 0
}

function say(rule, what)
{
	say_at(FNR, rule, what)
}

function say_at(line, rule, what)
{
	print FILENAME ":" line ": " rule ": " what
}
