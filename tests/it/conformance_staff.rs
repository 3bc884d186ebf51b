//! What every backend must do for staff and subscribers: tokens, reviews, the record of deeds, subscriptions.

use schema::{CratePattern, IndexLine, KrateName, ReleaseId, Scope, Secret, Sha256, Timestamp};
use store::{
    DeedWrite, KrateWrite, LineWrite, Outcome, ReviewWrite, SourceState, Store, TokenWrite, WebhookProgress,
    WebhookWrite,
};

use crate::conformance::on_every_backend;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const LATER: Timestamp = Timestamp::from_seconds(1_800_000_100);

fn token(name: &str) -> TokenWrite {
    TokenWrite {
        name: name.to_owned(),
        digest: Sha256::from_bytes([9; 32]),
        scopes: vec![Scope::Yank, Scope::Read],
        crates: vec![CratePattern::parse("serde-*").unwrap(), CratePattern::parse("*").unwrap()],
        expires_at: Some(LATER),
    }
}

async fn release(store: &dyn Store) -> ReleaseId {
    let source = SourceState { address: "test".to_owned(), ..SourceState::default() };
    let source = store.note_source(&source).await.unwrap();
    let cksum = "ab".repeat(32);
    let raw =
        format!(r#"{{"name":"alpha","vers":"1.0.0","deps":[],"cksum":"{cksum}","features":{{}},"yanked":false}}"#);
    let line = Box::new(IndexLine::parse(&raw).unwrap());
    let name = KrateName::parse("alpha").unwrap();
    let insert = LineWrite::Insert { generation: schema::Generation::FIRST, line, raw, changes: Vec::new() };
    store.apply(source, &[KrateWrite::new(name.clone(), 0, vec![insert])], NOW).await.unwrap();
    store.releases(&name.canonical()).await.unwrap().unwrap()[0].id
}

#[test]
fn a_token_is_kept_used_expires_and_is_taken_back() {
    on_every_backend(|store| async move {
        let (first, second) = (token("first"), TokenWrite { expires_at: None, crates: Vec::new(), ..token("second") });
        let id = store.add_token(&first, NOW).await.unwrap();
        let other = store.add_token(&second, NOW).await.unwrap();
        assert_ne!(id, other);
        let kept = store.token(id).await.unwrap().unwrap();
        assert_eq!((&kept.token, kept.created_at, kept.revoked_at, kept.last_used_at), (&first, NOW, None, None));
        assert!(kept.is_valid(NOW) && !kept.is_valid(LATER), "from the instant it expires it allows nothing");
        assert!(store.token(other).await.unwrap().unwrap().is_valid(LATER));
        assert_eq!(store.token(id + other + 1).await.unwrap(), None);

        store.note_token_used(id, LATER).await.unwrap();
        assert!(store.revoke_token(id, LATER).await.unwrap());
        assert!(!store.revoke_token(id, LATER).await.unwrap(), "taken back before");
        assert!(!store.revoke_token(id + other + 1, LATER).await.unwrap(), "never there");
        let tokens = store.tokens().await.unwrap();
        assert_eq!(tokens.iter().map(|row| row.id).collect::<Vec<_>>(), [id, other]);
        assert_eq!((tokens[0].revoked_at, tokens[0].last_used_at), (Some(LATER), Some(LATER)));
        assert!(!tokens[0].is_valid(NOW));
    });
}

#[test]
fn reviews_are_kept_beside_each_other() {
    on_every_backend(|store| async move {
        let (release, by) = (release(store.as_ref()).await, store.add_token(&token("us"), NOW).await.unwrap());
        let review = |state: &str| ReviewWrite {
            release,
            finding: "content.hidden-unicode".to_owned(),
            state: state.to_owned(),
            reason: "a \u{202e} in a test".to_owned(),
            token: by,
        };
        store.add_review(&review("watching"), NOW).await.unwrap();
        store.add_review(&review("accepted"), LATER).await.unwrap();
        let kept = store.reviews(release).await.unwrap();
        assert_eq!(
            kept.iter().map(|row| (&row.review, row.at)).collect::<Vec<_>>(),
            [(&review("watching"), NOW), (&review("accepted"), LATER),]
        );
        assert_eq!(store.reviews(ReleaseId(release.0 + 1)).await.unwrap(), []);
        // Of a release that is not there nothing can be said.
        assert!(
            store.add_review(&ReviewWrite { release: ReleaseId(release.0 + 1), ..review("open") }, NOW).await.is_err()
        );
    });
}

#[test]
fn a_deed_is_noted_before_and_its_end_once() {
    on_every_backend(|store| async move {
        let deed = |action: &str, token| DeedWrite {
            token,
            actor: "us".to_owned(),
            action: action.to_owned(),
            subject: "alpha@1.0.0".to_owned(),
            reason: "because".to_owned(),
        };
        let first = store.begin_deed(&deed("yank", Some(7)), NOW).await.unwrap();
        let second = store.begin_deed(&deed("retry", None), LATER).await.unwrap();
        assert!(second > first);
        store.end_deed(first, Outcome::Refused, "{\"why\":1}").await.unwrap();
        store.end_deed(first, Outcome::Done, "{}").await.unwrap();
        let deeds = store.deeds(0, 10).await.unwrap();
        let told: Vec<_> = deeds.iter().map(|row| (row.id, row.outcome, row.detail.as_str(), row.at)).collect();
        assert_eq!(told, [(first, Outcome::Refused, "{\"why\":1}", NOW), (second, Outcome::Begun, "{}", LATER)]);
        assert_eq!((&deeds[0].deed, &deeds[1].deed), (&deed("yank", Some(7)), &deed("retry", None)));
        assert_eq!(store.deeds(first, 10).await.unwrap().len(), 1);
        assert_eq!(store.deeds(0, 1).await.unwrap().len(), 1);
    });
}

#[test]
fn a_subscription_is_held_by_one_and_goes_only_forward() {
    on_every_backend(|store| async move {
        let webhook = WebhookWrite {
            url: "https://example.org/hook".to_owned(),
            secret: Secret::new("whsec_secret"),
            types: vec!["added".to_owned()],
            crates: vec![CratePattern::parse("alpha").unwrap()],
            private: true,
        };
        let id = store.add_webhook(&webhook, 5, NOW).await.unwrap();
        let taken = store.take_webhooks(NOW, LATER, 0, 9).await.unwrap();
        assert_eq!(
            taken.iter().map(|row| (row.id, &row.webhook, row.progress.cursor)).collect::<Vec<_>>(),
            [(id, &webhook, 5)]
        );
        assert_eq!(store.take_webhooks(NOW, LATER, 0, 9).await.unwrap(), [], "somebody holds it");
        assert_eq!(
            store.take_webhooks(LATER, LATER.plus_seconds(1), 0, 9).await.unwrap().len(),
            1,
            "who held it is gone"
        );

        let progress = WebhookProgress {
            cursor: 9,
            tries: 2,
            next_at: LATER.plus_seconds(10),
            last_error: Some("answered 500".to_owned()),
            last_success_at: Some(NOW),
            disabled: None,
        };
        store.note_webhook(id, LATER, &progress).await.unwrap();
        assert_ne!(store.webhooks().await.unwrap()[0].progress, progress, "who lost it notes nothing");
        store.note_webhook(id, LATER.plus_seconds(1), &progress).await.unwrap();
        assert_eq!(store.webhooks().await.unwrap()[0].progress, progress);
        assert_eq!(store.take_webhooks(LATER, LATER.plus_seconds(9), 0, 9).await.unwrap(), [], "not due");
        let held = LATER.plus_seconds(60);
        assert_eq!(
            store.take_webhooks(LATER.plus_seconds(10), held, id, 9).await.unwrap(),
            [],
            "its number is not above"
        );
        assert_eq!(store.take_webhooks(LATER.plus_seconds(10), held, 0, 0).await.unwrap(), [], "none is wanted");
        assert_eq!(store.take_webhooks(LATER.plus_seconds(10), held, 0, 1).await.unwrap().len(), 1);
        store.note_webhook(id, held, &WebhookProgress { cursor: 3, ..progress.clone() }).await.unwrap();
        assert_eq!(store.webhooks().await.unwrap()[0].progress.cursor, 9, "who is late moves nothing back");

        assert!(!store.resume_webhook(id, LATER).await.unwrap(), "it is not disabled");
        let disabled = Some((LATER, "gone".to_owned()));
        store.take_webhooks(LATER.plus_seconds(10), held, 0, 1).await.unwrap();
        let is_gone = WebhookProgress { disabled: disabled.clone(), ..progress.clone() };
        store.note_webhook(id, held, &is_gone).await.unwrap();
        assert_eq!(store.webhooks().await.unwrap()[0].progress.disabled, disabled);
        assert_eq!(store.take_webhooks(LATER.plus_seconds(99), LATER.plus_seconds(100), 0, 9).await.unwrap(), []);
        assert!(store.resume_webhook(id, LATER).await.unwrap());
        let resumed = store.take_webhooks(LATER, LATER.plus_seconds(9), 0, 9).await.unwrap();
        assert_eq!((resumed[0].progress.tries, resumed[0].progress.cursor), (0, 9));
        assert!(store.remove_webhook(id).await.unwrap());
        assert!(!store.remove_webhook(id).await.unwrap());
        // The record of deeds names subscriptions by number.
        assert!(store.add_webhook(&webhook, 5, NOW).await.unwrap() > id, "a number is never given twice");
    });
}
