//! A badge as a picture and as the document shields.io reads. The words are the row's; nothing is judged here.

mod widths;

use std::fmt::Write as _;

use schema::{Badge, Tone};
use serde_json::{Value, json};

use self::widths::width;

/// Behind the left side.
const LABEL_COLOUR: &str = "#555555";
/// Left and right of each text.
const MARGIN: f64 = 6.0;
/// Longer texts are cut: tags and ids in them are other people's.
const MOST_CHARACTERS: usize = 200;

/// The picture of a badge: flat, 20 pixels high, its words as title and label for those who do not see it.
///
/// Text is escaped; what would not be shown, or would change how the rest is shown, stands as U+FFFD. White on each of its colours
/// has a contrast of 4.5 at least (WCAG 2.2, 1.4.3).
#[must_use]
pub fn badge_svg(badge: &Badge) -> String {
    let (label, message) = (plain(&badge.label), plain(&badge.message));
    let (label_width, message_width) = (width(&label), width(&message));
    let left = (label_width + 2.0 * MARGIN).ceil();
    let right = (message_width + 2.0 * MARGIN).ceil();
    let whole = left + right;
    let words = escaped(&format!("{label}: {message}"));
    let (label_colour, message_colour) = (LABEL_COLOUR, colour(badge.tone));
    let mut svg = String::with_capacity(1024);
    // Writing to a String cannot fail.
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{whole}\" height=\"20\" role=\"img\" aria-label=\"{words}\">\
         <title>{words}</title>\
         <clipPath id=\"r\"><rect width=\"{whole}\" height=\"20\" rx=\"3\"/></clipPath>\
         <g clip-path=\"url(#r)\"><rect width=\"{left}\" height=\"20\" fill=\"{label_colour}\"/>\
         <rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"{message_colour}\"/></g>\
         <g fill=\"#ffffff\" font-family=\"Verdana,DejaVu Sans,Geneva,sans-serif\" font-size=\"11\" \
         text-rendering=\"geometricPrecision\" aria-hidden=\"true\">"
    );
    for (text, x, length) in [(&label, MARGIN, label_width), (&message, left + MARGIN, message_width)] {
        // The length holds whatever font the reader has, so the text fits its side.
        let _ = write!(
            svg,
            "<text x=\"{x}\" y=\"14\" textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\">{}</text>",
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
        "schemaVersion": 1, "label": plain(&badge.label), "message": plain(&badge.message), "color": colour(badge.tone),
        "labelColor": LABEL_COLOUR,
    })
}

const fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "#1a7f37",
        Tone::Neutral => "#6b6b6b",
        Tone::Caution => "#9a6700",
        Tone::Bad => "#b3261e",
    }
}

/// What can be drawn: characters that would not show, or would change how others show, are a mark instead; long texts are cut.
fn plain(text: &str) -> String {
    let mut plain: String = text.chars().take(MOST_CHARACTERS).map(visible).collect();
    if text.chars().nth(MOST_CHARACTERS).is_some() {
        plain.push('…');
    }
    plain
}

fn visible(character: char) -> char {
    let hidden = matches!(u32::from(character),
        0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfe00..=0xfe0f | 0xfeff
        | 0xfff9..=0xfffb | 0xfffe | 0xffff | 0xe0000..=0xe0fff);
    if hidden || character.is_control() { '\u{fffd}' } else { character }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            plain => escaped.push(plain),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(message: &str) -> String {
        badge_svg(&Badge { label: "provenance".to_owned(), message: message.to_owned(), tone: Tone::Good })
    }

    /// Relative luminance and contrast as WCAG 2.2 defines them.
    fn contrast_with_white(colour: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let luminance = 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
        1.05 / (luminance + 0.05)
    }

    #[test]
    fn the_contrast_formula_is_the_published_one() {
        // Known values: black on white is 21, #767676 is the lightest grey that passes.
        assert!((contrast_with_white("#000000") - 21.0).abs() < 0.01);
        assert!((contrast_with_white("#767676") - 4.54).abs() < 0.01);
    }

    #[test]
    fn white_can_be_read_on_every_colour() {
        for tone in Tone::ALL {
            assert!(contrast_with_white(colour(*tone)) >= 4.5, "{tone}");
        }
        assert!(contrast_with_white(LABEL_COLOUR) >= 4.5);
    }

    #[test]
    fn nothing_in_a_text_is_markup_or_hidden() {
        let svg = drawn("\"><script>alert('x')</script>&amp;\u{202e}evil\u{0}");
        assert!(!svg.contains("<script") && !svg.contains("alert('"), "{svg}");
        assert!(!svg.contains('\u{202e}') && !svg.contains('\u{0}'), "{svg}");
        assert!(svg.contains("&quot;&gt;&lt;script&gt;") && svg.contains("&amp;amp;"), "{svg}");
    }

    #[test]
    fn a_long_text_is_cut_and_an_empty_one_is_drawn() {
        let svg = drawn(&"x".repeat(10_000));
        assert!(svg.len() < 2500 && svg.contains('…'), "{}", svg.len());
        assert!(drawn("").contains("width=\"12\""));
    }

    #[test]
    fn the_sides_are_as_wide_as_their_texts() {
        // 65.01 and 112.57 pixels, and six on either side.
        let svg = drawn("no advisories known");
        assert!(svg.contains("<rect width=\"78\" height=\"20\" fill=\"#555555\"/>"), "{svg}");
        assert!(svg.contains("<rect x=\"78\" width=\"125\" height=\"20\""), "{svg}");
        assert!(svg.contains("role=\"img\" aria-label=\"provenance: no advisories known\""), "{svg}");
        assert!(svg.contains("<title>provenance: no advisories known</title>"), "{svg}");
    }

    #[test]
    fn shields_gets_the_same_words() {
        let badge =
            Badge { label: "provenance".to_owned(), message: "no advisories known".to_owned(), tone: Tone::Good };
        let expected = json!({
            "schemaVersion": 1, "label": "provenance", "message": "no advisories known", "color": "#1a7f37",
            "labelColor": "#555555",
        });
        assert_eq!(shields(&badge), expected);
    }
}
