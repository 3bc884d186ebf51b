//! `provenance advisories diff A..B`: advisories added, removed, moved and changed, and the releases whose answer changed.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use schema::{AdvisoryId, DbCommit};
use serde_json::{Value, json};
use store::{MatchRow, Store, StoredAdvisory};

use super::words;
use crate::commands::attribution::attribution;
use crate::commands::state;
use crate::settings::Settings;
use crate::text::{count, say, shown};
use crate::{Exit, document, opening};

pub(super) async fn run(range: &str, settings: &Settings) -> anyhow::Result<Exit> {
    let (from, to) = range.split_once("..").with_context(|| format!("read {range:?} as A..B"))?;
    let opened = opening::to_read(settings).await?;
    let difference = Difference::read(opened.store.as_ref(), from, to).await?;
    if settings.json {
        document::print(difference.as_json()?);
    } else {
        difference.print()?;
    }
    Ok(Exit::Done)
}

/// What differs between two states.
struct Difference {
    from: DbCommit,
    to: DbCommit,
    pairs: Vec<Pair>,
    became_affected: Vec<MatchRow>,
    no_longer_affected: Vec<MatchRow>,
}

/// An advisory as it stood before and after; at least one of the two is there.
#[derive(Default)]
struct Pair {
    before: Option<StoredAdvisory>,
    after: Option<StoredAdvisory>,
}

impl Pair {
    fn both(&self) -> Option<(&StoredAdvisory, &StoredAdvisory)> {
        Some((self.before.as_ref()?, self.after.as_ref()?))
    }

    fn fields(&self) -> anyhow::Result<Vec<&'static str>> {
        let Some((before, after)) = self.both() else { return Ok(Vec::new()) };
        Ok(advisories::changed_fields(&queue::parsed(before)?, &queue::parsed(after)?))
    }

    /// Whether nothing of it differs but, perhaps, the layout of its file.
    fn is_same(&self) -> anyhow::Result<bool> {
        let Some((before, after)) = self.both() else { return Ok(false) };
        Ok(before.path == after.path && (before.text == after.text || self.fields()?.is_empty()))
    }
}

impl Difference {
    async fn read(store: &dyn Store, from: &str, to: &str) -> anyhow::Result<Self> {
        let from = state::named(store, from).await?;
        let to = match to {
            "" => store.advisory_states().await?.pop().context("no advisory database is loaded")?,
            to => state::named(store, to).await?,
        };
        let mut pairs: BTreeMap<AdvisoryId, Pair> = BTreeMap::new();
        for stored in store.advisories_at(from.seq).await? {
            let id = stored.facts.id.clone();
            pairs.entry(id).or_default().before = Some(stored);
        }
        for stored in store.advisories_at(to.seq).await? {
            let id = stored.facts.id.clone();
            pairs.entry(id).or_default().after = Some(stored);
        }
        let mut differing = Vec::new();
        for pair in pairs.into_values() {
            if !pair.is_same()? {
                differing.push(pair);
            }
        }
        let before = affected(store, differing.iter().filter_map(|pair| pair.before.clone())).await?;
        let after = affected(store, differing.iter().filter_map(|pair| pair.after.clone())).await?;
        Ok(Self {
            from: from.commit,
            to: to.commit,
            became_affected: without(&after, &before),
            no_longer_affected: without(&before, &after),
            pairs: differing,
        })
    }

    fn added(&self) -> impl Iterator<Item = &StoredAdvisory> {
        self.pairs.iter().filter(|pair| pair.before.is_none()).filter_map(|pair| pair.after.as_ref())
    }

    fn removed(&self) -> impl Iterator<Item = &StoredAdvisory> {
        self.pairs.iter().filter(|pair| pair.after.is_none()).filter_map(|pair| pair.before.as_ref())
    }

    fn moved(&self) -> impl Iterator<Item = (&StoredAdvisory, &StoredAdvisory)> {
        self.pairs.iter().filter_map(Pair::both).filter(|(before, after)| before.path != after.path)
    }

    /// Those whose text says something else, each with the names of the fields that differ.
    fn changed(&self) -> anyhow::Result<Vec<(&StoredAdvisory, Vec<&'static str>)>> {
        let mut changed = Vec::new();
        for pair in &self.pairs {
            let fields = pair.fields()?;
            if let Some((_, after)) = pair.both().filter(|_| !fields.is_empty()) {
                changed.push((after, fields));
            }
        }
        Ok(changed)
    }

    fn as_json(&self) -> anyhow::Result<Value> {
        let release = |row: &MatchRow| {
            json!({
                "name": row.release.key.name, "num": row.release.key.num, "generation": row.release.key.generation,
                "checksum": row.release.checksum, "advisory": row.found.advisory,
            })
        };
        let changed = self.changed()?.into_iter().map(|(after, fields)| {
            let mut facts = facts(after);
            facts["fields"] = json!(fields);
            facts
        });
        let moved = self.moved().map(|(before, after)| {
            json!({ "id": after.facts.id, "from": before.path, "to": after.path,
                    "from_package": before.facts.package, "to_package": after.facts.package })
        });
        Ok(json!({
            "from": self.from, "to": self.to,
            "added": self.added().map(facts).collect::<Vec<_>>(),
            "removed": self.removed().map(facts).collect::<Vec<_>>(),
            "moved": moved.collect::<Vec<_>>(),
            "changed": changed.collect::<Vec<_>>(),
            "became_affected": self.became_affected.iter().map(release).collect::<Vec<_>>(),
            "no_longer_affected": self.no_longer_affected.iter().map(release).collect::<Vec<_>>(),
        }))
    }

    fn print(&self) -> anyhow::Result<()> {
        for (word, stored) in self.added().map(|one| ("added", one)).chain(self.removed().map(|one| ("removed", one))) {
            say(&format!("{word:>8} {} {} in {}", stored.facts.id, stored.facts.kind, shown(&stored.facts.package)));
            if let Some(line) = attribution(&stored.facts) {
                say(&format!("         {line}"));
            }
        }
        for (before, after) in self.moved() {
            say(&format!("   moved {} from {} to {}", after.facts.id, shown(&before.path), shown(&after.path)));
        }
        for (after, fields) in self.changed()? {
            let (id, package) = (&after.facts.id, shown(&after.facts.package));
            say(&format!(" changed {id} in {package}: {}", fields.join(", ")));
        }
        for (word, rows) in [("now affected", &self.became_affected), ("no longer affected", &self.no_longer_affected)]
        {
            for row in rows {
                say(&format!("{word}: {} by {}", row.release.key, row.found.advisory));
            }
        }
        say(&format!(
            "\nfrom {} to {}: {} differ",
            words(&self.from),
            words(&self.to),
            match self.pairs.len() {
                1 => "1 advisory".to_owned(),
                n => format!("{n} advisories"),
            }
        ));
        say(&format!(
            "{} became affected, {} no longer so",
            count(self.became_affected.len(), "release"),
            self.no_longer_affected.len()
        ));
        Ok(())
    }
}

/// Facts of an advisory in a list.
fn facts(stored: &StoredAdvisory) -> Value {
    let facts = &stored.facts;
    json!({
        "id": facts.id, "package": facts.package, "kind": facts.kind, "severity": facts.score.severity,
        "withdrawn": facts.withdrawn, "changed_in": stored.changed_in, "changed_at": stored.changed_at,
        "license": facts.licence, "url": facts.url.as_deref().and_then(export::plain_address),
    })
}

async fn affected(store: &dyn Store, by: impl Iterator<Item = StoredAdvisory>) -> anyhow::Result<Vec<MatchRow>> {
    let by: Vec<_> = by.collect();
    let mut rows = state::matched(store, &by).await?;
    rows.retain(|row| row.found.is_affected());
    Ok(rows)
}

fn without(rows: &[MatchRow], others: &[MatchRow]) -> Vec<MatchRow> {
    let key = |row: &MatchRow| (row.release.id, row.found.advisory.clone());
    let others: BTreeSet<_> = others.iter().map(key).collect();
    rows.iter().filter(|row| !others.contains(&key(row))).cloned().collect()
}
