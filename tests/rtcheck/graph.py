# SPDX-License-Identifier: MIT
"""
graph.py - who calls whom, how much stack a function takes, and what its instructions do.

Three sources, put together. The compiler's call graph of the program as it is written (at -O0:
every inline function is one, calls stand where their source says); that of the program as it is
shipped (at -O3: what was inlined is gone, frames are those that will be); and the instructions of
the shipped objects, which know calls that the compiler's graph does not, and what is no call.
"""
import os
import re
import subprocess

INDIRECT = '__indirect_call'
CLONE = re.compile(r'\.(?:constprop|part|isra|cold|lto_priv)\b.*$')
TREE = re.compile(rf'^.*?/include/quoit/|^{re.escape(os.getcwd())}/')

NODE = re.compile(r'^node: \{ title: "([^"]*)" label: "([^"]*)"(.*)\}$')
EDGE = re.compile(r'^edge: \{ sourcename: "([^"]*)" targetname: "([^"]*)"(?: label: "([^"]*)")?')
FRAME = re.compile(r'(\d+) bytes \(([a-z,]+)\)')
OBJECTS = re.compile(r'([1-9]\d*) dynamic objects')

SYMBOL = re.compile(r'^([0-9a-f]+) <([^>]+)>:$')
SECTION = re.compile(r'^Disassembly of section (\S+):$')
INSTRUCTION = re.compile(r'^\s+([0-9a-f]+):\t(.*)$')
RELOCATION = re.compile(r'^\s+[0-9a-f]+: (R_\S+)\t(\S+)$')
WEAK = re.compile(r'^[0-9a-f]+  w.{5} (?!\*UND\*).*?\t[0-9a-f]+ +(?:\.\w+ )?(\S+)$', re.M)
TARGET = re.compile(r'^(?:call|jmp|j[a-z]+)\s+[0-9a-f]+ <([^>+]+)(\+0x[0-9a-f]+)?>')
PREFIX = re.compile(r'^(?:(?:bnd|notrack|data16|rex\.\w+|cs|ds)\s+)*')


def in_source(title):
    """The title in the source, also of what the compiler has cloned or split."""
    return CLONE.sub('', title)


def unit_less(title):
    """The name of the symbol."""
    return title.rsplit(':', 1)[-1]


def base_name(title):
    """The name in the source, without its unit."""
    return in_source(unit_less(title))


def place(label):
    """A place as the tree knows it, wherever the headers are linked to."""
    return TREE.sub('', label) if label else ''


def weak_functions(path):
    """What an object defines, and any other may define instead."""
    table = subprocess.run(['objdump', '-t', path], check=True, capture_output=True, text=True)
    return set(WEAK.findall(table.stdout))


class Function:
    """One function with code of its own. Keyed by title: `name`, or `unit:name` if it is static."""

    def __init__(self, title, where='', frame=0, dynamic=False):
        self.title = title
        self.name = base_name(title)
        self.where = where
        self.frame = frame
        self.dynamic = dynamic  # takes stack by amounts that are not known
        self.calls = []  # (title, place) in the order of the source
        self.kernel = []  # instructions that enter it
        self.locked = []  # instructions that own a line of memory for a moment
        self.untyped = []  # calls through a pointer that promises nothing
        self.typed = []  # calls through one of a QUOIT_RT_FN type


class Graph(dict):
    """Functions by title, of any number of units."""

    def read_compiler(self, path, weak):
        """
        Take in what -fcallgraph-info=su,da has written, but for what is weak: nobody knows what the
        program will have in its place, so it is only called, by its name alone. Gives the titles
        defined there.
        """
        mine = {}
        edges = []
        with open(path, encoding='utf-8') as lines:
            for line in lines:
                node = NODE.match(line)
                edge = EDGE.match(line)
                if node and 'ellipse' not in node[3] and unit_less(node[1]) not in weak:
                    mine[node[1]] = self.add(node[1], node[2])
                elif edge:
                    # *name: libc calls it otherwise in its headers
                    edges.append((edge[1], edge[2].lstrip('*'), place(edge[3])))
        for caller, callee, where in edges:
            if caller in mine:
                name = unit_less(callee)
                mine[caller].calls.append((name if name in weak else callee, where))
        return list(mine)

    def add(self, title, label):
        """A function as a node's label tells of it."""
        parts = label.split('\\n')
        frame = FRAME.search(label)
        dynamic = bool(frame and frame[2] == 'dynamic') or bool(OBJECTS.search(label))
        where = place(parts[1]).rsplit(':', 1)[0] if len(parts) > 1 else ''
        self[title] = Function(title, where, int(frame[1]) if frame else 0, dynamic)
        return self[title]

    def read_object(self, path, titles):
        """Take in the instructions of an object whose functions have these titles."""
        short = {unit_less(title): title for title in titles}
        text = subprocess.run(['objdump', '-dr', '--no-show-raw-insn', path], check=True,
                              capture_output=True, text=True).stdout
        Instructions(self, short).read(text.splitlines())
        for title in titles:  # what is no call to the compiler is a jump by way of a table
            if all(callee != INDIRECT for callee, _ in self[title].calls):
                self[title].typed.clear()


class Instructions:
    """Reads a disassembly with relocations into a graph."""

    def __init__(self, graph, short):
        self.graph = graph
        self.short = short  # symbol -> title
        self.symbols = {}  # section -> [(address, symbol)]
        self.pending = []  # (function, section, offset): calls to where only addresses are known

    def function_of(self, symbol):
        """The function whose code stands behind this symbol; what is cold is a part of one."""
        title = self.short.get(symbol) or self.short.get(symbol.removesuffix('.cold'))
        return self.graph.get(title) if title else None

    def read(self, lines):
        """All of it; then the calls that go to a place in a section are given their names."""
        section, function, last = '', None, ''
        for line in lines:
            found = SECTION.match(line)
            if found:
                section = found[1]
                continue
            found = SYMBOL.match(line)
            if found:
                self.symbols.setdefault(section, []).append((int(found[1], 16), found[2]))
                function = self.function_of(found[2])
                continue
            found = INSTRUCTION.match(line)
            if found and function:
                last = found[2].split('#')[0].strip()
                self.instruction(function, last)
                continue
            found = RELOCATION.match(line)
            if found and function:
                self.relocation(function, last, found[1], found[2])
        self.resolve()

    def instruction(self, function, text):
        """What one instruction does, as far as anybody promises that none does it."""
        bare = PREFIX.sub('', text)
        if re.match(r'(syscall|sysenter|int\s+\$0x80)\b', bare):
            function.kernel.append(bare)
        elif re.match(r'lock\b', bare) or re.match(r'xchg\s.*\(', bare):
            function.locked.append(bare)
        elif re.match(r'(call|jmp)\s+\*', bare):
            (function.typed if 'notrack' in text else function.untyped).append(bare)
        else:
            target = TARGET.match(bare)
            if target and not target[2]:
                self.call(function, target[1])

    def call(self, function, symbol):
        """A call or a jump to the beginning of a function. Those known already keep their place."""
        title = self.short.get(symbol, symbol)
        if symbol.endswith('.cold') or symbol.startswith('.') or title == function.title:
            return
        if all(title != known for known, _ in function.calls):
            function.calls.append((title, ''))

    def relocation(self, function, text, kind, what):
        """Where an instruction leads that the linker will complete."""
        bare = PREFIX.sub('', text)
        pointer = re.match(r'(call|jmp)\s+\*', bare)
        if not re.match(r'(call|jmp|j[a-z]+)\s', bare) or (pointer and 'GOTPC' not in kind):
            return  # of a pointer in a variable only the variable has a name
        found = re.match(r'([^+-]+)(?:([+-])0x([0-9a-f]+))?$', what)
        offset = int(found[3] or '0', 16) * (-1 if found[2] == '-' else 1)
        if pointer:  # by way of the table of addresses: it has a name
            (function.typed if 'notrack' in text else function.untyped).pop()
        if found[1].startswith('.text'):
            self.pending.append((function, found[1], offset + 4))
        else:
            self.call(function, found[1].split('@')[0])

    def resolve(self):
        """Names for the calls into sections."""
        for function, section, address in self.pending:
            for start, symbol in self.symbols.get(section, []):
                if start == address:
                    self.call(function, symbol)
