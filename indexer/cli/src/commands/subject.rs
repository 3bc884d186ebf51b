//! `NAME` and `NAME@VER`, in any spelling, and the releases they mean.

use anyhow::{Context as _, bail};
use schema::{KrateName, Release, VersionNum};
use store::Store;

/// What a person named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) name: KrateName,
    pub(crate) num: Option<VersionNum>,
}

impl Subject {
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let (name, num) = match text.split_once('@') {
            Some((name, num)) => (name, Some(num)),
            None => (text, None),
        };
        let name = KrateName::parse(name).with_context(|| format!("read {text:?} as NAME or NAME@VER"))?;
        let num = num.map(VersionNum::parse).transpose().with_context(|| format!("read {text:?} as NAME@VER"))?;
        Ok(Self { name, num })
    }

    /// Its releases, tombstones included.
    ///
    /// # Errors
    /// When there is none; the error says what is known instead.
    pub(crate) async fn releases(&self, store: &dyn Store) -> anyhow::Result<Vec<Release>> {
        let Some(all) = store.releases(&self.name.canonical()).await? else {
            let [krates, ..] = store.totals().await?;
            bail!(
                "crate {} is not in the database, which knows {krates} crates; `provenance index --crate {}` adds it",
                self.name,
                self.name
            );
        };
        let Some(num) = &self.num else { return Ok(all) };
        let chosen: Vec<_> = all.iter().filter(|release| release.key.num == *num).cloned().collect();
        if chosen.is_empty() {
            let newest: Vec<_> = all.iter().rev().take(5).map(|release| release.key.num.as_str()).collect();
            bail!(
                "crate {} has no release {num}; the newest of its {} are {}",
                self.name,
                all.len(),
                newest.join(", ")
            );
        }
        Ok(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_come_with_a_version() {
        let subject = Subject::parse("Serde-JSON@1.0.0+x").unwrap();
        assert_eq!(subject.name.canonical().as_str(), "serde_json");
        assert_eq!(subject.num.unwrap().as_str(), "1.0.0+x");
        assert_eq!(Subject::parse("serde").unwrap().num, None);
        for bad in ["", "@1.0.0", "a b", "a@", "a@1 0", "../x"] {
            assert!(Subject::parse(bad).is_err(), "{bad:?}");
        }
    }
}
