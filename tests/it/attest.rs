//! Statements about releases: made, signed, checked here and by another hand, and never more than the row says.

use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::harness::{Home, finished, skip, small_world};
use crate::sources::{LIB, checked};

/// RFC 8032, 7.1, test 1, in the forms of RFC 8410.
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";

/// A pair of keys as OpenSSL makes it; `None` without OpenSSL.
fn keys(home: &Home, name: &str) -> Option<(String, String)> {
    let (key, public) = (format!("{name}.pem"), format!("{name}.pub.pem"));
    let mut generate = Command::new("openssl");
    generate.args(["genpkey", "-algorithm", "ed25519", "-out", &key]).current_dir(home.path());
    if !generate.output().is_ok_and(|output| output.status.success()) {
        return None;
    }
    let mut publish = Command::new("openssl");
    publish.args(["pkey", "-in", &key, "-pubout", "-out", &public]).current_dir(home.path());
    assert!(publish.output().unwrap().status.success());
    Some((key, public))
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn statement(envelope: &Value) -> Value {
    serde_json::from_slice(&BASE64_STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap()).unwrap()
}

#[test]
fn what_is_verified_is_attested_signed_and_accepted_by_openssl() {
    let (home, row) = checked(LIB);
    let (Some((key, public)), Some((_, other))) = (keys(&home, "ours"), keys(&home, "theirs")) else {
        return skip("there is no openssl that knows ed25519");
    };
    let run = home.run(&["attest", "src@1.0.0", "--key", &key, "--verifier", "urn:example:us"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let pem = std::fs::read_to_string(home.path().join(&key)).unwrap();
    let secret = pem.lines().nth(1).unwrap();
    assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret));
    let envelopes = lines(&run.stdout);
    let statements: Vec<_> = envelopes.iter().map(statement).collect();
    assert_eq!(statements.len(), 2);
    for statement in &statements {
        assert_eq!(statement["subject"][0]["digest"]["sha256"], row["checksum"]);
    }
    assert_eq!(statements[0]["predicate"]["source"]["digest"]["gitCommit"], row["source"]["commit_matched"]);
    assert_eq!(statements[1]["predicateType"], "https://in-toto.io/attestation/svr/v0.2");
    assert_eq!(statements[1]["predicate"]["verifier"]["policies"], json!([]));
    // The same row and key: the same bytes.
    assert_eq!(home.run(&["attest", "src", "--key", &key, "--verifier", "urn:example:us"]).stdout, run.stdout);

    home.write("statements.jsonl", &run.stdout);
    let verified = home.json(&["attest", "--verify", "statements.jsonl", "--public-key", &public]);
    assert_eq!((&verified["valid"], &verified["total"]), (&json!(2), &json!(2)));
    assert_eq!((&verified["unsigned"], &verified["failed"], &verified["holds"]), (&json!(0), &json!(0), &json!(true)));
    let told = home.run(&["attest", "--verify", "statements.jsonl", "--public-key", &public]);
    assert!(told.stdout.contains("holds: of 2 statements 2 signed by key"), "{told:?}");
    let theirs = home.run(&["attest", "--verify", "statements.jsonl", "--public-key", &other, "--json"]);
    assert_eq!((theirs.code, &theirs.document()["statements"][0]["outcome"]), (Some(1), &json!("bad-signature")));
    openssl_accepts(&home, &envelopes[0], &public);
}

/// The schema that the contract promises, read by the few words it uses.
#[test]
fn the_predicate_is_what_the_contract_says() {
    let schema = include_str!("../../schema/contract/source-correspondence.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let (home, _) = checked(LIB);
    let own = statement(&lines(&home.run(&["attest", "src@1.0.0"]).stdout)[0]);
    assert_eq!(own["predicateType"], schema["$id"]);
    agrees(&own["predicate"], &schema);
    let verdicts = schema["properties"]["verdict"]["enum"].as_array().unwrap();
    assert!(verdicts.contains(&own["predicate"]["verdict"]));
}

/// Every required field is there, and no field is that the schema does not know.
fn agrees(value: &Value, schema: &Value) {
    let Some(properties) = schema["properties"].as_object() else { return };
    for name in schema["required"].as_array().unwrap() {
        assert!(value.get(name.as_str().unwrap()).is_some(), "{name} is missing in {value}");
    }
    for (name, field) in value.as_object().unwrap() {
        agrees(field, properties.get(name).unwrap_or_else(|| panic!("{name} is not in the schema")));
    }
}

/// Checks one signature by OpenSSL over the bytes that the protocol says, written here by hand.
fn openssl_accepts(home: &Home, envelope: &Value, public: &str) {
    let payload = BASE64_STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let mut signed = format!("DSSEv1 28 application/vnd.in-toto+json {} ", payload.len()).into_bytes();
    signed.extend(payload);
    std::fs::write(home.path().join("signed"), &signed).unwrap();
    let signature = BASE64_STANDARD.decode(envelope["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    std::fs::write(home.path().join("signature"), signature).unwrap();
    let check = || {
        let mut openssl = Command::new("openssl");
        openssl.args([
            "pkeyutl",
            "-verify",
            "-pubin",
            "-inkey",
            public,
            "-rawin",
            "-in",
            "signed",
            "-sigfile",
            "signature",
        ]);
        finished(openssl.current_dir(home.path()))
    };
    let accepted = check();
    assert_eq!(accepted.code, Some(0), "{accepted:?}");
    signed.push(b' ');
    std::fs::write(home.path().join("signed"), &signed).unwrap();
    assert_ne!(check().code, Some(0));
}

#[test]
fn a_mismatch_is_attested_as_one_and_never_as_verified() {
    let (home, _) = checked("pub fn one() -> u8 {\n    2\n}\n");
    let run = home.run(&["attest", "src@1.0.0"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("unsigned"), "{}", run.stderr);
    let envelopes = lines(&run.stdout);
    assert_eq!((envelopes.len(), &envelopes[0]["unsigned"]), (1, &json!(true)));
    let predicate = &statement(&envelopes[0])["predicate"];
    assert_eq!(predicate["verdict"], "mismatch");
    assert!(!run.stdout.contains("SOURCE_VERIFIED"));
}

#[test]
fn nothing_is_attested_of_what_was_not_checked_and_unsigned_is_refused() {
    let (home, server) = (Home::new(), small_world().serve().unwrap());
    home.json(&["index", "--crate", "alpha", "--no-source", "--index", &server.index_url()]);
    let run = home.run(&["attest", "alpha@1.0.0"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{}", run.stderr);
    assert!(run.stderr.contains("nothing is attested of 1 release"), "{}", run.stderr);
    assert_eq!(home.run(&["attest", "--all"]).code, Some(0));
    assert_eq!(home.run(&["attest"]).code, Some(2));
    assert_eq!(home.run(&["attest", "nobody"]).code, Some(1));
    assert_eq!(home.run(&["attest", "alpha", "--verifier", "no uri"]).code, Some(1));

    home.write("public.pem", "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n");
    let verify = |name: &str| home.run(&["attest", "--verify", name, "--public-key", "public.pem", "--json"]);
    home.write(
        "lines",
        "{\"payloadType\":\"application/vnd.in-toto+json\",\"payload\":\"e30=\",\"signatures\":[]}\n\n[]\nno json\n",
    );
    let refused = verify("lines");
    let outcomes: Vec<_> =
        refused.document()["statements"].as_array().unwrap().iter().map(|one| one["outcome"].clone()).collect();
    assert_eq!((refused.code, outcomes), (Some(1), vec![json!("unsigned"), json!("unreadable"), json!("unreadable")]));
    let counts = refused.document();
    assert_eq!(
        (&counts["valid"], &counts["unsigned"], &counts["failed"], &counts["holds"]),
        (&json!(0), &json!(1), &json!(2), &json!(false))
    );
    let told = home.run(&["attest", "--verify", "lines", "--public-key", "public.pem"]);
    assert_eq!(told.code, Some(1));
    let last = told.stdout.lines().last().unwrap();
    assert!(last.starts_with("does not hold: of 3 statements 0 signed by key"), "{last}");
    assert!(last.ends_with(", 1 unsigned, 2 failed"), "{last}");
    home.write("nothing", "");
    assert_eq!(verify("nothing").code, Some(1), "a file without statements proves nothing");
    home.write("key.pem", KEY);
    let swapped = home.run(&["attest", "--verify", "lines", "--public-key", "key.pem"]);
    assert!(swapped.code == Some(1) && swapped.stderr.contains("no Ed25519 public key"), "{}", swapped.stderr);
}

#[test]
fn a_key_may_stand_in_the_environment_and_a_bad_one_is_not_shown() {
    let (home, _) = checked(LIB);
    let mut command = home.command(&["attest", "src"]);
    let signed = finished(command.env("PROVENANCE_ATTEST_KEY", KEY));
    assert_eq!(signed.code, Some(0), "{}", signed.stderr);
    assert_eq!(lines(&signed.stdout)[0]["signatures"].as_array().unwrap().len(), 1);
    let mut command = home.command(&["-vv", "attest", "src"]);
    let bad = finished(command.env("PROVENANCE_ATTEST_KEY", "hunter2"));
    assert!(bad.code == Some(1) && !bad.stderr.contains("hunter2"), "{}", bad.stderr);
    assert!(bad.stderr.contains("PROVENANCE_ATTEST_KEY"), "{}", bad.stderr);
}
