//! Lists on both back ends: filters, orders, and pages that lose and repeat nothing.

use std::collections::BTreeMap;

use lazuli_spec::Timestamp;
use lazuli_spec::assets::ListView;
use lazuli_spec::lists::{ListFilter, ListOrder, SortKey};
use lazuli_spec::principals::{Principal, PrincipalKind};
use lazuli_spec::roles::RoleAssignment;
use lazuli_spec::runs::KeyValue;
use lazuli_spec::tokens::{Token, TokenState};
use lazuli_spec::workspaces::Workspace;
use lazuli_store::lists::{Keyed, ListSearch};
use lazuli_store::roles::AssignmentFilter;
use lazuli_store::testing::each_backend;
use lazuli_store::tokens::TokenFilter;
use lazuli_store::{
    Store, StoreError, Tx, Value, model_lists, models, principals, roles, tokens, workspaces,
};

fn by(key: SortKey, descending: bool) -> ListFilter {
    ListFilter {
        order: ListOrder { key, descending },
        ..ListFilter::default()
    }
}

fn prefix(text: &str) -> ListFilter {
    ListFilter {
        prefix: Some(text.to_owned()),
        ..ListFilter::default()
    }
}

fn tag(key: &str, value: Option<&str>) -> ListFilter {
    ListFilter {
        tag: Some((key.to_owned(), value.map(str::to_owned))),
        ..ListFilter::default()
    }
}

/// All rows, read in pages of two.
fn paged<T>(
    filter: &ListFilter,
    mut list: impl FnMut(&ListSearch) -> Result<Vec<Keyed<T>>, StoreError>,
) -> Vec<T> {
    let mut search = ListSearch {
        filter: filter.clone(),
        ..ListSearch::first(2)
    };
    let mut all = Vec::new();
    loop {
        let rows = list(&search).unwrap();
        let Some((_, last)) = rows.last() else {
            return all;
        };
        search.after = Some(last.clone());
        all.extend(rows.into_iter().map(|(row, _)| row));
    }
}

async fn on(store: &Store, body: impl FnOnce(&mut Tx<'_>) + Send + 'static) {
    let done = store.write(move |tx| {
        body(tx);
        Ok::<_, StoreError>(())
    });
    done.await.unwrap();
}

fn workspace(tx: &mut Tx<'_>, name: &str, at: i64, tags: &[(&str, &str)]) {
    let tags = tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    let workspace = Workspace {
        id: name.to_owned(),
        name: name.to_owned(),
        display_name: String::new(),
        description: String::new(),
        tags: tags.collect::<BTreeMap<_, _>>(),
        created_at: Timestamp(at),
        created_by: "p".to_owned(),
        updated_at: Timestamp(10 - at),
    };
    workspaces::insert(tx, &workspace).unwrap();
}

fn principal(tx: &mut Tx<'_>, name: &str, kind: PrincipalKind, at: i64) {
    let principal = Principal {
        id: format!("id-{name}"),
        kind,
        name: name.to_owned(),
        display_name: String::new(),
        disabled: false,
        created_at: Timestamp(at),
        created_by: "p".to_owned(),
    };
    principals::insert(tx, &principal, None).unwrap();
}

#[test]
fn workspaces_are_filtered_sorted_and_paged() {
    each_backend(|store| async move {
        on(&store, |tx| {
            workspace(tx, "b-two", 1, &[("team", "vision"), ("a.b'c", "1")]);
            workspace(tx, "a", 3, &[("team", "text")]);
            workspace(tx, "b", 3, &[("nul", "x\0y")]);
            workspace(tx, "bé", 2, &[]);
            workspace(tx, "c", 3, &[]);
            let mut names = |filter: ListFilter| -> Vec<String> {
                let found = paged(&filter, |search| workspaces::list(tx, search));
                found.into_iter().map(|found| found.name).collect()
            };
            assert_eq!(
                names(by(SortKey::Name, false)),
                ["a", "b", "b-two", "bé", "c"]
            );
            assert_eq!(
                names(by(SortKey::Name, true)),
                ["c", "bé", "b-two", "b", "a"]
            );
            let by_time = ["b-two", "bé", "a", "b", "c"];
            assert_eq!(names(by(SortKey::CreatedAt, false)), by_time);
            assert_eq!(
                names(by(SortKey::CreatedAt, true)),
                ["a", "b", "c", "bé", "b-two"]
            );
            assert_eq!(names(by(SortKey::UpdatedAt, true)), by_time);
            assert_eq!(names(prefix("b")), ["b", "b-two", "bé"]);
            assert_eq!(names(prefix("b%")), Vec::<String>::new());
            assert_eq!(names(tag("team", None)), ["a", "b-two"]);
            assert_eq!(names(tag("team", Some("vision"))), ["b-two"]);
            assert_eq!(names(tag("a.b'c", Some("1"))), ["b-two"]);
            assert_eq!(names(tag("vision", None)), Vec::<String>::new());
            // a place that is none of this order shows nothing
            for place in [
                vec![],
                vec![Value::Integer(1)],
                vec!["a".into(), "a".into()],
            ] {
                let search = ListSearch {
                    after: Some(place),
                    ..ListSearch::first(9)
                };
                assert!(workspaces::list(tx, &search).unwrap().is_empty());
            }
        })
        .await;
    });
}

#[test]
fn principals_tokens_and_assignments_are_filtered() {
    each_backend(|store| async move {
        on(&store, |tx| {
            principal(tx, "ada", PrincipalKind::User, 1);
            principal(tx, "ci-a", PrincipalKind::Service, 3);
            principal(tx, "ci-b", PrincipalKind::Service, 2);
            let mut names = |kind, filter: ListFilter| -> Vec<String> {
                let found = paged(&filter, |search| principals::list(tx, kind, search));
                found.into_iter().map(|found| found.name).collect()
            };
            let services = Some(PrincipalKind::Service);
            assert_eq!(names(None, prefix("ci-")), ["ci-a", "ci-b"]);
            assert_eq!(
                names(services, by(SortKey::CreatedAt, false)),
                ["ci-b", "ci-a"]
            );
            assert_eq!(
                names(Some(PrincipalKind::User), ListFilter::default()),
                ["ada"]
            );

            for (id, whose, expires, revoked) in [
                ("4", "ada", None, None),
                ("3", "ada", Some(50), None),
                ("2", "ci-a", Some(5), None),
                ("1", "ci-a", Some(5), Some(4)),
            ] {
                let token = Token {
                    id: id.to_owned(),
                    principal_id: format!("id-{whose}"),
                    name: "same".to_owned(),
                    scopes: vec![],
                    job: None,
                    created_at: Timestamp(1),
                    expires_at: expires.map(Timestamp),
                    revoked_at: revoked.map(Timestamp),
                };
                tokens::insert(tx, &token, b"hash", None).unwrap();
            }
            let mut ids = |principal: Option<&str>, state, filter: ListFilter| -> Vec<String> {
                let wanted = TokenFilter {
                    principal: principal.map(str::to_owned),
                    state,
                };
                let found = paged(&filter, |search| {
                    tokens::list(tx, &wanted, Timestamp(5), search)
                });
                found.into_iter().map(|found| found.id).collect()
            };
            let any = ListFilter::default;
            assert_eq!(
                ids(None, None, by(SortKey::Name, true)),
                ["1", "2", "3", "4"]
            );
            assert_eq!(
                ids(None, None, by(SortKey::CreatedAt, false)),
                ["1", "2", "3", "4"]
            );
            assert_eq!(ids(Some("ada"), None, any()), ["3", "4"]);
            assert_eq!(ids(Some("nobody"), None, any()), Vec::<String>::new());
            assert_eq!(ids(None, Some(TokenState::Active), any()), ["3", "4"]);
            assert_eq!(ids(None, Some(TokenState::Expired), any()), ["2"]);
            assert_eq!(
                ids(Some("ci-a"), Some(TokenState::Revoked), prefix("sa")),
                ["1"]
            );

            for (id, whose, role, at) in [
                ("1", "ada", "r1", 3),
                ("2", "ada", "r2", 2),
                ("3", "ci-a", "r1", 1),
            ] {
                let given = RoleAssignment {
                    id: id.to_owned(),
                    principal_id: format!("id-{whose}"),
                    role_id: role.to_owned(),
                    scope: "/".to_owned(),
                };
                assert!(roles::assign(tx, &given, Timestamp(at), "p").unwrap());
            }
            let mut given =
                |principal: Option<&str>, role: Option<&str>, filter: ListFilter| -> Vec<String> {
                    let wanted = AssignmentFilter {
                        principal: principal.map(str::to_owned),
                        role_id: role.map(str::to_owned),
                    };
                    let found = paged(&filter, |search| roles::at_scope(tx, "/", &wanted, search));
                    found.into_iter().map(|found| found.id).collect()
                };
            assert_eq!(given(None, None, any()), ["3", "2", "1"]);
            assert_eq!(
                given(None, None, by(SortKey::CreatedAt, true)),
                ["1", "2", "3"]
            );
            assert_eq!(given(Some("ada"), None, any()), ["2", "1"]);
            assert_eq!(given(Some("ada"), Some("r1"), any()), ["1"]);
        })
        .await;
    });
}

#[test]
fn models_are_seen_filtered_sorted_and_paged() {
    each_backend(|store| async move {
        on(&store, |tx| {
            let mut numbers = Vec::new();
            for (name, is_prompt, at) in [
                ("net", false, 3),
                ("Net", false, 2),
                ("nét", false, 1),
                ("ask", true, 4),
            ] {
                let number = models::insert(tx, "ws", name, None, is_prompt, Timestamp(at));
                numbers.push(number.unwrap());
            }
            models::set_tag(tx, numbers[0], &KeyValue::new("team", "vision")).unwrap();
            let mut hidden = models::find(tx, "ws", "Net").unwrap().unwrap();
            hidden.model.archived = true;
            models::update(tx, &hidden).unwrap();
            let mut names = |filter: ListFilter| -> Vec<String> {
                let found = paged(&filter, |search| model_lists::models(tx, "ws", search));
                found.into_iter().map(|found| found.model.name).collect()
            };
            let view = |view| ListFilter {
                view,
                ..ListFilter::default()
            };
            assert_eq!(names(ListFilter::default()), ["net", "nét"]);
            assert_eq!(names(view(ListView::ArchivedOnly)), ["Net"]);
            assert_eq!(names(view(ListView::All)), ["Net", "net", "nét"]);
            assert_eq!(names(by(SortKey::CreatedAt, false)), ["nét", "net"]);
            assert_eq!(names(by(SortKey::UpdatedAt, true)), ["net", "nét"]);
            assert_eq!(names(prefix("né")), ["nét"]);
            assert_eq!(names(tag("team", Some("vision"))), ["net"]);
            assert_eq!(names(tag("team", Some("text"))), Vec::<String>::new());
        })
        .await;
    });
}
