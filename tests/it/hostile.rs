//! Hostile archives and texts through the whole pipeline: findings are seen, the terminal obeys nothing.

use fixtures::{CrateFile, World};
use serde_json::json;

use crate::harness::{Home, archive};

#[test]
fn a_lie_in_an_archive_is_a_finding_in_the_row_and_in_words() {
    let home = Home::new();
    let odd = CrateFile::honest("odd", "1.0.0")
        .file("src/\u{1b}[31mred.rs", b"// a path the terminal would obey\n")
        .file("src/lib.rs", b"// another library\n")
        .build()
        .unwrap();
    let world = World::new()
        .publish("odd", "1.0.0", "2026-08-01T00:00:00Z", odd)
        .publish("cut", "1.0.0", "2026-08-01T00:00:00Z", archive("cut", "1.0.0")[..60].to_vec())
        .publish("none", "1.0.0", "2026-08-01T00:00:00Z", b"not gzip".to_vec());
    let server = world.serve().unwrap();
    let url = server.index_url();
    let args = ["index", "--crate", "odd", "--crate", "cut", "--crate", "none", "--index", &url, "--no-source"];
    let answer = home.json(&args);
    assert_eq!(answer["archives"]["ok"], 3);
    for (code, n) in [("archive.duplicate-path", 1), ("archive.not-gzip", 1)] {
        assert_eq!(answer["findings"][code], json!(n), "{code}");
    }
    for args in [&args[..], &["explain", "odd@1.0.0"], &["show", "odd"], &["status"]] {
        let run = home.run(args);
        assert!(!run.stdout.contains('\u{1b}') && !run.stderr.contains('\u{1b}'), "{args:?}");
    }
    assert!(home.run(&["explain", "odd@1.0.0"]).stdout.contains("archive.duplicate-path (high)"));
}
