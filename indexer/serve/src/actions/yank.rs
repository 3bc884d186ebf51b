//! Yanking and unyanking through the registry's own API: looked at first, then done with what the look gave, always noted.
//! The tables are not touched: that a release is yanked is believed when the index says it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use schema::{KrateName, Release, Scope, VersionNum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use store::Outcome;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{Known, Staff};
use super::{Deed, Done, Noted, read, reason};
use crate::extract::{Body, krate_name, version_num};
use crate::openapi::described;
use crate::rooms::RegistryError;
use crate::{ApiError, Service};

pub(super) fn router() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::default().routes(routes!(yank)).routes(routes!(unyank))
}

/// Without `confirm` it is only looked at what would happen, and the answer has the `confirm` to do it with.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct YankWanted {
    /// The crate, in any spelling.
    name: String,
    /// The version.
    num: String,
    /// Why; 1 to 1,000 characters.
    reason: String,
    /// The `confirm` of an earlier answer, to have it done.
    confirm: Option<String>,
}

/// What came of it: a look, or the deed.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum YankTold {
    /// What would happen; nothing was asked of the registry.
    Planned {
        /// `true`.
        dry_run: bool,
        /// The crate, as published.
        name: KrateName,
        /// The version.
        num: VersionNum,
        /// sha256 of its archive.
        checksum: schema::Sha256,
        /// Whether the index says that it is yanked.
        yanked: bool,
        /// Whether it would be, afterwards.
        would_be: bool,
        /// Whether there is a registry and a token for it here.
        can_be_done: bool,
        /// What has this very thing done, when it is sent along.
        confirm: String,
    },
    /// The registry did it. The row says so when the index does.
    Done {
        /// `false`.
        dry_run: bool,
        /// The crate, as published.
        name: KrateName,
        /// The version.
        num: VersionNum,
        /// Whether it is yanked now.
        yanked: bool,
    },
    /// The registry did not, or did not say.
    Failed {
        /// Why.
        errors: [Detail; 1],
    },
}

/// A sentence.
#[derive(Serialize, JsonSchema)]
struct Detail {
    /// The sentence.
    detail: String,
}

type YankAnswer = Noted<YankTold>;

described!(YankWanted as Deserialize, YankAnswer as Serialize);

/// Yanks a version through the registry
///
/// Without `confirm` it is only looked at what would happen. Needs a token with the scope `yank` for the crate.
#[utoipa::path(
    post, path = "/api/v1/actions/yank", operation_id = "yank", tag = "staff", request_body = YankWanted,
    security(("token" = [])),
    responses(
        (status = 200, description = "What would happen, or what was done.", body = YankAnswer),
        (status = 409, description = "It is so already, `confirm` is of another state, or nothing may be yanked from here."),
        (status = 502, description = "The registry refused, or did not answer: then it may or may not be done.", body = YankAnswer),
    ),
)]
async fn yank(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    _: Known,
    Body(body): Body,
) -> Result<Response, ApiError> {
    service.set_yanked(&headers, &body, true).await
}

/// Unyanks a version through the registry
///
/// Without `confirm` it is only looked at what would happen. Needs a token with the scope `yank` for the crate.
#[utoipa::path(
    post, path = "/api/v1/actions/unyank", operation_id = "unyank", tag = "staff", request_body = YankWanted,
    security(("token" = [])),
    responses(
        (status = 200, description = "What would happen, or what was done.", body = YankAnswer),
        (status = 409, description = "It is so already, `confirm` is of another state, or nothing may be yanked from here."),
        (status = 502, description = "The registry refused, or did not answer: then it may or may not be done.", body = YankAnswer),
    ),
)]
async fn unyank(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    _: Known,
    Body(body): Body,
) -> Result<Response, ApiError> {
    service.set_yanked(&headers, &body, false).await
}

impl Service {
    async fn set_yanked(&self, headers: &HeaderMap, body: &[u8], yanked: bool) -> Result<Response, ApiError> {
        let wanted: YankWanted = read(body)?;
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

    fn plan(&self, release: &Release, yanked: bool, confirm: &str) -> Done<YankTold> {
        let told = YankTold::Planned {
            dry_run: true,
            name: release.key.name.clone(),
            num: release.key.num.clone(),
            checksum: release.checksum,
            yanked: release.yanked,
            would_be: yanked,
            can_be_done: self.registry.is_some(),
            confirm: confirm.to_owned(),
        };
        Done { outcome: Outcome::Planned, status: StatusCode::OK, told }
    }

    async fn ask_registry(&self, name: &KrateName, num: &VersionNum, yanked: bool) -> Result<Done<YankTold>, ApiError> {
        let Some(registry) = &self.registry else {
            return Err(ApiError::Conflict("no registry token is configured, so nothing can be yanked".to_owned()));
        };
        match registry.set_yanked(name, num, yanked).await {
            Ok(()) => Ok(Done::told(YankTold::Done { dry_run: false, name: name.clone(), num: num.clone(), yanked })),
            Err(RegistryError::Refused { status, detail }) => {
                Ok(failed(Outcome::Refused, format!("the registry refused with {status}: {detail}")))
            }
            Err(RegistryError::Away(source)) => {
                tracing::warn!(error = crate::error::in_one_line(source.as_ref()), "the registry does not answer");
                Ok(failed(Outcome::Failed, "the registry does not answer; it may or may not be done".to_owned()))
            }
        }
    }
}

fn failed(outcome: Outcome, detail: String) -> Done<YankTold> {
    Done { outcome, status: StatusCode::BAD_GATEWAY, told: YankTold::Failed { errors: [Detail { detail }] } }
}

/// Of this release in this state, for this token: what was looked at is what is done.
fn confirmation(staff: &Staff, release: &Release, yanked: bool) -> String {
    let text = format!("{}\n{}\n{}\n{}\n{yanked}", staff.id, release.id.0, release.checksum, release.line);
    hex::encode(&Sha256::digest(text)[..16])
}
