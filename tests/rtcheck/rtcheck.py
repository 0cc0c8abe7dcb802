#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
rtcheck.py - holds the call graph and the instructions of marked functions against their promises.

    rtcheck.py [OPTIONS]               the library: every mark in a public header
    rtcheck.py [OPTIONS] FILE.c ...    what these sources and their headers mark, on top of that
    rtcheck.py [OPTIONS] --self-test   the library, and then tests/rtcheck/must_fail and must_pass

    --flags FILE     the compiler's command (build/release/flags)
    --cc PROGRAM     another compiler than there: gcc 10 or newer
    --work DIR       where objects go (build/rtcheck)
    --exits FILE     more edges that leave real time on purpose
    --json FILE      everything that was found, for programs
    --stacks         list each promised function with its worst stack

The marks are in numa/realtime.h, the rules in rules.py, the exceptions with their reasons in
exits.txt and externs.txt. Exits with 1 if a promise is broken, with 77 where it cannot look.
"""
import argparse
import glob
import json
import os
import platform
import shutil
import subprocess
import sys

from graph import Graph
from lists import Exits, Externs, denied
from rules import Stack, Violation, Walk, unfit_for_pointers
from units import Compiler, Library, Unit, add_to_graph, read_definitions

HERE = os.path.dirname(os.path.relpath(__file__))
FLOORS = ('numa', 'rings', 'io', 'runtime')
ORDER = ('rt', 'no-alloc', 'no-block', 'bounded-recursion', 'lockfree', 'waitfree')


class Checker:
    """One set of units, lists and graphs, and what was found in them."""

    def __init__(self, compiler, lists, base=None):
        self.compiler = compiler
        self.exits, self.externs = Exits(), Externs()
        self.exits_used = set()  # (function, word, name): what marks name, and need
        for path in lists:
            self.exits.read(path)
        self.externs.read(os.path.join(HERE, 'externs.txt'))
        self.units = []
        self.library = base.library.copy() if base else Library(read_definitions(
            path for floor in FLOORS for path in sorted(glob.glob(f'{floor}/*.c'))))
        self.source = Graph(base.source if base else {})
        self.shipped = Graph(base.shipped if base else {})
        self.known = dict(base.known) if base else {}  # every mark, by name
        self.roots = []
        self.violations = {}  # key -> [Violation, other roots]
        self.reached = {}  # title -> a walk of rt that came there, in the source

    def add(self, units):
        """Compile units, and what of the library they need."""
        while units:
            self.compiler.compile_all([u for u in units if not u.files])
            add_to_graph(self.source, units, 'O0')
            add_to_graph(self.shipped, units, 'O3')
            self.units += units
            for unit in units:
                self.known.update(unit.known)
            units = self.library.units_for(self.wanted())
        self.exits.learn(self.source)

    def wanted(self):
        """
        Functions that are called by what is in reach of marks, and not there yet. Never one that
        is known to be libc's: a source of ours that stands in front of it would hide it.
        """
        seen = set()
        for graph in (self.source, self.shipped):
            titles = [self.title(u, n, graph) or n for u in self.units for n in u.marks]
            while titles:
                title = titles.pop()
                if title in seen and title not in graph:
                    continue
                if title not in graph:
                    seen.add(title)
                elif (id(graph), title) not in seen:
                    seen.add((id(graph), title))
                    titles += [callee for callee, _ in graph[title].calls]
        return [title for title in seen if isinstance(title, str) and denied(title) == 'unknown']

    def run(self):
        """Judge every mark."""
        for unit in self.units:
            for place in unit.wrong:
                self.take(Violation('mark', None, [(place, place)], 'it stands on no function'))
        for unit, promise in self.promises():
            self.judge(unit, promise)
        for unit in self.units:
            for given in unit.given:
                self.judge_pointer(unit, *given)
        return self

    def promises(self):
        """
        [(unit, promise)], each function once: the units that see a mark in a header may say
        different things of it, and only one of them may have its code.
        """
        once = {}
        for unit in self.units:
            for promise in unit.marks.values():
                title = self.title(unit, promise.name, self.source) or promise.name
                once.setdefault(title, (unit, promise))[1].merge(promise)
        return once.values()

    def title(self, unit, name, graph):
        """The key of a function as this unit knows it."""
        static = f'{unit.input}:{name}'
        return static if static in graph else name if name in graph else None

    def judge(self, unit, promise):
        """All that one function promises, in both graphs."""
        places = [(g, self.title(unit, promise.name, g)) for g in (self.source, self.shipped)]
        if any(title is None for _, title in places):
            self.take(Violation('mark', promise, [(promise.name, promise.where)],
                                'it has no code that could be looked at: name its source in F, '
                                'too'))
            return
        self.roots.append(promise)
        for word in ORDER:
            if word not in promise.words:
                continue
            walk = Walk(self, self.source, places[0][1], promise, word)
            also = Walk(self, self.shipped, places[1][1], promise, word, walk)
            for violation in walk.run() + also.run():
                self.take(violation)
            if word == 'rt':
                for came in walk.came:
                    self.reached.setdefault(came, walk)
        if 'rt' in promise.words or promise.stack is not None:
            for violation in Stack(self, self.shipped).judge(places[1][1], promise):
                self.take(violation)
        self.judge_unless(promise)

    def judge_unless(self, promise):
        """What a mark says after `unless` is an exit that there is, and that it needs."""
        exits = self.exits.names()
        for word, names in promise.unless.items():
            for name in names:
                rule, what = 'stale', f'it never leaves by "{name}": take `unless` away'
                if name not in exits:
                    rule, what = 'mark', f'"{name}" is none of {", ".join(exits)}'
                if (promise.name, word, name) not in self.exits_used:
                    self.take(Violation(rule, promise, [(promise.name, promise.where)], what))

    def judge_pointer(self, unit, function, where, what, kept):
        """
        A pointer of a promising type is given a function: which promises, too, if the pointer may
        be called in real time. One that is kept may be, whoever fills it; what is only an argument
        may do what it likes where nothing is promised.
        """
        why = unfit_for_pointers(self.known.get(what))
        if not why:
            return
        title = self.title(unit, function, self.source) if function else None
        walk = self.reached.get(title)
        asked = unit.others  # it is one of FILE.c
        if walk or (kept and asked) or not function:
            chain = walk.chain(title) if walk else [(function or 'file scope', where)]
            self.take(Violation('handler', walk.promise if walk else None, chain + [(what, where)],
                                why))

    def take(self, violation):
        """Note it once, however many roots come there."""
        known = self.violations.setdefault(violation.key(), [violation, set()])
        if violation.promise:
            known[1].add(violation.promise.name)

    def judge_lists(self, own):
        """Entries of these files that nothing needed."""
        for entry in self.exits.all:
            if not entry.used and entry.at.rsplit(':', 1)[0] in own:
                self.take(Violation('stale', None, [(entry.text(), entry.at)],
                                    'no promise needs this exit'))
        for name, at in self.externs.at.items():
            if name not in self.externs.used and at.rsplit(':', 1)[0] in own:
                self.take(Violation('stale', None, [(name, at)], 'no promise needs this extern'))

    def sorted(self):
        """Violations in a stable order."""
        return sorted(self.violations.values(), key=lambda v: (v[0].rule, v[0].names()))

    def report(self, out):
        """For people: what, by which way, and how many others come there."""
        for violation, names in self.sorted():
            promise = violation.promise
            text = f' ({promise.text()})' if promise else ''
            print(f'rtcheck: {violation.rule}: {violation.chain[0][0]}{text}: {violation.what}',
                  file=out)
            for depth, (name, where) in enumerate(violation.chain):
                arrow = '-> ' if depth else ''
                print(f'    {"  " * depth}{arrow}{name}  {where}', file=out)
            if len(names) > 1:
                print(f'    and from {len(names) - 1} more', file=out)

    def verdict(self):
        """All of it in one line."""
        number = len({(p.name, p.where) for p in self.roots})
        if not self.violations:
            keep = 'function keeps its promises' if number == 1 else 'functions keep their promises'
            return f'{"ok" if number else "not ok"} - {number} {keep}'
        marked = {name for unit in self.units for name in unit.marks}
        broken = {name for _, names in self.violations.values() for name in names}
        if not broken:
            return f'not ok - violations of no function alone: {len(self.violations)}'
        return f'not ok - {len(broken)} of {len(marked)} functions break their promises'

    def as_json(self):
        """For programs."""
        return {
            'roots': [{'name': p.name, 'at': p.where, 'promises': p.text(),
                       'stack': getattr(p, 'deepest', None)} for p in self.roots],
            'violations': [{'rule': v.rule, 'what': v.what, 'roots': sorted(names),
                            'chain': [{'function': n, 'at': w} for n, w in v.chain]}
                           for v, names in self.sorted()],
        }


def expectations(path):
    """What the comment at the top of an example says, each in one line."""
    with open(path, encoding='utf-8') as text:
        comment = ' '.join(text.read().split('/*')[2].split('*/')[0].replace('\n *', ' ').split())
    return sorted(part.strip() for part in comment.split('expect: ')[1:])


def self_test(compiler, library, folder):
    """
    Each source of must_fail breaks exactly the rules that it says, by the way that it says:

        expect: alloc: tick -> refill -> malloc

    and one of must_pass none. NAME.exits beside NAME.c is a list of exits of its own.
    """
    paths = sorted(glob.glob(os.path.join(HERE, folder, '*.c')))
    units = [Unit(path, True, library.known) for path in paths]
    compiler.compile_all(units)
    right = 0
    for unit in units:
        own = [p for p in [unit.path[:-2] + '.exits'] if os.path.exists(p)]
        checker = check(compiler, [os.path.join(HERE, 'exits.txt')] + own, [unit], library)
        checker.judge_lists(own)
        expected = expectations(unit.path)
        found = sorted(f'{v.rule}: {v.names()}' for v, _ in checker.sorted())
        name = os.path.relpath(unit.path, HERE)
        if not checker.roots and not expected:
            print(f'not ok - {name}: it promises nothing')
        elif found == expected and bool(expected) == (folder == 'must_fail'):
            right += 1
            print(f'ok - {name}' + ''.join(f'; {line}' for line in found))
        else:
            print(f'not ok - {name}: expected {expected}, found {found}')
            checker.report(sys.stdout)
    return len(units), right


def cannot_look(program):
    """Why not, or None."""
    if platform.machine() != 'x86_64':
        return 'it reads the instructions of x86-64 only'
    for name in (program[-1], 'objdump'):
        if not shutil.which(name):
            return f'{name} is not installed'
    told = [subprocess.run(program + [what], capture_output=True, text=True, check=True).stdout
            for what in ('--version', '-dumpversion')]
    if 'clang' in told[0] or int(told[1].split('.')[0]) < 10:
        return f'{" ".join(program)} is no gcc of version 10 or newer'
    return None


def refusal(path):
    """Why a source cannot be looked at, or None."""
    if not os.path.isfile(path):
        return 'no such file'
    if len(path.split()) != 1 or ':' in path:
        return 'a path with a blank or a colon cannot be looked at'
    return None if path.endswith('.c') else 'C only, and files that end in .c'


def refuse(paths):
    """Tell what cannot be looked at before anything is compiled."""
    refused = [(path, refusal(path)) for path in paths if refusal(path)]
    for path, why in refused:
        print(f'rtcheck: {path}: {why}')
    return bool(refused)


def refuse_unmarked(units):
    """Tell that there is nothing to check."""
    if any(unit.marks or unit.wrong for unit in units):
        return False
    for unit in units:
        print(f'rtcheck: nothing to check: {unit.path} marks no function; put QUOIT_RT before one '
              '(numa/realtime.h)')
    return True


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('files', nargs='*')
    parser.add_argument('--flags', default='build/release/flags')
    parser.add_argument('--cc')
    parser.add_argument('--work', default='build/rtcheck')
    parser.add_argument('--exits', action='append', default=[])
    parser.add_argument('--json')
    parser.add_argument('--stacks', action='store_true')
    parser.add_argument('--self-test', action='store_true')
    parser.add_argument('--jobs', type=int, default=os.cpu_count())
    return parser.parse_args()


def check(compiler, lists, units, base=None):
    """One set of units, judged."""
    checker = Checker(compiler, lists, base)
    checker.add(units)
    return checker.run()


def main():
    """See above."""
    options = arguments()
    if refuse(options.files):
        return 2
    compiler = Compiler(options.flags, options.cc, options.work, options.jobs)
    why = cannot_look(compiler.program)
    if why:
        print(f'skip - the promises of functions: {why}')
        return 77
    lists = [os.path.join(HERE, 'exits.txt')] + options.exits
    roots = Unit(os.path.join(HERE, 'roots.c'), marked=True)
    checker = library = check(compiler, lists, [roots])
    if options.files:
        units = [Unit(os.path.relpath(path), True, library.known) for path in options.files]
        checker = check(compiler, lists, units, library)
        if refuse_unmarked(units):
            return 2
        checker.judge_lists(options.exits)
    else:
        library.judge_lists([os.path.join(HERE, name) for name in ('exits.txt', 'externs.txt')])
    checker.report(sys.stdout)
    broken = len(checker.violations)
    good = checker.roots and not broken
    print(checker.verdict())
    if options.stacks:
        for promise in sorted(checker.roots, key=lambda p: -getattr(p, 'deepest', 0)):
            print(f'{getattr(promise, "deepest", 0):6} {promise.name}  ({promise.text()})')
    if options.json:
        with open(options.json, 'w', encoding='utf-8') as out:
            json.dump(checker.as_json(), out, indent=1)
    planted = caught = passing = passed = 0
    if options.self_test:
        planted, caught = self_test(compiler, library, 'must_fail')
        passing, passed = self_test(compiler, library, 'must_pass')
    print(f'RESULT name=rtcheck roots={len(checker.roots)} violations={broken} '
          f'must_fail={planted} caught={caught} must_pass={passing} passed={passed}')
    return 0 if good and caught == planted and passed == passing else 1


if __name__ == '__main__':
    try:
        sys.exit(main())
    except (RuntimeError, ValueError, OSError) as error:
        print(f'not ok - it could not look: {error}')
        sys.exit(2)
