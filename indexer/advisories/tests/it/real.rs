//! Our verdict against the second opinion and against `rustsec` itself, on the real versions of 808 crates.

use std::collections::BTreeMap;
use std::path::Path;

use advisories::{Matcher, bundled_snapshot};
use schema::{CanonicalName, IndexLine, MatchFlag};

use crate::interval::{Num, is_affected};
use crate::support::{candidate, unpacked};

fn versions(folder: &Path, krates: &mut BTreeMap<CanonicalName, Vec<String>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            versions(&path, krates);
            continue;
        }
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let line = IndexLine::parse(line).unwrap();
            krates.entry(line.name.canonical()).or_default().push(line.num.to_string());
        }
    }
}

#[test]
fn every_real_pair_is_judged_as_the_second_opinion_does() {
    let Some(folder) = unpacked("index-sample.tar.xz") else { return };
    let mut krates = BTreeMap::new();
    versions(folder.path(), &mut krates);
    let database = bundled_snapshot().unwrap();
    let matcher = Matcher::new(&database.advisories);
    let (mut n_pairs, mut n_affected, mut n_near) = (0, 0, 0);
    for (krate, nums) in &krates {
        let candidates: Vec<_> = (0..).zip(nums).map(|(id, num)| candidate(id, num)).collect();
        let outcome = matcher.matches(krate, &candidates);
        assert_eq!(outcome.unmatchable, []);
        for advisory in matcher.about(krate) {
            let found: BTreeMap<_, _> = outcome
                .matches
                .iter()
                .filter(|found| found.advisory == advisory.facts.id)
                .map(|found| (found.release, found.flags.contains(&MatchFlag::PrereleaseOfAffected)))
                .collect();
            let official: rustsec::Advisory = advisory.text.parse().unwrap();
            for candidate in &candidates {
                let num = Num::parse(candidate.num.as_str()).unwrap();
                let judge = |num: &Num| is_affected(&advisory.facts.patched, &advisory.facts.unaffected, num);
                let near = !num.pre.is_empty() && judge(&Num { pre: Vec::new(), ..num.clone() });
                let expected = if judge(&num) { Some(false) } else { near.then_some(true) };
                let label = format!("{} {krate} {}", advisory.facts.id, candidate.num);
                assert_eq!(found.get(&candidate.release).copied(), expected, "{label}");
                let official = official.versions.is_vulnerable(&candidate.num.semver().unwrap());
                assert_eq!(official, expected == Some(false), "{label}");
                n_pairs += 1;
                n_affected += usize::from(expected == Some(false));
                n_near += usize::from(expected == Some(true));
            }
        }
    }
    assert!(
        n_pairs > 10_000 && n_affected > 1_000 && n_near > 0,
        "{n_pairs} pairs, {n_affected} affected, {n_near} near"
    );
}
