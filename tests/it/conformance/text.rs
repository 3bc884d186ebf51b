//! Other people's text comes back as it was: with U+0000, which PostgreSQL cannot store as it is, and longer than an index row.

use schema::{KrateName, Priority, ReleaseId, SourceSummary, Step, Verdict};
use store::{CheckRow, Postponed, QuarantineWrite};

use super::{LATER, NOW, advisory, alpha, dependency, insert, on_every_backend, source, state, taken, write};

#[test]
fn text_of_others_is_kept_whatever_it_holds() {
    const ODD: &str = "a\0b\u{f8ff}0\u{f8ff}";
    on_every_backend(|store| async move {
        let source = source(store.as_ref()).await;
        // A line may name what it likes, as long as it is JSON; no index holds a name of this length.
        let long = "x".repeat(20_000);
        let odd = dependency("beta").replace("\"^1\"", "\"^1\\u0000\\uf8ff\"");
        let deps = format!("{odd},{},{}", dependency(&long), dependency("nul\\u0000"));
        let mut alpha_write = write(0, vec![insert("1.0.0", 1, 1, &deps)]);
        let bad =
            |line| QuarantineWrite { path: format!("al/ph/{ODD}"), line, raw: ODD.to_owned(), reason: ODD.to_owned() };
        alpha_write.quarantine = vec![bad(1), bad(2)];
        store.apply(source, &[alpha_write], NOW).await.unwrap();
        let quarantined: Vec<_> = store.quarantined().await.unwrap().into_iter().map(|held| held.entry).collect();
        assert_eq!(quarantined, [bad(1), bad(2)]);
        let page = store.exposure_page(ReleaseId(0), 10, None).await.unwrap();
        assert_eq!(page.dependencies.iter().map(|row| row.req.as_str()).collect::<Vec<_>>(), ["^1\0\u{f8ff}"]);
        let release = page.releases[0].id;
        let line = store.releases(&alpha()).await.unwrap().unwrap().remove(0).line;
        assert!(line.contains("^1\\u0000\\uf8ff") && line.contains(&long));
        assert_eq!(store.dependencies_ever(&KrateName::parse("beta").unwrap().canonical()).await.unwrap().len(), 1);

        let mark = taken(store.as_ref(), Step::Match).await[0];
        let failed = Postponed { at: NOW, error: ODD.to_owned(), dead: true };
        store.postpone(mark, Step::Match, &failed, NOW).await.unwrap();
        assert_eq!(store.dead().await.unwrap()[0].error.as_deref(), Some(ODD));
        let refs: Vec<_> = ["refs/heads/a", &format!("refs/heads/{}", "r".repeat(9_000))]
            .iter()
            .map(|name| ((*name).to_owned(), "c".repeat(40)))
            .collect();
        store.mark(&[release], Step::Verify, Priority::FRESH, NOW).await.unwrap();
        let mark = taken(store.as_ref(), Step::Verify).await[0];
        let repository = format!("https://example.org/{}", "p".repeat(5_000));
        let check = CheckRow {
            at: NOW,
            cause: "first".to_owned(),
            repository: Some(repository.clone()),
            summary: summary(),
            document: "{}".to_owned(),
        };
        // The same ref twice is the same ref.
        let twice: Vec<_> = refs.iter().chain(&refs).cloned().collect();
        assert!(store.finish_check(mark, &check, &twice, LATER, NOW).await.unwrap());
        assert_eq!(store.refs_seen(&repository).await.unwrap(), refs.into_iter().collect());

        let mut write = state("one", vec![advisory("RUSTSEC-1", ODD, &[])], &[]);
        write.quarantine = vec![bad(0)];
        store.apply_db(&write, NOW).await.unwrap();
        assert_eq!(store.advisories().await.unwrap()[0].text, ODD);
    });
}

fn summary() -> SourceSummary {
    SourceSummary {
        verdict: Verdict::NotVerifiable,
        words: String::new(),
        repository_claimed: None,
        repository: None,
        browse_url: None,
        commit_claimed: None,
        commit_matched: None,
        tag: None,
        reasons: Vec::new(),
        rules: None,
    }
}
