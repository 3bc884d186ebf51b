//! `provenance webhook`: who is told of events. Nothing is sent here; `run` and `work` send.

use anyhow::{Context as _, bail};
use schema::{Clock as _, Secret};
use serde_json::{Value, json};
use store::{Outcome, Store, WebhookRow, WebhookWrite};

use super::token::{begun, ended};
use crate::args::{WebhookArgs, WebhookCommand};
use crate::clock::SystemClock;
use crate::random::OsRandom;
use crate::settings::Settings;
use crate::table::{self, cell};
use crate::text::{complain, say, shown};
use crate::{Exit, document, opening};

pub(crate) async fn run(command: &WebhookCommand, settings: &Settings) -> anyhow::Result<Exit> {
    let opened = opening::to_act(settings).await?;
    let store = opened.store.as_ref();
    match command {
        WebhookCommand::Add(args) => return add(store, args, settings).await,
        WebhookCommand::List => list(store, settings).await?,
        WebhookCommand::Remove { id } => {
            let deed = begun(store, "webhook remove", &id.to_string()).await?;
            let removed = store.remove_webhook(*id).await?;
            told(store, deed, removed, *id, "removed", settings).await?;
        }
        WebhookCommand::Resume { id } => {
            let deed = begun(store, "webhook resume", &id.to_string()).await?;
            let resumed = store.resume_webhook(*id, SystemClock.now()).await?;
            told(store, deed, resumed, *id, "resumed", settings).await?;
        }
    }
    Ok(Exit::Done)
}

async fn told(
    store: &dyn Store,
    deed: i64,
    is_done: bool,
    id: i64,
    what: &str,
    settings: &Settings,
) -> anyhow::Result<()> {
    ended(store, deed, if is_done { Outcome::Done } else { Outcome::Failed }, &json!({})).await?;
    if !is_done {
        bail!("there is no subscription {id} that could be {what}");
    }
    if settings.json {
        document::print(json!({ what: id }));
    } else {
        say(&format!("subscription {id} is {what}"));
    }
    Ok(())
}

async fn add(store: &dyn Store, args: &WebhookArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let secret = match &args.secret_file {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("read the secret {}", path.display()))?;
            Secret::new(text.trim())
        }
        None => serve::new_webhook_secret(&OsRandom).context("the system has no random bytes")?,
    };
    let last = store.last_number().await?;
    let checked = serve::checked_webhook(WebhookWrite {
        url: args.url.clone(),
        secret,
        types: args.types.clone(),
        crates: args.crates.clone(),
        private: args.private,
    });
    let checked = checked.and_then(|webhook| Ok((webhook, serve::checked_after(args.after, last)?)));
    let (webhook, after) = match checked {
        Ok(checked) => checked,
        Err(why) => {
            complain(&format!("error: {}", shown(&why.to_string())));
            return Ok(Exit::Misused);
        }
    };
    let deed = begun(store, "webhook add", serve::shown_url(&webhook.url)).await?;
    let id = store.add_webhook(&webhook, after, SystemClock.now()).await?;
    ended(store, deed, Outcome::Done, &json!({ "id": id, "after": after })).await?;
    if settings.json {
        document::print(json!({ "id": id, "after": after, "secret": webhook.secret.reveal() }));
        return Ok(Exit::Done);
    }
    complain(&format!("subscription {id}, to what happens after {after}; its deliveries are signed with"));
    say(webhook.secret.reveal());
    Ok(Exit::Done)
}

async fn list(store: &dyn Store, settings: &Settings) -> anyhow::Result<()> {
    let webhooks = store.webhooks().await?;
    if settings.json {
        document::print(json!({ "webhooks": webhooks.iter().map(as_json).collect::<Vec<_>>() }));
        return Ok(());
    }
    let mut table = table::table(settings.color, &["id", "address", "after", "failed tries", "next", "state"]);
    for row in &webhooks {
        table.add_row([
            cell(&row.id.to_string()),
            cell(&shown(&row.webhook.url)),
            cell(&row.progress.cursor.to_string()),
            cell(&row.progress.tries.to_string()),
            cell(&row.progress.next_at.to_string()),
            cell(&state_words(row)),
        ]);
    }
    say(&table.trim_fmt());
    Ok(())
}

/// What a person must know of a subscription, harmless for a terminal.
pub(super) fn state_words(row: &WebhookRow) -> String {
    match (&row.progress.disabled, &row.progress.last_error) {
        (Some((at, why)), _) => format!("disabled since {at}: {}", shown(why)),
        (None, Some(error)) => format!("failing: {}", shown(error)),
        (None, None) => "fine".to_owned(),
    }
}

/// A subscription without its secret.
pub(super) fn as_json(row: &WebhookRow) -> Value {
    let progress = &row.progress;
    let disabled = progress.disabled.as_ref();
    json!({
        "id": row.id, "url": row.webhook.url, "types": row.webhook.types, "crates": row.webhook.crates,
        "private": row.webhook.private, "created_at": row.created_at, "after": progress.cursor,
        "tries": progress.tries, "next_at": progress.next_at, "last_error": progress.last_error,
        "last_success_at": progress.last_success_at, "disabled_at": disabled.map(|(at, _)| at),
        "disabled_reason": disabled.map(|(_, reason)| reason),
    })
}
