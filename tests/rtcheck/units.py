# SPDX-License-Identifier: MIT
"""
units.py - compiles sources for the checker, as they ship and as they are written.

The command is that of the release build, from its `flags` file, and what is added changes no code
but for the marks at the targets of jumps (-fcf-protection), by which calls through typed pointers
are known. A unit whose marks are looked for gets a table of its own marked static functions, or
they would have no code by themselves: hot functions are inline everywhere.
"""
import os
import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor

from graph import weak_functions
from marks import read_marks

ADDED = ['-DQUOIT_RTCHECK', '-fcf-protection=branch', '-fno-ipa-icf', '-Wno-attributes',
         '-Wno-infinite-recursion']
GRAPH = ['-fcallgraph-info=su,da']  # beside what is written, or in the current folder
FUNCTION = re.compile(r"In function '([^']+)':|At top level:")
GIVEN = re.compile(r"(?:initialization of|assignment to) '(.*)'\}? from incompatible "
                   r"pointer type '(.*)'\}? \[")
PASSED = re.compile(r"expected '(.*)'\}? but argument is of type '(.*)'")
IMPLIED = re.compile(r"implicit conversion from '(.*)'\}? to '(.*)'\}? not permitted in C\+\+")
RETURNED = re.compile(r"returning '(.*)'\}? from a function with incompatible return "
                      r"type '(.*)'\}? \[")
PROMISES = '__attribute__((nocf_check))'  # in the name of a type: QUOIT_RT_FN
SLOT = re.compile(re.escape(PROMISES) + r' \*[^)]')  # more than one: a pointer to it, or an array
DEFINED = re.compile(r'^[A-Za-z_][^;={}\n]*?\b([A-Za-z_]\w*)\([^;]*?\)\s*\n\{', re.M)
STATEMENT = re.compile(r'"(?:[^"\\\n]|\\.)*"|[;{}]')
PLACE = re.compile(r'^([^:\s]+):(\d+):(\d+): (?:warning|note)')


class Unit:
    """One source and what the compiler said of it."""

    def __init__(self, path, marked=False, others=None):
        self.path = path
        self.marked = marked  # look for marks
        self.others = others or {}  # marks of the library, which are judged with it
        self.input = path
        self.marks = {}  # to be judged, those of its own headers among them
        self.known = {}  # all that its text has
        self.wrong = []
        self.files = {}  # 'O0' and 'O3' -> path without suffix
        self.titles = {}
        self.weak = set()  # functions that another source may define instead
        self.given = []  # (function or '', place, what, kept): what QUOIT_RT_FN pointers are given


class Compiler:
    """Runs the compiler, several at a time."""

    def __init__(self, flags_file, program, work, jobs):
        with open(flags_file, encoding='utf-8') as flags:
            words = shlex.split(flags.read().split(' / ')[0])
        options = next((i for i, word in enumerate(words) if word.startswith('-')), len(words))
        self.program = [program] if program else words[:options]
        self.shipped = self.program + [w for w in words[options:]
                                       if not w.startswith(('-g', '-Werror'))]
        self.written = [w for w in self.shipped if not re.match(r'-[UD]_FORTIFY|-O', w)]
        self.written += ['-O0', '-Dalways_inline=noinline', '-Wc++-compat']  # void * is any pointer
        self.work = work
        self.jobs = jobs
        self.environment = dict(os.environ, LC_ALL='C')

    def run(self, command):
        """The compiler's messages; an error of its own stops everything."""
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment,
                              check=False)
        if done.returncode:
            raise RuntimeError(f'{shlex.join(command)}\n{done.stderr}')
        return done

    def compile_all(self, units):
        """All of them, in both ways."""
        with ThreadPoolExecutor(self.jobs) as pool:
            list(pool.map(self.find_marks, [u for u in units if u.marked]))
            ways = [(u, way) for u in units for way in ('O3', 'O0')]
            list(pool.map(lambda pair: self.compile(*pair), ways))

    def find_marks(self, unit):
        """Preprocess it, and write a source that has its marked static functions emitted."""
        text = self.run(self.written + ADDED[:1] + ['-E', unit.path]).stdout
        unit.known, unit.wrong = read_marks(text)
        unit.marks = {n: m for n, m in unit.known.items()
                      if n not in unit.others or unit.others[n].where != m.where}
        names = [n for n, m in sorted(unit.marks.items()) if m.static]
        if not names:
            return
        unit.input = os.path.join(self.work, 'emit', within(unit.path))
        os.makedirs(os.path.dirname(unit.input), exist_ok=True)
        with open(unit.input, 'w', encoding='utf-8') as out:
            out.write(f'#include "{os.path.abspath(unit.path)}"\n'
                      '__attribute__((used)) static const void *const rtcheck_emitted[] = {\n')
            out.writelines(f'\t(const void *){name},\n' for name in names)
            out.write('};\n')

    def compile(self, unit, way):
        """One object, with its call graph beside it."""
        stem = os.path.join(self.work, way, re.sub(r'\.c$', '', within(unit.path)))
        os.makedirs(os.path.dirname(stem), exist_ok=True)
        unit.files[way] = stem
        command, last = (self.shipped, ['-c', '-o', stem + '.o']) if way == 'O3' else \
                        (self.written, ['-S', '-o', stem + '.s'])
        done = self.run(command + ADDED + GRAPH + last + [unit.input])
        if way == 'O3':
            unit.weak = weak_functions(stem + '.o')
        else:
            unit.given = given_pointers(done.stderr)
            if unit.given:
                self.name_given(unit, stem + '.i')

    def name_given(self, unit, path):
        """
        What is given, by name. Messages name places, and in what a macro has stamped those of the
        macro: so the same again of a text without any, with no more than a statement to a line.
        """
        text = self.run(self.written + ADDED[:1] + ['-E', '-P', unit.input]).stdout
        with open(path, 'w', encoding='utf-8') as out:
            out.write(STATEMENT.sub(lambda m: m[0] if m[0][0] == '"' else m[0] + '\n', text))
        done = self.run(self.written + ADDED + ['-fsyntax-only', path])
        exact = given_pointers(done.stderr)
        if len(exact) != len(unit.given):
            raise RuntimeError(f'{unit.path}: the same text has not the same messages twice')
        unit.given = [(function, place, word_at(*there.split(':')), kept)
                      for (function, place, _, kept), (_, _, there, _) in zip(unit.given, exact)]


def within(path):
    """A place of its own below a folder, for a source that may be outside of the tree."""
    return '/'.join('.up' if part == '..' else part for part in path.lstrip('/').split('/'))


def conversion(line):
    """(type that it becomes, type that it was) of what a message is about."""
    given = GIVEN.search(line) or PASSED.search(line)
    if given:
        return given.groups()
    given = RETURNED.search(line) or IMPLIED.search(line)
    return given.groups()[::-1] if given else ('', '')


def is_given(into, what):
    """
    Is a pointer of a type that promises given what is of none? No function is, be it marked or not.
    Or may it be later, by way of a pointer to it that has forgotten the promise?
    """
    promised, had = into.count(PROMISES), what.count(PROMISES)
    return promised > had or (promised < had and SLOT.search(what))


def given_pointers(messages):
    """
    Where a pointer of a type that promises is given a function: (function, place, exact place, is
    it stored or returned, or only an argument).
    """
    found, function, at = [], '', ''
    for line in messages.splitlines():
        context = FUNCTION.search(line)
        if context:
            function = context[1] or ''
            continue
        here = PLACE.match(line)
        if here and ': warning' in line:
            at = here
        if at and is_given(*conversion(line)):
            found.append((function, f'{at[1]}:{at[2]}', f'{at[1]}:{at[2]}:{at[3]}',
                          not PASSED.search(line)))
    return found


def word_at(path, line, column):
    """The name of a function that stands there alone, or the text that does."""
    with open(path, encoding='utf-8') as lines:
        text = lines.read().split('\n')[int(line) - 1][int(column) - 1:]
    word = re.match(r'=?\s*&?\s*([A-Za-z_]\w*)\s*[,;)}]', text)
    return word[1] if word else text[:40].strip()


def add_to_graph(graph, units, way):
    """Put some units into a graph of one of the two ways."""
    for unit in units:
        unit.titles[way] = graph.read_compiler(unit.files[way] + '.ci', unit.weak)
    if way == 'O3':
        for unit in units:
            graph.read_object(unit.files[way] + '.o', unit.titles[way])


def read_definitions(paths):
    """name -> those of the sources that may define it."""
    by_name = {}
    for path in paths:
        with open(path, encoding='utf-8') as text:
            for name in set(DEFINED.findall(text.read())):
                by_name.setdefault(name, []).append(path)
    return by_name


class Library:
    """Our sources: those that are needed, and no others."""

    def __init__(self, by_name, taken=()):
        self.by_name = by_name
        self.taken = set(taken)

    def copy(self):
        """For who goes on from here, and is not alone in it."""
        return Library(self.by_name, self.taken)

    def units_for(self, names):
        """Units that may define these, if they are not in already."""
        wanted = {path for name in names for path in self.by_name.get(name, ())} - self.taken
        self.taken |= wanted
        return [Unit(path) for path in sorted(wanted)]
