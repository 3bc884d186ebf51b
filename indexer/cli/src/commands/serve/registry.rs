//! The registry's own API, as cargo uses it (cargo's "Registry Web API"): yank and unyank, with the operator's token.

use async_trait::async_trait;
use follow::{CargoSettings, IndexAddress};
use net::{Addresses, Agent, Answer, Exchange, Get, NetError, Url, Verb};
use schema::{KrateName, Secret, VersionNum};
use serde_json::Value;
use serve::{Registry, RegistryError};

use crate::opening;
use crate::settings::Settings;

/// Of an answer nobody reads more.
const MAX_ANSWER: u64 = 1 << 20;

/// The registry behind the index, or the one that was named.
pub(super) struct OurRegistry {
    settings: Settings,
    agent: Agent,
    token: Secret,
}

impl OurRegistry {
    /// The registry, when there is a token for it.
    pub(super) fn open(settings: &Settings) -> anyhow::Result<Option<Self>> {
        let Some(token) = settings.registry_token.clone() else { return Ok(None) };
        Ok(Some(Self { settings: settings.clone(), agent: opening::agent(settings)?, token }))
    }

    /// The `api` address: as named, else of the index's `config.json`, read when it is needed.
    async fn api(&self) -> Result<String, RegistryError> {
        if let Some(named) = &self.settings.registry_api {
            return Ok(named.clone());
        }
        let missing = |why: &str| RegistryError::Away(why.to_owned().into());
        let address = IndexAddress::parse(&self.settings.index.value, &CargoSettings::default());
        if !matches!(address, Ok(IndexAddress::Sparse(_) | IndexAddress::Directory(_))) {
            return Err(missing("a git index is not asked for its API; PROVENANCE_REGISTRY_API names it"));
        }
        let (index, _) = opening::index(&self.settings, &self.agent).map_err(|why| RegistryError::Away(why.into()))?;
        let config = index.config().await.map_err(|why| RegistryError::Away(why.into()))?;
        config.and_then(|config| config.api).ok_or_else(|| missing("the index names no API"))
    }
}

#[async_trait]
impl Registry for OurRegistry {
    async fn set_yanked(&self, name: &KrateName, num: &VersionNum, yanked: bool) -> Result<(), RegistryError> {
        let (verb, word) = if yanked { (Verb::Delete, "yank") } else { (Verb::Put, "unyank") };
        let api = self.api().await?;
        let num = num.as_str().replace('+', "%2B");
        let text = format!("{}/api/v1/crates/{name}/{num}/{word}", api.trim_end_matches('/'));
        let url: Url = text.parse().map_err(|_| RegistryError::Away(format!("{text} is no address").into()))?;
        let headers =
            vec![("authorization", self.token.reveal().to_owned()), ("accept", "application/json".to_owned())];
        let get = Get { headers, max_bytes: MAX_ANSWER, addresses: Addresses::Any, ..Get::new(url) };
        match self.agent.exchange(Exchange { verb: Some(verb), ..Exchange::from(get) }).await {
            Ok(answer) => judged(answer).await,
            Err(NetError::Status { status, .. }) => {
                Err(RegistryError::Refused { status, detail: "no more was said".to_owned() })
            }
            Err(error) => Err(RegistryError::Away(error.into())),
        }
    }
}

/// `{"ok": true}` is done; errors come as `{"errors": [{"detail": …}]}`, with 200 as well.
async fn judged(answer: Answer) -> Result<(), RegistryError> {
    let status = answer.status;
    let body = answer.bytes().await.map_err(|error| RegistryError::Away(error.into()))?;
    let document: Value = serde_json::from_slice(&body).unwrap_or_default();
    if status == 200 && document["ok"] == true {
        return Ok(());
    }
    let detail = document["errors"][0]["detail"].as_str().unwrap_or("no reason given");
    Err(RegistryError::Refused { status, detail: detail.chars().take(500).collect() })
}
