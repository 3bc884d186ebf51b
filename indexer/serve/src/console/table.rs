//! Tables and what leads from one page of a list to the next. A wide table scrolls in its own box, never the page.

use maud::{Markup, html};

/// A table in its box. Headings are of columns; the first cell of a row is its heading where `rows` says so.
pub(super) fn table(caption: &str, headings: &[&str], rows: &[Markup]) -> Markup {
    html! {
        div.scroll role="region" aria-label=(caption) tabindex="0" {
            table {
                caption.hidden { (caption) }
                thead { tr { @for heading in headings { th scope="col" { (heading) } } } }
                tbody { @for row in rows { tr { (row) } } }
            }
        }
    }
}

/// Facts in two columns.
pub(super) fn facts(rows: &[(&str, Markup)]) -> Markup {
    html! { dl.facts { @for (name, value) in rows { div { dt { (name) } dd { (value) } } } } }
}

/// The way on in a list of which no more is known than that there is more.
pub(super) fn more(first: Option<&str>, next: Option<&str>) -> Markup {
    html! {
        @if first.is_some() || next.is_some() {
            nav.pages aria-label="Pages" {
                @if let Some(first) = first { a href=(first) rel="first" { "First page" } }
                @if let Some(next) = next { a href=(next) rel="next" { "Next page" } }
            }
        }
    }
}

/// A choice in a form. The empty one asks nothing.
pub(super) fn choice<'a>(
    name: &str,
    label: &str,
    chosen: Option<&str>,
    options: impl IntoIterator<Item = (&'a str, String)>,
) -> Markup {
    html! {
        div.field {
            label for=(name) { (label) }
            select id=(name) name=(name) {
                option value="" selected[chosen.is_none()] { "any" }
                @for (value, words) in options {
                    option value=(value) selected[chosen == Some(value)] { (words) }
                }
            }
        }
    }
}

/// A line of text in a form.
pub(super) fn input(name: &str, label: &str, kind: &str, value: &str, hint: &str) -> Markup {
    html! {
        div.field {
            label for=(name) { (label) }
            // A browser shows its own hint in the field of a date.
            input id=(name) name=(name) type=(kind) value=(value) placeholder=[(kind != "date").then_some(hint)]
                autocomplete="off" spellcheck="false";
        }
    }
}
