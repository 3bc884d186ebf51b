//! A second opinion: SemVer precedence and affected intervals from the specification's text alone.
//!
//! It knows neither `semver` nor `rustsec`. An advisory affects a version that lies in none of its patched or unaffected
//! intervals; a caret or tilde ends before the first pre-release of its upper bound.

use std::cmp::Ordering;

/// A version by its parts; build metadata is dropped on reading, because it has no precedence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Num {
    pub(crate) core: [u64; 3],
    pub(crate) pre: Vec<String>,
}

/// Reads `1`, `1.2` or `1.2.3-pre+build`; also says how many numbers were given.
fn read(text: &str) -> Option<(Num, usize)> {
    let text = text.split('+').next()?;
    let (core, pre) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
    let mut numbers = [0; 3];
    let mut n_given = 0;
    for part in core.split('.') {
        *numbers.get_mut(n_given)? = part.parse().ok()?;
        n_given += 1;
    }
    let pre = pre.map(|pre| pre.split('.').map(str::to_owned).collect()).unwrap_or_default();
    Some((Num { core: numbers, pre }, n_given))
}

impl Num {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        read(text).filter(|(_, n_given)| *n_given == 3).map(|(num, _)| num)
    }
}

impl Ord for Num {
    /// SemVer 2.0.0, §11.
    fn cmp(&self, other: &Self) -> Ordering {
        self.core.cmp(&other.core).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => identifiers(&self.pre, &other.pre),
        })
    }
}

impl PartialOrd for Num {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn identifiers(left: &[String], right: &[String]) -> Ordering {
    for (left, right) in left.iter().zip(right) {
        let order = match (left.parse::<u128>(), right.parse::<u128>()) {
            (Ok(left), Ok(right)) => left.cmp(&right),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => left.as_bytes().cmp(right.as_bytes()),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    left.len().cmp(&right.len())
}

/// Whether an advisory with these requirements affects the version.
pub(crate) fn is_affected(patched: &[String], unaffected: &[String], num: &Num) -> bool {
    !patched.iter().chain(unaffected).any(|requirement| contains(requirement, num))
}

/// Whether a requirement, read as an interval of precedence, contains the version.
pub(crate) fn contains(requirement: &str, num: &Num) -> bool {
    requirement.split(',').all(|comparator| holds(comparator.trim(), num))
}

fn holds(comparator: &str, num: &Num) -> bool {
    let digits = comparator.find(|character: char| character.is_ascii_digit());
    let Some(digits) = digits else { return comparator == "*" };
    let (operator, bound) = comparator.split_at(digits);
    let (bound, n_given) = read(bound.trim()).unwrap_or_else(|| panic!("{comparator:?}"));
    match operator.trim() {
        ">" => *num > bound,
        ">=" => *num >= bound,
        "<" => *num < bound,
        "<=" => *num <= bound,
        "=" => *num == bound,
        "~" => {
            *num >= bound
                && *num
                    < before_all(if n_given == 1 {
                        [bound.core[0] + 1, 0, 0]
                    } else {
                        [bound.core[0], bound.core[1] + 1, 0]
                    })
        }
        "" | "^" => *num >= bound && *num < before_all(caret_end(bound.core, n_given)),
        odd => panic!("operator {odd:?}"),
    }
}

fn caret_end(core: [u64; 3], n_given: usize) -> [u64; 3] {
    match (core, n_given) {
        ([0, 0, patch], 3) => [0, 0, patch + 1],
        ([0, minor, _], 2 | 3) => [0, minor + 1, 0],
        ([major, _, _], _) => [major + 1, 0, 0],
    }
}

/// The lowest pre-release of a release: below it lies nothing of that release.
fn before_all(core: [u64; 3]) -> Num {
    Num { core, pre: vec!["0".to_owned()] }
}

#[test]
fn the_second_opinion_orders_as_the_specification_prints() {
    let printed = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
    ];
    let nums: Vec<_> = printed.iter().map(|text| Num::parse(text).unwrap()).collect();
    assert!(nums.is_sorted_by(|a, b| a < b));
}
