//! Text of other people, times and addresses as HTML. Everything that comes from outside goes through here.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use schema::{Generation, KrateName, Timestamp, VersionNum};
use serde_json::{Map, Value};

/// The longest text shown in one place, in characters; how much is left out is said.
const LONGEST: usize = 4000;
/// What stands for itself in a part of an address (RFC 3986, unreserved).
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Text in one line: what would change how other text is shown, or is not shown at all, stands there as its number.
pub(super) fn shown(text: &str) -> Markup {
    PreEscaped(escaped(text, Lines::Shown))
}

/// The same for a text of several lines, which keep their ends and tabs.
pub(super) fn lines(text: &str) -> Markup {
    PreEscaped(escaped(text, Lines::Kept))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    Kept,
    Shown,
}

fn escaped(text: &str, of: Lines) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    for character in characters.by_ref().take(LONGEST) {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' if of == Lines::Kept => out.push(character),
            other if other.is_control() || is_invisible(other) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "<span class=\"esc\">\\u{{{:x}}}</span>", u32::from(other));
            }
            other => out.push(other),
        }
    }
    let rest = characters.count();
    if rest > 0 {
        let _ = write!(out, "<span class=\"esc\">… {rest} more characters</span>");
    }
    out
}

/// Characters that change how others are shown, or are not shown at all (Unicode 16, general category Cf and its kin).
fn is_invisible(character: char) -> bool {
    matches!(u32::from(character),
        0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f | 0x2028..=0x202f
        | 0x205f..=0x206f | 0x3000 | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0x1d173..=0x1d17a
        | 0xe0000..=0xe0fff)
}

/// A link to a page of somebody else, when the address is one that a browser may be sent to; else the bare text.
pub(super) fn outside(address: &str) -> Markup {
    // An address is ASCII without white space; what is not may look like another one.
    let is_plain = address.bytes().all(|byte| byte.is_ascii_graphic());
    if address.starts_with("https://") && is_plain && address.len() <= 2000 {
        html! { a href=(address) rel="noopener noreferrer nofollow external" { (shown(address)) } }
    } else {
        html! { span.raw { (shown(address)) } }
    }
}

/// A value, or quiet words where there is none.
pub(super) fn known<T: ?Sized>(value: Option<&T>, otherwise: &str, show: impl FnOnce(&T) -> Markup) -> Markup {
    value.map_or_else(|| html! { span.muted { (otherwise) } }, show)
}

/// An instant, in UTC.
pub(super) fn time(at: Timestamp) -> Markup {
    // To the second for people; the attribute keeps milliseconds, which is the most that HTML takes.
    let full = Timestamp::from_micros(at.as_micros().div_euclid(1000).saturating_mul(1000)).to_string();
    let people = full.split(['.', 'Z']).next().unwrap_or_default().replacen('T', " ", 1);
    html! { time datetime=(full) { (people) " UTC" } }
}

/// Since when every change is recorded; a history that was read from its start has no instant before which it is not.
pub(super) fn since(at: Timestamp) -> Markup {
    if at.as_micros() <= 0 {
        html! { "the beginning of its history" }
    } else {
        time(at)
    }
}

/// An instant and how long ago that is.
pub(super) fn time_and_age(at: Timestamp, now: Timestamp) -> Markup {
    html! { (time(at)) " " span.muted { "(" (age(at, now)) ")" } }
}

/// How long ago something was, or how long it is until then, in the largest unit that fits.
pub(super) fn age(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_micros().saturating_sub(at.as_micros()) / 1_000_000;
    let (n, unit) = match seconds.unsigned_abs() {
        seconds @ 0..=119 => (seconds, "s"),
        seconds @ 120..=7199 => (seconds / 60, "min"),
        seconds @ 7200..=172_799 => (seconds / 3600, "h"),
        seconds => (seconds / 86_400, "days"),
    };
    if seconds < 0 { format!("in {n} {unit}") } else { format!("{n} {unit} ago") }
}

/// A number with its thousands apart, as SI writes it.
pub(super) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            // A no-break thin space: the number stays in one line.
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// `1 release`, `2 releases`.
pub(super) fn count(n: u64, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{} {noun}s", number(n)) }
}

/// A part of an address.
pub(super) fn part(text: &str) -> String {
    utf8_percent_encode(text, PART).to_string()
}

/// An address with a query; what is empty is left out.
pub(super) fn address(path: &str, query: &[(&str, &str)]) -> String {
    let mut out = path.to_owned();
    let mut mark = '?';
    for (name, value) in query.iter().filter(|(_, value)| !value.is_empty()) {
        out.push(mark);
        out.push_str(name);
        out.push('=');
        out.push_str(&part(value));
        mark = '&';
    }
    out
}

/// The page of a crate.
pub(super) fn krate_address(name: &KrateName) -> String {
    format!("/crates/{name}")
}

/// The page of a release.
pub(super) fn release_address(name: &KrateName, num: &VersionNum, generation: Option<Generation>) -> String {
    let path = format!("/crates/{name}/{}", part(num.as_str()));
    let generation = generation.map(|generation| generation.to_string()).unwrap_or_default();
    address(&path, &[("generation", &generation)])
}

/// A crate's name as a link.
pub(super) fn krate_link(name: &KrateName) -> Markup {
    html! { a href=(krate_address(name)) { (name.as_str()) } }
}

/// Evidence: keys and values as they were noted.
pub(super) fn detail(detail: &Map<String, Value>) -> Markup {
    html! {
        @if !detail.is_empty() {
            dl.detail {
                @for (key, value) in detail { div { dt { (shown(key)) } dd { (value_text(value)) } } }
            }
        }
    }
}

/// A JSON value as a person reads it.
pub(super) fn value_text(value: &Value) -> Markup {
    match value {
        Value::Null => html! { span.muted { "none" } },
        Value::String(text) if text.is_empty() => html! { span.muted { "empty" } },
        Value::String(text) => shown(text),
        Value::Bool(is_so) => html! { (if *is_so { "yes" } else { "no" }) },
        Value::Array(list) if list.is_empty() => html! { span.muted { "none" } },
        Value::Array(list) if list.iter().all(|one| one.is_string() || one.is_number()) => html! {
            @for (at, one) in list.iter().enumerate() { @if at > 0 { ", " } code { (value_text(one)) } }
        },
        Value::Object(fields) if fields.is_empty() => html! { span.muted { "none" } },
        Value::Number(n) => html! { (n.to_string()) },
        other => html! { code { (shown(&other.to_string())) } },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_page_that_it_would_obey() {
        assert_eq!(shown("<b a='\"'>&").into_string(), "&lt;b a=&#39;&quot;&#39;&gt;&amp;");
        assert_eq!(shown("a\u{202e}b\n").into_string(), esc("a", "202e", "b") + &esc("", "a", ""));
        assert_eq!(lines("a\n\tb\r").into_string(), esc("a\n\tb", "d", ""));
        assert_eq!(shown("Grüße, 世界").into_string(), "Grüße, 世界");
        assert!(shown(&"x".repeat(LONGEST + 3)).into_string().ends_with("… 3 more characters</span>"));
    }

    fn esc(before: &str, number: &str, after: &str) -> String {
        format!("{before}<span class=\"esc\">\\u{{{number}}}</span>{after}")
    }

    /// What a browser would make of it: references are read back, and what stands as a number is the character again.
    fn read_back(html: &str) -> String {
        let mut text = String::new();
        let mut rest = html;
        while let Some(at) = rest.find("<span class=\"esc\">\\u{") {
            text.push_str(&rest[..at]);
            let (number, after) = rest[at + "<span class=\"esc\">\\u{".len()..].split_once("}</span>").unwrap();
            // Held apart, so that an escaped `&` is not read twice.
            text.push(char::from_u32(u32::from_str_radix(number, 16).unwrap()).unwrap());
            rest = after;
        }
        text.push_str(rest);
        assert!(!text.contains(['<', '>', '"', '\'']), "markup in {html:?}");
        let unescaped = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
        unescaped.replace("&amp;", "&")
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_shown_is_text_and_nothing_is_lost(text in "(\\PC|[\\x00-\\x7f]|[\u{200b}-\u{206f}]|&[a-z#0-9]{1,5};){0,60}") {
            for html in [shown(&text).into_string(), lines(&text).into_string()] {
                proptest::prop_assert_eq!(read_back(&html), text.clone());
                let is_kept = |one: char| matches!(one, '\n' | '\t');
                let obeyed = html.chars().find(|one| (one.is_control() && !is_kept(*one)) || is_invisible(*one));
                proptest::prop_assert_eq!(obeyed, None);
            }
            proptest::prop_assert!(!shown(&text).into_string().contains('\n'));
        }

        #[test]
        fn no_address_leaves_its_attribute(text in "(https://)?\\PC{0,40}") {
            let html = outside(&text).into_string();
            let inside = html.strip_prefix("<a href=\"").map(|rest| rest.split('"').next().unwrap().to_owned());
            if let Some(address) = inside {
                proptest::prop_assert!(address.starts_with("https://") && address.is_ascii());
                proptest::prop_assert_eq!(html.matches("<a ").count(), 1);
            } else {
                proptest::prop_assert!(html.starts_with("<span class=\"raw\">"));
            }
        }
    }

    #[test]
    fn only_what_is_an_address_is_a_link() {
        for (address, is_link) in [
            ("https://example.org/a?b=1", true),
            ("http://example.org/", false),
            ("javascript:alert(1)", false),
            ("https://example.org/\" onclick=x", false),
            ("https://еxample.org/", false),
        ] {
            assert_eq!(outside(address).into_string().starts_with("<a "), is_link, "{address}");
        }
        let quoted = outside("https://example.org/\"><script>").into_string();
        assert!(!quoted.contains("<script") && !quoted.contains("\">\""), "{quoted}");
    }

    #[test]
    fn numbers_ages_and_addresses() {
        assert_eq!([0, 999, 1000, 1_234_567].map(number), ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]);
        let at = Timestamp::from_seconds;
        let ages = [0, 119, 120, 7199, 7200, 172_799, 172_800, -259_200].map(|seconds| age(at(0), at(seconds)));
        let expected =
            ["0 s ago", "119 s ago", "2 min ago", "119 min ago", "2 h ago", "47 h ago", "2 days ago", "in 3 days"];
        assert_eq!(ages, expected);
        assert_eq!(address("/a", &[("q", ""), ("x", "1+2 &"), ("y", "ü")]), "/a?x=1%2B2%20%26&y=%C3%BC");
    }
}
