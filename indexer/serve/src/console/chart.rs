//! Counts by UTC day as small bar charts, one under the other, and the same numbers as a table. A day on which nothing
//! happened is a zero, never a gap.

use std::collections::BTreeMap;

use maud::{Markup, html};
use schema::Timestamp;
use store::DayCount;

use super::text::{number, shown};

/// Seconds of a UTC day.
const DAY: i64 = 86_400;
const BAR: usize = 6;
const GAP: usize = 2;
const HEIGHT: u64 = 32;

/// Days in a row, and what was counted on each.
pub(super) struct Days {
    days: Vec<Timestamp>,
    /// What → one number per day.
    series: BTreeMap<String, Vec<u64>>,
}

/// Midnight of the day an instant is in.
pub(super) fn midnight(at: Timestamp) -> Timestamp {
    Timestamp::from_seconds(at.as_micros().div_euclid(DAY * 1_000_000) * DAY)
}

impl Days {
    /// Puts counts into the days of `[from, until)`, both midnights.
    pub(super) fn new(from: Timestamp, until: Timestamp, counts: &[DayCount]) -> Self {
        let days: Vec<_> = std::iter::successors(Some(from), |day| Some(day.plus_seconds(DAY)))
            .take_while(|day| *day < until)
            .collect();
        let mut series: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for count in counts {
            let Ok(at) = days.binary_search(&count.day) else { continue };
            series.entry(count.what.clone()).or_insert_with(|| vec![0; days.len()])[at] += count.n;
        }
        Self { days, series }
    }

    /// The charts, in this order; `label` gives what a series is called and where it leads.
    pub(super) fn charts(&self, id: &str, heading: &str, order: &[(&str, String, String)]) -> Markup {
        let zeros = vec![0; self.days.len()];
        let series = |what: &str| self.series.get(what).unwrap_or(&zeros);
        let some: Vec<_> = order.iter().filter(|(what, ..)| self.series.contains_key(*what)).collect();
        html! {
            section.charts aria-labelledby=(id) {
                h2 id=(id) { (heading) }
                @if some.is_empty() { p.muted { "Nothing on any of these days." } }
                @for (what, words, address) in &some {
                    div.chart {
                        div.name { a href=(address) { (shown(words)) } " " span.muted { (number(series(what).iter().sum())) } }
                        (self.bars(words, series(what)))
                    }
                }
                @if !some.is_empty() { (self.axis()) (self.numbers(heading, &some)) }
            }
        }
    }

    fn bars(&self, words: &str, series: &[u64]) -> Markup {
        let most = series.iter().copied().max().unwrap_or_default().max(1);
        let width = self.days.len() * (BAR + GAP);
        let total: u64 = series.iter().sum();
        let sum = format!("{words}: {total} in {} days, {most} on the day with most", self.days.len());
        html! {
            svg.bars viewBox=(format!("0 0 {width} {HEIGHT}")) preserveAspectRatio="none" role="img" aria-label=(sum) {
                @for (at, (day, n)) in self.days.iter().zip(series).enumerate() {
                    // What is not nothing is seen, however little it is.
                    @let height = if *n == 0 { 1 } else { (n * HEIGHT / most).max(3) };
                    rect.none[*n == 0] x=(at * (BAR + GAP)) y=(HEIGHT - height) width=(BAR) height=(height) {
                        title { (day.date()) ": " (n) }
                    }
                }
            }
        }
    }

    fn axis(&self) -> Markup {
        let date = |day: Option<&Timestamp>| day.map(|day| day.date()).unwrap_or_default();
        html! { p.axis { span { (date(self.days.first())) } span { "UTC days" } span { (date(self.days.last())) } } }
    }

    fn numbers(&self, heading: &str, some: &[&(&str, String, String)]) -> Markup {
        html! {
            details {
                summary { "The same as a table" }
                div.scroll role="region" aria-label=(format!("{heading}, as a table")) tabindex="0" {
                    table.numbers {
                        caption.hidden { (heading) " by UTC day" }
                        thead { tr { th scope="col" { "Day" } @for (_, words, _) in some { th scope="col" { (shown(words)) } } } }
                        tbody {
                            @for (at, day) in self.days.iter().enumerate().rev() {
                                tr {
                                    th scope="row" { time datetime=(day.date()) { (day.date()) } }
                                    @for (what, ..) in some { td.n { (number(self.series[*what][at])) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_without_anything_is_a_zero() {
        let day = |n: i64| Timestamp::from_seconds(1_787_184_000 + n * DAY);
        let count = |n, what: &str, m| DayCount { day: day(n), what: what.to_owned(), n: m };
        let days = Days::new(day(0), day(4), &[count(0, "a", 2), count(3, "a", 5), count(9, "a", 7), count(1, "b", 1)]);
        assert_eq!(days.days.len(), 4);
        assert_eq!(days.series["a"], [2, 0, 0, 5]);
        assert_eq!(days.series["b"], [0, 1, 0, 0]);
        let order = [("a", "A".to_owned(), "/a".to_owned()), ("c", "C".to_owned(), "/c".to_owned())];
        let html = days.charts("x", "Things", &order).into_string();
        assert_eq!(html.matches("<rect").count(), 4);
        assert!(
            html.contains("<title>2026-08-21: 0</title>") && html.contains("<title>2026-08-23: 5</title>"),
            "{html}"
        );
    }

    #[test]
    fn midnight_is_in_utc() {
        let at = |text| Timestamp::parse(text).unwrap();
        assert_eq!(midnight(at("2026-08-20T23:59:59.999999Z")), at("2026-08-20"));
        assert_eq!(midnight(at("2026-08-21T00:00:00Z")), at("2026-08-21"));
        assert_eq!(midnight(at("1969-12-31T23:00:00Z")), at("1969-12-31"));
    }
}
