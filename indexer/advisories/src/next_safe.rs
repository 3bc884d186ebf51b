//! The way out: the next version above an affected one that no advisory covers. It chooses, it does not judge.

use schema::VersionNum;
use semver::{Comparator, Op, Version};

/// The nearest safe versions above an affected one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NextSafe {
    /// Within the same caret range: `cargo update` reaches it.
    pub compatible: Option<VersionNum>,
    /// Of any range.
    pub any: Option<VersionNum>,
}

/// Finds the lowest version above `num` that is not covered.
///
/// `live` are the crate's versions that are neither yanked nor deleted. `is_covered` should be true for nearly affected
/// pre-releases as well, which nobody should be sent to. A pre-release is offered only to a pre-release, and within the
/// caret range only where cargo would take it. "Not covered" counts a version that was never affected like a fixed one.
#[must_use]
pub fn next_safe(num: &VersionNum, live: &[VersionNum], is_covered: impl Fn(&Version) -> bool) -> NextSafe {
    let Some(affected) = num.semver() else {
        return NextSafe::default();
    };
    let offered = |version: &Version| {
        version.cmp_precedence(&affected).is_gt() && (version.pre.is_empty() || !affected.pre.is_empty())
    };
    let mut safe: Vec<(Version, &VersionNum)> =
        live.iter().filter_map(|num| Some((num.semver()?, num))).filter(|(version, _)| offered(version)).collect();
    safe.sort();
    safe.retain(|(version, _)| !is_covered(version));
    let same_range = caret(&affected);
    let compatible = safe.iter().find(|(version, _)| same_range.matches(version));
    NextSafe { compatible: compatible.map(|(_, num)| (*num).clone()), any: safe.first().map(|(_, num)| (*num).clone()) }
}

fn caret(version: &Version) -> Comparator {
    Comparator {
        op: Op::Caret,
        major: version.major,
        minor: Some(version.minor),
        patch: Some(version.patch),
        pre: version.pre.clone(),
    }
}
