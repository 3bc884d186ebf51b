//! The frame of every page: head, navigation, what the page rests on and how old that is. No script, nothing from elsewhere.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use maud::{DOCTYPE, Markup, html};
use schema::Timestamp;
use store::{SourceState, StoreError};

use super::assets;
use super::text::{shown, since, time, time_and_age};
use crate::{ApiError, Service, Standing, answer};

/// What a page may load and where its forms may go: this server, and no script at all.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);

/// Where in the console a page is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    Search,
    Advisories,
    Changes,
    Jobs,
    About,
    /// A page of one crate, an error.
    Elsewhere,
}

const SECTIONS: [(Section, &str, &str); 6] = [
    (Section::Overview, "/", "Overview"),
    (Section::Search, "/search", "Search"),
    (Section::Advisories, "/advisories", "Advisories"),
    (Section::Changes, "/changes", "Changes"),
    (Section::Jobs, "/jobs", "Jobs"),
    (Section::About, "/about", "About"),
];

/// What is known at the moment a page is made.
pub(super) struct View {
    pub(super) standing: Standing,
    pub(super) sources: Vec<SourceState>,
    pub(super) now: Timestamp,
}

impl View {
    pub(super) async fn of(service: &Service) -> Result<Self, StoreError> {
        let moment = service.moment().await?;
        Ok(Self { standing: moment.standing.clone(), sources: moment.known.sources.clone(), now: service.now() })
    }

    /// Whether every change in a span is known: each source's record must begin before it and reach to its end.
    pub(super) fn is_complete(&self, from: Timestamp, until: Timestamp) -> bool {
        // What is still to come is missing from no record.
        let until = until.min(self.now);
        let knows = |source: &SourceState| {
            let is_current = source.behind_since.is_none() && source.last_error.is_none();
            let read_until = if is_current { source.last_success_at } else { source.cursor_at };
            let enough = |read: Timestamp| read >= until || (is_current && source.trouble(self.now).is_none());
            source.complete_since.is_some_and(|since| since <= from) && read_until.is_some_and(enough)
        };
        !self.sources.is_empty() && self.sources.iter().all(knows)
    }

    /// A page with its frame.
    pub(super) fn page(&self, section: Section, title: &str, content: &Markup) -> Response {
        framed(Some(self), section, title, content)
    }
}

/// A page; without a view nothing is known, and the page says so.
pub(super) fn framed(view: Option<&View>, section: Section, title: &str, content: &Markup) -> Response {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (shown(title)) " · Provenance" }
                link rel="icon" type="image/svg+xml" href="/favicon.svg";
                link rel="stylesheet" href=(assets::style_address());
            }
            body {
                a.skip href="#main" { "Skip to content" }
                (top(section))
                (rests_on(view))
                main id="main" tabindex="-1" { (content) }
                (foot())
            }
        }
    };
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    let mut response = answer::bytes(document.into_string().into_bytes(), kind, HeaderValue::from_static("no-cache"));
    harden(response.headers_mut());
    response
}

/// What keeps a page from doing more than showing itself.
pub(super) fn harden(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
}

fn top(section: Section) -> Markup {
    html! {
        header.top {
            div.inner {
                a.brand href="/" { "Provenance" }
                nav aria-label="Main" {
                    ul {
                        @for (of, address, words) in SECTIONS {
                            li { a href=(address) aria-current=[(of == section).then_some("page")] { (words) } }
                        }
                    }
                }
                form.find action="/search" method="get" role="search" {
                    label.hidden for="find" { "Find a crate" }
                    input #find type="search" name="q" placeholder="Find a crate" maxlength="64" autocomplete="off";
                    button type="submit" { "Find" }
                }
            }
        }
    }
}

/// What every answer on the page rests on, and its age.
fn rests_on(view: Option<&View>) -> Markup {
    let Some(View { standing, now, .. }) = view else {
        return html! {
            section.as-of.stale aria-label="What this page rests on" {
                div.inner { p { strong { "As of: not known." } " The database does not answer, so nothing can be said." } }
            }
        };
    };
    let (index, advisories) = (&standing.as_of.index, &standing.as_of.advisory_db);
    html! {
        section.as-of.stale[standing.stale] aria-label="What this page rests on" {
            div.inner {
                p {
                    strong { "As of" } " "
                    @match index {
                        Some(index) => {
                            "index " @if let Some(commit) = &index.commit { code { (shown(&short(commit))) } " " }
                            "read " (time_and_age(index.at, *now))
                        }
                        None => { "no index: none was ever read" }
                    }
                    " · "
                    @match advisories {
                        Some(db) => {
                            "advisory database " code { (shown(&short(&db.commit))) } " of " (time(db.at))
                            @if let Some(at) = standing.advisory_db_checked_at { ", looked at " (time_and_age(at, *now)) }
                        }
                        None => { "no advisory database: nothing can be said about advisories" }
                    }
                    " · rules " code { (shown(&standing.as_of.rules)) }
                }
                @if standing.stale {
                    p role="status" {
                        strong { "Answers may be older than they should be: " }
                        @for (at, trouble) in standing.troubles.iter().enumerate() {
                            @if at > 0 { "; " } (shown(trouble))
                        }
                        "."
                    }
                }
            }
        }
    }
}

/// Enough of a commit or a digest to tell it from others.
pub(super) fn short(commit: &str) -> String {
    commit.chars().take(12).collect()
}

fn foot() -> Markup {
    html! {
        footer {
            div.inner {
                p {
                    "Facts, never intent: " em { "verified" } " means the same text as the source, not good text. "
                    a href="/about" { "What the words mean" } "."
                }
            }
        }
    }
}

/// An error as a page. What is known is said as far as it is known.
pub(super) async fn error_page(service: &Service, status: StatusCode, sentence: &str) -> Response {
    let view = View::of(service).await.ok();
    let heading = match status {
        StatusCode::NOT_FOUND => "Not known here",
        StatusCode::BAD_REQUEST | StatusCode::URI_TOO_LONG => "This cannot be understood",
        StatusCode::METHOD_NOT_ALLOWED => "Not this way",
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => "No answer just now",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "Not allowed",
        _ => "Something went wrong",
    };
    let content = html! {
        h1 { (heading) }
        p.lead { (shown(sentence)) "." }
        @match status {
            StatusCode::SERVICE_UNAVAILABLE => {
                p { "This is no answer about any crate: nothing is known to be missing, and nothing to be fine. Load the page again in a few seconds." }
            }
            StatusCode::NOT_FOUND => {
                @if let Some(view) = &view { (followed_instead(view)) }
                p { "Names are taken in any spelling. " a href="/search" { "Search" } " finds crates by a part of their name." }
            }
            _ => {}
        }
    };
    let title = format!("{} {heading}", status.as_u16());
    let mut response = framed(view.as_ref(), Section::Elsewhere, &title, &content);
    *response.status_mut() = status;
    response.headers_mut().remove(header::ETAG);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What is known instead of what was asked for.
fn followed_instead(view: &View) -> Markup {
    html! {
        @if view.sources.is_empty() { p { "No index was ever read here." } }
        @else {
            p { "What is known here comes from:" }
            ul {
                @for source in &view.sources {
                    li {
                        span.raw { (shown(&crate::standing::without_password(&source.address))) } ", "
                        @match source.last_success_at {
                            Some(at) => { "read to its end " (time_and_age(at, view.now)) }
                            None => { "never read to its end" }
                        }
                        @if let Some(at) = source.complete_since { "; every change is recorded since " (since(at)) }
                    }
                }
            }
        }
    }
}

/// Refuses a query whose value is none of those there are.
pub(super) fn chosen<T: std::str::FromStr<Err = String>>(
    name: &str,
    text: Option<&String>,
) -> Result<Option<T>, ApiError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    text.parse().map(Some).map_err(|why| ApiError::BadRequest(format!("{name}: {why}")))
}
