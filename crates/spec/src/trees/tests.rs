use proptest::prelude::*;

use super::*;

fn entry(path: &str, content: &str) -> TreeEntry {
    TreeEntry {
        path: path.into(),
        size: content.len() as u64,
        sha256: ContentHash::of(content.as_bytes()),
    }
}

#[test]
fn the_canonical_text_is_pinned() {
    let tree = Tree::new(vec![entry("b/two.csv", "2"), entry("a b.csv", "11")]).unwrap();
    insta::assert_snapshot!(tree.canonical_text(), @r"
    lazuli-tree 1
    4fc82b26aecb47d2868c4efbe3581732a3e7cbcc6c2efb32062c08170a05eeb8 2 a b.csv
    d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35 1 b/two.csv
    ");
    insta::assert_snapshot!(tree.id(), @"b24b6a2181c8f31d44487968380806b5da923ee2fc7f566f0a6382e1e32ed86c");
    assert_eq!((tree.count(), tree.size()), (2, 3));
}

#[test]
fn the_empty_tree_has_an_id_too() {
    let empty = Tree::default();
    assert_eq!(
        Tree::parse_canonical(&empty.canonical_text()).unwrap(),
        empty
    );
}

#[test]
fn hostile_paths_are_refused_with_the_reason() {
    let long = "x".repeat(241);
    let deep = "ab/".repeat(400) + "x";
    let cases = [
        "",
        "/etc/passwd",
        "..",
        "../x",
        "a/../b",
        "a/./b",
        "a//b",
        "a/",
        "a\0b",
        "a\nb",
        "a\\b",
        "C:\\x",
        &long,
        &deep,
    ];
    let reasons: Vec<String> = cases
        .iter()
        .map(|path| match check_path(path) {
            Err(TreeError::Path { reason, .. }) => reason.to_owned(),
            other => panic!("{path:?} gave {other:?}"),
        })
        .collect();
    insta::assert_snapshot!(reasons.join("\n"), @r"
    is empty
    is absolute; it must be relative
    contains `.` or `..`
    contains `.` or `..`
    contains `.` or `..`
    contains `.` or `..`
    has an empty segment
    has an empty segment
    contains a control character
    contains a control character
    contains a backslash; folders are separated by `/`
    contains a backslash; folders are separated by `/`
    has a segment longer than 240 bytes
    is longer than 1024 bytes
    ");
    for path in [
        "...",
        "a..b",
        ".hidden",
        "ünï/中文 🦀.txt",
        "a#1",
        "100%",
        "-x",
    ] {
        check_path(path).unwrap();
    }
}

#[test]
fn what_cannot_be_a_folder_is_refused() {
    let twice = Tree::new(vec![entry("a", "1"), entry("a", "2")]);
    assert_eq!(twice, Err(TreeError::Duplicate("a".into())));
    let both = Tree::new(vec![entry("a/b", "1"), entry("a", "2"), entry("a-b", "3")]);
    assert_eq!(
        both,
        Err(TreeError::FileAndFolder("a".into(), "a/b".into()))
    );
    let huge = |path: &str| TreeEntry {
        size: u64::MAX,
        ..entry(path, "")
    };
    assert!(matches!(
        Tree::new(vec![huge("a"), huge("b")]),
        Err(TreeError::TooLarge(_))
    ));
}

#[test]
fn json_is_checked_while_it_is_read() {
    let tree = Tree::new(vec![entry("a.csv", "1")]).unwrap();
    let json = serde_json::to_string(&tree).unwrap();
    assert_eq!(serde_json::from_str::<Tree>(&json).unwrap(), tree);
    let climbing = json.replace("a.csv", "../a.csv");
    let error = serde_json::from_str::<Tree>(&climbing)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("the path `../a.csv` contains `.` or `..`"),
        "{error}"
    );
    assert!(serde_json::from_str::<Tree>(r#"{"files":[],"more":1}"#).is_err());
}

#[test]
fn other_texts_than_the_canonical_are_refused() {
    let good = Tree::new(vec![entry("a", "1"), entry("b", "2")])
        .unwrap()
        .canonical_text();
    let mut lines: Vec<&str> = good.lines().collect();
    lines.swap(1, 2);
    let swapped = lines.join("\n") + "\n";
    for bad in [
        "",
        "tree",
        &swapped,
        good.trim_end(),
        &(good.clone() + "x"),
        &good.replace(" 1 ", " 01 "),
    ] {
        assert!(Tree::parse_canonical(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_subtree_is_relative_and_a_file_is_alone() {
    let tree = Tree::new(vec![
        entry("m/MLmodel", "x"),
        entry("m/data/w.bin", "y"),
        entry("mm", "z"),
    ])
    .unwrap();
    let paths =
        |tree: Tree| -> Vec<String> { tree.entries().iter().map(|e| e.path.clone()).collect() };
    assert_eq!(paths(tree.subtree("m").unwrap()), ["MLmodel", "data/w.bin"]);
    assert_eq!(paths(tree.subtree("m/data/w.bin").unwrap()), ["w.bin"]);
    assert_eq!(tree.subtree("none"), None);
}

proptest! {
    #[test]
    fn any_tree_survives_its_text_and_its_order_does_not_matter(
        paths in proptest::collection::btree_set("[a-z]{1,3}( [a-z])?\\.(csv|txt)", 0..20),
        seed in any::<u64>(),
    ) {
        let mut entries: Vec<_> = paths.iter().map(|p| entry(p, p)).collect();
        let sorted = Tree::new(entries.clone()).unwrap();
        let turn = entries.len().max(1);
        entries.rotate_left(usize::try_from(seed % turn as u64).unwrap());
        let rotated = Tree::new(entries).unwrap();
        prop_assert_eq!(rotated.id(), sorted.id());
        prop_assert_eq!(Tree::parse_canonical(&sorted.canonical_text()).unwrap(), sorted);
    }

    #[test]
    fn an_accepted_path_never_leaves_its_root(path in "[a-c./\\\\\u{0}\n ]{0,12}") {
        if check_path(&path).is_ok() {
            let mut depth = 0_i64;
            for part in std::path::Path::new(&path).components() {
                prop_assert!(matches!(part, std::path::Component::Normal(_)), "{:?}", part);
                depth += 1;
            }
            prop_assert!(depth > 0);
            prop_assert!(!path.contains(['\0', '\n', '\\']));
        }
    }

    #[test]
    fn reading_any_text_never_panics(text in ".{0,200}") {
        let _ = Tree::parse_canonical(&text);
        let _ = Tree::parse_canonical(&format!("lazuli-tree 1\n{text}"));
        let _ = ContentHash::parse(&text);
    }
}
