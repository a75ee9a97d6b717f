//! Data, environments, code and their content, on both back ends.

mod archive;
mod content;
mod data;
mod environments;

use axum::body::Body;
use axum::http::StatusCode;
use lazuli_spec::trees::{ContentHash, Tree, TreeEntry};
use serde_json::json;

use crate::bench::{Answer, Bench, each, lines};

impl Bench {
    pub(crate) async fn put_bytes(&self, content: &[u8]) -> Answer {
        let path = format!("default/content/{}", ContentHash::of(content));
        let body = Body::from(content.to_vec());
        self.send(&self.test.admin_token, "PUT", &path, &[], body)
            .await
    }

    /// Uploads a folder as a client does, and returns its tree's id.
    pub(crate) async fn upload(&self, files: &[(&str, &str)]) -> String {
        for (_, content) in files {
            assert_eq!(
                self.put_bytes(content.as_bytes()).await.status,
                StatusCode::OK
            );
        }
        let tree = tree(files);
        let path = format!("trees/{}", tree.id());
        let answer = self
            .call("PUT", &path, serde_json::to_value(&tree).unwrap())
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        tree.id().to_string()
    }

    /// Makes a version of a data asset of one file with this content.
    pub(crate) async fn make_data(
        &self,
        name: &str,
        version: Option<&str>,
        content: &str,
    ) -> Answer {
        let tree = self.upload(&[("file.csv", content)]).await;
        let body =
            json!({"name": name, "version": version, "path": format!("tree:{tree}/file.csv")});
        self.call("POST", "data", body).await
    }
}

fn tree(files: &[(&str, &str)]) -> Tree {
    let entry = |(path, content): &(&str, &str)| TreeEntry {
        path: (*path).into(),
        size: content.len() as u64,
        sha256: ContentHash::of(content.as_bytes()),
    };
    Tree::new(files.iter().map(entry).collect()).unwrap()
}
