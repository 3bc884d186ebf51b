//! Subscribers: each event at least once, in order, signed; tried again when they fail, given up when they are gone, and told
//! nothing at an address that is not theirs to name.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use fixtures::{Received, Receiver, Reply};
use queue::{Deliveries, webhook_signature};
use schema::{Clock, Secret, Timestamp};
use serde_json::{Value, json};
use store::Store;

use crate::harness::Home;
use crate::serve::indexed;

/// Later than the clock of any machine that adds a subscription here.
const BEGIN: i64 = 4_000_000_000;

/// A clock that is moved by hand.
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.load(Ordering::SeqCst))
    }
}

struct Lab {
    home: Home,
    store: Arc<dyn Store>,
    clock: Arc<Hand>,
    deliveries: Deliveries,
    receiver: Receiver,
}

impl Lab {
    async fn open(home: Home, offline: bool) -> Self {
        net::install_crypto_provider();
        let store = Arc::clone(&*home.memory().await);
        let clock = Arc::new(Hand(AtomicI64::new(BEGIN)));
        let options = net::AgentOptions { offline, breaker_failures: 1_000, ..net::AgentOptions::default() };
        let deliveries = Deliveries::new(store.clone(), clock.clone(), options).unwrap();
        Self { home, store, clock, deliveries, receiver: Receiver::start().unwrap() }
    }

    fn subscribe(&self, more: &[&str]) -> (i64, Secret) {
        let url = format!("{}/hook", self.receiver.address());
        let args = [&["webhook", "add", &url, "--private", "--after", "0"], more].concat();
        let added = self.home.json(&args);
        // It was added by the machine's clock; the test's is elsewhere.
        (added["id"].as_i64().unwrap(), Secret::new(added["secret"].as_str().unwrap()))
    }

    fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }

    async fn progress(&self) -> store::WebhookProgress {
        self.store.webhooks().await.unwrap()[0].progress.clone()
    }
}

fn body(received: &Received) -> Value {
    serde_json::from_slice(&received.body).unwrap()
}

fn seqs(received: &[Received]) -> Vec<i64> {
    received.iter().map(|one| body(one)["data"]["id"].as_i64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_told_once_in_order_and_signed() {
    let lab = Lab::open(indexed(), false).await;
    let (_, secret) = lab.subscribe(&[]);
    let feed = lab.store.feed(0, 1_000).await.unwrap();
    assert!(feed.len() >= 3, "{feed:?}");
    lab.deliveries.round().await.unwrap();
    let received = lab.receiver.received();
    assert_eq!(seqs(&received), feed.iter().map(store::FeedRow::seq).collect::<Vec<_>>());
    for one in &received {
        let header = |name: &str| one.headers[name].as_str();
        let text = String::from_utf8(one.body.clone()).unwrap();
        assert_eq!((one.method.as_str(), header("content-type")), ("POST", "application/json"));
        assert_eq!(header("webhook-id"), format!("evt_{}", body(one)["data"]["id"]));
        assert_eq!(header("webhook-timestamp"), BEGIN.to_string());
        let signature = webhook_signature(&secret, header("webhook-id"), header("webhook-timestamp"), &text);
        assert_eq!(header("webhook-signature"), signature.unwrap());
        for field in ["type", "timestamp", "data"] {
            assert!(!body(one)[field].is_null(), "{text}");
        }
    }
    assert_eq!(lab.deliveries.round().await.unwrap(), 0, "nothing is new");
    assert_eq!(lab.receiver.received().len(), received.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_fails_is_told_later_and_misses_nothing() {
    let lab = Lab::open(indexed(), false).await;
    lab.subscribe(&["--type", "provenance_changed", "--crate", "Alpha"]);
    lab.receiver.reply(Reply { body: String::new(), ..Reply::status(200) });
    lab.receiver.reply(Reply::status(500));
    lab.receiver.reply(Reply { retry_after: Some(4_000), ..Reply::status(503) });
    lab.receiver.reply(Reply::status(302));
    assert_eq!(lab.deliveries.round().await.unwrap(), 1);
    let progress = lab.progress().await;
    assert_eq!((progress.tries, progress.last_error.as_deref()), (1, Some("answered 500")));
    assert_eq!(lab.deliveries.round().await.unwrap(), 0, "not yet");
    assert_eq!(lab.receiver.received().len(), 2);
    lab.pass(10);
    lab.deliveries.round().await.unwrap();
    assert_eq!(lab.progress().await.next_at, Timestamp::from_seconds(BEGIN + 10 + 4_000), "as it asked");
    lab.pass(3_999);
    lab.deliveries.round().await.unwrap();
    assert_eq!(lab.receiver.received().len(), 3, "it asked for one second more");
    lab.pass(1);
    lab.deliveries.round().await.unwrap();
    assert_eq!(lab.progress().await.tries, 3, "a redirect is no success and is not followed");
    lab.pass(100_000);
    lab.deliveries.round().await.unwrap();
    let received = lab.receiver.received();
    assert!(
        received.iter().all(|one| body(one)["type"] == "provenance_changed" && body(one)["data"]["name"] == "alpha")
    );
    // The one that failed came four times under one id, and all that came are in order.
    let ids: Vec<_> = received.iter().map(|one| one.headers["webhook-id"].clone()).collect();
    assert_eq!((ids.iter().filter(|id| **id == ids[1]).count(), ids[1] == ids[4]), (4, true), "{ids:?}");
    let mut sorted = seqs(&received);
    sorted.sort_unstable();
    assert_eq!(seqs(&received), sorted);
    assert_eq!(lab.progress().await.tries, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_gone_or_never_answers_is_given_up_and_can_be_resumed() {
    let lab = Lab::open(indexed(), false).await;
    let (id, _) = lab.subscribe(&[]);
    lab.receiver.reply(Reply::status(410));
    lab.deliveries.round().await.unwrap();
    assert!(lab.progress().await.disabled.is_some());
    lab.pass(1_000_000);
    lab.deliveries.round().await.unwrap();
    assert_eq!(lab.receiver.received().len(), 1);
    let status = lab.home.json(&["status"]);
    assert!(status["webhooks"][0]["disabled_reason"].as_str().unwrap().contains("410"), "{status:#}");
    assert!(lab.home.run(&["status"]).stdout.contains("410"));
    lab.home.json(&["webhook", "resume", &id.to_string()]);
    for _ in 0..10 {
        lab.receiver.reply(Reply::status(500));
        lab.pass(1_000_000);
        lab.deliveries.round().await.unwrap();
    }
    let disabled = lab.progress().await.disabled.unwrap().1;
    assert_eq!(disabled, "given up after 10 tries: answered 500");
    lab.home.json(&["webhook", "resume", &id.to_string()]);
    lab.pass(1_000_000);
    assert!(lab.deliveries.round().await.unwrap() > 0, "it goes on from where it was");
    let received = lab.receiver.received();
    assert_eq!(received[0].headers["webhook-id"], received[11].headers["webhook-id"]);
    lab.home.json(&["webhook", "remove", &id.to_string()]);
    assert_eq!(lab.home.run(&["webhook", "remove", &id.to_string()]).code, Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_not_public_is_told_nothing_unless_somebody_here_says_so() {
    let lab = Lab::open(indexed(), false).await;
    let port = lab.receiver.address().rsplit(':').next().unwrap().to_owned();
    for url in [
        "http://example.org/",
        "https://u:p@example.org/",
        "https:///x",
        "ftp://example.org/",
        "https://ex ample.org/",
        "https://example.org:0/",
    ] {
        assert_eq!(lab.home.run(&["webhook", "add", url]).code, Some(2), "{url}");
    }
    let inside = ["127.0.0.1", "[::1]", "10.1.2.3", "169.254.169.254", "0x7f.1", "[::ffff:192.168.0.1]", "192.168.1.1"];
    for host in inside.into_iter().chain(["localhost", "LocalHost.", "hook.localhost"]) {
        let run = lab.home.run(&["webhook", "add", &format!("https://{host}:{port}/")]);
        assert_eq!(run.code, Some(2), "{host}");
        assert!(run.stderr.contains("is not a public address") && run.stderr.contains("--private"), "{run:?}");
    }
    // One that is kept all the same, by a name that leads there or an older program, is told nothing either.
    let webhook = store::WebhookWrite {
        url: format!("https://127.0.0.1:{port}/"),
        secret: Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        types: Vec::new(),
        crates: Vec::new(),
        private: false,
    };
    lab.store.add_webhook(&webhook, 0, Timestamp::from_seconds(BEGIN)).await.unwrap();
    lab.deliveries.round().await.unwrap();
    let progress = lab.progress().await;
    assert!(progress.last_error.as_deref().unwrap().contains("not a public address"), "{progress:?}");
    assert_eq!(lab.receiver.received(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_type_or_no_place_in_the_feed_is_refused_with_what_there_is() {
    let lab = Lab::open(indexed(), false).await;
    let last = lab.store.last_number().await.unwrap();
    for (more, words) in [
        (&["--type", "provenance_change"][..], "provenance_changed"),
        (&["--type", "added", "--type", ""], "version_deleted"),
        (&["--after=-1"], "from 0 to"),
        (&["--after", &(last + 1).to_string()], "the newest event"),
    ] {
        let run = lab.home.run(&[&["webhook", "add", "https://example.org/"], more].concat());
        assert_eq!(run.code, Some(2), "{more:?}: {run:?}");
        assert!(run.stderr.contains(words), "{more:?}: {run:?}");
    }
    assert_eq!(lab.store.webhooks().await.unwrap(), []);
    lab.home.json(&["webhook", "add", "https://example.org/", "--type", "signal", "--after", &last.to_string()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offline_nothing_is_tried_and_what_is_due_stays_due() {
    let lab = Lab::open(indexed(), true).await;
    lab.subscribe(&[]);
    let before = lab.progress().await;
    assert_eq!(lab.deliveries.round().await.unwrap(), 0);
    assert_eq!(lab.progress().await, before);
    assert_eq!(lab.home.run(&["work", "--until-idle", "--no-source", "--offline"]).code, Some(0));
    assert_eq!((lab.progress().await, lab.receiver.received()), (before, vec![]));
    // Nobody holds it: who has a network tells at once.
    assert_eq!(lab.home.run(&["work", "--until-idle", "--no-source"]).code, Some(0));
    assert!(!lab.receiver.wait_for(1).is_empty());
}

#[test]
fn the_program_tells_while_it_works() {
    let home = indexed();
    let receiver = Receiver::start().unwrap();
    let url = format!("{}/hook", receiver.address());
    let added = home.json(&["webhook", "add", &url, "--private", "--after", "0"]);
    assert_eq!(home.run(&["work", "--until-idle", "--no-source"]).code, Some(0));
    assert!(!receiver.wait_for(1).is_empty());
    let listed = home.json(&["webhook", "list"]);
    assert_eq!(listed["webhooks"][0]["last_error"], json!(null));
    assert!(listed["webhooks"][0]["after"].as_i64() > Some(0));
    assert!(!listed.to_string().contains(added["secret"].as_str().unwrap()), "a secret is shown once");
}
