//! `provenance token`: who may act over HTTP. Whoever has a hand on the database may make tokens; nobody else can.

use anyhow::{Context as _, bail};
use schema::{Clock as _, Timestamp};
use serde_json::{Value, json};
use serve::NewToken;
use store::{DeedWrite, Outcome, Store, TokenRow, TokenWrite};

use crate::args::{TokenArgs, TokenCommand};
use crate::clock::SystemClock;
use crate::random::OsRandom;
use crate::settings::Settings;
use crate::table::{self, cell};
use crate::text::{complain, say, shown};
use crate::{Exit, document, opening};

const SECONDS_PER_DAY: i64 = 86_400;

pub(crate) async fn run(command: &TokenCommand, settings: &Settings) -> anyhow::Result<Exit> {
    let opened = opening::to_act(settings).await?;
    let store = opened.store.as_ref();
    match command {
        TokenCommand::Create(args) => create(store, args, settings).await?,
        TokenCommand::List => list(store, settings).await?,
        TokenCommand::Revoke { id } => {
            let now = SystemClock.now();
            let deed = begun(store, "token revoke", &id.to_string()).await?;
            let revoked = store.revoke_token(*id, now).await?;
            ended(store, deed, if revoked { Outcome::Done } else { Outcome::Failed }, &json!({})).await?;
            if !revoked {
                bail!("there is no token {id} that could be taken back");
            }
            if settings.json {
                document::print(json!({ "revoked": id }));
            } else {
                say(&format!("token {id} is taken back"));
            }
        }
    }
    Ok(Exit::Done)
}

async fn create(store: &dyn Store, args: &TokenArgs, settings: &Settings) -> anyhow::Result<()> {
    let now = SystemClock.now();
    let new = NewToken::make(&OsRandom).context("the system has no random bytes")?;
    let days = i64::from(args.expires) * SECONDS_PER_DAY;
    let token = TokenWrite {
        name: args.name.clone(),
        digest: new.digest(),
        scopes: args.scopes.clone(),
        crates: args.crates.clone(),
        expires_at: (!args.no_expiry).then(|| now.plus_seconds(days)),
    };
    let deed = begun(store, "token create", &args.name).await?;
    let id = store.add_token(&token, now).await?;
    let allowed = json!({ "id": id, "scopes": token.scopes, "crates": token.crates, "expires_at": token.expires_at });
    ended(store, deed, Outcome::Done, &allowed).await?;
    let text = new.text(id);
    if settings.json {
        let mut document = allowed;
        document["token"] = json!(text.reveal());
        document::print(document);
        return Ok(());
    }
    if token.crates.is_empty() {
        complain("note: it covers no crate, so it only allows what is about none; --crate names some, '*' all");
    }
    complain("the token is shown this once; what is kept is its sha256");
    say(text.reveal());
    Ok(())
}

async fn list(store: &dyn Store, settings: &Settings) -> anyhow::Result<()> {
    let (now, tokens) = (SystemClock.now(), store.tokens().await?);
    if settings.json {
        let tokens: Vec<_> = tokens.iter().map(|row| as_json(row, now)).collect();
        document::print(json!({ "tokens": tokens }));
        return Ok(());
    }
    let mut table = table::table(settings.color, &["id", "for", "allows", "crates", "expires", "last used", ""]);
    for row in &tokens {
        let words = |texts: Vec<String>| texts.join(" ");
        table.add_row([
            cell(&row.id.to_string()),
            cell(&shown(&row.token.name)),
            cell(&words(row.token.scopes.iter().map(ToString::to_string).collect())),
            cell(&words(row.token.crates.iter().map(ToString::to_string).collect())),
            cell(&row.token.expires_at.map_or_else(|| "never".to_owned(), Timestamp::date)),
            cell(&row.last_used_at.map(Timestamp::date).unwrap_or_default()),
            cell(state(row, now)),
        ]);
    }
    say(&table.trim_fmt());
    Ok(())
}

fn state(row: &TokenRow, now: Timestamp) -> &'static str {
    match (row.revoked_at.is_some(), row.is_valid(now)) {
        (true, _) => "revoked",
        (false, false) => "expired",
        (false, true) => "valid",
    }
}

fn as_json(row: &TokenRow, now: Timestamp) -> Value {
    json!({
        "id": row.id, "name": row.token.name, "scopes": row.token.scopes, "crates": row.token.crates,
        "created_at": row.created_at, "expires_at": row.token.expires_at, "revoked_at": row.revoked_at,
        "last_used_at": row.last_used_at, "state": state(row, now),
    })
}

/// Notes what is begun at the command line.
pub(super) async fn begun(store: &dyn Store, action: &str, subject: &str) -> anyhow::Result<i64> {
    let deed = DeedWrite {
        token: None,
        actor: "command line".to_owned(),
        action: action.to_owned(),
        subject: subject.to_owned(),
        reason: String::new(),
    };
    Ok(store.begin_deed(&deed, SystemClock.now()).await?)
}

/// Notes how it ended.
pub(super) async fn ended(store: &dyn Store, deed: i64, outcome: Outcome, detail: &Value) -> anyhow::Result<()> {
    Ok(store.end_deed(deed, outcome, &detail.to_string()).await?)
}
