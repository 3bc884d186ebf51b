//! `provenance attest`: in-toto statements of what the rows say, as DSSE envelopes, one a line; and the check of such lines.

use std::path::Path;

use anyhow::{Context as _, bail};
use export::{SigningKey, envelope, statements};
use schema::ProvenanceRow;
use store::Store;

use super::show;
use super::subject::Subject;
use crate::args::AttestArgs;
use crate::settings::Settings;
use crate::text::{complain, count, say};
use crate::{Exit, opening};

mod check;

pub(crate) async fn run(args: &AttestArgs, settings: &Settings) -> anyhow::Result<Exit> {
    if let (Some(lines), Some(key)) = (&args.verify, &args.public_key) {
        return check::run(lines, key, settings);
    }
    if !is_uri(&args.verifier) {
        bail!("--verifier takes a URI, such as urn:example:us, not {:?}", args.verifier);
    }
    let key = signing_key(args, settings)?;
    let opened = opening::to_read(settings).await?;
    let store: &dyn Store = opened.store.as_ref();
    let mut told = Told { key, verifier: &args.verifier, n_statements: 0, n_silent: 0 };
    match &args.subject {
        Some(text) => told.tell(&show::rows_of(store, &Subject::parse(text)?).await?),
        None => {
            for krate in store.krate_revisions().await? {
                let releases = store.releases(&krate.canonical).await?.unwrap_or_default();
                told.tell(&show::rows_of_releases(store, &releases).await?);
            }
        }
    }
    told.end(settings);
    // Asked about something that cannot be answered for: whoever goes on must not take silence for a yes.
    Ok(if told.n_statements == 0 && args.subject.is_some() { Exit::Failed } else { Exit::Done })
}

struct Told<'a> {
    key: Option<SigningKey>,
    verifier: &'a str,
    n_statements: usize,
    /// Releases of which nothing can be attested yet.
    n_silent: usize,
}

impl Told<'_> {
    fn tell(&mut self, rows: &[ProvenanceRow]) {
        for row in rows {
            let statements = statements(row, self.verifier);
            self.n_silent += usize::from(statements.is_empty());
            self.n_statements += statements.len();
            for statement in &statements {
                say(&envelope(statement, self.key.as_ref()).to_string());
            }
        }
    }

    fn end(&self, settings: &Settings) {
        if settings.quiet() {
            return;
        }
        if self.n_silent > 0 {
            let releases = count(self.n_silent, "release");
            complain(&format!("note: nothing is attested of {releases} whose archive or source was not checked"));
        }
        match &self.key {
            Some(key) => complain(&format!("{} signed by key {}", count(self.n_statements, "statement"), key.id())),
            None => complain(&format!(
                "warning: {} unsigned; nobody answers for them. --key FILE or PROVENANCE_ATTEST_KEY signs",
                count(self.n_statements, "statement")
            )),
        }
    }
}

/// The key from a file, or from the environment. Nothing of it is ever shown.
fn signing_key(args: &AttestArgs, settings: &Settings) -> anyhow::Result<Option<SigningKey>> {
    match (&args.key, &settings.attest_key) {
        (Some(path), _) => {
            let pem = std::fs::read_to_string(path).with_context(|| format!("read the key {}", path.display()))?;
            Ok(Some(SigningKey::from_pem(&pem).with_context(|| format!("{} holds", path.display()))?))
        }
        (None, Some(pem)) => {
            Ok(Some(SigningKey::from_pem(pem.reveal()).context("the variable PROVENANCE_ATTEST_KEY holds")?))
        }
        (None, None) => Ok(None),
    }
}

/// A scheme, a colon, and nothing that a URI cannot have (RFC 3986, 2 and 3.1).
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let scheme_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let rest_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(scheme_byte)
        && !rest.is_empty()
        && rest.bytes().all(rest_byte)
}

fn read_public_key(path: &Path) -> anyhow::Result<export::PublicKey> {
    let pem = std::fs::read_to_string(path).with_context(|| format!("read the key {}", path.display()))?;
    export::PublicKey::from_pem(&pem).with_context(|| format!("{} holds", path.display()))
}
