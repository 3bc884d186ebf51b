//! Who asks, and whether they may: a bearer token, its scopes and its crates. What is not allowed is refused.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use schema::{CanonicalName, Scope, allows};
use store::TokenRow;

use super::tokens::TokenText;
use crate::{ApiError, Service};

/// Somebody whose token allows what they ask for.
pub(super) struct Staff {
    pub(super) id: i64,
    pub(super) name: String,
}

impl Staff {
    /// Whoever holds the token of a request, when it allows this.
    ///
    /// # Errors
    /// 401 without a token that is valid now, 403 when it does not allow this; the database may be away.
    pub(super) async fn allowed(
        service: &Service,
        headers: &HeaderMap,
        scope: Scope,
        krate: Option<&CanonicalName>,
    ) -> Result<Self, ApiError> {
        let (kept, now) = (kept(service, headers).await?, service.now());
        if !allows(&kept.token.scopes, &kept.token.crates, scope, krate) {
            tracing::info!(token.id = kept.id, scope = scope.as_str(), "a token was not enough");
            let about = krate.map(|krate| format!(" for crate `{krate}`")).unwrap_or_default();
            return Err(ApiError::Forbidden(format!("the token does not allow `{scope}`{about}")));
        }
        service.store.note_token_used(kept.id, now).await?;
        Ok(Self { id: kept.id, name: kept.token.name })
    }
}

/// A token that is valid now, whatever it allows. It comes before the body: who has none is not told what else is wrong.
pub(crate) struct Known;

impl Known {
    /// The same of a form, which has its token among its fields.
    pub(crate) async fn by(service: &Service, headers: &HeaderMap) -> Result<Self, ApiError> {
        kept(service, headers).await.map(|_| Self)
    }
}

impl FromRequestParts<Arc<Service>> for Known {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, ApiError> {
        Self::by(service, &parts.headers).await
    }
}

/// The token of a request as it is kept, when it is valid now.
async fn kept(service: &Service, headers: &HeaderMap) -> Result<TokenRow, ApiError> {
    let shown = bearer(headers).ok_or(ApiError::Unauthorized("this needs a token: Authorization: Bearer prv_…"))?;
    let shown = TokenText::parse(shown).ok_or(INVALID)?;
    let Some(kept) = service.store.token(shown.id).await? else { return Err(INVALID) };
    if shown.is(&kept.token.digest) && kept.is_valid(service.now()) { Ok(kept) } else { Err(INVALID) }
}

/// One answer for a token that never was, is wrong, expired or was taken back.
const INVALID: ApiError = ApiError::Unauthorized("the token is not valid");

/// The credentials of the scheme `Bearer`, whose name has no case (RFC 9110, 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
