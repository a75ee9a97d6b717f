//! Links: what they open, for how long, and what cannot be changed about them.

use std::time::Duration;

use lazuli_spec::Clock as _;
use lazuli_spec::audit::Outcome;
use lazuli_store::testing::run;

use super::*;
use crate::audit::AuditFilter;
use crate::testing::TestCore;

const HOUR: Duration = USUAL_LIFETIME;

async fn with_a_file(path: &str) -> TestCore {
    let test = TestCore::start().await;
    put(&test, path, b"0123456789").await;
    test
}

async fn put(test: &TestCore, path: &str, bytes: &'static [u8]) {
    let body = futures::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from_static(bytes))]);
    let put = test
        .core
        .put_artifact(&test.admin, "default", path, body)
        .await;
    put.unwrap();
}

fn artifact(path: &str) -> LinkTarget {
    LinkTarget::Artifact {
        path: path.to_owned(),
    }
}

async fn made(test: &TestCore, path: &str) -> Link {
    let link = test
        .core
        .create_link(&test.admin, "default", artifact(path), HOUR)
        .await;
    link.unwrap()
}

fn check(test: &TestCore, url: &str) -> Result<SignedLink> {
    let (path, query) = url.split_once('?').unwrap();
    test.core.check_link("GET", path, query)
}

#[test]
fn a_link_opens_its_file_until_it_expires() {
    run(async {
        let test = with_a_file("mine/a b%41.txt").await;
        let link = made(&test, "mine/a b%41.txt").await;
        assert_eq!(
            link.expires_at,
            Timestamp(crate::testing::START.0 + 3_600_000_000)
        );
        let signed = check(&test, &link.url).unwrap();
        let file = test.core.open_link(&signed, None).await.unwrap();
        assert_eq!(file.name, "a b%41.txt");
        assert_eq!(file.read.bytes(100).await.unwrap(), "0123456789");
        let part = test
            .core
            .open_link(&signed, Some(ByteRange::Between(2, 4)))
            .await;
        assert_eq!(part.unwrap().read.bytes(100).await.unwrap(), "23");
        let (path, query) = link.url.split_once('?').unwrap();
        assert!(test.core.check_link("HEAD", path, query).is_ok());

        test.clock.advance(HOUR);
        assert_eq!(test.clock.now(), link.expires_at);
        let expired = check(&test, &link.url).unwrap_err();
        assert_eq!(expired.code, ErrorCode::PermissionDenied);
        assert!(expired.message.contains("expired"), "{expired}");
    });
}

#[test]
fn nothing_about_a_link_can_be_changed() {
    run(async {
        let test = with_a_file("mine/a.txt").await;
        put(&test, "mine/b.txt", b"other").await;
        let url = made(&test, "mine/a.txt").await.url;
        let (path, query) = url.split_once('?').unwrap();
        let workspace_id = path.split('/').nth(4).unwrap();
        for changed in [
            url.replace("a.txt", "b.txt"),
            url.replace(workspace_id, "another"),
            url.replace("artifacts", "logs"),
            url.replace("lz-expires=1", "lz-expires=2"),
            format!("{path}/..?{query}"),
            format!("{url}&lz-max=1"),
        ] {
            let refused = check(&test, &changed).unwrap_err();
            assert_eq!(refused.code, ErrorCode::PermissionDenied, "{changed}");
        }
        for method in ["PUT", "DELETE", "POST", "get"] {
            assert!(
                test.core.check_link(method, path, query).is_err(),
                "{method}"
            );
        }
        let bare = test.core.check_link("GET", path, "").unwrap_err();
        assert_eq!(bare.code, ErrorCode::Unauthenticated);
    });
}

#[test]
fn only_who_may_read_makes_a_link_and_only_to_what_is_there() {
    run(async {
        let test = with_a_file("mine/a.txt").await;
        let (stranger, _) = test.user("stranger", None).await;
        let (writer, _) = test
            .user("writer", Some(("default", "AzureML Metrics Writer")))
            .await;
        let core = &test.core;
        let ask = async |caller: &Caller, path: &str, lifetime| {
            core.create_link(caller, "default", artifact(path), lifetime)
                .await
                .map_err(|error| error.code)
        };
        let cases = [
            (&stranger, "mine/a.txt", HOUR, ErrorCode::NotFound),
            (&writer, "mine/a.txt", HOUR, ErrorCode::PermissionDenied),
            (&test.admin, "mine/none", HOUR, ErrorCode::NotFound),
            (&test.admin, "../a.txt", HOUR, ErrorCode::InvalidArgument),
            (
                &test.admin,
                "mine/a.txt",
                Duration::ZERO,
                ErrorCode::InvalidArgument,
            ),
            (
                &test.admin,
                "mine/a.txt",
                LONGEST_LIFETIME + Duration::from_secs(1),
                ErrorCode::InvalidArgument,
            ),
        ];
        for (caller, path, lifetime, expected) in cases {
            let refused = ask(caller, path, lifetime).await.unwrap_err();
            assert_eq!(refused, expected, "{path} {lifetime:?}");
        }
        assert!(
            ask(&test.admin, "mine/a.txt", LONGEST_LIFETIME)
                .await
                .is_ok()
        );
    });
}

#[test]
fn a_link_outlives_the_right_it_was_made_with_and_is_on_record() {
    run(async {
        let test = with_a_file("mine/a.txt").await;
        let (reader, _) = test.user("reader", Some(("default", "Reader"))).await;
        let link = test
            .core
            .create_link(&reader, "default", artifact("mine/a.txt"), HOUR)
            .await
            .unwrap();
        test.core
            .set_principal_disabled(&test.admin, "reader", true)
            .await
            .unwrap();
        let signed = check(&test, &link.url).unwrap();
        assert!(test.core.open_link(&signed, None).await.is_ok());

        let filter = AuditFilter {
            principal: Some("reader".to_owned()),
            outcome: Some(Outcome::Allowed),
            ..AuditFilter::default()
        };
        let paging = lazuli_spec::PageRequest::default();
        let records = test.core.list_audit(&test.admin, filter, paging).await;
        let records = records.unwrap().items;
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].workspace, "default");
        assert!(
            records[0].target.starts_with("links/artifacts/mine/a.txt"),
            "{}",
            records[0].target
        );
        assert!(!format!("{link:?}").contains("lz-signature"));
    });
}

#[test]
fn every_file_is_read_from_its_own_address() {
    let text = |text: &str| text.to_owned();
    for file in [
        File::Artifact(text("0/abc/artifacts/ä b/%2F.txt")),
        File::Data([text("iris"), text("1"), text("a/b?c.csv")]),
        File::Log([text("job"), text("user_logs/std_log.txt")]),
    ] {
        let address = file.address("w-1");
        assert_eq!(File::read(&address), Some((text("w-1"), file)), "{address}");
    }
    for other in [
        "/api/v1/links",
        "/api/v1/links/w",
        "/api/v1/links/w/data/x/1",
        "/api/v1/links/w/logs/x",
        "/api/v1/links/w/other/x",
        "/api/v1/linksx/w/artifacts/x",
        "/api/v1/links/w/artifacts/%FF",
    ] {
        assert_eq!(File::read(other), None, "{other}");
    }
}
