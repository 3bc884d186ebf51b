//! The table and the summary `index` ends with, and the same as a document.

use std::collections::BTreeMap;
use std::time::Duration;

use schema::{
    AdvisoryState, AsOf, ChecksumState, Clock as _, ProvenanceRow, Release, ReleaseId, Severity, Tone, Verdict,
};
use serde_json::json;
use store::Store;

use crate::clock::SystemClock;
use crate::settings::Settings;
use crate::table::{self, cell, toned};
use crate::text::{count, say};
use crate::{document, text};

/// What became of the selected releases.
pub(crate) struct Summary {
    rows: Vec<ProvenanceRow>,
    findings: BTreeMap<schema::FindingCode, u64>,
    n_selected: usize,
    took: Duration,
    as_of: AsOf,
}

pub(crate) async fn summary(store: &dyn Store, selected: &[Release], took: Duration) -> anyhow::Result<Summary> {
    let as_of = document::as_of(store).await?;
    let ids: Vec<ReleaseId> = selected.iter().map(|release| release.id).collect();
    let mut by_id: BTreeMap<_, _> = store.rows_of(&ids).await?.into_iter().collect();
    let mut findings = BTreeMap::new();
    for id in &ids {
        if let Some(inspection) = store.inspection(*id).await? {
            for (code, n) in inspection.findings.totals() {
                *findings.entry(*code).or_default() += n;
            }
        }
    }
    let rows = ids.iter().filter_map(|id| by_id.remove(id)).collect();
    Ok(Summary { rows, findings, n_selected: ids.len(), took, as_of })
}

impl Summary {
    /// Releases whose archive we failed to get or to read.
    pub(crate) fn n_failed(&self) -> usize {
        let is_failed = |state| matches!(state, ChecksumState::Error | ChecksumState::Pending);
        self.rows.iter().filter(|row| is_failed(row.checksum_state)).count() + (self.n_selected - self.rows.len())
    }

    fn n_archives(&self, state: ChecksumState) -> usize {
        self.rows.iter().filter(|row| row.checksum_state == state).count()
    }
}

pub(crate) fn print(summary: &Summary, settings: &Settings) -> anyhow::Result<()> {
    if settings.json {
        let mut answer = as_json(summary);
        answer["as_of"] = serde_json::to_value(&summary.as_of)?;
        document::print(answer);
        return Ok(());
    }
    if !summary.rows.is_empty() {
        print_table(summary, settings);
    }
    print_words(summary);
    say(&document::as_of_words(&summary.as_of, SystemClock.now()));
    Ok(())
}

fn as_json(summary: &Summary) -> serde_json::Value {
    let mut verdicts: BTreeMap<Verdict, usize> = BTreeMap::new();
    let mut advisories: BTreeMap<_, u32> = BTreeMap::new();
    for row in &summary.rows {
        *verdicts.entry(row.source.verdict).or_default() += 1;
        for (kind, n) in &row.advisories.counts {
            *advisories.entry(*kind).or_default() += n;
        }
    }
    let items: Vec<_> = summary
        .rows
        .iter()
        .map(|row| {
            let reasons: Vec<_> = row.source.reasons.iter().map(|reason| &reason.code).collect();
            json!({
                "name": row.name, "num": row.num, "generation": row.generation, "checksum": row.checksum,
                "checksum_state": row.checksum_state, "verdict": row.source.verdict, "reasons": reasons,
                "findings": row.finding_codes, "advisory_state": row.advisories.state,
                "advisories": row.advisories.ids, "near": row.advisories.near,
            })
        })
        .collect();
    json!({
        "releases": summary.n_selected,
        "archives": {
            "ok": summary.n_archives(ChecksumState::Ok),
            "mismatch": summary.n_archives(ChecksumState::Mismatch),
            "gone": summary.n_archives(ChecksumState::Gone),
            "no_address": summary.n_archives(ChecksumState::NoAddress),
            "failed": summary.n_failed(),
        },
        "verdicts": verdicts,
        "advisories": advisories,
        "findings": summary.findings,
        "duration_ms": u64::try_from(summary.took.as_millis()).unwrap_or(u64::MAX),
        "items": items,
    })
}

fn print_table(summary: &Summary, settings: &Settings) {
    let mut table = table::table(settings.color, &["crate", "version", "archive", "source", "advisories", "findings"]);
    for row in &summary.rows {
        table.add_row([
            cell(row.name.as_str()),
            cell(&with_marks(row)),
            toned(row.checksum_state.as_str(), checksum_tone(row.checksum_state)),
            cell(row.source.verdict.as_str()),
            toned(&advisory_words(row), advisory_tone(row)),
            toned(&finding_words(row), finding_tone(row)),
        ]);
    }
    say(&table.trim_fmt());
}

fn print_words(summary: &Summary) {
    let n_ok = summary.n_archives(ChecksumState::Ok);
    let affected = summary.rows.iter().filter(|row| row.advisories.state == AdvisoryState::Affected).count();
    let high = summary.rows.iter().filter(|row| finding_tone(row) == Tone::Caution).count();
    let mut parts = vec![
        count(summary.n_selected, "release"),
        format!("{n_ok} archives agree with the index"),
        format!("{affected} affected by advisories"),
        format!("{high} with high findings"),
    ];
    for (state, words) in [
        (ChecksumState::Mismatch, "with another checksum"),
        (ChecksumState::Gone, "no longer served"),
        (ChecksumState::NoAddress, "without an address"),
    ] {
        match summary.n_archives(state) {
            0 => {}
            n => parts.push(format!("{n} {words}")),
        }
    }
    if summary.n_failed() > 0 {
        parts.push(format!("{} failed (see `provenance status`)", summary.n_failed()));
    }
    say(&format!("\n{} in {:.1} s", parts.join(", "), summary.took.as_secs_f64()));
}

fn with_marks(row: &ProvenanceRow) -> String {
    let mut text = row.num.to_string();
    if row.yanked {
        text.push_str(" (yanked)");
    }
    if row.deleted_at.is_some() {
        text.push_str(" (deleted)");
    }
    text
}

/// The advisories in a few words; each of the four states has its own.
pub(crate) fn advisory_words(row: &ProvenanceRow) -> String {
    match row.advisories.state {
        AdvisoryState::Pending => "not matched yet".to_owned(),
        AdvisoryState::Unknown => "cannot be said".to_owned(),
        AdvisoryState::NoneKnown => match row.advisories.near.len() {
            0 => "none known".to_owned(),
            n => format!("none known ({n} near)"),
        },
        AdvisoryState::Affected => {
            let ids: Vec<_> = row.advisories.ids.iter().map(|id| text::shown(&id.0)).collect();
            let kind = row.advisories.worst_kind.map(schema::AdvisoryKind::as_str).unwrap_or_default();
            format!("{kind}: {}", ids.join(", "))
        }
    }
}

fn finding_words(row: &ProvenanceRow) -> String {
    let Some(findings) = &row.findings else { return String::new() };
    let loud = findings.get(&Severity::High).copied().unwrap_or_default()
        + findings.get(&Severity::Medium).copied().unwrap_or_default();
    if loud == 0 { String::new() } else { row.finding_codes.first().cloned().unwrap_or_default() }
}

fn finding_tone(row: &ProvenanceRow) -> Tone {
    let high = row.findings.as_ref().and_then(|findings| findings.get(&Severity::High).copied()).unwrap_or_default();
    if high > 0 { Tone::Caution } else { Tone::Neutral }
}

fn checksum_tone(state: ChecksumState) -> Tone {
    match state {
        ChecksumState::Ok => Tone::Good,
        ChecksumState::Mismatch => Tone::Bad,
        ChecksumState::Gone | ChecksumState::NoAddress | ChecksumState::Error => Tone::Caution,
        ChecksumState::Unchecked | ChecksumState::Pending => Tone::Neutral,
    }
}

fn advisory_tone(row: &ProvenanceRow) -> Tone {
    match row.advisories.state {
        AdvisoryState::Affected => Tone::Bad,
        AdvisoryState::Unknown => Tone::Caution,
        AdvisoryState::Pending | AdvisoryState::NoneKnown => Tone::Neutral,
    }
}
