//! Our verdict against the second opinion, on versions around every bound of every advisory of the bundled snapshot.

use std::collections::BTreeSet;

use advisories::{Advisory, bundled_snapshot};

use crate::interval::{Num, contains, is_affected};
use crate::support::version;

/// Versions at, just below and just above each bound that the requirements name, and a few far away from all.
fn around_bounds(advisory: &Advisory) -> BTreeSet<String> {
    let mut nums: BTreeSet<String> = ["0.0.0-0", "0.0.0", "0.0.1", "999.0.0-rc.1", "999.0.0"].map(str::to_owned).into();
    let facts = &advisory.facts;
    let functions = facts.functions.values().flatten();
    for requirement in facts.patched.iter().chain(&facts.unaffected).chain(functions) {
        for comparator in requirement.split(',') {
            let bound: String = comparator.chars().skip_while(|character| !character.is_ascii_digit()).collect();
            if !bound.is_empty() {
                around(bound.trim(), &mut nums);
            }
        }
    }
    nums
}

fn around(bound: &str, nums: &mut BTreeSet<String>) {
    let (core, pre) = bound.split_once('-').map_or((bound, ""), |(core, pre)| (core, pre));
    let mut parts = core.split('.').map(|part| part.parse::<u64>().unwrap());
    let [major, minor, patch] = [0; 3].map(|_: i32| parts.next().unwrap_or(0));
    if !pre.is_empty() {
        nums.extend(["", ".0", ".1", "+build", "-", "a"].map(|end| format!("{major}.{minor}.{patch}-{pre}{end}")));
    }
    let mut cores = vec![[major, minor, patch], [major, minor, patch + 1], [major, minor + 1, 0], [major + 1, 0, 0]];
    cores.extend(patch.checked_sub(1).map(|patch| [major, minor, patch]));
    cores.extend(minor.checked_sub(1).map(|minor| [major, minor, 99]));
    cores.extend(major.checked_sub(1).map(|major| [major, 99, 99]));
    for [major, minor, patch] in cores {
        for end in ["", "+build", "-0", "-0.0", "-1", "-alpha", "-rc.1", "-rc.1+build", "-zzz"] {
            nums.insert(format!("{major}.{minor}.{patch}{end}"));
        }
    }
}

#[test]
fn every_bound_of_every_advisory_is_judged_as_the_second_opinion_does() {
    let database = bundled_snapshot().unwrap();
    let (mut n_pairs, mut n_affected) = (0_u32, 0_u32);
    for advisory in &database.advisories {
        let facts = &advisory.facts;
        for num in around_bounds(advisory) {
            let (ours, theirs) = (version(&num), Num::parse(&num).unwrap());
            let expected = is_affected(&facts.patched, &facts.unaffected, &theirs);
            assert_eq!(advisory.affects(&ours), expected, "{} {num}", facts.id);

            let release = Num { core: theirs.core, pre: Vec::new() };
            let near = !expected && !theirs.pre.is_empty() && is_affected(&facts.patched, &facts.unaffected, &release);
            assert_eq!(advisory.nearly_affects(&ours), near, "{} {num}", facts.id);

            let listed = facts.functions.iter().filter(|(_, requirements)| {
                expected && requirements.iter().any(|requirement| contains(requirement, &theirs))
            });
            let listed: Vec<&str> = listed.map(|(path, _)| path.as_str()).collect();
            assert_eq!(advisory.affected_functions(&ours), listed, "{} {num}", facts.id);
            n_pairs += 1;
            n_affected += u32::from(expected);
        }
    }
    assert!(n_pairs > 50_000 && n_affected > 10_000, "{n_pairs} pairs, {n_affected} affected");
}
