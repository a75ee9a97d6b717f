//! Webhooks against a receiver that answers what it is told to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use lazuli_spec::ErrorCode;
use lazuli_spec::invalid::Invalid;
use lazuli_spec::runs::KeyValue;
use lazuli_spec::webhooks::{
    DELIVERY_ID_HEADER, PER_WORKSPACE, SIGNATURE_HEADER, WebhookEvent, WebhookStatus,
};
use lazuli_store::testing::each_backend;
use serde_json::{Value, json};

use super::deliverer::{self, Options};
use super::{Answer, Failure, Outbound, Post, WebhookChange};
use crate::testing::TestCore;
use crate::workspaces::WorkspaceChange;

/// Notes what comes and answers from a list; 200 when it is empty.
#[derive(Default)]
struct Receiver {
    answers: Mutex<VecDeque<Result<Answer, Failure>>>,
    posts: Mutex<Vec<Post>>,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Receiver")
    }
}

#[async_trait]
impl Outbound for Receiver {
    async fn check(&self, url: &str) -> Result<(), Invalid> {
        if url.starts_with("https://") {
            return Ok(());
        }
        Err(Invalid::new("Invalid webhook URL scheme"))
    }

    async fn post(&self, post: Post) -> Result<Answer, Failure> {
        let slow = post.url.contains("slow");
        self.posts.lock().unwrap().push(post);
        if slow {
            std::future::pending::<()>().await;
        }
        let answer = self.answers.lock().unwrap().pop_front();
        answer.unwrap_or_else(|| Ok(status(200)))
    }
}

fn status(status: u16) -> Answer {
    Answer {
        status,
        ..Answer::default()
    }
}

impl Receiver {
    fn plugged_into(test: &TestCore) -> Arc<Self> {
        let receiver = Arc::new(Self::default());
        test.core.set_webhook_outbound(receiver.clone());
        receiver
    }

    fn answer(&self, answers: impl IntoIterator<Item = Result<Answer, Failure>>) {
        self.answers.lock().unwrap().extend(answers);
    }

    /// The posts, once there are so many.
    async fn wait_for(&self, count: usize) -> Vec<Post> {
        for _ in 0..400 {
            let posts = self.posts.lock().unwrap().clone();
            if posts.len() >= count {
                return posts;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!(
            "{} posts came, not {count}",
            self.posts.lock().unwrap().len()
        );
    }
}

fn header<'p>(post: &'p Post, name: &str) -> Option<&'p str> {
    let found = post.headers.iter().find(|(header, _)| *header == name);
    found.map(|(_, value)| value.as_str())
}

fn data(post: &Post) -> Value {
    let body: Value = serde_json::from_str(&post.body).unwrap();
    body["data"].clone()
}

fn hook(events: &[WebhookEvent]) -> WebhookChange {
    WebhookChange {
        name: Some("hook".to_owned()),
        url: Some("https://example.com/hook".to_owned()),
        events: Some(events.to_vec()),
        secret: Some("geheim".to_owned()),
        ..WebhookChange::default()
    }
}

fn options() -> Options {
    Options {
        tick: Duration::from_millis(10),
        retries: 3,
    }
}

async fn model(test: &TestCore, name: &str) {
    let made = test.core.create_registered_model(
        &test.admin,
        "default",
        name,
        vec![KeyValue::new("k", "v")],
        None,
    );
    made.await.unwrap();
}

#[test]
fn a_change_is_delivered_once_signed_and_whole() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let receiver = Receiver::plugged_into(&test);
        let change = hook(&[WebhookEvent::RegisteredModelCreated]);
        let made = test.core.create_webhook(&test.admin, "default", change);
        made.await.unwrap();
        let deliverer = deliverer::start(test.core.clone(), options());
        model(&test, "iris").await;
        let posts = receiver.wait_for(1).await;
        assert_eq!(
            data(&posts[0]),
            json!({"name": "iris", "tags": {"k": "v"}, "description": ""})
        );
        assert!(
            header(&posts[0], SIGNATURE_HEADER)
                .unwrap()
                .starts_with("v1,")
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(receiver.posts.lock().unwrap().len(), 1);
        deliverer.stop().await;
    });
}

#[test]
fn a_failed_delivery_is_tried_again_under_one_id_and_given_up_in_the_end() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let receiver = Receiver::plugged_into(&test);
        let change = hook(&[WebhookEvent::RegisteredModelCreated]);
        let made = test.core.create_webhook(&test.admin, "default", change);
        made.await.unwrap();
        let lost = Failure {
            message: "connection refused".to_owned(),
            for_good: false,
        };
        receiver.answer([Ok(status(500)), Err(lost), Ok(status(429)), Ok(status(503))]);
        let deliverer = deliverer::start(test.core.clone(), options());
        model(&test, "iris").await;
        for attempt in 1..=4 {
            let posts = receiver.wait_for(attempt).await;
            let ids: Vec<_> = posts
                .iter()
                .map(|post| header(post, DELIVERY_ID_HEADER))
                .collect();
            assert!(ids.iter().all(|id| *id == ids[0] && id.is_some()));
            // the pause is over when the clock says so
            test.clock.advance(Duration::from_secs(10));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(
            receiver.posts.lock().unwrap().len(),
            4,
            "four attempts and no more"
        );
        // a refusal that will not change is not tried again
        receiver.answer([Ok(status(404))]);
        model(&test, "tumours").await;
        receiver.wait_for(5).await;
        test.clock.advance(Duration::from_secs(100));
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(receiver.posts.lock().unwrap().len(), 5);
        deliverer.stop().await;
    });
}

#[test]
fn what_was_not_taken_is_sent_by_the_next_server() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let receiver = Receiver::plugged_into(&test);
        let change = hook(&[WebhookEvent::RegisteredModelCreated]);
        let made = test.core.create_webhook(&test.admin, "default", change);
        made.await.unwrap();
        model(&test, "iris").await;
        let first = deliverer::start(test.core.clone(), options());
        receiver.wait_for(1).await;
        first.stop().await;
        model(&test, "tumours").await;
        let second = deliverer::start(test.core.clone(), options());
        let posts = receiver.wait_for(2).await;
        assert_eq!(data(&posts[1])["name"], "tumours");
        second.stop().await;
    });
}

#[test]
fn receivers_that_never_answer_hold_up_no_other_workspace() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let receiver = Receiver::plugged_into(&test);
        let (core, admin) = (&test.core, &test.admin);
        let event = [WebhookEvent::RegisteredModelCreated];
        for _ in 0..40 {
            let change = WebhookChange {
                url: Some("https://slow.example.com".to_owned()),
                ..hook(&event)
            };
            core.create_webhook(admin, "default", change).await.unwrap();
        }
        core.create_workspace(admin, "other", WorkspaceChange::default())
            .await
            .unwrap();
        core.create_webhook(admin, "other", hook(&event))
            .await
            .unwrap();
        for name in ["a", "b", "c"] {
            model(&test, name).await;
        }
        let deliverer = deliverer::start(core.clone(), options());
        let slow = receiver.wait_for(8).await;
        assert!(slow.iter().all(|post| post.url.contains("slow")));
        core.create_registered_model(admin, "other", "iris", Vec::new(), None)
            .await
            .unwrap();
        let posts = receiver.wait_for(9).await;
        assert!(!posts[8].url.contains("slow"));
        deliverer.stop().await;
    });
}

#[test]
fn a_webhook_is_checked_changed_tried_out_and_removed() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        let receiver = Receiver::plugged_into(&test);
        let (core, admin) = (&test.core, &test.admin);
        let events = [WebhookEvent::PromptTagSet];
        for (wrong, words) in [
            (
                WebhookChange {
                    name: Some("a b".to_owned()),
                    ..hook(&events)
                },
                "Webhook name 'a b' is invalid",
            ),
            (
                WebhookChange {
                    url: Some("ftp://x".to_owned()),
                    ..hook(&events)
                },
                "scheme",
            ),
            (
                WebhookChange {
                    url: Some(format!("https://{}", "x".repeat(500))),
                    ..hook(&events)
                },
                "maximum length",
            ),
            (
                WebhookChange {
                    secret: Some("s".repeat(1_001)),
                    ..hook(&events)
                },
                "maximum length",
            ),
            (hook(&[]), "non-empty"),
        ] {
            let error = core
                .create_webhook(admin, "default", wrong)
                .await
                .unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidArgument);
            assert!(error.message.contains(words), "{}", error.message);
        }
        let made = core
            .create_webhook(admin, "default", hook(&events))
            .await
            .unwrap();
        let trial = core
            .test_webhook(admin, "default", &made.id, None)
            .await
            .unwrap();
        assert!(trial.success && trial.status == Some(200));
        assert!(header(&receiver.posts.lock().unwrap()[0], SIGNATURE_HEADER).is_some());
        let change = WebhookChange {
            status: Some(WebhookStatus::Disabled),
            secret: Some(String::new()),
            description: Some("for the team".to_owned()),
            ..WebhookChange::default()
        };
        let changed = core
            .update_webhook(admin, "default", &made.id, change)
            .await
            .unwrap();
        assert_eq!(changed.description.as_deref(), Some("for the team"));
        assert_eq!(
            (changed.status, changed.events.as_slice()),
            (WebhookStatus::Disabled, &events[..])
        );
        core.test_webhook(admin, "default", &made.id, None)
            .await
            .unwrap();
        assert!(header(&receiver.posts.lock().unwrap()[1], SIGNATURE_HEADER).is_none());
        core.delete_webhook(admin, "default", &made.id)
            .await
            .unwrap();
        let gone = core
            .get_webhook(admin, "default", &made.id)
            .await
            .unwrap_err();
        assert_eq!(
            gone.message,
            format!("Webhook with ID {} not found.", made.id)
        );
    });
}

#[test]
fn lists_are_paged_and_a_workspace_has_a_limit() {
    each_backend(|store| async move {
        let test = TestCore::over(store).await;
        Receiver::plugged_into(&test);
        let (core, admin) = (&test.core, &test.admin);
        for _ in 0..PER_WORKSPACE {
            let change = hook(&[WebhookEvent::PromptTagSet]);
            core.create_webhook(admin, "default", change).await.unwrap();
        }
        let more = core.create_webhook(admin, "default", hook(&[WebhookEvent::PromptTagSet]));
        assert!(more.await.unwrap_err().message.contains("at most"));
        let first = core
            .list_webhooks(admin, "default", 150, None)
            .await
            .unwrap();
        let token = first.next_page_token.unwrap();
        let second = core
            .list_webhooks(admin, "default", 150, Some(&token))
            .await
            .unwrap();
        assert_eq!((first.items.len(), second.items.len()), (150, 50));
        assert_eq!(second.next_page_token, None);
        for (limit, token) in [(1_001, None), (-1, None), (5, Some("x"))] {
            let refused = core.list_webhooks(admin, "default", limit, token).await;
            assert_eq!(refused.unwrap_err().code, ErrorCode::InvalidArgument);
        }
    });
}
