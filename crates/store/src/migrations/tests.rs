use super::*;

#[test]
fn names_are_numbered_without_gaps() {
    for (position, migration) in ALL.iter().enumerate() {
        assert_eq!(
            migration.version(),
            position as i64 + 1,
            "{}",
            migration.name
        );
        assert_eq!(
            &migration.name[..4],
            format!("{:04}", position + 1),
            "{}",
            migration.name
        );
    }
}

#[test]
fn dialect_comments_open_for_their_own_back_end() {
    let sql = "CREATE TABLE t (a TEXT NOT NULL, b TEXT) /*sqlite: WITHOUT ROWID */ /*postgres: WITH (fillfactor=70) */; /* kept */";
    assert_eq!(
        in_dialect(sql, Dialect::Sqlite),
        "CREATE TABLE t (a TEXT NOT NULL, b TEXT) WITHOUT ROWID ; /* kept */"
    );
    assert_eq!(
        in_dialect(sql, Dialect::Postgres),
        "CREATE TABLE t (a TEXT COLLATE \"C\" NOT NULL, b TEXT COLLATE \"C\")  WITH (fillfactor=70); /* kept */"
    );
}

#[test]
fn casts_comments_and_longer_words_keep_their_text() {
    let sql = "SELECT CAST(a AS TEXT) -- the TEXT of\n, b TEXTUAL";
    assert_eq!(in_dialect(sql, Dialect::Postgres), sql);
}

fn have(version: i64, name: &str, checksum: &str) -> AppliedMigration {
    AppliedMigration {
        version,
        name: name.into(),
        checksum: checksum.into(),
        applied_at: 0,
    }
}

#[test]
fn newer_and_altered_schemas_are_refused_in_words() {
    let first = ALL[0];
    let good = have(1, first.name, &first.checksum());
    check(std::slice::from_ref(&good)).unwrap();

    let altered = check(&[have(1, first.name, &"0".repeat(64))])
        .unwrap_err()
        .to_string();
    assert!(
        altered.contains("0000000000") && altered.contains("altered"),
        "{altered}"
    );

    let foreign = check(&[have(1, "0001_other", "x")])
        .unwrap_err()
        .to_string();
    assert!(
        foreign.contains("0001_other") && foreign.contains(first.name),
        "{foreign}"
    );

    let mut newer: Vec<_> = ALL
        .iter()
        .map(|m| have(m.version(), m.name, &m.checksum()))
        .collect();
    newer.push(have(latest() + 1, "9999_future", "x"));
    let newer = check(&newer).unwrap_err().to_string();
    assert!(
        newer.contains("9999_future") && newer.contains("use a newer lazuli"),
        "{newer}"
    );
}
