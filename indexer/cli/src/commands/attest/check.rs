//! Checks envelopes, one a line. It asks no table: what a signed statement says is told, and whose signature it is.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, stdin};
use std::path::Path;

use anyhow::{Context as _, bail};
use export::{EnvelopeError, PublicKey, opened};
use serde_json::{Value, json};

use crate::settings::Settings;
use crate::text::{count, say, shown};
use crate::{Exit, document};

/// The longest line taken, in bytes. A statement has some thousand.
const MAX_LINE: u64 = 1 << 20;

/// What came of one line.
struct Checked {
    line: usize,
    outcome: Result<Value, EnvelopeError>,
}

/// Checks every line. One that is not signed by the key makes the exit 1; so does a file without any.
pub(super) fn run(lines: &Path, key: &Path, settings: &Settings) -> anyhow::Result<Exit> {
    let key = super::read_public_key(key)?;
    let checked = if lines.as_os_str() == "-" {
        check(BufReader::new(stdin().lock()), &key)?
    } else {
        let file = File::open(lines).with_context(|| format!("read {}", lines.display()))?;
        check(BufReader::new(file), &key).with_context(|| format!("read {}", lines.display()))?
    };
    let n_valid = checked.iter().filter(|checked| checked.outcome.is_ok()).count();
    let n_unsigned = checked.iter().filter(|checked| checked.outcome == Err(EnvelopeError::Unsigned)).count();
    let n_failed = checked.len() - n_valid - n_unsigned;
    let holds = n_valid == checked.len() && n_valid > 0;
    if settings.json {
        let statements: Vec<_> = checked.iter().map(as_json).collect();
        document::print(json!({
            "key": key.id(), "statements": statements, "valid": n_valid, "unsigned": n_unsigned, "failed": n_failed,
            "total": checked.len(), "holds": holds,
        }));
    } else {
        for checked in &checked {
            say(&words(checked));
        }
        let total = count(checked.len(), "statement");
        let verdict = if holds { "holds" } else { "does not hold" };
        say(&format!(
            "{verdict}: of {total} {n_valid} signed by key {}, {n_unsigned} unsigned, {n_failed} failed",
            key.id()
        ));
    }
    Ok(if holds { Exit::Done } else { Exit::Failed })
}

fn check(mut lines: impl BufRead, key: &PublicKey) -> anyhow::Result<Vec<Checked>> {
    let mut all = Vec::new();
    for line in 1.. {
        let mut text = Vec::new();
        if lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut text)? == 0 {
            break;
        }
        if text.len() as u64 == MAX_LINE && !text.ends_with(b"\n") {
            bail!("line {line} is longer than {MAX_LINE} bytes");
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        all.push(Checked { line, outcome: opened(&text, key) });
    }
    Ok(all)
}

const fn code(outcome: &Result<Value, EnvelopeError>) -> &'static str {
    match outcome {
        Ok(_) => "valid",
        Err(EnvelopeError::Unsigned) => "unsigned",
        Err(EnvelopeError::BadSignature) => "bad-signature",
        Err(EnvelopeError::OtherPayload(_)) => "other-payload",
        Err(EnvelopeError::Unreadable(_)) => "unreadable",
    }
}

fn as_json(checked: &Checked) -> Value {
    let (statement, says) = match &checked.outcome {
        Ok(statement) => (Some(statement), None),
        Err(error) => (None, Some(error.to_string())),
    };
    json!({ "line": checked.line, "outcome": code(&checked.outcome), "says": says, "statement": statement })
}

fn words(checked: &Checked) -> String {
    match &checked.outcome {
        Ok(statement) => {
            let subject = statement["subject"][0]["name"].as_str().unwrap_or("a subject without a name");
            let predicate = statement["predicateType"].as_str().unwrap_or("no predicate");
            format!("valid          line {}: {} {}", checked.line, shown(subject), shown(predicate))
        }
        Err(error) => {
            format!("{:<13}  line {}: {}", code(&checked.outcome), checked.line, shown(&error.to_string()))
        }
    }
}
