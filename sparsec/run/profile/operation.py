# SPDX-License-Identifier: Apache-2.0
"""What the timing of an Arm instruction depends on, read from objdump's text. One pure function, `decode`."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

Kind = Literal[
    "alu",
    "multiply",
    "long multiply",
    "divide",
    "load",
    "store",
    "several",
    "branch",
    "loop end",
    "float",
    "float multiply",
    "vector load",
    "vector store",
    "vector gather",
    "vector integer",
    "vector multiply",
]
"""`several` loads or stores more than one register (LDRD, LDM, PUSH, ..)."""

FLAGS = "flags"


@dataclass(frozen=True)
class Operation:
    """One instruction.

    `reads` are the registers it wants at once, but for `address`, which its address is made of, and
    `accumulator`, which it adds to. `transfers` is the number of registers that it loads or stores, `lanes`
    that of the elements of a gather or scatter. `offset` is the constant part of an address, None if there is none.
    """

    kind: Kind
    writes: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()
    address: frozenset[str] = frozenset()
    accumulator: frozenset[str] = frozenset()
    transfers: int = 0
    lanes: int = 0
    offset: int | None = None
    shifts: bool = False
    indirect: bool = False

    @property
    def accesses_memory(self) -> bool:
        """Whether it is a load or store of a scalar core."""
        return self.kind in ("load", "store", "several")


_CONDITION = "(?:eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le|al)"
_ALIASES = {"sb": "r9", "sl": "r10", "fp": "r11", "ip": "r12"}
_REGISTER = re.compile(r"\b(r\d+|sp|lr|pc|sb|sl|fp|ip|[qds]\d+)\b")
_RANGE = re.compile(r"\b([rqds])(\d+)-[rqds](\d+)\b")
_SHIFT = re.compile(r"\b(lsl|lsr|asr|ror|rrx)\b")
_UNCONDITIONAL = ("b", "bl", "bx", "blx", "cbz", "cbnz", "tbb", "tbh")
_CONDITIONS_OF_B = ("ble", "bls", "blt")
_LOOP_ENDS = ("le", "letp")
_LOOP_STARTS = ("dls", "wls", "dlstp", "wlstp")


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(f"(?:{text}){_CONDITION}?")


_BRANCH = _pattern("b|bl|blx|bx|cbz|cbnz|tbb|tbh")
_LOAD = _pattern("ldrs?[bh]?t?")
_STORE = _pattern("str[bh]?t?")
_LOAD_SEVERAL = _pattern("ldrd|ldm|ldmia|ldmdb|pop|vldm|vldmia|vldmdb|vpop")
_STORE_SEVERAL = _pattern("strd|stm|stmia|stmdb|push|vstm|vstmia|vstmdb|vpush")
_DIVIDE = _pattern("[su]div")
_LONG_MULTIPLY = _pattern("[su]mulls?|[su]mlals?|umaal|smlal[bt][bt]|smlald?x?|smlsldx?")
_MULTIPLY = _pattern(
    "muls?|mla|mls|smul[btw][bt]|smla[bt][bt]|smlaw[bt]|smmulr?|smmlar?|smmlsr?|smla[sd]x?|smlsdx?|smu[as]dx?"
)
_ACCUMULATES = _pattern("mla|mls|[su]mlal.*|smla.*|smml[as]r?|smlsd.*|smlsld.*")
_COMPARE = _pattern("cmp|cmn|tst|teq")
_FLAG_READER = _pattern("adcs?|sbcs?|rrxs?|csel|cset|csetm|cinc|cinv|cneg|csinc|csinv|csneg")
_NO_RESULT = re.compile("it[te]*|nop|dsb|isb|dmb|vmsr|vpst|vpt.*|vcmp.*|vctp")
_LONG_RESULT = _pattern("[su]mull|[su]mlal.*|umaal|smlsld.*|asrl|lsll|lsrl|sqrshrl|uqrshll")
_VECTOR_MULTIPLY = re.compile(r"vq?r?d?mul.*|vq?r?d?mla.*|vml.*|vrml.*|vq?r?dmlsdh.*|vf[mn].*")
_VECTOR_ACCUMULATES = re.compile(r"v(?:q?r?d?mlas?h?|fm[as]s?|abav|\w+vh?ax?)")
_ELEMENT_BITS = re.compile(r"\.[a-z]?(\d+)")
_VECTOR_BITS = 128


@cache
def decode(mnemonic: str, operands: str) -> Operation:
    """The timing class of an instruction as objdump prints it, e.g. `decode("ldr.w", "r0, [r1], #4")`."""
    operands = operands.split("@")[0].split("<")[0].strip().rstrip(";")
    if mnemonic.startswith("v"):
        return _vector(mnemonic, operands)
    name = mnemonic.split(".")[0]
    if name in _LOOP_ENDS:
        return Operation("loop end", reads=frozenset({"lr"}), writes=frozenset({"lr"}))
    if name in _LOOP_STARTS:
        return Operation("alu", reads=_registers(operands) - {"lr"}, writes=frozenset({"lr"}))
    if _BRANCH.fullmatch(name):
        return _branch(name, operands)
    if _LOAD.fullmatch(name):
        return _access("load", operands, loads=True)
    if _STORE.fullmatch(name):
        return _access("store", operands, loads=False)
    if _LOAD_SEVERAL.fullmatch(name):
        return _several(name, operands, loads=True)
    if _STORE_SEVERAL.fullmatch(name):
        return _several(name, operands, loads=False)
    return _arithmetic(name, operands)


def _arithmetic(name: str, operands: str) -> Operation:
    """Everything of a scalar core that neither branches nor touches memory."""
    kind: Kind = "alu"
    if _DIVIDE.fullmatch(name):
        kind = "divide"
    elif _MULTIPLY.fullmatch(name):
        kind = "multiply"
    elif _LONG_MULTIPLY.fullmatch(name):
        kind = "long multiply"
    parts = [part.strip() for part in operands.split(",")]
    results = 0 if _COMPARE.fullmatch(name) or _NO_RESULT.fullmatch(name) else 1
    if _LONG_RESULT.fullmatch(name):
        results = 2
    writes = _registers(",".join(parts[:results]))
    sources = parts[results:] if len(parts) > results else parts
    accumulator: frozenset[str] = frozenset()
    if kind != "alu" and _ACCUMULATES.fullmatch(name):
        if results == 2:
            accumulator = writes
        else:
            accumulator = _registers(sources[-1])
            sources = sources[:-1]
    reads = _registers(",".join(sources))
    conditional = kind == "alu" and re.fullmatch(f"..+{_CONDITION}", name) is not None
    if _FLAG_READER.fullmatch(name) or (conditional and not _sets_flags(name)):
        reads |= {FLAGS}
    if _COMPARE.fullmatch(name) or _sets_flags(name):
        writes |= {FLAGS}
    shifts = _SHIFT.search(operands) is not None
    return Operation(
        kind, writes, reads, accumulator=accumulator, shifts=shifts, indirect="pc" in writes
    )


def _sets_flags(name: str) -> bool:
    """ADDS, LSLS, MOVS, .. and not the conditions CS, HS, LS, VS."""
    return name in {
        *("adds", "subs", "rsbs", "adcs", "sbcs", "ands", "orrs", "eors", "bics", "orns"),
        *("movs", "mvns", "lsls", "lsrs", "asrs", "rors", "rrxs", "muls", "negs"),
    }


def _branch(name: str, operands: str) -> Operation:
    """A branch that may or may not be taken."""
    condition = frozenset[str]() if name in _UNCONDITIONAL else frozenset({FLAGS})
    calls = name.startswith("blx") or re.fullmatch(f"bl{_CONDITION}?", name) is not None
    return Operation(
        "branch",
        frozenset({"lr"}) if calls and name not in _CONDITIONS_OF_B else frozenset(),
        _registers(operands) | condition,
        indirect=name.startswith(("bx", "blx", "tb")),
    )


def _access(kind: Kind, operands: str, loads: bool, transfers: int = 1) -> Operation:
    """A load or store with one address in square brackets."""
    data, _, place = operands.partition("[")
    inside, _, after = place.partition("]")
    registers = _registers(data)
    base, _, rest = inside.partition(",")
    constant = re.search(r"#(-?\d+)", rest)
    offset = None if _registers(rest) else int(constant[1]) if constant else 0
    updated = _registers(base) if after.strip() else frozenset[str]()
    return Operation(
        kind,
        (registers if loads else frozenset[str]()) | updated,
        frozenset() if loads else registers,
        _registers(inside),
        transfers=transfers,
        offset=offset,
        indirect=loads and "pc" in registers,
    )


def _several(name: str, operands: str, loads: bool) -> Operation:
    """LDRD, LDM, POP and their stores."""
    if name.startswith(("ldrd", "strd")):
        return _access("several", operands, loads, transfers=2)
    base, _, listed = operands.rpartition("{")
    names = _REGISTER.findall(_RANGE.sub(_all_of_range, listed))
    registers = frozenset(map(_register, names))
    address = _registers(base) or frozenset({"sp"})
    updated = address if "!" in base or not base else frozenset[str]()
    return Operation(
        "several",
        (registers if loads else frozenset[str]()) | updated,
        frozenset() if loads else registers,
        address,
        transfers=sum(2 if each.startswith("d") else 1 for each in names),
        indirect=loads and "pc" in registers,
    )


def _vector(name: str, operands: str) -> Operation:
    """Helium, and the floating-point unit of the other cores."""
    base = name.split(".")[0]
    if _LOAD_SEVERAL.fullmatch(base) or _STORE_SEVERAL.fullmatch(base):
        return _several(base, operands, loads=base.startswith(("vldm", "vpop")))
    if base.startswith(("vldr", "vst", "vld")):
        return _vector_access(name, operands, loads=base.startswith("vld"))
    if base in ("vpst", "vctp", "vmrs", "vmsr"):
        return Operation("alu", reads=_registers(operands))
    parts = [part.strip() for part in operands.split(",")]
    writes = frozenset[str]() if _NO_RESULT.fullmatch(base) else _registers(parts[0])
    reads = _registers(",".join(parts[1:] if writes else parts))
    if base == "vmov" and len(parts) == 1:
        reads = writes
    is_float = ".f" in name and not re.search(r"\bq\d", operands)
    multiplies = _VECTOR_MULTIPLY.fullmatch(base) is not None
    if is_float:
        kind: Kind = "float multiply" if multiplies and base != "vmul" else "float"
    else:
        kind = "vector multiply" if multiplies else "vector integer"
    adds = _VECTOR_ACCUMULATES.fullmatch(base) is not None
    return Operation(kind, writes, reads, accumulator=writes if adds else frozenset())


def _vector_access(name: str, operands: str, loads: bool) -> Operation:
    """VLDR and VSTR: whole vectors, gathers and scatters, or one floating-point register."""
    plain = _access("load" if loads else "store", operands, loads)
    if not re.match(r"\{?q", operands):
        return plain
    lanes = 0
    if any(register.startswith("q") for register in plain.address):
        bits = _ELEMENT_BITS.search(name)
        lanes = _VECTOR_BITS // int(bits[1]) if bits else 4
    kind: Kind = "vector gather" if lanes else "vector load" if loads else "vector store"
    return Operation(kind, plain.writes, plain.reads, plain.address, lanes=lanes)


def _all_of_range(match: re.Match[str]) -> str:
    """`r4-r6` as `r4, r5, r6`."""
    return ", ".join(f"{match[1]}{number}" for number in range(int(match[2]), int(match[3]) + 1))


def _registers(text: str) -> frozenset[str]:
    """The registers named in `text`; those of 32 and 64 bits count as the vector they are part of."""
    return frozenset(map(_register, _REGISTER.findall(text)))


def _register(name: str) -> str:
    if name[0] == "d" and name[1:].isdigit():
        return f"q{int(name[1:]) // 2}"
    if name[0] == "s" and name[1:].isdigit():
        return f"q{int(name[1:]) // 4}"
    return _ALIASES.get(name, name)
