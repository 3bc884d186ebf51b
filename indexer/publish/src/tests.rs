//! The rule's table: facts on the left, the row's words on the right; then what must hold for any facts at all.

use crate::{DownloadState, Facts, InspectionFacts, KnownAdvisory, MatchState, Published, RULES, SourceState, publish};
use proptest::prelude::*;
use schema::{
    AdvisoryId, AdvisoryKind as Kind, AdvisoryState, ChecksumState, Finding, FindingCode, Findings, Generation,
    KrateName, MatchFlag, ProvenanceRow, Release, ReleaseId, ReleaseKey, Score, Severity, SeverityWord, Sha256,
    SourceSummary, Timestamp, Tone, Verdict, VersionNum,
};
use serde_json::Value;

const NOW: Timestamp = Timestamp::from_seconds(1_787_184_000);
const OK: DownloadState = DownloadState::Ok { compressed_size: 10 };

fn release() -> Release {
    let name = KrateName::parse("Demo-Crate").unwrap();
    Release {
        id: ReleaseId(1),
        key: ReleaseKey { name, num: VersionNum::parse("1.0.0").unwrap(), generation: Generation::FIRST },
        checksum: Sha256::from_bytes([7; 32]),
        published_at: Some(NOW),
        first_seen_at: NOW,
        yanked: false,
        deleted_at: None,
        line: String::new(),
    }
}

fn known(id: &str, kind: Kind, score_x10: Option<u8>) -> KnownAdvisory {
    let severity = score_x10.map_or(SeverityWord::Unscored, SeverityWord::of_score_x10);
    let score = Score { severity, score_x10, cvss: None, vector: None };
    KnownAdvisory { id: AdvisoryId(id.to_owned()), kind, score, withdrawn: false, flags: Vec::new() }
}

fn near(id: &str) -> KnownAdvisory {
    KnownAdvisory { flags: vec![MatchFlag::PrereleaseOfAffected], ..known(id, Kind::Vulnerability, Some(90)) }
}

fn unmatchable(id: &str) -> KnownAdvisory {
    KnownAdvisory { flags: vec![MatchFlag::Unmatchable], ..known(id, Kind::Vulnerability, Some(90)) }
}

fn matched(matches: Vec<KnownAdvisory>) -> MatchState {
    MatchState::Matched { db_commit: "db1".to_owned(), matches }
}

fn source(verdict: Verdict) -> SourceSummary {
    SourceSummary {
        verdict,
        words: format!("[{verdict}]"),
        repository_claimed: None,
        repository: None,
        browse_url: None,
        commit_claimed: None,
        commit_matched: None,
        tag: None,
        reasons: Vec::new(),
        rules: Some("verify/1".to_owned()),
    }
}

fn row(release: &Release, download: DownloadState, verdict: Option<Verdict>, advisories: MatchState) -> ProvenanceRow {
    let source = verdict.map(source);
    let facts = Facts {
        release,
        index_commit: Some("index1"),
        download,
        inspection: None,
        source: source.as_ref().map_or(SourceState::NotAsked, SourceState::Checked),
        advisories,
        now: NOW,
    };
    publish(&facts, None).row
}

#[test]
fn each_state_has_its_own_words_and_tone() {
    use DownloadState as D;
    use Verdict as V;
    let one = |kind| matched(vec![known("A-1", kind, None)]);
    let none = || matched(Vec::new());
    let found = Sha256::from_bytes([9; 32]);
    let withdrawn = matched(vec![KnownAdvisory { withdrawn: true, ..known("A-1", Kind::Vulnerability, Some(98)) }]);
    let failed = D::Failed { reason: "disk full".to_owned() };
    let two = matched(vec![known("A-1", Kind::Notice, None), known("A-2", Kind::Malicious, None)]);
    #[rustfmt::skip]
    let table = [
        (D::NotAsked, None, none(), Tone::Neutral, "not checked yet; no advisories known"),
        (D::NotAsked, None, MatchState::Waiting, Tone::Neutral, "advisories not checked yet; not checked yet"),
        (D::NotAsked, None, MatchState::NoDatabase, Tone::Neutral, "advisories unknown, no database; not checked yet"),
        (D::Waiting, None, none(), Tone::Neutral, "waiting to be checked; no advisories known"),
        (failed, None, none(), Tone::Neutral, "archive could not be fetched, it is tried again; no advisories known"),
        (D::Gone { status: 403 }, None, none(), Tone::Neutral, "archive is no longer served; no advisories known"),
        (D::NoAddress, None, none(), Tone::Neutral, "archive has no address; no advisories known"),
        (D::Mismatch { found }, None, none(), Tone::Bad, "archive is not the one the index promises"),
        (OK, None, none(), Tone::Neutral, "source not checked yet; no advisories known"),
        (OK, None, withdrawn, Tone::Neutral, "source not checked yet; no advisories known"),
        (OK, Some(V::Verified), none(), Tone::Good, "no advisories known; [verified]"),
        (OK, Some(V::VerifiedEquivalent), none(), Tone::Good, "no advisories known; [verified-equivalent]"),
        (OK, Some(V::VerifiedExceptNonbuild), none(), Tone::Good, "no advisories known; [verified-except-nonbuild]"),
        (OK, Some(V::Verified), MatchState::Waiting, Tone::Neutral, "advisories not checked yet; [verified]"),
        (OK, Some(V::Verified), MatchState::NoDatabase, Tone::Neutral, "advisories unknown, no database; [verified]"),
        (OK, Some(V::Verified), matched(vec![near("A-1")]), Tone::Caution, "pre-release of an affected version (A-1)"),
        (OK, Some(V::Verified), matched(vec![unmatchable("A-1")]), Tone::Caution, "advisories cannot be matched, the number is not SemVer"),
        (OK, Some(V::Verified), one(Kind::Malicious), Tone::Bad, "reported as malicious (A-1)"),
        (OK, Some(V::Verified), one(Kind::Vulnerability), Tone::Bad, "known vulnerability (A-1)"),
        (OK, Some(V::Verified), one(Kind::Unsound), Tone::Bad, "reported as unsound (A-1)"),
        (OK, Some(V::Verified), one(Kind::Notice), Tone::Caution, "advisory notice (A-1)"),
        (OK, Some(V::Verified), one(Kind::Unmaintained), Tone::Caution, "reported as unmaintained (A-1)"),
        (OK, Some(V::Verified), one(Kind::Other), Tone::Caution, "advisory of an unknown kind (A-1)"),
        (OK, None, two, Tone::Bad, "reported as malicious, 2 advisories; source not checked yet"),
        (OK, Some(V::NotVerifiable), none(), Tone::Neutral, "[not-verifiable]; no advisories known"),
        (OK, Some(V::Pending), none(), Tone::Neutral, "[pending]; no advisories known"),
        (OK, Some(V::Error), none(), Tone::Neutral, "[error]; no advisories known"),
        (OK, Some(V::Review), none(), Tone::Caution, "[review]"),
        (OK, Some(V::Mismatch), none(), Tone::Bad, "[mismatch]"),
        (OK, Some(V::Mismatch), one(Kind::Vulnerability), Tone::Bad, "known vulnerability (A-1); [mismatch]"),
    ];
    for (download, verdict, advisories, tone, message) in table {
        let badge = row(&release(), download, verdict, advisories).badge;
        assert_eq!((badge.message.as_str(), badge.tone), (message, tone));
    }
}

#[test]
fn while_another_match_is_awaited_nothing_known_is_not_said_and_what_is_known_stays() {
    let shown = |advisories| {
        let row = crate::awaiting_match(row(&release(), OK, Some(Verdict::Verified), advisories));
        (row.advisories.state, row.badge.message)
    };
    let pending = (AdvisoryState::Pending, "advisories not checked yet; [verified]".to_owned());
    assert_eq!(shown(matched(Vec::new())), pending);
    assert_eq!(shown(MatchState::Waiting), pending);
    let affected = (AdvisoryState::Affected, "known vulnerability (A-1)".to_owned());
    assert_eq!(shown(matched(vec![known("A-1", Kind::Vulnerability, None)])), affected);
}

#[test]
fn what_the_index_did_to_a_release_is_said() {
    let yanked = Release { yanked: true, ..release() };
    let deleted = Release { deleted_at: Some(NOW), yanked: true, ..release() };
    for (release, tone, message) in
        [(&yanked, Tone::Neutral, "yanked; no advisories known"), (&deleted, Tone::Caution, "deleted from the index")]
    {
        let badge = row(release, OK, Some(Verdict::Verified), matched(Vec::new())).badge;
        assert_eq!((badge.message.as_str(), badge.tone), (message, tone));
    }
}

#[test]
fn findings_are_counted_beyond_those_kept_and_listed_worst_first() {
    let mut findings = Findings::default();
    findings.push(Finding::new(FindingCode::VcsMissing, Severity::Info, no_detail()));
    for _ in 0..150 {
        findings.push(Finding::new(FindingCode::DuplicatePath, Severity::High, no_detail()));
    }
    let inspection = InspectionFacts { unpacked_size: 99, findings, ..InspectionFacts::default() };
    let release = release();
    let facts = Facts {
        release: &release,
        index_commit: None,
        download: OK,
        inspection: Some(&inspection),
        source: SourceState::NotAsked,
        advisories: matched(Vec::new()),
        now: NOW,
    };
    let row = publish(&facts, None).row;
    assert_eq!(row.findings.unwrap().into_iter().collect::<Vec<_>>(), [(Severity::High, 150), (Severity::Info, 1)]);
    assert_eq!(row.finding_codes, ["archive.duplicate-path", "vcs.missing"]);
    assert_eq!(row.badge.message, "150 findings ask for a look; source not checked yet");
}

#[test]
fn a_mismatch_is_also_a_finding() {
    let found = Sha256::from_bytes([9; 32]);
    let row = row(&release(), DownloadState::Mismatch { found }, None, MatchState::Waiting);
    assert_eq!(row.finding_codes, ["cksum.mismatch"]);
    assert_eq!(row.findings, None, "nothing was inspected");
}

#[test]
fn low_is_said_only_when_every_score_is_known_to_be_low() {
    for (scores, worst) in [
        (&[Some(20), None][..], SeverityWord::Unscored),
        (&[None, Some(0)], SeverityWord::Unscored),
        (&[Some(20), Some(0)], SeverityWord::Low),
        (&[None, Some(40)], SeverityWord::Medium),
        (&[Some(70), Some(98), None], SeverityWord::Critical),
    ] {
        let matches = scores.iter().zip(["A", "B", "C"]).map(|(score, id)| known(id, Kind::Vulnerability, *score));
        let summary = row(&release(), OK, None, matched(matches.collect())).advisories;
        assert_eq!(summary.worst_severity, Some(worst), "{scores:?}");
    }
}

#[test]
fn a_newer_commit_with_an_equal_answer_changes_nothing() {
    let release = release();
    let facts = |db: &str, index, now| Facts {
        release: &release,
        index_commit: Some(index),
        download: OK,
        inspection: None,
        source: SourceState::NotAsked,
        advisories: MatchState::Matched { db_commit: db.to_owned(), matches: vec![near("A-1")] },
        now,
    };
    let first = publish(&facts("db1", "index1", NOW), None);
    assert!(first.changed);
    let later = NOW.plus_seconds(60);
    let again = publish(&facts("db2", "index2", later), Some(&first.row));
    assert_eq!(again, Published { row: ProvenanceRow { checked_at: later, ..first.row }, changed: false });
}

#[test]
fn a_change_moves_only_the_commit_it_came_from() {
    let before = row(&release(), OK, None, matched(Vec::new()));
    let release = Release { yanked: true, ..release() };
    let mut facts = Facts {
        release: &release,
        index_commit: Some("index2"),
        download: OK,
        inspection: None,
        source: SourceState::NotAsked,
        advisories: MatchState::Matched { db_commit: "db2".to_owned(), matches: Vec::new() },
        now: NOW.plus_seconds(1),
    };
    let yanked = publish(&facts, Some(&before));
    assert!(yanked.changed);
    assert_eq!(yanked.row.changed_at, facts.now);
    assert_eq!(yanked.row.index_commit.as_deref(), Some("index2"));
    assert_eq!(yanked.row.advisories.db_commit.as_deref(), Some("db1"));
    facts.index_commit = Some("index3");
    facts.advisories =
        MatchState::Matched { db_commit: "db3".to_owned(), matches: vec![known("A-1", Kind::Unsound, None)] };
    let affected = publish(&facts, Some(&yanked.row));
    assert!(affected.changed);
    assert_eq!(affected.row.index_commit.as_deref(), Some("index2"));
    assert_eq!(affected.row.advisories.db_commit.as_deref(), Some("db3"));
}

#[test]
fn another_rule_is_a_change() {
    let release = release();
    let old = ProvenanceRow { rules: "publish/0".to_owned(), ..row(&release, OK, None, MatchState::Waiting) };
    let facts = Facts {
        release: &release,
        index_commit: Some("index1"),
        download: OK,
        inspection: None,
        source: SourceState::NotAsked,
        advisories: MatchState::Waiting,
        now: NOW,
    };
    let published = publish(&facts, Some(&old));
    assert!(published.changed);
    assert_eq!(published.row.rules, RULES);
}

fn any_download() -> impl Strategy<Value = DownloadState> {
    prop_oneof![
        Just(DownloadState::NotAsked),
        Just(DownloadState::Waiting),
        Just(DownloadState::Failed { reason: String::new() }),
        Just(OK),
        Just(DownloadState::Mismatch { found: Sha256::from_bytes([9; 32]) }),
        Just(DownloadState::Gone { status: 404 }),
        Just(DownloadState::NoAddress),
    ]
}

fn any_known() -> impl Strategy<Value = KnownAdvisory> {
    let kind = prop::sample::select(Kind::ALL);
    let flags = prop::collection::vec(prop::sample::select(MatchFlag::ALL), 0..3);
    ("[A-C]", kind, prop::option::of(0u8..=100), any::<bool>(), flags)
        .prop_map(|(id, kind, score, withdrawn, flags)| KnownAdvisory { withdrawn, flags, ..known(&id, kind, score) })
}

fn any_advisories() -> impl Strategy<Value = MatchState> {
    prop_oneof![
        Just(MatchState::NoDatabase),
        Just(MatchState::Waiting),
        prop::collection::vec(any_known(), 0..4).prop_map(matched),
    ]
}

proptest! {
    #[test]
    fn good_means_agreement_of_everything(
        download in any_download(),
        verdict in prop::option::of(prop::sample::select(Verdict::ALL)),
        advisories in any_advisories(),
        (yanked, deleted) in any::<(bool, bool)>(),
    ) {
        let release = Release { yanked, deleted_at: deleted.then_some(NOW), ..release() };
        let row = row(&release, download, verdict, advisories.clone());
        let good_verdict = verdict.is_some_and(|verdict| verdict.as_str().starts_with("verified"));
        let agreed = row.checksum_state == ChecksumState::Ok
            && good_verdict
            && row.advisories.state == AdvisoryState::NoneKnown
            && row.advisories.near.is_empty()
            && !yanked
            && !deleted;
        prop_assert_eq!(row.badge.tone == Tone::Good, agreed, "{}", row.badge.message);
        prop_assert!(!row.badge.message.is_empty() && !row.badge.message.contains("safe"));
        prop_assert_eq!(row.badge.message.contains("no advisories known") && row.advisories.state != AdvisoryState::NoneKnown, false);
        if let MatchState::Matched { matches, .. } = advisories {
            let flagged = |known: &KnownAdvisory, flag| known.flags.contains(&flag);
            let covers = |known: &&KnownAdvisory| {
                !flagged(known, MatchFlag::PrereleaseOfAffected) && !flagged(known, MatchFlag::Unmatchable)
            };
            let affects = |known: &&KnownAdvisory| !known.withdrawn && covers(known);
            let unmatchable = matches.iter().any(|known| !known.withdrawn && flagged(known, MatchFlag::Unmatchable));
            prop_assert!(!unmatchable || row.advisories.state != AdvisoryState::NoneKnown);
            prop_assert_eq!(row.advisories.state == AdvisoryState::Affected, matches.iter().any(|known| affects(&known)));
            prop_assert_eq!(row.advisories.counts.values().sum::<u32>() as usize, row.advisories.ids.len());
            prop_assert!(row.advisories.near.iter().all(|id| !row.advisories.ids.contains(id)));
        }
    }
}

fn no_detail() -> Value {
    Value::Null
}
