//! Assets on both back ends.

use std::collections::BTreeMap;

use lazuli_spec::Timestamp;
use lazuli_spec::assets::{Asset, AssetContent, AssetKind, ListView, Origin};
use lazuli_spec::code::CodeContent;
use lazuli_spec::data::{DataContent, DataType};
use lazuli_spec::trees::{ContentHash, Tree};

use crate::asset_lists::{AssetOrder, AssetSearch, names, of_job, versions, with_content};
use crate::assets::{find, insert, latest, mark_name, reserve, update};
use crate::testing::each_backend;
use crate::{Store, StoreError, Tx, contents};

const WS: &str = "w1";
const KIND: AssetKind = AssetKind::Data;

fn data(name: &str, version: &str, text: &str) -> Asset {
    let content =
        DataContent::elsewhere(DataType::UriFile, &format!("https://host/{text}")).unwrap();
    Asset {
        name: name.into(),
        version: version.into(),
        sequence: 0,
        content_hash: content.hash(),
        content: AssetContent::Data(content),
        size: 5,
        files: 1,
        description: "what it is".into(),
        tags: BTreeMap::new(),
        properties: [("by".to_owned(), "hand".to_owned())].into(),
        origin: Origin::default(),
        archived: false,
        created_at: Timestamp(0),
        created_by: "someone".into(),
        updated_at: Timestamp(0),
    }
}

/// Adds a version as the core does, numbering it when it has no version.
fn add(tx: &mut Tx<'_>, workspace: &str, mut asset: Asset, at: i64) -> Result<Asset, StoreError> {
    let place = reserve(
        tx,
        workspace,
        asset.content.kind(),
        &asset.name,
        Timestamp(at),
    )?;
    asset.sequence = place.sequence;
    (asset.created_at, asset.updated_at) = (Timestamp(at), Timestamp(at));
    if asset.version.is_empty() {
        asset.version = place.next_version.to_string();
    }
    insert(tx, workspace, &asset)?;
    Ok(asset)
}

fn search(view: ListView) -> AssetSearch {
    AssetSearch {
        kind: KIND,
        view,
        prefix: None,
        tag: None,
        order: AssetOrder::Name,
        descending: false,
        after: None,
        limit: 100,
    }
}

fn shown(found: &[Asset]) -> Vec<String> {
    found
        .iter()
        .map(|a| format!("{}:{}", a.name, a.version))
        .collect()
}

async fn write<T: Send + 'static>(
    store: &Store,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
) -> T {
    store.write(work).await.unwrap()
}

#[test]
fn numbers_follow_the_highest_and_latest_is_the_last_made() {
    each_backend(|store| async move {
        write(&store, |tx| {
            let made: Vec<String> = ["", "7", "beta", "", "2", ""]
                .iter()
                .enumerate()
                .map(|(at, version)| {
                    add(tx, WS, data("iris", version, "x"), at as i64).map(|a| a.version)
                })
                .collect::<Result<_, _>>()?;
            assert_eq!(made, ["1", "7", "beta", "8", "2", "9"]);
            assert_eq!(latest(tx, WS, KIND, "iris")?.unwrap().version, "9");
            assert_eq!(latest(tx, "w2", KIND, "iris")?, None);
            assert_eq!(latest(tx, WS, AssetKind::Environment, "iris")?, None);
            let found = find(tx, WS, KIND, "iris", "beta")?.unwrap();
            assert_eq!(
                found,
                Asset {
                    sequence: 3,
                    created_at: Timestamp(2),
                    updated_at: Timestamp(2),
                    ..data("iris", "beta", "x")
                }
            );
            Ok(())
        })
        .await;
    });
}

#[test]
fn writers_of_one_name_get_different_numbers() {
    each_backend(|store| async move {
        let writers: Vec<_> = (0..20)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move {
                    write(&store, |tx| add(tx, WS, data("iris", "", "x"), 1))
                        .await
                        .version
                })
            })
            .collect();
        let mut numbers = Vec::new();
        for writer in writers {
            numbers.push(writer.await.unwrap().parse::<i64>().unwrap());
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    });
}

#[test]
fn archived_versions_and_names_leave_lists_and_latest() {
    each_backend(|store| async move {
        write(&store, |tx| {
            for name in ["a", "b", "c"] {
                add(tx, WS, data(name, "", "1"), 1)?;
                add(tx, WS, data(name, "", "2"), 2)?;
            }
            let newest = find(tx, WS, KIND, "a", "2")?.unwrap();
            update(tx, WS, &newest, true)?;
            assert_eq!(mark_name(tx, WS, KIND, "b", true)?, Some(true));
            assert_eq!(mark_name(tx, WS, KIND, "b", true)?, Some(false));
            assert_eq!(mark_name(tx, WS, KIND, "x", true)?, None);

            assert_eq!(latest(tx, WS, KIND, "a")?.unwrap().version, "1");
            assert_eq!(latest(tx, WS, KIND, "b")?, None);
            assert!(find(tx, WS, KIND, "b", "1")?.unwrap().archived);
            assert_eq!(
                shown(&names(tx, WS, &search(ListView::ActiveOnly))?),
                ["a:1", "c:2"]
            );
            assert_eq!(
                shown(&names(tx, WS, &search(ListView::ArchivedOnly))?),
                ["b:2"]
            );
            assert_eq!(
                shown(&names(tx, WS, &search(ListView::All))?),
                ["a:2", "b:2", "c:2"]
            );
            let of = |tx: &mut Tx<'_>, name, view| versions(tx, WS, KIND, name, view, i64::MAX, 10);
            assert_eq!(shown(&of(tx, "a", ListView::ActiveOnly)?), ["a:1"]);
            assert_eq!(shown(&of(tx, "a", ListView::ArchivedOnly)?), ["a:2"]);
            assert_eq!(shown(&of(tx, "b", ListView::ArchivedOnly)?), ["b:2", "b:1"]);
            assert_eq!(
                shown(&versions(tx, WS, KIND, "a", ListView::All, 2, 10)?),
                ["a:1"]
            );
            Ok(())
        })
        .await;
    });
}

#[test]
fn lists_filter_sort_and_go_on_where_they_stopped() {
    each_backend(|store| async move {
        write(&store, |tx| {
            for (at, name) in ["iris", "iris_b", "wine", "ir.x"].iter().enumerate() {
                let tags = [("team".to_owned(), (*name).to_owned())].into();
                add(
                    tx,
                    WS,
                    Asset {
                        tags,
                        ..data(name, "", name)
                    },
                    10 - at as i64,
                )?;
            }
            let prefix = |text: &str| AssetSearch {
                prefix: Some(text.into()),
                ..search(ListView::All)
            };
            assert_eq!(
                shown(&names(tx, WS, &prefix("iris"))?),
                ["iris:1", "iris_b:1"]
            );
            assert_eq!(shown(&names(tx, WS, &prefix(""))?).len(), 4);
            let tag = |value: Option<&str>| AssetSearch {
                tag: Some(("team".into(), value.map(Into::into))),
                ..search(ListView::All)
            };
            assert_eq!(shown(&names(tx, WS, &tag(Some("wine")))?), ["wine:1"]);
            assert_eq!(names(tx, WS, &tag(None))?.len(), 4);

            for descending in [false, true] {
                for order in [AssetOrder::Name, AssetOrder::CreatedAt] {
                    let all = AssetSearch {
                        order,
                        descending,
                        ..search(ListView::All)
                    };
                    let whole = shown(&names(tx, WS, &all)?);
                    let (mut paged, mut after) = (Vec::new(), None);
                    loop {
                        let page = names(
                            tx,
                            WS,
                            &AssetSearch {
                                after,
                                limit: 1,
                                ..all.clone()
                            },
                        )?;
                        let Some(last) = page.last() else { break };
                        after = Some((last.created_at, last.name.clone()));
                        paged.extend(shown(&page));
                    }
                    assert_eq!(paged, whole);
                }
            }
            let by_time = AssetSearch {
                order: AssetOrder::CreatedAt,
                ..search(ListView::All)
            };
            assert_eq!(
                shown(&names(tx, WS, &by_time)?),
                ["ir.x:1", "wine:1", "iris_b:1", "iris:1"]
            );
            Ok(())
        })
        .await;
    });
}

#[test]
fn labels_change_and_tags_are_searched_as_they_are_now() {
    each_backend(|store| async move {
        write(&store, |tx| {
            let tags = [("old".to_owned(), "1".to_owned())].into();
            let mut asset = add(
                tx,
                WS,
                Asset {
                    tags,
                    ..data("iris", "", "x")
                },
                1,
            )?;
            asset.tags = [("new".to_owned(), "2".to_owned())].into();
            asset.description = "other".into();
            asset.updated_at = Timestamp(9);
            update(tx, WS, &asset, false)?;
            assert_eq!(find(tx, WS, KIND, "iris", "1")?, Some(asset));
            let with = |key: &str| AssetSearch {
                tag: Some((key.into(), None)),
                ..search(ListView::All)
            };
            assert_eq!(names(tx, WS, &with("old"))?.len(), 0);
            assert_eq!(names(tx, WS, &with("new"))?.len(), 1);
            Ok(())
        })
        .await;
    });
}

#[test]
fn lineage_goes_both_ways() {
    each_backend(|store| async move {
        write(&store, |tx| {
            let origin = Origin {
                job: Some("job1".into()),
                output: Some("model_data".into()),
            };
            let made = add(
                tx,
                WS,
                Asset {
                    origin,
                    ..data("out", "", "x")
                },
                2,
            )?;
            let first = add(tx, WS, data("in", "", "x"), 1)?;
            assert_eq!(of_job(tx, WS, "job1")?, std::slice::from_ref(&made));
            assert_eq!(with_content(tx, WS, &made.content_hash, 10)?, [first, made]);
            Ok(())
        })
        .await;
    });
}

#[test]
fn content_belongs_to_a_workspace() {
    each_backend(|store| async move {
        write(&store, |tx| {
            let hashes: Vec<_> = (0..40_u8).map(|n| ContentHash::of(&[n])).collect();
            for (size, hash) in hashes.iter().enumerate().take(30) {
                contents::insert(tx, WS, hash, size as u64, Timestamp(1))?;
                contents::insert(tx, WS, hash, size as u64, Timestamp(2))?;
            }
            let found = contents::sizes(tx, WS, &hashes)?;
            assert_eq!(found.len(), 30);
            assert_eq!(found[&hashes[7]], 7);
            assert_eq!(contents::sizes(tx, "w2", &hashes)?.len(), 0);
            assert_eq!(contents::sizes(tx, WS, &[])?.len(), 0);

            let tree = Tree::of_file("a", 1, hashes[1].clone()).unwrap();
            contents::insert_tree(tx, WS, &tree.id(), &tree, Timestamp(1))?;
            contents::insert_tree(tx, WS, &tree.id(), &tree, Timestamp(1))?;
            assert!(contents::has_tree(tx, WS, &tree.id())?);
            assert!(!contents::has_tree(tx, "w2", &tree.id())?);
            let code = AssetContent::Code(CodeContent { tree: tree.id() });
            let asset = Asset {
                content_hash: code.hash(),
                content: code,
                ..data(tree.id().as_str(), "1", "x")
            };
            let made = add(tx, WS, asset, 1)?;
            assert_eq!(
                find(tx, WS, AssetKind::Code, tree.id().as_str(), "1")?,
                Some(made)
            );
            Ok(())
        })
        .await;
    });
}
