//! Masks secrets in text that goes to an output: by key name, by token shape, and card numbers by their check digit.

use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;

/// What stands in the place of a secret.
pub const MASK: &str = "[masked]";

static SHAPES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        // "key": "value" in JSON, where the key names a secret.
        r#"(?i)"(?P<k>[^"\\]{0,64}(?:password|passwd|secret(?:string|binary|_?key|_?access_?key)?|private_?key|api_?key|client_?secret|access_?token|refresh_?token|session_?token|security_?token|id_?token|authorization|auth_?token))"\s*:\s*"(?P<v>(?:[^"\\]|\\.){4,})""#,
        // key=value, key: value in plain text.
        r#"(?i)\b(?P<k>password|passwd|client_secret|api_key|apikey|access_token|refresh_token|secret_access_key)\s*[=:]\s*(?P<v>[^\s"',;&]{4,})"#,
        // Bearer tokens, JSON web tokens, and tokens whose prefix names the vendor.
        r"(?i)\bbearer\s+(?P<v>[A-Za-z0-9._~+/-]{16,}=*)",
        r"\b(?P<v>eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)",
        r"\b(?P<v>(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abeoprs]-[A-Za-z0-9-]{10,}|sk_live_[A-Za-z0-9]{16,}|AIza[A-Za-z0-9_-]{30,}))",
        r"(?P<v>-----BEGIN [A-Z ]*PRIVATE KEY-----)",
    ]
    .iter()
    .filter_map(|p| Regex::new(p).ok())
    .collect()
});

/// One of these stands in whatever the first [`KEYED`] shapes find: most texts have none of them. They are few and begin without
/// a choice, so that the search for them is vectorised.
static KEYS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("(?i)passw|secret|private|api_?key|token|authoriz").ok());
const KEYED: usize = 2;

static CARD: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\b[3-6]\d{3}(?:[ -]?\d){9,15}\b").ok());
/// Digits of the shortest card number.
const CARD_DIGITS: usize = 13;

/// The text with secrets replaced by [`MASK`], and how many were.
pub fn mask(text: &str) -> (Cow<'_, str>, usize) {
    let named = KEYS.as_ref().is_none_or(|keys| keys.is_match(text));
    mask_by(text, &SHAPES[if named { 0 } else { KEYED }..], may_hold_card(text.as_bytes()))
}

fn mask_by<'t>(text: &'t str, shapes: &[Regex], cards: bool) -> (Cow<'t, str>, usize) {
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for shape in shapes {
        for found in shape.captures_iter(text) {
            // A key such as SecretId or secretName names the secret; it does not hold it.
            if let Some(v) = found.name("v")
                && !v.as_str().starts_with("arn:")
                && v.as_str() != "HIDDEN_DUE_TO_SECURITY_REASONS"
            {
                spans.push((v.start(), v.end()));
            }
        }
    }
    if let Some(card) = CARD.as_ref().filter(|_| cards) {
        spans.extend(card.find_iter(text).filter(|m| is_card(m.as_str())).map(|m| (m.start(), m.end())));
    }
    if spans.is_empty() {
        return (Cow::Borrowed(text), 0);
    }
    spans.sort_unstable();
    let (mut out, mut at, mut count) = (String::with_capacity(text.len()), 0, 0);
    for (start, end) in spans {
        if start < at {
            continue;
        }
        out.push_str(&text[at..start]);
        out.push_str(MASK);
        at = end;
        count += 1;
    }
    out.push_str(&text[at..]);
    (Cow::Owned(out), count)
}

/// Whether as many bytes as the shortest card number has stand together that could be part of one. Mostly only the last of so
/// many is looked at.
fn may_hold_card(text: &[u8]) -> bool {
    let fits = |b: &u8| matches!(b, b'0'..=b'9' | b' ' | b'-' | 0x80..);
    let mut start = 0;
    while let Some(window) = text.get(start..start + CARD_DIGITS) {
        match window.iter().rposition(|b| !fits(b)) {
            None => return true,
            Some(at) => start += at + 1,
        }
    }
    false
}

/// ISO/IEC 7812: 13 to 19 digits whose Luhn sum is a multiple of ten.
fn is_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let sum: u32 = digits.iter().rev().enumerate().map(|(i, d)| if i % 2 == 1 { (d * 2) / 10 + (d * 2) % 10 } else { *d }).sum();
    (13..=19).contains(&digits.len()) && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

        /// What is looked for first leaves nothing out: every shape, tried on every text, masks the same.
        #[test]
        fn the_first_look_leaves_nothing_out(parts in prop::collection::vec(
            prop_oneof![
                "[a-zA-Z \"{}:,=._-]{0,8}",
                "[3-6][0-9]{3}([ -]?[0-9]){6,16}",
                "\"?[a-z]{0,4}(pass|passw|PassWord|passwd|secret|Secret_String|private_key|privatekey|API_KEY|apikey|clientSecret|client_secret|AccessToken|refresh_token|sessionToken|security_token|id_token|Authorization|authtoken|secret_access_key)\"?[=: ]{0,2}\"?[a-z0-9]{0,6}\"?",
                "(Bearer|bearer) [a-z0-9]{10,20}",
                "eyJ[a-z0-9]{8,9}\\.[a-z0-9]{8,9}\\.[a-z]{0,3}",
                "(ghp_|glpat-|xoxb-|sk_live_|AIza)[a-z0-9]{9,32}",
                "-----BEGIN (RSA )?PRIVATE KEY-----",
                "[\u{660}-\u{669}\u{17f}\u{212a}]{1,14}",
            ],
            0..6,
        )) {
            let text = parts.concat();
            prop_assert_eq!(mask(&text), mask_by(&text, &SHAPES, true), "{}", text);
        }
    }

    #[test]
    fn secrets_are_masked_and_names_are_not() {
        let all = LazyLock::force(&SHAPES).len();
        assert_eq!(all, 6, "every pattern compiles");
        for (text, n) in [
            (r#"{"password":"hunter22","user":"ana"}"#, 1),
            (r#"{"secretString": "a\"b-long"}"#, 1),
            (r#"{"secretId":"prod/db"}"#, 0),
            ("Authorization: Bearer abcdefghijklmnop123", 1),
            ("card 4111 1111 1111 1111 end", 1),
            ("card 4111 1111 1111 1112 end", 0),
            ("ghp_abcdefghijklmnopqrstuv", 1),
            ("api_key=abcd1234", 1),
            (r#"{"accessKeyId":"AKIAIOSFODNN7EXAMPLE"}"#, 0),
        ] {
            let (masked, count) = mask(text);
            assert_eq!(count, n, "{text} -> {masked}");
        }
        let (masked, _) = mask(r#"{"password":"hunter22","user":"ana"}"#);
        assert_eq!(masked, r#"{"password":"[masked]","user":"ana"}"#);
    }
}
