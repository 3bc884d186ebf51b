//! The rules of the house (design 01 and 07) as tests; every rule is also shown to fail. What clippy sees is left to clippy.

mod edges;
mod files;
mod house;

use house::House;

/// A rule looks at the house and says what breaks it, one line for each.
type Rule = fn(&House) -> Vec<String>;

const RULES: &[(&str, Rule)] = &[
    ("edges between rooms", edges::rooms),
    ("fences around libraries", edges::libraries),
    ("dependencies have reasons", edges::reasons),
    ("unsafe code", files::unsafe_code),
    ("first line", files::first_line),
    ("length", files::length),
    ("no mod.rs", files::no_mod_rs),
    ("words not used", files::words),
    ("migrations in pairs", files::migrations),
    ("origin of data", files::origins),
];

#[test]
fn the_house_is_tidy() {
    let house = House::read();
    assert!(house.rooms.len() > 10 && house.files.len() > 30, "the house was not read");
    let broken: Vec<_> = RULES
        .iter()
        .flat_map(|(name, rule)| rule(&house).into_iter().map(move |complaint| format!("{name}: {complaint}")))
        .collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// Takes a house without fault, spoils it, and wants exactly this rule to complain, with these words.
fn spoiled(rule_name: &str, spoil: impl Fn(&mut House), words: &str) {
    let mut house = House::model();
    for (name, rule) in RULES {
        assert_eq!(rule(&house), [""; 0], "the model house breaks {name}");
    }
    spoil(&mut house);
    let rule = RULES.iter().find(|(name, _)| *name == rule_name).unwrap().1;
    let complaints = rule(&house);
    assert!(complaints.len() == 1 && complaints[0].contains(words), "{rule_name}: {complaints:?} lacks {words:?}");
}

#[test]
fn a_forbidden_edge_is_seen() {
    spoiled("edges between rooms", |house| house.depend("inspect", "net", false), "inspect → net");
    spoiled("edges between rooms", |house| house.depend("publish", "store", true), "publish → store");
    spoiled("edges between rooms", |house| house.depend("queue", "fixtures", false), "queue → fixtures");
    spoiled("edges between rooms", |house| house.depend("cellar", "schema", false), "cellar");
    // Tests may use the fixtures.
    let mut house = House::model();
    house.depend("queue", "fixtures", true);
    assert_eq!(edges::rooms(&house), [""; 0]);
}

#[test]
fn a_library_outside_its_fence_is_seen() {
    spoiled("fences around libraries", |house| house.depend("store", "sqlx", false), "store names sqlx");
    spoiled("fences around libraries", |house| house.depend("download", "tar", true), "download names tar");
    spoiled("fences around libraries", |house| house.depend("publish", "serde", false), "publish names serde");
}

#[test]
fn a_dependency_without_a_reason_and_a_reason_without_a_dependency_are_seen() {
    let add = |file: &'static str, line: &'static str| move |house: &mut House| house.append(file, line);
    spoiled("dependencies have reasons", add("Cargo.toml", "tar = \"0.4\"\n"), "tar has no line");
    spoiled("dependencies have reasons", add("docs/DEPENDENCIES.md", "| `tar` | … |\n"), "tar is explained");
    spoiled("dependencies have reasons", add("docs/DEPENDENCIES.md", "| `serde` | … |\n"), "serde has 2 lines");
}

#[test]
fn unsafe_code_is_seen() {
    let lints = "[lints.rust]\nunsafe_code = \"allow\"\n";
    spoiled("unsafe code", |house| house.put("schema/Cargo.toml", lints), "schema/Cargo.toml");
    spoiled("unsafe code", |house| house.put("Cargo.toml", "[workspace.dependencies]\nserde = \"1\"\n"), "forbid");
    let expects = |n: usize| ["#[expect(unsafe", "_code, reason = \"…\")]\n"].concat().repeat(n);
    let transport = "indexer/git_transport/src/lib.rs";
    spoiled("unsafe code", |house| house.append(transport, &expects(1)), "2 functions");
    spoiled("unsafe code", |house| house.put(transport, "//! Nothing.\n"), "0 functions");
}

#[test]
fn a_file_without_its_first_line_and_one_too_long_are_seen() {
    spoiled("first line", |house| house.put("schema/src/lib.rs", "mod a;\n"), "schema/src/lib.rs");
    spoiled("length", |house| house.append("schema/src/lib.rs", &"\n".repeat(500)), "501 lines");
    spoiled("no mod.rs", |house| house.put("schema/src/a/mod.rs", "//! A.\n"), "schema/src/a/mod.rs");
}

#[test]
fn words_not_used_are_seen() {
    for word in [
        ["#[al", "low(dead_code)]"],
        ["#![al", "low(dead_code)]"],
        ["#[ig", "nore]"],
        ["#[should_", "panic]"],
        ["std::thread::sl", "eep(time)"],
        ["https://index.crates", ".io/"],
        ["https://static.crates", ".io/"],
    ] {
        let word = word.concat();
        spoiled(
            "words not used",
            |house| house.append("schema/src/lib.rs", &format!("{word}\n")),
            "schema/src/lib.rs:2",
        );
    }
    // A bench may wait.
    let mut house = House::model();
    house.put("tests/benches/a.rs", &["//! A.\nstd::thread::sl", "eep(time)\n"].concat());
    assert_eq!(files::words(&house), [""; 0]);
}

#[test]
fn a_migration_without_its_twin_is_seen() {
    spoiled("migrations in pairs", |house| house.put("schema/migrations/sqlite/0002_b.sql", ""), "0002_b.sql");
    spoiled("migrations in pairs", |house| house.put("schema/migrations/postgres/0002_b.sql", ""), "0002_b.sql");
}

#[test]
fn data_without_an_origin_is_seen() {
    spoiled("origin of data", |house| house.put("fixtures/data/b.json", ""), "b.json");
    spoiled("origin of data", |house| house.put("fixtures/data/many/b.json", ""), "many/b.json");
    let mut house = House::model();
    house.put("fixtures/data/many/b.json", "");
    house.append("fixtures/data/ORIGIN.md", "`many/` made by hand, 2026-11-24, CC0-1.0\n");
    assert_eq!(files::origins(&house), [""; 0]);
}
