//! DSSE envelopes (protocol 1.0.0, <https://github.com/secure-systems-lab/dsse>), signed and checked with Ed25519.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use serde::Deserialize;
use serde_json::{Value, json};

/// What the payloads are, by in-toto's specification of its envelopes.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The beginning of every Ed25519 public key as `SubjectPublicKeyInfo` (RFC 8410, 4).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A key to sign with. It is never shown.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    id: String,
}

/// A key to check with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    bytes: [u8; 32],
    id: String,
}

/// What a text is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No private key.
    #[error("no Ed25519 private key in PKCS#8 PEM (`openssl genpkey -algorithm ed25519` makes one)")]
    NoPrivateKey,
    /// No public key.
    #[error("no Ed25519 public key in PEM (`openssl pkey -in KEY -pubout` gives it)")]
    NoPublicKey,
}

/// Why an envelope does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Nobody answers for it.
    #[error("unsigned: nobody answers for what it says")]
    Unsigned,
    /// No signature is this key's.
    #[error("no signature of it is of this key")]
    BadSignature,
    /// Its payload is of another kind.
    #[error("its payload is {0:?}, not an in-toto statement")]
    OtherPayload(String),
    /// It is no envelope, or its payload no statement.
    #[error("not readable: {0}")]
    Unreadable(String),
}

/// An envelope as the protocol writes it. What it holds twice it does not hold: readers would differ in which of the two is
/// signed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload_type: String,
    payload: String,
    signatures: Option<Vec<Signature>>,
}

#[derive(Deserialize)]
struct Signature {
    sig: String,
}

impl SigningKey {
    /// Reads a private key as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// When the text holds none. The error shows nothing of the text.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::NoPrivateKey)?;
        // OpenSSL leaves the public half out, which `from_pkcs8` alone does not take.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
        let pair = pair.map_err(|_| KeyError::NoPrivateKey)?;
        let id = key_id(pair.public_key().as_ref());
        Ok(Self { pair, id })
    }

    /// Who it is: the sha256 of its public half as `SubjectPublicKeyInfo`, in hex.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl PublicKey {
    /// Reads a public key as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// When the text holds none.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::NoPublicKey)?;
        let raw = der.as_ref().strip_prefix(&SPKI).ok_or(KeyError::NoPublicKey)?;
        let bytes = raw.try_into().map_err(|_| KeyError::NoPublicKey)?;
        Ok(Self { bytes, id: key_id(raw) })
    }

    /// Who it is, as [`SigningKey::id`].
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// The envelope of a statement; without a key it has no signature and says so.
#[must_use]
pub fn envelope(statement: &Value, key: Option<&SigningKey>) -> Value {
    let payload = statement.to_string();
    let encoded = BASE64_STANDARD.encode(&payload);
    match key {
        Some(key) => {
            let signature = key.pair.sign(&pre_authentication_encoding(PAYLOAD_TYPE, payload.as_bytes()));
            json!({
                "payloadType": PAYLOAD_TYPE,
                "payload": encoded,
                "signatures": [{ "keyid": key.id, "sig": BASE64_STANDARD.encode(signature.as_ref()) }],
            })
        }
        None => json!({ "payloadType": PAYLOAD_TYPE, "payload": encoded, "signatures": [], "unsigned": true }),
    }
}

/// The statement in an envelope, given as JSON, when a signature of it is this key's.
///
/// The signature is checked before the payload is looked at, and `keyid` is no more than a hint, as the protocol says.
///
/// # Errors
/// Everything else.
pub fn opened(envelope: &[u8], key: &PublicKey) -> Result<Value, EnvelopeError> {
    let unreadable = |error: serde_json::Error| EnvelopeError::Unreadable(error.to_string());
    let Envelope { payload_type, payload, signatures } = serde_json::from_slice(envelope).map_err(unreadable)?;
    let payload = decoded(&payload).ok_or_else(|| EnvelopeError::Unreadable("its payload is no base64".to_owned()))?;
    let signatures = signatures.unwrap_or_default();
    if signatures.is_empty() {
        return Err(EnvelopeError::Unsigned);
    }
    let signed = pre_authentication_encoding(&payload_type, &payload);
    let public = UnparsedPublicKey::new(&ED25519, key.bytes);
    let is_ours =
        |signature: &Signature| decoded(&signature.sig).is_some_and(|sig| public.verify(&signed, &sig).is_ok());
    if !signatures.iter().any(is_ours) {
        return Err(EnvelopeError::BadSignature);
    }
    if payload_type != PAYLOAD_TYPE {
        return Err(EnvelopeError::OtherPayload(payload_type));
    }
    serde_json::from_slice(&payload).map_err(|_| EnvelopeError::Unreadable("its payload is no statement".to_owned()))
}

/// `PAE(type, body)` of the protocol: what is signed.
fn pre_authentication_encoding(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let mut encoded = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), body.len()).into_bytes();
    encoded.extend_from_slice(body);
    encoded
}

/// Standard or URL-safe, padded or not: "verifiers MUST accept either".
fn decoded(text: &str) -> Option<Vec<u8>> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let standard = GeneralPurpose::new(&alphabet::STANDARD, lenient);
    let url_safe = GeneralPurpose::new(&alphabet::URL_SAFE, lenient);
    standard.decode(text).or_else(|_| url_safe.decode(text)).ok()
}

fn key_id(public: &[u8]) -> String {
    let spki: Vec<_> = SPKI.iter().chain(public).copied().collect();
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, &spki).as_ref());
    schema::Sha256::from_bytes(bytes).to_string()
}

#[cfg(test)]
mod tests;
