"""Find regular expressions that may take for ever on a name: `(a+)+$` takes 13 s for 24 letters.

Python's `re` tries one way of matching after another. Their number grows exponentially with the
name if some repetition can read the same text in two ways. It grows with a power of the name's
length if several repetitions can share a text between them. Both are properties of the
expression's automaton (Weber and Seidl, "On the degree of ambiguity of finite automata", 1991).
The positions of its characters are the states; the tree is that of `re` itself.
"""

import re
import string
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from importlib import import_module
from typing import Any

#: The characters of tables' and indexes' names.
ALPHABET = string.ascii_letters + string.digits + "_.-"
EVERY = (1 << len(ALPHABET)) - 1
#: So many repetitions may share a text: a name of 255 characters then takes less than a second.
MOST_SHARING = 4
#: An expression of more characters, or whose check needs more steps, is not examined.
MOST_POSITIONS, MOST_STEPS = 1_000, 300_000
#: A count such as {12} is written out up to here; more is treated as "any number".
MOST_COPIES = 64
LONG = "it is too long to be checked; write several rules"
FOR_EVER = (
    "it may take for ever on a long name, because a repetition can read the same text in "
    "two ways; write it without a repetition inside a repetition"
)
TOO_SLOW = (
    f"it may take minutes on a long name, because more than {MOST_SHARING} repetitions such as .* "
    "can share a text"
)


def slowness(expression: str) -> str:
    """Return why an expression may take for ever on a name, or "".

    It must compile. The check itself takes at most about a second.
    """
    parse = import_module("re._parser").parse
    automata = [_Automaton()]
    try:
        automata[0].read(parse(expression), automata)
        return next((why for why in map(_slowness, automata) if why), "")
    except _TooLong:
        return LONG


class _TooLong(Exception):
    """The expression is too long to be examined."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of an expression: whether it may be empty, and where it can begin and end.

    repeats: it has a repetition in it.
    """

    may_be_empty: bool = True
    first: tuple[int, ...] = ()
    last: tuple[int, ...] = ()
    repeats: bool = False


@dataclass
class _Automaton:
    """Positions: the characters that each may be, and how many ways lead from one to another.

    steps: what the check may still do.
    """

    masks: list[int] = field(default_factory=list)
    follow: dict[int, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    steps: int = MOST_STEPS

    def read(self, tree: Iterable[tuple[Any, Any]], others: "list[_Automaton]") -> _Part:
        """Add a sequence. What is looked at ahead or behind becomes an automaton of its own."""
        return reduce(self._join, (self._node(str(op), of, others) for op, of in tree), _Part())

    def _node(self, op: str, of: Any, others: "list[_Automaton]") -> _Part:
        match op:
            case "SUBPATTERN":
                return self.read(of[-1], others)
            case "ATOMIC_GROUP":
                return self.read(of, others)
            case "BRANCH":
                parts = [self.read(branch, others) for branch in of[1]]
                return _Part(
                    any(part.may_be_empty for part in parts),
                    tuple(i for part in parts for i in part.first),
                    tuple(i for part in parts for i in part.last),
                    any(part.repeats for part in parts),
                )
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                low, high, body = of
                return self._repeat(low, high, body, others)
            case "ASSERT" | "ASSERT_NOT":
                others.append(_Automaton())
                others[-1].read(of[1], others)
                return _Part()
            case "AT":
                return _Part()
            case "GROUPREF" | "GROUPREF_EXISTS":
                return self._loop(self._position(EVERY), may_be_empty=True)
        return self._position(_characters(op, of))

    def _repeat(self, low: int, high: int, body: Any, others: "list[_Automaton]") -> _Part:
        if low == high <= MOST_COPIES:
            return reduce(self._join, (self.read(body, others) for _ in range(low)), _Part())
        part = self.read(body, others)
        if high == 1 and part.repeats:
            return _Part(True, part.first, part.last, True)
        # a?a?a? can share a text as a*a*a* can
        return self._loop(part, low == 0 or part.may_be_empty)

    def _position(self, mask: int) -> _Part:
        if len(self.masks) == MOST_POSITIONS:
            raise _TooLong
        self.masks.append(mask)
        here = (len(self.masks) - 1,)
        return _Part(False, here, here)

    def _join(self, one: _Part, two: _Part) -> _Part:
        self._connect(one.last, two.first)
        return _Part(
            one.may_be_empty and two.may_be_empty,
            one.first + (two.first if one.may_be_empty else ()),
            two.last + (one.last if two.may_be_empty else ()),
            one.repeats or two.repeats,
        )

    def _loop(self, part: _Part, may_be_empty: bool) -> _Part:
        self._connect(part.last, part.first)
        return _Part(may_be_empty, part.first, part.last, True)

    def _connect(self, ends: Sequence[int], starts: Sequence[int]) -> None:
        for end in ends:
            self.follow[end].update(starts)


def _characters(op: str, of: Any) -> int:
    """Return the characters that a node matches, in either case, as bits."""
    match op:
        case "ANY":
            return EVERY
        case "LITERAL":
            return _mask(lambda letter: letter.lower() == chr(of).lower())
        case "NOT_LITERAL":
            return _mask(lambda letter: letter != chr(of))
        case "RANGE":
            low, high = of
            return _mask(lambda letter: any(low <= ord(c) <= high for c in _cases(letter)))
        case "IN":
            is_not = str(of[0][0]) == "NEGATE"
            mask = reduce(int.__or__, (_characters(str(o), x) for o, x in of[is_not:]), 0)
            return EVERY & ~mask if is_not else mask
        case "CATEGORY":
            name = str(of).removeprefix("CATEGORY_")
            letter = {"DIGIT": "d", "SPACE": "s", "WORD": "w"}[name.removeprefix("NOT_")]
            known = re.compile(f"\\{letter.upper() if name.startswith('NOT_') else letter}")
            return _mask(lambda letter: known.match(letter) is not None)
    return EVERY


def _cases(letter: str) -> set[str]:
    return {letter, letter.swapcase()}


def _mask(matches: Callable[[str], bool]) -> int:
    return sum(1 << i for i, letter in enumerate(ALPHABET) if matches(letter))


# how many ways there are


def _slowness(automaton: _Automaton) -> str:
    loops = _loops(automaton)
    if any(_is_ambiguous(automaton, loop) for loop in loops):
        return FOR_EVER
    return TOO_SLOW if _share_a_text(automaton, loops) else ""


def _loops(automaton: _Automaton) -> list[frozenset[int]]:
    """Return the sets of positions that lead to each other, in the order of the expression."""
    size = len(automaton.masks)
    reach = [sum(1 << j for j in automaton.follow[i]) for i in range(size)]
    for via in range(size):
        bit, beyond = 1 << via, reach[via]
        reach = [to | beyond if to & bit else to for to in reach]
    found = {
        frozenset(j for j in range(size) if reach[i] >> j & 1 and reach[j] >> i & 1)
        for i in range(size)
        if reach[i] >> i & 1
    }
    return sorted(found, key=min)


def _is_ambiguous(automaton: _Automaton, loop: frozenset[int]) -> bool:
    """Tell whether a loop can read some text in two ways."""
    if any(automaton.follow[i][j] > 1 for i in loop for j in loop):
        return True
    starts = {(i, i) for i in loop}
    away = {pair for pair in _pairs(automaton, starts, loop, loop) if pair[0] != pair[1]}
    return any(_pairs(automaton, {pair}, loop, loop) & starts for pair in away)


def _share_a_text(automaton: _Automaton, loops: Sequence[frozenset[int]]) -> bool:
    """Tell whether too many loops, one after another, can share a text between them."""
    longest = [1] * len(loops)
    everywhere = frozenset(range(len(automaton.masks)))
    for i in reversed(range(len(loops))):
        starts = {(position, position) for position in loops[i]}
        reached = _pairs(automaton, starts, loops[i], everywhere)
        following = [
            longest[j]
            for j in range(i + 1, len(loops))
            if _has_cycle(automaton, {pair for pair in reached if pair[1] in loops[j]})
        ]
        longest[i] += max(following, default=0)
        if longest[i] > MOST_SHARING:
            return True
    return False


def _has_cycle(automaton: _Automaton, pairs: set[tuple[int, int]]) -> bool:
    """Tell whether some text leads from one of the pairs back to it, by way of these pairs."""
    left = pairs
    while left:
        going_on = {pair for pair in left if left & set(_next(automaton, *pair))}
        if going_on == left:
            return True
        left = going_on
    return False


def _pairs(
    automaton: _Automaton,
    starts: set[tuple[int, int]],
    one: frozenset[int],
    two: frozenset[int],
) -> set[tuple[int, int]]:
    """Return the pairs of positions, within two sets, that some text leads to from the starts."""
    seen, waiting = set(starts), list(starts)
    while waiting:
        new = {
            (a, b)
            for a, b in _next(automaton, *waiting.pop())
            if a in one and b in two and (a, b) not in seen
        }
        seen |= new
        waiting += new
    return seen


def _next(automaton: _Automaton, one: int, two: int) -> Iterator[tuple[int, int]]:
    """Yield the pairs that one more character leads to."""
    masks, follow = automaton.masks, automaton.follow
    automaton.steps -= len(follow[one]) * len(follow[two])
    if automaton.steps < 0:
        raise _TooLong
    for a in follow[one]:
        yield from ((a, b) for b in follow[two] if masks[a] & masks[b])
