//! `provenance migrate`: bring the tables up to date, or say what is missing.

use serde_json::json;
use store_sqlite::SqliteStore;

use crate::settings::Settings;
use crate::text::{count, say};
use crate::{Exit, document, opening};

pub(crate) async fn run(check: bool, settings: &Settings) -> anyhow::Result<Exit> {
    if check {
        return check_only(settings).await;
    }
    let opened = opening::to_write(settings).await?;
    opened.store.close().await;
    if settings.json {
        document::print(json!({ "database": settings.database.value, "pending": [] }));
    } else {
        say(&format!("{} is up to date", settings.database.value.display()));
    }
    Ok(Exit::Done)
}

async fn check_only(settings: &Settings) -> anyhow::Result<Exit> {
    let path = &settings.database.value;
    anyhow::ensure!(path.exists(), "there is no database at {}", path.display());
    let pending = SqliteStore::missing_migrations(path).await?;
    if settings.json {
        document::print(json!({ "database": path, "pending": pending }));
    } else if pending.is_empty() {
        say(&format!("{} is up to date", path.display()));
    } else {
        say(&format!("{} missing in {}: {}", count(pending.len(), "migration"), path.display(), pending.join(", ")));
    }
    Ok(if pending.is_empty() { Exit::Done } else { Exit::Failed })
}
