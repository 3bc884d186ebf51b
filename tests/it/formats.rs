//! What `affected` writes for others, with hostile advisories, against the official schemas where `PROVENANCE_SCHEMAS` names
//! a folder with them (`indexer/export/README.md` says how to fill it); and that no text of an advisory gets out of its place.

use std::process::Command;

use fixtures::{AdvisoryBuilder, IndexLineBuilder};
use serde_json::json;

use crate::harness::{Home, skip};

/// Text that a terminal, a spreadsheet or a document might obey.
const HOSTILE: &str = "=cmd|' /C calc'!A0, \"q\" \u{1b}[31m\u{202e}\u{7} <script>alert(1)</script> \\u001b ✓";

/// A home in which `bad` has two releases and every odd kind of advisory.
fn hostile() -> Home {
    let home = Home::new();
    let line = |num: &&str| IndexLineBuilder::new("bad", num).cksum(&fixtures::sha256_hex(num.as_bytes())).build();
    home.write("index/3/b/bad", &(["1.0.0", "1.1.0+build.1"].iter().map(line).collect::<Vec<_>>().join("\n") + "\n"));
    let advisory = |number: u32| AdvisoryBuilder::new(&format!("RUSTSEC-2026-{number:04}"), "bad", "2026-08-01");
    let all = [
        // JSON's strings are TOML's, too.
        advisory(1).title(HOSTILE).toml(&format!("aliases = {}", json!([HOSTILE, "CVE-2026-1", "=1+1", "CVE-2026-1"]))),
        advisory(2).text("url", "javascript:alert(1)").list("references", &["javascript:alert(2)"]),
        advisory(3)
            .text("license", "CC-BY-4.0")
            .text("url", "https://example.org/advisory?a=1&b=%20#c")
            .title("Told by others"),
        advisory(4).text("cvss", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H").patched(&[">= 1.1.0"]),
        advisory(5).text("cvss", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"),
        advisory(6).list("categories", &["malicious"]).function("bad::run", &["*"]),
        advisory(7).text("informational", "unmaintained").list("related", &["GHSA-aaaa-bbbb-cccc", "-1"]),
        advisory(8).text("withdrawn", "2026-08-02").unaffected(&["< 1.0.0"]),
        advisory(9).toml(&format!("informational = {}", json!(HOSTILE))).text("url", "ftp://example.org/"),
    ];
    for advisory in all {
        home.write(&format!("db/{}", advisory.path()), &advisory.build());
    }
    let run = home.run(&["index", "--crate", "bad", "--offline", "--index", "index", "--advisory-db", "db"]);
    assert!(!run.stderr.contains("cannot be read"), "{}", home.run(&["doctor"]).stdout);
    home
}

#[test]
fn no_text_of_an_advisory_is_obeyed_by_terminal_spreadsheet_or_document() {
    let home = hostile();
    for args in [&["affected", "bad"][..], &["affected", "=1+1"], &["advisories", "diff", "2030-01-01.."], &["scan"]] {
        let run = home.run(args);
        assert_eq!(run.code, Some(0), "{args:?}: {}", run.stderr);
        for text in [&run.stdout, &run.stderr] {
            assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{args:?}: {text:?}");
        }
    }
    for args in [&["affected", "bad", "--csv"][..], &["scan", "--csv"], &["dependents", "bad", "--csv"]] {
        for line in home.run(args).stdout.lines() {
            assert!(line.split(',').all(|cell| !cell.trim_matches('"').starts_with(['=', '+', '-', '@'])), "{line}");
            assert!(!line.contains('\u{1b}'), "{line}");
        }
    }
    for format in ["--json", "--osv", "--vex", "--sarif"] {
        let run = home.run(&["affected", "bad", format]);
        assert!(!run.stdout.contains('\u{1b}'), "{format}");
        for line in run.stdout.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
        assert!(!run.stdout.contains("\"url\":\"javascript"), "{format}");
    }
    let unknown = home.run(&["affected", &format!("{HOSTILE}?")]);
    assert!(unknown.code == Some(1) && !unknown.stderr.contains(['\u{1b}', '\u{202e}']), "{}", unknown.stderr);
}

#[test]
fn licence_and_source_are_named_wherever_such_an_advisory_is_shown() {
    let home = hostile();
    let source = "https://example.org/advisory?a=1&b=%20#c";
    for args in [
        &["affected", "RUSTSEC-2026-0003"][..],
        &["affected", "RUSTSEC-2026-0003", "--json"],
        &["affected", "RUSTSEC-2026-0003", "--csv"],
        &["affected", "RUSTSEC-2026-0003", "--osv"],
        &["affected", "RUSTSEC-2026-0003", "--vex"],
        &["affected", "RUSTSEC-2026-0003", "--sarif"],
    ] {
        let run = home.run(args);
        assert!(run.stdout.contains("CC-BY-4.0") && run.stdout.contains(source), "{args:?}: {}", run.stdout);
    }
}

/// Reads documents from standard input, one a line, and validates each by the schema named; the first fault is the answer.
const VALIDATE: &str = "
import json, sys
import jsonschema
schema = json.load(open(sys.argv[1]))
validator = jsonschema.validators.validator_for(schema)(schema, format_checker=jsonschema.FormatChecker())
for line in sys.stdin:
    for error in validator.iter_errors(json.loads(line)):
        sys.exit(f'{error.json_path}: {error.message[:300]}')
";

#[test]
fn the_official_schemas_accept_what_is_written() {
    #[expect(clippy::disallowed_methods, reason = "the schemas are found through the environment, as wider data is")]
    let Some(schemas) = std::env::var_os("PROVENANCE_SCHEMAS").map(std::path::PathBuf::from) else {
        return skip("PROVENANCE_SCHEMAS names no folder with osv.json, openvex.json and sarif.json");
    };
    if !Command::new("python3").args(["-c", "import jsonschema"]).status().is_ok_and(|status| status.success()) {
        return skip("python3 has no jsonschema");
    }
    let home = hostile();
    for (format, schema) in [("--osv", "osv.json"), ("--vex", "openvex.json"), ("--sarif", "sarif.json")] {
        for query in ["bad", "bad@1.0.0", "RUSTSEC-2026-0001", "RUSTSEC-2026-0006", "RUSTSEC-2026-0008"] {
            let written = home.path().join("document");
            std::fs::write(&written, home.run(&["affected", query, format]).stdout).unwrap();
            let mut python = Command::new("python3");
            python.args(["-c", VALIDATE]).arg(schemas.join(schema)).stdin(std::fs::File::open(&written).unwrap());
            let run = crate::harness::finished(&mut python);
            assert_eq!(run.code, Some(0), "{query} {format}: {}", run.stderr);
        }
    }
}
