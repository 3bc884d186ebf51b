//! `provenance changes`: what happened to the index since it is watched.

use schema::KrateName;
use serde_json::{Value, json};
use store::ChangeRow;

use crate::Exit;
use crate::args::ChangesArgs;
use crate::settings::Settings;
use crate::table::{self, cell};
use crate::text::{complain, say};
use crate::{document, opening};

/// Changes read at once; a list may be long.
const PAGE: u32 = 1000;

pub(crate) async fn run(args: &ChangesArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let opened = opening::to_read(settings).await?;
    let krate = args.krate.as_deref().map(KrateName::parse).transpose()?.map(|name| name.canonical());
    let as_of = document::as_of(opened.store.as_ref()).await?;
    let mut all = Vec::new();
    let mut table = table::table(settings.color, &["#", "at", "change", "crate", "version", "fields"]);
    let (mut after, mut n) = (args.after, 0);
    loop {
        let page = opened.store.changes(after, krate.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        n += page.len();
        for row in &page {
            if args.ndjson {
                say(&as_json(row).to_string());
            } else if settings.json {
                all.push(as_json(row));
            } else {
                table.add_row(cells(row));
            }
        }
    }
    if settings.json {
        document::print(json!({ "changes": all, "as_of": as_of }));
    } else if !args.ndjson && n > 0 {
        say(&table.trim_fmt());
    }
    if n == 0 {
        complain("no changes: a crate's first reading is a baseline, changes are what later readings find");
    }
    Ok(Exit::Done)
}

pub(super) fn as_json(row: &ChangeRow) -> Value {
    let change = &row.change;
    json!({
        "seq": row.seq, "type": change.kind, "name": change.name, "num": change.num, "checksum": change.checksum,
        "fields": change.fields, "commit": change.commit, "at": change.at,
    })
}

fn cells(row: &ChangeRow) -> [comfy_table::Cell; 6] {
    let change = &row.change;
    [
        table::number(row.seq.unsigned_abs()),
        cell(&change.at.to_string()),
        cell(change.kind.as_str()),
        cell(change.name.as_ref().map(KrateName::as_str).unwrap_or_default()),
        cell(change.num.as_ref().map(schema::VersionNum::as_str).unwrap_or_default()),
        cell(&change.fields.join(", ")),
    ]
}
