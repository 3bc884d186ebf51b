//! The numbers of a tar header: octal text or base-256, read strictly, so that a negative or overflowing one is seen.

/// What a number field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    /// A number that fits.
    Is(u64),
    /// Base-256 with the sign bit set.
    Negative,
    /// More than 64 bits.
    Overflow,
    /// Neither octal nor base-256.
    Invalid,
}

/// Reads one field.
pub(crate) fn read(field: &[u8]) -> Number {
    match field.first() {
        Some(0xff) => Number::Negative,
        Some(first) if first & 0x80 != 0 => base_256(first & 0x7f, &field[1..]),
        _ => octal(field),
    }
}

fn base_256(first: u8, rest: &[u8]) -> Number {
    if first & 0x40 != 0 {
        return Number::Negative;
    }
    let folded = rest.iter().try_fold(u64::from(first), |sum, byte| Some(sum.checked_mul(256)? + u64::from(*byte)));
    folded.map_or(Number::Overflow, Number::Is)
}

fn octal(field: &[u8]) -> Number {
    let until_nul = field.split(|byte| *byte == 0).next().unwrap_or_default();
    let digits = until_nul.trim_ascii();
    if digits.is_empty() || !digits.iter().all(|byte| (b'0'..=b'7').contains(byte)) {
        return Number::Invalid;
    }
    let folded = digits.iter().try_fold(0_u64, |sum, byte| Some(sum.checked_mul(8)? + u64::from(byte - b'0')));
    folded.map_or(Number::Overflow, Number::Is)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_number_is_told_apart() {
        for (field, number) in [
            (&b"0000644\0"[..], Number::Is(0o644)),
            (b" 644 \0", Number::Is(0o644)),
            (b"\x80\0\0\0\0\0\0\0\0\0\x01\x02", Number::Is(258)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", Number::Negative),
            (b"\x80\0\x01\0\0\0\0\0\0\0\0\0", Number::Overflow),
            (b"00000000-1\0", Number::Invalid),
            (b"9\0", Number::Invalid),
            (b"\0\0\0", Number::Invalid),
        ] {
            assert_eq!(read(field), number, "{field:?}");
        }
    }
}
