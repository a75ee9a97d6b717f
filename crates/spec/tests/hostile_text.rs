//! Whatever text comes from outside, every reader of this crate answers with a value or with words, and never panics.

use lazuli_spec::assets::ListView;
use lazuli_spec::computes::{ComputeSpec, NodeSize};
use lazuli_spec::deployments::DeploymentSpec;
use lazuli_spec::endpoints::EndpointSpec;
use lazuli_spec::filters::trace_metrics::parse_metrics_filter;
use lazuli_spec::filters::{parse_filter, parse_order_by, pattern, traces, vocabularies};
use lazuli_spec::jobs::CommandJob;
use lazuli_spec::references::Reference;
use lazuli_spec::tokens::TokenText;
use lazuli_spec::trace_metrics::MetricsView;
use lazuli_spec::trees::{ContentHash, Tree, TreeEntry, check_path};
use lazuli_spec::yaml::Document;
use lazuli_spec::{Action, ActionSet, Timestamp, expressions, limits, names, page_tokens};
use proptest::prelude::*;

/// Any text, texts of the characters that grammars are made of, and long ones.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z0-9 .:/@%'\"`()=<>!\\[\\]{}$,*_+-]{0,80}",
        "(\\PC|\\x00|\\r|\\n|\u{202e}|é|٣){0,40}",
        ("\\PC{1,3}", 1_usize..3_000).prop_map(|(piece, times)| piece.repeat(times)),
    ]
}

proptest! {
    #[test]
    fn names_numbers_and_references(text in text()) {
        let checks = [names::workspace, names::asset, names::version, names::job, names::compute, names::endpoint, names::principal, names::port];
        for check in checks {
            let _ = check(&text);
        }
        let _ = Reference::parse(&text);
        let _ = ListView::parse(&text);
        let _ = NodeSize::parse(&text);
        let _ = Timestamp::parse(&text);
        let _ = TokenText::parse(&text);
        let _ = TokenText::parse(&format!("lzt_{text}"));
        let _ = ContentHash::parse(&text);
        let _ = page_tokens::decode(&["runs", &text], &text);
        let _ = limits::key("key", "key", &text);
        let cut = limits::cut(text.clone(), 7);
        prop_assert!(text.starts_with(&cut));
        let _ = ActionSet::compile(&[text.as_str()], &["*"]);
        prop_assert!(!ActionSet::compile(&["*/read"], &[text.as_str()]).contains(Action::DataWrite));
    }

    #[test]
    fn filters_and_orders(text in text()) {
        for vocabulary in [
            &vocabularies::RUNS,
            &vocabularies::EXPERIMENTS,
            &vocabularies::REGISTERED_MODELS,
            &vocabularies::MODEL_VERSIONS,
            &vocabularies::LOGGED_MODELS,
        ] {
            let _ = parse_filter(vocabulary, &text);
            let _ = parse_filter(vocabulary, &format!("metrics.a > 1 AND {text}"));
            let _ = parse_order_by(vocabulary, &[text.clone(), format!("{text} ASC")]);
        }
        let _ = traces::parse_filter(&text);
        let _ = traces::parse_filter(&format!("span.name RLIKE '{text}' AND {text}"));
        let _ = traces::parse_order_by(std::slice::from_ref(&text));
        let _ = parse_metrics_filter(&text, MetricsView::Traces);
        let _ = pattern::for_postgres(&text);
    }

    #[test]
    fn expressions_and_paths(text in text()) {
        let _ = expressions::bindings(&text);
        let _ = expressions::sole_binding(&text);
        if check_path(&text).is_ok() {
            prop_assert!(!text.starts_with('/') && !text.contains('\0'));
            prop_assert!(text.split('/').all(|step| !matches!(step, "" | "." | "..")));
        }
    }

    #[test]
    fn trees(text in text(), sizes in prop::collection::vec(any::<u64>(), 0..4), paths in prop::collection::vec("[a/.]{1,6}", 4)) {
        let _ = Tree::parse_canonical(&text);
        let _ = Tree::parse_canonical(&format!("lazuli-tree 1\n{text}"));
        let entries = sizes.iter().zip(&paths).map(|(size, path)| TreeEntry {
            path: path.clone(),
            size: *size,
            sha256: ContentHash::of(text.as_bytes()),
        });
        if let Ok(tree) = Tree::new(entries.collect()) {
            let _ = tree.size();
            let _ = tree.subtree(&text);
            prop_assert_eq!(Tree::parse_canonical(&tree.canonical_text()).unwrap().id(), tree.id());
        }
    }

    #[test]
    fn documents(text in text()) {
        if let Ok(document) = Document::parse("request body", &text) {
            let _ = CommandJob::read(&document);
            let _ = ComputeSpec::read(&document, Some("cpu"));
            let _ = EndpointSpec::read(&document, Some("e"));
            let _ = DeploymentSpec::read(&document, Some("e"), Some("d"));
        }
    }
}
