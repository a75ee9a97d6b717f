//! Webhooks and what waits for them, on every back end that is at hand.

use super::*;
use crate::testing::each_backend;
use crate::tracking_fixture::with;

const EVENTS: [WebhookEvent; 2] = [
    WebhookEvent::ModelVersionCreated,
    WebhookEvent::PromptTagSet,
];

fn row(id: &str, created_at: i64) -> WebhookRow {
    WebhookRow {
        webhook: Webhook {
            id: id.to_owned(),
            name: format!("name of {id}"),
            description: None,
            url: "https://example.com/hook".to_owned(),
            events: EVENTS.to_vec(),
            status: WebhookStatus::Active,
            created_at: Timestamp(created_at),
            updated_at: Timestamp(created_at),
        },
        secret: Some(vec![1, 2, 3]),
    }
}

fn workspace(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO workspaces (id, name, display_name, description, tags, created_at, created_by, updated_at)
         VALUES ($1, $1, '', '', '{}', 0, '', 0)",
        params![id],
    )
    .map(drop)
}

fn ids(rows: &[WebhookRow]) -> Vec<&str> {
    rows.iter().map(|row| row.webhook.id.as_str()).collect()
}

#[test]
fn webhooks_are_kept_listed_changed_and_removed() {
    each_backend(|store| async move {
        with(&store, |tx| {
            workspace(tx, "w")?;
            workspace(tx, "other")?;
            for (id, at) in [("a", 1), ("b", 2), ("c", 2)] {
                insert(tx, "w", &row(id, at), "somebody")?;
            }
            assert_eq!(ids(&list(tx, "w", None, 2)?), ["c", "b"]);
            assert_eq!(ids(&list(tx, "w", Some((Timestamp(2), "b")), 2)?), ["a"]);
            assert_eq!((count(tx, "w")?, count(tx, "other")?), (3, 0));
            assert!(find(tx, "other", "a")?.is_none());
            let mut changed = row("a", 1);
            changed.webhook.status = WebhookStatus::Disabled;
            changed.webhook.events.truncate(1);
            changed.secret = None;
            update(tx, &changed)?;
            let found = find(tx, "w", "a")?.ok_or(StoreError::NotFound)?;
            assert_eq!(found.webhook, changed.webhook);
            assert_eq!(found.secret, None);
            delete(tx, "a")?;
            assert!(find(tx, "w", "a")?.is_none());
            Ok(())
        })
        .await;
    });
}

#[test]
fn a_change_is_told_to_those_who_asked_and_waits_until_it_is_taken() {
    each_backend(|store| async move {
        with(&store, |tx| {
            workspace(tx, "w")?;
            workspace(tx, "other")?;
            insert(tx, "w", &row("a", 1), "")?;
            insert(tx, "other", &row("b", 1), "")?;
            let mut disabled = row("c", 1);
            disabled.webhook.status = WebhookStatus::Disabled;
            insert(tx, "w", &disabled, "")?;
            let now = Timestamp(10);
            let told =
                |tx: &mut Tx<'_>, place, event| enqueue(tx, "w", (7, place), event, "{}", now);
            assert!(told(tx, 0, WebhookEvent::PromptTagSet)?);
            assert!(!told(tx, 1, WebhookEvent::PromptCreated)?);
            assert!(due(tx, Timestamp(9), (3, 10), 10)?.is_empty());
            let waiting = due(tx, now, (3, 10), 10)?;
            assert_eq!(waiting.len(), 1);
            assert_eq!(waiting[0].key.webhook_id, "a");
            assert_eq!(waiting[0].workspace, "w");
            assert_eq!(waiting[0].secret.as_deref(), Some(&[1, 2, 3][..]));
            postpone(tx, &waiting[0].key, 1, Timestamp(20))?;
            assert!(due(tx, now, (3, 10), 10)?.is_empty());
            assert_eq!(due(tx, Timestamp(20), (3, 10), 10)?[0].failures, 1);
            done(tx, &waiting[0].key)?;
            assert!(due(tx, Timestamp(99), (3, 10), 10)?.is_empty());
            Ok(())
        })
        .await;
    });
}

#[test]
fn one_slow_receiver_does_not_fill_the_queue_of_all() {
    each_backend(|store| async move {
        with(&store, |tx| {
            workspace(tx, "w")?;
            workspace(tx, "other")?;
            insert(tx, "w", &row("a", 1), "")?;
            insert(tx, "other", &row("b", 1), "")?;
            for sequence in 0..=WAITING {
                let event = WebhookEvent::PromptTagSet;
                let added = enqueue(tx, "w", (sequence, 0), event, "{}", Timestamp(sequence))?;
                assert_eq!(added, sequence < WAITING);
            }
            enqueue(
                tx,
                "other",
                (5_000, 0),
                WebhookEvent::PromptTagSet,
                "{}",
                Timestamp(5_000),
            )?;
            let whose = |tx: &mut Tx<'_>, most, limit| -> Result<Vec<String>, StoreError> {
                let waiting = due(tx, Timestamp(9_000), most, limit)?;
                Ok(waiting.into_iter().map(|due| due.key.webhook_id).collect())
            };
            assert_eq!(whose(tx, (2, 10), 10)?, ["a", "b", "a"]);
            assert_eq!(whose(tx, (9, 1), 10)?, ["a", "b"]);
            // many slow receivers of one workspace are no way around it
            for id in ["c", "d", "e"] {
                insert(tx, "w", &row(id, 1), "")?;
            }
            for sequence in 2_000..2_003 {
                let at = Timestamp(sequence);
                enqueue(tx, "w", (sequence, 0), WebhookEvent::PromptTagSet, "{}", at)?;
            }
            assert_eq!(whose(tx, (3, 6), 3)?, ["a", "b", "c"]);
            assert_eq!(whose(tx, (3, 6), 99)?, ["a", "b", "c", "d", "e", "a", "c"]);
            Ok(())
        })
        .await;
    });
}
