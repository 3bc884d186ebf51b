//! `provenance migrate`: bring the tables up to date, or say what is missing.

use serde_json::json;

use crate::settings::Settings;
use crate::text::{count, say};
use crate::{Exit, document, opening};

pub(crate) async fn run(
    check: bool,
    worker: Option<&str>,
    reader: Option<&str>,
    settings: &Settings,
) -> anyhow::Result<Exit> {
    if check {
        return check_only(settings).await;
    }
    let opened = opening::to_write(settings).await?;
    opening::prepare_jobs(settings, &opened).await?;
    opened.grant(worker, reader).await?;
    opened.close().await;
    if settings.json {
        document::print(json!({ "database": settings.database.value, "pending": [] }));
    } else {
        say(&format!("{} is up to date", settings.database.value));
    }
    Ok(Exit::Done)
}

async fn check_only(settings: &Settings) -> anyhow::Result<Exit> {
    let address = &settings.database.value;
    let pending = opening::missing_migrations(settings).await?;
    if settings.json {
        document::print(json!({ "database": address, "pending": pending }));
    } else if pending.is_empty() {
        say(&format!("{address} is up to date"));
    } else {
        say(&format!("{} missing in {address}: {}", count(pending.len(), "migration"), pending.join(", ")));
    }
    Ok(if pending.is_empty() { Exit::Done } else { Exit::Failed })
}
