# SPDX-License-Identifier: MIT
"""
rules.py - what a promise forbids, and the chains of calls that break it.

alloc      reaches the allocator, or maps memory          no-alloc, lockfree, waitfree, rt
block      reaches what waits for somebody                no-block, lockfree, waitfree, rt
syscall    reaches a system call, or makes one itself     no-block, rt
print      reaches the output functions of libc           no-alloc, no-block, lockfree, waitfree, rt
unknown    reaches what nobody has vouched for            no-alloc, no-block, rt
exit       leaves by an edge that its mark does not name  rt, waitfree
indirect   calls through a pointer that promises nothing  no-alloc, no-block, rt
handler    a QUOIT_RT_FN pointer is made of any function  rt
recursion  a function calls itself, by whatever way       bounded-recursion, rt
alloca     takes stack by amounts that are not constant   rt
stack      takes more stack than the bound                rt
lock       takes a lock, be it that it only tries to      lockfree, waitfree
atomic     an instruction that owns a line                waitfree
stale      an exit or an excuse that nothing needs
mark       a mark that stands on no function, on one without code, or names an exit there is not
"""
from collections import deque
from functools import cached_property

from graph import INDIRECT, base_name
from lists import denied, locks, plain

DEFAULT_STACK = 1024
VOUCH = ': name its source in F, too, or vouch for it in tests/rtcheck/externs.txt'

WATCHED = {
    'rt': {'alloc', 'block', 'syscall', 'print', 'unknown'},
    'no-alloc': {'alloc', 'print', 'unknown'},
    'no-block': {'block', 'syscall', 'print', 'unknown'},
    # What allocates, waits or prints may take a lock inside of libc.
    'lockfree': {'alloc', 'block', 'print'},
    'waitfree': {'alloc', 'block', 'print'},
}


def unfit_for_pointers(promise):
    """Why a function of this promise, or of none, is nothing for a QUOIT_RT_FN pointer; or None."""
    if not promise or 'rt' not in promise.words or not promise.unless['rt'] <= {'armed'}:
        return 'a QUOIT_RT_FN pointer is given, or can be by way of this, what promises nothing'
    if (promise.stack or 0) > DEFAULT_STACK:
        return f'a QUOIT_RT_FN pointer is given what may take over {DEFAULT_STACK} bytes of stack'
    return None


class Violation:
    """One rule broken, with the way there: [(function, place)], the root first."""

    def __init__(self, rule, promise, chain, what):
        self.rule = rule
        self.promise = promise
        self.chain = chain
        self.what = what

    def key(self):
        """What is the same for all roots that reach it."""
        return self.rule, tuple(name for name, _ in self.chain[-2:]), self.what

    def names(self):
        """root -> ... -> culprit"""
        return ' -> '.join(name for name, _ in self.chain)


class Walk:
    """
    From one root along all calls that a promise covers: first through the source, and then, with
    that walk as a guide, through what is shipped. A call that the source has behind an exit is left
    alone there, be it inlined before it. All others are judged in the second walk, too: what the
    compiler has added, what it has made of a pointer that it could see through, and what
    instructions do.
    """

    def __init__(self, checker, graph, root, promise, word, guide=None):
        self.checker = checker
        self.graph = graph
        self.root = root
        self.promise = promise
        self.word = word
        self.guide = guide
        self.crossed = set()  # (callee, place) that were followed or judged
        self.left = set()  # (title, place) of the exits that were taken
        self.allowed = promise.unless.get(word, set())
        self.came = {root: None}  # title -> (caller, place)
        self.found = []

    def chain(self, title, *more):
        """The way from the root to a function, and then on."""
        steps = []
        while title is not None:
            caller = self.came[title]
            steps.append((base_name(title), caller[1] if caller else self.graph[title].where))
            title = caller[0] if caller else None
        return steps[::-1] + list(more)

    def breaks(self, rule, title, what, *more):
        """Note it, unless it was found in the source already."""
        if self.guide and any((v.rule, v.what) == (rule, what) for v in self.guide.found):
            return
        self.found.append(Violation(rule, self.promise, self.chain(title, *more), what))

    def run(self):
        """Everything in reach, the nearest first: so chains are short."""
        queue = deque([self.root])
        while queue:
            title = queue.popleft()
            function = self.graph[title]
            self.look_inside(function)
            for callee, where in function.calls:
                if callee == INDIRECT or not self.follows(function, callee, where):
                    continue
                if callee not in self.came:
                    self.came[callee] = (title, where)
                    queue.append(callee)
        if self.word in ('rt', 'bounded-recursion'):
            self.find_cycles()
        return self.found

    def follows(self, function, callee, where):
        """Is the callee ours, and on this side of every exit? Judges it if not."""
        name = base_name(callee)
        known = self.guide and self.guide.says(name, where)
        if known is not None:
            return known and callee in self.graph
        taken = self.checker.exits.match(self.word, function, callee, where)
        if taken:
            if taken.name not in self.allowed and taken.name != 'always':
                self.breaks('exit', function.title, f'it leaves by "{taken.name}", which its mark '
                            'does not name', (name, where))
            self.checker.exits_used.add((self.promise.name, self.word, taken.name))
            self.left.add((callee, where))
            return False
        self.crossed.add((name, where))
        if callee in self.graph:
            return True
        self.judge_extern(function, callee, where)
        return False

    def judge_extern(self, function, callee, where):
        """A call of what has no code here."""
        if self.word in ('lockfree', 'waitfree') and locks(callee):
            self.breaks('lock', function.title, f'it takes a lock: {plain(callee)}',
                        (plain(callee), where))
            return
        watched = WATCHED.get(self.word, set())
        if watched and not self.checker.externs.knows(callee):
            rule = denied(callee)
            if rule in watched:
                cure = VOUCH if rule == 'unknown' else ''
                self.breaks(rule, function.title, f'it can reach {plain(callee)}{cure}',
                            (plain(callee), where))

    @cached_property
    def behind_exits(self):
        """The calls at the exits that this walk took, and all that can be reached from there."""
        calls, seen, queue = set(), set(), list(self.left)
        while queue:
            callee, where = queue.pop()
            calls.add((base_name(callee), where))
            if callee in self.graph and callee not in seen:
                seen.add(callee)
                queue += self.graph[callee].calls
        return calls

    def says(self, name, where):
        """Did it go along this call, or leave it behind an exit? None if it did neither."""
        if (name, where) in self.crossed:
            return True
        return False if (name, where) in self.behind_exits else None

    def look_inside(self, function):
        """What a function's own code does."""
        title = function.title
        if 'syscall' in WATCHED.get(self.word, ()):
            for text in function.kernel:
                self.breaks('syscall', title, f'it enters the kernel by itself: {text}')
        if self.word in WATCHED:
            for text in function.untyped[:1]:
                self.breaks('indirect', title, f'it calls through a pointer that promises nothing: '
                            f'{text}')
        if self.word == 'rt':
            if function.typed:
                self.checker.exits_used.add((self.promise.name, 'rt', 'armed'))
                if 'armed' not in self.allowed:
                    self.breaks('exit', title, 'what it calls through a pointer may leave by '
                                '"armed", which its mark does not name: mark it '
                                'QUOIT_RT_UNLESS(armed)')
            if function.dynamic:
                self.breaks('alloca', title, 'it takes stack by an amount that is not constant')
        if self.word == 'waitfree':
            for text in function.locked[:1]:
                self.breaks('atomic', title, f'it owns a line for a moment: {text}')

    def find_cycles(self):
        """Depth first, with the path in hand: an edge back into it is a cycle."""
        state, path = {}, []
        stack = [(self.root, None)]
        while stack:
            title, calls = stack.pop()
            if calls is None:
                state[title] = 'open'
                path.append(title)
                calls = iter([c for c in self.graph[title].calls if c[0] in self.came])
            for callee, where in calls:
                if not self.inside(title, callee, where):
                    continue
                if state.get(callee) == 'open':
                    self.cycle(path[path.index(callee):] + [callee], where)
                elif callee not in state:
                    stack += [(title, calls), (callee, None)]
                    break
            else:
                state[title] = 'done'
                path.pop()

    def inside(self, title, callee, where):
        """Does the walk go along this edge?"""
        known = self.guide and self.guide.says(base_name(callee), where)
        if known is not None:
            return known
        return not self.checker.exits.match(self.word, self.graph[title], callee, where)

    def cycle(self, titles, where):
        """A function that comes back to itself."""
        round_trip = [(base_name(title), '') for title in titles[1:-1]]
        round_trip.append((base_name(titles[-1]), where))
        self.breaks('recursion', titles[0], 'it calls itself', *round_trip)


class Stack:
    """
    The deepest way down from each function, all exits but contract breaches included. It ends at a
    call through a pointer: what is called there has a bound of its own.
    """

    def __init__(self, checker, graph):
        self.checker = checker
        self.graph = graph
        self.depth = {}  # title -> (bytes, next title)

    def of(self, title, path=()):
        """(bytes, next) below and with this function. A cycle is another rule's business."""
        if title in self.depth:
            return self.depth[title]
        if title not in self.graph:
            return self.checker.externs.stack(title), None
        below, deepest = 0, None
        for callee, where in self.graph[title].calls:
            if callee == INDIRECT or callee in path or callee == title:
                continue
            taken = self.checker.exits.match('rt', self.graph[title], callee, where)
            if taken and taken.name == 'always':
                continue
            bytes_below = self.of(callee, path + (title,))[0]
            if bytes_below > below:
                below, deepest = bytes_below, callee
        self.depth[title] = self.graph[title].frame + below, deepest
        return self.depth[title]

    def judge(self, root, promise):
        """[] or the violation."""
        bound = promise.stack if promise.stack is not None else DEFAULT_STACK
        total = self.of(root)[0]
        promise.deepest = total
        if total <= bound:
            return []
        chain, title = [], root
        while title is not None:
            frame = self.graph[title].frame if title in self.graph \
                else self.checker.externs.stack(title)
            chain.append((base_name(title), f'{frame} bytes'))
            title = self.depth[title][1] if title in self.depth else None
        return [Violation('stack', promise, chain, f'{total} bytes of stack; {bound} is the bound')]
