# SPDX-License-Identifier: MIT
"""
lists.py - what is outside of the graph: the edges that leave real time on purpose (exits.txt), the
functions of libc that somebody has vouched for (externs.txt), and names that are known to be bad.

Entries of exits.txt:   PROMISE NAME [CALLER ->] CALLEE : REASON
    PROMISE is rt, waitfree or any, with a `?` if not every configuration has the edge. NAME is what
    a mark says after `unless`, or `always`. With a caller the edge is what that function calls in
    the source, wherever it is inlined. SOURCE.c:CALLEE is the static function of that source.
Entries of externs.txt:  FUNCTION BYTES : REASON
    BYTES is the stack that it is allowed.

A reason may follow on lines of its own, each behind a colon.

An entry that nothing needs is a violation itself.
"""
import re

from graph import base_name, in_source

BAD = {
    'alloc': r'malloc|calloc|realloc|reallocarray|free|aligned_alloc|posix_memalign|memalign|'
             r'valloc|pvalloc|strn?dup|v?asprintf|getdelim|getline|s?brk|'
             r'mmap(64)?|munmap|mremap|madvise|mprotect|m?lockall|munlock|mlock2?|mbind|'
             r'malloc_trim|cfree|dlopen|dlsym',
    'block': r'pthread_(mutex_(timed)?lock|cond_(timed)?wait|cond_clockwait|join|rwlock_\w*lock|'
             r'barrier_wait|spin_lock|once|create)|sem_(timed|clock)?wait|sem_post|u?sleep|'
             r'nanosleep|clock_nanosleep|p?poll|p?select|epoll_p?wait\d?|wait|waitpid|waitid|'
             r'flockfile|sched_yield|pause|sig(timed)?wait(info)?|mtx_lock|cnd_wait|thrd_\w+',
    'syscall': r'p?(read|write)(v|64|v64)?|open(at)?(64)?|close|ioctl|fcntl(64)?|syscall|'
               r'(send|recv)(to|from|msg|mmsg)?|socket(pair)?|accept4?|connect|bind|listen|'
               r'shutdown|eventfd(_read|_write)?|timerfd_\w+|signalfd|epoll_c\w+|futex|fsync|'
               r'sched_(get|set)\w+|pthread_mutex_unlock|pthread_cond_(signal|broadcast)|kill|'
               r'tgkill|raise|fork|execve|dup\d?|pipe2?|lseek|stat|fstat|unlink|rename|mkdir|'
               r'prctl|membarrier|getpid|io_uring_\w+|getrandom',
    'print': r'v?[fd]?printf|v?sn?printf|puts|fputs|fputc|putc|putchar|fwrite|'
             r'fflush|fopen|fclose|perror|v?syslog|abort|exit|_exit|'
             r'__assert_fail|backtrace\w*',
}
LOCK = re.compile(r'(?:pthread_(mutex|rwlock|spin)_(?!un)\w*lock|sem_\w*wait|mtx_(?!un)\w*lock|'
                  r'f(try)?lockfile)\Z')
BAD = {rule: re.compile(rf'(?:{names})\Z') for rule, names in BAD.items()}

def plain(name):
    """What the source says, where libc's headers have put a checked variant."""
    return re.sub(r'^__(\w+)_chk$', r'\1', base_name(name))


def denied(name):
    """The rule that a call of this function of libc breaks: one of BAD, or unknown."""
    for rule, names in BAD.items():
        if names.match(plain(name)):
            return rule
    return 'unknown'


def locks(name):
    """Does this function of libc take a lock, be it that it only tries to?"""
    return bool(LOCK.match(plain(name)))


def entries(path):
    """(line number, words before the colon) of each entry; one without a reason is refused."""
    head, number, reason = [], 0, True
    with open(path, encoding='utf-8') as lines:
        for at, line in enumerate(list(lines) + ['end :'], 1):
            line = line.split('#')[0] if line.startswith('#') else line.strip()
            words, colon, text = line.partition(': ')
            if words.split():
                if not reason:
                    raise ValueError(f'{path}:{number}: an entry needs its reason, behind a colon')
                if head:
                    yield number, head
                head, number, reason = words.split(), at, False
            reason = reason or bool(colon and text.strip())


class Exit:
    """One edge out of the world that a promise is about."""

    def __init__(self, path, number, words):
        self.used = words[0].endswith('?')
        if len(words) not in (3, 5) or words[0].rstrip('?') not in ('rt', 'waitfree', 'any') or \
                (len(words) == 5 and words[3] != '->'):
            raise ValueError(f'{path}:{number}: an exit is PROMISE NAME [CALLER ->] CALLEE')
        self.at = f'{path}:{number}'
        self.promise, self.name = words[0].rstrip('?'), words[1]
        self.callee = words[-1]
        self.caller = words[2] if len(words) == 5 else None

    def text(self):
        """As it stands in the list."""
        return f'{self.caller} -> {self.callee}' if self.caller else self.callee


class Exits:
    """All of them, and where in the source their callers make the call."""

    def __init__(self):
        self.by_callee = {}
        self.all = []
        self.sites = {}  # (caller, callee) -> places, from the graph of the source

    def read(self, path):
        """Take in a file."""
        for number, words in entries(path):
            self.all.append(Exit(path, number, words))
            self.by_callee.setdefault(self.all[-1].callee, []).append(self.all[-1])

    def names(self):
        """What a mark may say after `unless`, in the order of the lists."""
        return list(dict.fromkeys(e.name for e in self.all if e.name != 'always'))

    def learn(self, graph):
        """Where each function of the source calls what: it may be inlined elsewhere."""
        for function in graph.values():
            for callee, where in function.calls:
                for entry in self.called(callee) if where else ():
                    self.sites.setdefault((function.name, entry.callee), set()).add(where)

    def called(self, callee):
        """Entries for a function, by its name or with its source."""
        return self.by_callee.get(base_name(callee), []) + self.by_callee.get(in_source(callee), [])

    def match(self, word, function, callee, where):
        """The exit that this edge is for a promise, or None."""
        promise = {'rt': 'rt', 'no-block': 'rt', 'waitfree': 'waitfree'}.get(word, 'any')
        for entry in self.called(callee):
            if entry.promise not in (promise, 'any'):
                continue
            if entry.caller in (None, function.name) or \
                    where in self.sites.get((entry.caller, entry.callee), ()):
                entry.used = True
                return entry
        return None


class Externs:
    """Functions without code of ours that may be called."""

    def __init__(self):
        self.bytes = {}
        self.at = {}
        self.used = set()

    def read(self, path):
        """Take in a file."""
        for number, words in entries(path):
            if len(words) != 2 or not words[1].isdigit():
                raise ValueError(f'{path}:{number}: an extern is FUNCTION BYTES')
            self.bytes[words[0]] = int(words[1])
            self.at[words[0]] = f'{path}:{number}'

    def entry(self, name):
        """Its name in the list, where a checked variant is what it checks."""
        return name if name in self.bytes else plain(name)

    def knows(self, name):
        """Has somebody vouched for it?"""
        known = self.entry(name)
        if known in self.bytes:
            self.used.add(known)
        return known in self.bytes

    def stack(self, name):
        """What it is allowed; a system call's wrapper and the like take little."""
        return self.bytes.get(self.entry(name), 64)
