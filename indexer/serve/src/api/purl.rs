//! Releases by package URL, `pkg:cargo/NAME@VERSION`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use percent_encoding::percent_decode_str;
use schema::{KrateName, Sha256, VersionNum};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::releases::ReleaseAnswer;
use crate::extract::{Asked, krate_name, version_num};
use crate::{ApiError, Service};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::default().routes(routes!(by_purl))
}

/// Which release is meant.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct PurlQuery {
    /// The package URL with a version, e.g. `pkg:cargo/serde@1.0.0`.
    #[param(required = true, pattern = "^pkg:cargo/[A-Za-z][A-Za-z0-9_-]{0,63}@[0-9A-Za-z._-]{1,150}$")]
    purl: Option<String>,
}

/// A release by its package URL
#[utoipa::path(
    get, path = "/api/v1/purl", operation_id = "purl", tag = "crates", params(PurlQuery),
    responses((status = 200, description = "The release.", body = ReleaseAnswer)),
)]
async fn by_purl(State(service): State<Arc<Service>>, Asked(asked): Asked<PurlQuery>) -> Result<Response, ApiError> {
    let Some(purl) = asked.purl else { return Err(ApiError::BadRequest("purl is missing".to_owned())) };
    let Purl { name, num, checksum } = Purl::parse(&purl)?;
    let Some(num) = num else { return Err(ApiError::BadRequest(format!("{purl:?} names no version"))) };
    if let Some(meant) = checksum.as_deref().map(sha256_among).transpose()? {
        let releases = service.store.releases(&name.canonical()).await?.unwrap_or_default();
        let newest = releases.iter().rfind(|release| release.key.num == num);
        // What is known of one archive says nothing of another.
        if let Some(other) = newest.filter(|release| release.checksum != meant) {
            return Err(ApiError::NotFound(format!(
                "{} has the checksum {}, not {meant}; /api/v1/checksums/{meant} asks for an archive alone",
                other.key, other.checksum
            )));
        }
    }
    service.answer_release(&name, num).await
}

/// What a package URL of this registry names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Purl {
    pub(crate) name: KrateName,
    pub(crate) num: Option<VersionNum>,
    /// The qualifier that says which archive is meant, as it stands.
    pub(crate) checksum: Option<String>,
}

impl Purl {
    /// Reads one. Other qualifiers and a path inside the package are passed over, but not another registry.
    ///
    /// # Errors
    /// When it is none, or of another kind of package.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let refused = || ApiError::BadRequest(format!("{text:?} is not pkg:cargo/NAME[@VERSION]"));
        let (scheme, rest) = text.split_once(':').ok_or_else(refused)?;
        if !scheme.eq_ignore_ascii_case("pkg") {
            return Err(refused());
        }
        let rest = rest.trim_start_matches('/').split('#').next().unwrap_or_default();
        let (rest, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
        // Keys have no case (purl specification, "qualifiers").
        let qualifier = |name: &str| {
            let pairs = qualifiers.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            pairs.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        if qualifier("repository_url").is_some() {
            return Err(ApiError::BadRequest(format!("{text:?} names another registry than this one")));
        }
        let checksum = qualifier("checksum").map(str::to_owned);
        let (kind, named) = rest.split_once('/').ok_or_else(refused)?;
        if !kind.eq_ignore_ascii_case("cargo") {
            return Err(refused());
        }
        let (name, num) = named.split_once('@').map_or((named, None), |(name, num)| (name, Some(num)));
        let decoded = |part: &str| percent_decode_str(part).decode_utf8().map_err(|_| refused()).map(String::from);
        let num = num.map(|num| version_num(&decoded(num)?)).transpose()?;
        Ok(Self { name: krate_name(&decoded(name)?)?, num, checksum })
    }
}

/// The sha256 in a `checksum` qualifier, `ALGORITHM:HEX` once or more with commas between.
fn sha256_among(value: &str) -> Result<Sha256, ApiError> {
    let refused =
        || ApiError::BadRequest(format!("{value:?} holds no checksum sha256:HEX, and others cannot be compared"));
    let value = percent_decode_str(value).decode_utf8().map_err(|_| refused())?;
    let found = value.split(',').find_map(|one| {
        let (algorithm, hex) = one.split_once(':')?;
        algorithm.eq_ignore_ascii_case("sha256").then(|| Sha256::parse(hex).ok())?
    });
    found.ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_urls_of_the_specification() {
        for (text, name, num) in [
            ("pkg:cargo/rand@0.7.2", "rand", Some("0.7.2")),
            ("pkg:cargo/clap@2.33.0?arch=x", "clap", Some("2.33.0")),
            ("pkg://cargo/structopt@0.3.11#src", "structopt", Some("0.3.11")),
            ("PKG:Cargo/a-b@1.0.0%2Bbuild", "a-b", Some("1.0.0+build")),
            ("pkg:cargo/serde", "serde", None),
        ] {
            let Purl { name: read, num: version, .. } = Purl::parse(text).unwrap();
            assert_eq!((read.as_str(), version.as_ref().map(VersionNum::as_str)), (name, num), "{text}");
        }
        for bad in [
            "",
            "cargo/a@1.0.0",
            "pkg:npm/a@1.0.0",
            "pkg:cargo",
            "pkg:cargo/a@1 0",
            "pkg:cargo/a/b@1.0.0",
            "pkg:cargo/a@1.0.0?repository_url=x",
            "pkg:cargo/a@1.0.0?arch=x&Repository_URL=x",
            "pkg:cargo/%ff@1.0.0",
        ] {
            assert!(Purl::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_checksum_is_read_among_others() {
        // By `printf '' | sha256sum`.
        let sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for value in [format!("sha256:{sum}"), format!("sha1:00,SHA256:{sum}"), format!("sha256%3A{sum}%2Csha1%3A00")] {
            let purl = Purl::parse(&format!("pkg:cargo/a@1.0.0?arch=x&checksum={value}")).unwrap();
            assert_eq!(sha256_among(&purl.checksum.unwrap()).unwrap().to_string(), sum);
        }
        for other in ["sha256:00", "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709", sum, ""] {
            assert!(sha256_among(other).is_err(), "{other:?}");
        }
    }
}
