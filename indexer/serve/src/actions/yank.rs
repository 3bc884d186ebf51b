//! Yanking and unyanking through the registry's own API: looked at first, then done with what the look gave, always noted.
//! The tables are not touched: that a release is yanked is believed when the index says it.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;
use schema::{KrateName, Release, Scope, VersionNum};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use store::Outcome;

use super::access::Staff;
use super::{Deed, Done, read, reason};
use crate::extract::{Body, krate_name, version_num};
use crate::rooms::RegistryError;
use crate::{ApiError, Service};

pub(super) fn router() -> Router<Arc<Service>> {
    Router::new().route("/api/v1/actions/yank", post(yank)).route("/api/v1/actions/unyank", post(unyank))
}

/// Without `confirm` it is only looked at what would happen, and the answer has the `confirm` to do it with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    num: String,
    reason: String,
    confirm: Option<String>,
}

async fn yank(State(service): State<Arc<Service>>, headers: HeaderMap, Body(body): Body) -> Result<Response, ApiError> {
    service.set_yanked(&headers, &body, true).await
}

async fn unyank(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, ApiError> {
    service.set_yanked(&headers, &body, false).await
}

impl Service {
    async fn set_yanked(&self, headers: &HeaderMap, body: &[u8], yanked: bool) -> Result<Response, ApiError> {
        let wanted: Wanted = read(body)?;
        let (name, num) = (krate_name(&wanted.name)?, version_num(&wanted.num)?);
        let krate = name.canonical();
        let deed = Deed {
            action: if yanked { "yank" } else { "unyank" },
            scope: Scope::Yank,
            krate: Some(&krate),
            subject: format!("{name}@{num}"),
            reason: reason(&wanted.reason)?,
        };
        self.deed(headers, deed, async |staff: &Staff| {
            let Some(release) = self.meant(&name, Some(&num)).await?.pop() else {
                return Err(ApiError::NotFound(format!("{name}@{num} is gone from the index")));
            };
            if release.yanked == yanked {
                let state = if yanked { "yanked" } else { "not yanked" };
                return Err(ApiError::Conflict(format!("{} is {state} already", release.key)));
            }
            let confirm = confirmation(staff, &release, yanked);
            match wanted.confirm.as_deref() {
                None => Ok(self.plan(&release, yanked, &confirm)),
                Some(given) if given == confirm => self.ask_registry(&release.key.name, &num, yanked).await,
                Some(_) => Err(ApiError::Conflict(
                    "`confirm` is not of the present state of this release; look again without it".to_owned(),
                )),
            }
        })
        .await
    }

    fn plan(&self, release: &Release, yanked: bool, confirm: &str) -> Done {
        let told = json!({
            "dry_run": true, "name": release.key.name, "num": release.key.num, "checksum": release.checksum,
            "yanked": release.yanked, "would_be": yanked, "can_be_done": self.registry.is_some(), "confirm": confirm,
        });
        Done { outcome: Outcome::Planned, status: StatusCode::OK, told }
    }

    async fn ask_registry(&self, name: &KrateName, num: &VersionNum, yanked: bool) -> Result<Done, ApiError> {
        let Some(registry) = &self.registry else {
            return Err(ApiError::Conflict("no registry token is configured, so nothing can be yanked".to_owned()));
        };
        match registry.set_yanked(name, num, yanked).await {
            Ok(()) => Ok(Done::done(json!({ "dry_run": false, "name": name, "num": num, "yanked": yanked }))),
            Err(RegistryError::Refused { status, detail }) => Ok(Done {
                outcome: Outcome::Refused,
                status: StatusCode::BAD_GATEWAY,
                told: json!({ "errors": [{ "detail": format!("the registry refused with {status}: {detail}") }] }),
            }),
            Err(RegistryError::Away(source)) => {
                tracing::warn!(error = crate::error::in_one_line(source.as_ref()), "the registry does not answer");
                Ok(Done {
                    outcome: Outcome::Failed,
                    status: StatusCode::BAD_GATEWAY,
                    told: json!({ "errors": [{ "detail": "the registry does not answer; it may or may not be done" }] }),
                })
            }
        }
    }
}

/// Of this release in this state, for this token: what was looked at is what is done.
fn confirmation(staff: &Staff, release: &Release, yanked: bool) -> String {
    let text = format!("{}\n{}\n{}\n{}\n{yanked}", staff.id, release.id.0, release.checksum, release.line);
    hex::encode(&Sha256::digest(text)[..16])
}
