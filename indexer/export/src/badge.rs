//! A badge as an SVG image and as the document shields.io reads. The words are the row's; nothing is judged here.

use std::fmt::Write as _;

use schema::{Badge, Tone};
use serde_json::{Value, json};

/// Advance widths of ASCII from space to tilde, in hundredths of a pixel at 11 px: `DejaVu` Sans, whose widths are Verdana's
/// within a pixel a word (`hmtx` of the font, 2026-11-27). A viewer with another font is held to them by `textLength`.
#[rustfmt::skip]
const WIDTHS: [u32; 95] = [
    350, 441, 506, 922, 700, 1045, 858, 302, 429, 429, 550, 922, 350, 397, 350, 371,
    700, 700, 700, 700, 700, 700, 700, 700, 700, 700, 371, 371, 922, 922, 922, 584,
    1100, 752, 755, 768, 847, 695, 633, 852, 827, 324, 324, 721, 613, 949, 823, 866,
    663, 866, 764, 698, 672, 805, 752, 1088, 754, 672, 754, 429, 371, 429, 922, 550,
    550, 674, 698, 605, 698, 677, 387, 698, 697, 306, 306, 637, 306, 1072, 697, 673,
    698, 698, 452, 573, 431, 697, 651, 900, 651, 651, 577, 700, 371, 700, 922,
];
/// The widest letter of ASCII: what is not in the table is given as much room.
const OTHER: u32 = 1100;
/// Characters of East Asian width, and pictures, take an em and some of its neighbourhood.
const WIDE: u32 = 1400;
/// Room at either side of a text, in pixels.
const PADDING: u32 = 6;
/// Longer texts are cut: a badge is a line in a page.
const MOST_CHARACTERS: usize = 200;
/// The left side's colour.
const LABEL: &str = "#24292f";

/// The image of a badge: flat, 20 px high, with a title and a name for those who do not see it.
///
/// Text is escaped; what would not be shown, or would change how the rest is shown, stands as U+FFFD. White on each of its
/// colours has a contrast of at least 4.5 (WCAG 2.2, 1.4.3).
#[must_use]
pub fn badge_svg(badge: &Badge) -> String {
    let (label, message) = (plain(&badge.label), plain(&badge.message));
    let (label_width, message_width) = (width(&label), width(&message));
    let (left, right) = (label_width + 2 * PADDING, message_width + 2 * PADDING);
    let (whole, name) = (left + right, escaped(&format!("{label}: {message}")));
    let colour = colour(badge.tone);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{whole}\" height=\"20\" role=\"img\" aria-label=\"{name}\">\
         <title>{name}</title><clipPath id=\"r\"><rect width=\"{whole}\" height=\"20\" rx=\"3\"/></clipPath>\
         <g clip-path=\"url(#r)\"><rect width=\"{left}\" height=\"20\" fill=\"{LABEL}\"/>\
         <rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"{colour}\"/></g>\
         <g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,Geneva,sans-serif\" font-size=\"11\" aria-hidden=\"true\">"
    );
    for (x, text, length) in [(PADDING, &label, label_width), (left + PADDING, &message, message_width)] {
        // Writing to a String cannot fail.
        let _ = write!(
            svg,
            "<text x=\"{x}\" y=\"14\" textLength=\"{length}\" lengthAdjust=\"spacingAndGlyphs\" \
             direction=\"ltr\" unicode-bidi=\"isolate-override\">{}</text>",
            escaped(text)
        );
    }
    svg.push_str("</g></svg>\n");
    svg
}

/// The badge in the format of shields' endpoint badge, <https://shields.io/badges/endpoint-badge>.
#[must_use]
pub fn shields(badge: &Badge) -> Value {
    json!({
        "schemaVersion": 1,
        "label": plain(&badge.label),
        "message": plain(&badge.message),
        "color": colour(badge.tone),
        "labelColor": LABEL,
    })
}

const fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "#1a7f37",
        Tone::Neutral => "#57606a",
        Tone::Caution => "#8a5a00",
        Tone::Bad => "#b42318",
    }
}

/// Only what is shown as itself, and of that no more than a badge can hold.
fn plain(text: &str) -> String {
    let shown = |character: char| if is_odd(character) { '\u{fffd}' } else { character };
    let mut plain: String = text.chars().take(MOST_CHARACTERS).map(shown).collect();
    if text.chars().nth(MOST_CHARACTERS).is_some() {
        plain.push('…');
    }
    plain
}

/// Control characters (XML 1.0 has no room for most of them), invisible ones, and those that turn the direction of a text.
fn is_odd(character: char) -> bool {
    character.is_control()
        || matches!(u32::from(character),
            0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfe00..=0xfe0f | 0xfeff
            | 0xfff9..=0xfffb | 0xfffe | 0xffff | 0xe0000..=0xe0fff)
}

/// Pixels, rounded up.
fn width(text: &str) -> u32 {
    let hundredths: u32 = text.chars().map(width_of).sum();
    hundredths.div_ceil(100)
}

fn width_of(character: char) -> u32 {
    let point = u32::from(character);
    match point {
        0x20..=0x7e => WIDTHS.get((point - 0x20) as usize).copied().unwrap_or(OTHER),
        0x300..=0x36f => 0,
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 => {
            WIDE
        }
        0x1_f000..=0x1_faff | 0x2_0000..=0x3_fffd => WIDE,
        _ => OTHER,
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn badge(message: &str, tone: Tone) -> Badge {
        Badge { label: "provenance".to_owned(), message: message.to_owned(), tone }
    }

    #[test]
    fn a_text_is_as_wide_as_the_font_makes_it() {
        // DejaVu Sans at 11 px, summed by fontTools: `provenance` 65.2 px, `verified` 41.7, `W` 10.88.
        for (text, pixels) in [("", 0), ("W", 11), ("provenance", 66), ("verified", 42)] {
            assert_eq!(width(text), pixels, "{text}");
        }
        assert_eq!(width("世"), 14);
        assert_eq!(width("e\u{301}"), width("e"));
    }

    #[test]
    fn no_text_gets_out_of_its_place() {
        let svg = badge_svg(&badge("</text><script>alert('1')</script>&\"\u{0}\u{202e}", Tone::Bad));
        assert!(!svg.contains("<script") && !svg.contains('\u{0}') && !svg.contains('\u{202e}'), "{svg}");
        assert!(svg.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;\u{fffd}\u{fffd}"), "{svg}");
        assert_eq!(svg.matches("<text").count(), 2);
    }

    #[test]
    fn a_badge_has_a_name_and_an_end() {
        let svg = badge_svg(&badge(&"x".repeat(1000), Tone::Neutral));
        assert!(svg.contains("role=\"img\" aria-label=\"provenance: xx"), "{svg}");
        assert!(svg.contains("<title>provenance: xx") && svg.contains('…'));
        let width: u32 = svg.split('"').nth(3).unwrap().parse().unwrap();
        assert_eq!(width, 66 + 24 + super::width(&("x".repeat(200) + "…")));
    }

    #[test]
    fn shields_gets_the_same_words() {
        let document = shields(&badge("verified; no advisories known", Tone::Good));
        assert_eq!(document["schemaVersion"], 1);
        assert_eq!(document["message"], "verified; no advisories known");
        assert_eq!(document["color"], "#1a7f37");
    }

    /// Relative luminance and contrast as WCAG 2.2 defines them.
    #[test]
    fn white_on_every_colour_can_be_read() {
        let channel = |hex: &str| {
            let value = f64::from(u8::from_str_radix(hex, 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        for colour in [Tone::Good, Tone::Neutral, Tone::Caution, Tone::Bad].map(colour).iter().chain([&LABEL]) {
            let luminance =
                0.2126 * channel(&colour[1..3]) + 0.7152 * channel(&colour[3..5]) + 0.0722 * channel(&colour[5..7]);
            assert!(1.05 / (luminance + 0.05) >= 4.5, "{colour}: {}", 1.05 / (luminance + 0.05));
        }
    }
}
