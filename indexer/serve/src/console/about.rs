//! What the words mean, what answers rest on, where the data comes from and under which licences.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use schema::{AdvisoryState, ChecksumState, Verdict};

use super::frame::{Section, View};
use super::table::{facts, table};
use super::text::{shown, since, time_and_age};
use super::words::{advisory_words, checksum_words, chip, verdict_words};
use crate::standing::without_password;
use crate::{ApiError, Service};

pub(super) async fn page(State(service): State<Arc<Service>>) -> Result<Response, ApiError> {
    let view = View::of(&service).await?;
    let content = html! {
        h1 { "About" }
        p { "Provenance Indexer follows a registry, looks inside every release, compares it with the source it names and matches it against the advisories that are known. Each release has one row." }
        ul {
            li { "These are facts, never judgements of intent. Nothing is called safe, and nothing is called malicious unless a named advisory says so." }
            li { "Not checked, cannot be checked, nothing known and affected are four answers. Each has its own words and its own look." }
            li { "Nothing published is forgotten: what is deleted from the index keeps its row." }
            li { "Nothing that was downloaded is ever run." }
        }
        (rests_on(&view))
        (meanings())
        h2 { "Data and licences" }
        p { "Advisories come from the advisory database named above. The advisories of RustSec are under CC0-1.0 where their file names no other licence; imported ones are under CC-BY-4.0 and are shown with their source. Texts under another licence are linked to and not shown." }
        p { "Names, versions, requirements and checksums come from the registry's index, texts from the archives and repositories of their authors, under the licences named there." }
        h2 { "For programs" }
        p { "The same is to be had as JSON: " a href="/api/v1/openapi.json" { "a description of the API" } ", " a href="/status" { "the state of the service" } "." }
    };
    Ok(view.page(Section::About, "About", &content))
}

fn rests_on(view: &View) -> Markup {
    let as_of = &view.standing.as_of;
    let mut rows = vec![("Rules of the row", html! { code { (shown(&as_of.rules)) } })];
    match &as_of.advisory_db {
        None => rows.push(("Advisory database", html! { "none is loaded" })),
        Some(db) => {
            rows.push(("Advisory database", html! { span.raw { (shown(&db.source)) } }));
            rows.push(("Its state", html! { code { (shown(&db.commit)) } " of " (time_and_age(db.at, view.now)) }));
        }
    }
    if let Some(at) = view.standing.advisory_db_checked_at {
        rows.push(("Looked at", time_and_age(at, view.now)));
    }
    for source in &view.sources {
        rows.push(("Index", html! { span.raw { (shown(&without_password(&source.address))) } }));
        if let Some(commit) = &source.cursor_commit {
            rows.push(("Stored up to", html! { code { (shown(commit)) } }));
        }
        if let Some(at) = source.complete_since {
            rows.push(("Every change recorded since", since(at)));
        }
    }
    html! { h2 { "What answers rest on" } (facts(&rows)) }
}

fn meanings() -> Markup {
    let verdicts = Verdict::ALL.iter().map(|one| (verdict_words(*one), one.as_str(), verdict_meaning(*one)));
    let archives = ChecksumState::ALL.iter().map(|one| (checksum_words(*one), one.as_str(), checksum_meaning(*one)));
    let advisories = AdvisoryState::ALL.iter().map(|one| (advisory_words(*one), one.as_str(), advisory_meaning(*one)));
    let rows = |all: &mut dyn Iterator<Item = ((super::words::Look, &'static str), &'static str, &'static str)>| -> Vec<Markup> {
        all.map(|((look, words), code, meaning)| html! { th scope="row" { (chip(look, words)) } td { code { (code) } } td { (meaning) } })
            .collect()
    };
    let headings = ["On these pages", "In the row", "What it means"];
    html! {
        h2 { "What the words mean" }
        h3 { "Source check" }
        (table("Outcomes of a source check", &headings, &rows(&mut verdicts.into_iter())))
        h3 { "Archive" }
        (table("States of an archive", &headings, &rows(&mut archives.into_iter())))
        h3 { "Advisories" }
        (table("What the advisory database says", &headings, &rows(&mut advisories.into_iter())))
    }
}

const fn verdict_meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Verified => {
            "The commit the archive records can be reached, and every file and the manifest agree with it. Same text, not good text."
        }
        Verdict::VerifiedEquivalent => "The same for another commit that can be reached, found by content.",
        Verdict::VerifiedExceptNonbuild => "Everything that the build reads agrees; other files differ.",
        Verdict::NotVerifiable => "There is nothing to compare with, and the reason says why.",
        Verdict::Mismatch => "A file that the build reads differs from the best candidate.",
        Verdict::Review => "Something else asks for a person.",
        Verdict::Unchecked => "Nobody asked for it.",
        Verdict::Pending => "It was asked for and waits.",
        Verdict::Error => "We failed; it is tried again. It says nothing about the crate.",
    }
}

const fn checksum_meaning(state: ChecksumState) -> &'static str {
    match state {
        ChecksumState::Ok => "Its sha256 is the one the index promises.",
        ChecksumState::Mismatch => "It is not, even after a second look at both.",
        ChecksumState::Gone => "The registry no longer serves it.",
        ChecksumState::NoAddress => "The index names no address to download from.",
        ChecksumState::Unchecked => "Nobody asked for it.",
        ChecksumState::Pending => "It was asked for and waits.",
        ChecksumState::Error => "We failed; it is tried again. It says nothing about the crate.",
    }
}

const fn advisory_meaning(state: AdvisoryState) -> &'static str {
    match state {
        AdvisoryState::Pending => "Not matched yet against the present database. This is no answer.",
        AdvisoryState::Unknown => {
            "Nothing can be said: there was no database, or the number is none that an advisory can name."
        }
        AdvisoryState::NoneKnown => {
            "Nothing is known as of the state of the database named above. That is not the same as safe."
        }
        AdvisoryState::Affected => "At least one advisory that is not withdrawn covers it.",
    }
}
