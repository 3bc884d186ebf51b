//! The protocol's own vectors, and that nothing changed afterwards is taken.

use super::*;

/// RFC 8032, 7.1, test 1: the seed and its public key; the DSSE project signs its vectors with it.
const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
}

/// PKCS#8 as OpenSSL writes it, without the public half (RFC 8410, 7).
fn signing_key() -> SigningKey {
    let mut der = hex("302e020100300506032b657004220420");
    der.extend(hex(SEED));
    SigningKey::from_pem(&pem("PRIVATE KEY", &der)).unwrap()
}

fn public_key() -> PublicKey {
    let der: Vec<_> = SPKI.iter().copied().chain(hex(PUBLIC)).collect();
    PublicKey::from_pem(&pem("PUBLIC KEY", &der)).unwrap()
}

fn envelope_of(payload: &str, payload_type: &str, signature: &str) -> Value {
    json!({ "payload": payload, "payloadType": payload_type, "signatures": [{ "sig": signature, "keyid": "A" }] })
}

fn open(envelope: &Value) -> Result<Value, EnvelopeError> {
    opened(envelope.to_string().as_bytes(), &public_key())
}

#[test]
fn the_encoding_is_the_protocols() {
    // "Test Vectors" of protocol.md.
    let encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
    assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    // Lengths are of bytes: testvectors/vectors.json, `non-ascii-payload-type` and `empty-payload`.
    assert_eq!(
        pre_authentication_encoding("application/vnd.exämple+json", b"{}"),
        "DSSEv1 29 application/vnd.exämple+json 2 {}".as_bytes()
    );
    assert_eq!(pre_authentication_encoding(PAYLOAD_TYPE, b""), b"DSSEv1 28 application/vnd.in-toto+json 0 ");
}

#[test]
fn the_protocols_vectors_are_accepted_and_refused() {
    // testvectors/vectors.json of the DSSE project, key A.
    let statement = "eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEifQ==";
    let signature = "2WAfaHm5jluo0w+0rk8uVkluELJYWjSmU9x7EUzx+AyteDGJ4/nqyJXfmAUVFIAoQafWm7AxBZNw5M9ixNHiCA==";
    let accepted = open(&envelope_of(statement, PAYLOAD_TYPE, signature)).unwrap();
    assert_eq!(accepted, json!({ "_type": "https://in-toto.io/Statement/v1" }));
    let unpadded = signature.trim_end_matches('=');
    assert!(open(&envelope_of(statement, PAYLOAD_TYPE, unpadded)).is_ok());
    let swapped = open(&envelope_of(statement, "application/vnd.example.other+json", signature));
    assert_eq!(swapped, Err(EnvelopeError::BadSignature));
    // Signed, in the other alphabet, and no JSON: the signature is taken, the statement is not.
    let url_safe = "P-_KHICeR7tI6S_YyejJTRtrXhcQyQ2LYPaL8h90KjC9qN8HU_svOQ6TuDOT1HIrsGW886DbWNWcCmX5twLrAw==";
    let other = open(&envelope_of("-_-_Pj8=", PAYLOAD_TYPE, url_safe));
    assert_eq!(other, Err(EnvelopeError::Unreadable("its payload is no statement".to_owned())));
    let foreign = "xmSk/ug66ysT7ayhkCIjhAq42zgZXSsEWuzUaNL7w2eGAdF/NU6/fRXPtmfN+5DNSAs5/i2lUnHjbbjPsu0tAw==";
    let foreign = open(&envelope_of(statement, "application/vnd.exämple+json", foreign));
    assert_eq!(foreign, Err(EnvelopeError::OtherPayload("application/vnd.exämple+json".to_owned())));
}

#[test]
fn what_is_signed_here_is_what_the_vector_says() {
    // Ed25519 is deterministic: the same payload and key give the signature of `single-signature`.
    let made = envelope(&json!({ "_type": "https://in-toto.io/Statement/v1" }), Some(&signing_key()));
    assert_eq!(made["payload"], "eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEifQ==");
    let signature = "2WAfaHm5jluo0w+0rk8uVkluELJYWjSmU9x7EUzx+AyteDGJ4/nqyJXfmAUVFIAoQafWm7AxBZNw5M9ixNHiCA==";
    assert_eq!(made["signatures"][0]["sig"], signature);
    assert_eq!(made["signatures"][0]["keyid"], public_key().id());
}

#[test]
fn unsigned_is_labelled_and_refused_with_its_own_answer() {
    let made = envelope(&json!({ "_type": "x" }), None);
    assert_eq!((&made["unsigned"], &made["signatures"]), (&json!(true), &json!([])));
    assert_eq!(open(&made), Err(EnvelopeError::Unsigned));
    let mut without = made.clone();
    without.as_object_mut().unwrap().remove("signatures");
    assert_eq!(open(&without), Err(EnvelopeError::Unsigned));
}

#[test]
fn anything_changed_afterwards_is_refused() {
    let made = envelope(&json!({ "verdict": "mismatch" }), Some(&signing_key()));
    let mut forged = made.clone();
    forged["payload"] = json!(BASE64_STANDARD.encode(r#"{"verdict":"verified"}"#));
    assert_eq!(open(&forged), Err(EnvelopeError::BadSignature));
    for odd in [json!(null), json!({}), json!({ "payload": 1, "payloadType": "x" }), json!([])] {
        assert!(matches!(open(&odd), Err(EnvelopeError::Unreadable(_))), "{odd}");
    }
}

#[test]
fn what_an_envelope_says_twice_is_refused() {
    let made = envelope(&json!({ "verdict": "mismatch" }), Some(&signing_key())).to_string();
    let other = BASE64_STANDARD.encode(r#"{"verdict":"verified"}"#);
    for (twice, field) in
        [(format!(r#""payload":"{other}""#), "payload"), (r#""payloadType":"x""#.to_owned(), "payloadType")]
    {
        let text = made.replacen('{', &format!("{{{twice},"), 1);
        let expected = format!("duplicate field `{field}`");
        let refused = opened(text.as_bytes(), &public_key());
        assert!(matches!(&refused, Err(EnvelopeError::Unreadable(why)) if why.starts_with(&expected)), "{refused:?}");
    }
}

#[test]
fn a_key_is_neither_guessed_nor_shown() {
    for text in ["", "secret", &pem("PRIVATE KEY", b"secret"), &pem("PUBLIC KEY", &hex(SEED))] {
        assert_eq!(SigningKey::from_pem(text).unwrap_err(), KeyError::NoPrivateKey);
        assert_eq!(PublicKey::from_pem(text).unwrap_err(), KeyError::NoPublicKey);
    }
    let shown = format!("{:?}", signing_key());
    assert!(!shown.contains(&SEED[..8]) && shown.contains(public_key().id()), "{shown}");
}
