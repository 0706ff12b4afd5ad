//! `application/x-www-form-urlencoded`, decoded strictly: what is not well formed is refused, never repaired.

/// Decodes one name or value. `None` for a broken escape, text that is not UTF-8, or a NUL.
pub fn form_component(encoded: &[u8]) -> Option<String> {
    if !encoded.iter().any(|byte| matches!(byte, b'%' | b'+' | 0)) {
        // A token or secret, and most else: it stands for itself.
        return str::from_utf8(encoded).ok().map(str::to_owned);
    }
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => decoded.push(hex_digit(*rest.next()?)? << 4 | hex_digit(*rest.next()?)?),
            plain => decoded.push(*plain),
        }
    }
    let text = String::from_utf8(decoded).ok()?;
    (!text.contains('\0')).then_some(text)
}

/// Decodes a path: a `+` in it is a plus.
pub fn path(encoded: &str) -> Option<String> {
    form_component(encoded.replace('+', "%2B").as_bytes())
}

/// The value of a hexadecimal digit.
pub const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_text_is_decoded() {
        for (encoded, decoded) in [
            ("a+b", "a b"),
            ("%41%6a%6A", "Ajj"),
            ("%C3%A4", "ä"),
            ("", ""),
            ("a:b", "a:b"),
        ] {
            assert_eq!(
                form_component(encoded.as_bytes()).as_deref(),
                Some(decoded),
                "{encoded}"
            );
        }
    }

    #[test]
    fn a_path_is_decoded_without_spaces_for_pluses() {
        assert_eq!(path("/a+b/%C3%A4").as_deref(), Some("/a+b/ä"));
        assert_eq!(path("/%2"), None);
    }

    #[test]
    fn broken_text_is_refused_not_repaired() {
        for encoded in ["%", "%4", "%zz", "%+1", "%C3", "%00", "a%2", "\0"] {
            assert_eq!(form_component(encoded.as_bytes()), None, "{encoded}");
        }
        assert_eq!(form_component(&[0xff]), None);
    }
}
