//! The contract is what the types say: its JSON Schema is current, its examples are rows. `UPDATE_CONTRACT=1` writes it anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use schema::ProvenanceRow;
use serde_json::Value;

fn contract(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contract").join(name)
}

fn generated() -> String {
    // Pretty by serde_json's alternate form, which cannot fail.
    format!("{:#}\n", Value::from(schemars::schema_for!(ProvenanceRow)))
}

fn examples() -> Result<Vec<Value>, Box<dyn std::error::Error>> {
    Ok(serde_json::from_str(&std::fs::read_to_string(contract("examples.json"))?)?)
}

#[test]
fn the_json_schema_is_current() {
    let path = contract("provenance.schema.json");
    #[expect(clippy::disallowed_methods, reason = "the one switch of this test")]
    if std::env::var_os("UPDATE_CONTRACT").is_some() {
        std::fs::write(&path, generated()).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert_eq!(kept, generated(), "run UPDATE_CONTRACT=1 cargo test -p provenance-schema and read the difference");
}

#[test]
fn every_example_is_a_row_and_says_nothing_else() {
    let examples = examples().unwrap();
    assert!(examples.len() >= 5);
    for example in examples {
        let row: ProvenanceRow = serde_json::from_value(example.clone()).unwrap();
        assert_eq!(serde_json::to_value(&row).unwrap(), example);
    }
}

#[test]
fn examples_and_schema_name_the_same_columns() {
    let schema: Value = serde_json::from_str(&generated()).unwrap();
    let columns: BTreeSet<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
    for example in examples().unwrap() {
        let named: BTreeSet<_> = example.as_object().unwrap().keys().cloned().collect();
        assert_eq!(named, columns);
    }
}
