//! A real core and serving over it, with the machine's own Python as every environment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use bytes::Bytes;
use lazuli_core::endpoints::EndpointChange;
use lazuli_core::environment_resolver::{
    EnvironmentError, EnvironmentRequest, EnvironmentResolver, Progress, ResolvedEnvironment,
};
use lazuli_core::testing::TestCore;
use lazuli_serve::Serving;
use lazuli_spec::Action;
use lazuli_spec::deployments::{Deployment, DeploymentSpec, DeploymentState};
use lazuli_spec::endpoints::{EndpointSpec, Traffic};
use lazuli_spec::trees::{Tree, TreeEntry};
use lazuli_spec::yaml::Document;
use tower::ServiceExt;

pub(crate) const WORKSPACE: &str = "default";

/// The machine's own Python, whatever is asked for.
pub(crate) struct PlainPython;

#[async_trait]
impl EnvironmentResolver for PlainPython {
    async fn resolve(
        &self,
        request: &EnvironmentRequest,
        _: Progress<'_>,
    ) -> Result<ResolvedEnvironment, EnvironmentError> {
        if request.image.as_deref() == Some("broken") {
            return Err(EnvironmentError {
                log: vec!["no version of nothing".to_owned()],
                ..EnvironmentError::invalid("nothing fits")
            });
        }
        let paths = std::env::var_os("PATH").unwrap();
        let python = std::env::split_paths(&paths)
            .map(|folder| folder.join("python3"))
            .find(|path| path.exists())
            .unwrap();
        Ok(ResolvedEnvironment {
            key: "plain".to_owned(),
            path: PathBuf::from("/usr"),
            python,
            python_version: "3".to_owned(),
            relaxations: Vec::new(),
            variables: BTreeMap::new(),
            cached: true,
            took: Duration::ZERO,
        })
    }

    fn curated(&self, _: &str) -> Option<EnvironmentRequest> {
        None
    }

    fn curated_names(&self) -> Vec<String> {
        Vec::new()
    }
}

pub(crate) struct Fixture {
    pub(crate) test: TestCore,
    pub(crate) serving: Serving,
    pub(crate) gateway: Router,
}

impl Fixture {
    pub(crate) async fn start() -> Self {
        let test = TestCore::start().await;
        let serving = Serving::start(test.core.clone(), Arc::new(PlainPython));
        let gateway = lazuli_serve::router(&serving);
        let fixture = Self {
            test,
            serving,
            gateway,
        };
        fixture.endpoint("flowers").await;
        fixture
    }

    pub(crate) async fn endpoint(&self, name: &str) {
        let spec = EndpointSpec::read(
            &Document::parse("e", &format!("name: {name}")).unwrap(),
            None,
        )
        .unwrap();
        self.test
            .core
            .put_endpoint(&self.test.admin, WORKSPACE, spec, None)
            .await
            .unwrap();
    }

    pub(crate) async fn code(&self, script: &str) -> String {
        let put = self
            .test
            .core
            .blobs()
            .put_content_bytes(Bytes::copy_from_slice(script.as_bytes()))
            .await
            .unwrap();
        let sha256 = lazuli_spec::trees::ContentHash::of(script.as_bytes());
        let tree = Tree::new(vec![TreeEntry {
            path: "score.py".to_owned(),
            size: put.size,
            sha256,
        }])
        .unwrap();
        let access = self
            .test
            .core
            .access(&self.test.admin, WORKSPACE, Action::ContentWrite)
            .await
            .unwrap();
        format!(
            "tree:{}",
            lazuli_core::content::adopt_tree(&access, &tree)
                .await
                .unwrap()
        )
    }

    pub(crate) async fn deploy(&self, name: &str, script: &str, more: &str) -> Deployment {
        let code = self.code(script).await;
        let text = format!(
            "name: {name}\nendpoint_name: flowers\ncode_configuration: {{code: '{code}', scoring_script: score.py}}\nenvironment: {{image: plain}}\n{more}"
        );
        let spec = DeploymentSpec::read(&Document::parse("d", &text).unwrap(), None, None).unwrap();
        self.test
            .core
            .put_deployment(&self.test.admin, WORKSPACE, spec, None)
            .await
            .unwrap()
            .0
    }

    pub(crate) async fn settled(&self, name: &str) -> Deployment {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let found = self
                .test
                .core
                .get_deployment(&self.test.admin, WORKSPACE, "flowers", name)
                .await
                .unwrap();
            if matches!(
                found.state,
                DeploymentState::Succeeded | DeploymentState::Failed
            ) {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "the deployment does not come to rest"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn traffic(&self, shares: &[(&str, u8)], mirror: &[(&str, u8)]) {
        let map = |shares: &[(&str, u8)]| -> Traffic {
            shares
                .iter()
                .map(|(name, share)| ((*name).to_owned(), *share))
                .collect()
        };
        let change = EndpointChange {
            traffic: Some(map(shares)),
            mirror_traffic: Some(map(mirror)),
            ..EndpointChange::default()
        };
        self.test
            .core
            .update_endpoint(&self.test.admin, WORKSPACE, "flowers", change, None)
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    pub(crate) async fn key(&self) -> String {
        self.test
            .core
            .endpoint_keys(&self.test.admin, WORKSPACE, "flowers")
            .await
            .unwrap()
            .primary_key
    }

    pub(crate) async fn call(
        &self,
        key: &str,
        deployment: Option<&str>,
        body: &str,
    ) -> Response<Body> {
        let mut request = Request::post("/endpoints/flowers/score")
            .header("authorization", format!("Bearer {key}"));
        if let Some(name) = deployment {
            request = request.header("azureml-model-deployment", name);
        }
        self.gateway
            .clone()
            .oneshot(request.body(Body::from(body.to_owned())).unwrap())
            .await
            .unwrap()
    }
}

pub(crate) async fn text(response: Response<Body>) -> String {
    String::from_utf8(
        to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap()
            .to_vec(),
    )
    .unwrap()
}

pub(crate) fn says(word: &str) -> String {
    format!(
        "def init(): print('hello from {word}')\ndef run(data):\n    if data == 'raise': raise ValueError('wilted')\n    if data == 'loop':\n        while True: pass\n    return '{word}'\n"
    )
}
