# SPDX-License-Identifier: MIT
"""
marks.py - which functions promise what: the marks of numa/realtime.h, as the compiler sees them.

With QUOIT_RTCHECK defined a mark is an attribute that names its promise. They are read from the
preprocessed text, so a mark that a macro has stamped counts like one that was written, and one in a
comment or a branch that is not compiled does not. Nothing of it is in any object.
"""
import re

PROMISE = re.compile(r'\bquoit_promise\s*\(\s*("[^()]*")\s*\)')  # one string, or two in a row
LINE = re.compile(r'^#\s+(\d+)\s+"([^"]*)".*$', re.M)
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[A-Za-z_]\w*|#[^\n]*\n|[^\s]')
NO_NAMES = {'__attribute__', '__attribute', '__asm__', '_Alignas', '__typeof__', '__declspec'}
ATTRIBUTE = re.compile(r'__attribute__\s*\(\(')


class Promise:
    """What one function's marks say."""

    def __init__(self, name, where):
        self.name = name
        self.where = where
        self.static = False
        self.words = set()  # rt, no-alloc, no-block, bounded-recursion, lockfree, waitfree
        self.unless = {'rt': set(), 'waitfree': set()}
        self.stack = None

    def say(self, text):
        """Take in the text of one mark: `rt`, `rt unless armed`, `stack 512`."""
        words = text.replace('"', '').split()
        if words[0] == 'stack':
            self.stack = int(words[1], 0)
            return
        self.words.add(words[0])
        if len(words) == 3 and words[1] == 'unless':
            self.unless[words[0]].add(words[2])

    def merge(self, other):
        """The same function marked in another unit or once more."""
        self.words |= other.words
        self.static |= other.static
        self.stack = other.stack if self.stack is None else self.stack
        for kind in self.unless:
            self.unless[kind] |= other.unless[kind]

    def text(self):
        """As it is shown to people."""
        parts = sorted(word + ''.join(' unless ' + c for c in sorted(self.unless.get(word, ())))
                       for word in self.words)
        if self.stack is not None:
            parts.append(f'stack {self.stack}')
        return ', '.join(parts)


def skip_parentheses(tokens):
    """Past a balanced pair; gives the text inside."""
    depth, inside = 0, []
    for token in tokens:
        depth += (token == '(') - (token == ')')
        inside.append(token)
        if not depth:
            break
    return ' '.join(inside)


def declaration(text, start):
    """
    The function declared from `start` on: its name, whether it is static, the promises on the way.
    None if what is marked is no function.
    """
    tokens = (m[0] for m in TOKEN.finditer(text, start))
    promises, static, before = [], False, ''
    for token in tokens:
        if token[0] == '#':
            continue
        if token in NO_NAMES:
            promises += PROMISE.findall(skip_parentheses(tokens))
            continue
        if token == '(':
            return (before, static, promises) if re.match(r'[A-Za-z_]', before) else None
        if token in ';{}=':
            return None
        static |= token == 'static'
        before = token
    return None


def lines_of(text):
    """[(offset, file, line)] of the line markers."""
    return [(m.end() + 1, m[2], int(m[1])) for m in LINE.finditer(text)]


def where_is(markers, text, offset):
    """file:line of an offset in the preprocessed text."""
    low, high = 0, len(markers)
    while low < high:
        middle = (low + high) // 2
        if markers[middle][0] <= offset:
            low = middle + 1
        else:
            high = middle
    if not low:
        return '', 0
    start, name, line = markers[low - 1]
    return name, line + text.count('\n', start, offset)


def read_marks(text):
    """({name: Promise}, [places of marks that stand on no function]) of a preprocessed unit."""
    markers = lines_of(text)
    found, wrong, done = {}, [], 0
    for mark in PROMISE.finditer(text):
        if mark.start() < done:
            continue
        start = text.rfind('__attribute__', 0, mark.start())
        name, line = where_is(markers, text, start)
        function = declaration(text, start)
        done = mark.end()
        if not function:
            wrong.append(f'{name}:{line}')
            continue
        promise = Promise(function[0], f'{name}:{line}')
        promise.static = function[1]
        for words in function[2]:
            promise.say(words)
        done = text.find('(', text.find(function[0], start))
        if promise.name in found:
            found[promise.name].merge(promise)
        else:
            found[promise.name] = promise
    return found, wrong
