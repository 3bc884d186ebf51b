//! Counts of dependents, made by hand: each release once, by its worst edge, optional ones apart.

use graph::{Graph, Survey, Tally};

use crate::support::{graph, id, name};

/// `bad` 1.0.0 and 1.1.0 are affected; 1.2.0 and 2.0.0 are the ways out.
const REGISTRY: &str = "
    bad 1.0.0
    bad 1.1.0
    bad 1.2.0
    bad 2.0.0
    pinned 1.0.0
    > bad =1.1.0
    pinned 1.1.0
    > bad =1.0.0
    twice 1.0.0
    > bad ^1
    > bad =1.0.0 build
    maybe 1.0.0
    > bad =1.0.0 optional
    both 1.0.0
    > bad =1.0.0 optional
    > bad ^1
    fresh 1.0.0
    > bad >=1.0,<1.2
    > bad ^2
    open 1.0.0
    > bad >=0.9,<=1.1
    tests 1.0.0
    > bad =1.0.0 dev
    beyond 1.0.0
    > bad ^2
    gone 1.0.0 deleted
    > bad =1.0.0
    pulled 1.0.0 yanked
    > bad =1.0.0";

fn survey(graph: &Graph) -> Survey {
    let affected = [id(graph, "bad 1.0.0"), id(graph, "bad 1.1.0")];
    graph.survey(&name("bad"), |release| affected.contains(&release))
}

#[test]
fn each_live_release_counts_once_by_its_worst_edge() {
    let graph = graph(REGISTRY);
    let survey = survey(&graph);
    // pinned twice, twice, fresh and open: all they allow of it is affected. `both` needs it in any case, and then not stuck.
    assert_eq!(survey.stuck, Tally { releases: 5, krates: 4, optional_releases: 1 });
    assert_eq!(survey.fresh_affected, Tally::default());
    assert_eq!(survey.only_old_locks, Tally { releases: 1, krates: 1, optional_releases: 0 });
}

#[test]
fn a_dependent_that_could_do_otherwise_is_not_stuck() {
    let graph = graph("bad 0.9.0\nbad 1.0.0\nfresh 1.0.0\n> bad >=0.9");
    let affected = id(&graph, "bad 1.0.0");
    let survey = graph.survey(&name("bad"), |release| release == affected);
    assert_eq!(survey.fresh_affected, Tally { releases: 1, krates: 1, optional_releases: 0 });
    assert_eq!(survey.stuck, Tally::default());
}

#[test]
fn a_crate_offers_a_free_release_or_none_or_nothing_at_all() {
    let graph = graph("bad 1.0.0\nbad 1.1.0\nbad 1.2.0 yanked\nempty 1.0.0 yanked");
    let covered = [id(&graph, "bad 1.0.0"), id(&graph, "bad 1.1.0")];
    assert_eq!(graph.offers_a_free_one(&name("bad"), |release| covered.contains(&release)), Some(false));
    assert_eq!(graph.offers_a_free_one(&name("bad"), |release| covered[..1].contains(&release)), Some(true));
    assert_eq!(graph.offers_a_free_one(&name("empty"), |_| true), None);
    assert_eq!(graph.offers_a_free_one(&name("unknown"), |_| true), None);
}

#[test]
fn survivors_take_the_affected_one_or_find_none_at_all() {
    // As with arrayref: one bad version among good ones, now deleted. As with proc-macro1: nothing else ever was.
    let registry = "one 1.0.0\none 1.0.1 deleted\nall 1.0.0 deleted\nold 1.0.0\n> one ^1\nexact 1.0.0\n> one =1.0.1\n\
         user 1.0.0\n> all ^1\nother 1.0.0\n> all ^2\nghost 1.0.0\n> never-seen ^1\ntests 1.0.0\n> all ^1 dev";
    let graph = graph(registry);
    let bad = [id(&graph, "one 1.0.1"), id(&graph, "all 1.0.0")];
    for (krate, survivors) in [("one", &["exact"][..]), ("all", &["user"]), ("never-seen", &["ghost"]), ("user", &[])] {
        let found = graph.surviving_dependents(&name(krate), |release| bad.contains(&release));
        assert_eq!(found.iter().map(|name| name.as_str()).collect::<Vec<_>>(), survivors, "{krate}");
    }
}

#[test]
fn survivors_are_live_and_do_not_only_test_with_it() {
    let graph = graph(REGISTRY);
    let names: Vec<_> = graph.live_dependents(&name("bad")).iter().map(|name| name.as_str()).collect();
    assert_eq!(names, ["pinned", "twice", "maybe", "both", "fresh", "open", "beyond"]);
}
