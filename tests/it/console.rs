//! The console as staff meet it: every page over a socket, with hostile texts in every place, and in a real browser.

use std::path::PathBuf;

use fixtures::incident::{arrayref_day, commit};
use fixtures::{AdvisoryBuilder, CrateFile, DependencyBuilder, GitIndex, IndexLineBuilder, World, sha256_hex};
use schema::{Priority, Step};
use serde_json::json;
use serve::ServeOptions;
use store::{Index as _, Postponed, Work as _};

use crate::harness::Home;
use crate::http::{Answer, Serving, request};
use crate::serve::lab::Lab;

mod browser;
mod webdriver;

/// What a browser asks for.
const PAGE: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

/// Pages of the demo's world, each with a heading of its own. They show every state there is.
const DEMO: [(&str, &str); 18] = [
    ("/", "Overview"),
    ("/?days=7&until=2026-08-22", "Overview"),
    ("/search", "Search"),
    ("/search?q=demo", "Search"),
    ("/search?verdict=not-verifiable&advisory=affected&yanked=no", "Search"),
    ("/crates/demo-vulnerable", "demo-vulnerable"),
    ("/crates/demo-vulnerable/1.0.0", "demo-vulnerable 1.0.0"),
    ("/crates/demo-other-code/1.0.0", "demo-other-code 1.0.0"),
    ("/crates/demo-deleted/1.0.0", "demo-deleted 1.0.0 ▲\u{a0}deleted"),
    ("/crates/demo-again/1.0.0?generation=1", "demo-again 1.0.0 ▲\u{a0}deleted"),
    ("/crates/demo-vulnerable/dependents?advisory=RUSTSEC-2026-9002&transitive=yes", "Dependents of demo-vulnerable"),
    ("/crates/demo-vulnerable/diff?from=1.0.0&to=2.0.0", "demo-vulnerable: 1.0.0 → 2.0.0"),
    ("/advisories", "Advisories"),
    ("/advisories?kind=unsound&withdrawn=no", "Advisories"),
    ("/advisories/RUSTSEC-2026-9002", "RUSTSEC-2026-9002"),
    ("/changes", "Changes"),
    ("/jobs", "Jobs"),
    ("/about", "About"),
];

/// The demo's world behind a socket.
fn demo(home: &Home) -> Serving {
    Serving::start(home, &["demo"])
}

fn page(address: &str, path: &str) -> Answer {
    request(address, "GET", path, &[PAGE], "")
}

/// The day of arrayref, followed commit by commit to its end.
fn incident() -> Home {
    let home = Home::new();
    let path = home.path().join("index.git");
    let mut index = GitIndex::create(&path).unwrap();
    let advisories = home.path().join("advisory-db");
    let malicious = AdvisoryBuilder::new("RUSTSEC-2026-9101", "proc-macro1", "2026-08-20");
    let malicious = malicious.list("categories", &["malicious"]).title("Downloads a payload");
    World::new().advisory(&malicious).write_advisories(&advisories).unwrap();
    for moment in arrayref_day() {
        commit(&mut index, &moment).unwrap();
        let (index, advisories) = (path.to_str().unwrap(), advisories.to_str().unwrap());
        home.json(&["--index", index, "--advisory-db", advisories, "follow", "--once", "--from", "start"]);
    }
    home
}

/// What would do harm if any page obeyed it: markup, an attribute's end, a script's address, a text that turns around.
const HOSTILE: &str = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>\u{202e}evil\u{200b}";

/// A world in which every text that anybody may choose is hostile.
fn hostile() -> Home {
    let home = Home::new();
    let manifest = format!(
        "[package]\nname = \"bad\"\nversion = \"1.0.0\"\nedition = \"2021\"\nlicense = {text}\nhomepage = {script}\n\
         documentation = {script}\nrepository = {script}\nrust-version = \"1.0\"\nlinks = {text}\n\n[features]\n",
        text = toml_text(HOSTILE),
        script = toml_text("javascript:alert(3)"),
    );
    let archive = CrateFile::with_manifest("bad", "1.0.0", &manifest)
        .file(&format!("src/{}.rs", HOSTILE.replace('/', "")), b"// a path\n")
        .file("src/lib.rs", "// \u{202e} hidden\n".as_bytes())
        .file("src/lib.rs", b"// another\n");
    let archive = archive.build().unwrap();
    let dependency = DependencyBuilder::new("good", HOSTILE)
        .field("target", json!(HOSTILE))
        .field("features", json!([HOSTILE]))
        .field("registry", json!(HOSTILE));
    let line = IndexLineBuilder::new("bad", "1.0.0").cksum(&sha256_hex(&archive)).pubtime("2026-08-01T08:00:00Z");
    let line = line.dependency(dependency).field("links", json!(HOSTILE)).field("rust_version", json!(HOSTILE));
    let next = IndexLineBuilder::new("bad", "1.1.0").cksum(&"0".repeat(64)).pubtime("2026-08-02T08:00:00Z");
    let advisory = AdvisoryBuilder::new("RUSTSEC-2026-9666", "bad", "2026-08-05").title(&HOSTILE.replace('#', ""));
    let advisory = advisory.toml(&format!("aliases = [\"CVE-2026-99666\"]\nkeywords = [{}]", toml_text(HOSTILE)));
    let advisory =
        advisory.toml(&format!("references = [{}]", toml_text("https://example.org/\"><script>alert(4)</script>")));
    let unreadable = json!({ "name": HOSTILE, "vers": "1.2.0", "deps": [], "cksum": "0".repeat(64), "features": {}, "yanked": false });
    let unreadable = unreadable.to_string();
    let world = World::new()
        .version("bad", "1.0.0", &line, Some(archive))
        .version("bad", "1.1.0", &next, None)
        .advisory(&advisory)
        .version("bad", "1.2.0", &IndexLineBuilder::new("bad", "1.2.0").raw(&unreadable), None);
    let (advisories, index) = (home.path().join("advisory-db"), home.path().join("index"));
    world.write_advisories(&advisories).unwrap();
    world.write_index(&index, None).unwrap();
    world.write_archives(&home.path().join("cache")).unwrap();
    let run = home.run(&[
        "index",
        "--crate",
        "bad@1.0.0",
        "--index",
        index.to_str().unwrap(),
        "--archives",
        "cache",
        "--advisory-db",
        advisories.to_str().unwrap(),
    ]);
    assert!(matches!(run.code, Some(0 | 1)), "{run:?}");
    home
}

fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Pages on which the hostile world is shown.
const HOSTILE_PAGES: [&str; 11] = [
    "/",
    "/search?q=bad",
    "/search?checksum=ok",
    "/crates/bad",
    "/crates/bad/1.0.0",
    "/crates/bad/diff?from=1.0.0&to=1.1.0",
    "/crates/bad/dependents",
    "/advisories",
    "/advisories/RUSTSEC-2026-9666",
    "/changes",
    "/jobs",
];

/// The hostile world behind a socket, with a mark that was given up for a hostile reason.
fn hostile_lab(home: &Home) -> Lab {
    let lab = Lab::new(home, ServeOptions::default());
    lab.block_on(async {
        let store = lab.store.as_ref();
        let bad = schema::KrateName::parse("bad").unwrap().canonical();
        let ids: Vec<_> = store.releases(&bad).await.unwrap().unwrap().iter().map(|release| release.id).collect();
        let now = schema::Timestamp::from_seconds(0);
        store.mark(&ids, Step::Verify, Priority::FRESH, now).await.unwrap();
        let marks = store.deliver(Step::Verify, now, now.plus_seconds(1), 9).await.unwrap();
        let outcome = Postponed { at: now, error: HOSTILE.to_owned(), dead: true };
        store.postpone(marks[0], Step::Verify, &outcome, now).await.unwrap();
    });
    lab
}

/// The text of the only `h1`, as a reader sees it.
fn heading(html: &str) -> String {
    let (_, rest) = html.split_once("<h1").unwrap_or_else(|| panic!("no heading: {html}"));
    let (inside, rest) = rest.split_once("</h1>").unwrap();
    assert!(!rest.contains("<h1"), "a second heading");
    let (_, inside) = inside.split_once('>').unwrap();
    let mut text = String::new();
    let mut is_tag = false;
    for character in inside.chars() {
        match character {
            '<' => is_tag = true,
            '>' => is_tag = false,
            other if !is_tag => text.push(other),
            _ => {}
        }
    }
    text.replace("&gt;", ">").split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_page_is_whole_hardened_and_says_what_it_rests_on() {
    let home = Home::new();
    let serving = demo(&home);
    for (path, expected) in DEMO {
        let answer = page(&serving.address, path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        is_hardened(&answer, path);
        let html = answer.text();
        assert_eq!(heading(&html), expected, "{path}");
        for part in [
            "<!DOCTYPE html>",
            "<html lang=\"en\">",
            "<strong>As of</strong> index read <time datetime=\"",
            " ago)",
            "<main id=\"main\"",
            "<nav aria-label=\"Main\">",
            "href=\"#main\"",
            "<footer>",
            "name=\"viewport\"",
        ] {
            assert!(html.contains(part), "{path} lacks {part}");
        }
        for part in ["<script", " style=", " onclick=", "javascript:", "http://", "<style", "<img", "<iframe"] {
            assert!(!html.contains(part), "{path} has {part}");
        }
    }
    assert_eq!(serving.stop(), Some(0));
}

fn is_hardened(answer: &Answer, path: &str) {
    let policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    for (name, value) in
        [("content-security-policy", policy), ("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer")]
    {
        assert_eq!(answer.header(name), Some(value), "{path}");
    }
}

#[test]
fn every_state_has_words_of_its_own() {
    let home = Home::new();
    let serving = demo(&home);
    let about = page(&serving.address, "/about").text();
    let chips: Vec<_> = about.split("<th scope=\"row\"><span class=\"chip ").skip(1).collect();
    let words = |chip: &str| chip.split("</span>").nth(1).unwrap().to_owned();
    let of_verdicts: std::collections::BTreeSet<_> = chips[..9].iter().map(|chip| words(chip)).collect();
    assert_eq!(of_verdicts.len(), schema::Verdict::ALL.len());
    // Not checked, cannot be checked, waiting, ours, and what was looked at never look the same.
    for (path, chip) in [
        ("/crates/demo-vulnerable/1.0.1", "not-checked"),
        ("/crates/demo-ok/1.0.0", "cannot"),
        ("/crates/demo-ok/1.0.0", "nothing-known"),
        ("/crates/demo-waiting/1.0.0", "waiting"),
        ("/crates/demo-broken-copy/1.0.0", "ours"),
        ("/crates/demo-verified/1.0.0", "agrees"),
        ("/crates/demo-malicious/1.0.0", "bad"),
        ("/crates/demo-review/1.0.0", "caution"),
    ] {
        let html = page(&serving.address, path).text();
        assert!(html.contains(&format!("<span class=\"chip {chip}\">")), "{path} has no {chip}");
    }
}

#[test]
fn other_spellings_lead_to_the_published_one() {
    let home = Home::new();
    let serving = demo(&home);
    for (path, to) in [
        ("/crates/Demo_OK", "/crates/demo-ok"),
        ("/crates/demo_twins/1.0.0+native.3", "/crates/demo-twins/1.0.0%2Bnative.3"),
        ("/crates/demo_again/1.0.0?generation=1", "/crates/demo-again/1.0.0?generation=1"),
        ("/crates/demo_ok/dependents?transitive=yes", "/crates/demo-ok/dependents?transitive=yes"),
        ("/crates/demo_vulnerable/diff?from=1.0.0&to=2.0.0", "/crates/demo-vulnerable/diff?from=1.0.0&to=2.0.0"),
        ("/advisories/cve-2026-99002", "/advisories/RUSTSEC-2026-9002"),
    ] {
        let answer = page(&serving.address, path);
        assert_eq!((answer.status, answer.header("location")), (307, Some(to)), "{path}");
        assert_eq!(page(&serving.address, to).status, 200, "{to}");
    }
}

#[test]
fn what_is_not_there_or_not_understood_is_a_page_that_says_what_is_known() {
    let home = Home::new();
    let serving = demo(&home);
    for (path, status, sentence) in [
        ("/crates/nothing", 404, "crate `nothing` is not known here, among 22 crates"),
        ("/crates/nothing/1.0.0", 404, "crate `nothing` is not known here, among 22 crates"),
        ("/crates/demo-ok/9.9.9", 404, "crate `demo-ok` has no release 9.9.9 that was ever seen here"),
        ("/crates/demo-ok/1.0.0?generation=7", 404, "has no release 1.0.0"),
        ("/crates/demo-ok/1.0%20", 400, "1.0"),
        ("/crates/%3Cb%3E", 404, "&lt;b&gt;"),
        ("/advisories/RUSTSEC-1999-0001", 404, "no advisory that is known here has the id"),
        ("/search?verdict=fine", 400, "verdict: &quot;fine&quot; is none of verified"),
        ("/search?yanked=maybe", 400, "yanked is yes or no"),
        ("/changes?from=2026-08-21&to=2026-08-20", 400, "from is not before to"),
        ("/changes?from=yesterday", 400, "from is a time in UTC"),
        ("/jobs?after=x", 400, "is no place in this list"),
        ("/?days=0", 400, "days is a number from 1 to 366"),
        ("/nothing/here", 404, "there is nothing under this address"),
    ] {
        let answer = page(&serving.address, path);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        is_hardened(&answer, path);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        let html = answer.text();
        assert!(html.contains(sentence) && html.contains("<strong>As of</strong> index read"), "{path}: {html}");
        if status == 404 {
            assert!(html.contains("What is known here comes from:"), "{path}");
        }
        // A program that asks is answered as programs are.
        assert!(serving.get(path).detail().len() > 5, "{path}");
    }
    // Compressed, an error is the same page.
    let compressed = request(&serving.address, "GET", "/crates/nothing", &[PAGE, ("accept-encoding", "gzip")], "");
    assert_eq!((compressed.status, compressed.header("content-type")), (404, Some("text/html; charset=utf-8")));
    // What is for programs stays so, whoever asks.
    assert!(page(&serving.address, "/api/v1/crates/nothing").detail().contains("not known here"));
    let refused = request(&serving.address, "POST", "/jobs", &[PAGE], "");
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET,HEAD")));
}

#[test]
fn a_database_that_is_away_is_a_page_that_says_so_and_no_empty_list() {
    let home = hostile();
    let lab = Lab::new(&home, ServeOptions { look: std::time::Duration::ZERO, ..ServeOptions::default() });
    lab.store.take_away(true);
    for path in HOSTILE_PAGES.iter().chain(&["/about"]) {
        let answer = page(&lab.address, path);
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{path}");
        is_hardened(&answer, path);
        let html = answer.text();
        assert!(html.contains("As of: not known") && html.contains("the database does not answer"), "{path}: {html}");
        assert!(!html.contains("<table"), "{path}");
    }
    lab.store.take_away(false);
    assert_eq!(page(&lab.address, "/").status, 200);
}

#[test]
fn hostile_texts_are_shown_and_not_obeyed() {
    let home = hostile();
    let lab = hostile_lab(&home);
    let mut shown = 0;
    for path in HOSTILE_PAGES {
        let answer = page(&lab.address, path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let html = answer.text();
        for part in ["<img", "<script", "href=\"javascript:", "\u{202e}", "\u{200b}"] {
            assert!(!html.contains(part), "{path} has {part:?}");
        }
        shown += html.matches("&lt;img src=x onerror=alert(1)&gt;").count();
        assert!(!html.contains("onerror") || html.contains("\\u{202e}"), "{path} hides that the text turns around");
    }
    assert!(shown >= 8, "hostile texts were shown {shown} times: the fixture does not reach the pages");
    let asked = page(&lab.address, "/search?q=%3Cscript%3Ealert(1)%3C/script%3E%E2%80%AE");
    assert!(asked.status == 200 && !asked.text().contains("<script"));
}

#[test]
fn an_old_answer_says_that_it_is_old() {
    let home = hostile();
    let lab = Lab::new(&home, ServeOptions { look: std::time::Duration::ZERO, ..ServeOptions::default() });
    assert!(!page(&lab.address, "/").text().contains("Answers may be older than they should be"));
    // A folder that was read once has no record of what changed.
    let changes = page(&lab.address, "/changes?from=2020-01-01&to=2020-02-01").text();
    assert!(changes.contains("not complete") && changes.contains("The record has not begun"), "{changes}");
    lab.clock.set(schema::Timestamp::parse("2027-06-01T00:00:00Z").unwrap());
    let html = page(&lab.address, "/").text();
    for part in
        ["Answers may be older than they should be", "not read to its end since", "class=\"as-of stale\"", " days ago)"]
    {
        assert!(html.contains(part), "{part}");
    }
}

#[test]
fn the_incident_is_told_between_two_times() {
    let home = incident();
    let serving = Serving::start(&home, &["serve"]);
    let told = |query: &str| page(&serving.address, &format!("/changes?{query}")).text();
    let html = told("from=2026-08-20T07:11&to=2026-08-20T07:20");
    for part in
        ["proc-macro1", "1.0.107", "arrayref", "0.3.10", "yanked", "signal: young dependency", "class=\"chip agrees\""]
    {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!html.contains("internment"), "07:34 is not before 07:20");
    let deleted = told("from=2026-08-20&to=2026-08-21&kind=crate_deleted");
    assert_eq!(deleted.matches("<tr><th scope=\"row\">").count(), 1, "{deleted}");
    assert!(told("from=2026-08-20T00:00&to=2026-08-20T07:00&kind=yanked").contains("Nothing of this kind is recorded"));
    let krate = page(&serving.address, "/crates/arrayref").text();
    assert!(krate.contains("0.3.10") && krate.contains("gone from the index"));
    let then = page(&serving.address, "/crates/arrayref?at=2026-08-20T07:20").text();
    assert_eq!(then.matches("yanked</span></td><td class=\"long\">").count(), 5, "{then}");
    assert!(
        then.contains("proc-macro1") && then.contains("class=\"chip agrees\"") && then.contains("As it is now"),
        "{then}"
    );
    assert!(page(&serving.address, "/crates/arrayref?at=2018-01-01").text().contains("was published by then"));
    let exposed = page(&serving.address, "/crates/proc-macro1/dependents?at=2026-08-20T07:20&transitive=yes").text();
    for part in ["arrayref", "blake-hash", "wallet", "class=\"chip agrees\""] {
        assert!(exposed.contains(part), "{part}: {exposed}");
    }
    let diff = page(&serving.address, "/crates/arrayref/diff?from=0.3.9&to=0.3.10").text();
    assert!(diff.contains("proc-macro1") && diff.contains("<td>added</td>"), "{diff}");
    let advisory = page(&serving.address, "/advisories/RUSTSEC-2026-9101").text();
    assert!(advisory.contains("Downloads a payload") && advisory.contains("gone from the index"), "{advisory}");
}

#[test]
fn long_lists_are_read_page_after_page() {
    let home = Home::new();
    let mut world = World::new();
    for number in 0..120 {
        let line = IndexLineBuilder::new("many", &format!("1.{number}.0")).cksum(&format!("{number:064x}"));
        world = world.version("many", &format!("1.{number}.0"), &line, None);
    }
    let index = home.path().join("index");
    world.write_index(&index, None).unwrap();
    home.run(&["index", "--crate", "many", "--index", index.to_str().unwrap(), "--no-source"]);
    let serving = Serving::start(&home, &["serve"]);
    for (first, n_pages) in [("/crates/many", 2), ("/search?yanked=no", 3)] {
        let (mut path, mut nums, mut pages) = (first.to_owned(), std::collections::BTreeSet::new(), 0);
        loop {
            let html = page(&serving.address, &path).text();
            pages += 1;
            let list = html.split("<tbody>").nth(1).unwrap().split("</tbody>").next().unwrap();
            let links = list.split("href=\"/crates/many/").skip(1);
            nums.extend(links.map(|rest| rest.split(['?', '"']).next().unwrap().to_owned()));
            let Some(next) = html.split("<a href=\"").find(|link| link.contains("rel=\"next\">")) else { break };
            path = next.split('"').next().unwrap().replace("&amp;", "&");
        }
        assert_eq!((nums.len(), pages), (120, n_pages), "{first}");
    }
}

#[test]
fn a_form_acts_with_a_token_that_allows_it_and_with_no_other() {
    let home = hostile();
    let token = |scope: &str, krate: &str| {
        let made = home.json(&["token", "create", "for the test", "--scope", scope, "--crate", krate]);
        made["token"].as_str().unwrap().to_owned()
    };
    let (right, other_crate, other_scope) = (token("recheck", "bad"), token("recheck", "good"), token("yank", "bad"));
    let serving = Serving::start(&home, &["serve"]);
    let form = page(&serving.address, "/crates/bad/1.0.0").text();
    assert!(form.contains("action=\"/crates/bad/1.0.0/recheck\"") && form.contains("type=\"password\""), "{form}");
    assert!(!form.contains("/retry\""), "nothing was given up");
    let send = |body: &str| request(&serving.address, "POST", "/crates/bad/1.0.0/recheck", &[PAGE], body);
    for (body, status) in [
        ("token=&reason=", 401),
        ("token=prv_no%0d%0asuch", 401),
        ("reason=none", 400),
        ("\u{fffd} ", 400),
        (&*format!("token={other_crate}&reason=x"), 403),
        (&*format!("token={other_scope}&reason=x"), 403),
    ] {
        let answer = send(body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        is_hardened(&answer, body);
    }
    let done = send(&format!("token={right}&reason=looks+odd"));
    assert_eq!((done.status, heading(&done.text())), (200, "Done".to_owned()));
    assert_eq!(done.header("cache-control"), Some("no-store"));
    assert!(!done.text().contains(&right), "a token is not shown");
    assert!(done.text().contains("1 release is due for a source check"), "{}", done.text());
    // Where nothing is marked, nobody is told that something is.
    let body = format!("token={right}");
    let none = request(&serving.address, "POST", "/crates/bad/1.0.0/retry", &[PAGE], &body);
    assert_eq!((none.status, heading(&none.text())), (200, "Nothing was marked".to_owned()));
    assert!(none.text().contains("nothing of it was given up"), "{}", none.text());
    if home.execute("UPDATE release SET deleted_at = 1 WHERE num = '1.1.0'") {
        let gone = request(&serving.address, "POST", "/crates/bad/1.1.0/recheck", &[PAGE], &body);
        assert_eq!(heading(&gone.text()), "Nothing was marked");
        assert!(gone.text().contains("gone from the index"), "{}", gone.text());
    }
    let jobs = page(&serving.address, "/jobs?step=verify").text();
    assert!(jobs.contains("waiting</span>") && jobs.contains("/crates/bad/1.0.0"), "{jobs}");
    // A form of another site may not be sent by a GET.
    assert_eq!(page(&serving.address, "/crates/bad/1.0.0/recheck").status, 405);
}

/// What the environment asks for: a folder for pictures, and whether a missing browser is a failure.
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says where pictures go, and whether this is CI")]
fn wishes() -> (Option<PathBuf>, bool) {
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    let named = std::env::var_os("PROVENANCE_SCREENSHOTS").map(PathBuf::from);
    let usual = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.ci/out/screenshots"));
    (named.or_else(|| in_ci.then(usual)), in_ci)
}
