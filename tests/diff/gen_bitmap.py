"""Bitmaps: strings seen as bits."""

TEMPLATES = [
    (8, "SETBIT key bit_offset bit"),
    (6, "GETBIT key bit_offset"),
    (6, "BITCOUNT key ?(index index) ?({BYTE|BIT})"),
    (6, "BITPOS key bit ?(index) ?(index) ?({BYTE|BIT})"),
    (6, "BITOP {AND|OR|XOR} key +(key)"),
    (3, "BITOP NOT key key ?(key)"),
    (12, "BITFIELD key *({GET enc boff|SET enc boff int|INCRBY enc boff int|OVERFLOW {WRAP|SAT|FAIL|NONE}})"),
    (3, "BITFIELD_RO key *({GET enc boff})"),
    (1, "BITFIELD_RO key *({GET enc boff|SET enc boff int})"),
    (3, "SET key value"),
    (1, "DEL key"),
]
