//! Uploads in parts: who may do what with one, and for how long.

use lazuli_spec::Clock as _;
use lazuli_store::testing::run;

use super::*;
use crate::testing::TestCore;

const PLACE: &str = "mine/big.bin";

fn body(bytes: &'static [u8]) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send {
    futures::stream::iter([Ok(Bytes::from_static(bytes))])
}

async fn begun(test: &TestCore, parts: u32) -> StartedUpload {
    let begun = test
        .core
        .create_upload(&test.admin, "default", PLACE, parts)
        .await;
    begun.unwrap()
}

/// As whoever has the address.
async fn send(test: &TestCore, url: &str, bytes: &'static [u8]) -> Result<String> {
    let (path, query) = url.split_once('?').unwrap();
    let link = test.core.check_link("PUT", path, query)?;
    test.core.put_linked(&link, body(bytes)).await
}

async fn complete(
    test: &TestCore,
    caller: &Caller,
    path: &str,
    id: &str,
    parts: &[(u32, Option<String>)],
) -> Result<()> {
    let named = (path, id);
    test.core
        .complete_upload(caller, "default", named, parts)
        .await
}

async fn content(test: &TestCore, path: &str) -> Result<Bytes> {
    let read = test
        .core
        .get_artifact(&test.admin, "default", path, None)
        .await?;
    Ok(read.bytes(1_000).await?)
}

#[test]
fn a_file_comes_in_parts_and_shows_when_it_is_whole() {
    run(async {
        let test = TestCore::start().await;
        let upload = begun(&test, 2).await;
        assert_eq!(upload.urls.len(), 2);
        let two = send(&test, &upload.urls[1], b"world").await.unwrap();
        let one = send(&test, &upload.urls[0], b"hello ").await.unwrap();
        assert_eq!(
            content(&test, PLACE).await.unwrap_err().code,
            ErrorCode::NotFound
        );
        let parts = [(1, Some(one)), (2, Some(two))];
        for _ in 0..2 {
            complete(&test, &test.admin, PLACE, &upload.id, &parts)
                .await
                .unwrap();
        }
        assert_eq!(content(&test, PLACE).await.unwrap(), "hello world");
        let late = send(&test, &upload.urls[0], b"late").await.unwrap_err();
        assert_eq!(late.code, ErrorCode::NotFound);
    });
}

#[test]
fn an_address_is_for_its_part_only_and_ends() {
    run(async {
        let test = TestCore::start().await;
        let upload = begun(&test, 2).await;
        let url = &upload.urls[0];
        let (path, query) = url.split_once('?').unwrap();
        for (method, path) in [
            ("GET", path.to_owned()),
            ("PUT", path.replace("/1", "/2")),
            ("PUT", path.replace(&upload.id, &"0".repeat(32))),
        ] {
            let refused = test.core.check_link(method, &path, query).unwrap_err();
            assert_eq!(refused.code, ErrorCode::PermissionDenied, "{method} {path}");
        }
        test.clock.advance(PART_LIFETIME);
        let ended = send(&test, url, b"x").await.unwrap_err();
        assert!(ended.message.contains("expired"), "{ended}");
    });
}

#[test]
fn an_upload_is_completed_and_aborted_by_those_who_may_write_there_and_only_there() {
    run(async {
        let test = TestCore::start().await;
        let (reader, _) = test.user("reader", Some(("default", "Reader"))).await;
        let upload = begun(&test, 1).await;
        send(&test, &upload.urls[0], b"x").await.unwrap();
        let parts = [(1, None)];
        let refused = complete(&test, &reader, PLACE, &upload.id, &parts)
            .await
            .unwrap_err();
        assert_eq!(refused.code, ErrorCode::PermissionDenied);
        let elsewhere = complete(&test, &test.admin, "mine/other", &upload.id, &parts)
            .await
            .unwrap_err();
        assert_eq!(elsewhere.code, ErrorCode::NotFound);
        let (core, admin) = (&test.core, &test.admin);
        core.abort_upload(admin, "default", "mine/other", &upload.id)
            .await
            .unwrap();
        let bad = core.abort_upload(admin, "default", PLACE, "../x").await;
        assert_eq!(bad.unwrap_err().code, ErrorCode::InvalidArgument);
        for _ in 0..2 {
            core.abort_upload(admin, "default", PLACE, &upload.id)
                .await
                .unwrap();
        }
        let gone = complete(&test, admin, PLACE, &upload.id, &parts)
            .await
            .unwrap_err();
        assert_eq!(gone.code, ErrorCode::NotFound);
    });
}

#[test]
fn an_address_to_write_one_file_works_without_a_token() {
    run(async {
        let test = TestCore::start().await;
        let (core, admin) = (&test.core, &test.admin);
        let hour = Duration::from_hours(1);
        let link = core.create_upload_link(admin, "default", "mine/a b#.txt", hour);
        let link = link.await.unwrap();
        assert_eq!(link.expires_at, test.clock.now().plus(hour));
        send(&test, &link.url, b"one").await.unwrap();
        send(&test, &link.url, b"two").await.unwrap();
        assert_eq!(content(&test, "mine/a b#.txt").await.unwrap(), "two");
        let (path, query) = link.url.split_once('?').unwrap();
        assert!(core.check_link("GET", path, query).is_err());
        let long = core.create_upload_link(admin, "default", "mine/x", hour * 200);
        assert_eq!(long.await.unwrap_err().code, ErrorCode::InvalidArgument);
    });
}

#[test]
fn an_address_ends_with_the_token_that_made_it() {
    run(async {
        let test = TestCore::start().await;
        let soon = test.clock.now().plus(Duration::from_mins(5));
        let mut caller = test.admin.clone();
        caller.token_ends = Some(soon);
        let link = test
            .core
            .create_upload_link(&caller, "default", PLACE, Duration::from_hours(1))
            .await
            .unwrap();
        assert_eq!(link.expires_at, soon);
        send(&test, &link.url, b"in time").await.unwrap();
        test.clock.advance(Duration::from_mins(5));
        assert!(send(&test, &link.url, b"late").await.is_err());
    });
}
