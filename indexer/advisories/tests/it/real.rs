//! Our verdict against the second opinion and against `rustsec` itself, on the real versions of 808 crates.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
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

/// A second independent check: the official tool over a lock file that names every real version at once.
#[test]
fn the_official_tool_finds_the_same_pairs() {
    let (Some(sample), Some(db)) = (unpacked("index-sample.tar.xz"), unpacked("advisory-db.tar.xz")) else { return };
    let mut krates = BTreeMap::new();
    versions(sample.path(), &mut krates);
    let source = ["registry+https://github.com/rust-lang/", "crates.io-index"].concat();
    let database = advisories::read_directory(db.path()).unwrap();
    // The tool takes names as they are written: of crates with an advisory the database's own spelling is given.
    let spelled: BTreeMap<_, _> = database
        .advisories
        .iter()
        .filter_map(|one| Some((one.facts.krate.as_ref()?, one.facts.package.as_str())))
        .collect();
    let mut lock = "version = 3\n".to_owned();
    for (krate, nums) in &krates {
        let krate = spelled.get(krate).copied().unwrap_or(krate.as_str());
        for num in nums {
            writeln!(lock, "\n[[package]]\nname = \"{krate}\"\nversion = \"{num}\"\nsource = \"{source}\"").unwrap();
        }
    }
    let lock_path = sample.path().join("Cargo.lock");
    std::fs::write(&lock_path, lock).unwrap();
    let mut audit = std::process::Command::new("cargo-audit");
    audit.args(["audit", "--no-fetch", "--stale", "--json", "--db"]).arg(db.path()).arg("--file").arg(lock_path);
    let Ok(output) = audit.output() else {
        return crate::support::skip("cargo-audit is not on this machine");
    };
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let warnings = found["warnings"].as_object().unwrap().values().flat_map(|list| list.as_array().unwrap());
    let all = found["vulnerabilities"]["list"].as_array().unwrap().iter().chain(warnings);
    let theirs: BTreeSet<String> = all
        .filter_map(|one| {
            let [id, name, num] = [&one["advisory"]["id"], &one["package"]["name"], &one["package"]["version"]];
            Some(format!("{} {} {}", id.as_str()?, name.as_str()?, num.as_str()?))
        })
        .collect();

    let matcher = Matcher::new(&database.advisories);
    let mut ours = BTreeSet::new();
    for (krate, nums) in &krates {
        let candidates: Vec<_> = (0..).zip(nums).map(|(id, num)| candidate(id, num)).collect();
        for found in matcher.matches(krate, &candidates).matches.into_iter().filter(schema::AdvisoryMatch::is_affected)
        {
            let num = &nums[usize::try_from(found.release.0).unwrap()];
            ours.insert(format!("{} {} {num}", found.advisory, spelled[krate]));
        }
    }
    assert_eq!(ours.difference(&theirs).collect::<Vec<_>>(), Vec::<&String>::new(), "only ours");
    assert_eq!(theirs.difference(&ours).collect::<Vec<_>>(), Vec::<&String>::new(), "only theirs");
    assert!(ours.len() > 5_000, "{} pairs", ours.len());
}
